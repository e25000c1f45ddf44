"""Sweeps: what has come to its term is filed, planned, sealed, erased, verified and receipted as any request is; only nobody is named.

A sweep's request is about a *term*, under a number of the registry like a person's. What has ended by it (``ports.Ending``) is sealed with
the request, so that a worker goes on from the journal alone. Records under a hold are left out when they are found, and again when a new
hold is placed while the sweep goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from expunge.erase.context import Rooms, Sight, look, under_hold
from expunge.erase.held import Held, KeptBack, people_in
from expunge.erase.intake import INCIDENT_CLOCK, Started, batch_digest
from expunge.erase.plan import Act, held_field, target
from expunge.erase.sweeping_codec import pack_endings, unpack_endings
from expunge.erase.sweeping_find import Finder
from expunge.erase.sweeping_holds import fields_asked, held_in, without
from expunge.erase.sweeping_plan import act_of, sweep_plan
from expunge.erase.targets import Target, Work
from expunge.erase.trouble import troubles
from expunge.errors import ExpungeError, PlanTrouble
from expunge.journal.records import Filing, NewStep, Request, RequestStatus, Run
from expunge.policy.ownership import Edge, Via
from expunge.ports import Ending
from expunge.stores.values import key_text
from expunge.terms import Identifier, Json, Located, Method, Scope, Selector, Value

RETAIN, PURGE = "retain", "purge"

TERM = "retention term"
"""The kind of subject that a term is in the registry: with a blank, so that no policy's kind has this name."""

_CUTTING = ("unlink", "break")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a sweep: the term's name, what has ended by it, and the words of its receipt.

    ``unreached``: by collection, why what it means there can't be ended.
    """

    term: str
    endings: tuple[Ending, ...]
    scope: Mapping[str, Json]
    authority: str
    unreached: Mapping[str, str] = field(default_factory=dict[str, str])


def is_sweep(requests: Sequence[Request]) -> bool:
    """Whether a run's requests are about terms rather than people."""
    return requests[0].kind in (RETAIN, PURGE)


def endings_of(requests: Sequence[Request]) -> list[tuple[int, Ending]]:
    """What has ended, with the place of the request by whose term."""
    return [
        (ordinal, one)
        for ordinal, request in enumerate(requests)
        for one in unpack_endings(request.attached.get("endings") if isinstance(request.attached, Mapping) else None)
    ]


def look_at(rooms: Rooms, endings: Iterable[Ending]) -> Sight:
    """What the stores say of themselves, and the plan for these endings.

    Raises:
        AmbiguousOwnership, PlanTrouble: with every problem and its mend; nothing has been written.
        StoreError: as the stores say.
    """
    sight = look(rooms, Scope())
    catalog = rooms.policy.catalog
    plan = sweep_plan(catalog, sight.held, sight.shapes, list(endings), rooms.policy.digest)
    found = troubles(catalog, sight.held, sight.shapes, plan)
    errors = [problem for problem in found if problem.severity == "error"]
    if errors:
        raise PlanTrouble("\n".join(str(problem) for problem in errors))
    return replace(sight, plan=plan)


def search_for(rooms: Rooms, sight: Sight, endings: Sequence[tuple[int, Ending]]) -> tuple[Work, dict[str, int]]:
    """Every record that has ended, as targets, and by collection how many stay because of a hold. Reads only.

    Raises:
        PlanTrouble: a hold stands of which nobody knows whom it is about.
        StoreError: as the stores say; a part that could not be read is never taken for an empty one.
    """
    _require_known(rooms)
    search = _Search(rooms, sight, Finder(rooms.policy.catalog, rooms.stores), under_hold(rooms, sight))
    numbers: dict[str, int] = {}
    found: list[Target] = []
    for ordinal, ending in sorted(
        endings, key=lambda one: (bool(one[1].fields), one[0])
    ):  # whole records first: of these nothing is nulled
        act = act_of(sight.plan, ending)
        number = numbers[act.name] = numbers.get(act.name, -1) + 1
        found += search.ended(act, f"{act.name}#{number}", ordinal, ending)
    found += [one for act in sight.plan.acts if act.what in _CUTTING for one in search.cut(act)]
    places = {act.name: place for place, act in enumerate(sight.plan.acts)}
    ordered = tuple(sorted(found, key=lambda one: places[one.act]))
    return Work(ordered, {}, {}), {address: len(held) for address, held in sorted(search.stays.items()) if held}


