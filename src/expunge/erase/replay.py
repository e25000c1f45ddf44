"""After a restore: what was erased and came back is erased again, and what is new is left alone.

The tombstone register lies outside every database that can be restored. Whoever it recognises in a store becomes a request with the
tombstone's own scope, as ``returned`` decides it, and goes the one path: plan, run, receipt. Everybody is searched for once beforehand, so
that only those of whom something came back make a request. What nobody can tell is counted in ``undecided``, and left as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from expunge.erase.context import Rooms, Sight, look, search
from expunge.erase.intake import Started, file_found, too_large
from expunge.erase.recognise import recognise
from expunge.erase.returned import NOBODY, Doubt, Own, Task, leave_to_their_runs, own_records, signed_up_again, tasks_for
from expunge.erase.subjects import Person, Resolved
from expunge.erase.targets import Target, Work
from expunge.errors import InvalidRequest, PlanTrouble
from expunge.terms import Identifier, Method, Scope

REQUESTER = "replay"

NO_DATE = "without a date: it can't be told whether they came back or are new"
NO_OWN_RECORD = "known only by a further identity that no person's own record carries"
NOT_FOUND = "named there, but no record of theirs was found to erase"
NO_PLAN = "whose tombstone this policy can't plan for: a captured_at isn't declared, or its data category isn't any more"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay saw and, unless it was a dry run, began.

    ``fields``: per field of the store how many erased people or items it names. ``people``: how many people these are; ``again`` of them
    signed up again. ``returned`` people (or owners of items) have records that came back; ``records`` of them by collection, in every
    store. ``unlooked``: collections whose single items can't be looked for. ``started``: one batch per scope.
    """

    store: str
    fields: Mapping[str, int]
    people: int
    again: int
    returned: int
    records: Mapping[str, int]
    undecided: tuple[Doubt, ...]
    unlooked: tuple[str, ...]
    needs_approval: bool
    started: tuple[Started, ...] = ()


def replay(rooms: Rooms, store: str, *, taken_at: datetime | None = None, dry_run: bool = False, started_by: str) -> Replayed:
    """Recognise who and what came back in ``store``, and start runs that erase it everywhere.

    ``taken_at`` (aware) is when the backup was taken, if that is known: nothing dated later came out of it. That narrows what goes, and
    lets one run serve all narrow tombstones of a kind; without it each tombstone's own time is its run's.

    Raises:
        UnknownStore: the policy lists none of that name.
        Refused: the store can't list the values of a field.
        PolicyError, StoreError: as ``look``; every store must be reached. Batches before this one were started.
        EvidenceError: the register or the log is not what was signed.
    """
    rooms.stores[store]  # before anything else: an unknown name is the commonest fault
    sight = look(rooms, Scope())
    known = recognise(rooms, sight, store)
    doubts = leave_to_their_runs(rooms, known)
    own = own_records(rooms, sight, known.people)
    again = signed_up_again(rooms, known, own)
    tasks, unclear = tasks_for(rooms, sight, known, again, taken_at)
    doubts += unclear
    doubts += [Doubt(place, count, NO_OWN_RECORD) for place, count in known.aliases.items()]
    doubts += _undated(rooms, sight, store, tasks, own)
    parts = [_part(rooms, sight, store, task, own, started_by=None if dry_run else started_by) for task in tasks]
    doubts += [one for part in parts for one in part.doubts]
    records: Counter[str] = Counter()
    for part in parts:
        records.update(part.records)
    return Replayed(
        store=store,
        fields=known.fields,
        people=len(known.people),
        again=len(again),
        returned=len({one for part in parts for one in part.people}),
        records=dict(records),
        undecided=tuple(_merged(doubts)),
        unlooked=known.blind,
        needs_approval=any(part.needs_approval for part in parts),
        started=tuple(part.started for part in parts if part.started is not None),
    )


@dataclass(frozen=True, slots=True, repr=False)
class _Part:
    """What became of one task."""

    people: frozenset[tuple[str, str]] = frozenset()
    records: Mapping[str, int] = field(default_factory=dict[str, int])
    doubts: Sequence[Doubt] = ()
    needs_approval: bool = False
    started: Started | None = None


def _part(rooms: Rooms, whole: Sight, store: str, task: Task, own: Mapping[tuple[str, str], Own], *, started_by: str | None) -> _Part:
    """Search for a task's people, and, unless nobody starts it, file requests for those of whom something came back."""
    sight = _planned(rooms, whole, task.scope)
    if sight is None:
        return _Part(doubts=[Doubt("policy", len(task.people), NO_PLAN)])
    people, work, missed = _found(rooms, sight, task, own)
    doubts = [Doubt(address, count, NO_DATE) for address, count in work.undated.items()]
    if missed and task.scope.everything():
        doubts.append(Doubt(store, missed, NOT_FOUND))
    if not people.people:
        return _Part(doubts=doubts)
    records = _by_collection(work, {one.ordinal for one in people.people})
    large = too_large(rooms, sight, people)
    started = _file(rooms, sight, task, people, started_by) if started_by is not None else None
    return _Part(frozenset((one.kind, one.key) for one in people.people), records, doubts, large, started)


