"""PyTorch's files: tensors as vectors and numbers, read from the storages that the pickle only names.

Since version 1.6 a zip with ``data.pkl`` and ``data/0``, ``data/1`` …; before, five pickles (a magic number, a version, the machine, the
content, the storages' names) and then each storage as a count and its bytes. A tensor is a storage with an offset, sizes and strides.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np

from expunge.hunt.pieces import Piece, Place, Rows, Unread, Why
from expunge.hunt.readers.arrays import Damaged
from expunge.hunt.readers.arrays_tables import WHOLE, Shaped, Values, batch, tables
from expunge.hunt.readers.arrays_views import size_of, view, widened
from expunge.hunt.readers.pickles_machine import Machine
from expunge.hunt.readers.pickles_nodes import Bag, Call, Global, Persistent, shape_of, text
from expunge.hunt.readers.pickles_opcodes import ACTS
from expunge.hunt.readers.pickles_source import Source, TooSlow
from expunge.hunt.reading import Nested, Opened, Reading

_TYPES = {
    "Float": "f4", "float32": "f4", "Double": "f8", "float64": "f8", "Half": "f2", "float16": "f2", "BFloat16": "bf16", "bfloat16": "bf16",
    "Long": "i8", "int64": "i8", "Int": "i4", "int32": "i4", "Short": "i2", "int16": "i2", "Char": "i1", "int8": "i1", "Byte": "u1",
    "uint8": "u1", "Bool": "?", "bool": "?", "uint16": "u2", "uint32": "u4", "uint64": "u8", "ComplexFloat": "c8", "ComplexDouble": "c16",
}  # fmt: skip


@dataclass(frozen=True, slots=True, repr=False)
class Tensor:
    """A tensor: its storage's name, the type of its elements (``bf16`` is no type of NumPy's), and where in the storage they lie."""

    storage: str
    type: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    name: str

    @property
    def width(self) -> int:
        """Bytes of an element in the storage."""
        return 2 if self.type == "bf16" else np.dtype(self.type).itemsize

    @property
    def count(self) -> int:
        """How many elements it has."""
        return math.prod(self.size)

    @property
    def dense(self) -> bool:
        """Whether its elements lie one after the other, the last dimension fastest."""
        step = 1
        for size, stride in zip(reversed(self.size), reversed(self.stride), strict=True):
            if size != 1 and stride != step:
                return False
            step *= size
        return True


def tensors(machine: Machine) -> list[Tensor]:
    """The tensors that a pickle names, in the order of their storages."""
    found = [one for call in machine.tensors if (one := _tensor(call)) is not None]
    return sorted(found, key=lambda one: (one.storage, one.offset))


def _tensor(call: Call) -> Tensor | None:
    storage, offset, size, stride = call.args[0], call.args[1], shape_of(call.args[2]), shape_of(call.args[3])
    parts = storage.key.items if isinstance(storage, Persistent) and isinstance(storage.key, Bag) else []
    if len(parts) < 5 or not isinstance(offset, int) or size is None or stride is None or len(size) != len(stride):  # noqa: PLR2004 # ("storage", type, name, device, count)
        return None
    kinds = [one.name.rsplit(".", 1)[-1].removesuffix("Storage") for one in (*call.args[4:], parts[1]) if isinstance(one, Global)]
    kind = next((_TYPES[one] for one in kinds if one in _TYPES), None)
    if kind is None or offset < 0 or min((*size, *stride, 0)) < 0 or max((*size, 0)) >= 1 << 62:
        return None
    return Tensor(text(parts[2]) or "", kind, offset, size, stride, text(call.state) or "value")


def read(opened: Opened) -> Reading:
    """A PyTorch zip: what its pickle says, the tensors as rows, and every member that is no tensor's storage as it is."""
    with zipfile.ZipFile(opened.file) as archive:
        members = {one.filename: one for one in archive.infolist()[: opened.limits.members]}
        main = next((one for one in members if one.endswith("/data.pkl")), None)
        if main is None:
            raise Damaged("no data.pkl")
        root = main.removesuffix("data.pkl")
        found: list[Tensor] = []
        with archive.open(members[main]) as file:
            yield from _pickle(opened, cast("BinaryIO", file), found)
        order = ">" if f"{root}byteorder" in members and archive.read(f"{root}byteorder")[:3] == b"big" else "<"
        stored = {one.storage for one in found if one.type != "u1"}
        for number, one in enumerate(found):
            member = members.get(f"{root}data/{one.storage}")
            if member is not None and one.type != "u1":
                with archive.open(member) as file:
                    yield from _rows(opened, one, cast("BinaryIO", file), member.file_size, f"tensor{number}", order)
        for name, member in members.items():
            if name != main and name.removeprefix(f"{root}data/") not in stored:
                with archive.open(member) as file:
                    yield Nested(opened.place.inside(name), cast("BinaryIO", file), member.file_size)


