"""The stages of a run, one function each: what a worker does with a step of that kind. All may be repeated from any point.

``wave`` waits for the wave before; ``locate`` seals everything to be done in the journal and adds the later steps; ``before`` counts by
the verifier's path; ``erase`` works through one target; ``keys`` destroys; ``reclaim`` removes history; ``after`` verifies, and mops up
what came late. ``prints`` and ``hunt`` are in ``hunted``, ``receipt`` and ``close`` in ``ending``. A stage returns what the receipt needs:
names and counts, never an identifier.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice

from expunge.erase.codec import pack, unpack
from expunge.erase.context import Rooms, look, search, under_hold
from expunge.erase.held import look_who_joined
from expunge.erase.intake import numbers_of, people_of, scope_of
from expunge.erase.late import REQUESTS, located, search_again
from expunge.erase.opening import committed
from expunge.erase.plan import Plan
from expunge.erase.rest import requests_held
from expunge.erase.sweeping import is_sweep, locate_ended, spared
from expunge.erase.targets import Target, Work
from expunge.errors import ApprovalNeeded, Conflict, Refused, ResidueLeft
from expunge.evidence.commitments import commitment
from expunge.journal.records import Lease, NewStep, Request, StepStatus
from expunge.stores.base import Store, Together
from expunge.terms import Json, Reclaimed, Residue, Scope, Step

RANK_BEFORE, RANK_PRINTS, RANK_ERASE, RANK_KEYS, RANK_RECLAIM, RANK_AFTER, RANK_HUNT, RANK_RECEIPT, RANK_CLOSE = (
    10,
    50,
    100,
    100_000,
    110_000,
    120_000,
    125_000,
    130_000,
    140_000,
)
"""Ranks leave room for as many erasing levels as there are collections."""

REQUESTS_A_PAGE = 1_000
"""At 200 to 400 bytes each: some hundred kB, as much as a page of addresses."""

MOPS = 3
"""How often late arrivals are looked for again; tombstones refuse new ones, so a third round means that a door is open."""

HELD_WAIT = timedelta(hours=1)
"""How long a run waits when one of its people is put under a hold, before it looks again."""


WAVE_WAIT = timedelta(seconds=2)
"""How often a wave looks at the one before: waves take minutes, and looking costs one query."""


class WaitUntil(Exception):
    """The step can only go on after ``wait``; the runner makes it a durable timer."""

    def __init__(self, wait: timedelta, why: str) -> None:
        """``why`` is shown in the run's status."""
        super().__init__(why)
        self.wait = wait
        self.why = why


def wave(rooms: Rooms, lease: Lease) -> Json:
    """The breaker between the waves of a large batch: go on only when the wave before has ended clean."""
    earlier = str(_payload(lease)["after"])
    if any(step.kind == "receipt" and step.status is StepStatus.DONE for step in rooms.journal.steps(earlier)):
        return {"after": earlier}
    raise WaitUntil(WAVE_WAIT, f"the wave before, {earlier}, has not ended")


def locate(rooms: Rooms, lease: Lease) -> Json:
    """Find every record, seal targets and requests' counts, and add the steps that follow."""
    requests = rooms.journal.requests(run_id=lease.run_id)
    newest = rooms.journal.newest_hold()
    told: Mapping[str, Json] = {}
    if swept := is_sweep(requests):
        sight, work, told = locate_ended(rooms, rooms.journal.run(lease.run_id), requests)
    else:
        sight = look(rooms, scope_of(requests[0]))
    if "superseded" not in told:
        _same_as_approved(rooms, lease, sight.plan)
    if not swept:
        look_who_joined(rooms.policy.catalog, sight.held, rooms.stores, rooms.journal)
        work = search(rooms, sight, people_of(requests))
    for target in work.targets:
        rooms.journal.put_targets(lease, target.name, pack(target))
    rooms.journal.put_targets(lease, REQUESTS, _request_pages(rooms, requests, work))
    everything = sight.plan.scope.everything() and not swept
    rooms.journal.add_steps(lease.run_id, _steps(work, everything=everything, hunted=rooms.hunter is not None and not swept))
    return {
        "plan": sight.plan.digest,
        "at": rooms.clock.now().isoformat(),
        "located": _by_collection(work),
        "kept": {address: sum(counts.values()) for address, counts in work.kept.items()},
        "undated": dict(work.undated),
        "untouched": dict(sight.plan.untouched),
        "not_listed": {store: {"collections": one.collections, "about": one.about} for store, one in sight.not_listed.items()},
        "warnings": [str(problem) for problem in sight.warnings],
        "acts": {act.name: {"collection": act.collection, "what": act.what, "reason": act.reason} for act in sight.plan.acts},
        "newest_hold": newest,
        "held_by": sorted(work.held.holds),
        "held_in": sorted(work.held.addresses),
        **told,
    }


