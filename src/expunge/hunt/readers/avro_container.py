"""The container of Avro: a header, then blocks between marks, each compressed by itself (Avro 1.12, "Object Container Files").

The library that decodes records believes every length and expands every block whole, so the container is read here: nothing is read or
expanded beyond a bound, and a block that is damaged is passed over to the next mark. It needs no seeking.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import zstandard

MAGIC = b"Obj\x01"

BLOCK = 256 << 20
"""Bytes of a block at most, compressed or not; writers make them of 16 KiB to some MiB."""

_HEADER = 64 << 20
"""Bytes of the header's map at most."""

_SYNC = 16
_CHUNK = 1 << 20
_VARINT = 10  # bytes of the longest 64-bit number

_SNAPPY_SUM = 4  # bytes of the checksum behind a block in snappy


class Damaged(Exception):
    """The container, or a block of it, is not as it should be."""


@dataclass(frozen=True, slots=True, repr=False)
class Header:
    """What the file says of itself: the map of its header, and the mark that ends each block."""

    meta: dict[str, bytes]
    sync: bytes

    @property
    def codec(self) -> str:
        """How blocks are compressed."""
        return self.meta.get("avro.codec", b"null").decode("ascii", "replace") or "null"


@dataclass(frozen=True, slots=True, repr=False)
class Block:
    """So many records, still compressed."""

    records: int
    packed: bytes


class Source:
    """A stream of which a little can be given back."""

    def __init__(self, file: BinaryIO) -> None:
        """Nothing is read yet."""
        self._file = file
        self._held = b""

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer at the end."""
        while len(self._held) < size:
            more = self._file.read(max(_CHUNK, size - len(self._held)))
            if not more:
                break
            self._held += more
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def give_back(self, content: bytes) -> None:
        """Put bytes in front of what comes next."""
        self._held = content + self._held

    def number(self) -> int:
        """A number in zigzag form.

        Raises:
            EOFError: the stream has ended here.
            Damaged: no such number.
        """
        head = self.take(_VARINT)
        value = 0
        for at, byte in enumerate(head):
            value |= (byte & 0x7F) << (7 * at)
            if byte < 0x80:  # noqa: PLR2004 # the top bit says that more follows
                self.give_back(head[at + 1 :])
                return (value >> 1) ^ -(value & 1)
        if not head:
            raise EOFError
        raise Damaged

    def prefixed(self, most: int) -> bytes:
        """A byte string with its length before it.

        Raises:
            EOFError, Damaged: it isn't there, or is longer than ``most``.
        """
        size = self.number()
        if not 0 <= size <= most:
            raise Damaged
        content = self.take(size)
        if len(content) < size:
            raise Damaged
        return content

    def skip_to(self, mark: bytes) -> bool:
        """Pass over everything up to and with ``mark``; whether there was one."""
        kept = b""
        while chunk := self.take(_CHUNK):
            kept += chunk
            at = kept.find(mark)
            if at >= 0:
                self.give_back(kept[at + len(mark) :])
                return True
            kept = kept[-len(mark) :]
        return False


def header(source: Source) -> Header:
    """The header of a file.

    Raises:
        EOFError, Damaged: it isn't one.
    """
    if source.take(len(MAGIC)) != MAGIC:
        raise Damaged
    meta = dict[str, bytes]()
    left = _HEADER
    while count := source.number():
        if count < 0:
            count = -count
            source.number()  # the bytes of these entries, for those who want to skip them
        for _ in range(count):
            key = source.prefixed(left)
            meta[key.decode("utf-8", "replace")] = value = source.prefixed(left)
            left -= len(key) + len(value) + 2
    sync = source.take(_SYNC)
    if len(sync) < _SYNC:
        raise Damaged
    return Header(meta, sync)


def blocks(source: Source, head: Header) -> Iterator[Block | None]:
    """The blocks; ``None`` where something damaged was passed over."""
    while True:
        block = None
        try:
            records = source.number()
        except EOFError:
            return  # at the edge of a block: this is how a file ends
        except Damaged:
            records = -1
        try:
            packed = source.prefixed(BLOCK)
        except (EOFError, Damaged):
            pass
        else:
            mark = source.take(_SYNC)
            if mark == head.sync and records >= 0:
                block = Block(records, packed)
            else:
                source.give_back(packed + mark)
        yield block
        if block is None and not source.skip_to(head.sync):
            return


def unpacked(block: Block, codec: str) -> bytes | None:
    """A block's records, or ``None`` if nothing here knows its codec.

    Raises:
        Damaged: it can't be expanded, or only beyond ``BLOCK`` bytes.
    """
    expand = _CODECS.get(codec)
    if expand is None:
        return None
    try:
        content = expand(block.packed)
    except (zlib.error, OSError, ValueError, EOFError, lzma.LZMAError, zstandard.ZstdError, pa.ArrowException):
        raise Damaged from None
    if len(content) > BLOCK:
        raise Damaged
    return content


def _deflate(packed: bytes) -> bytes:
    stream = zlib.decompressobj(-15)
    content = stream.decompress(packed, BLOCK + 1)
    if not stream.eof:
        raise Damaged
    return content


def _zstd(packed: bytes) -> bytes:
    return zstandard.ZstdDecompressor(max_window_size=BLOCK).stream_reader(packed).read(BLOCK + 1)


def _snappy(packed: bytes) -> bytes:
    size = 0
    for at, byte in enumerate(packed[:_VARINT]):
        size |= (byte & 0x7F) << (7 * at)
        if byte < 0x80:  # noqa: PLR2004 # the top bit says that more follows
            break
    if size > BLOCK:
        raise Damaged
    content: bytes = pa.decompress(packed[:-_SNAPPY_SUM], size, codec="snappy", asbytes=True)
    return content


_CODECS: Mapping[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": _deflate,
    "bzip2": lambda packed: bz2.BZ2Decompressor().decompress(packed, BLOCK + 1),
    "xz": lambda packed: lzma.LZMADecompressor(memlimit=BLOCK).decompress(packed, BLOCK + 1),
    "zstandard": _zstd,
    "snappy": _snappy,
}
"""How a block is expanded, by the codec's name in the header."""