def _require_known(rooms: Rooms) -> None:
    """A hold that names its person by number only keeps that person's requests waiting and tells of no records: then nothing is swept."""
    if rooms.journal.newest_hold() is None:
        return
    blind = [hold.id for hold in rooms.journal.standing_holds() if not people_in(hold.people)]
    if blind:
        raise PlanTrouble(
            f"{', '.join(blind)}: nobody can tell which records are held; place it anew with `expunge holds place`, then lift it"
        )


@dataclass(slots=True)
class _Search:
    rooms: Rooms
    sight: Sight
    finder: Finder
    under: Held
    going: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    stays: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    gone: dict[tuple[str, str], dict[Value, int]] = field(default_factory=dict[tuple[str, str], dict[Value, int]])

    def ended(self, act: Act, name: str, ordinal: int, ending: Ending) -> Iterator[Target]:
        """The records of one ending that no other ending has taken already."""
        selector = self.finder.selector(ending.where)
        if selector is None:
            return
        address, fields = act.collection, () if act.method is Method.DELETE else (*act.fields, *act.repoint)
        selector, mixed = _still_to_do(selector, fields)
        taken = self.going.setdefault(address, set())
        mine: list[str] = []
        matches = 0
        for batch in self._batches(address, selector, (*(fields if mixed else ()), *self._pointed_at(act))):
            places = [place for place in range(len(batch.addresses)) if not mixed or _holds_any(batch, fields, place)]
            matches += len(places)
            new = [place for place in places if batch.addresses[place] not in taken]
            mine += [batch.addresses[place] for place in new]
            self._remember(act, batch, new, ordinal)
        if not ending.fields:
            taken.update(mine)
        if mixed:
            selector = self._told_apart(address, selector, fields, mine)
        selector = replace(selector, minus=selector.minus | frozenset(self.stays.get(address, ())))
        yield _target(act, name, selector, mine, ordinal, matches)

    def cut(self, act: Act) -> Iterator[Target]:
        """The references at what goes, in records that stay."""
        edge = act.edge
        assert edge is not None
        goal, goal_field = _goal(edge)
        gone = self.gone.get((goal, goal_field), {})
        if not gone:
            return
        goes = act.what == "unlink" and any(one.method is Method.DELETE for one in self.sight.plan.acts_on(act.collection))
        minus = frozenset(self.going.get(act.collection, ())) if goes else frozenset[str]()
        name = held_field(edge)
        selector = Selector(self.rooms.policy.catalog.collections[act.collection].name, {name: frozenset(gone)}, minus=minus)
        whose = {key_text(value): ordinal for value, ordinal in gone.items()}
        found: list[str] = []
        ordinals: list[int] = []
        for batch in self.finder.located(act.collection, selector, (name,)):
            found += batch.addresses
            ordinals += [whose[key_text(value)] if value is not None else 0 for value in batch.carried[name]]
        counts = {ordinal: ordinals.count(ordinal) for ordinal in sorted(set(ordinals))}
        bare = _target(act, act.name, selector, found, 0, len(found))
        yield replace(bare, counts=counts, whose=tuple(ordinals))

    def _batches(self, address: str, selector: Selector, carry: Sequence[str]) -> Iterator[Located]:
        """The found records without those under a hold, which are remembered."""
        for batch in self.finder.located(address, selector, (*carry, *fields_asked(self.under, address))):
            held = held_in(self.under, address, batch)
            if held:
                self.stays.setdefault(address, set()).update(held)
            yield without(batch, held)

    def _pointed_at(self, act: Act) -> tuple[str, ...]:
        """The fields of records that go, at which references point that have to be cut."""
        if act.method is not Method.DELETE:
            return ()
        goals = {_goal(one.edge) for one in self.sight.plan.acts if one.what in _CUTTING and one.edge is not None}
        return tuple(sorted(name for address, name in goals if address == act.collection))

    def _remember(self, act: Act, batch: Located, places: Sequence[int], ordinal: int) -> None:
        for name in self._pointed_at(act):
            values = self.gone.setdefault((act.collection, name), {})
            column = batch.carried[name]
            values.update((value, ordinal) for place in places if (value := column[place]) is not None)

    def _told_apart(self, address: str, selector: Selector, fields: Sequence[str], mine: Sequence[str]) -> Selector:
        """A selector asks for one set of fields that are not null: here for what is to be nulled, and others' records are left out."""
        present = replace(selector, present=frozenset(fields))
        ours = set(mine)
        others = {one for batch in self.finder.located(address, present) for one in batch.addresses} - ours
        return replace(present, minus=present.minus | others)


