"""What the messages of an Arrow stream claim to hold, read before anything is decoded.

Arrow allocates what a compressed buffer's first eight bytes claim; a buffer of a few KiB can claim, and fill, many GiB. The claims lie in
each message's metadata, a FlatBuffer, of which only the few fields needed here are
read (Arrow columnar format 1.5, "IPC"; ``Message.fbs``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_METADATA = 64 << 20
"""Bytes of a message's metadata at most; ten thousand columns need about one MiB."""

_SMALLEST = 64
"""Bytes; a schema message without a column has about a hundred."""

_DICTIONARY, _RECORDS = 2, 3
"""``MessageHeader``: DictionaryBatch, RecordBatch."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message with a body: where the body lies in the file, and to how many bytes it claims to decode."""

    start: int
    length: int
    decoded: int
    packed: bool


def messages(file: BinaryIO, start: int) -> Iterator[Message]:
    """The messages with rows or dictionaries in a stream that begins at ``start``; ends where the stream ends or breaks off.

    Raises:
        struct.error, IndexError, ValueError: not a message.
    """
    while True:
        file.seek(start)
        length = _prefix(file)
        if not 0 < length <= _METADATA:
            return
        metadata = file.read(length)
        if len(metadata) < length:
            return
        body = file.tell()
        root = _Table.root(metadata)
        size = root.number(3, "<q")
        if size < 0:
            raise ValueError("a body of less than no bytes")
        kind = root.number(1, "<B")
        if kind in (_DICTIONARY, _RECORDS):
            header = root.table(2)
            yield _claim(file, header.table(1) if kind == _DICTIONARY else header, body, size)
        start = body + size


def is_stream(head: bytes) -> bool:
    """Whether a stream begins like Arrow's: the continuation mark, a short message, its root table near its beginning."""
    if len(head) < _SMALLEST or not head.startswith(b"\xff\xff\xff\xff"):
        return False
    length, root = struct.unpack_from("<iI", head, 4)
    return bool(0 < length <= _METADATA and length % 8 == 0 and root < _SMALLEST)


def _prefix(file: BinaryIO) -> int:
    (length,) = struct.unpack("<i", file.read(4) or bytes(4))
    if length == -1:  # the continuation mark, since format 0.15
        (length,) = struct.unpack("<i", file.read(4) or bytes(4))
    return int(length)


def _claim(file: BinaryIO, batch: _Table, body: int, size: int) -> Message:
    packed = batch.has(3)
    if not packed:
        return Message(body, size, size, packed=False)
    decoded = 0
    for offset, length in batch.structs(2, "<qq"):
        if length > 0:
            file.seek(body + offset)
            (claimed,) = struct.unpack("<q", file.read(8))
            decoded += length if claimed == -1 else max(0, claimed)
    return Message(body, size, decoded, packed=True)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a FlatBuffer."""

    buffer: bytes
    at: int

    @classmethod
    def root(cls, buffer: bytes) -> _Table:
        return cls(buffer, struct.unpack_from("<I", buffer)[0])

    def _field(self, number: int) -> int:
        """Where a field lies, or 0 if it is left out."""
        vtable = self.at - struct.unpack_from("<i", self.buffer, self.at)[0]
        if vtable < 0:
            raise ValueError("a table that begins before its buffer")
        end = struct.unpack_from("<H", self.buffer, vtable)[0]
        slot = 4 + 2 * number
        offset = struct.unpack_from("<H", self.buffer, vtable + slot)[0] if slot < end else 0
        return self.at + offset if offset else 0

    def has(self, number: int) -> bool:
        return self._field(number) > 0

    def number(self, number: int, form: str) -> int:
        at = self._field(number)
        return int(struct.unpack_from(form, self.buffer, at)[0]) if at else 0

    def table(self, number: int) -> _Table:
        at = self._field(number)
        if not at:
            raise ValueError("a message without its header")
        return _Table(self.buffer, at + struct.unpack_from("<I", self.buffer, at)[0])

    def structs(self, number: int, form: str) -> Iterator[tuple[int, ...]]:
        at = self._field(number)
        if not at:
            return
        at += struct.unpack_from("<I", self.buffer, at)[0]
        (count,) = struct.unpack_from("<I", self.buffer, at)
        width = struct.calcsize(form)
        if count * width > len(self.buffer):
            raise ValueError("a vector longer than its buffer")
        yield from struct.iter_unpack(form, self.buffer[at + 4 : at + 4 + count * width])
