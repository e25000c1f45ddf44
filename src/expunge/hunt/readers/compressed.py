"""One stream compressed: gzip, zlib, bzip2, xz and lzma, also several one after the other, cut short, or with something behind.

What could be decompressed before a fault is looked at, and the fault is told. What follows the end is looked at as a stream of its own.
"""

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them

from __future__ import annotations

import bz2
import contextlib
import io
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol, cast

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.reading import Format, Nested, Opened, Reading
from expunge.hunt.spool import Joined, Stream, take

_INPUT = 1 << 15
"""Compressed bytes given to a decompressor at once: it copies what it has left of them at each call."""

_STEP = 1 << 13
"""The same for bzip2 and xz, whose state can't be copied: what they hold of the last such share is lost when it is damaged."""

_OUTPUT = 1 << 18
"""Bytes that a decompressor gives at once: they stay in the second-level cache until they are copied into their window."""

_MEMORY = 256 << 20
"""Bytes that an xz dictionary may take: ``xz -9`` needs 65 MiB to decompress."""


class Decompressor(Protocol):
    """What the standard library's decompressors share."""

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed stream was met."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was given and lies behind that end."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most so many bytes."""
        ...


class Decompressed(Stream):
    """The content of a compressed stream. Faults are kept in ``fault``, never raised: what was read before one counts.

    ``rest`` is, once ``ended``, what was taken from the file and lies behind the end.
    """

    def __init__(self, file: BinaryIO, new: Callable[[], Decompressor], begins: bytes, size: int | None = None) -> None:
        """``begins`` is how another member begins that may follow, ``b""`` if none may; ``size`` limits the compressed bytes."""
        super().__init__()
        self._file = file
        self._new = new
        self._begins = begins
        self._left = size
        self._decompressor = new()
        self._input = b""
        self._output = memoryview(b"")
        self.ended = False
        self.rest = b""
        self.fault = ""

    def _into(self, into: memoryview) -> int:
        while not len(self._output):
            if self.ended:
                return 0
            self._output = memoryview(self._more())
        count = min(len(into), len(self._output))
        into[:count] = self._output[:count]
        self._output = self._output[count:]
        return count

    def _more(self) -> bytes:
        """The next decompressed bytes; none if there was only input to be read, or at the end."""
        before: Decompressor | None = None
        try:
            if self._decompressor.eof:
                return self._member()
            hungry = getattr(self._decompressor, "needs_input", None)
            if not self._input and hungry is not False:
                self._input = self._read(_INPUT if hungry is None else _STEP)
                if not self._input:
                    return self._finish("cut short")
            copy: Callable[[], Decompressor] | None = getattr(self._decompressor, "copy", None)
            before = copy() if copy is not None else None
            content = self._decompressor.decompress(self._input, _OUTPUT)
            self._input = getattr(self._decompressor, "unconsumed_tail", b"")
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, MemoryError):
            return self._finish("damaged") + self._saved(before)
        return content

    def _saved(self, before: Decompressor | None) -> bytes:
        """What a damaged share of a deflated stream holds before the damage: it is given again in small steps."""
        saved = b""
        if before is None:
            return saved
        for at in range(0, len(self._input), 64):
            with contextlib.suppress(zlib.error):
                saved += before.decompress(self._input[at : at + 64], _OUTPUT)
                if len(saved) < _OUTPUT:
                    continue
            break
        return saved

    def _member(self) -> bytes:
        """Go on behind the end of a member: zeros are padding, another may begin, and everything else is a rest."""
        after = self._decompressor.unused_data or self._input
        self._input = b""
        if not self._begins:
            self.rest = after
            return self._finish("")
        while after and not (bare := after.lstrip(b"\0")):
            after = self._read(_INPUT)
        if not after:
            after = self._read(_INPUT)
        bare = after.lstrip(b"\0")
        if len(bare) < len(self._begins):
            bare += self._read(_INPUT)
        if bare.startswith(self._begins):
            self._decompressor = self._new()
            self._input = bare
            return b""
        self.rest = bare
        return self._finish("")

    def _finish(self, fault: str) -> bytes:
        self.fault = fault
        self.ended = True
        if fault == "cut short" and hasattr(self._decompressor, "flush"):
            return cast("bytes", self._decompressor.flush())
        return b""

    def _read(self, count: int) -> bytes:
        count = count if self._left is None else min(count, self._left)
        block = take(self._file, count) if count else b""
        if self._left is not None:
            self._left -= len(block)
        return block


def _opens(name: str, begins: bytes, new: Callable[[], Decompressor]) -> Callable[[Opened], Reading]:
    def read(opened: Opened) -> Reading:
        content = Decompressed(opened.file, new, begins)
        yield Nested(opened.place.inside(name), cast("BinaryIO", content))
        yield from after(opened, content.fault, content.rest)

    return read


def after(opened: Opened, fault: str, rest: bytes) -> Iterator[Nested]:
    """Tell a fault, and give what follows the end of the compressed stream."""
    if fault:
        opened.account.unread.append(Unread(opened.place, Why.BROKEN, opened.size, fault))
    if rest.strip(b"\0"):
        yield Nested(opened.place.inside("rest"), cast("BinaryIO", Joined(rest, opened.file)))


def _gzip(opened: Opened) -> Reading:
    """As the others, and the name and comment in the header (RFC 1952) as text: they may be a person's."""
    head = take(opened.file, 4096)
    yield from _header(opened, head)
    content = Decompressed(
        cast("BinaryIO", Joined(head, opened.file)), lambda: cast("Decompressor", zlib.decompressobj(31)), b"\x1f\x8b\x08"
    )
    yield Nested(opened.place.inside("gzip"), cast("BinaryIO", content))
    yield from after(opened, content.fault, content.rest)


