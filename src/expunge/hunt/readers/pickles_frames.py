"""Frames in pickles: pandas' blocks put back under their columns' names, and Arrow's buffers read as what they hold.

pandas keeps columns of one type together in a *block*, an array of columns by rows, with the columns' places in the frame beside it; the
names lie in the first *axis*. Versions before 1.3 write blocks in the state of the manager, later ones as calls (``_unpickle_block``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from expunge.hunt.pieces import Column, Rows, Texts
from expunge.hunt.readers.arrays_tables import Shaped, column, tables
from expunge.hunt.readers.arrays_views import view
from expunge.hunt.readers.columns import column_of
from expunge.hunt.readers.pickles_machine import Machine
from expunge.hunt.readers.pickles_nodes import Array, Bag, Call, Lump, Map, Node, raw, text
from expunge.hunt.readers.pickles_rows import Leaf

_ROWS = 16_384
_COLUMNS = 16_384  # of a frame; a block of more claims something that no table has
_DEEP = 5  # an extension array keeps its elements this many attributes down at most


@dataclass(frozen=True, slots=True, repr=False)
class _Block:
    """Columns of one type: an array of columns by rows, and what they are called."""

    array: Array
    names: list[str]
    rows: int

    @property
    def by_row(self) -> bool:
        return self.array.shaped.fortran and len(self.names) > 1

    def columns(self, first: int, count: int) -> dict[str, Column]:
        """Some rows of each column."""
        if isinstance(self.array.source, list):
            return {name: column_of(self._listed(at, first, count)) for at, name in enumerate(self.names)}
        return dict(zip(self.names, self._read(first, count), strict=True))

    def _listed(self, at: int, first: int, count: int) -> list[Leaf]:
        items = self.array.source
        assert isinstance(items, list)
        start = at * self.rows + first  # a list of objects is written row by row, whatever the array's order
        return [one if isinstance(one, str | int | float | bytes) else None for one in items[start : start + count]]

    def _read(self, first: int, count: int) -> Iterator[Column]:
        dtype, width = self.array.shaped.dtype, len(self.names)
        file = self.array.open()
        if self.by_row:
            file.seek(first * width * dtype.itemsize)
            together = np.frombuffer(file.read(count * width * dtype.itemsize), dtype=dtype).reshape(count, width)
            yield from (column(together[:, at]) for at in range(width))
            return
        for at in range(width):
            file.seek((at * self.rows + first) * dtype.itemsize)
            yield column(np.frombuffer(file.read(count * dtype.itemsize), dtype=dtype))


def managed(machine: Machine, manager: Call) -> None:
    """Give a frame's columns under their names, if this is what holds them and they can be told apart."""
    if not manager.name.endswith(".BlockManager"):
        return
    blocks, axes = _parts(manager)
    if not blocks or len(axes) < 2:  # noqa: PLR2004 # columns and rows
        return
    labels = _labels(axes[0])
    found = [one for values, placed in blocks if (one := _block(values, placed, labels)) is not None]
    rows = {one.rows for one in found}
    index = _array_in(axes[1])
    if len(rows) != 1:
        return
    if index is not None and not index.told and index.shaped.shape == (found[0].rows,) and _whole(index):
        found.append(_Block(index, ["index"], found[0].rows))
    for one in found:
        one.array.told = True
    machine.arrays += 1
    machine.out.append(_rows(machine, found, f"frame{machine.arrays}"))


def _rows(machine: Machine, blocks: list[_Block], table: str) -> Iterator[Rows]:
    place = machine.opened.place.of(table=table)
    for first in range(0, blocks[0].rows, _ROWS):
        count = min(_ROWS, blocks[0].rows - first)
        yield Rows(place, {name: one for block in blocks for name, one in block.columns(first, count).items()}, count, first)


def _parts(manager: Call) -> tuple[list[tuple[Node, Node]], list[Node]]:
    """The blocks (values and places) and the axes, as either generation of pandas writes them."""
    state = manager.state.items if isinstance(manager.state, Bag) else []
    held = state[3] if len(state) > 3 else None  # noqa: PLR2004 # what versions before 0.14 read comes first
    newer = held.pairs.get("0.14.1") if isinstance(held, Map) else None
    if isinstance(newer, Map):
        blocks, axes = newer.pairs.get("blocks"), newer.pairs.get("axes")
        maps = [one.pairs for one in blocks.items if isinstance(one, Map)] if isinstance(blocks, Bag) else []
        return [(one.get("values"), one.get("mgr_locs")) for one in maps], axes.items if isinstance(axes, Bag) else []
    if len(manager.args) > 1 and isinstance(manager.args[0], Bag) and isinstance(manager.args[1], Bag):
        calls = [one.args for one in manager.args[0].items if isinstance(one, Call)]
        return [(one[0], one[1]) for one in calls if len(one) > 1], manager.args[1].items
    return [], []


def _block(values: Node, placed: Node, labels: list[str]) -> _Block | None:
    array, places = _array_in(values), _places(placed)
    if array is None or array.told or places is None or not 0 < len(places) <= _COLUMNS:
        return None
    shape = array.shaped.shape
    if (len(shape) == 1 and len(places) != 1) or (len(shape) > 1 and (len(shape) != 2 or shape[0] != len(places))):  # noqa: PLR2004 # columns by rows
        return None
    names = [labels[at] if 0 <= at < len(labels) else f"column{at}" for at in places]
    return _Block(array, names, shape[-1]) if shape[-1] and _whole(array) else None


