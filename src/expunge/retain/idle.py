"""Idle child profiles: when a profile that no child uses ends, as a state machine without I/O.

A profile of a minor that the child has not used for ``idle_after`` is *inactive*. Its guardian is told through every channel there is and
may *keep* it for a further ``idle_after``; use by the child makes it *active* again; otherwise everything collected from the child goes:
the notice's length after the guardian was told, and at the latest ``erase_within`` after the profile became inactive. The legal order:

    (nobody's) -> INACTIVE -> TOLD -> ENDING          found unused; told; the erasure is filed
    INACTIVE, TOLD, KEPT -> ACTIVE                    the child used it, on whatever day
    INACTIVE, TOLD -> KEPT -> INACTIVE                kept by the guardian; unused for that whole further term
    TOLD -> INACTIVE                                  every letter came back: nobody was told
    INACTIVE, TOLD, KEPT -> GONE                      somebody else's request erased the profile
    ACTIVE, GONE -> INACTIVE                          unused for another term; a new profile under an old key

ENDING is final: tombstones refuse the child from then on, and the run's receipt tells the rest. What is not listed is refused.

What counts as use is declared (``children.used_by``) and nothing else counts: not a heartbeat, not a background sync, nothing that a
parent did. A notice that reaches nobody does not stop the end: 16 CFR 312.10 lets no child's data be kept indefinitely, and silence is no
wish to keep. Turning 13 changes nothing: what was collected from a child stays a child's (16 CFR 312.2).

Terms: United States v. Amazon.com (Alexa), 2:23-cv-00811, order of July 2023: 18 months without use, then 90 days, unless the parent asks
to keep the profile or it becomes active. All three lengths are the policy's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

ROOM = timedelta(days=7)
"""Left of ``erase_within`` when an end that nobody was told of comes: a run with its retries, and an operator's week."""


class State(StrEnum):
    """Where an unused profile stands; see the module."""

    INACTIVE = "inactive"
    TOLD = "told"
    KEPT = "kept"
    ACTIVE = "active"
    ENDING = "ending"
    GONE = "gone"


OPEN = (State.INACTIVE, State.TOLD, State.KEPT)
"""States in which something is still to come."""


class OutOfOrder(ValueError):
    """A step that the legal order does not have."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """The policy's lengths: unused for ``idle_after``, told ``notice`` before the end, gone ``erase_within`` after becoming inactive."""

    idle_after: timedelta
    notice: timedelta
    erase_within: timedelta


@dataclass(frozen=True, slots=True)
class Idle:
    """One profile by its registry number. Times are aware and in UTC.

    ``found_at``: when it was found unused. ``since``: when it became inactive, as far as its last use is known; else ``found_at``.
    """

    number: int
    state: State
    found_at: datetime
    since: datetime
    told_at: datetime | None = None
    kept_until: datetime | None = None

    def ends_at(self, lengths: Lengths) -> datetime | None:
        """When its end is due; ``None`` where no end is under way.

        Nobody is surprised by a backlog: a profile that has been inactive for years when it is found has the notice's whole length, too.
        """
        if self.state not in (State.INACTIVE, State.TOLD):
            return None
        latest = max(self.since + lengths.erase_within - min(ROOM, lengths.erase_within / 2), self.found_at + lengths.notice)
        return latest if self.told_at is None else min(latest, self.told_at + lengths.notice)

    def must_be_gone(self, lengths: Lengths) -> datetime:
        """When the last of it has to be gone, by the promise: of a backlog, counted from when it was found."""
        return max(self.since, self.found_at) + lengths.erase_within


def found(number: int, now: datetime, last_use: datetime | None, lengths: Lengths) -> Idle:
    """A profile that was found unused; ``last_use`` (aware) is the last that is known of, be it the making of the profile."""
    became = now if last_use is None else min(now, last_use + lengths.idle_after)
    return Idle(number, State.INACTIVE, now, became)


def told(one: Idle, now: datetime) -> Idle:
    """A letter to the guardian has gone out."""
    _expect(one, State.INACTIVE, State.TOLD)
    return replace(one, state=State.TOLD, told_at=one.told_at or now)


def returned(one: Idle) -> Idle:
    """All letters came back: nobody was told."""
    _expect(one, State.TOLD, State.INACTIVE)
    return replace(one, state=State.INACTIVE, told_at=None)


def kept(one: Idle, now: datetime, lengths: Lengths) -> Idle:
    """The guardian asks to keep it: for a further term from now."""
    _expect(one, *OPEN)
    return replace(one, state=State.KEPT, told_at=None, kept_until=now + lengths.idle_after)


def used(one: Idle) -> Idle:
    """The child has used it."""
    _expect(one, *OPEN)
    return replace(one, state=State.ACTIVE)


def gone(one: Idle) -> Idle:
    """Its own record is gone, by somebody else's request."""
    _expect(one, *OPEN)
    return replace(one, state=State.GONE)


def due_again(one: Idle, now: datetime) -> bool:
    """Whether a kept profile's further term has run out."""
    return one.state is State.KEPT and one.kept_until is not None and one.kept_until <= now


def again(one: Idle, now: datetime) -> Idle:
    """Unused for the whole further term: inactive anew, and the guardian is told anew."""
    if not due_again(one, now):
        raise OutOfOrder("its further term has not run out")
    assert one.kept_until is not None
    return Idle(one.number, State.INACTIVE, now, one.kept_until)


def ending(one: Idle, now: datetime, lengths: Lengths) -> Idle:
    """Its end has come: the erasure is filed."""
    due = one.ends_at(lengths)
    if due is None or now < due:
        raise OutOfOrder(f"a profile that is {one.state.value} does not end now")
    return replace(one, state=State.ENDING)


def _expect(one: Idle, *states: State) -> None:
    if one.state not in states:
        raise OutOfOrder(f"a profile that is {one.state.value} has no such step")
