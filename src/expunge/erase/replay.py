"""After a restore: what was erased and came back is erased again, and what is new is left alone.

The tombstone register lies outside every database that can be restored. Whoever it recognises in a store becomes a request with the
tombstone's own scope, and goes the one path: plan, run, receipt. A tombstone speaks of what was captured before it was laid. So for each
person whom a tombstone for everything names, one question is decided first (docs/adr/0009): did they come back in a backup, or did they
sign up again? Their own record's date says so; without one, the journal does. Who signed up again keeps what is dated after the
tombstone. What nobody can tell is counted in ``undecided``, and left as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from expunge.erase.context import Rooms, Sight, look, search
from expunge.erase.extent import moment
from expunge.erase.intake import Started, file_found, numbers_of, scope_of, too_large
from expunge.erase.recognise import Recognised, owners_of, recognise
from expunge.erase.subjects import Person, Resolved, key_text
from expunge.erase.targets import Target, Work
from expunge.errors import BadProof, InvalidRequest, PlanTrouble
from expunge.evidence.receipts import verify_receipt
from expunge.evidence.stones import Facts
from expunge.journal.records import OPEN_REQUESTS
from expunge.terms import Identifier, Json, Method, Scope, Selector, Span, Value, text_of

REQUESTER = "replay"

NO_DATE = "without a date: it can't be told whether they came back or are new"
NO_OWN_RECORD = "known only by a further identity that no person's own record carries"
NO_RANGE = "of a request for a range of time, of which neither the journal nor a receipt tells the beginning"
NOT_FOUND = "named there, but no record of theirs was found to erase"
NO_PLAN = "whose tombstone this policy can't plan for: a captured_at isn't declared, or its data category isn't any more"
AT_WORK = "of a request that is still being worked on: replay again when its run has ended"


@dataclass(frozen=True, slots=True)
class Doubt:
    """What can't be decided: how many, of which place, and why. It was left as it is."""

    place: str
    count: int
    why: str

    def as_json(self) -> Json:
        """For ``--json``."""
        return {"place": self.place, "count": self.count, "why": self.why}


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


@dataclass(frozen=True, slots=True, repr=False)
class _Task:
    """People to be erased in one scope; ``whole``: as one request (its items are theirs together), else one each."""

    scope: Scope
    people: Mapping[tuple[str, str], str]
    whole: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class _Own:
    """A person's own records: when they were made, where that is known, and every identifier in them."""

    times: tuple[datetime | None, ...]
    identifiers: tuple[Identifier, ...]


_NOBODY = _Own((), ())


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
    doubts = _leave_to_their_runs(rooms, known)
    own = _own_records(rooms, sight, known.people)
    again = _signed_up_again(rooms, known, own)
    tasks, unclear = _tasks(rooms, sight, known, again, taken_at)
    doubts += unclear
    doubts += [Doubt(place, count, NO_OWN_RECORD) for place, count in known.aliases.items()]
    doubts += _undated(rooms, sight, store, tasks, own)
    records: Counter[str] = Counter()
    returned: set[tuple[str, str]] = set()
    approval = False
    started = []
    for task in tasks:
        plan = _planned(rooms, task.scope)
        if plan is None:
            doubts.append(Doubt("policy", len(task.people), NO_PLAN))
            continue
        people, work, missed = _found(rooms, plan, task, own)
        records.update(_by_collection(work, {one.ordinal for one in people.people}))
        returned |= {(one.kind, one.key) for one in people.people}
        doubts += [Doubt(address, count, NO_DATE) for address, count in work.undated.items()]
        if missed and task.scope.everything():
            doubts.append(Doubt(store, missed, NOT_FOUND))
        if not people.people:
            continue
        approval |= too_large(rooms, plan, people)
        if not dry_run:
            started.append(_file(rooms, plan, task, people, started_by))
    return Replayed(
        store=store,
        fields=known.fields,
        people=len(known.people),
        again=len(again),
        returned=len(returned),
        records=dict(records),
        undecided=tuple(_merged(doubts)),
        unlooked=known.blind,
        needs_approval=approval,
        started=tuple(started),
    )


def _planned(rooms: Rooms, scope: Scope) -> Sight | None:
    """The plan for a scope. A narrow one that can't be planned (``None``) must not hold up the rest of the replay."""
    try:
        return look(rooms, scope)
    except (PlanTrouble, InvalidRequest):
        if scope.everything():
            raise
        return None


def _leave_to_their_runs(rooms: Rooms, known: Recognised) -> list[Doubt]:
    """Take out the tombstones of requests that are still open: nobody may get ahead of an approval or of a hold."""
    found = [*known.people.values(), *(facts for one in known.items.values() for facts in one.values())]
    ids = sorted({one.request_id for facts in found for one in facts})
    open_ = {one.id for one in rooms.journal.requests(ids=ids) if one.status in OPEN_REQUESTS} if ids else set()
    left = 0
    for facts in found:
        waiting = [one for one in facts if one.request_id in open_]
        left += bool(waiting)
        facts[:] = [one for one in facts if one not in waiting]
    return [Doubt("tombstones", left, AT_WORK)] if left else []