def _pickle(opened: Opened, file: BinaryIO, found: list[Tensor]) -> Iterator[Piece | Nested]:
    machine = Machine(opened, Source(file, size_of(file), opened.limits.seconds), ACTS)
    try:
        yield from machine.walk()
    except Damaged:
        opened.account.unread.append(Unread(opened.place, Why.BROKEN, None, "the model's pickle breaks off"))
        yield from machine.finish()
    except TooSlow:
        opened.account.unread.append(Unread(opened.place, Why.TOO_SLOW))
    found += tensors(machine)


def after(opened: Opened, source: Source, found: Iterable[Tensor], keys: Iterable[str]) -> Iterator[Piece | Nested]:
    """The storages behind the pickles of the older form: each a count and so many elements, in the order of their names."""
    by_key: dict[str, list[Tensor]] = {}
    for one in found:
        by_key.setdefault(one.storage, []).append(one)
    number = 0
    for key in keys:
        users = by_key.get(key, [])
        width = users[0].width if users else 0
        count = source.number(8)
        lump = source.lump(count * width)
        for one in users:
            number += 1
            yield from _rows(opened, one, lump.open(), lump.size, f"tensor{number}", "<")
    left = source.size - source.position
    if left > 0:
        yield Nested(opened.place.inside(f"rest@{source.position}"), view(opened.file, source.position, left), left, seekable=True)


def _rows(opened: Opened, tensor: Tensor, file: BinaryIO, size: int, table: str, order: str) -> Iterator[Rows]:
    """A tensor as rows; one that lies across its storage is put in order if it is small, else the storage is given as it lies."""
    place = opened.place.of(table=table)
    fits = (tensor.offset + tensor.count) * tensor.width <= size
    if not tensor.count:
        return
    if tensor.dense and fits:
        file.seek(tensor.offset * tensor.width)
        yield from elements(place, tensor.type, tensor.size, file, tensor.name, order)
    elif size <= WHOLE and (values := _strided(tensor, file.read(size), order)) is not None:
        yield batch(place, values, tensor.name)
    else:
        yield from elements(place, tensor.type, (size // tensor.width,), file, tensor.name, order)


def elements(place: Place, kind: str, size: tuple[int, ...], file: BinaryIO, name: str, order: str = "<") -> Iterator[Rows]:
    """Elements of ``kind`` (a type of NumPy's without its order, or ``bf16``) as rows."""
    if kind == "bf16":
        yield from tables(place, Shaped(np.dtype("<f4"), size), widened(file, order), name)
    else:
        yield from tables(place, Shaped(np.dtype(kind).newbyteorder("<" if order == "<" else ">"), size), file, name)


def _strided(tensor: Tensor, held: bytes, order: str) -> Values | None:
    """A tensor that lies across its storage, put in order; ``None`` if it reaches beyond it."""
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.size, tensor.stride, strict=True))
    if (last + 1) * tensor.width > len(held) or tensor.count * tensor.width > WHOLE:
        return None
    if tensor.type == "bf16":
        held = (np.frombuffer(held[: len(held) // 2 * 2], dtype=f"{order}u2").astype("<u4") << 16).tobytes()
    dtype = np.dtype("<f4") if tensor.type == "bf16" else np.dtype(tensor.type).newbyteorder("<" if order == "<" else ">")
    flat = np.frombuffer(held[: len(held) // dtype.itemsize * dtype.itemsize], dtype=dtype)
    steps = [stride * dtype.itemsize for stride in tensor.stride]
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.size, steps, writeable=False))
