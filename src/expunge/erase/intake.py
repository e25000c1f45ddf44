"""From a requester's words to a run that waits to be worked on: steps 1 to 4 of the life of an erasure.

Order matters: people are found, the request is filed, tombstones are laid and keys hidden (from here gate and broker refuse), and only
then is the run started. Stopped anywhere in between, ``adopt`` starts the run of requests that were filed and have none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

import rfc8785

from expunge.erase.context import Rooms, Sight, look, search
from expunge.erase.extent import known_items
from expunge.erase.held import look_who_joined
from expunge.erase.plan import scope_json
from expunge.erase.subjects import Person, Resolved, SubjectRef, looked_for, resolve
from expunge.erase.targets import Work
from expunge.erase.walk import walk
from expunge.errors import ExpungeError, InvalidRequest, UnknownSubject
from expunge.evidence.stones import Stone
from expunge.journal.records import OPEN_REQUESTS, Filing, NewStep, NewWindow, Request, RequestStatus, Run
from expunge.terms import Identifier, Json, Scope, Span

FIRST_WAVE, SECOND_WAVE = 10, 100
"""A large batch goes 10 people, then one in a hundred, then all (DESIGN.md, "Durable, and large")."""

INCIDENT_CLOCK = timedelta(hours=72)
"""By when an incident's owner must have acted: the clock of GDPR 33(1), which is the shortest that the law notes give."""

TELLING = 4
"""Characters from which a key found in a text is the key and not chance: "17" stands in many dates."""

ITEM = "item"
"""The identifier type of a single record in the tombstone register."""


Windowing: TypeAlias = "Callable[[str, Sequence[Person], Mapping[tuple[str, str], int]], NewWindow]"
"""Until when a request can be undone, by the kind that it was asked for, its people, and their registry numbers by kind and key."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A dry run: what would be done, to how many records of which collection. Nothing was written."""

    sight: Sight
    work: Work
    people: int
    unknown: tuple[int, ...]
    needs_approval: bool


@dataclass(frozen=True, slots=True)
class Started:
    """What became of a batch: its requests in order (``None``: nobody found), the runs that serve them, and outcomes by place.

    There is one run; above the blast radius there are several, each of which waits for the one before it to end clean.
    """

    requests: tuple[Request | None, ...]
    runs: tuple[Run, ...]
    outcomes: Mapping[int, str]
    unreached: tuple[str, ...] = ()


def preview(rooms: Rooms, refs: Sequence[SubjectRef], scope: Scope) -> Preview:
    """The dry run.

    Raises:
        UnknownSubject: nobody of the batch is known.
        PolicyError, StoreError: as ``look``.
    """
    sight = look(rooms, scope)
    people = resolve(rooms.policy.catalog, sight.held, rooms.stores, refs)
    if len(people.unknown) == len(refs):
        before = set(_nobody(rooms, refs, people).values()) != {"unknown"}
        raise UnknownSubject(nobody_known(rooms, sight, refs) + ("; they were erased before" if before else ""))
    _own_items(rooms, sight, people)
    work = search(rooms, sight, people)
    return Preview(sight, work, len(people.people), people.unknown, too_large(rooms, sight, people))


def file_requests(
    rooms: Rooms,
    refs: Sequence[SubjectRef],
    scope: Scope,
    *,
    requester: str,
    authority: str,
    started_by: str,
    window: Windowing | None = None,
) -> Started:
    """File one erasure request per subject and start one run for all that are new.

    Outcomes are ``already-erased``, ``duplicate``, ``held``, ``hidden``, ``unknown``; a place without one is in the run. With ``window`` no
    run is started: the requests can be undone, and the caller hides what they are about.

    Raises:
        UnknownSubject: nobody of the batch is known, and nobody was erased before.
        InvalidRequest: nothing asked, or one reference means several people.
        PolicyError, StoreError: as ``look``; nothing was filed.
    """
    if not refs:
        raise InvalidRequest("no subject is named")
    if any(len(ref.value) >= TELLING and ref.value in text for ref in refs for text in (requester, authority)):
        raise InvalidRequest("the requester's role and the authority stand in the receipt and the log; don't name the person there")
    sight = look(rooms, scope, tolerate=True)
    people = resolve(rooms.policy.catalog, sight.held, rooms.stores, refs)
    outcomes = _nobody(rooms, refs, people)
    if len(outcomes) == len(refs):
        if set(outcomes.values()) == {"unknown"}:
            raise UnknownSubject(nobody_known(rooms, sight, refs))
        return Started((None,) * len(refs), (), outcomes)
    _own_items(rooms, sight, people)
    kinds = [ref.kind for ref in refs]
    started = file_found(rooms, sight, people, kinds, [authority] * len(refs), requester=requester, started_by=started_by, window=window)
    return replace(started, outcomes={**outcomes, **started.outcomes})


