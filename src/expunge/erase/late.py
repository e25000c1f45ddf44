"""Late arrivals: what was written about a run's people after its targets were located.

Doors refuse erased people by their tombstones, but an application writes past doors. Whatever the last verification still sees, or a
constraint still holds on to, is looked for by the whole search once more: so what hangs on a late record is found too, and who else owns
it. A request for everything takes all of that. A narrower one takes what its scope names; the rest is told, and is no residue of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from expunge.erase.codec import unpack
from expunge.erase.context import Rooms, look, search
from expunge.erase.intake import people_of, scope_of
from expunge.erase.sweeping import is_sweep, search_again_for
from expunge.erase.targets import Target
from expunge.errors import ResidueLeft
from expunge.journal.records import StepStatus
from expunge.terms import Method, Scope, Selector

REQUESTS = "requests"
"""The sealed pages with what the receipts of single requests need; like the hunt's pages (``NO_TARGETS``), they are none of targets."""

NO_TARGETS = ("prints:", "hunt:")
"""How the names begin under which a hunt's fingerprints and results lie among the targets."""


@dataclass(frozen=True, slots=True)
class Again:
    """What a second search found: targets with records, in the plan's order, and what the first target's selector means now."""

    targets: tuple[Target, ...]
    selector: Selector


def search_again(rooms: Rooms, run_id: str, target: Target) -> Again:
    """Search once more for everybody in the run; ``target`` is the one whose verification asks for it.

    Raises:
        PolicyError, StoreError: as ``look`` and ``search``.
    """
    if target.act.startswith(("unlink:", "break:")):
        found = located(rooms, target)
        return Again((replace(target, addresses=found, counts={}),) if found else (), target.selector)
    requests = rooms.journal.requests(run_id=run_id)
    if is_sweep(requests):
        return Again(*search_again_for(rooms, requests, target))
    scope = scope_of(requests[0])
    before = _targets(rooms, run_id)
    _nobody_new(rooms, run_id, before)
    seeds = [(one.collection, one.selector) for one in before if one.act.startswith(("erase:", "part:"))] if scope.everything() else []
    work = search(rooms, look(rooms, scope), people_of(requests), seeds)
    meant = {address for one in before if one.collection == target.collection for address in one.addresses}
    stay = {address for one in work.targets if one.name == target.name for address in one.selector.minus} - meant
    held = work.held.addresses.get(target.collection, frozenset[str]())
    selector = replace(target.selector, minus=target.selector.minus | stay | held)
    late = (replace(one, counts={}) for one in work.targets if one.addresses)
    return Again(tuple(sorted(late, key=lambda one: one.rank)), selector)


def search_all(rooms: Rooms, run_id: str) -> tuple[Target, ...]:
    """Search once more for everybody in the run, by the policy as it is now: what was adopted since is searched too.

    Raises:
        PolicyError, StoreError: as ``look`` and ``search``.
        ResidueLeft: as ``search_again``.
    """
    requests = rooms.journal.requests(run_id=run_id)
    scope = scope_of(requests[0])
    before = _targets(rooms, run_id)
    _nobody_new(rooms, run_id, before)
    seeds = [(one.collection, one.selector) for one in before if one.act.startswith(("erase:", "part:"))] if scope.everything() else []
    work = search(rooms, look(rooms, scope), people_of(requests), seeds)
    return tuple(sorted((one for one in work.targets if one.addresses), key=lambda one: one.rank))


def _nobody_new(rooms: Rooms, run_id: str, before: Sequence[Target]) -> None:
    """Refuse to mop up once a person's own record, already erased, is there again: the key may be somebody else's by now.

    Raises:
        ResidueLeft: nobody but an operator can tell a newcomer with a reused key from a copy that came back.
    """
    held = look(rooms, Scope()).held
    done = {step.name for step in rooms.journal.steps(run_id) if step.status is StepStatus.DONE}
    for target in before:
        root = held.roots.get(target.collection)
        own = root is not None and root.defines and target.name in done and target.method is Method.DELETE
        if own and rooms.stores[target.collection.split(".", 1)[0]].verify(target.selector).live:
            raise ResidueLeft("a person's own record is there again; it may be a newcomer's with the same key", where=target.collection)


def located(rooms: Rooms, target: Target) -> tuple[str, ...]:
    """What a target's selector finds now.

    Raises:
        StoreError: as the store says.
    """
    store = rooms.stores[target.collection.split(".", 1)[0]]
    return tuple(address for batch in store.locate(target.selector) for address in batch.addresses)


def _targets(rooms: Rooms, run_id: str) -> Sequence[Target]:
    """What was located first, and what came late before a crash."""
    names = rooms.journal.target_names(run_id)
    return [unpack(rooms.journal.targets(run_id, name)) for name in names if name != REQUESTS and not name.startswith(NO_TARGETS)]
