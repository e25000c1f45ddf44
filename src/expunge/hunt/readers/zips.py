"""Zip archives (PKWARE APPNOTE 6.3.10): what the directory lists, what lies between, and what can be saved where there is no directory.

Own code rather than the standard library's, which holds every entry as an object, stops at the first fault, and can't see what a
directory doesn't list. Names are only told, never used as paths; each entry's content is checked against its length and checksum.
"""

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them

from __future__ import annotations

import bz2
import importlib
import io
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.readers.compressed import Decompressed, Decompressor
from expunge.hunt.reading import Format, Nested, Opened, Reading
from expunge.hunt.spool import Slice, Stream, fill, take

_END = b"PK\x05\x06"
_LOCAL = b"PK\x03\x04"
_CENTRAL = b"PK\x01\x02"
_GAP = 64
"""Bytes between entries that are worth a look: an aligned entry or a data descriptor takes fewer."""

_WIDE = 0xFFFFFFFF
_METHODS = {9: "Deflate64", 1: "Shrink", 6: "Implode", 97: "WavPack", 98: "PPMd", 96: "JPEG variant", 94: "MP3 variant"}


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    flags: int
    method: int
    checksum: int | None  # None where the directory is lost and the header doesn't say
    packed: int | None
    size: int | None
    at: int  # of the local header


class _Checked(Stream):
    """A member's content, counted and summed up as it is read."""

    def __init__(self, file: BinaryIO, entry: _Entry) -> None:
        super().__init__()
        self._file = file
        self._entry = entry
        self._sum = 0
        self._count = 0
        self._ended = False

    def _into(self, into: memoryview) -> int:
        done = fill(self._file, into)
        self._sum = zlib.crc32(into[:done], self._sum)
        self._count += done
        self._ended |= done < len(into)
        return done

    @property
    def wrong(self) -> bool:
        """Whether, having been read to the end, it is not what was stored."""
        entry = self._entry
        return self._ended and (entry.size not in (None, self._count) or entry.checksum not in (None, self._sum))


def _inflate() -> Decompressor:
    return cast("Decompressor", zlib.decompressobj(-15))


def _xz() -> Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=256 << 20)