def before(rooms: Rooms, lease: Lease) -> Json:
    """Count what matches by the verifier's path. Where the walk found records and the verifier sees none, one of the two is blind."""
    seen: dict[str, Json] = {}
    for target in _targets(rooms, lease):
        if not _worth_verifying(target):
            continue
        found = _store(rooms, lease).verify(target.selector)
        if target.matches and not found.live and located(rooms, target):
            raise Conflict("records were located that the independent count does not see", where=f"{lease.store}.{lease.collection}")
        counted = {"scanned": found.scanned, "live": found.live, "matches": target.matches, "located": len(target.addresses)}
        seen[target.name] = counted
    return {"targets": seen}


def erase(rooms: Rooms, lease: Lease) -> Json:
    """Work through one target from where the journal says it was left, journalling after each durable batch.

    Raises:
        Refused: a constraint or a missing grant forbids it, and no record that came late is the reason.
    """
    target, stayed = _spared(rooms, lease, _target(rooms, lease.run_id, str(_payload(lease)["target"])))
    late: dict[str, int] = {}
    try:
        _work_through(rooms, lease, target, target.addresses, lease.done)
    except Refused:
        again = search_again(rooms, lease.run_id, target)
        late = mop(rooms, lease, [one for one in again.targets if one.rank < target.rank], "refused")
        if not late:
            raise
        _work_through(rooms, lease, target, target.addresses, lease.done)
    return {"erased": len(target.addresses), "late": dict(late), "at": rooms.clock.now().isoformat(), **stayed}


def keys(rooms: Rooms, lease: Lease) -> Json:
    """Destroy the keys of everybody in the run, close the epoch, which makes it final, and forget the registry's digests of them.

    Of whom something is under a hold, the key stays hidden: what is held may be sealed by it, and nothing of it becomes readable.
    """
    _stop_if_held(rooms, lease)
    numbers = _not_held(rooms, lease)
    rooms.keys.destroy("subject", numbers)
    destroyed = rooms.clock.now()
    closed = rooms.keys.close_epoch()
    rooms.journal.forget(numbers)
    return {"subjects": len(numbers), "destroyed_at": destroyed.isoformat(), "epoch_closed_at": closed.isoformat()}


def reclaim(rooms: Rooms, lease: Lease) -> Json:
    """Remove the history that one store keeps of the collections in which something was erased.

    Objects have a history each, so every target is asked for; elsewhere it is the collection's.
    """
    done: dict[str, Reclaimed] = {}
    _stop_if_held(rooms, lease)
    store = _store(rooms, lease)
    touched = (target for target in _targets(rooms, lease) if target.addresses)
    if isinstance(store, Together):
        names = {target.collection: target.selector.collection for target in touched}
        done = dict(zip(names, store.reclaim_all(list(names.values())), strict=True))
    else:
        for target in touched:
            each = "objects" in rooms.policy.catalog.collections[target.collection].layout
            if each or target.collection not in done:
                done[target.collection] = store.reclaim(target.selector)
    return {"collections": {address: {"how": one.how, "note": one.note} for address, one in done.items()}}


def after(rooms: Rooms, lease: Lease) -> Json:
    """Verify one collection. What came late is located, sealed, erased and reclaimed again, a bounded number of times.

    Raises:
        ResidueLeft: something is still there; never a false "done".
    """
    seen: dict[str, Json] = {}
    mopped: Counter[str] = Counter()
    left = 0
    for target in _targets(rooms, lease):
        found, beyond = _clean(rooms, lease, target, mopped)
        left += found.live
        clears = found.clears_at.isoformat() if found.clears_at else None
        seen[target.name] = {
            "scanned": found.scanned,
            "live": found.live,
            "history": found.history,
            "clears_at": clears,
            "note": found.note,
            "beyond": beyond,
        }
    if left:
        raise ResidueLeft(f"{left} records still match after {MOPS} rounds", where=f"{lease.store}.{lease.collection}")
    return {"targets": seen, "late": dict(mopped), "at": rooms.clock.now().isoformat()}


