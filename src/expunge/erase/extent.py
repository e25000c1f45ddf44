"""How far a request reaches among the records found: which go whole, which in some fields, which stay because others own them too.

A request for everything reaches all records whose owners all leave. A narrower one begins at the records that its category, range of time
or items name, and goes on to what belongs to them or was made from them. A person's own record goes only with everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from expunge.erase.plan import Plan
from expunge.erase.walk import Rows, Walked
from expunge.policy.catalog import Catalog, CollectionNote
from expunge.policy.ownership import Ownership, Via
from expunge.stores.values import key_text, moment
from expunge.terms import Method, text_of

LINKED = 3
"""Parts of ``store.collection.field``."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Places (in the walk's rows) per collection.

    ``records`` go whole by the collection's own act, ``fields`` lose the fields that a category names, ``going`` are all whose owners leave
    (for a request for everything the same as ``records``), ``staying`` have an owner who is not leaving. ``kept`` are those that the scope
    reaches like the others, and that the policy keeps. ``undated`` counts records that a range of time could not place.
    """

    records: Mapping[str, frozenset[int]]
    fields: Mapping[str, frozenset[int]]
    going: Mapping[str, frozenset[int]]
    staying: Mapping[str, frozenset[int]]
    kept: Mapping[str, frozenset[int]]
    undated: Mapping[str, int]


def extent(catalog: Catalog, held: Ownership, walked: Walked, outsiders: Mapping[str, frozenset[int]], plan: Plan) -> Extent:
    """Decide how far a plan's scope reaches. Pure."""
    staying = {address: found for address, found in outsiders.items() if found}
    going = {address: frozenset(range(len(rows))) - outsiders.get(address, frozenset()) for address, rows in walked.rows.items()}
    keeps = {act.collection for act in plan.acts if act.what == "keep"}
    if plan.scope.everything():
        return Extent(going, {}, going, staying, {address: going[address] for address in keeps}, {})
    undated: dict[str, int] = {}
    seeds = {address: _seeds(catalog, held, walked, address, going[address], plan, undated) for address in going}
    whole = {act.collection for act in plan.acts if act.what == "erase"}
    named = {act.collection for act in plan.acts if act.what == "fields"}
    direct = _named_whole(catalog, held, plan)
    records = {address: set(seeds[address]) if address in direct else set[int]() for address in (whole | keeps) & seeds.keys()}
    _follow(catalog, held, walked, going, records, plan)
    closed = {address: frozenset(found) for address, found in records.items() if address not in keeps}
    fields = {address: frozenset(seeds[address]) - closed.get(address, frozenset()) for address in named}
    touched = {address: frozenset(_touching(held, walked, address, found, closed)) for address, found in staying.items()}
    kept = {address: frozenset(found) for address, found in records.items() if address in keeps}
    return Extent(closed, fields, closed, touched, kept, undated)


def _named_whole(catalog: Catalog, held: Ownership, plan: Plan) -> set[str]:
    """The collections in which a narrow request itself names whole records."""
    found = set()
    for act in plan.acts:
        root = held.roots.get(act.collection)
        own_record = root is not None and root.defines
        note = catalog.collections[act.collection]
        wanted = not plan.scope.categories or any(
            category == scope or category.startswith(f"{scope}.")
            for one in note.fields.values()
            for category in one.categories
            for scope in plan.scope.categories
        )
        if act.what in ("erase", "keep") and not own_record and wanted:
            found.add(act.collection)
    return found


def _seeds(
    catalog: Catalog, held: Ownership, walked: Walked, address: str, going: frozenset[int], plan: Plan, undated: dict[str, int]
) -> set[int]:
    note, rows = catalog.collections[address], walked.rows[address]
    chosen = set(going)
    if plan.scope.items:
        keys = {item.partition("/")[2] for item in plan.scope.items if item.partition("/")[0] == address}
        chosen = {place for place in chosen if rows.addresses[place] in keys or _key_of(note, rows, place) in keys}
    if plan.scope.captured is not None and chosen:
        when = captured(held, walked, note)
        if when is None:
            return set()
        times = {place: when(place) for place in chosen}
        unknown = sum(1 for time in times.values() if time is None)
        if unknown:
            undated[address] = unknown
        chosen = {place for place, time in times.items() if time is not None and plan.scope.captured.holds(time)}
    return chosen


