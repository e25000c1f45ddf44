"""The hunt's two stages of a run: fingerprints of what is about to go, and, when all that is listed is clean, the search for the rest.

Between them lies the erasing: the records are gone, the fingerprints, sealed with the run, are all that still knows them. A find keeps
the run incomplete, with an incident of its own, until its place is in the policy and clean, or was dismissed with a reason. Hunting again
after a place was adopted erases what is there first: by its keys like any listed place, or, where nothing names a person, by content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from expunge.erase.codec import unpack
from expunge.erase.context import Rooms, look
from expunge.erase.intake import people_of, scope_of
from expunge.erase.late import NO_TARGETS, REQUESTS, search_all
from expunge.erase.stages import mop
from expunge.erase.targets import Target
from expunge.errors import CopiesFound, Refused, ResidueLeft
from expunge.journal.records import Find, FindStatus, Lease
from expunge.policy.catalog import CollectionNote
from expunge.ports import Found, Gone, Hunted, Hunter
from expunge.stores.base import Reader
from expunge.terms import FieldType, Json, Method, Selector, Shape

READ_AT_ONCE = 500
"""Records read in one go: as many as the stores address in one statement."""

KEY = "key"
"""By which an objects store selects an object itself, beside the fields of its key's template."""


def prints(rooms: Rooms, lease: Lease) -> Json:
    """Take fingerprints of everything that is about to go, and seal them in the journal.

    Raises:
        MissingExtra: hunting needs an optional library that is not installed; nothing was erased yet.
    """
    requests = rooms.journal.requests(run_id=lease.run_id)
    everything = scope_of(requests[0]).everything()
    # A narrow request leaves the person in place: their keys stay where they are, and only what goes is looked for.
    people = [(one.ordinal, held) for one in people_of(requests).people for held in one.identifiers] if everything else []
    shelf = _Shelf(rooms, lease)
    unreadable: set[str] = set()
    taken: Counter[str] = Counter()
    for name, pages in _hunter(rooms).take(people, _gone(rooms, lease, unreadable)):
        shelf.put(name, pages)
        taken[name.rpartition(":")[2]] += 1
    return {"families": dict(taken), "unreadable": sorted(unreadable)}


def hunt(rooms: Rooms, lease: Lease) -> Json:
    """Look for copies everywhere; what was adopted since the last time goes first.

    Raises:
        CopiesFound: somewhere that the policy does not list; each place has an incident.
        ResidueLeft: an adopted place still holds records after they were erased.
        StoreError: a place can't be reached: not scanned is never clean.
    """
    shelf, kept = _Shelf(rooms, lease), _kept(rooms, lease)
    adopted = _take_adopted(rooms, lease)
    round_ = _next_round(lease)
    hunted = _look_round(shelf, kept, round_)
    if taken := _take_by_content(rooms, lease, hunted.finds):
        adopted = {**adopted, **taken}
        hunted = _look_round(shelf, kept, round_ + 1)  # it must see nothing there
    finds = rooms.journal.keep_finds(lease, hunted.finds)
    _tell(rooms, finds)
    left = [one for one in finds if _stands(one)]
    if left:
        sources = ", ".join(sorted({one.source for one in left}))
        places = "a place" if len(left) == 1 else f"{len(left)} places"
        raise CopiesFound(f"copies in {places} that the policy does not list, in {sources}", where=lease.run_id)
    review = sum(one.status is FindStatus.OPEN for one in finds)
    dismissed = sum(one.status is FindStatus.DISMISSED for one in finds)
    return {**hunted.account, "adopted": dict(adopted), "finds": {"open": 0, "review": review, "dismissed": dismissed}}


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The hunt's pages among the run's sealed targets, fenced by the step's lease."""

    rooms: Rooms
    lease: Lease

    def names(self) -> Sequence[str]:
        return self.rooms.journal.target_names(self.lease.run_id)

    def pages(self, name: str) -> Iterator[bytes]:
        return self.rooms.journal.targets(self.lease.run_id, name)

    def put(self, name: str, pages: Iterable[bytes]) -> None:
        self.rooms.journal.put_targets(self.lease, name, pages)


def _look_round(shelf: _Shelf, kept: frozenset[str], round_: int) -> Hunted:
    """One hunt, whose number and end the journal knows."""
    journal, lease = shelf.rooms.journal, shelf.lease
    journal.progress(lease, 0, {"round": round_, "ended": False})
    hunted = _hunter(shelf.rooms).hunt(lease.run_id, shelf, kept, round_)
    journal.progress(lease, 0, {"round": round_, "ended": True, **hunted.account})
    return hunted


def _hunter(rooms: Rooms) -> Hunter:
    assert rooms.hunter is not None, "the step is only added where there is one"
    return rooms.hunter


def _next_round(lease: Lease) -> int:
    """A hunt that a crash interrupted goes on; one that came to its end is begun anew."""
    note = lease.note if isinstance(lease.note, Mapping) else {}
    held = note.get("round")
    last = held if isinstance(held, int) else 0
    return last + 1 if note.get("ended") else last