def _lzma_of(file: BinaryIO) -> Callable[[], Decompressor]:
    """LZMA in a zip has a header of its own (APPNOTE 5.8.8)."""
    header = take(file, 9)
    properties, dictionary = (header[4], int.from_bytes(header[5:9], "little")) if len(header) > 8 else (255, 0)  # its length
    lc, rest = properties % 9, properties // 9
    chain = [{"id": lzma.FILTER_LZMA1, "dict_size": min(dictionary, 256 << 20), "lc": lc, "lp": rest % 5, "pb": rest // 5}]
    return lambda: lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain)


class _Zip:
    """One archive that is being read."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._file = opened.file
        self._size = opened.size or 0
        self._ends: list[tuple[int, int]] = []

    def read(self) -> Reading:
        """All members, then what lies between them."""
        found = self._directory()
        if found is None:
            self._tell(Why.BROKEN, "no directory")
            yield from self._saved(0)
            return
        start, length, shift, count = found
        self._ends.append((start, self._size))
        listed = 0
        for entry in self._listed(start, length, shift):
            listed += 1
            yield from self._member(entry)
        if listed != count & 0xFFFF and listed != count:
            self._tell(Why.BROKEN, f"{listed:,} of {count:,} members are listed")
        yield from self._gaps(start)

    def _tell(self, why: Why, note: str, member: str | None = None, size: int | None = None) -> None:
        place = self._opened.place if member is None else self._opened.place.inside(member)
        self._opened.account.unread.append(Unread(place, why, size, note))

    def _at(self, offset: int, count: int) -> bytes:
        if not 0 <= offset <= self._size:
            return b""
        self._file.seek(offset)
        return take(self._file, count)

    def _directory(self) -> tuple[int, int, int, int] | None:
        """Where the directory begins, its length, how far the archive's own offsets are off, and the number of entries."""
        tail_at = max(0, self._size - 65557)
        tail = self._at(tail_at, 65557)
        at = tail.rfind(_END)
        while at >= 0:
            end = tail_at + at
            record = tail[at : at + 22]
            if len(record) == 22:  # its length
                count, length, start = struct.unpack_from("<10xHII", record)
                wide = self._wide(end) if _WIDE in (length, start) or count == 0xFFFF else None  # APPNOTE 4.4.1.4
                behind = end
                if wide is not None:
                    count, length, start, behind = wide
                real = behind - length
                if real >= 0 and (length == 0 or self._at(real, 4) == _CENTRAL):
                    return (real, length, real - start, count)
            at = tail.rfind(_END, 0, at)
        return None

    def _wide(self, end: int) -> tuple[int, int, int, int] | None:
        """The same from the zip64 records before the end record (APPNOTE 4.3.14), and where they begin."""
        locator = self._at(end - 20, 20)
        if not locator.startswith(b"PK\x06\x07"):
            return None
        claimed = int.from_bytes(locator[8:16], "little")
        for at in (claimed, end - 76):
            record = self._at(at, 56)
            if record.startswith(b"PK\x06\x06") and len(record) == 56:  # its length
                count, length, start = struct.unpack_from("<32xQQQ", record)
                return (count, length, start, at)
        return None

    def _listed(self, start: int, length: int, shift: int) -> Iterator[_Entry]:
        """The directory's entries; the directory is read as it is needed."""
        directory = io.BufferedReader(cast("io.RawIOBase", Slice(self._file, start, length)), 1 << 16)
        while len(header := directory.read(46)) == 46 and header.startswith(_CENTRAL):  # its length
            flags, method, checksum, packed, size = struct.unpack_from("<8xHH4xIII", header)
            lengths = struct.unpack_from("<28xHHH8xI", header)
            name, extra = directory.read(lengths[0]), directory.read(lengths[1])
            directory.seek(lengths[2], io.SEEK_CUR)
            size, packed, at = _widened(extra, size, packed, lengths[3])
            yield _Entry(_text(name, flags), flags, method, checksum, packed, size, at + shift)

    def _member(self, entry: _Entry) -> Reading:
        """What an entry of the directory points at."""
        header = self._at(entry.at, 30)
        if len(header) < 30 or not header.startswith(_LOCAL):  # its length
            self._tell(Why.BROKEN, "not where the directory says", entry.name, entry.size)
            return
        begin = entry.at + 30 + sum(struct.unpack_from("<26xHH", header))
        packed = min(entry.packed or 0, max(self._size - begin, 0))
        self._ends.append((entry.at, begin + packed))
        if entry.name.endswith("/") and not packed:
            return
        content, packer = self._content(entry, cast("BinaryIO", Slice(self._file, begin, packed)))
        if content is None:
            return
        checked = _Checked(content, entry)
        yield Nested(self._opened.place.inside(entry.name), cast("BinaryIO", checked), entry.size)
        if checked.wrong or (packer is not None and packer.fault):
            self._tell(Why.BROKEN, "not what was stored", entry.name, entry.size)

    def _content(self, entry: _Entry, packed: BinaryIO) -> tuple[BinaryIO | None, Decompressed | None]:
        """A member decompressed; ``None`` if that can't be done, which is told."""
        if entry.flags & 1 or entry.method == 99:  # AES, by WinZip
            self._tell(Why.ENCRYPTED, "", entry.name, entry.size)
        elif entry.method == 0:
            return (packed, None)
        elif entry.method in (93, 20):  # APPNOTE 4.4.5: zstd, and its number before 6.3.8
            return (_zstd(packed), None)
        elif (new := _new(entry.method, packed)) is not None:
            packer = Decompressed(packed, new, b"")
            return (cast("BinaryIO", packer), packer)
        else:
            self._tell(Why.UNSUPPORTED, _METHODS.get(entry.method, f"method {entry.method}"), entry.name, entry.size)
        return (None, None)

    def _gaps(self, directory: int) -> Iterator[Nested]:
        """What no entry covers: a program before the archive, members that were struck from the directory, and the directory's own text."""
        past = 0
        for begin, end in sorted(self._ends):
            if begin - past >= _GAP:
                share = cast("BinaryIO", Slice(self._file, past, begin - past))
                yield Nested(self._opened.place.inside(f"gap@{past}"), share, begin - past, seekable=True, guess=True)
            past = max(past, end)
        text = cast("BinaryIO", Slice(self._file, directory, self._size - directory))
        yield Nested(self._opened.place.inside("directory"), text, self._size - directory, seekable=True, plain=True)

    def _saved(self, at: int) -> Reading:
        """Members one after the other by their own headers, where the directory is lost or cut off."""
        while len(header := self._at(at, 30)) == 30 and header.startswith(_LOCAL):  # its length
            flags, method, checksum, packed, size, named, extra = struct.unpack_from("<6xHH4xIIIHH", header)
            rest = self._at(at + 30, named + extra)
            size, packed, _ = _widened(rest[named:], size, packed, 0)
            begin = at + 30 + named + extra
            late = bool(flags & 8) and not packed
            left = self._size - begin
            entry = _Entry(_text(rest[:named], flags), flags, method, None if late else checksum, packed, None if late else size, at)
            share = Slice(self._file, begin, left if late else min(packed, left))
            content, packer = self._content(entry, cast("BinaryIO", share))
            if content is not None:
                yield Nested(self._opened.place.inside(entry.name), content, entry.size)
            used = share.tell() - len(packer.rest) if packer is not None and packer.ended else 0
            if not late:
                at = begin + packed
            elif used:
                at = begin + used + (16 if self._at(begin + used, 4) == b"PK\x07\x08" else 12)
            else:
                return


def _zstd(packed: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", importlib.import_module("expunge.hunt.readers.zstd").Content(packed))


def _new(method: int, packed: BinaryIO) -> Callable[[], Decompressor] | None:
    if method == 14:  # APPNOTE 4.4.5
        return _lzma_of(packed)
    return {8: _inflate, 12: bz2.BZ2Decompressor, 95: _xz}.get(method)


def _widened(extra: bytes, size: int, packed: int, at: int) -> tuple[int, int, int]:
    """The three with what zip64's extra field (APPNOTE 4.5.3) holds in place of those that don't fit 32 bits."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        if kind == 1:
            values = [
                int.from_bytes(extra[one : one + 8], "little") for one in range(place + 4, min(place + 4 + length, len(extra) - 7), 8)
            ]
            wide = iter(values)
            return (
                next(wide, size) if size == _WIDE else size,
                next(wide, packed) if packed == _WIDE else packed,
                next(wide, at) if at == _WIDE else at,
            )
        place += 4 + length
    return (size, packed, at)


def _text(name: bytes, flags: int) -> str:
    return name.decode("utf-8" if flags & 0x800 else "cp437", "replace").replace("\0", "")


def _knows(head: bytes, name: str) -> bool:
    return head.startswith((_LOCAL, _END, b"PK\x07\x08PK\x03\x04", b"PK00PK\x03\x04")) or (
        head.startswith((b"MZ", b"#!")) and name.endswith((".zip", ".exe", ".pyz", ".jar", ".pex"))
    )


def _read(opened: Opened) -> Reading:
    yield from _Zip(opened).read()


FORMATS = (Format("zip", _knows, _read, seeks=True),)
