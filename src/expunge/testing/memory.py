"""A working store in memory: the contract's smallest whole implementation, for tests of what stands above stores.

It keeps what it deleted until it is told to reclaim, as real stores do, can be taken away (``Medium.outage``), and fails as a script
says. It passes the same laws as every store. ``locate`` compares typed values and ``verify`` compares texts, so that they share no path.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from expunge.errors import Conflict, Drift, Full, Refused, StoreError, Unavailable, UnknownStore
from expunge.stores.base import coerce, coerce_all
from expunge.terms import Json, Located, Method, Reclaimed, Record, Residue, Selector, Shape, Step, Value, text_of

Content: TypeAlias = Mapping[str, Value | None]
"""A record's fields; one that is left out is null."""

BATCH = 100  # small, so that tests of a few hundred records meet several batches

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FAULTS: Mapping[str, type[StoreError]] = {"U": Unavailable, "C": Conflict, "F": Full, "R": Refused, "D": Drift}


class Medium:
    """What lies under memory stores: each instance of the store is one more process at the same medium.

    ``script`` has one letter for each coming batch of any ``erase``: ``.`` goes well; ``U C F R D`` (Unavailable, Conflict, Full,
    Refused, Drift) fail before the batch; the same in lower case fail after the batch is durable and before it is announced. Past
    its end all goes well.
    """

    def __init__(self, shapes: Sequence[Shape], script: str = "") -> None:
        """Empty collections of these shapes; each shape needs a primary key."""
        self.shapes: dict[str, Shape] = {shape.name: shape for shape in shapes}
        self.live: dict[str, dict[str, Content]] = {shape.name: {} for shape in shapes}
        self.old: dict[str, list[Content]] = {shape.name: [] for shape in shapes}
        self.script = script
        self.reachable = True

    def put(self, collection: str, records: Iterable[Content]) -> None:
        """Write records, each replacing the one of the same primary key."""
        key = self.shapes[collection].primary_key
        self.live[collection].update({_address(record, key): record for record in records})

    def dump(self, collection: str) -> list[Content]:
        """The live records."""
        return list(self.live[collection].values())

    def clear(self, collection: str) -> None:
        """Begin again with an empty collection that has no history."""
        self.live[collection].clear()
        self.old[collection].clear()

    def raw(self) -> Iterator[tuple[str, bytes]]:
        """Every byte that is kept, live and old."""
        for name in self.shapes:
            for place, records in (("live", self.live[name].values()), ("old", self.old[name])):
                for record in records:
                    yield f"{place}/{name}", json.dumps({field: _json(value) for field, value in record.items()}).encode()

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Nobody reaches the medium until the block ends."""
        self.reachable = False
        try:
            yield
        finally:
            self.reachable = True

    def turn(self) -> str:
        """The script's letter for this batch."""
        letter, self.script = self.script[:1] or ".", self.script[1:]
        return letter