def _everything(facts: Facts) -> bool:
    return not facts.categories and facts.captured_before is None


def _own_records(rooms: Rooms, sight: Sight, people: Iterable[tuple[str, str]]) -> dict[tuple[str, str], _Own]:
    """The own records of these people, in whatever store they lie; one query per collection of own records."""
    found: dict[tuple[str, str], _Own] = {}
    catalog = rooms.policy.catalog
    for address, root in sight.held.roots.items():
        keys = {key for kind, key in people if kind == root.kind}
        if not root.defines or not keys:
            continue
        note, kind = catalog.collections[address], catalog.kinds[root.kind]
        further = {one.name: one.identity for one in note.fields.values() if one.identity in kind.identities}
        date = note.captured_at if note.captured_at in note.fields else None
        carry = tuple(dict.fromkeys((root.field, *further, *([date] if date else []))))
        selector = Selector(note.name, {root.field: frozenset[Value](keys)})
        for batch in rooms.stores[note.store].locate(selector, carry):
            for place, value in enumerate(batch.carried[root.field]):
                assert value is not None, "it was selected by"
                name = (root.kind, key_text(value))
                known = found.get(name, _NOBODY)
                extra = [Identifier(str(further[one]), text_of(held)) for one in further if (held := batch.carried[one][place]) is not None]
                when = moment(batch.carried[date][place]) if date else None
                found[name] = _Own((*known.times, when), tuple(dict.fromkeys((*known.identifiers, *extra))))
    return found


def _signed_up_again(rooms: Rooms, known: Recognised, own: Mapping[tuple[str, str], _Own]) -> set[tuple[str, str]]:
    """Of those whom a tombstone for everything names, who has come back as themselves since.

    By their own record, where it is dated: made after the last such tombstone, they made it. Otherwise by the journal, which forgets whom
    it erased: whom it knows now was registered anew, unless by a request for everything that is still at work.
    """
    again, undated = set(), []
    for person, facts in known.people.items():
        laid = [one.laid_at for one in facts if _everything(one)]
        if not laid:
            continue
        dated = [when for when in own.get(person, _NOBODY).times if when is not None]
        if not dated:
            undated.append(person)
        elif max(dated) >= max(laid):
            again.add(person)
    kinds = rooms.policy.catalog.kinds
    asked = {Identifier(kinds[kind].key, key): (kind, key) for kind, key in undated}
    numbers = rooms.journal.numbers(list(asked)) if asked else {}
    working = _being_erased(rooms) if numbers else set()
    return again | {asked[one] for one, number in numbers.items() if number not in working}


def _being_erased(rooms: Rooms) -> set[int]:
    """The registry numbers of everybody for whom a request for everything is open."""
    waiting = [one for status in OPEN_REQUESTS for one in rooms.journal.requests(status=status) if one.kind == "erase"]
    return set(numbers_of(one for one in waiting if scope_of(one).everything()))


def _tasks(
    rooms: Rooms, sight: Sight, known: Recognised, again: set[tuple[str, str]], taken_at: datetime | None
) -> tuple[list[_Task], list[Doubt]]:
    """Who is to be erased in which scope, the widest first."""
    every = [facts for found in (known.people.values(), *(one.values() for one in known.items.values())) for facts in found]
    starts = _starts(rooms, {one.request_id for facts in every for one in facts if one.captured_before is not None})
    people: dict[Scope, dict[tuple[str, str], str]] = {}
    items: dict[Scope, list[tuple[str, str, str]]] = {}
    lost = 0
    for person, facts in sorted(known.people.items()):
        whole = [one for one in facts if _everything(one)]
        if whole and person not in again:
            people.setdefault(Scope(), {})[person] = max(whole, key=lambda one: one.laid_at).request_id
            continue
        scopes, unknown = _scopes(facts, starts, taken_at)
        lost += unknown
        for scope, request in scopes.items():
            people.setdefault(scope, {})[person] = request
    for address, found in sorted(known.items.items()):
        for key, facts in sorted(found.items()):
            scopes, unknown = _scopes(facts, starts, taken_at)
            lost += unknown
            for scope, request in scopes.items():
                items.setdefault(scope, []).append((address, key, request))
    tasks = [_Task(scope, held) for scope, held in people.items()]
    going = people.get(Scope(), {})
    tasks += [task for scope, held in items.items() if (task := _of_items(rooms, sight, scope, held)).people.keys() - going.keys()]
    return sorted(tasks, key=lambda one: _order(one.scope)), [Doubt("tombstones", lost, NO_RANGE)] if lost else []


def _order(scope: Scope) -> tuple[bool, tuple[str, ...], str, tuple[str, ...]]:
    return (not scope.everything(), scope.categories, repr(scope.captured), scope.items)