def nobody_known(rooms: Rooms, sight: Sight, refs: Sequence[SubjectRef]) -> str:
    """That no store knows any of ``refs``, and where they were looked for."""
    whom = "has a record of this person" if len(refs) == 1 else "knows any of them"
    return f"no listed store {whom}: {looked_for(rooms.policy.catalog, sight.held, refs)}"


def _own_items(rooms: Rooms, sight: Sight, people: Resolved) -> None:
    """Refuse a request for single records that are not the requester's: their tombstones would speak for somebody else.

    Raises:
        InvalidRequest: an item is another's, or isn't there.
        StoreError: as the stores say.
    """
    items = sight.plan.scope.items
    if items:
        known = known_items(rooms.policy.catalog, walk(rooms.policy.catalog, sight.held, rooms.stores, people), items)
        if missing := len(set(items) - known):
            raise InvalidRequest(f"{missing} of {len(set(items))} items are not records of the person named, or are not there")


def file_found(
    rooms: Rooms,
    sight: Sight,
    people: Resolved,
    kinds: Sequence[str],
    authorities: Sequence[str],
    *,
    requester: str,
    started_by: str,
    standing: bool = False,
    window: Windowing | None = None,
) -> Started:
    """File one request for each place of a batch whose people are known already, and start the run; the scope is the plan's.

    ``kinds`` and ``authorities`` say, per place, of which kind its main person is and how it was proven that the request may be made.
    ``standing``: somebody approved of such batches beforehand, however large. With ``window`` nothing is started.

    Raises:
        PolicyError, StoreError: nothing was filed.
    """
    numbers = _register(rooms, people)
    filed = _file(rooms, kinds, people, numbers, sight.plan.scope, requester, authorities, window)
    outcomes = {place: "duplicate" for place, request in filed.items() if request.duplicate}
    served = {place: filed[first] for place, first in people.same.items() if first in filed}
    requests = tuple(filed.get(place, served.get(place)) for place in range(len(kinds)))
    if window is not None:
        told = dict.fromkeys(served, "duplicate") | dict.fromkeys((place for place in filed if place not in outcomes), "hidden")
        return Started(requests, (), {**outcomes, **told}, sight.unreached)
    look_who_joined(rooms.policy.catalog, sight.held, rooms.stores, rooms.journal)
    outcomes |= _held(rooms, people, numbers, {place: request for place, request in filed.items() if place not in outcomes})
    fresh = [request for place, request in filed.items() if place not in outcomes]
    outcomes |= dict.fromkeys(served, "duplicate")
    if not fresh:
        return Started(requests, (), outcomes, sight.unreached)
    runs = _start_all(rooms, fresh, sight, started_by, too_large=not standing and too_large(rooms, sight, people))
    return Started(requests, tuple(runs), outcomes, sight.unreached)


def adopt(rooms: Rooms, started_by: str) -> list[Run]:
    """Start runs for requests that were filed and have none: after a crash between the two, or when a hold has ended."""
    groups: dict[bytes, list[Request]] = {}
    for request in _startable(rooms):
        scope = scope_of(request)
        groups.setdefault(rfc8785.dumps({**scope_json(scope), "items": list(scope.items)}), []).append(request)
    runs = []
    for group in groups.values():
        control = f"adopt:{min(request.id for request in group)}"
        try:
            sight = look(rooms, scope_of(group[0]), tolerate=True)
            runs += _start_all(rooms, group, sight, started_by, too_large=too_large(rooms, sight, people_of(group)))
        except ExpungeError as fault:  # one request that can't be planned now must not keep the others waiting
            due = rooms.clock.now() + INCIDENT_CLOCK
            rooms.journal.open_incident(fault.code, control, run_id=None, store=None, owner="privacy engineer", due=due, note=str(fault))
        else:
            rooms.journal.passed(control)
    return runs


