"""From what was found to what is to be done to which records: one target per act and way of finding.

A target carries the addresses, the one selector by which they can be found again after the records that led to them are gone (also what
verification uses), and how many fall to each request. Targets hold identifiers: they live in memory here and sealed in the journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from expunge.erase.extent import Extent
from expunge.erase.held import KeptBack
from expunge.erase.plan import Act, Plan
from expunge.erase.subjects import Resolved
from expunge.erase.walk import Rows, Walked, named
from expunge.policy.catalog import Catalog
from expunge.policy.ownership import Edge, Ownership, Via
from expunge.stores.base import Store
from expunge.stores.values import key_text, spelled
from expunge.terms import Method, Selector, Value

NONE_HELD = KeptBack()


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """Records of one collection to which one act is done.

    ``whose``: per address the place of the request that it falls to, as far as it is known.
    ``matches``: how many records the walk knows that the selector matches, these and those of other targets. ``free``: whatever the
    selector finds later is meant too (late arrivals); otherwise only ``addresses`` are. ``spared`` counts, per place of a request as text,
    records that came under a hold after they were located by a sweep.
    """

    name: str
    act: str
    collection: str
    method: Method
    fields: tuple[str, ...]
    repoint: Mapping[str, Value]
    selector: Selector
    addresses: tuple[str, ...]
    counts: Mapping[int, int] = field(default_factory=dict[int, int])
    matches: int = 0
    free: bool = False
    rank: int = 0
    whose: tuple[int, ...] = ()
    spared: Mapping[str, int] = field(default_factory=dict[str, int])

    def __repr__(self) -> str:
        """Names and counts only."""
        return f"Target({self.name!r}, {len(self.addresses)})"


@dataclass(frozen=True, slots=True)
class Work:
    """What a run has to do: targets in the plan's order, and per collection what the policy keeps for each request.

    ``held`` is what stays under holds, which no receipt describes.
    """

    targets: tuple[Target, ...]
    kept: Mapping[str, Mapping[int, int]]
    undated: Mapping[str, int]
    held: KeptBack = NONE_HELD


def make_targets(
    catalog: Catalog,
    held: Ownership,
    stores: Mapping[str, Store],
    people: Resolved,
    walked: Walked,
    extent: Extent,
    plan: Plan,
    kept_back: KeptBack = NONE_HELD,
) -> Work:
    """Bind the plan's acts to the records found; ``extent`` lacks what is kept back already.

    Raises:
        StoreError: unlinking looks for records of others that point at what goes.
    """
    maker = _Maker(catalog, held, stores, people, walked, extent, plan, kept_back)
    targets: list[Target] = []
    kept: dict[str, dict[int, int]] = {}
    for act in plan.acts:
        if act.what in ("unlink", "break"):
            targets += maker.unlink(act)
            continue
        rows = walked.rows[act.collection]
        if act.what == "part":
            targets += maker.part(act, rows)
        elif act.what == "keep":
            kept[act.collection] = _counted(rows, extent.kept.get(act.collection, ()))
        else:
            chosen = extent.fields if act.what == "fields" else extent.records
            targets += maker.erase(act, rows, chosen.get(act.collection, frozenset()))
    return Work(tuple(targets), kept, extent.undated, kept_back)


@dataclass(frozen=True, slots=True)
class _Maker:
    catalog: Catalog
    held: Ownership
    stores: Mapping[str, Store]
    people: Resolved
    walked: Walked
    extent: Extent
    plan: Plan
    kept_back: KeptBack

    def erase(self, act: Act, rows: Rows, chosen: frozenset[int]) -> Iterable[Target]:
        """One target per way into the collection; a record falls to the first way that finds it."""
        left = set(chosen)
        narrow = not self.plan.scope.everything() or bool(self.kept_back.places)
        stay = frozenset(rows.addresses[place] for place in range(len(rows)) if place not in chosen) if narrow else frozenset()
        present = frozenset(act.fields) if act.method is Method.REDACT else frozenset()
        for number, (name, values) in enumerate(self._ways(act.collection, narrow=narrow)):
            column = rows.column(name)
            places = [place for place in sorted(left) if column[place] in values]
            left -= set(places)
            matches = sum(1 for place in range(len(rows)) if column[place] in values and rows.addresses[place] not in stay)
            selector = Selector(self._inside(act.collection), {name: values}, present=present, minus=stay)
            free = not narrow and act.collection not in self.plan.shared
            yield replace(self._target(act, f"{act.name}#{number}", selector, rows, places), matches=matches, free=free)

    def part(self, act: Act, rows: Rows) -> Iterable[Target]:
        """Records that stay, in the part that one leaving owner has in them."""
        if act.edge is not None:
            name, values = act.edge.owned_field, self._leaving(act.edge)
        else:
            name, values = next(iter(self._ways(act.collection, narrow=False)))
        column = rows.column(name)
        staying = self.extent.staying.get(act.collection, frozenset())
        places = [place for place in sorted(staying) if column[place] in values]
        kept = self.kept_back.places.get(act.collection, frozenset())
        selector = Selector(self._inside(act.collection), {name: values}, minus=self.kept_back.addresses.get(act.collection, frozenset()))
        matches = sum(1 for place, value in enumerate(column) if value in values and place not in kept)
        yield replace(self._target(act, act.name, selector, rows, places), matches=matches)

    def unlink(self, act: Act) -> Iterable[Target]:
        """Whoever's records point at what goes; those that go anyway only where a cycle of constraints asks for it."""
        edge = act.edge
        assert edge is not None
        via_to = edge.via is Via.TO
        goal, goal_field = (edge.owned, edge.owned_field) if via_to else (edge.owner, edge.owner_field)
        name = edge.owner_field if via_to else edge.owned_field
        going = self.extent.records.get(goal, frozenset())
        gone = self._values(goal, goal_field, going)
        if not gone:
            return
        own = self.walked.rows.get(act.collection)
        goes = act.what == "unlink" and any(other.method is Method.DELETE for other in self.plan.acts_on(act.collection))
        places = self.extent.records.get(act.collection, frozenset()) if goes else ()
        minus = frozenset(own.addresses[place] for place in places) if own is not None else frozenset()
        selector = Selector(self._inside(act.collection), {name: gone}, minus=minus)
        store = self.stores[act.collection.split(".", 1)[0]]
        found = list(store.locate(selector, (name,)))
        addresses = tuple(address for batch in found for address in batch.addresses)
        held = self.walked.rows[goal]
        whose = {key_text(value): held.ordinals[place] for place in going if (value := held.column(goal_field)[place]) is not None}
        counts = Counter(whose[key_text(value)] for batch in found for value in batch.carried[name] if value is not None)
        assert act.method is not None
        bare = Target(act.name, act.name, act.collection, act.method, act.fields, act.repoint, selector, addresses, counts, rank=act.rank)
        yield replace(bare, matches=len(addresses), free=True)

    def _target(self, act: Act, name: str, selector: Selector, rows: Rows, places: Sequence[int]) -> Target:
        assert act.method is not None
        addresses = tuple(rows.addresses[place] for place in places)
        counts = _counted(rows, places)
        whose = tuple(rows.ordinals[place] for place in places)
        return Target(
            name, act.name, act.collection, act.method, act.fields, act.repoint, selector, addresses, counts, rank=act.rank, whose=whose
        )

    def _inside(self, address: str) -> str:
        return self.catalog.collections[address].name

    def _ways(self, address: str, *, narrow: bool) -> Iterable[tuple[str, frozenset[Value]]]:
        """(field, values) for each way into a collection. A narrow request looks among all that the walk found, minus what stays."""
        root = self.held.roots.get(address)
        rows = self.walked.rows[address]
        if root is not None:
            keys = self.people.keys(root.kind)
            held = frozenset(value for value in rows.column(root.field) if value is not None and key_text(value) in keys)
            yield root.field, held | spelled(keys)
        for edge in self.held.into(address):
            if narrow:
                owners = self.walked.rows[edge.owner]
                values = spelled(named(self.held, self.people, edge)) | self._values(edge.owner, edge.owner_field, range(len(owners)))
                yield edge.owned_field, self._both(edge, values)
            else:
                yield edge.owned_field, self._both(edge, self._leaving(edge))

    def _leaving(self, edge: Edge) -> frozenset[Value]:
        """The values of an edge that stand for leaving owners only. Of what many can own, those of the records that go."""
        if edge.via is Via.FROM:
            keys = spelled(named(self.held, self.people, edge)) if self.plan.scope.everything() else frozenset[Value]()
            return self._both(edge, keys | self._values(edge.owner, edge.owner_field, self.extent.going.get(edge.owner, frozenset())))
        return self._values(edge.owned, edge.owned_field, self.extent.going.get(edge.owned, frozenset()))

    def _both(self, edge: Edge, values: frozenset[Value]) -> frozenset[Value]:
        """The values as the owner holds them and as the found records do, which may be of another type."""
        texts = {key_text(value) for value in values}
        return values | frozenset(
            value for value in self.walked.rows[edge.owned].column(edge.owned_field) if value is not None and key_text(value) in texts
        )

    def _values(self, address: str, name: str, places: Iterable[int]) -> frozenset[Value]:
        column = self.walked.rows[address].column(name)
        return frozenset(value for place in places if (value := column[place]) is not None)


def _counted(rows: Rows, places: Iterable[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for place in places:
        counts[rows.ordinals[place]] = counts.get(rows.ordinals[place], 0) + 1
    return counts
