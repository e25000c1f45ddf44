"""A dated purge: everything of some categories that was captured before a date, and what was made from it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from expunge.policy.catalog import CollectionNote
from expunge.policy.model import Policy
from expunge.policy.ownership import Edge, Ownership, Via
from expunge.policy.retention import split, way_to
from expunge.policy.taxonomy import covers, names_only, personal
from expunge.ports import Ending, Join, Where
from expunge.retain.rules import with_clock
from expunge.terms import Verb


@dataclass(frozen=True, slots=True)
class Order:
    """What an order ends, and by collection why something that it means is out of its reach."""

    endings: tuple[Ending, ...]
    unreached: dict[str, str]


def make_order(policy: Policy, held: Ownership, categories: Sequence[str], before: datetime) -> Order:
    """Begin at the collections that hold these categories, and go on to what belongs to their records or was made from them."""
    maker = _Maker(policy, held, tuple(categories), before)
    for address in sorted(held.owned):
        maker.begin(policy.catalog.collections[address])
    maker.follow()
    return Order(tuple(dict.fromkeys(maker.endings)), maker.unreached)


class _Maker:
    def __init__(self, policy: Policy, held: Ownership, categories: tuple[str, ...], before: datetime) -> None:
        self.catalog = policy.catalog
        self.held = held
        self.categories = categories
        self.before = before
        self.name = f"{'+'.join(sorted(categories))} before {before:%Y-%m-%dT%H:%M:%SZ}"
        self.endings: list[Ending] = []
        self.unreached: dict[str, str] = {}

    def begin(self, note: CollectionNote) -> None:
        """What of a collection the categories name themselves."""
        named = [one for one in note.fields.values() if any(covers(wanted, each) for wanted in self.categories for each in one.categories)]
        if not named:
            return
        if note.verb is Verb.KEEP and note.keep is not None:
            self.unreached[note.address] = f"kept: {note.keep.basis}"
            return
        where = self._dated(note)
        if where is None:
            self.unreached[note.address] = "nothing says when its records were captured"
            return
        keys = {one.name for one in named if one.primary_key or one.references or self._own_key(note, one.name)}
        content = {one.name for one in note.fields.values() if any(not names_only(each) for each in personal(one.categories))}
        whole = not self._own(note) and ("objects" in note.layout or content <= {one.name for one in named} or bool(keys & content))
        if whole and note.verb is not Verb.DECORRELATE:
            self._end(where, (), "is of a category that was ordered to go")
        elif fields := tuple(one.name for one in named if one.name not in keys):
            self._end(where, fields, "is of a category that was ordered to go")

    def follow(self) -> None:
        """What belongs to records that go, or was made from them; where nothing ties a record to its source, by its own time."""
        todo = list(self.endings)
        seen = {one.where for one in todo}
        while todo:
            source = todo.pop()
            for note, where in self._made_from(source):
                if where in seen or self._own(note):
                    continue
                if note.verb is Verb.KEEP and note.keep is not None:
                    self.unreached.setdefault(note.address, f"kept: {note.keep.basis}")
                    continue
                seen.add(where)
                self._end(where, (), f"was made from {source.where.collection}, or belongs to it")
                todo.append(self.endings[-1])

    def _made_from(self, source: Ending) -> list[tuple[CollectionNote, Where]]:
        address = source.where.collection
        found: list[tuple[CollectionNote, Where]] = []
        tied: set[str] = set()
        for edge in self._ties(address, whole=not source.fields):
            tied.add(edge.owned)
            joined = Where(edge.owned, joins=(Join(edge.owned_field, edge.owner_field, source.where),))
            found.append((self.catalog.collections[edge.owned], joined))
        for note in self.catalog.collections.values():
            if address in note.derived_from and note.address in self.held.owned and note.address not in tied:
                where = self._dated(note)
                if where is None:
                    self.unreached[note.address] = f"was made from {address}, and nothing says from which of its records, or when"
                else:
                    found.append((note, where))
        return found

    def _ties(self, address: str, *, whole: bool) -> list[Edge]:
        """The references by which records belong to those of a collection (where these go whole), or were made from them."""
        every = [*(edge for edge in self.held.out_of(address) if edge.via is Via.FROM), *self.held.pointers]
        owns = set(self.held.out_of(address)) if whole and self.catalog.collections[address].verb is Verb.DELETE else set[Edge]()
        return [
            edge
            for edge in every
            if edge.owner == address and (edge in owns or address in self.catalog.collections[edge.owned].derived_from)
        ]

    def _end(self, where: Where, fields: tuple[str, ...], why: str) -> None:
        self.endings.append(Ending(self.name, where, fields, f"{why}: {', '.join(self.categories)} before {self.before.isoformat()}"))

    def _dated(self, note: CollectionNote) -> Where | None:
        named = note.captured_at
        if named is None or named == "never":
            return None
        if named in note.fields:
            return Where(note.address, named, self.before)
        goal, name = split(self.catalog, named)
        edges = way_to(self.held, note.address, goal)
        return None if edges is None else with_clock(Where(note.address), edges, name, self.before)

    def _own(self, note: CollectionNote) -> bool:
        root = self.held.roots.get(note.address)
        return root is not None and root.defines

    def _own_key(self, note: CollectionNote, name: str) -> bool:
        root = self.held.roots.get(note.address)
        return root is not None and root.field == name
