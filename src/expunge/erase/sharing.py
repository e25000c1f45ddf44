"""Which of the found records somebody else owns too.

For records that can have several owners the walk is made upward: to every record that owns them, and on to the people at the ends. A
record has an *outside* owner if any of these ends is a living person who is not in the batch; then it stays. The pseudo-person of a
decorrelate is nobody. An owner whose own record is gone is nobody either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from expunge.erase.subjects import Resolved
from expunge.erase.walk import Rows, Walked, needed
from expunge.policy.catalog import Catalog
from expunge.policy.ownership import Edge, Ownership, Via
from expunge.stores.base import Store
from expunge.stores.values import key_text, spelled
from expunge.terms import Selector, Shape, text_of


@dataclass(slots=True)
class Upward:
    """The state of one upward walk: all records known so far and which (collection, field, value) were asked for."""

    catalog: Catalog
    held: Ownership
    stores: Mapping[str, Store]
    rows: dict[str, Rows]
    asked: dict[tuple[str, str], set[str]] = field(default_factory=dict[tuple[str, str], set[str]])
    checked: dict[str, int] = field(default_factory=dict[str, int])

    def __repr__(self) -> str:
        """Counts only."""
        return f"Upward({sum(map(len, self.rows.values()))})"


def outside(
    catalog: Catalog, held: Ownership, stores: Mapping[str, Store], people: Resolved, walked: Walked, shared: frozenset[str]
) -> dict[str, frozenset[int]]:
    """Per collection in ``shared``, the places (in ``walked.rows``) of records that a living person outside the batch also owns.

    Raises:
        StoreError: as the stores say; an unknown owner is never taken for none.
    """
    if not any(len(walked.rows[address]) for address in shared if address in walked.rows):
        return {}
    fields = needed(catalog, held)
    rows = {address: _copy(found, fields[address]) for address, found in walked.rows.items()}
    state = Upward(catalog, held, stores, rows)
    _seed(state, walked)
    _climb(state, shared)
    marked = _spread(state, _ends(state, people))
    return {
        address: frozenset(place for place in marked.get(address, ()) if place < len(walked.rows[address]))
        for address in shared
        if address in walked.rows
    }


def _copy(found: Rows, fields: tuple[str, ...]) -> Rows:
    columns = {name: list(found.column(name)) for name in fields}
    return Rows(fields, list(found.addresses), list(found.ordinals), columns, dict(found.places))


def _seed(state: Upward, walked: Walked) -> None:
    """What the downward walk asked for is known whole: all records of ``owned`` that hold an owner's value were found."""
    for edge in state.held.edges:
        held = state.asked.setdefault((edge.owned, edge.owned_field), set())
        held |= {key_text(value) for value in walked.rows[edge.owner].column(edge.owner_field) if value is not None}


def _climb(state: Upward, shared: frozenset[str]) -> None:
    """Load owners of records in shared collections, and owners of what was loaded, until nothing is left to ask."""
    climbing = set(shared)
    while True:
        progress = False
        for address in sorted(climbing):
            start = state.checked.get(address, 0)
            end = len(state.rows[address])
            if start == end:
                continue
            state.checked[address] = end
            progress = True
            for edge in state.held.into(address):
                _load_owners(state, edge, start, end)
                climbing.add(edge.owner)
        if not progress:
            return


def _load_owners(state: Upward, edge: Edge, start: int, end: int) -> None:
    values = {key_text(value) for value in state.rows[edge.owned].column(edge.owned_field)[start:end] if value is not None}
    known = state.asked.setdefault((edge.owner, edge.owner_field), set())
    values -= known
    if not values:
        return
    known |= values
    note = state.catalog.collections[edge.owner]
    rows = state.rows[edge.owner]
    for batch in state.stores[note.store].locate(Selector(note.name, {edge.owner_field: spelled(values)}), rows.fields):
        rows.take(batch, [-1] * len(batch.addresses))


def _ends(state: Upward, people: Resolved) -> dict[str, set[int]]:
    """Records that name a person who is not in the batch and is not a pseudo-person."""
    found: dict[str, set[int]] = {}
    for address, root in state.held.roots.items():
        leaving = set(people.keys(root.kind)) | _pseudo(state, address, root.field)
        column = state.rows[address].column(root.field)
        found[address] = {place for place, value in enumerate(column) if value is not None and key_text(value) not in leaving}
    return found


def _pseudo(state: Upward, address: str, name: str) -> set[str]:
    """The values that stand for nobody: what records are re-pointed to, in this collection or at this collection."""
    notes = state.catalog.collections
    nobody = {text_of(value) for field_name, value in notes[address].repoint.items() if field_name == name}
    for edge in (*state.held.edges, *state.held.pointers):
        if (edge.owner, edge.owner_field) == (address, name) and edge.owned_field in notes[edge.owned].repoint:
            nobody.add(text_of(notes[edge.owned].repoint[edge.owned_field]))
    return nobody


def _spread(state: Upward, marked: dict[str, set[int]]) -> dict[str, set[int]]:
    """Carry the mark down the edges until nothing changes: what an outsider's record owns has an outside owner."""
    while True:
        before = sum(len(places) for places in marked.values())
        for edge in state.held.edges:
            _mark_owned(state, edge, marked)
        if sum(len(places) for places in marked.values()) == before:
            return marked


def _mark_owned(state: Upward, edge: Edge, marked: dict[str, set[int]]) -> None:
    owners = state.rows[edge.owner].column(edge.owner_field)
    values = {key_text(value) for place in marked.get(edge.owner, ()) if (value := owners[place]) is not None}
    if values:
        marked.setdefault(edge.owned, set()).update(_holding(state.rows[edge.owned].column(edge.owned_field), values))


def _holding(column: Iterable[object], values: set[str]) -> set[int]:
    return {place for place, value in enumerate(column) if value is not None and key_text(value) in values}  # type: ignore[arg-type]  # columns hold Value


def sharable(catalog: Catalog, held: Ownership, live: Mapping[str, Shape]) -> set[str]:
    """The collections whose records can have more than one owner: several ways in, a way that many can share, or such an owner."""
    found: set[str] = set()
    for address in held.owned:
        into = held.into(address)
        ways = len(into) + (address in held.roots)
        if ways > 1 or any(edge.via is not Via.FROM or not _single(edge, catalog, live) for edge in into):
            found.add(address)
    while True:
        grown = {edge.owned for edge in held.edges if edge.owner in found} - found
        if not grown:
            return found
        found |= grown


def _single(edge: Edge, catalog: Catalog, live: Mapping[str, Shape]) -> bool:
    """Whether at most one record of the owner can hold a value of its field."""
    shape = live.get(edge.owner)
    if shape is not None and shape.primary_key:
        one = shape.field(edge.owner_field)
        return shape.primary_key == (edge.owner_field,) or (one is not None and one.unique)
    noted = catalog.collections[edge.owner].fields.get(edge.owner_field)
    return noted is not None and noted.primary_key
