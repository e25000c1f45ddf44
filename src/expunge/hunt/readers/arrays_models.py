"""What training leaves behind: safetensors and TFRecord files.

safetensors: the length of a JSON header, the header, the tensors' bytes. TFRecord: records with their lengths, each length and record
with a checksum; a record is mostly a ``tf.train.Example``, a map of names to lists of bytes, floats or whole numbers in protobuf's wire
format, which is read here without its library.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import BinaryIO, TypeAlias

import numpy as np

from expunge.hunt.pieces import Piece, Unread, Why
from expunge.hunt.readers.arrays import Damaged
from expunge.hunt.readers.arrays_signs import is_records, is_safetensors, masked
from expunge.hunt.readers.arrays_tables import VECTOR, batch
from expunge.hunt.readers.arrays_views import poured, size_of, view
from expunge.hunt.readers.pickles_nodes import SMALL
from expunge.hunt.readers.pickles_rows import Leaf, Records
from expunge.hunt.readers.pickles_torch import elements
from expunge.hunt.reading import Format, Nested, Opened, Reading

_HEADER = 100_000_000  # bytes: safetensors' own limit
_TYPES = {
   "F64": "f8", "F32": "f4", "F16": "f2", "BF16": "bf16", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1", "U64": "u8", "U32": "u4",
          "U16": "u2", "BOOL": "?"}  # fmt: skip

_RECORD = 64 << 20  # bytes of a record that is looked into; a larger one is a stream
_FEW = 32  # numbers of a feature that stay columns of their own

_Feature: TypeAlias = "list[bytes] | np.ndarray[tuple[int], np.dtype[np.generic]]"


def read_safetensors(opened: Opened) -> Reading:
    """The header as JSON, every tensor of a known type as rows, bytes as streams.

    Raises:
        Damaged: the header is no header.
    """
    size = size_of(opened.file)
    length = int.from_bytes(opened.file.read(8), "little")
    raw = opened.file.read(min(length, _HEADER))
    header = json.loads(raw)
    if not isinstance(header, dict):
        raise Damaged("a header that is no object")
    yield Nested(opened.place.inside("header.json"), io.BytesIO(raw), len(raw), seekable=True)
    for name, held in header.items():
        if name != "__metadata__":
            yield from _tensor(opened, name, held, 8 + length, size)


def _tensor(opened: Opened, name: str, held: object, base: int, size: int) -> Iterator[Piece | Nested]:
    facts = held if isinstance(held, dict) else {}
    shape, ends = _wholes(facts.get("shape")), _wholes(facts.get("data_offsets"))
    if shape is None or ends is None or len(ends) != 2 or not 0 <= ends[0] <= ends[1] <= size - base:  # noqa: PLR2004 # begin and end
        opened.account.unread.append(Unread(opened.place.inside(name), Why.BROKEN, None, "a tensor that lies outside the file"))
        return
    kind, length = _TYPES.get(str(facts.get("dtype"))), ends[1] - ends[0]
    file = view(opened.file, base + ends[0], length)
    width = 2 if kind == "bf16" else np.dtype(kind or "u1").itemsize
    if kind is None or int(np.prod(shape, dtype=np.float64)) * width != length:
        yield Nested(opened.place.inside(name), file, length, seekable=True)
        return
    yield from elements(opened.place.of(table=name), kind, shape, file, name)


def _wholes(held: object) -> tuple[int, ...] | None:
    if isinstance(held, list) and len(held) < SMALL and all(isinstance(one, int) and one >= 0 for one in held):
        return tuple(held)
    return None


# --- TFRecord


def read_records(opened: Opened) -> Reading:
    """Each record: an Example's features as a row, anything else as it is.

    Raises:
        Damaged: a length with a wrong checksum: what follows can't be told apart.
    """
    rows = Records(opened.place.of(table="records"))
    number = 0
    while len(head := opened.file.read(12)) == 12:  # noqa: PLR2004 # a length and its checksum
        length = int.from_bytes(head[:8], "little")
        if masked(head[:8]) != int.from_bytes(head[8:], "little"):
            rows.flush()
            yield from rows.drain()
            raise Damaged("a length with a wrong checksum")
        yield from _record(opened, rows, number, length)
        yield from rows.drain()
        opened.file.read(4)
        number += 1
    rows.flush()
    yield from rows.drain()


def _record(opened: Opened, rows: Records, number: int, length: int) -> Iterator[Piece | Nested]:
    name = f"record{number}"
    if length > _RECORD:
        yield Nested(opened.place.inside(name), _rest(opened.file, length), length)
        return
    raw = opened.file.read(length)
    features = _example(raw)
    if features is None:
        if len(raw) <= SMALL:
            rows.add(("record",), (raw,))
        else:
            yield Nested(opened.place.inside(name), io.BytesIO(raw), len(raw), seekable=True)
        return
    row: dict[str, Leaf] = {}
    for title, held in features:
        if isinstance(held, list):
            yield from _bytes(opened, rows, row, f"{name}/{title}", title, held)
        elif len(held) < VECTOR or (held.dtype.kind == "i" and len(held) <= _FEW):
            row |= {title if len(held) == 1 else f"{title}.{at}": one for at, one in enumerate(held.tolist())}
        else:
            whole = np.ascontiguousarray(held)[None, :]
            yield batch(opened.place.of(table=title), whole, title, number)
    if row:
        rows.add(tuple(row), tuple(row.values()))


def _bytes(opened: Opened, rows: Records, row: dict[str, Leaf], name: str, title: str, held: list[bytes]) -> Iterator[Nested]:
    for at, one in enumerate(held):
        if len(one) > SMALL:
            yield Nested(opened.place.inside(name if len(held) == 1 else f"{name}.{at}"), io.BytesIO(one), len(one), seekable=True)
        elif len(held) == 1:
            row[title] = one
        else:
            rows.add((title,), (one,))


def _rest(file: BinaryIO, length: int) -> BinaryIO:
    def parts() -> Iterator[bytes]:
        left = length
        while left and (block := file.read(min(left, 1 << 20))):
            left -= len(block)
            yield block

    return poured(parts())


def _example(raw: bytes) -> list[tuple[str, _Feature]] | None:
    """``Example{1: Features{1: {1: name, 2: Feature}}}``; ``None`` if the bytes are none."""
    try:
        outer = list(_fields(raw))
        if not outer or any(number not in {1, 2} for number, _ in outer):
            return None
        found: list[tuple[str, _Feature]] = []
        for _, features in outer:
            for _, entry in _fields(features):
                pair = dict(_fields(entry))
                found.append((pair[1].decode(), _feature(pair.get(2, b""))))
    except (Damaged, KeyError, UnicodeDecodeError):
        return None
    return found


def _fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message that have a length; there are no others here."""
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        length, at = _varint(raw, at)
        if key & 7 != 2 or at + length > len(raw):  # noqa: PLR2004 # the wire type of what has a length
            raise Damaged("no message")
        yield key >> 3, raw[at : at + length]
        at += length


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(raw) and shift < 70:  # noqa: PLR2004 # ten groups of seven bits
        byte = raw[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:  # noqa: PLR2004 # the last group
            return value, at
    raise Damaged("no number")


def _feature(raw: bytes) -> _Feature:
    """``Feature``: 1 a list of bytes, 2 of floats, 3 of whole numbers, the latter two packed."""
    for kind, held in _fields(raw):
        if kind == 1:
            return [one for _, one in _fields(held)]
        packed = b"".join(one for _, one in _fields(held))
        if kind == 2:  # noqa: PLR2004 # floats
            return np.frombuffer(packed[: len(packed) // 4 * 4], dtype="<f4")
        return np.array(_signed(packed), dtype=np.int64)
    return []


def _signed(packed: bytes) -> list[int]:
    at, found = 0, []
    while at < len(packed):
        value, at = _varint(packed, at)
        value &= (1 << 64) - 1
        found.append(value - (1 << 64) if value >> 63 else value)
    return found


FORMATS: tuple[Format, ...] = (
    Format("safetensors", is_safetensors, read_safetensors, seeks=True),
    Format("tfrecord", is_records, read_records),
)
