"""Who came back in a backup and who by themselves, and so in which scope each is to be erased again (docs/adr/0009).

A tombstone speaks of what was captured before it was laid. Whom a tombstone for everything names goes wholly, unless they have signed up
again since: their own record's date says so; without one, the journal does. All else goes as far as it is dated before the tombstone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from expunge.erase.context import Rooms, Sight
from expunge.erase.intake import numbers_of, scope_of
from expunge.erase.recognise import Recognised, owners_of
from expunge.errors import BadProof
from expunge.evidence.receipts import verify_receipt
from expunge.evidence.stones import Facts
from expunge.journal.records import OPEN_REQUESTS
from expunge.stores.values import key_text, moment
from expunge.terms import Identifier, Json, Scope, Selector, Span, Value, text_of

NO_RANGE = "of a request for a range of time, of which neither the journal nor a receipt tells the beginning"
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


@dataclass(frozen=True, slots=True, repr=False)
class Task:
    """People to be erased in one scope; ``whole``: as one request (its items are theirs together), else one each."""

    scope: Scope
    people: Mapping[tuple[str, str], str]
    whole: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Own:
    """A person's own records: when they were made, where that is known, and every identifier in them."""

    times: tuple[datetime | None, ...]
    identifiers: tuple[Identifier, ...]


NOBODY = Own((), ())


def leave_to_their_runs(rooms: Rooms, known: Recognised) -> list[Doubt]:
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


def own_records(rooms: Rooms, sight: Sight, people: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Own]:
    """The own records of these people, in whatever store they lie; one query per collection of own records."""
    found: dict[tuple[str, str], Own] = {}
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
                known = found.get(name, NOBODY)
                extra = [Identifier(str(further[one]), text_of(held)) for one in further if (held := batch.carried[one][place]) is not None]
                when = moment(batch.carried[date][place]) if date else None
                found[name] = Own((*known.times, when), tuple(dict.fromkeys((*known.identifiers, *extra))))
    return found


def signed_up_again(rooms: Rooms, known: Recognised, own: Mapping[tuple[str, str], Own]) -> set[tuple[str, str]]:
    """Of those whom a tombstone for everything names, who has come back as themselves since.

    By their own record, where it is dated: made after the last such tombstone, they made it. Otherwise by the journal, which forgets whom
    it erased: whom it knows now was registered anew, unless by a request for everything that is still at work.
    """
    again, undated = set(), []
    for person, facts in known.people.items():
        laid = [one.laid_at for one in facts if _everything(one)]
        if not laid:
            continue
        dated = [when for when in own.get(person, NOBODY).times if when is not None]
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


def tasks_for(
    rooms: Rooms, sight: Sight, known: Recognised, again: set[tuple[str, str]], taken_at: datetime | None
) -> tuple[list[Task], list[Doubt]]:
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
    tasks = [Task(scope, held) for scope, held in people.items()]
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


def _of_items(rooms: Rooms, sight: Sight, scope: Scope, held: Sequence[tuple[str, str, str]]) -> Task:
    """Items are one request for all their owners: each would have to name them all."""
    owners: set[tuple[str, str]] = set()
    for address in sorted({address for address, _, _ in held}):
        owners |= {(kind, key_text(key)) for kind, key in owners_of(rooms, sight, address, [key for one, key, _ in held if one == address])}
    named = replace(scope, items=tuple(f"{address}/{key}" for address, key, _ in held))
    return Task(named, dict.fromkeys(sorted(owners), held[0][2]), whole=True)
