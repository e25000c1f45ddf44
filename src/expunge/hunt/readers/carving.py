"""Finds whole files in the midst of unknown bytes: raw disk images, core dumps, caches, containers of formats nobody listed.

A beginning is only a guess. It is opened with what its own header says of its length, or with at most ``MOST`` bytes; if nothing comes of
it, nobody is told. The bytes themselves have been looked at as plain ones, so only what was compressed or is a recording is gained here.
"""

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from expunge.hunt.pieces import Place
from expunge.hunt.readers.carving_kernel import candidates
from expunge.hunt.reading import Nested
from expunge.hunt.spool import Slice, take
from expunge.hunt.windows import Window

MOST = 256 << 20
"""Bytes after a beginning that are tried where no header tells the length."""

GUESSES = 20_000
"""Beginnings that are tried in one stream: about 2 s of failures."""

_TAIL = 64
_FOUND = 4096


@dataclass(frozen=True, slots=True, repr=False)
class Carved(Nested):
    """A guess whose bytes its parent has given already."""


def _rest(_head: bytes, _file: BinaryIO) -> int:
    return MOST


def _riff(head: bytes, _file: BinaryIO) -> int:
    return int.from_bytes(head[4:8], "little") + 8 if head[8:12] in (b"WAVE", b"AVI ", b"WEBP") else 0


def _sqlite(head: bytes, _file: BinaryIO) -> int:
    page, pages = struct.unpack_from(">H10xI", head, 16)
    return int((65536 if page == 1 else page) * pages)


def _gzip(head: bytes, _file: BinaryIO) -> int:
    return MOST if head[3] < 0x20 and head[8] in (0, 2, 4) else 0  # RFC 1952: reserved flags are zero


def _png(_head: bytes, file: BinaryIO) -> int:
    at = file.seek(8)
    while len(chunk := take(file, 8)) == 8:  # length and type
        length = int.from_bytes(chunk[:4], "big")
        if length > MOST or not chunk[4:].isalpha():
            return 0
        at += 12 + length
        if chunk[4:] == b"IEND":
            return at
        file.seek(at)
    return 0


def _ogg(_head: bytes, file: BinaryIO) -> int:
    at = 0
    while len(page := take(file, 27)) == 27 and page.startswith(b"OggS\0"):  # RFC 3533 section 6: a page's header
        at += 27 + page[26] + sum(take(file, page[26]))
        file.seek(at)
    return at


def _jpeg(head: bytes, file: BinaryIO) -> int:
    if head[3] not in (0xE0, 0xE1, 0xDB, 0xEE):
        return 0
    whole = take(file, 1 << 17)
    while (end := whole.find(b"\xff\xd9", _after_thumbnail(whole))) < 0:
        more = take(file, len(whole)) if len(whole) < 1 << 25 else b""  # larger pictures are rare
        if not more:
            return 0
        whole += more
    return end + 2


def _after_thumbnail(whole: bytes) -> int:
    """Where the scan begins: behind the segments, one of which may hold a picture of its own."""
    at = 2
    while at + 4 <= len(whole) and whole[at] == 0xFF and whole[at + 1] != 0xDA:  # markers; start of scan
        at += 2 + int.from_bytes(whole[at + 2 : at + 4], "big")
    return at


def _zip(_head: bytes, file: BinaryIO) -> int:
    """Over all entries and the directory, as far as they follow each other (APPNOTE 4.3.7, 4.3.12, 4.3.16)."""
    at = 0
    while len(header := take(file, 46)) >= 22:  # the longest and the shortest of the headers
        if header.startswith(b"PK\x03\x04"):
            flags, packed, name, extra = struct.unpack_from("<6xH10xI4xHH", header)
            at += 30 + name + extra
            at = at + packed if packed or not flags & 8 else _next_header(file, at)
        elif header.startswith(b"PK\x01\x02"):
            at += 46 + sum(struct.unpack_from("<28xHHH", header))
        elif header.startswith(b"PK\x05\x06"):
            return at + 22 + int.from_bytes(header[20:22], "little")
        elif header.startswith(b"PK\x06\x06"):
            at += 12 + int.from_bytes(header[4:12], "little")
        elif header.startswith((b"PK\x06\x07", b"PK\x07\x08")):
            at += 20 if header[2] == 6 else 16  # the locator of zip64, or a data descriptor
        else:
            break
        if at > MOST:
            break
        file.seek(at)
    return at


