"""Which records are under a hold: whatever its scope, and whoever asks for them to go.

A hold keeps the records in its scope, and all that these refer to: the clip with the profile that it is of, the profile with its household.
Without that chain nobody could say whose evidence it is, and constraints would break. What can't be dated is kept by a hold on a range of
time: an unknown answer never lets a record go. People are found as a request finds them, each time anew, so that who joins a held
household is held too. The cost is that of one search for everybody under a hold; where no hold stands, one query.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from expunge.erase.extent import Extent, captured, extent
from expunge.erase.plan import make_plan, scope_json
from expunge.erase.subjects import Person, Resolved, SubjectRef, resolve
from expunge.erase.walk import Rows, Walked, walk
from expunge.journal import Journal
from expunge.journal.records import Hold
from expunge.policy.catalog import Catalog
from expunge.policy.ownership import Ownership, Via
from expunge.stores.base import Store
from expunge.stores.values import key_text
from expunge.terms import Identifier, Json, Scope, Shape, Span

Links = tuple[tuple[str, str, str, str], ...]
"""(holder, its field, what it refers to, the field there), by collections."""


@dataclass(frozen=True, slots=True)
class Held:
    """Per collection the addresses that are held, and per collection and field the keys that held records refer to; each with a hold."""

    records: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    referred: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict[tuple[str, str], Mapping[str, str]])


@dataclass(frozen=True, slots=True)
class KeptBack:
    """What a search must leave alone: places in the walk's rows and their addresses; the requests (ordinals) and the holds concerned."""

    places: Mapping[str, frozenset[int]] = field(default_factory=dict[str, frozenset[int]])
    addresses: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    requests: frozenset[int] = frozenset()
    holds: frozenset[str] = frozenset()


NOTHING = Held()


def held_now(
    catalog: Catalog, held: Ownership, stores: Mapping[str, Store], shapes: Mapping[str, Sequence[Shape]], journal: Journal
) -> Held:
    """Everything that any hold keeps now.

    Raises:
        StoreError: as the stores say; what is not known to be free is not given as free.
    """
    if journal.newest_hold() is None:
        return NOTHING
    return find_held(catalog, held, stores, shapes, journal.standing_holds())


def find_held(
    catalog: Catalog, held: Ownership, stores: Mapping[str, Store], shapes: Mapping[str, Sequence[Shape]], holds: Iterable[Hold]
) -> Held:
    """Everything that these holds keep; one search for all holds of one scope.

    Raises:
        StoreError: as the stores say.
    """
    groups: dict[Scope, list[tuple[Hold, tuple[Person, ...]]]] = defaultdict(list)
    for hold in holds:
        people = people_under(catalog, held, stores, hold)
        if people:
            groups[scope_of_hold(hold)].append((hold, people))
    records: dict[str, dict[str, str]] = defaultdict(dict)
    referred: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for scope, group in groups.items():
        ids = [hold.id for hold, _ in group]
        everybody = Resolved(tuple(replace(one, ordinal=place) for place, (_, people) in enumerate(group) for one in people), ())
        walked = walk(catalog, held, stores, everybody)
        kept = _with_what_they_refer_to(links(held), walked.rows, _in_scope(catalog, held, shapes, walked, scope))
        for address, places in kept.items():
            rows = walked.rows[address]
            records[address].update((rows.addresses[place], ids[rows.ordinals[place]]) for place in places)
        for holder, name, goal, goal_field in links(held):
            if kept.get(holder):
                rows = walked.rows[holder]
                column = rows.column(name)
                told = ((column[place], ids[rows.ordinals[place]]) for place in kept[holder])
                referred[goal, goal_field].update((key_text(value), hold) for value, hold in told if value is not None)
    return Held(records, referred)


def keep_back(held: Ownership, walked: Walked, under: Held) -> KeptBack:
    """What of a search's rows must stay. Pure."""
    holds: set[str] = set()
    kept: dict[str, set[int]] = {}
    for address, directly in under.records.items():
        places = walked.rows[address].places if address in walked.rows else dict[str, int]()
        found = {places[one]: hold for one, hold in directly.items() if one in places} if places else {}
        kept[address] = set(found)
        holds.update(found.values())
    for (address, name), values in under.referred.items():
        rows = walked.rows.get(address)
        if rows is not None and len(rows):
            found = {
                place: values[text]
                for place, value in enumerate(rows.column(name))
                if value is not None and (text := key_text(value)) in values
            }
            kept.setdefault(address, set()).update(found)
            holds.update(found.values())
    if not any(kept.values()):
        return KeptBack()
    closed = _with_what_they_refer_to(links(held), walked.rows, kept)
    requests = frozenset(walked.rows[address].ordinals[place] for address, places in closed.items() for place in places)
    stays = {address: frozenset(chosen) for address, chosen in closed.items() if chosen}
    addresses = {address: frozenset(walked.rows[address].addresses[place] for place in chosen) for address, chosen in stays.items()}
    return KeptBack(stays, addresses, requests, frozenset(holds))


def without(reach: Extent, kept: KeptBack) -> Extent:
    """How far a request reaches when the kept places stay as they are. Pure."""

    def left(found: Mapping[str, frozenset[int]]) -> dict[str, frozenset[int]]:
        return {address: places - kept.places.get(address, frozenset()) for address, places in found.items()}

    if not kept.places:
        return reach
    return replace(reach, records=left(reach.records), fields=left(reach.fields), going=left(reach.going), staying=left(reach.staying))


