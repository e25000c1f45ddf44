"""Arrays as tables: the same for ``.npy`` files, arrays in pickles, tensors and columns of frames.

What an array's shape means is guessed once, here: one dimension is a column; a matrix of up to 7 columns is a table (fixes of a track are
two or three numbers); wider ones of floats are vectors (no embedding in use has fewer than 8 dimensions), wider ones of whole numbers up
to 32 a table; more dimensions are vectors along the last. Bytes (uint8) are pixels or a file: a stream, not a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from expunge.hunt.pieces import Column, Numbers, Place, Rows, Texts, Vectors
from expunge.hunt.readers.columns import texts_of

BATCH = 4 << 20
"""Bytes of a batch of rows: some thousand vectors, and far below what a worker may hold."""

WHOLE = 64 << 20
"""An array whose rows don't lie one after the other is taken into memory up to here."""

VECTOR = 8
"""Numbers that make a vector; fewer are columns."""

_TABLE = 32
_MOST_COLUMNS = 1024
_MOST_ITEM = 16 << 20  # bytes of one element: a fixed-width text column of more is a mistake or an attack

Values = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, repr=False)
class Shaped:
    """An array that has not been read: its type, its dimensions, and whether the first of them runs fastest."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    fortran: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def sane(self) -> bool:
        """Whether it can be what it says: no negative or absurd dimension, no elements that are pointers."""
        fits = 0 < self.dtype.itemsize <= _MOST_ITEM and not self.dtype.hasobject
        return fits and len(self.shape) <= 64 and all(0 <= one < 1 << 62 for one in self.shape)  # noqa: PLR2004 # numpy's most dimensions


def tables(place: Place, shaped: Shaped, file: BinaryIO, name: str = "value") -> Generator[Rows, None, int]:
    """The array whose elements ``file`` gives from here on, as rows in batches; ``name`` is its column's, or the start of its columns'.

    ``shaped`` must be ``sane``. Ends early where the file does.

    Returns:
        How many bytes were read, for the caller to hold against ``nbytes``.
    """
    if shaped.fortran and len(shaped.shape) > 1:
        return (yield from _turned(place, shaped, file, name))
    shape = shaped.shape or (1,)
    row = math.prod(shape[1:]) * shaped.dtype.itemsize
    if row > WHOLE:
        shape, row = (math.prod(shape),), shaped.dtype.itemsize
    first = given = 0
    while row and first < shape[0]:
        raw = _read(file, min(max(1, BATCH // row), shape[0] - first) * row)
        given += len(raw)
        count = len(raw) // row
        if not count:
            break
        values = np.frombuffer(raw[: count * row], dtype=shaped.dtype).reshape(count, *shape[1:])
        yield batch(place, values, name, first)
        first += count
    return given


def _turned(place: Place, shaped: Shaped, file: BinaryIO, name: str) -> Generator[Rows, None, int]:
    """An array whose first dimension runs fastest: whole if it is small, else column by column, each a table of its own."""
    given = 0
    if shaped.nbytes <= WHOLE:
        raw = _read(file, shaped.nbytes)
        given = len(raw)
        if given == shaped.nbytes and given:
            values = np.frombuffer(raw, dtype=shaped.dtype).reshape(shaped.shape, order="F")
            yield batch(place, np.ascontiguousarray(values), name)
        return given
    for index in range(math.prod(shaped.shape[1:])):
        column = Shaped(shaped.dtype, shaped.shape[:1])
        got = yield from tables(place.of(table=f"{place.table or name}.{index}"), column, file, f"{name}.{index}")
        given += got
        if not got:
            break
    return given


def _read(file: BinaryIO, size: int) -> bytes:
    """Up to ``size`` bytes; fewer only at the end. Read in steps, so that a claimed size costs nothing."""
    raw = file.read(min(size, BATCH))
    if len(raw) == size:
        return raw
    parts, got = [raw], len(raw)
    while got < size and (part := file.read(min(size - got, BATCH))):
        parts.append(part)
        got += len(part)
    return b"".join(parts)


def batch(place: Place, values: Values, name: str, first: int = 0) -> Rows:
    """A batch of an array as rows: along the first dimension, or, with three or more, along all but the last."""
    if values.dtype.names is None and values.ndim > 2:  # noqa: PLR2004 # more than a matrix
        values = values.reshape(-1, values.shape[-1])
    elif values.dtype.names is not None:
        values = values.reshape(-1)
    return Rows(place, columns(values, name), len(values), first)


def columns(values: Values, name: str) -> dict[str, Column]:
    """The columns of a vector, a matrix or a vector of records (by the names of their fields)."""
    if values.dtype.names is not None:
        held = {part: values[part] for part in values.dtype.names}
        flat = {part: one.reshape(len(values), -1) if one.ndim > 1 else one for part, one in held.items()}
        return {key: column for part, one in flat.items() for key, column in columns(one, part).items()}
    if values.ndim <= 1:
        return {name: column(values.reshape(-1))}
    width, number = values.shape[1], values.dtype.kind in "iufb"
    found: dict[str, Column] = {}
    if width < VECTOR or not number or (width <= _TABLE and values.dtype.kind in "iu"):
        found |= {f"{name}.{index}": column(values[:, index]) for index in range(min(width, _MOST_COLUMNS))}
    if width >= VECTOR and number:
        with np.errstate(all="ignore"):  # what float32 can't hold becomes infinite; no embedding is so large
            found[name] = Vectors(np.ascontiguousarray(values, dtype=np.float32))
    return found


def column(values: Values) -> Column:
    """One dimension of an array: numbers as they are in this machine's byte order, texts in one buffer, times as whole numbers."""
    special = _SPECIAL.get(values.dtype.kind)
    if special is not None:
        return special(values)
    native = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    if native.dtype.kind == "f" and native.dtype.itemsize not in {4, 8}:
        with np.errstate(all="ignore"):  # as above
            return Numbers(native.astype(np.float32 if native.dtype.itemsize == 2 else np.float64))  # noqa: PLR2004 # half precision
    return Numbers(native)