def _scopes(facts: Iterable[Facts], starts: Mapping[str, datetime | None], taken_at: datetime | None) -> tuple[dict[Scope, str], int]:
    """Narrow scopes for what was captured before these tombstones, with the request of each; and how many have no known beginning."""
    latest: dict[tuple[tuple[str, ...], datetime | None], tuple[datetime, str]] = {}
    unknown = 0
    for one in facts:
        if one.captured_before is not None and one.request_id not in starts:
            unknown += 1
            continue
        start = starts.get(one.request_id)
        end = min(edge for edge in (one.captured_before, one.laid_at, taken_at) if edge is not None)
        if start is None or start < end:
            name = (one.categories, start)
            latest[name] = max(latest.get(name, (end, one.request_id)), (end, one.request_id))
    return {Scope(categories, Span(start, end)): request for (categories, start), (end, request) in latest.items()}, unknown


def _starts(rooms: Rooms, requests: set[str]) -> dict[str, datetime | None]:
    """When the ranges of these requests begin: from the journal or, if that was restored too, from the receipt. Absent: nobody knows."""
    found = {one.id: scope_of(one) for one in rooms.journal.requests(ids=sorted(requests))} if requests else {}
    starts = {name: scope.captured.start if scope.captured else None for name, scope in found.items()}
    for name in requests - set(starts):
        captured = _receipted_range(rooms, name)
        if captured:
            starts[name] = datetime.fromisoformat(str(captured[0])).astimezone(UTC) if captured[0] else None
    return starts


def _receipted_range(rooms: Rooms, request: str) -> Sequence[Json]:
    """The range of time in a request's receipt, checked; empty if there is no receipt."""
    path = rooms.receipts / f"{request}.receipt.json"
    if not path.exists():
        return ()
    statement = verify_receipt(path.read_bytes(), (rooms.receipts.parent / "trust.json").read_bytes()).statement
    told = statement.get("request")
    scope = told.get("scope") if isinstance(told, Mapping) else None
    captured = scope.get("captured") if isinstance(scope, Mapping) else None
    if not isinstance(captured, Sequence) or isinstance(captured, str):
        raise BadProof("the receipt tells another scope than the tombstone", where=path.name)
    return captured


def _of_items(rooms: Rooms, sight: Sight, scope: Scope, held: Sequence[tuple[str, str, str]]) -> _Task:
    """Items are one request for all their owners: each would have to name them all."""
    owners: set[tuple[str, str]] = set()
    for address in sorted({address for address, _, _ in held}):
        owners |= {(kind, key_text(key)) for kind, key in owners_of(rooms, sight, address, [key for one, key, _ in held if one == address])}
    named = replace(scope, items=tuple(f"{address}/{key}" for address, key, _ in held))
    return _Task(named, dict.fromkeys(sorted(owners), held[0][2]), whole=True)


def _found(rooms: Rooms, sight: Sight, task: _Task, own: Mapping[tuple[str, str], _Own]) -> tuple[Resolved, Work, int]:
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


def _resolved(rooms: Rooms, task: _Task, people: Iterable[tuple[str, str]], own: Mapping[tuple[str, str], _Own]) -> Resolved:
    kinds = rooms.policy.catalog.kinds
    found = []
    for place, (kind, key) in enumerate(people):
        identifiers = (Identifier(kinds[kind].key, key), *own.get((kind, key), _NOBODY).identifiers)
        found.append(Person(kind, key, 0 if task.whole else place, identifiers))
    return Resolved(tuple(found), ())


def _file(rooms: Rooms, sight: Sight, task: _Task, people: Resolved, started_by: str) -> Started:
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


def _undated(rooms: Rooms, sight: Sight, store: str, tasks: Sequence[_Task], own: Mapping[tuple[str, str], _Own]) -> list[Doubt]:
    """Records of the store in collections that have no date, in narrow scopes: one search per set of categories."""
    bare = {note.address for note in rooms.policy.catalog.in_store(store) if note.captured_at in (None, "never")} & sight.held.owned
    wide: dict[Scope, dict[tuple[str, str], str]] = {}
    for task in tasks:
        if task.scope.captured is not None and bare:
            wide.setdefault(Scope(task.scope.categories, items=task.scope.items), {}).update(task.people)
    doubts = []
    for scope, people in wide.items():
        plan = _planned(rooms, scope)
        if plan is None:
            continue
        work = search(rooms, plan, _resolved(rooms, _Task(scope, people), people, own))
        found = _by_collection(replace(work, targets=tuple(one for one in work.targets if one.collection in bare)), set(range(len(people))))
        doubts += [Doubt(address, count, NO_DATE) for address, count in found.items()]
    return doubts


def _merged(doubts: Iterable[Doubt]) -> list[Doubt]:
    counts: Counter[tuple[str, str]] = Counter()
    for one in doubts:
        counts[one.place, one.why] += one.count
    return [Doubt(place, count, why) for (place, why), count in sorted(counts.items())]
