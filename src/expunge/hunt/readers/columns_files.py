"""Files in cells: a clip in a BLOB column, a gzip in a ``bytea``, a picture as base64 in a text.

Rows alone would show such a cell's bytes as they are, compressed or encoded. Which cells begin like a file is seen for a whole column at
once by two of their first bytes, so that a column of texts costs some nanoseconds a row.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from expunge.hunt.pieces import Rows, Texts
from expunge.hunt.reading import Nested

_LEAST = 64
"""Bytes: anything shorter is no recording, and whatever it says in clear was seen in the row."""


def _table(starts: tuple[bytes, ...]) -> npt.NDArray[np.bool_]:
    table = np.zeros(1 << 16, dtype=np.bool_)
    table[[start[0] | start[1] << 8 for start in starts]] = True
    return table


_STARTS = (
    *(b"RIFF", b"OggS", b"fLaC", b"ID3\x02", b"ID3\x03", b"ID3\x04", b"#!AM", b".snd", b"FORM", b"caff", b"MThd", b"\x1aE\xdf\xa3"),
    *(b"\x89PNG", b"GIF8", b"BM6\x00", b"II*\x00", b"MM\x00*", b"8BPS"),
    *(b"PK\x03\x04", b"\xfd7zX", b"(\xb5/\xfd", b'\x04"M\x18', b"7z\xbc\xaf", b"Rar!", b"BZh9", b"BZh6", b"BZh1"),
    *(b"%PDF", b"SQLi", b"PAR1", b"Obj\x01", b"ARRO", b"\x93NUM", b"\x89HDF", b"PGDM", b"\xd0\xcf\x11\xe0", b"{\\rt"),
)
"""Four bytes that files begin with."""

_SHORT: tuple[bytes, ...] = (
    b"\x1f\x8b",
    b"\xff\xd8",
    b"\x78\x01",
    b"\x78\x5e",
    b"\x78\x9c",
    b"\x78\xda",
    b"\xff\xfb",
    b"\xff\xf3",
    b"\xff\xf1",
    b"\x80\x02",
)
_SHORT += (b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""Two bytes that files begin with: gzip, JPEG, zlib, MPEG audio, pickles."""

_TYPED = (b"ftyp", b"moov", b"mdat")
"""Bytes 4 to 8 of MP4 and QuickTime."""

_ENCODED = tuple(sorted({base64.b64encode(start + b"\0\0")[:4] for start in _STARTS} | {b"data", b"H4sI", b"/9j/", b"eJwB", b"AAAA"}))
"""What base64 of these begins with, and a data URL. ``AAAA`` is MP4, whose first bytes are a box's small length."""

_AT_0, _AT_4 = _table(_STARTS + _SHORT + _ENCODED), _table(_TYPED)

_BASE64 = re.compile(rb"(?:data:[\w.+/;=-]{0,200};base64,)?([A-Za-z0-9+/_\s-]+={0,2})\s*\Z")


def files_in(rows: Rows) -> Iterator[Nested]:
    """The cells of a batch that look like files, each as a stream ``column#key`` inside the batch's place."""
    for name, column in rows.columns.items():
        if isinstance(column, Texts):
            for row in _candidates(column):
                cell = column.buffer[column.offsets[row] : column.offsets[row + 1]].tobytes()
                content = _content(cell)
                if content is not None:
                    place = rows.place.inside(f"{name}#{rows.key(row)}")
                    yield Nested(place, io.BytesIO(content), len(content), seekable=True, guess=True)


def _candidates(column: Texts) -> list[int]:
    """Rows that are long enough and begin, in two bytes at either place, like a file or base64 of one."""
    long = np.flatnonzero(np.diff(column.offsets) > _LEAST)
    starts = column.offsets[long]
    likely = _AT_0[_pairs(column.buffer, starts)] | _AT_4[_pairs(column.buffer, starts + 4)]
    return list(long[likely].tolist())


def _pairs(buffer: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
    pairs: npt.NDArray[np.uint16] = buffer[starts].astype(np.uint16) | buffer[starts + 1].astype(np.uint16) << np.uint16(8)
    return pairs


def _content(cell: bytes) -> bytes | None:
    """The file, decoded if it is in base64; ``None`` for what only began like one."""
    if cell.startswith(_STARTS + _SHORT) or cell.startswith(_TYPED, 4):
        return cell
    if not cell.startswith(_ENCODED):
        return None
    match = _BASE64.match(cell)
    if match is None:
        return None
    packed = match[1].translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4))
    except binascii.Error:
        return None