def _clean(rooms: Rooms, lease: Lease, target: Target, mopped: Counter[str]) -> tuple[Residue, int]:
    """The last verification of one target, and how many records came late that a narrow request does not mean."""
    if not _worth_verifying(target):
        return Residue(0, 0, note="nothing could match"), 0
    selector, late, round_ = target.selector, list[Target](), 0
    while True:
        found = _store(rooms, lease).verify(selector)
        left = found.live + sum(rooms.stores[one.collection.split(".", 1)[0]].verify(one.selector).live for one in late)
        if not left or round_ == MOPS:
            break
        rooms.journal.heartbeat(lease)
        again = search_again(rooms, lease.run_id, target)
        if not again.targets and again.selector == selector:
            break
        mopped.update(mop(rooms, lease, again.targets, f"late{round_}"))
        selector, late, round_ = again.selector, [*late, *again.targets], round_ + 1
    return replace(found, live=left), len(selector.minus - target.selector.minus)


def mop(rooms: Rooms, lease: Lease, targets: Sequence[Target], when: str) -> dict[str, int]:
    """Seal, erase and reclaim what came late; how many records per collection."""
    done: Counter[str] = Counter()
    for target in targets:
        rooms.journal.put_targets(lease, f"{target.name}!{when}:{lease.name}", pack(target))
    for target in targets:
        _work_through(rooms, lease, target, target.addresses, 0, journalled=False)
        rooms.stores[target.collection.split(".", 1)[0]].reclaim(target.selector)
        rooms.journal.heartbeat(lease)
        done[target.collection] += len(target.addresses)
    return done


def _work_through(rooms: Rooms, lease: Lease, target: Target, addresses: tuple[str, ...], done: int, *, journalled: bool = True) -> None:
    """Erase batch by batch. Between batches: the journal learns how far we are, and a new hold stops us."""
    step = Step(target.selector.collection, target.method, target.selector, addresses[done:], target.fields, target.repoint)
    _stop_if_held(rooms, lease)
    known = _stop_if_held_since(rooms, lease, target, step.addresses, None)
    for count in rooms.stores[target.collection.split(".", 1)[0]].erase(step) if step.addresses else ():
        done += count
        if done < len(addresses):  # the last batch is journalled with the step's end
            if journalled:
                rooms.journal.progress(lease, done)
            _stop_if_held(rooms, lease)
            known = _stop_if_held_since(rooms, lease, target, addresses[done:], known)


def _stop_if_held(rooms: Rooms, lease: Lease) -> None:
    if rooms.journal.held_in(lease.run_id):
        raise WaitUntil(HELD_WAIT, "one of the people in this run is under a hold")


def _stop_if_held_since(rooms: Rooms, lease: Lease, target: Target, left: Sequence[str], known: int | None) -> int | None:
    """Stop if a hold younger than ``known`` (``None``: than the search) keeps one of the records that are left; the youngest there is."""
    newest = rooms.journal.newest_hold()
    if newest is None:
        return known
    if known is None:
        at_search = next(step.result for step in rooms.journal.steps(lease.run_id) if step.name == "locate")
        found = at_search.get("newest_hold") if isinstance(at_search, Mapping) else None
        known = found if isinstance(found, int) else 0
    if newest > known:
        held = under_hold(rooms, look(rooms, Scope())).records.get(target.collection, {})
        if not held.keys().isdisjoint(left):
            raise WaitUntil(HELD_WAIT, "records of this run came under a hold")
    return newest


def _spared(rooms: Rooms, lease: Lease, target: Target) -> tuple[Target, Mapping[str, Json]]:
    """A sweep goes on without what came under a hold since it was located, and says how much; people's requests wait for the hold's end."""
    if rooms.journal.newest_hold() is not None and is_sweep(rooms.journal.requests(run_id=lease.run_id)):
        left = spared(rooms, target, lease.done)
        if left is not None:
            rooms.journal.put_targets(lease, left.name, pack(left))
            target = left
    return target, {"spared": dict(target.spared)} if target.spared else {}


def _not_held(rooms: Rooms, lease: Lease) -> list[int]:
    """Everybody in the run of whom nothing is under a hold."""
    requests = rooms.journal.requests(run_id=lease.run_id)
    kept = requests_held(rooms, lease.run_id)
    keep = {number for request in requests if request.id in kept for number in numbers_of([request])}
    numbers = [number for number in numbers_of(requests) if number not in keep]
    under = rooms.journal.held(numbers, narrowed=True)
    return [number for number in numbers if number not in under]


