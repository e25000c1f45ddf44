"""Sweeps: what has come to its term becomes requests, and runs; under a person's word on the policy, and with a breaker.

A sweep that finds nothing files nothing, and is written down all the same. What a household chose is swept with it.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice

from expunge.app.choosing import chosen_rules
from expunge.app.retaining import count_due, terms, undated
from expunge.erase.context import Rooms, Sight, look
from expunge.erase.intake import INCIDENT_CLOCK, Started, file_found
from expunge.erase.subjects import SubjectRef, resolve
from expunge.erase.sweeping import RETAIN, Asked, file_sweep
from expunge.erase.sweeping_find import Finder
from expunge.errors import ClockWentBack, ExpungeError, InvalidRequest
from expunge.journal.choices import Sweep, SweepApproval
from expunge.policy.retention_model import Retention
from expunge.ports import Ending
from expunge.retain.outlook import Due
from expunge.retain.rules import Rule
from expunge.stores.values import key_text
from expunge.terms import Json, Scope, Selector

TASK = "retain:sweep"
"""The timetable's name of it."""

LEASE = timedelta(hours=6)
"""How long a sweep of the timetable may look for what is due before another worker begins it too; what it found is a run's work."""

SKEW = timedelta(minutes=5)
"""How far clocks of workers may differ: more than synchronised ones ever do, less than a term is long."""

PEOPLE = 10_000
"""People whose own records have ended, filed at a time."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found, and what it started. ``waits``: why it needs a person's word; ``busy``: terms with an earlier sweep at work."""

    at: datetime
    due: tuple[Due, ...]
    started: tuple[Started, ...] = ()
    waits: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    undated: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def records(self) -> int:
        """How many records have ended."""
        return sum(one.records for one in self.due)

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "at": self.at.isoformat(),
            "records": self.records,
            "due": [one.as_json() for one in self.due if one.records],
            "runs": [run.id for one in self.started for run in one.runs],
            "waits_for_approval": list(self.waits),
            "still_at_work": list(self.busy),
            "undated": dict(self.undated),
        }


def sweep(rooms: Rooms, *, at: datetime | None = None, by: str = "retention", dry_run: bool = False) -> Swept:
    """End what has come to its term at ``at`` (aware; now, if not given): file it and start its runs; ``work`` does the rest.

    Raises:
        InvalidRequest: ``at`` has not come yet.
        ClockWentBack: the sweep before was later than now: nothing is ended by a clock that can't be trusted.
        PolicyError, StoreError: as ``terms``; nothing was filed.
    """
    now = rooms.clock.now()
    when = at or now
    if when > now:
        raise InvalidRequest("a sweep ends what has ended; `expunge retain due --at DATE` looks ahead")
    _trust_the_clock(rooms, now)
    held = terms(rooms)
    due = count_due(rooms, held.sight.held, (*held.rules.rules, *chosen_rules(rooms, held)), when)
    missing = undated(rooms, held.rules)
    waits = _waits(rooms, held.sight, due, by)
    if dry_run:
        return Swept(when, due, (), waits, (), missing)
    asked = [one for one in _asked(due, when) if one.endings]
    started = [_file(rooms, asked, by, needs_approval=bool(waits))] if asked else []
    started += _people(rooms, due, when, by, standing=not waits)
    busy = tuple(asked[place].term for one in started[:1] if asked for place, why in one.outcomes.items() if why == "duplicate")
    told: dict[str, Json] = {"undated": dict(missing), "runs": [run.id for one in started for run in one.runs]}
    _tell_undated(rooms, missing)
    rooms.journal.keep_sweep(Sweep(when, by, rooms.policy.digest, sum(one.records for one in due), told))
    return Swept(when, due, tuple(started), waits, busy, missing)


def approve(rooms: Rooms, *, by: str) -> SweepApproval:
    """A second person's word on every sweep by this policy's terms; a changed policy needs another.

    Raises:
        InvalidRequest: nobody is named.
        PolicyError, StoreError: as ``terms``: what can't be swept can't be approved.
    """
    if not by.strip():
        raise InvalidRequest("say who approves")
    terms(rooms)
    return rooms.journal.approve_sweeps(rooms.policy.digest, by)


def sweep_if_due(rooms: Rooms) -> Swept | None:
    """Do the sweep of the timetable, if the policy asks for sweeps and one is due. A fault opens an incident; the next one tries again.

    Raises:
        ClockWentBack: as ``sweep``.
    """
    retention = rooms.policy.retention
    if retention is None:
        return None
    rooms.journal.schedule(TASK, retention.sweep)
    taken = rooms.journal.claim_schedule(f"{socket.gethostname()}:{os.getpid()}", LEASE, name=TASK)
    if taken is None:
        return None
    done: Swept | None = None
    try:
        done = sweep(rooms)
        rooms.journal.passed(TASK)
    except ClockWentBack:
        raise
    except ExpungeError as fault:
        due = rooms.clock.now() + INCIDENT_CLOCK
        rooms.journal.open_incident(fault.code, TASK, owner="privacy engineer", due=due, note=f"the sweep could not begin: {fault}")
    rooms.journal.finish_schedule(taken)
    return done