def _planned(rooms: Rooms, whole: Sight, scope: Scope) -> Sight | None:
    """The plan for a scope; ``whole`` is that for everything. A narrow one that can't be planned (``None``) must not hold up the rest."""
    if scope.everything():
        return whole
    try:
        return look(rooms, scope)
    except (PlanTrouble, InvalidRequest):
        return None


def _found(rooms: Rooms, sight: Sight, task: Task, own: Mapping[tuple[str, str], Own]) -> tuple[Resolved, Work, int]:
    """The people of a task of whom something is there to be erased, and what that is; and of how many nothing at all was found."""
    everybody = _resolved(rooms, task, task.people, own)
    work = search(rooms, sight, everybody)
    seen = _ordinals(work) | {ordinal for counts in work.kept.values() for ordinal in counts}
    work = replace(work, targets=tuple(one for one in work.targets if _has_more(rooms, one)))
    more = _ordinals(work)
    missed = sum(1 for one in everybody.people if one.ordinal not in seen)
    return Resolved(tuple(one for one in everybody.people if one.ordinal in more), ()), work, missed


def _ordinals(work: Work) -> set[int]:
    return {ordinal for target in work.targets for ordinal, count in target.counts.items() if count}


def _has_more(rooms: Rooms, target: Target) -> bool:
    """Whether a target would change anything: a record that a redact has emptied stays, and is found again for ever."""
    if target.method is not Method.REDACT or not target.addresses:
        return bool(target.addresses)
    wanted = frozenset(target.addresses)
    store = rooms.stores[target.collection.split(".", 1)[0]]
    selector = replace(target.selector, present=frozenset(target.fields))
    return any(not wanted.isdisjoint(batch.addresses) for batch in store.locate(selector))


def _resolved(rooms: Rooms, task: Task, people: Iterable[tuple[str, str]], own: Mapping[tuple[str, str], Own]) -> Resolved:
    kinds = rooms.policy.catalog.kinds
    found = []
    for place, (kind, key) in enumerate(people):
        identifiers = (Identifier(kinds[kind].key, key), *own.get((kind, key), NOBODY).identifiers)
        found.append(Person(kind, key, 0 if task.whole else place, identifiers))
    return Resolved(tuple(found), ())


def _file(rooms: Rooms, sight: Sight, task: Task, people: Resolved, started_by: str) -> Started:
    """Members of a household are not added: each was named by a tombstone of their own, or was not erased."""
    places = {one: place for place, one in enumerate(dict.fromkeys(person.ordinal for person in people.people))}
    renumbered = Resolved(tuple(replace(one, ordinal=places[one.ordinal]) for one in people.people), ())
    first = {one.ordinal: one for one in reversed(renumbered.people)}
    kinds = [first[place].kind for place in range(len(places))]
    authorities = [f"tombstone of request {task.people[first[place].kind, first[place].key]}" for place in range(len(places))]
    return file_found(rooms, sight, renumbered, kinds, authorities, requester=REQUESTER, started_by=started_by)


def _by_collection(work: Work, ordinals: set[int]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for target in work.targets:
        found[target.collection] += sum(count for ordinal, count in target.counts.items() if ordinal in ordinals)
    return {address: count for address, count in found.items() if count}


def _undated(rooms: Rooms, sight: Sight, store: str, tasks: Sequence[Task], own: Mapping[tuple[str, str], Own]) -> list[Doubt]:
    """Records of the store in collections that have no date, in narrow scopes: one search per set of categories."""
    bare = {note.address for note in rooms.policy.catalog.in_store(store) if note.captured_at in (None, "never")} & sight.held.owned
    wide: dict[Scope, dict[tuple[str, str], str]] = {}
    for task in tasks:
        if task.scope.captured is not None and bare:
            wide.setdefault(Scope(task.scope.categories, items=task.scope.items), {}).update(task.people)
    doubts = []
    for scope, people in wide.items():
        plan = _planned(rooms, sight, scope)
        if plan is None:
            continue
        work = search(rooms, plan, _resolved(rooms, Task(scope, people), people, own))
        found = _by_collection(replace(work, targets=tuple(one for one in work.targets if one.collection in bare)), set(range(len(people))))
        doubts += [Doubt(address, count, NO_DATE) for address, count in found.items()]
    return doubts


def _merged(doubts: Iterable[Doubt]) -> list[Doubt]:
    counts: Counter[tuple[str, str]] = Counter()
    for one in doubts:
        counts[one.place, one.why] += one.count
    return [Doubt(place, count, why) for (place, why), count in sorted(counts.items())]