def _header(opened: Opened, head: bytes) -> Iterator[Nested]:
    flags = head[3] if len(head) > 10 else 0  # the fixed part
    at = 10
    if flags & 4:
        at += 2 + int.from_bytes(head[10:12], "little")
    texts = head[at:].split(b"\0", 2)[: bool(flags & 8) + bool(flags & 16)]
    if texts:
        text = b"\n".join(texts)
        yield Nested(opened.place.inside("header"), io.BytesIO(text), len(text), seekable=True, plain=True)


def _knows_zlib(head: bytes, _name: str) -> bool:
    """Two bytes say little, so the beginning is decompressed (RFC 1950)."""
    if head[:1] != b"\x78" or int.from_bytes(head[:2], "big") % 31:
        return False
    try:
        return len(zlib.decompressobj().decompress(head[:4096], 4096)) > min(len(head) // 2, 16)
    except zlib.error:
        return False


def _knows_lzma(head: bytes, name: str) -> bool:
    """No magic: the usual properties, a dictionary of a power of two, and a beginning that decompresses."""
    if len(head) < 14 or head[0] != 0x5D or not (name.endswith(".lzma") or head[5:13] == b"\xff" * 8):
        return False
    dictionary = struct.unpack_from("<I", head, 1)[0]
    if dictionary & (dictionary - 1) or dictionary < 4096:  # the smallest that is allowed
        return False
    try:
        lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MEMORY).decompress(head, 4096)
    except lzma.LZMAError:
        return False
    return True


def _knows_bzip2(head: bytes, _name: str) -> bool:
    return head[:3] == b"BZh" and head[3:4].isdigit() and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")


def _starts(magic: bytes) -> Callable[[bytes, str], bool]:
    return lambda head, _name: head.startswith(magic)


def _new_zlib() -> Decompressor:
    return cast("Decompressor", zlib.decompressobj())


def _new_xz() -> Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)


def _new_lzma() -> Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MEMORY)


FORMATS = (
    Format("gzip", _starts(b"\x1f\x8b\x08"), _gzip),
    Format("bzip2", _knows_bzip2, _opens("bzip2", b"BZh", bz2.BZ2Decompressor)),
    Format("xz", _starts(b"\xfd7zXZ\0"), _opens("xz", b"\xfd7zXZ\0", _new_xz)),
    Format("lzma", _knows_lzma, _opens("lzma", b"", _new_lzma)),
    Format("zlib", _knows_zlib, _opens("zlib", b"", _new_zlib)),
)