def _times(values: Values) -> Numbers:
    return Numbers(np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("=")).view(np.int64), np.isnat(values))


def _wide(values: Values) -> Texts:
    """Fixed-width UTF-32, as numpy holds texts. Where all is ASCII, every fourth byte is the text."""
    width = values.dtype.itemsize // 4
    if not width:
        return texts_of([b""] * len(values))
    codes = np.ascontiguousarray(values).view(values.dtype.str[0] + "u4").reshape(-1, width)
    if codes.size and codes.max() < 128:  # noqa: PLR2004 # ASCII
        return _fixed(codes.astype(np.uint8).view(f"S{width}").reshape(-1))
    return texts_of([_utf8(row) for row in codes])


def _utf8(codes: npt.NDArray[np.generic]) -> bytes:
    return codes.astype("<u4").tobytes().decode("utf-32-le", errors="replace").rstrip("\0").encode()


def _fixed(values: Values) -> Texts:
    """Fixed-width byte strings, padded with zeros."""
    width = values.dtype.itemsize
    if not width or not len(values):
        return texts_of([b""] * len(values))
    cells = values.view(np.uint8).reshape(-1, width)
    full = cells != 0
    lengths = np.where(full.any(axis=1), width - np.argmax(full[:, ::-1], axis=1), 0)
    offsets = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return Texts(cells[np.arange(width) < lengths[:, None]], offsets)


_SPECIAL: dict[str, Callable[[Values], Column]] = {
    "U": _wide,
    "S": lambda values: _fixed(np.ascontiguousarray(values)),
    "V": lambda values: texts_of([one.tobytes() for one in values]),
    "m": _times,
    "M": _times,
    "c": lambda values: Numbers(np.ascontiguousarray(values.real)),
    "b": lambda values: Numbers(np.ascontiguousarray(values).view(np.uint8)),
}