def _whole(array: Array) -> bool:
    """Whether all elements are there."""
    if isinstance(array.source, list):
        return len(array.source) == int(np.prod(array.shaped.shape, dtype=np.float64))
    if isinstance(array.source, Lump):
        return array.shaped.sane and array.source.plain and array.source.size == array.shaped.nbytes
    return array.shaped.sane and len(array.source) == array.shaped.nbytes


def _array_in(node: Node) -> Array | None:
    """The array that a node is, or the first that is found in what it was made of (an index, times with a zone)."""
    level = [node]
    for _ in range(_DEEP):
        for one in level:
            if isinstance(one, Call) and one.array is not None:
                return one.array
        level = [inner for one in level for inner in _made_of(one)][:1_000]
    return None


def _made_of(node: Node) -> list[Node]:
    if isinstance(node, Call):
        return [*node.args, node.state]
    if isinstance(node, Map):
        return list(node.pairs.values())
    return node.items if isinstance(node, Bag) else []


def _places(node: Node) -> list[int] | None:
    """A ``slice`` or an array of whole numbers."""
    if isinstance(node, Call) and node.array is not None:
        dtype, source = node.array.shaped.dtype, node.array
        held = source.open().read(_COLUMNS * 8) if dtype.kind in "iu" else b""
        return [int(one) for one in np.frombuffer(held[: len(held) // dtype.itemsize * dtype.itemsize], dtype=dtype)]
    if isinstance(node, Call) and node.name == "builtins.slice" and len(node.args) == 3:  # noqa: PLR2004 # start, stop, step
        start, stop, step = (one if isinstance(one, int) else None for one in node.args)
        if stop is None or step == 0 or abs(stop - (start or 0)) > _COLUMNS:
            return None
        return list(range(start or 0, stop, step or 1))
    return None


def _labels(axis: Node) -> list[str]:
    array = _array_in(axis)
    if array is None or not isinstance(array.source, list):
        return []
    return [text(one) or f"column{at}" for at, one in enumerate(array.source)]


# --- Arrow

_NUMBERS = {
    "int8": "i1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "uint8": "u1", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8",
    "halffloat": "<f2", "float16": "<f2", "float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8",
    "timestamp": "<i8", "date32": "<i4", "date64": "<i8", "duration": "<i8", "time64": "<i8", "time32": "<i4",
}  # fmt: skip
_TEXTS = {"string": "<i4", "utf8": "<i4", "binary": "<i4", "large_string": "<i8", "large_utf8": "<i8", "large_binary": "<i8"}


def arrow(machine: Machine, parts: list[Node]) -> Iterator[Rows] | None:
    """Rows of a pickled Arrow array: (type, length, nulls, offset, buffers, children, dictionary); ``None`` if its type isn't known."""
    if len(parts) < 6 or not isinstance(parts[0], Call) or not isinstance(parts[1], int) or not isinstance(parts[3], int):  # noqa: PLR2004 # as said
        return None
    buffers = parts[4].items if isinstance(parts[4], Bag) else []
    kind = _kind(parts[0])
    start, length = max(0, parts[3]), max(0, parts[1])
    machine.arrays += 1
    table = f"arrow{machine.arrays}"
    if kind in _NUMBERS and len(buffers) > 1:
        return _numbers(machine, table, Shaped(np.dtype(_NUMBERS[kind]), (length,)), buffers[1], start)
    if kind in _TEXTS and len(buffers) > 2:  # noqa: PLR2004 # which are null, where each begins, all of them
        return _texts(machine, table, np.dtype(_TEXTS[kind]), buffers, range(start, start + length))
    return None


def _kind(made: Call) -> str:
    alias = text(made.args[0]) if made.args and made.name.endswith("type_for_alias") else None
    return (alias or made.name.rsplit(".", 1)[-1]).split("[")[0]


def _buffer(node: Node, first: int, size: int) -> bytes:
    held = raw(node)
    if isinstance(held, Lump):
        file = held.open()
        file.seek(first)
        return file.read(size)
    return held[first : first + size] if held is not None else b""


def _numbers(machine: Machine, table: str, shaped: Shaped, node: Node, start: int) -> Iterator[Rows]:
    held, skipped = raw(node), start * shaped.dtype.itemsize
    if isinstance(held, Lump):
        file = view(held.file, held.offset + skipped, max(0, held.size - skipped))
        yield from tables(machine.opened.place.of(table=table), shaped, file)
    elif held is not None:
        whole = held[skipped:]
        values = np.frombuffer(whole[: len(whole) // shaped.dtype.itemsize * shaped.dtype.itemsize], dtype=shaped.dtype)[: shaped.shape[0]]
        yield Rows(machine.opened.place.of(table=table), {"value": column(values)}, len(values))


def _texts(machine: Machine, table: str, dtype: np.dtype[np.generic], buffers: list[Node], rows: range) -> Iterator[Rows]:
    place, width = machine.opened.place.of(table=table), dtype.itemsize
    for first in range(rows.start, rows.stop, _ROWS):
        wanted = min(_ROWS, rows.stop - first) + 1
        held = _buffer(buffers[1], first * width, wanted * width)
        ends = np.frombuffer(held[: len(held) // width * width], dtype=dtype).astype(np.int64)
        if len(ends) < 2 or (np.diff(ends) < 0).any() or ends[0] < 0:  # noqa: PLR2004 # not even one text
            return
        content = _buffer(buffers[2], int(ends[0]), int(ends[-1] - ends[0]))
        if len(content) < ends[-1] - ends[0]:
            return
        yield Rows(place, {"value": Texts(np.frombuffer(content, dtype=np.uint8), ends - ends[0])}, len(ends) - 1, first - rows.start)