def _gone(rooms: Rooms, lease: Lease, unreadable: set[str]) -> Iterator[Gone]:
    """The content of every located record that goes, or of its fields that do."""
    for name in rooms.journal.target_names(lease.run_id):
        if name == REQUESTS or name.startswith(NO_TARGETS):
            continue
        target = unpack(rooms.journal.targets(lease.run_id, name))
        if target.method is Method.DECORRELATE or not target.whose:
            continue
        store = rooms.stores[target.collection.split(".", 1)[0]]
        if not isinstance(store, Reader):
            unreadable.add(target.collection)
            continue
        fields = target.fields if target.method is Method.REDACT else ()
        types = _types(store.describe(), target.selector.collection)
        whose = iter(zip(target.addresses, target.whose, strict=True))
        while batch := dict(islice(whose, READ_AT_ONCE)):
            for record in store.read(target.selector.collection, list(batch)):
                yield Gone(batch[record.address], target.collection, record, fields, types)


def _types(shapes: Iterable[Shape], collection: str) -> dict[str, FieldType]:
    return next(({field.name: field.type for field in shape.fields} for shape in shapes if shape.name == collection), {})


def _kept(rooms: Rooms, lease: Lease) -> frozenset[str]:
    """The collections in which records of these people rightly stay."""
    requests = rooms.journal.requests(run_id=lease.run_id)
    if not scope_of(requests[0]).everything():
        return frozenset(rooms.policy.catalog.collections)
    located = next(step.result for step in rooms.journal.steps(lease.run_id) if step.name == "locate")
    acts = located.get("acts") if isinstance(located, Mapping) else None
    told = acts.values() if isinstance(acts, Mapping) else ()
    held = located.get("held_in") if isinstance(located, Mapping) else None
    stays = {str(address) for address in held} if isinstance(held, list) else set[str]()
    return frozenset(stays) | frozenset(
        str(act["collection"]) for act in told if isinstance(act, Mapping) and act["what"] in ("keep", "part", "fields")
    )


def _take_adopted(rooms: Rooms, lease: Lease) -> dict[str, int]:
    """Erase in the places that the policy lists by now and did not when the run was planned.

    Raises:
        ResidueLeft: something is still there.
    """
    if rooms.journal.run(lease.run_id).policy_digest == rooms.policy.digest:
        return {}
    return _erased(rooms, lease, search_all(rooms, lease.run_id))


def _take_by_content(rooms: Rooms, lease: Lease, finds: Iterable[Found]) -> dict[str, int]:
    """Erase whole records and objects, of collections that were adopted by content, in which somebody was recognised.

    Raises:
        ResidueLeft: something is still there.
        Refused: a table without a primary key, of which no single record can be named.
    """
    wanted: dict[str, dict[str, None]] = {}
    for one in finds:
        if one.address is not None and one.certain:
            place = one.detail["place"] if isinstance(one.detail, Mapping) else None
            path = place["path"] if isinstance(place, Mapping) else ""
            wanted.setdefault(one.address, {}).update(dict.fromkeys([str(path)] if path else one.rows))
    targets = [_by_content(rooms, rooms.policy.catalog.collections[address], list(keys)) for address, keys in sorted(wanted.items())]
    return _erased(rooms, lease, [one for one in targets if one.addresses])


def _by_content(rooms: Rooms, note: CollectionNote, keys: Sequence[str]) -> Target:
    store = rooms.stores[note.store]
    name = KEY
    if "objects" not in note.layout:
        shape = next(one for one in store.describe() if one.name == note.name)
        if len(shape.primary_key) != 1:
            raise Refused("no single record can be named: the table has no primary key of one column", where=note.address)
        name = shape.primary_key[0]
    selector = Selector(note.name, {name: frozenset(keys)})
    addresses = tuple(address for batch in store.locate(selector) for address in batch.addresses)
    return Target(f"content:{note.address}", "content", note.address, Method.DELETE, (), {}, selector, addresses, free=True)


def _erased(rooms: Rooms, lease: Lease, targets: Sequence[Target]) -> dict[str, int]:
    """Seal, erase, reclaim and verify; how many records per collection."""
    if not targets:
        return {}
    look(rooms, scope_of(rooms.journal.requests(run_id=lease.run_id)[0]))
    done = mop(rooms, lease, targets, "adopted")
    for target in targets:
        left = rooms.stores[target.collection.split(".", 1)[0]].verify(target.selector).live
        if left:
            raise ResidueLeft(f"{left} records still match in an adopted place", where=target.collection)
    return done


def _stands(one: Find) -> bool:
    """Whether a find keeps the run incomplete: an adopted place that still shows copies is no better than one that nobody saw to."""
    return one.certain and one.status in (FindStatus.OPEN, FindStatus.ADOPTED)


def _tell(rooms: Rooms, finds: Iterable[Find]) -> None:
    """An incident for each place; those of places that are clean or were dismissed are closed."""
    hunting = rooms.policy.hunt
    assert hunting is not None, "only a policy that hunts has a hunter"
    for one in finds:
        if _stands(one):
            whom = "one person" if one.subjects == 1 else f"{one.subjects} people"
            note = f"{one.id}: copies of what {whom} had erased, in a place of {one.source} that the policy does not list"
            due = rooms.clock.now() + hunting.within
            rooms.journal.open_incident(
                CopiesFound.code, one.control, run_id=one.run_id, store=one.source, owner=hunting.owner, due=due, note=note
            )
        else:
            rooms.journal.passed(one.control)
