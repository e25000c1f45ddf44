"""The publisher's list of people: per key its hash, the beginning of its tombstone's digest, and its registry number.

The registry knows digests only, so that nobody could be looked up in a batch of samples by it at speed; and what is erased is forgotten
there. The roster is filled while people are still in the stores. It holds no identifier. It only grows, by whole rows, so that what a
crash leaves is a torn last row, which is cut off. Of a key that comes twice (who was erased came back), the later row counts.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from expunge.durable import make_folder, sync_folder
from expunge.gate.kernel import fill, find

ROW = np.dtype([("hash", "<u8"), ("stone", "<u8"), ("number", "<u4")])

_LOAD = 0.7
"""Of the table's slots, the part in use: 2.2 looks per unknown key, 11.4 bytes per person (0.9 saves 2.5 bytes and looks 50 times)."""

Rows = npt.NDArray[np.void]
Words = npt.NDArray[np.uint64]


class Roster:
    """The people of one kind."""

    def __init__(self, path: Path) -> None:
        """Read what is there; a torn row is passed over, and written over by the next ``add``."""
        self._path = path
        self._found: tuple[Words, int] | None = None

    def rows(self) -> Rows:
        """All rows, mapped from the file."""
        size = self._path.stat().st_size // ROW.itemsize if self._path.exists() else 0
        return np.memmap(self._path, ROW, "r", shape=(size,)) if size else np.empty(0, ROW)

    def numbers(self, hashes: Words) -> npt.NDArray[np.uint32]:
        """The number of each hash's person; 0 for who is in no row. What ``add`` has added since the first call is not looked at."""
        if self._found is None:
            rows = self.rows()
            self._found = table(np.ascontiguousarray(rows["hash"]), np.ascontiguousarray(rows["number"]))
        slots, bits = self._found
        numbers = np.empty(hashes.size, np.uint32)
        find(slots, np.uint64(bits), hashes, numbers)
        return numbers

    def add(self, rows: Rows) -> None:
        """Append rows, durably.

        Raises:
            OSError: the medium refuses.
        """
        make_folder(self._path.parent, secret=True)
        whole = self.rows().size * ROW.itemsize
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.truncate(whole)
            out.seek(whole)
            out.write(rows.tobytes())
            out.flush()
            os.fsync(out.fileno())
        sync_folder(self._path.parent)


def table(hashes: Words, numbers: npt.NDArray[np.uint32]) -> tuple[Words, int]:
    """The table from hash to number, and how many bits of a slot are the number's."""
    slots = np.zeros(max(8, int(hashes.size / _LOAD)), np.uint64)
    bits = int(numbers.max(initial=1)).bit_length()
    fill(slots, np.uint64(bits), hashes, numbers.astype(np.uint64), np.zeros(slots.size, np.uint32))
    return slots, bits
