"""The walk: from people to every record that they own, set-wise along the ownership edges.

One query per edge, whatever the number of people. A found record keeps its address, the values that further edges need, and the place of
the request that it was found for. Nothing is written. ``sharing`` then says which of the found records somebody else owns too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from expunge.erase.subjects import Resolved
from expunge.policy.catalog import Catalog
from expunge.policy.ownership import Edge, Ownership, Via
from expunge.stores.base import Store
from expunge.stores.values import key_text, spelled
from expunge.terms import Located, Selector, Value


@dataclass(slots=True)
class Rows:
    """The found records of one collection, column by column; the same place in every column is the same record."""

    fields: tuple[str, ...]
    addresses: list[str] = field(default_factory=list[str])
    ordinals: list[int] = field(default_factory=list[int])
    columns: dict[str, list[Value | None]] = field(default_factory=dict[str, list[Value | None]])
    places: dict[str, int] = field(default_factory=dict[str, int])

    def __len__(self) -> int:
        """How many records."""
        return len(self.addresses)

    def __repr__(self) -> str:
        """Count only."""
        return f"Rows({len(self)})"

    def take(self, batch: Located, ordinals: Iterable[int]) -> None:
        """Add the batch's records that are not there yet."""
        columns = [self.columns.setdefault(name, []) for name in self.fields]
        carried = [batch.carried[name] for name in self.fields]
        for place, (address, ordinal) in enumerate(zip(batch.addresses, ordinals, strict=True)):
            if address in self.places:
                continue
            self.places[address] = len(self.addresses)
            self.addresses.append(address)
            self.ordinals.append(ordinal)
            for column, values in zip(columns, carried, strict=True):
                column.append(values[place])

    def column(self, name: str) -> Sequence[Value | None]:
        """One carried field of all records."""
        return self.columns.get(name, ())


@dataclass(frozen=True, slots=True)
class Walked:
    """What the walk found, per collection; ``asked`` counts the selectors sent to stores."""

    rows: Mapping[str, Rows]
    asked: int


def needed(catalog: Catalog, held: Ownership) -> dict[str, tuple[str, ...]]:
    """Per owned collection the fields to carry: what edges join on, keys that pointers point at, times, primary keys."""
    wanted: dict[str, set[str]] = {address: set() for address in held.owned}
    for edge in held.edges:
        wanted[edge.owned].add(edge.owned_field)
        wanted[edge.owner].add(edge.owner_field)
    for edge in held.pointers:
        wanted[edge.owner].add(edge.owner_field)
        if edge.owned in wanted:
            wanted[edge.owned].add(edge.owned_field)
    for edge in (one for found in held.memberships.values() for one in found):
        wanted[edge.owned].add(edge.owned_field)
        wanted[edge.owner].add(edge.owner_field)
    for address, root in held.roots.items():
        wanted[address].add(root.field)
    for address in held.owned:
        note = catalog.collections[address]
        wanted[address] |= {one.name for one in note.fields.values() if one.primary_key}
        captured = note.captured_at
        if captured in note.fields:
            wanted[address].add(str(captured))
    for note in catalog.collections.values():
        if note.captured_at and note.captured_at.count(".") >= 2 and note.captured_at not in note.fields:  # noqa: PLR2004  # store.collection.field
            store, collection, name = note.captured_at.split(".", 2)
            wanted.get(f"{store}.{collection}", set()).add(name)
    return {address: tuple(sorted(fields)) for address, fields in wanted.items()}


def walk(
    catalog: Catalog, held: Ownership, stores: Mapping[str, Store], people: Resolved, seeds: Iterable[tuple[str, Selector]] = ()
) -> Walked:
    """Find every record that any of ``people`` owns, alone or with others.

    ``seeds`` are (collection, selector) of records that count as found although what led to them may be gone already.

    Raises:
        StoreError: as the stores say; what was found until then is of no use, since a missing part is never taken for an empty one.
    """
    carry = needed(catalog, held)
    rows = {address: Rows(carry[address]) for address in sorted(held.owned)}
    asked = 0
    for address, root in sorted(held.roots.items()):
        keys = people.keys(root.kind)
        if keys:
            asked += 1
            _find(catalog, stores, rows[address], address, root.field, keys)
    for address, selector in seeds:
        for name, typed in selector.any_of.items():
            if address in rows and typed:
                asked += 1
                _find(catalog, stores, rows[address], address, name, {key_text(value): 0 for value in typed}, typed)
    followed: dict[Edge, set[str]] = {edge: set() for edge in held.edges}
    for edge in _until_still(_ordered(held), rows):
        values = _new_values(edge, rows[edge.owner], followed[edge], named(held, people, edge))
        if values:
            asked += 1
            _find(catalog, stores, rows[edge.owned], edge.owned, edge.owned_field, values)
    return Walked(rows, asked)


def named(held: Ownership, people: Resolved, edge: Edge) -> dict[str, int]:
    """The keys by which this edge's records name people themselves: good even where a person's own record is already gone."""
    root = held.roots.get(edge.owner)
    return people.keys(root.kind) if root is not None and edge.via is Via.FROM and edge.owner_field == root.field else {}


def _ordered(held: Ownership) -> tuple[Edge, ...]:
    """Edges from the people outward, so that without cycles each is followed once, after all that leads to its owner."""
    distance = dict.fromkeys(held.roots, 0)
    for _ in held.owned:
        for edge in held.edges:
            if edge.owner in distance and edge.owned not in held.roots and edge.owned != edge.owner:
                distance[edge.owned] = min(max(distance.get(edge.owned, 0), distance[edge.owner] + 1), len(held.owned))
    return tuple(sorted(held.edges, key=lambda edge: (distance.get(edge.owner, 0), edge)))


def _until_still(edges: Sequence[Edge], rows: Mapping[str, Rows]) -> Iterable[Edge]:
    """Every edge, again and again until a whole round finds nothing new."""
    while True:
        before = sum(len(found) for found in rows.values())
        yield from edges
        if sum(len(found) for found in rows.values()) == before:
            return


def _new_values(edge: Edge, owners: Rows, followed: set[str], keys: Mapping[str, int]) -> dict[str, int]:
    """Values of the owner's field that this edge has not been asked for, each with the request it stands for."""
    values = {key: ordinal for key, ordinal in keys.items() if key not in followed}
    for value, ordinal in zip(owners.column(edge.owner_field), owners.ordinals, strict=False):
        if value is None:
            continue
        text = key_text(value)
        if text not in followed:
            values.setdefault(text, ordinal)
    followed |= set(values)
    return values


def _find(
    catalog: Catalog,
    stores: Mapping[str, Store],
    found: Rows,
    address: str,
    name: str,
    values: Mapping[str, int],
    typed: frozenset[Value] | None = None,
) -> None:
    note = catalog.collections[address]
    for batch in stores[note.store].locate(Selector(note.name, {name: typed or spelled(values)}), found.fields):
        held = batch.carried[name]
        found.take(batch, [values.get(key_text(value), 0) if value is not None else 0 for value in held])
