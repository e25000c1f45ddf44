"""A compact index from digests to places in a file: 16 bytes a digest, so that a million cost 16 MB and not some hundreds."""

from __future__ import annotations

from collections.abc import Iterable

PREFIX_BYTES = 8
"""Two of a million digests share 8 bytes once in 37 million registers; whoever looks up compares the whole digest in the file anyway."""

_PLACE_BYTES = 8
_ROW = PREFIX_BYTES + _PLACE_BYTES
_MOST_RECENT = 50_000
"""New rows stay in a dict up to here: sorting a million rows anew takes about a second, so it is done once per many additions."""


class PrefixIndex:
    """Sorted rows of prefix and place in one ``bytes``, and a dict of what came since they were sorted."""

    def __init__(self) -> None:
        """Empty."""
        self._rows = b""
        self._recent: dict[bytes, list[int]] = {}
        self._fresh = 0

    def add(self, found: Iterable[tuple[bytes, int]]) -> None:
        """Add digests (or their prefixes) with their places."""
        for digest, place in found:
            self._recent.setdefault(digest[:PREFIX_BYTES], []).append(place)
            self._fresh += 1
        if self._fresh > _MOST_RECENT:
            self._settle()

    def find(self, digest: bytes) -> list[int]:
        """The places where a digest with this prefix was added, ascending."""
        prefix = digest[:PREFIX_BYTES]
        places = list(self._recent.get(prefix, ()))
        row = self._first(prefix)
        while self._rows[row * _ROW : row * _ROW + PREFIX_BYTES] == prefix:
            places.append(int.from_bytes(self._rows[row * _ROW + PREFIX_BYTES : (row + 1) * _ROW], "big"))
            row += 1
        return sorted(places)

    def _first(self, prefix: bytes) -> int:
        low, high = 0, len(self._rows) // _ROW
        while low < high:
            middle = (low + high) // 2
            if self._rows[middle * _ROW : middle * _ROW + PREFIX_BYTES] < prefix:
                low = middle + 1
            else:
                high = middle
        return low

    def _settle(self) -> None:
        rows = [self._rows[i : i + _ROW] for i in range(0, len(self._rows), _ROW)]
        rows += [prefix + place.to_bytes(_PLACE_BYTES, "big") for prefix, places in self._recent.items() for place in places]
        rows.sort()
        self._rows = b"".join(rows)
        self._recent = {}
        self._fresh = 0