def known_items(catalog: Catalog, walked: Walked, items: Sequence[str]) -> set[str]:
    """Those of ``items`` that the walk found, which are therefore of somebody in the batch."""
    known = set()
    for address, rows in walked.rows.items():
        keys = {item.partition("/")[2] for item in items if item.partition("/")[0] == address}
        for place in range(len(rows)) if keys else ():
            known |= {f"{address}/{key}" for key in keys & {rows.addresses[place], _key_of(catalog.collections[address], rows, place)}}
    return known


def _key_of(note: CollectionNote, rows: Rows, place: int) -> str:
    keys = [one.name for one in note.fields.values() if one.primary_key]
    return "/".join(text_of(value) for name in keys if (value := rows.column(name)[place]) is not None)


def captured(held: Ownership, walked: Walked, note: CollectionNote) -> Callable[[int], datetime | None] | None:
    """When the record at a place was captured: by its own field, or by that of the record it references; ``None`` if it has no date."""
    named = note.captured_at
    rows = walked.rows[note.address]
    if named is None or named == "never":
        return None
    if named in note.fields:
        column = rows.column(named)
        return lambda place: moment(column[place])
    store, collection, name = named.split(".", LINKED - 1)
    source = f"{store}.{collection}"
    for edge in (*held.into(note.address), *held.pointers):
        if edge.owned == note.address and edge.owner == source and source in walked.rows:
            times = _times(walked.rows[source], edge.owner_field, name)
            links = rows.column(edge.owned_field)
            return lambda place: None if (link := links[place]) is None else times.get(key_text(link))
    return lambda _: None


def _times(rows: Rows, key: str, name: str) -> dict[str, datetime | None]:
    return {key_text(value): moment(when) for value, when in zip(rows.column(key), rows.column(name), strict=False) if value is not None}


def _follow(
    catalog: Catalog, held: Ownership, walked: Walked, going: Mapping[str, frozenset[int]], records: dict[str, set[int]], plan: Plan
) -> None:
    """Add what belongs to the chosen records or was made from them, until nothing is added."""
    deleted = {act.collection for act in plan.acts if act.what == "erase" and act.method is Method.DELETE}
    links = [edge for edge in held.edges if edge.owner in deleted and edge.owned in records and edge.via is Via.FROM]
    links += [
        edge
        for edge in held.pointers
        if edge.owner in deleted and edge.owned in records and edge.owner in catalog.collections[edge.owned].derived_from
    ]
    while True:
        before = sum(map(len, records.values()))
        for edge in links:
            owners = walked.rows[edge.owner].column(edge.owner_field)
            values = {key_text(value) for place in records.get(edge.owner, ()) if (value := owners[place]) is not None}
            records[edge.owned] |= _holding(walked.rows[edge.owned], edge.owned_field, values, going[edge.owned])
        if sum(map(len, records.values())) == before:
            return


def _holding(rows: Rows, name: str, values: set[str], among: Iterable[int]) -> set[int]:
    if not values:
        return set()
    column = rows.column(name)
    return {place for place in among if (value := column[place]) is not None and key_text(value) in values}


def _touching(
    held: Ownership, walked: Walked, address: str, staying: frozenset[int], records: Mapping[str, frozenset[int]]
) -> Iterable[int]:
    """Of the records that stay, those with an owner record that goes in a narrow request."""
    for edge in held.into(address):
        owners = walked.rows[edge.owner].column(edge.owner_field)
        values = {key_text(value) for place in records.get(edge.owner, ()) if (value := owners[place]) is not None}
        yield from _holding(walked.rows[address], edge.owned_field, values, staying)