def _same_as_approved(rooms: Rooms, lease: Lease, plan: Plan) -> None:
    run = rooms.journal.run(lease.run_id)
    if run.needs_approval and plan.digest != _payload(lease)["plan"]:
        raise ApprovalNeeded("the stores or the policy changed after the dry run was approved; file the requests again", where=run.id)


def _request_pages(rooms: Rooms, requests: list[Request], work: Work) -> Iterator[bytes]:
    """The requests' rows as JSON lists, many to a page: a page costs a few statements, a row nothing."""
    rows = _request_rows(rooms, requests, work)
    while page := list(islice(rows, REQUESTS_A_PAGE)):
        yield json.dumps(page, separators=(",", ":")).encode()


def _request_rows(rooms: Rooms, requests: list[Request], work: Work) -> Iterator[Json]:
    """Per request what its receipt needs: its commitment (the salt dies with the key), and its own counts per target."""
    salts = rooms.keys.salts("subject", [request.subject for request in requests])
    for ordinal, request in enumerate(requests):
        person = committed(request)
        salt = salts.get(request.subject)
        yield {
            "id": request.id,
            "commitment": commitment(salt, person.identifiers[0], request.id) if person is not None and salt is not None else None,
            "erased": {target.name: count for target in work.targets if (count := target.counts.get(ordinal))},
            "kept": {address: count for address, counts in work.kept.items() if (count := counts.get(ordinal))},
            "held": ordinal in work.held.requests,
            "place": ordinal,
        }


def _steps(work: Work, *, everything: bool, hunted: bool) -> list[NewStep]:
    """The steps that follow from what was located."""
    collections: dict[str, list[Target]] = {}
    for target in work.targets:
        collections.setdefault(target.collection, []).append(target)
    new = []
    for address, targets in sorted(collections.items()):
        store, name = address.split(".", 1)
        payload: Json = {"targets": [target.name for target in targets]}
        new.append(NewStep(RANK_BEFORE, f"before:{address}", "before", store, name, payload))
        new.append(NewStep(RANK_AFTER, f"after:{address}", "after", store, name, payload))
        new += [
            NewStep(RANK_ERASE + target.rank, target.name, "erase", store, name, {"target": target.name, "records": len(target.addresses)})
            for target in targets
            if target.addresses
        ]
    for store in sorted({address.split(".", 1)[0] for address in collections}):
        names: Json = [target.name for target in work.targets if target.collection.split(".", 1)[0] == store]
        new.append(NewStep(RANK_RECLAIM, f"reclaim:{store}", "reclaim", store, None, {"targets": names}))
    if everything:
        new.append(NewStep(RANK_KEYS, "keys", "keys"))
    if hunted:
        new += [NewStep(RANK_PRINTS, "prints", "prints"), NewStep(RANK_HUNT, "hunt", "hunt")]
    new.append(NewStep(RANK_RECEIPT, "receipt", "receipt"))
    new.append(NewStep(RANK_CLOSE, "close", "close"))
    return new


def _by_collection(work: Work) -> dict[str, Json]:
    found: dict[str, int] = {}
    for target in work.targets:
        found[target.collection] = found.get(target.collection, 0) + len(target.addresses)
    return dict(found)


def _worth_verifying(target: Target) -> bool:
    """A selector that can match nothing needs no scan; neither does unlinking where nothing was linked."""
    derived = target.act.startswith(("unlink:", "break:", "part:"))
    return not target.selector.nothing() and (bool(target.addresses) or not derived)


def _store(rooms: Rooms, lease: Lease) -> Store:
    assert lease.store is not None
    return rooms.stores[lease.store]


def _payload(lease: Lease) -> Mapping[str, Json]:
    assert isinstance(lease.payload, Mapping)
    return lease.payload


def _targets(rooms: Rooms, lease: Lease) -> Iterator[Target]:
    """The step's targets, one after the other; between two the journal is asked whether the step is still ours."""
    names = _payload(lease)["targets"]
    assert isinstance(names, list)
    for place, name in enumerate(names):
        if place:
            rooms.journal.heartbeat(lease)
        yield _target(rooms, lease.run_id, str(name))


def _target(rooms: Rooms, run_id: str, name: str) -> Target:
    return unpack(rooms.journal.targets(run_id, name))


STAGES: Mapping[str, Callable[[Rooms, Lease], Json]] = {
    "wave": wave,
    "locate": locate,
    "before": before,
    "erase": erase,
    "keys": keys,
    "reclaim": reclaim,
    "after": after,
}
"""What a worker knows to do, by a step's kind; ``hunted`` adds ``prints`` and ``hunt``, ``ending`` adds ``receipt`` and ``close``."""