def _still_to_do(selector: Selector, fields: Sequence[str]) -> tuple[Selector, bool]:
    """A selector for records in which something is left to null; ``True`` if that can't be asked together with whose they are."""
    if not fields or (selector.present and selector.present <= set(fields)):
        return selector, False
    if not selector.present:
        return replace(selector, present=frozenset(fields)), False
    return selector, True


def _holds_any(batch: Located, fields: Sequence[str], place: int) -> bool:
    return any(batch.carried[name][place] is not None for name in fields)


def _goal(edge: Edge) -> tuple[str, str]:
    """What a reference points at, and by which field."""
    return (target(edge), edge.owned_field if edge.via is Via.TO else edge.owner_field)


def _target(act: Act, name: str, selector: Selector, addresses: Sequence[str], ordinal: int, matches: int) -> Target:
    assert act.method is not None
    counts = {ordinal: len(addresses)} if addresses else {}
    found = tuple(addresses)
    whose = (ordinal,) * len(found)
    bare = Target(name, act.name, act.collection, act.method, act.fields, act.repoint, selector, found, counts, matches=matches)
    return replace(bare, free=True, rank=act.rank, whose=whose)


def file_sweep(
    rooms: Rooms, kind: str, asked: Sequence[Asked], *, requester: str, started_by: str, needs_approval: bool, policy_digest: str
) -> Started:
    """File one request for each term and start one run for those that have none at work already.

    Raises:
        PolicyError, StoreError: as ``look_at``; nothing was filed.
    """
    sight = look_at(rooms, [ending for one in asked for ending in one.endings])
    numbers = rooms.journal.register(TERM, [[Identifier(TERM, f"{kind}:{one.term}")] for one in asked])
    rooms.keys.make("subject", sorted(numbers))
    how: dict[str, Json] = {"needs_approval": needs_approval, "policy": policy_digest}
    filings = [
        Filing(kind, number, TERM, dict(one.scope), requester, one.authority, attached=_attached(how, one))
        for one, number in zip(asked, numbers, strict=True)
    ]
    requests = rooms.journal.file(filings)
    outcomes = {place: "duplicate" for place, request in enumerate(requests) if request.duplicate}
    fresh = [request for request in requests if not request.duplicate]
    runs = [_start(rooms, fresh, sight if len(fresh) == len(asked) else None, started_by)] if fresh else []
    return Started(tuple(requests), tuple(runs), outcomes)


def _attached(how: Mapping[str, Json], asked: Asked) -> Json:
    unreached: Mapping[str, Json] = {"unreached": dict(asked.unreached)} if asked.unreached else {}
    return {**how, **unreached, "endings": pack_endings(asked.endings)}


def adopt_sweeps(rooms: Rooms, started_by: str) -> list[Run]:
    """Start runs for sweeps that were filed and have none: after a crash between the two, or when a hold has ended."""
    every = [one for status in (RequestStatus.RECEIVED, RequestStatus.HELD) for one in rooms.journal.requests(status=status)]
    waiting = [one for one in every if one.run_id is None and is_sweep([one]) and isinstance(one.attached, Mapping)]
    kept = rooms.journal.kept_back(one.id for one in waiting) if waiting else set[str]()
    groups: dict[tuple[str, str], list[Request]] = {}
    for request in (one for one in waiting if one.id not in kept):
        groups.setdefault((request.kind, request.authority if request.kind == PURGE else ""), []).append(request)
    return [run for group in groups.values() for run in _adopted(rooms, group, started_by)]


def _adopted(rooms: Rooms, group: Sequence[Request], started_by: str) -> list[Run]:
    """The group's run, unless another worker was faster; what can't be planned now must not keep everybody's work waiting."""
    control = f"adopt:{min(request.id for request in group)}"
    try:
        run = _start(rooms, group, None, started_by)
    except ExpungeError as fault:
        if not any(one.run_id for one in rooms.journal.requests(ids=[request.id for request in group])):
            due = rooms.clock.now() + INCIDENT_CLOCK
            rooms.journal.open_incident(fault.code, control, owner="privacy engineer", due=due, note=str(fault))
        return []
    rooms.journal.passed(control)
    return [run]


