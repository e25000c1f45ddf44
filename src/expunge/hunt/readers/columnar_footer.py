"""What a Parquet footer says of its row groups.

Arrow reads it too, but a column's own entry can't be asked of Arrow: it ends the process when the entry contradicts itself. The few
fields that are needed are read here (Apache Parquet, ``parquet.thrift``; Thrift, "Compact protocol encoding").
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

LARGEST = 256 << 20
"""Bytes of a footer at most; real ones of ten thousand columns have some MiB."""

TEXT = 6
"""The physical type BYTE_ARRAY."""

_TAIL = 8  # the footer's length and the magic
_DEEPEST = 16
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)

_Thrift: TypeAlias = "int | bytes | list[_Thrift] | dict[int, _Thrift]"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column of a row group: its path in the schema, its physical type, how many values, and where its bytes end in the file."""

    path: str
    type: int
    values: int
    unpacked: int
    end: int


@dataclass(frozen=True, slots=True)
class Group:
    """A row group."""

    rows: int
    chunks: tuple[Chunk, ...]


def groups(file: BinaryIO) -> list[Group]:
    """The row groups of a Parquet file.

    Raises:
        ValueError, struct.error, IndexError: the footer is damaged.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _TAIL))
    (length,) = struct.unpack_from("<I", file.read(_TAIL))
    if not 0 < length <= min(LARGEST, size - _TAIL):
        raise ValueError("a footer longer than its file")
    file.seek(size - _TAIL - length)
    metadata = _Compact(file.read(length)).structure(0)
    return [_group(one) for one in _list(metadata.get(4))]


def _group(value: _Thrift) -> Group:
    fields = _fields(value)
    return Group(_number(fields.get(3)), tuple(_chunk(_fields(one)) for one in _list(fields.get(1))))


def _chunk(column: dict[int, _Thrift]) -> Chunk:
    fields = _fields(column.get(3, {}))
    path = ".".join(part.decode("utf-8", "surrogateescape") for part in _list(fields.get(3)) if isinstance(part, bytes))
    start = min((one for at in (9, 11) if (one := _number(fields.get(at))) > 0), default=0)
    return Chunk(path, _number(fields.get(1)), _number(fields.get(5)), _number(fields.get(6)), start + _number(fields.get(7)))


def _fields(value: _Thrift) -> dict[int, _Thrift]:
    if not isinstance(value, dict):
        raise ValueError("not a structure")  # noqa: TRY004 # of a file, not of a caller
    return value


def _list(value: _Thrift | None) -> list[_Thrift]:
    return value if isinstance(value, list) else []


def _number(value: _Thrift | None) -> int:
    return max(0, value) if isinstance(value, int) else 0


class _Compact:
    """Reads values of the compact protocol; a claimed length is never more than what is left."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def structure(self, depth: int) -> dict[int, _Thrift]:
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        fields = dict[int, _Thrift]()
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            kind = head & 15
            fields[number] = kind if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> _Thrift:
        if kind in (_TRUE, _FALSE, _BYTE, _I16, _I32, _I64):
            return self._zigzag() if kind in (_I16, _I32, _I64) else self._byte()
        if kind in (_DOUBLE, _BINARY):
            return self._bytes(8 if kind == _DOUBLE else self._varint())
        if kind in (_LIST, _SET, _MAP):
            return self._pairs(depth) if kind == _MAP else self._items(depth)
        if kind == _STRUCT:
            return self.structure(depth + 1)
        raise ValueError("a type that isn't known")

    def _items(self, depth: int) -> list[_Thrift]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()  # noqa: PLR2004 # then the length follows
        self._check(count)
        return [self._value(head & 15, depth + 1) for _ in range(count)]

    def _pairs(self, depth: int) -> list[_Thrift]:
        count = self._varint()
        self._check(count)
        kinds = self._byte() if count else 0
        return [self._value(kind, depth + 1) for _ in range(count) for kind in (kinds >> 4, kinds & 15)]

    def _check(self, count: int) -> None:
        """Every item takes a byte at least."""
        if count > len(self._content) - self._at:
            raise ValueError("a list longer than its file")

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._check(count)
        self._at += count
        return self._content[self._at - count : self._at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 # the top bit says that more follows
                return value
            shift += 7
            if shift > 63:  # noqa: PLR2004 # bits of the longest number
                raise ValueError("a number that doesn't end")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