def _next_header(file: BinaryIO, at: int) -> int:
    """Where the next header is, after an entry whose length nobody wrote before it."""
    file.seek(at)
    while len(block := take(file, 1 << 20)) > 3:  # shorter than a signature
        if (found := block.find(b"PK\x07\x08")) >= 0:
            return at + found
        at += len(block) - 3
        file.seek(at)
    return at


@dataclass(frozen=True, slots=True)
class _Begin:
    name: str
    magic: bytes
    length: Callable[[bytes, BinaryIO], int]


_BEGINS = (
    _Begin("gzip", b"\x1f\x8b\x08", _gzip),
    _Begin("zip", b"PK\x03\x04", _zip),
    _Begin("zstd", b"\x28\xb5\x2f\xfd", _rest),
    _Begin("xz", b"\xfd7zXZ\0", _rest),
    _Begin("bzip2", b"BZh91AY&SY", _rest),
    _Begin("sqlite", b"SQLite format 3\0", _sqlite),
    _Begin("riff", b"RIFF", _riff),
    _Begin("flac", b"fLaC\0\0\0\x22", _rest),
    _Begin("ogg", b"OggS\0\x02", _ogg),
    _Begin("png", b"\x89PNG\r\n\x1a\n", _png),
    _Begin("jpeg", b"\xff\xd8\xff", _jpeg),
    _Begin("parquet", b"PAR1\x15", _rest),
    _Begin("avro", b"Obj\x01", _rest),
)
_PAIRS = np.zeros(65536, dtype=np.uint8)
for _one in _BEGINS:
    _PAIRS[_one.magic[0] | _one.magic[1] << 8] = 1


class Carver:
    """Looks at the windows of one unknown stream, in order."""

    def __init__(self, place: Place, base: BinaryIO | None, size: int | None) -> None:
        """``base`` is the whole stream where it can be sought; of others only what lies in one window is opened."""
        self._place = place
        self._base = base
        self._size = size or 0
        self._past = 1  # what begins at 0 has been recognised or not by the engine
        self._left = GUESSES
        self._bytes: tuple[int, io.BytesIO] | None = None  # the window that a stream which can't be sought is at

    def at(self, window: Window) -> Iterator[Nested]:
        """What begins in this window, and behind what was found before."""
        data = np.frombuffer(window.data, dtype=np.uint8)
        end = data.size if window.last else data.size - _TAIL
        found: npt.NDArray[np.int64] = np.empty(_FOUND, dtype=np.int64)
        start = 0
        while self._left > 0:
            start = max(start, self._past - window.offset)
            count = candidates(data, start, end, _PAIRS, found)
            for at in found[:count].tolist():
                if window.offset + at >= self._past:
                    yield from self._guess(window, at)
                start = at + 1
            if count < _FOUND:
                self._past = max(self._past, window.offset + end)
                return

    def _guess(self, window: Window, at: int) -> Iterator[Nested]:
        head = bytes(window.data[at : at + _TAIL])
        begin = next((one for one in _BEGINS if head.startswith(one.magic)), None)
        if begin is None or len(head) < _TAIL // 2:
            return
        self._left -= 1
        offset = window.offset + at
        file = self._from(window, at)
        size = min(begin.length(head, file), MOST, file.seek(0, io.SEEK_END))
        if size <= len(begin.magic):
            return
        share = cast("BinaryIO", Slice(file, 0, size))
        yield Carved(self._place.inside(f"{begin.name}@{offset}"), share, size, seekable=True, guess=True)
        if begin.length not in (_rest, _gzip):
            self._past = offset + size

    def _from(self, window: Window, at: int) -> BinaryIO:
        offset = window.offset + at
        if self._base is not None:
            return cast("BinaryIO", Slice(self._base, offset, self._size - offset))
        if self._bytes is None or self._bytes[0] != window.offset:
            self._bytes = (window.offset, io.BytesIO(window.data))
        return cast("BinaryIO", Slice(self._bytes[1], at, len(window.data) - at))