class MemoryStore:
    """A ``Store`` (and ``Reader``, ``Lister``, ``Counter``) on a ``Medium``."""

    def __init__(self, medium: Medium, *, batch: int = BATCH) -> None:
        """Join the medium.

        Raises:
            Unavailable: during an outage.
        """
        self._medium = medium
        self._batch = batch
        self.statements = 0
        self._reach()

    def describe(self) -> tuple[Shape, ...]:
        """See ``Store``."""
        self._reach()
        return tuple(self._medium.shapes.values())

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """See ``Store``; the order is that of writing."""
        shape = self._shape(selector.collection, _named(selector) | set(carry))
        matches = _typed(selector, shape)
        found = [(address, record) for address, record in self._medium.live[shape.name].items() if matches(record)]
        kept = [(address, record) for address, record in found if address not in selector.minus]
        for start in range(0, len(kept), self._batch):
            part = kept[start : start + self._batch]
            carried = {name: tuple(record.get(name) for _, record in part) for name in carry}
            yield Located(tuple(address for address, _ in part), carried)

    def erase(self, step: Step) -> Iterator[int]:
        """See ``Store``."""
        self._shape(step.collection, {*_named(step.selector), *step.fields, *step.repoint})
        for start in range(0, len(step.addresses), self._batch):
            part = step.addresses[start : start + self._batch]
            self._reach()
            letter = self._medium.turn()
            _fail(letter)
            self._apply(step, part)
            _fail(letter.upper() if letter.islower() else ".")
            yield len(part)

    def reclaim(self, selector: Selector) -> Reclaimed:
        """See ``Store``."""
        shape = self._shape(selector.collection, set())
        self._medium.old[shape.name].clear()
        return Reclaimed("old records dropped")

    def verify(self, selector: Selector) -> Residue:
        """See ``Store``."""
        shape = self._shape(selector.collection, _named(selector))
        matches = _texts(selector, shape)
        live = self._medium.live[shape.name]
        left = sum(1 for address, record in live.items() if matches(record) and address not in selector.minus)
        old = sum(1 for record in self._medium.old[shape.name] if matches(record))
        return Residue(len(live), left, old, note="live and old records read")

    def close(self) -> None:
        """See ``Store``; there is nothing to give back."""

    def read(self, collection: str, addresses: Iterable[str]) -> Iterator[Record]:
        """See ``Reader``."""
        shape = self._shape(collection, set())
        live = self._medium.live[shape.name]
        for address in addresses:
            if address in live:
                yield Record(address, {name: _json(value) for name, value in live[address].items()})

    def distinct(self, collection: str, field: str) -> Iterator[tuple[Value, ...]]:
        """See ``Lister``; a value may come again in a later batch."""
        shape = self._shape(collection, {field})
        held = [value for record in self._medium.live[shape.name].values() if (value := record.get(field)) is not None]
        for start in range(0, len(held), self._batch):
            yield tuple(dict.fromkeys(held[start : start + self._batch]))

    def _apply(self, step: Step, addresses: Sequence[str]) -> None:
        live = self._medium.live[step.collection]
        for address in addresses:
            if address not in live:
                continue
            before = live[address]
            changes: Content = {**dict.fromkeys(step.fields), **(step.repoint if step.method is Method.DECORRELATE else {})}
            if step.method is Method.DELETE:
                del live[address]
            elif (after := {**before, **changes}) != before:
                live[address] = after
            else:
                continue
            self._medium.old[step.collection].append(before)

    def _reach(self) -> None:
        self.statements += 1
        if not self._medium.reachable:
            raise Unavailable("the medium can't be reached")

    def _shape(self, collection: str, fields: set[str]) -> Shape:
        self._reach()
        shape = self._medium.shapes.get(collection)
        if shape is None:
            raise UnknownStore(f"there is no collection {collection!r}")
        missing = sorted(name for name in fields if shape.field(name) is None)
        if missing:
            raise Drift(f"{collection} has no field {', '.join(missing)}")
        return shape


def _named(selector: Selector) -> set[str]:
    return {*selector.any_of, *selector.within, *selector.present}


def _typed(selector: Selector, shape: Shape) -> Callable[[Content], bool]:
    """Whether a record matches, by values of the fields' own types."""
    types = {field.name: field.type for field in shape.fields}
    wanted = {name: frozenset(coerce_all(values, types[name])) for name, values in selector.any_of.items()}

    def matches(record: Content) -> bool:
        return (
            all(record.get(name) is not None and record.get(name) in values for name, values in wanted.items())
            and all(isinstance(when := record.get(name), datetime) and span.holds(when) for name, span in selector.within.items())
            and (not selector.present or any(record.get(name) is not None for name in selector.present))
        )

    return matches


def _texts(selector: Selector, shape: Shape) -> Callable[[Content], bool]:
    """Whether a record matches, by what its fields look like as text."""
    types = {field.name: field.type for field in shape.fields}
    wanted = {
        name: {text_of(one) for value in values if (one := coerce(value, types[name])) is not None}
        for name, values in selector.any_of.items()
    }
    edges = {name: (_micros(span.start), _micros(span.end)) for name, span in selector.within.items()}

    def within(name: str, value: Value | None) -> bool:
        start, end = edges[name]
        when = _micros(value) if isinstance(value, datetime) else None
        return when is not None and (start is None or start <= when) and (end is None or when < end)

    def matches(record: Content) -> bool:
        texts = {name: text_of(value) for name, value in record.items() if value is not None}
        hit = all(name in texts and texts[name] in values for name, values in wanted.items())
        return hit and all(within(name, record.get(name)) for name in edges) and _holds_any(texts, selector.present)

    return matches


def _holds_any(texts: Mapping[str, str], present: frozenset[str]) -> bool:
    return not present or not present.isdisjoint(texts)


def _micros(when: datetime | None) -> int | None:
    return None if when is None else (when - EPOCH) // timedelta(microseconds=1)


def _fail(letter: str) -> None:
    if letter in FAULTS:
        raise FAULTS[letter]("the script says so")


def _address(record: Content, key: Sequence[str]) -> str:
    return json.dumps([_json(record[name]) for name in key], ensure_ascii=False)


def _json(value: Value | None) -> Json:
    return value if value is None or isinstance(value, bool | int | float | str) else text_of(value)