def _start(rooms: Rooms, requests: Sequence[Request], sight: Sight | None, started_by: str) -> Run:
    plan = (sight or look_at(rooms, [ending for _, ending in endings_of(requests)])).plan
    how = requests[0].attached
    assert isinstance(how, Mapping)
    return rooms.journal.start_run(
        [request.id for request in requests],
        plan.as_json(),
        plan_digest=batch_digest(plan.digest, requests),
        policy_digest=str(how["policy"]),
        needs_approval=bool(how["needs_approval"]),
        started_by=started_by,
        touches=[request.subject for request in requests],
        first=[NewStep(1, "locate", "locate", payload={"plan": plan.digest})],
    )


def locate_ended(rooms: Rooms, run: Run, requests: Sequence[Request]) -> tuple[Sight, Work, dict[str, Json]]:
    """What a sweep's run has to do. Nothing, if the policy has changed since: its terms may be others now, and the next sweep knows them.

    Raises:
        PolicyError, StoreError: as ``look_at`` and ``search_for``.
    """
    endings = endings_of(requests) if run.policy_digest == rooms.policy.digest or requests[0].kind == PURGE else []
    sight = look_at(rooms, [ending for _, ending in endings])
    work, held = search_for(rooms, sight, endings)
    if requests[0].kind == PURGE and held:  # what an order means is asked for again when the hold ends; a sweep comes back by itself
        holds = frozenset(one.id for one in rooms.journal.standing_holds())
        work = replace(work, held=KeptBack(requests=frozenset(range(len(requests))), holds=holds))
    told: dict[str, Json] = {"terms": sorted({ending.term for _, ending in endings_of(requests)}), "held": dict(held)}
    if isinstance(how := requests[0].attached, Mapping) and "unreached" in how:
        told["untouched"] = how["unreached"]
    if not endings:
        told["superseded"] = "the policy was changed after this sweep was filed; the next one goes by the new terms"
    return sight, work, told


def search_again_for(rooms: Rooms, requests: Sequence[Request], target_: Target) -> tuple[tuple[Target, ...], Selector]:
    """What came late: by the same terms up to the same time, and by the keys of what went, should their holders be gone.

    Raises:
        PolicyError, StoreError: as ``look_at`` and ``search_for``.
    """
    endings = endings_of(requests)
    work, _ = search_for(rooms, look_at(rooms, [ending for _, ending in endings]), endings)
    now = next((one for one in work.targets if one.name == target_.name), None)
    selector = replace(target_.selector, minus=target_.selector.minus | (now.selector.minus if now is not None else frozenset()))
    store = rooms.stores[target_.collection.split(".", 1)[0]]
    known = {address for one in work.targets if one.collection == target_.collection for address in one.addresses}
    own = tuple(one for batch in store.locate(selector) for one in batch.addresses if one not in known)
    late = [replace(one, counts={}) for one in work.targets if one.addresses]
    late += [replace(target_, addresses=own, counts={}, selector=selector)] if own else []
    return tuple(sorted(late, key=lambda one: one.rank)), selector


def spared(rooms: Rooms, target_: Target, done: int) -> Target | None:
    """The target without what has come under a hold since it was located, beyond the first ``done``; ``None`` if nothing has.

    Raises:
        PlanTrouble: a hold stands of which nobody knows whom it is about.
        StoreError: as the stores say.
    """
    _require_known(rooms)
    under = under_hold(rooms, look(rooms, Scope()))
    address, left = target_.collection, set(target_.addresses[done:])
    finder = Finder(rooms.policy.catalog, rooms.stores)
    found = finder.located(address, target_.selector, fields_asked(under, address))
    held = {one for batch in found for one in held_in(under, address, batch)} & left
    if not held:
        return None
    keep = [place for place, one in enumerate(target_.addresses) if place < done or one not in held]
    stays = Counter(str(target_.whose[place]) for place, one in enumerate(target_.addresses) if place >= done and one in held)
    return replace(
        target_,
        addresses=tuple(target_.addresses[place] for place in keep),
        whose=tuple(target_.whose[place] for place in keep),
        selector=replace(target_.selector, minus=target_.selector.minus | held),
        spared=dict(Counter(target_.spared) + stays),
    )


def scope_told(requests: Sequence[Request]) -> dict[str, Json]:
    """The scope of a sweep, for its statements."""
    scopes = [one.scope for one in requests if isinstance(one.scope, Mapping)]
    terms: Sequence[Json] = sorted({str(one.get("term", "")) for one in scopes} - {""})
    categories: Sequence[Json] = sorted({str(each) for one in scopes for each in _texts(one.get("categories"))})
    told: dict[str, Json] = {"categories": categories, "items": 0, "terms": terms}
    return {**told, "captured": scopes[0]["captured"]} if scopes and "captured" in scopes[0] else told


def _texts(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
