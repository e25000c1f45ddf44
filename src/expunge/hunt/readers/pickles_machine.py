"""Walks a pickle's opcodes (protocols 0 to 5) on a stack of inert values, and gives what lies in it as it goes by.

Python's own ``pickletools.genops`` reads whole arguments into memory and knows nothing of the stack; without a stack there are no names
for the values. A container's content is given when the container is filled and is then forgotten, so that memory is bounded by what is
open at one time and not by the file. The memo remembers names, types and containers, not content: a "billion laughs" through it is told
once. Opcodes: CPython, ``Lib/pickletools.py``.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

from expunge.hunt.pieces import Piece, Place, Unread, Why
from expunge.hunt.readers.arrays import Damaged
from expunge.hunt.readers.arrays_tables import tables
from expunge.hunt.readers.pickles_nodes import SMALL, SPENT, Array, Bag, Call, Global, Lump, Map, Node, Spent, canonical
from expunge.hunt.readers.pickles_rows import Leaf, Records, is_name
from expunge.hunt.readers.pickles_source import Source
from expunge.hunt.reading import Nested, Opened

_FIRST, _LAST = 8_192, 32_768  # entries of the memo that are kept: the first (names, types) and the latest
_TUPLE = 1_024  # items of a tuple that may be an argument; a longer one is content
_STACK = 100_000  # values on the stack at once; more are told where they are
_PICKLES = 8  # pickles in pickles
_MARKS = 10_000  # containers in containers: Python's own unpickler fails at about 1,000
_KEPT = 500_000  # objects of an array of objects that are held until it is known whose columns they are
_NAMES = 10_000  # names of things that would be imported, each told once
_PENDING = 4_096  # arrays held until it is known whether they belong to a frame …
_HELD = 128 << 20  # … and bytes of those of them that lie in memory

_FEW = 4  # values of a place or a box, which stay in the row that they lie in
_SIMPLE = (str, int, float, bytes, type(None), Spent)
_QUICK = frozenset((str, int, float, bool, type(None)))
_LOOK = ("numpy.", "pandas.", "joblib.", "pyarrow.", "uuid.")  # what needs its arguments' structure


class Machine:
    """One pickle. ``out`` is what is ready to be given; ``tensors`` is what was recognised as such."""

    def __init__(self, opened: Opened, source: Source, acts: Sequence[Act | None], depth: int = 0) -> None:
        """Read from where ``source`` stands; ``acts`` are what opcodes do, ``depth`` counts pickles in pickles."""
        self.opened = opened
        self.source = source
        self.acts = acts
        self.depth = depth
        self.memoized = 0
        self.place: Place = opened.place.of(table="pickle")
        self.rows = Records(self.place)
        self.stack: list[Node] = []
        self.marks: list[list[Node]] = []
        self.memo: dict[int, Node] = {}
        self.out: list[Iterable[Piece | Nested]] = []
        self.pending: list[Array] = []
        self.held = 0
        self.arrays = 0
        self.tensors: list[Call] = []
        self.names: set[str] = set()
        self.shapes: set[tuple[Node, ...]] = set()  # keys of records that were seen: most dictionaries look like the one before
        self.ended = False
        self.whole = False  # whether lists are kept, because the pickle is short and the texts of its one list are wanted …
        self.texts: list[str] = []  # … here, when it has ended

    def walk(self) -> Iterator[Piece | Nested]:
        """Everything in the pickle; the source then stands behind it.

        Raises:
            Damaged: this is no pickle from here on; what was given until then stays.
            TooSlow: the limit of time has passed.
        """
        source, out, acts = self.source, self.out, self.acts
        try:
            while not self.ended:
                if source.at >= len(source.buffer):
                    if not source.fill():
                        raise Damaged("cut short")
                    self._relieve()
                act = acts[source.buffer[source.at]]
                if act is None:
                    raise Damaged("no opcode")
                source.at += 1
                act(self)
                if out or self.rows.ready:
                    yield from self._given()
        except (IndexError, struct.error):
            raise Damaged("a stack that does not add up") from None
        yield from self.finish()

    def finish(self) -> Iterator[Piece | Nested]:
        """What is still held: to be asked for when the pickle has ended or broke off."""
        if self.whole and self.stack and isinstance(top := self.stack[-1], Bag):
            self.texts = [one for one in top.items if isinstance(one, str)]
        for frame in (*self.marks, self.stack):
            self.items("value", frame)
        self.marks, self.stack = [], []
        self.settle(everything=True)
        yield from self._given()
        self.rows.flush()
        yield from self._given()

    def _given(self) -> Iterator[Piece | Nested]:
        ready, self.out[:] = list(self.out), []
        for one in ready:
            yield from one
        yield from self.rows.drain()

    def _relieve(self) -> None:
        """Keep the stack small: what has piled up is told where it is."""
        if len(self.marks) > _MARKS:
            raise Damaged("nested beyond all measure")
        if len(self.stack) > _STACK:
            self.items(self.name(), self.stack[:-SMALL])
            del self.stack[:-SMALL]

    # --- names

    def name(self) -> str:
        """What the value that is about to be pushed is called: the key before it, or that of what it lies in."""
        frame, at = self.stack, len(self.stack)
        for level in range(len(self.marks), max(-1, len(self.marks) - 16), -1):
            owner = self.marks[level - 1][-1] if level and self.marks[level - 1] else None
            for here in range(at, max(0, at - 8), -1):
                key = frame[here - 1]
                odd = here % 2 == 1 and isinstance(owner, Map | Call)
                if isinstance(key, str) and (odd or (here > 1 and isinstance(frame[here - 2], Map | Call))) and is_name(key):
                    return key
            if level:
                frame = self.marks[level - 1]
                at = len(frame) - 1
        return "value"

    def looked_into(self) -> bool:
        """Whether what is about to be made lies in the arguments of something whose structure matters."""
        if self.whole:
            return True
        around = [frame[-1] for frame in (*self.marks[-8:], self.stack) if frame]
        if len(self.stack) > 1 and isinstance(self.stack[-1], Bag):  # the second argument
            around.append(self.stack[-2])
        return any(isinstance(one, Call | Global) and one.name.startswith(_LOOK) for one in around)

    # --- telling

    def leaf(self, name: str, value: Node) -> None:
        """Give one value that is no container."""
        if isinstance(value, Lump):
            place = self.opened.place.inside(f"{name}@{value.offset}")
            self.out.append((Nested(place, value.open(), value.size if value.plain else None, value.plain),))
        elif isinstance(value, bytes) and len(value) > SMALL:
            place = self.opened.place.inside(f"{name}@{self.source.position}")
            self.out.append((Nested(place, io.BytesIO(value), len(value), seekable=True),))
        elif isinstance(value, str | int | float | bytes):
            self.rows.add((name,), (value,))

    def items(self, name: str, values: Iterable[Node], *, clear: bool = True) -> None:
        """Give the content of a list, tuple or set."""
        for value in values:
            if isinstance(value, Bag):
                self.tell(name, value, clear=clear)
            elif isinstance(value, Map):
                self.close(value)
            elif not isinstance(value, Call | Global | Spent | None):
                self.leaf(name, value)

    def tell(self, name: str, bag: Bag, *, clear: bool = True) -> None:
        """Give what lies in a list or tuple and in those inside it, each once; a short tuple of plain values is a record."""
        waiting = [bag]
        while waiting:
            one = waiting.pop()
            if one.told:
                continue
            one.told = True
            if 1 < len(one.items) <= SMALL and all(isinstance(item, _SIMPLE) for item in one.items):
                self.record([f"{name}.{index}" for index in range(len(one.items))], one.items)
            else:
                waiting += [item for item in one.items if isinstance(item, Bag)]
                self.items(name, [item for item in one.items if not isinstance(item, Bag)])
            if clear and not one.kept:
                one.items = []

    def record(self, names: list[str], values: list[Node]) -> None:
        """Give plain values that belong together; long bytes among them are streams of their own."""
        plain: list[Leaf] = []
        for name, value in zip(names, values, strict=True):
            if isinstance(value, bytes) and len(value) > SMALL:
                self.leaf(name, value)
                plain.append(None)
            else:
                plain.append(value if isinstance(value, str | int | float | bytes) else None)
        if any(one is not None for one in plain):
            self.rows.add(tuple(names), plain)

    def field(self, owner: Node, key: Node, value: Node) -> None:
        """One entry of a dictionary that is filled one by one: entries wait for each other, so that a record stays one."""
        if not isinstance(owner, Map):
            self.fields(owner, [key, value])
            return
        if isinstance(value, Bag | Map) and not _few(value):  # at once, so that what waits is never nested
            self.items(key if is_name(key) else "value", [value], clear=not owner.kept)
        owner.loose += (key, value)
        if owner.kept and isinstance(key, str) and len(owner.pairs) < _TUPLE:
            owner.pairs[key] = value
        if len(owner.loose) >= 2 * SMALL:
            self.close(owner)

    def close(self, owner: Map) -> None:
        """Give the entries that wait."""
        if owner.loose:
            pairs, owner.loose = owner.loose, []
            self.fields(owner, pairs)

    def fields(self, owner: Node, pairs: list[Node]) -> None:
        """Give the entries of a dictionary: as a record if its keys are names, else as keys and values."""
        keys, values = pairs[::2], pairs[1::2]
        kept = isinstance(owner, Map) and owner.kept
        same = tuple(keys)
        if not kept and same in self.shapes and all(one.__class__ in _QUICK for one in values):
            self.rows.add(cast("tuple[str, ...]", same), cast("list[Leaf]", values))
            return
        names = [key for key in keys if isinstance(key, str) and is_name(key)]
        if isinstance(owner, Map) and kept and len(owner.pairs) < _TUPLE:
            owner.pairs |= {key: value for key, value in zip(keys, values, strict=True) if isinstance(key, str)}
        if len(names) == len(keys) <= SMALL * 4 and self.rows.knows(tuple(names)):
            self._as_record(names, values, kept=kept)
            return
        for key, value in zip(keys, values, strict=True):
            known = str(key) if is_name(key) else "value"
            if isinstance(key, Bag):
                self.tell("key", key)
            held = value if isinstance(value, str | int | float) or (isinstance(value, bytes) and len(value) <= SMALL) else None
            if isinstance(key, str | int | float | bytes):
                self.rows.pair(key, held)
            if held is None:
                self.items(known, [value], clear=not kept)

    def _as_record(self, names: list[str], values: list[Node], *, kept: bool) -> None:
        if not kept and len(self.shapes) < SMALL:
            self.shapes.add(tuple(names))
        self.spell(names)
        flat: list[str] = []
        plain: list[Node] = []
        for name, value in zip(names, values, strict=True):
            if isinstance(value, _SIMPLE):
                flat.append(name)
                plain.append(value)
            elif _few(value) and isinstance(value, Bag):
                value.told = True
                flat += [f"{name}.{index}" for index in range(len(value.items))]
                plain += value.items
            else:
                self.items(name, [value], clear=not kept)
        self.record(flat, plain)

    def spell(self, names: Iterable[str]) -> None:
        """Give names once: they may be content all the same."""
        for name in names:
            if name not in self.names and len(self.names) < _NAMES:
                self.names.add(name)
                self.rows.add(("key",), (name,))

    # --- arrays

    def hold(self, array: Array) -> None:
        """Remember an array until it is known whether it belongs to a frame."""
        self.pending.append(array)
        self.held += len(array.source) if isinstance(array.source, bytes) else 0
        self.settle()

    def settle(self, *, everything: bool = False) -> None:
        """Give the arrays that nothing has claimed, the oldest first, as far as there are too many."""
        if not everything and len(self.pending) <= _PENDING and self.held <= _HELD:
            return
        waiting, self.pending, self.held = self.pending, [], 0
        self.out += [self.array(one) for one in waiting if not one.told]

    def array(self, array: Array) -> Iterator[Piece | Nested]:
        """An array's content: rows, or a stream where it is bytes or isn't what it says."""
        array.told = True
        if isinstance(array.source, list):
            self.items(array.name, array.source)
            yield from self._given()
            return
        self.arrays += 1
        size = array.source.size if isinstance(array.source, Lump) else len(array.source)
        fits = array.shaped.sane and (array.shaped.nbytes == size or not getattr(array.source, "plain", True))
        if array.shaped.dtype.str == "|u1" or not fits:
            name = f"{array.name}#{self.arrays}"
            yield Nested(self.opened.place.inside(name), array.open(), size, seekable=getattr(array.source, "plain", True))
            return
        yield from tables(self.opened.place.of(table=f"array{self.arrays}"), array.shaped, array.open(), array.name)

    # --- the memo

    def put(self, index: int) -> None:
        """Remember what is on top; content is not remembered."""
        top = self.stack[-1]
        kind = top.__class__
        large = (kind is str or kind is bytes) and len(top) > SMALL  # type: ignore[arg-type] # as just asked, in the quickest way
        self.memo[index] = SPENT if large or kind is Lump else top
        if index >= self.memoized:
            self.memoized = index + 1
        if len(self.memo) > _FIRST + _LAST:
            self.memo.pop(index - _LAST, None)
            if len(self.memo) > _FIRST + _LAST:
                self.memo.pop(next(iter(self.memo)))

    def get(self, index: int) -> None:
        """Push what was remembered."""
        self.stack.append(self.memo.get(index, SPENT))

    def since_mark(self) -> list[Node]:
        """What was pushed since the last mark; the stack is then what it was before."""
        got = self.stack
        self.stack = self.marks.pop()
        return got

    def bag(self, items: list[Node]) -> Bag:
        """A tuple; a very long one is content and told at once."""
        made = Bag(items)
        if len(items) > _TUPLE:
            self.tell(self.name(), made)
            made.items = []
        return made

    def extend(self, items: list[Node]) -> None:
        """Put items into the list on top of the stack."""
        owner = self.stack[-1]
        if isinstance(owner, Bag) and owner.kept and not owner.told and len(owner.items) < _KEPT and self.held < _HELD:
            self.held += weight(items)
            owner.items += items
            return
        at = self.stack.pop()
        self.items(self.name(), items)
        self.stack.append(at)

    def known(self, module: str, name: str) -> Global:
        """What the pickle would import: its name, told once."""
        full = canonical(module, name)
        self.spell((full,))
        return Global(full)

    def pickle_inside(self) -> None:
        """A pickle of its own stands here, before this one goes on."""
        if self.depth >= _PICKLES:
            raise Damaged("pickles nested too deeply")
        inner = Machine(self.opened, self.source, self.acts, self.depth + 1)
        inner.rows, inner.names, inner.tensors = self.rows, self.names, self.tensors
        self.out.append(inner.walk())

    def outside(self) -> None:
        """A buffer that lies outside the pickle."""
        self.opened.account.unread.append(Unread(self.opened.place, Why.UNSUPPORTED, None, "buffers lie outside the pickle"))


Act = Callable[[Machine], None]


def _few(value: Node) -> bool:
    """Whether this is a short tuple of plain values that nobody has told: a place, a box."""
    plain = isinstance(value, Bag) and not value.told and 0 < len(value.items) <= _FEW
    return plain and isinstance(value, Bag) and all(isinstance(one, _SIMPLE) for one in value.items)


def weight(items: Iterable[Node]) -> int:
    """About how many bytes these take in memory."""
    return sum(SMALL + (len(one) if isinstance(one, str | bytes) else 0) for one in items)