def _startable(rooms: Rooms) -> list[Request]:
    """The requests that have no run and that no hold keeps waiting."""
    waiting = [*rooms.journal.requests(status=RequestStatus.RECEIVED), *rooms.journal.requests(status=RequestStatus.HELD)]
    waiting = [one for one in waiting if one.kind == "erase" and one.run_id is None and one.attached]
    if not waiting:
        return []
    held = rooms.journal.held(numbers_of(waiting))
    kept = rooms.journal.kept_back(one.id for one in waiting)
    return [one for one in waiting if one.id not in kept and held.isdisjoint(numbers_of([one]))]


def scope_of(request: Request) -> Scope:
    """The scope of a filed request."""
    held = request.scope
    assert isinstance(held, Mapping)
    captured = held.get("captured")
    span = None
    if isinstance(captured, Sequence):
        start, end = (datetime.fromisoformat(str(edge)) if edge is not None else None for edge in captured)
        span = Span(start, end)
    return Scope(_texts(held.get("categories")), span, _texts(held.get("items")))


def people_of(requests: Sequence[Request]) -> Resolved:
    """The people of filed requests, as they were found when these were filed; ordinals are places in ``requests``."""
    found = []
    for ordinal, request in enumerate(requests):
        for one in _sealed_people(request):
            identifiers = tuple(Identifier(str(type_), str(value)) for type_, value in one["identifiers"])  # type: ignore[misc, union-attr]  # our own JSON
            found.append(Person(str(one["kind"]), identifiers[0].value, ordinal, identifiers))
    return Resolved(tuple(found), ())


def numbers_of(requests: Iterable[Request]) -> list[int]:
    """The registry numbers of everybody whom these requests are for."""
    return sorted({int(str(one["number"])) for request in requests for one in _sealed_people(request)})


def _sealed_people(request: Request) -> list[Mapping[str, Json]]:
    people = request.attached
    return [one for one in people if isinstance(one, Mapping)] if isinstance(people, Sequence) else []


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _nobody(rooms: Rooms, refs: Sequence[SubjectRef], people: Resolved) -> dict[int, str]:
    """What is said of those whom no store knows: erased before, being erased by a request that has not ended, or unknown."""
    asked = {place: Identifier(refs[place].identity, refs[place].value) for place in people.unknown}
    stones = rooms.register.match(asked.values()) if asked else {}
    by = {facts.request_id for found in stones.values() for facts in found}
    open_ = {request.id for request in rooms.journal.requests(ids=by) if request.status in OPEN_REQUESTS} if by else set()
    outcomes = {}
    for place, one in asked.items():
        laid = {facts.request_id for facts in stones.get(one, ())}
        outcomes[place] = "unknown" if not laid else "duplicate" if laid & open_ else "already-erased"
    return outcomes


def _register(rooms: Rooms, people: Resolved) -> dict[tuple[str, str], int]:
    """Dense numbers and keys for everybody in the batch, set-wise per kind."""
    numbers: dict[tuple[str, str], int] = {}
    for kind in sorted({one.kind for one in people.people}):
        held = [one for one in people.people if one.kind == kind]
        for person, number in zip(held, rooms.journal.register(kind, [one.identifiers for one in held]), strict=True):
            numbers[kind, person.key] = number
    rooms.keys.make("subject", sorted(numbers.values()))
    return numbers


def _file(
    rooms: Rooms,
    kinds: Sequence[str],
    people: Resolved,
    numbers: Mapping[tuple[str, str], int],
    scope: Scope,
    requester: str,
    authorities: Sequence[str],
    window: Windowing | None,
) -> dict[int, Request]:
    plain = scope_json(scope)
    by_place: dict[int, list[Person]] = {}
    for person in people.people:
        by_place.setdefault(person.ordinal, []).append(person)
    filings: dict[int, Filing] = {}
    for place, held in by_place.items():
        main = next(one for one in held if one.kind == kinds[place])
        packed: list[Json] = [
            {"kind": one.kind, "number": numbers[one.kind, one.key], "identifiers": [[held.type, held.value] for held in one.identifiers]}
            for one in held
        ]
        wanted = {**plain, "items": list(scope.items)}
        opened = window(kinds[place], held, numbers) if window is not None else None
        number = numbers[main.kind, main.key]
        filings[place] = Filing("erase", number, main.kind, wanted, requester, authorities[place], attached=packed, window=opened)
    return dict(zip(filings, rooms.journal.file(list(filings.values())), strict=True))