def people_under(catalog: Catalog, held: Ownership, stores: Mapping[str, Store], hold: Hold) -> tuple[Person, ...]:
    """Everybody whom a hold is about: those known when it was placed, and whoever belongs to the household by now.

    Raises:
        StoreError: as the stores say.
    """
    known = {(one.kind, one.key): one for one in people_in(hold.people)}
    if hold.members and known:
        first = next(iter(known.values()))
        ref = SubjectRef(first.kind, catalog.kinds[first.kind].key, first.key)
        known |= {(one.kind, one.key): one for one in resolve(catalog, held, stores, [ref]).people}
    return tuple(known.values())


def look_who_joined(catalog: Catalog, held: Ownership, stores: Mapping[str, Store], journal: Journal) -> None:
    """Add to every held household's hold whoever belongs to it by now, so that the journal's own answers know of them.

    Raises:
        StoreError: as the stores say.
    """
    if journal.newest_hold() is None:
        return
    for hold in journal.standing_holds():
        if hold.members:
            known = {(one.kind, one.key) for one in people_in(hold.people)}
            joined = [one for one in people_under(catalog, held, stores, hold) if (one.kind, one.key) not in known]
            if joined:
                before = hold.people if isinstance(hold.people, list) else []
                journal.widen_hold(hold, [*before, *packed(joined, journal)])


def packed(people: Iterable[Person], journal: Journal) -> list[Json]:
    """These people with their registry numbers, to be sealed."""
    told: list[Json] = []
    for one in people:
        (number,) = journal.register(one.kind, [one.identifiers])
        told.append({"kind": one.kind, "number": number, "identifiers": [[each.type, each.value] for each in one.identifiers]})
    return told


def people_in(people: Json) -> tuple[Person, ...]:
    """The people of what was sealed; ordinals are 0."""
    found = []
    for one in people if isinstance(people, list) else ():
        identifiers = tuple(Identifier(str(type_), str(value)) for type_, value in one["identifiers"])
        found.append(Person(str(one["kind"]), identifiers[0].value, 0, identifiers))
    return tuple(found)


def scope_of_hold(hold: Hold) -> Scope:
    """What of these people a hold keeps."""
    told = hold.scope if isinstance(hold.scope, Mapping) else {}
    categories, span = told.get("categories"), told.get("captured")
    edges = [datetime.fromisoformat(str(edge)) if edge is not None else None for edge in span] if isinstance(span, list) else None
    return Scope(
        tuple(str(one) for one in categories) if isinstance(categories, list) else (),
        Span(edges[0], edges[1]) if edges is not None else None,
        hold.items,
    )


def shown(hold: Hold) -> Json:
    """A hold as the person it is about may see it."""
    scope = {name: value for name, value in scope_json(scope_of_hold(hold)).items() if name != "items"}
    return {
        "hold": hold.id,
        "authority": hold.authority,
        "reason": hold.reason,
        "scope": "everything" if hold.whole else scope,
        "since": hold.placed_at.isoformat(),
        "until": hold.until.isoformat() if hold.until else None,
        "confirmed": hold.confirmed_at is not None,
    }


def links(held: Ownership) -> Links:
    """What refers to what: ownership, membership, and every other declared reference."""
    found = [(edge.owned, edge.owned_field, edge.owner, edge.owner_field) for edge in (*held.edges, *held.pointers)]
    found += [(edge.owner, edge.owner_field, edge.owned, edge.owned_field) for edge in held.edges if edge.via is Via.TO]
    found += [(edge.owned, edge.owned_field, edge.owner, edge.owner_field) for edges in held.memberships.values() for edge in edges]
    return tuple(dict.fromkeys(found))


def _in_scope(
    catalog: Catalog, held: Ownership, shapes: Mapping[str, Sequence[Shape]], walked: Walked, scope: Scope
) -> dict[str, set[int]]:
    """The places that a hold's scope names; what has no date is in every range of time."""
    reach = extent(catalog, held, walked, {}, make_plan(catalog, held, shapes, Scope(scope.categories, None, scope.items), ""))
    chosen = {address: set(reach.records.get(address, ())) | set(reach.fields.get(address, ())) for address in walked.rows}
    if scope.captured is None:
        return chosen
    for address, places in chosen.items():
        when = captured(held, walked, catalog.collections[address])
        if when is not None:
            chosen[address] = {place for place in places if (at := when(place)) is None or scope.captured.holds(at)}
    return chosen


def _with_what_they_refer_to(links: Links, rows: Mapping[str, Rows], kept: dict[str, set[int]]) -> dict[str, set[int]]:
    """Add what kept records refer to, until nothing is added."""
    followed: dict[tuple[str, str, str, str], set[int]] = defaultdict(set)
    while True:
        before = sum(map(len, kept.values()))
        for link in links:
            holder, name, goal, goal_field = link
            new = kept.get(holder, set()) - followed[link]
            if not new or goal not in rows or holder not in rows:
                continue
            followed[link] |= new
            column = rows[holder].column(name)
            values = {key_text(value) for place in new if (value := column[place]) is not None}
            if values:
                kept.setdefault(goal, set()).update(
                    place for place, value in enumerate(rows[goal].column(goal_field)) if value is not None and key_text(value) in values
                )
        if sum(map(len, kept.values())) == before:
            return kept
