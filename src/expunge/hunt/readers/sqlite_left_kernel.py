"""Machine code that reads the numbers out of the rows on a leaf page of a SQLite table (file format, sections 1.6 and 2.1)."""

from __future__ import annotations

# ruff: noqa: PLR2004  # bytes and codes as the file format writes them
import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_compile import compiled
from expunge.hunt.readers.encodings_kernel import Bytes

LEAF = 13
"""The first byte of a table's leaf page."""

NEITHER, WHOLE, REAL = 0, 1, 2
"""What a value is: no number, or one without or with decimals."""

_SIZES = np.array([0, 1, 2, 3, 4, 6, 8, 8, 0, 0], dtype=np.int64)
"""Bytes of a value by its serial type, up to 9."""


@compiled
def _varint(page: Bytes, at: int) -> tuple[int, int]:
    """A number of up to nine bytes, and where it ends; behind the page if it isn't whole."""
    value = 0
    for place in range(9):
        if at + place >= page.size:
            return 0, page.size + 1
        byte = int(page[at + place])
        if place == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 127
        if byte < 128:
            return value, at + place + 1
    return 0, page.size + 1


@compiled
def _record(page: Bytes, cell: int) -> tuple[int, int, int, int]:
    """Of the cell at ``cell``: its rowid, where its serial types begin and end, and its values begin; all 0 if it is none."""
    _, at = _varint(page, cell)
    rowid, at = _varint(page, at)
    size, types = _varint(page, at)
    end = at + size
    return (rowid, types, end, end) if types <= end <= page.size else (0, 0, 0, 0)


@compiled
def _cells(page: Bytes) -> int:
    """How many cells the page says that it has; 0 if it is no leaf."""
    if page.size < 512 or page[0] != LEAF:
        return 0
    count = np.int64(page[3]) << 8 | page[4]
    return count if 8 + 2 * count <= page.size else 0


@compiled
def width(page: Bytes) -> int:
    """How many values the page's first row has; 0 if it is no leaf."""
    if _cells(page) == 0:
        return 0
    _, at, end, _ = _record(page, np.int64(page[8]) << 8 | page[9])
    count = 0
    while at < end:
        _, at = _varint(page, at)
        count += 1
    return count


@compiled
def _value(page: Bytes, kind: int, at: int, whole: npt.NDArray[np.int64], real: npt.NDArray[np.float64]) -> int:
    """A value of serial type ``kind``, up to 9, into ``whole[0]`` and ``real[0]``; what it is."""
    if kind in (8, 9):
        whole[0] = kind - 8
    elif kind == 7:
        bits = np.uint64(0)
        for place in range(8):
            bits = bits << np.uint64(8) | np.uint64(page[at + place])
        real[0] = np.array([bits]).view(np.float64)[0]
        return REAL
    elif kind == 0:
        return NEITHER
    else:
        value = np.int64(page[at]) - (256 if page[at] >= 128 else 0)
        for place in range(1, _SIZES[kind]):
            value = value << 8 | np.int64(page[at + place])
        whole[0] = value
    real[0] = whole[0]
    return WHOLE


@compiled
def rows(
    page: Bytes, whole: npt.NDArray[np.int64], real: npt.NDArray[np.float64], kinds: npt.NDArray[np.uint8], rowids: npt.NDArray[np.int64]
) -> int:
    """The numbers of the page's rows that have as many values as ``kinds`` has columns; how many rows.

    Values that lie on other pages, behind a long text, are none here. ``kinds`` has room for as many rows as a page can have cells.
    """
    count = 0
    for number in range(min(_cells(page), kinds.shape[0])):
        cell = np.int64(page[8 + 2 * number]) << 8 | page[9 + 2 * number]
        rowid, at, end, value = _record(page, cell)
        column = 0
        while at < end and column < kinds.shape[1]:
            kind, at = _varint(page, at)
            size = _SIZES[kind] if 0 <= kind < 10 else (kind - 12) // 2 if kind >= 12 else page.size
            inside = 0 <= kind < 10 and value + size <= page.size
            kinds[count, column] = _value(page, kind, value, whole[count, column:], real[count, column:]) if inside else NEITHER
            value = min(value + size, page.size + 1)
            column += 1
        if column == kinds.shape[1] and at == end:
            rowids[count] = rowid
            count += 1
    return count