def _trust_the_clock(rooms: Rooms, now: datetime) -> None:
    last = next(iter(rooms.journal.sweeps()), None)
    if last is not None and now + SKEW < last.at:
        raise ClockWentBack("the last sweep was later than this clock says it is now", where="retain")


def _asked(due: Sequence[Due], at: datetime) -> list[Asked]:
    """A request for each term that has something due, with all that it ends; people's own records are requests of their own."""
    names = dict.fromkeys(one.rule.name for one in due if one.records and not one.rule.own)
    return [_request([one.rule for one in due if one.rule.name == name and not one.rule.own], at) for name in names]


def _request(rules: Sequence[Rule], at: datetime) -> Asked:
    first = rules[0]
    endings: tuple[Ending, ...] = tuple(rule.ending(at) for rule in rules)
    scope: dict[str, Json] = {"categories": [first.term.category], "term": first.name}
    return Asked(first.name, endings, scope, "chosen by the household" if first.choice else f"term ended: {first.name}")


def _file(rooms: Rooms, asked: Sequence[Asked], by: str, *, needs_approval: bool) -> Started:
    return file_sweep(
        rooms, RETAIN, asked, requester="retention", started_by=by, needs_approval=needs_approval, policy_digest=rooms.policy.digest
    )


def _waits(rooms: Rooms, sight: Sight, due: Sequence[Due], by: str) -> tuple[str, ...]:
    """Why a person has to look first; nothing, if nobody has to."""
    retention = rooms.policy.retention or Retention()
    radius = rooms.policy.blast_radius
    word = rooms.journal.sweep_approval(rooms.policy.digest)
    approved = word is not None and word.by != by
    found: Counter[str] = Counter()
    for one in due:
        found[one.rule.collection] += one.records
    reasons: list[str] = []
    for address, records in sorted(found.items()):
        if records <= radius.subjects:
            continue  # few are never many
        total = _total(rooms, sight, address)
        if records > retention.breaker * total:
            reasons.append(f"{address}: {records:,} of {total:,} records, more than {_percent(retention.breaker)} of it")
        elif not approved and records > radius.share * total:
            reasons.append(f"{address}: {records:,} of {total:,} records, and nobody else has approved the sweeps of this policy")
    return tuple(reasons)


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f} %"


def _total(rooms: Rooms, sight: Sight, address: str) -> int:
    """How many records a collection has: by the store's own estimate, or by a look at all of them where it has none."""
    note = rooms.policy.catalog.collections[address]
    about = next((shape.about for shape in sight.shapes.get(note.store, ()) if shape.name == note.name), None)
    if about:
        return about
    some = next(iter(note.fields))
    return rooms.stores[note.store].verify(Selector(note.name, {some: frozenset()})).scanned


def _people(rooms: Rooms, due: Sequence[Due], at: datetime, by: str, *, standing: bool) -> list[Started]:
    """People whose own record has ended: everything of theirs goes, by requests as if they had asked."""
    started = []
    for one in due:
        if not one.rule.own or not one.records:
            continue
        keys = _own_keys(rooms, one.rule, at)
        while some := list(islice(keys, PEOPLE)):
            kind = rooms.policy.catalog.kinds[one.rule.kind]
            refs = [SubjectRef(kind.name, kind.key, key) for key in some]
            sight = look(rooms, Scope(), tolerate=True)
            people = resolve(rooms.policy.catalog, sight.held, rooms.stores, refs)
            kinds, authorities = [kind.name] * len(refs), [f"term ended: {one.rule.name}"] * len(refs)
            started.append(file_found(rooms, sight, people, kinds, authorities, requester="retention", started_by=by, standing=standing))
    return started


def _own_keys(rooms: Rooms, rule: Rule, at: datetime) -> Iterator[str]:
    root = terms(rooms).sight.held.roots[rule.collection]
    finder = Finder(rooms.policy.catalog, rooms.stores)
    for batch in finder.found(rule.ending(at).where, (root.field,)):
        yield from (key_text(value) for value in batch.carried[root.field] if value is not None)


def _tell_undated(rooms: Rooms, missing: Mapping[str, int]) -> None:
    """What has no time for two sweeps in a row will never end: somebody has to mend it."""
    before = next(iter(rooms.journal.sweeps()), None)
    told = before.told.get("undated") if before is not None and isinstance(before.told, Mapping) else None
    earlier = set(told) if isinstance(told, Mapping) else set[str]()
    for address in sorted(earlier | set(missing)):
        control = f"{TASK}:undated:{address}"
        if address in missing and address in earlier:
            note = f"{missing[address]} records of {address} have no time that can be read, so that no term ends them"
            due = rooms.clock.now() + INCIDENT_CLOCK
            rooms.journal.open_incident("undated", control, store=address.split(".", 1)[0], owner="privacy engineer", due=due, note=note)
        elif address not in missing:
            rooms.journal.passed(control)
