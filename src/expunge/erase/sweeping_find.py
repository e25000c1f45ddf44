"""From conditions to records: what a ``Where`` means in the stores now, and the one selector by which the same can be asked again.

A join is followed from whichever side can be asked: where its far end has a time or values, that end is asked first and its keys are looked
for here; where it has not (it says only whose the record is), the records are found first and their keys are confirmed there. Set-wise:
a query for each collection in the chain, whatever the number of people. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from expunge.policy.catalog import Catalog
from expunge.ports import Join, Where
from expunge.stores.base import Lister, Store
from expunge.stores.values import key_text, spelled
from expunge.terms import Located, Selector, Span, Value

CONFIRMED = 10_000
"""Keys confirmed at a time: as many as a page of records holds twice over, so that memory does not grow with the collection."""

MANY = 200_000
"""Keys of a join's far end up to which they are looked for here: some 20 MB. Where sources outlive what was made from them, old ones pile
up, and it is cheaper to ask of the keys that are still here."""


@dataclass(slots=True)
class Finder:
    """Asks the stores. What a condition elsewhere means is asked once in the life of a finder; ``None`` stands for too many."""

    catalog: Catalog
    stores: Mapping[str, Store]
    known: dict[tuple[Where, str], frozenset[Value] | None] = field(default_factory=dict[tuple[Where, str], "frozenset[Value] | None"])

    def selector(self, where: Where) -> Selector | None:
        """The selector that means the same as ``where`` and names no other collection; ``None`` if nothing can match.

        Raises:
            StoreError: as the stores say.
        """
        name = self.catalog.collections[where.collection].name
        any_of: dict[str, frozenset[Value]] = {}
        if where.only is not None:
            any_of[where.only[0]] = where.only[1]
        for join in where.joins:
            if _asked_first(join.to):
                any_of[join.field] = _both(any_of.get(join.field), self._joined(where.collection, join))
        if any(not held for held in any_of.values()):
            return None
        within = {where.clock: Span(None, where.before)} if where.clock is not None else {}
        bare = Selector(name, any_of, within, where.owners)
        for join in where.joins:
            if not _asked_first(join.to):
                confirmed = self._confirmed(where.collection, bare, join)
                if not confirmed:
                    return None
                bare = Selector(name, {**bare.any_of, join.field: _both(bare.any_of.get(join.field), confirmed)}, within, where.owners)
        return bare

    def found(self, where: Where, carry: Sequence[str] = ()) -> Iterator[Located]:
        """The records that ``where`` means, in batches.

        Raises:
            StoreError: as the stores say.
        """
        selector = self.selector(where)
        if selector is not None:
            yield from self.located(where.collection, selector, carry)

    def located(self, address: str, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """The records that a selector means."""
        yield from self.stores[address.split(".", 1)[0]].locate(selector, tuple(dict.fromkeys(carry)))

    def _joined(self, address: str, join: Join) -> frozenset[Value]:
        """The values of a join's field for which its far end is as it has to be: from the far end, unless it has too many."""
        store = self.stores[address.split(".", 1)[0]]
        few = self._values(join.to, join.to_field, MANY if isinstance(store, Lister) else None)
        if few is not None or not isinstance(store, Lister):
            return few or frozenset()
        confirmed: set[Value] = set()
        for values in store.distinct(self.catalog.collections[address].name, join.field):
            confirmed |= self.confirm(join, values)
        return frozenset(confirmed)

    def _values(self, where: Where, name: str, most: int | None) -> frozenset[Value] | None:
        """The values of a field in the records that ``where`` means, as that store and others spell them; ``None``: more than ``most``."""
        if (where, name) in self.known:
            return self.known[where, name]
        found: set[Value] = set()
        for batch in self.found(where, (name,)):
            found.update(value for value in batch.carried[name] if value is not None)
            if most is not None and len(found) > most:
                self.known[where, name] = None
                return None
        self.known[where, name] = frozenset(found) | _spellings(found)
        return self.known[where, name]

    def _confirmed(self, address: str, selector: Selector, join: Join) -> frozenset[Value]:
        """Of the values that the found records hold, those whose far end is as it has to be."""
        values = (
            value for batch in self.located(address, selector, (join.field,)) for value in batch.carried[join.field] if value is not None
        )
        confirmed: set[Value] = set()
        for some in _portions(values):
            confirmed |= self.confirm(join, some)
        return frozenset(confirmed)

    def confirm(self, join: Join, values: Iterable[Value]) -> set[Value]:
        """Those of ``values`` that stand in ``join.to_field`` of a record that ``join.to`` means."""
        wanted = {value: key_text(value) for value in values}
        narrowed = Where(
            join.to.collection,
            join.to.clock,
            join.to.before,
            join.to.owners,
            (join.to_field, frozenset(wanted) | _spellings(wanted)),
            join.to.joins,
        )
        there = {
            key_text(value)
            for batch in self.found(narrowed, (join.to_field,))
            for value in batch.carried[join.to_field]
            if value is not None
        }
        return {value for value, text in wanted.items() if text in there}


def _asked_first(where: Where) -> bool:
    """Whether a condition can be asked of its store without knowing which records are meant."""
    return where.clock is not None or where.only is not None or any(_asked_first(join.to) for join in where.joins)


def _both(one: frozenset[Value] | None, other: frozenset[Value]) -> frozenset[Value]:
    if one is None:
        return other
    texts = {key_text(value) for value in other}
    return frozenset(value for value in one if key_text(value) in texts)


def _spellings(values: Iterable[Value]) -> frozenset[Value]:
    """Keys as other stores may hold them. A plain number or text needs no second spelling: stores compare these across types."""
    return frozenset(one for value in values if type(value) is not int for one in spelled([key_text(value)]) if one != value)


def _portions(values: Iterable[Value]) -> Iterator[set[Value]]:
    turn = iter(values)
    while some := set(islice(turn, CONFIRMED)):
        yield some
