"""Children's profiles that nobody uses, brought together with the stores, the journal, the outbox and the one path of every erasure."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from expunge.app.library import Expunge
from expunge.erase.context import look
from expunge.erase.intake import INCIDENT_CLOCK
from expunge.errors import EvidenceError, ExpungeError, InvalidRequest, PlanTrouble, UnknownSubject
from expunge.evidence.receipts import make_entries
from expunge.journal.idles import IdleRow
from expunge.retain.idle import OPEN, Idle, OutOfOrder, State
from expunge.retain.idle_round import Hands, Tally, go_round, preview
from expunge.retain.idle_round import keep as keep_profile
from expunge.retain.idle_rule import IdleRule, idle_rules
from expunge.retain.idle_search import state_of
from expunge.stores.values import key_text
from expunge.terms import Identifier, Json, Scope

TASK = "idle:round"
"""The timetable's name of it, and the control that a round comes to its end."""

LEASE = timedelta(hours=6)
"""How long a round may take before another worker begins it too: a backlog of millions is found in hours."""

STATEMENT = "idle/1"
REQUESTER = "idle profile rule"


@dataclass(frozen=True, slots=True)
class Standing:
    """How many profiles of a kind are in which state, and when the next end is due (UTC)."""

    kind: str
    states: Mapping[str, int]
    next_end: datetime | None

    def as_json(self) -> Json:
        """For ``--json``."""
        return {"kind": self.kind, "states": dict(self.states), "next_end": self.next_end.isoformat() if self.next_end else None}


def rules(library: Expunge) -> list[IdleRule]:
    """The policy's rules for idle profiles, held against the stores.

    Raises:
        PlanTrouble: what counts as use, or where it is to be read, isn't clear.
        PolicyError, StoreError: as ``look``.
    """
    made, problems = idle_rules(library.policy, look(library.rooms, Scope()).held)
    if problems:
        raise PlanTrouble("\n".join(str(one) for one in problems))
    return made


def go(library: Expunge, *, dry_run: bool = False) -> dict[str, Tally]:
    """One round over all kinds of minors; a dry run only counts. By kind, how many profiles took which step.

    Raises:
        PlanTrouble: as ``rules``.
        StoreError, KeyStoreError, EvidenceError: the next round goes on.
    """
    hands = _hands(library)
    return {rule.kind: (preview if dry_run else go_round)(hands, rule) for rule in rules(library)}


def round_if_due(library: Expunge) -> dict[str, Tally] | None:
    """Do the round of the timetable, as often as sweeps, if the policy asks for sweeps and says what counts as use, and one is due.

    A fault opens an incident; the next round tries again.
    """
    rooms = library.rooms
    retention, children = rooms.policy.retention, rooms.policy.children
    if retention is None or children is None or not children.used_by:
        return None
    rooms.journal.schedule(TASK, retention.sweep)
    taken = rooms.journal.claim_schedule(f"{socket.gethostname()}:{os.getpid()}", LEASE, name=TASK)
    if taken is None:
        return None
    done: dict[str, Tally] | None = None
    try:
        done = go(library)
        rooms.journal.passed(TASK)
    except EvidenceError:
        raise
    except ExpungeError as fault:
        due = rooms.clock.now() + INCIDENT_CLOCK
        rooms.journal.open_incident(
            fault.code, TASK, owner="privacy engineer", due=due, note=f"the round over unused profiles stopped: {fault}"
        )
    rooms.journal.finish_schedule(taken)
    return done


def keep(library: Expunge, subject: str, *, by: str) -> datetime:
    """A guardian asks to keep a child's profile for a further term; until when it is kept (UTC). ``by`` is the guardian.

    Raises:
        InvalidRequest: ``by`` is not this child's guardian, or no end of the profile is under way.
        UnknownSubject: the profile is not among the unused.
    """
    ref, guardian = library.subject(subject), library.subject(by)
    rule = next((one for one in rules(library) if one.kind == ref.kind), None)
    if rule is None or ref.identity != rule.identity:
        raise InvalidRequest(f"a child is named by the kind's key; the policy has no idle rule for {ref.kind}")
    numbers = library.rooms.journal.numbers([Identifier(rule.identity, ref.value)])
    if not numbers:
        raise UnknownSubject("the profile is not among the unused: nothing of it is about to end")
    hands = _hands(library)
    if not _is_guardian(hands, rule, ref.value, guardian.kind, guardian.value):
        raise InvalidRequest("who asks is not this child's guardian")
    try:
        return keep_profile(hands, rule, next(iter(numbers.values())))
    except OutOfOrder as fault:
        raise InvalidRequest(f"it can't be kept now: {fault}") from None


def standing(library: Expunge) -> list[Standing]:
    """How many profiles stand where."""
    found = []
    for rule in rules(library):
        counts: dict[str, int] = {}
        ends: list[datetime] = []
        for page in library.rooms.journal.idle([one.value for one in State]):
            for row in (row for row in page if row.kind == rule.kind):
                counts[row.state] = counts.get(row.state, 0) + 1
                due = _due(row, rule)
                ends += [due] if due is not None else []
        found.append(Standing(rule.kind, dict(sorted(counts.items())), min(ends, default=None)))
    return found


def _due(row: IdleRow, rule: IdleRule) -> datetime | None:
    if row.state not in {one.value for one in OPEN}:
        return None
    return Idle(row.number, State(row.state), row.found_at, row.since, row.told_at, row.kept_until).ends_at(rule.lengths)


def _is_guardian(hands: Hands, rule: IdleRule, child: str, kind: str, key: str) -> bool:
    if rule.guardian is None or rule.guardian.kind != kind:
        return False
    _, there = state_of(hands.stores, rule, [child], hands.clock.now())
    found = there.get(key_text(child))
    return found is not None and found.guardian is not None and key_text(found.guardian) == key_text(key)


def _hands(library: Expunge) -> Hands:
    rooms = library.rooms

    def say(statement: Mapping[str, Json]) -> None:
        whole = {**statement, "policy": rooms.policy.digest}
        rooms.log.append(make_entries(STATEMENT, whole, rooms.executor, rooms.verifier))

    def file(kind: str, keys: Sequence[str]) -> None:
        identity = rooms.policy.catalog.kinds[kind].key
        children = rooms.policy.children
        assert children is not None
        authority = f"term: not used by the {kind} for {children.idle_after.days} days, and nobody asked to keep it"
        with suppress(UnknownSubject):  # of all of them nothing is left: somebody else's request was faster
            library.request([f"{kind}:{identity}={key}" for key in keys], requester=REQUESTER, authority=authority, by=REQUESTER)

    return Hands(rooms.stores, rooms.journal, rooms.keys, rooms.clock, rooms.journal, say, file)
