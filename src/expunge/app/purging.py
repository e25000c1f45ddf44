"""A dated purge as somebody orders it: shown first, approved by a second person always, then one run with one receipt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from expunge.erase.context import Rooms, look
from expunge.erase.intake import Started
from expunge.erase.sweeping import PURGE, Asked, file_sweep, look_at, search_for
from expunge.errors import InvalidRequest
from expunge.policy.taxonomy import default_categories
from expunge.policy.wording import advise
from expunge.retain.orders import Order, make_order
from expunge.terms import Json, Scope


@dataclass(frozen=True, slots=True)
class Purge:
    """What an order would end: records by collection, why something is out of its reach, what stays under holds; and what was started."""

    categories: tuple[str, ...]
    before: datetime
    records: Mapping[str, int]
    cut: Mapping[str, int]
    unreached: Mapping[str, str]
    held: Mapping[str, int]
    started: Started | None = None

    def as_json(self) -> Json:
        """For ``--json``."""
        runs = self.started.runs if self.started is not None else ()
        return {
            "categories": list(self.categories),
            "before": self.before.isoformat(),
            "records": dict(self.records),
            "references_cut": dict(self.cut),
            "unreached": dict(self.unreached),
            "held": dict(self.held),
            "runs": [{"run": run.id, "digest": run.plan_digest, "status": run.status.value} for run in runs],
        }


def purge(rooms: Rooms, categories: Sequence[str], before: datetime, *, because: str, by: str, dry_run: bool = False) -> Purge:
    """Show what an order ends; unless it is a dry run, file it as a run that waits for a second person's word.

    ``before`` is aware; ``because`` stands in the receipt and names nobody.

    Raises:
        InvalidRequest: no category, one that the policy doesn't know, no reason, or a date that has not come.
        PolicyError, StoreError: as ``look_at``; nothing was filed.
    """
    _checked(rooms, categories, before, because)
    order = make_order(rooms.policy, look(rooms, Scope()).held, categories, before)
    sight = look_at(rooms, order.endings)
    work, held = search_for(rooms, sight, [(0, one) for one in order.endings])
    found: Counter[str] = Counter()
    cut: Counter[str] = Counter()
    for target in work.targets:
        if target.addresses:
            (cut if target.act.startswith(("unlink:", "break:")) else found)[target.collection] += len(target.addresses)
    told = Purge(tuple(categories), before, dict(sorted(found.items())), dict(sorted(cut.items())), order.unreached, held)
    if dry_run or not order.endings:
        return told
    return Purge(told.categories, before, told.records, told.cut, told.unreached, held, _file(rooms, order, told, because, by))


def _file(rooms: Rooms, order: Order, told: Purge, because: str, by: str) -> Started:
    scope: dict[str, Json] = {"categories": sorted(told.categories), "captured": [None, told.before.isoformat()]}
    asked = [Asked(order.endings[0].term, order.endings, scope, because, order.unreached)]
    return file_sweep(rooms, PURGE, asked, requester="order", started_by=by, needs_approval=True, policy_digest=rooms.policy.digest)


def _checked(rooms: Rooms, categories: Sequence[str], before: datetime, because: str) -> None:
    known = default_categories() | set(rooms.policy.categories)
    if not categories:
        raise InvalidRequest("name the data categories that are to go")
    for category in categories:
        if category not in known:
            raise InvalidRequest(f"the policy has no data category {category!r}; {advise(category, known)}")
    if not because.strip():
        raise InvalidRequest("say why, without naming a person: it stands in the receipt")
    if before > rooms.clock.now():
        raise InvalidRequest("--before has not come yet")