def _held(rooms: Rooms, people: Resolved, numbers: Mapping[tuple[str, str], int], filed: Mapping[int, Request]) -> dict[int, str]:
    """Requests for somebody of whom everything is under a hold wait; the others go on."""
    held = rooms.journal.held(set(numbers.values()))
    places = {one.ordinal for one in people.people if numbers[one.kind, one.key] in held} & set(filed)
    if places:
        rooms.journal.set_request_status([filed[place].id for place in places], RequestStatus.HELD)
    return dict.fromkeys(places, "held")


def _start_all(rooms: Rooms, requests: Sequence[Request], sight: Sight, started_by: str, *, too_large: bool) -> list[Run]:
    """Lay tombstones and hide keys, then start the run; a batch above the blast radius in waves, so that a mistake shows on ten people."""
    rooms.register.lay(stone for request in requests for stone in stones(rooms, request))
    if sight.plan.scope.everything():
        rooms.keys.hide("subject", numbers_of(requests))
    digest = batch_digest(sight.plan.digest, requests)
    runs: list[Run] = []
    for wave in _waves(requests) if too_large else [requests]:
        steps = [NewStep(1, "locate", "locate", payload={"plan": sight.plan.digest})]
        if runs:
            steps.append(NewStep(0, "wave", "wave", payload={"after": runs[-1].id}))
        try:
            run = rooms.journal.start_run(
                [request.id for request in wave],
                sight.plan.as_json(),
                plan_digest=digest,
                policy_digest=rooms.policy.digest,
                needs_approval=too_large,
                started_by=started_by,
                touches=numbers_of(wave),
                first=steps,
            )
        except InvalidRequest:
            # A worker that found these requests waiting has started them meanwhile: its run is theirs.
            taken = {one.run_id for one in rooms.journal.requests(ids=[request.id for request in wave]) if one.run_id}
            if not taken:
                raise
            runs += [rooms.journal.run(run_id) for run_id in sorted(taken)]
            continue
        runs.append(run)
    return runs


def _waves(requests: Sequence[Request]) -> list[Sequence[Request]]:
    first = FIRST_WAVE
    second = first + max(1, len(requests) // SECOND_WAVE)
    return [wave for wave in (requests[:first], requests[first:second], requests[second:]) if wave]


def stones(rooms: Rooms, request: Request) -> Iterable[Stone]:
    """The tombstones of a request: of its items, or of everybody it is for."""
    scope = scope_of(request)
    before = scope.captured.end if scope.captured is not None else None
    now = rooms.clock.now()
    identifiers = [held for person in people_of([request]).people for held in person.identifiers]
    named = [Identifier(ITEM, item) for item in scope.items] or identifiers
    return [Stone(one, scope.categories, before, request.id, now) for one in named]


def batch_digest(plan_digest: str, requests: Iterable[Request]) -> str:
    """What a second person approves: this plan for these requests. SHA-256, hex."""
    bound = {"plan": plan_digest, "requests": sorted(request.id for request in requests)}
    return hashlib.sha256(rfc8785.dumps(bound)).hexdigest()


def too_large(rooms: Rooms, sight: Sight, people: Resolved) -> bool:
    """Above the larger of a number of subjects and a share of a store's, per kind of subject (DESIGN.md, "Durable, and large")."""
    radius = rooms.policy.blast_radius
    for kind in rooms.policy.catalog.kinds:
        wanted = len(people.keys(kind))
        known = 0
        for address, root in sight.held.roots.items():
            store, name = address.split(".", 1)
            if root.kind == kind and root.defines:
                known += sum(shape.about or 0 for shape in sight.shapes.get(store, ()) if shape.name == name)
        if wanted > max(Decimal(radius.subjects), radius.share * known):
            return True
    return False
