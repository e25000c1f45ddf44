"""The C2SP tlog-tiles layout: hash tiles and entry bundles as static files.

``tile/<level>/<n>`` holds 256 hashes, ``tile/entries/<n>`` 256 entries, each with ``.p/<width>`` while it is not full. Files of a
published size never change. A partial file stays until its full one is there, as the specification asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from expunge.errors import BadProof, EvidenceError
from expunge.evidence.files import translated
from expunge.evidence.merkle import HASH_BYTES, HashAt, perfect_root, root

WIDTH: Final = 256
HEIGHT: Final = 8
MAX_ENTRY: Final = 0xFFFF
"""Bytes of the longest entry: bundles give each a 16-bit length."""

ENTRIES: Final = "entries"
_DIGITS = 1000
_CACHED_HASHES = 65_536
"""Subtree hashes kept per reader, about 7 MB: making ten thousand receipts in a row hashes each inner node once, not once a receipt."""
_CACHED_TILES = 256
"""Tiles kept per reader, 8 KiB each: 2 MiB hold every tile that a million proofs near the head need."""


def tile_name(level: int | str, number: int, width: int = WIDTH) -> str:
    """The path below the log's folder: groups of three digits, all but the last with an ``x``."""
    number, last = divmod(number, _DIGITS)
    path = f"{last:03d}"
    while number:
        number, group = divmod(number, _DIGITS)
        path = f"x{group:03d}/{path}"
    return f"tile/{level}/{path}" + (f".p/{width}" if width < WIDTH else "")


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """An entry bundle.

    Raises:
        EvidenceError: an entry is longer than the format can hold.
    """
    if any(len(one) > MAX_ENTRY for one in entries):
        raise EvidenceError(f"an entry is longer than {MAX_ENTRY} bytes, which the log's format can't hold", where="evidence log")
    return b"".join(len(one).to_bytes(2, "big") + one for one in entries)


def unpack_entries(bundle: bytes, width: int) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        BadProof: not exactly ``width`` entries.
    """
    entries: list[bytes] = []
    place = 0
    while place < len(bundle):
        length = int.from_bytes(bundle[place : place + 2], "big")
        entries.append(bundle[place + 2 : place + 2 + length])
        place += 2 + length
    if place != len(bundle) or len(entries) != width:
        raise BadProof(f"an entry bundle does not hold {width} whole entries")
    return entries


def split_hashes(tile: bytes) -> list[bytes]:
    """The hashes of a tile."""
    return [tile[i : i + HASH_BYTES] for i in range(0, len(tile), HASH_BYTES)]


class Tiles:
    """Reads the files of one folder as a tree of ``size`` entries. Immutable; make a new one for another size."""

    def __init__(self, directory: Path, size: int) -> None:
        """Nothing is read yet."""
        self.directory = directory
        self.size = size
        self._tile: Callable[[int, int], bytes] = lru_cache(_CACHED_TILES)(self._read_tile)
        self._hash: HashAt = lru_cache(_CACHED_HASHES)(self._subtree)

    def at(self, level: int, index: int) -> bytes:
        """A subtree's hash, as ``merkle.HashAt``.

        Raises:
            BadProof: a tile is missing or has another length.
        """
        return self._hash(level, index)

    def root(self) -> bytes:
        """The root over all entries, from the tiles at the tree's edge."""
        return root(self.size, self.at)

    def bundle(self, number: int) -> list[bytes]:
        """The entries ``256 * number`` onward, as far as the tree's size.

        Raises:
            BadProof: missing or malformed.
        """
        width = min(WIDTH, self.size - number * WIDTH)
        raw, found = self.read(ENTRIES, number, width)
        return unpack_entries(raw, found)[:width]

    def read(self, level: int | str, number: int, width: int) -> tuple[bytes, int]:
        """A file's bytes and its width: the one of that width, or the full one that has replaced it.

        Raises:
            BadProof: neither is there.
            EvidenceError: it can't be read.
        """
        for candidate in (width, WIDTH):
            path = self.directory / tile_name(level, number, candidate)
            with translated():
                if path.is_file():
                    return path.read_bytes(), candidate
        raise BadProof(f"{tile_name(level, number, width)} is missing", where="evidence log")

    def _subtree(self, level: int, index: int) -> bytes:
        tile_level, above = divmod(level, HEIGHT)
        number, place = divmod(index << above, WIDTH)
        tile = self._tile(tile_level, number)
        hashes = split_hashes(tile[place * HASH_BYTES : (place + (1 << above)) * HASH_BYTES])
        if len(hashes) != 1 << above:
            raise BadProof(f"tile {tile_name(tile_level, number)} is too short", where="evidence log")
        return perfect_root(hashes)

    def _read_tile(self, level: int, number: int) -> bytes:
        width = min(WIDTH, (self.size >> HEIGHT * level) - number * WIDTH)
        if width <= 0:
            raise BadProof(f"a tree of {self.size} entries has no tile {tile_name(level, number)}", where="evidence log")
        tile, found = self.read(level, number, width)
        if len(tile) != found * HASH_BYTES:
            raise BadProof(f"{tile_name(level, number, found)} has another length", where="evidence log")
        return tile[: width * HASH_BYTES]


def grown_bundles(tiles: Tiles, entries: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every entry bundle that changes when ``entries`` are appended to ``tiles``."""
    number, width = divmod(tiles.size, WIDTH)
    row = [*(tiles.bundle(number) if width else ()), *entries]
    for start in range(0, len(row), WIDTH):
        part = row[start : start + WIDTH]
        yield tile_name(ENTRIES, number + start // WIDTH, len(part)), pack_entries(part)


def grown_tiles(tiles: Tiles, leaves: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every hash tile that changes when ``leaves`` (leaf hashes) are appended to ``tiles``."""
    fresh = list(leaves)
    level = 0
    while fresh:
        number, width = divmod(tiles.size >> HEIGHT * level, WIDTH)
        row = [*(tiles.at(level * HEIGHT, number * WIDTH + i) for i in range(width)), *fresh]
        fresh = []
        for start in range(0, len(row), WIDTH):
            part = row[start : start + WIDTH]
            yield tile_name(level, number + start // WIDTH, len(part)), b"".join(part)
            if len(part) == WIDTH:
                fresh.append(perfect_root(part))
        level += 1
