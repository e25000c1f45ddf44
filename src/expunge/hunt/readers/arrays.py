"""Arrays on disk: NumPy's ``.npy`` and ``.npz``; HDF5 and MATLAB are known and told as not opened.

``.npy`` is read as it streams (NEP 1: magic, version, header length, a Python literal, the elements); an array of objects is a pickle,
which is never loaded but read by ``pickles``. Columns of one length in an ``.npz`` are given as one table, because latitudes and
longitudes mostly lie in two arrays.
"""

from __future__ import annotations

import ast
import struct
import zipfile
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from expunge.hunt.pieces import Column, Rows, Unread, Why
from expunge.hunt.readers.arrays_tables import WHOLE, Shaped, columns, tables
from expunge.hunt.reading import Format, Nested, Opened, Reading

_MAGIC = b"\x93NUMPY"
_HEADER = 1 << 16  # bytes: what version 1.0 can hold; numpy itself refuses headers above 10,000 unless told otherwise


class Damaged(ValueError):
    """What is read is not what it says it is; the engine tells the place as damaged."""


def header(file: BinaryIO) -> tuple[Shaped, bool]:
    """Read an ``.npy`` header: the array, and whether its elements are objects (a pickle follows).

    Raises:
        Damaged: not a header that describes an array.
    """
    start = file.read(8)
    if not start.startswith(_MAGIC) or len(start) < 8:  # noqa: PLR2004 # magic and version
        raise Damaged("no .npy header")
    size = struct.unpack("<H", file.read(2))[0] if start[6] == 1 else struct.unpack("<I", file.read(4))[0]
    if size > _HEADER:
        raise Damaged("an .npy header beyond all measure")
    text = file.read(size).decode("utf-8" if start[6] >= 3 else "latin-1")  # noqa: PLR2004 # version 3.0 brought UTF-8
    return _described(ast.literal_eval(text.strip()))


def _described(held: object) -> tuple[Shaped, bool]:
    if not isinstance(held, Mapping):
        raise Damaged("an .npy header that is no dictionary")
    shape = held.get("shape")
    if not isinstance(shape, tuple) or not all(isinstance(one, int) for one in shape):
        raise Damaged("an .npy header without a shape")
    dtype = np.lib.format.descr_to_dtype(held.get("descr", ""))
    return Shaped(dtype, shape, bool(held.get("fortran_order"))), dtype.hasobject


def read_npy(opened: Opened) -> Reading:
    """An array as rows; bytes and pixels (uint8) as a stream; objects as the pickle that they are."""
    shaped, objects = header(opened.file)
    if objects:
        yield Nested(opened.place.inside("objects.pkl"), opened.file)
        return
    if shaped.dtype == np.uint8:
        yield Nested(opened.place.inside("bytes"), opened.file)
        return
    if not shaped.sane:
        raise Damaged("an array of an impossible shape")
    given = yield from tables(opened.place.of(table="array"), shaped, opened.file)
    if given < shaped.nbytes:
        opened.account.unread.append(Unread(opened.place, Why.BROKEN, shaped.nbytes, "the array is cut short"))


def read_npz(opened: Opened) -> Reading:
    """Arrays of one length and one dimension as one table, all others as they are."""
    with zipfile.ZipFile(opened.file) as archive:
        aligned: dict[int, dict[str, Column]] = {}
        for member in archive.infolist()[: opened.limits.members]:
            place = opened.place.inside(member.filename)
            if member.flag_bits & 1:
                opened.account.unread.append(Unread(place, Why.ENCRYPTED, member.file_size))
                continue
            taken = _column(archive, member)
            if taken is not None:
                aligned.setdefault(taken[1], {}).update(taken[0])
                continue
            with archive.open(member) as file:
                yield Nested(place, file, member.file_size)  # type: ignore[arg-type] # zipfile's own stream is a BinaryIO in all but name
        for rows, held in aligned.items():
            yield Rows(opened.place.of(table="npz"), held, rows)


def _column(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[dict[str, Column], int] | None:
    """A small array of one dimension, and its length; ``None`` for anything else, which is then opened as it is."""
    if not member.filename.endswith(".npy") or member.file_size > WHOLE // 4:
        return None
    try:
        with archive.open(member) as file:
            shaped, objects = header(file)  # type: ignore[arg-type] # as above
            if objects or not shaped.sane or len(shaped.shape) != 1 or shaped.dtype == np.uint8 or not shaped.shape[0]:
                return None
            raw = file.read(shaped.nbytes)
    except (ValueError, SyntaxError, struct.error, zipfile.BadZipFile, EOFError, NotImplementedError):
        return None
    if len(raw) < shaped.nbytes:
        return None
    name = member.filename.removesuffix(".npy").rsplit("/", 1)[-1]
    return columns(np.frombuffer(raw, dtype=shaped.dtype), name), shaped.shape[0]


def read_closed(opened: Opened) -> Reading:
    """A known container of arrays that can't be opened here; its bytes are looked at as they are."""
    opened.account.unread.append(Unread(opened.place, Why.UNSUPPORTED, opened.size))
    yield from ()


def _hdf(head: bytes, _name: str) -> bool:
    return head.startswith((b"\x89HDF\r\n\x1a\n", b"CDF\x01", b"CDF\x02", b"CDF\x05", b"MATLAB 5.0 MAT-file"))


FORMATS: tuple[Format, ...] = (
    Format("npy", lambda head, _name: head.startswith(_MAGIC), read_npy),
    Format("npz", lambda head, name: head.startswith(b"PK\x03\x04") and name.endswith(".npz"), read_npz, seeks=True),
    Format("hdf5", _hdf, read_closed, raw="plain"),
)
