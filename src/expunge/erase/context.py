"""What a run stands on: the rooms below, handed in by ``app``, and how to ask the stores what they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from expunge.erase.extent import extent
from expunge.erase.held import Held, held_now, keep_back, without
from expunge.erase.plan import Plan, make_plan
from expunge.erase.sharing import outside
from expunge.erase.subjects import Resolved
from expunge.erase.targets import Work, make_targets
from expunge.erase.trouble import troubles
from expunge.erase.walk import walk
from expunge.errors import InvalidRequest, PlanTrouble, Unavailable
from expunge.evidence.log import Log
from expunge.evidence.signing import Signer
from expunge.evidence.tombstones import Register
from expunge.journal import Journal
from expunge.journal.schema import metadata as journal_tables
from expunge.policy.catalog import Catalog, Problem
from expunge.policy.drift import declared_as
from expunge.policy.model import Policy
from expunge.policy.ownership import Ownership, ownership
from expunge.policy.soft import unmentioned, unsaid
from expunge.policy.taxonomy import default_categories
from expunge.policy.wording import advise
from expunge.ports import Clock, Hunter, Sealer
from expunge.stores.base import Store
from expunge.terms import Scope, Selector, Shape


class Keys(Sealer, Protocol):
    """The keys room as a run needs it."""

    def hide(self, space: str, numbers: Sequence[int]) -> None:
        """Make keys unreadable without destroying them."""
        ...

    def unhide(self, space: str, numbers: Sequence[int]) -> None:
        """Undo ``hide``; destroyed keys stay destroyed."""
        ...

    def stream_keys(self, space: str, numbers: Sequence[int]) -> dict[int, bytes]:
        """Keys to seal files with; destroyed ones are absent. Don't keep them."""
        ...

    def close_epoch(self) -> datetime:
        """Make every destruction until now final; when (UTC)."""
        ...


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything that a run asks. ``stores`` opens a store when it is first asked for; ``receipts`` is a folder.

    Without a ``hunter`` nobody looks for unlisted copies, and receipts say so.
    """

    policy: Policy
    stores: Mapping[str, Store]
    journal: Journal
    keys: Keys
    log: Log
    register: Register
    executor: Signer
    verifier: Signer
    clock: Clock
    receipts: Path
    hunter: Hunter | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What the stores say of themselves now, and what follows for one scope. ``unreached`` stores have no shapes here."""

    shapes: Mapping[str, tuple[Shape, ...]]
    held: Ownership
    plan: Plan
    warnings: tuple[Problem, ...]
    unreached: tuple[str, ...] = ()
    not_listed: Mapping[str, NotListed] = field(default_factory=dict[str, "NotListed"])


@dataclass(frozen=True, slots=True)
class NotListed:
    """What a listed store holds and the policy doesn't mention, by number: names of tables and keys may name people.

    ``about``: how many records or keys, by the store's own estimate; ``None`` where it has none.
    """

    collections: int
    about: int | None


def look(rooms: Rooms, scope: Scope, *, tolerate: bool = False) -> Sight:
    """Ask every listed store what it is, decide ownership, plan, and look for trouble.

    With ``tolerate`` a store that can't be reached now is named in ``unreached``; its part of the plan is checked when it is back.

    Raises:
        InvalidRequest: the scope names a category or collection that there is not: that is another answer than "nothing found".
        AmbiguousOwnership, PlanTrouble: with every problem and its mend; nothing has been written.
        StoreError: as the stores say.
    """
    require_known(rooms.policy, scope)
    shapes: dict[str, tuple[Shape, ...]] = {}
    unreached: list[str] = []
    for name in rooms.policy.catalog.stores:
        try:
            shapes[name] = rooms.stores[name].describe()
        except Unavailable:
            if not tolerate:
                raise
            unreached.append(name)
    held = ownership(rooms.policy.catalog, shapes)
    plan = make_plan(rooms.policy.catalog, held, shapes, scope, rooms.policy.digest)
    found = troubles(rooms.policy.catalog, held, shapes, plan)
    errors = [problem for problem in found if problem.severity == "error"]
    if errors:
        raise PlanTrouble("\n".join(str(problem) for problem in errors))
    theirs = {name: _theirs(rooms, name, there) for name, there in shapes.items()}
    unseen = [problem for name, there in theirs.items() for problem in unmentioned(rooms.policy.catalog, name, there)]
    unseen += [problem for name, there in theirs.items() for problem in unsaid(rooms.policy.catalog, held, name, there)]
    return Sight(shapes, held, plan, (*found, *unseen), tuple(unreached), _not_listed(rooms.policy.catalog, theirs))


def _not_listed(catalog: Catalog, shapes: Mapping[str, Sequence[Shape]]) -> dict[str, NotListed]:
    """Per store; the insides of another collection (an index's tables) are part of that one."""
    found = {}
    for store, there in shapes.items():
        strange = [shape.about for shape in there if shape.hangs_on is None and declared_as(catalog, store, shape) is None]
        if strange:
            found[store] = NotListed(len(strange), None if None in strange else sum(one or 0 for one in strange))
    return found


def _theirs(rooms: Rooms, store: str, shapes: Iterable[Shape]) -> list[Shape]:
    """Without our own journal's tables, where it lives in the store's database: their ``owner`` is a worker."""
    shared = rooms.policy.catalog.stores[store].options.get("url") == rooms.policy.control.journal
    return [shape for shape in shapes if not (shared and shape.name in journal_tables.tables)]


def require_known(policy: Policy, scope: Scope) -> None:
    """Refuse a scope that names what the policy doesn't have: that is another answer than "nothing found".

    Raises:
        InvalidRequest: with the nearest right word.
    """
    categories = default_categories() | set(policy.categories)
    collections = policy.catalog.collections.keys()
    for word, known, name in (
        *(("data category", categories, one) for one in scope.categories),
        *(("collection", collections, item.partition("/")[0]) for item in scope.items),
    ):
        if name not in known:
            raise InvalidRequest(f"the policy has no {word} {name!r}; {advise(name, known)}")


def search(rooms: Rooms, sight: Sight, people: Resolved, seeds: Iterable[tuple[str, Selector]] = ()) -> Work:
    """Find every record that the plan is about, but for what is under a hold. Reads only; ``seeds`` as ``walk`` takes them.

    Raises:
        StoreError: as the stores say; a part that could not be read is never taken for an empty one.
    """
    catalog = rooms.policy.catalog
    walked = walk(catalog, sight.held, rooms.stores, people, seeds)
    outsiders = outside(catalog, sight.held, rooms.stores, people, walked, sight.plan.shared)
    reach = extent(catalog, sight.held, walked, outsiders, sight.plan)
    kept = keep_back(sight.held, walked, under_hold(rooms, sight))
    return make_targets(catalog, sight.held, rooms.stores, people, walked, without(reach, kept), sight.plan, kept)


def under_hold(rooms: Rooms, sight: Sight) -> Held:
    """Every record that a hold keeps now, whoever's it is.

    Raises:
        StoreError: as the stores say; what is not known to be free is not given as free.
    """
    return held_now(rooms.policy.catalog, sight.held, rooms.stores, sight.shapes, rooms.journal)
