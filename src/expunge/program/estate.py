"""What a control may ask: the live stores, the journal and the policy, as answers in numbers and places.

``app`` hands the concrete one in. Nothing here carries an identifier, so that a finding can be shown to anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from expunge.policy.catalog import Problem
from expunge.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Act:
    """What an erasure would do to one collection (``store.collection``) that holds what was asked about.

    ``stays``: why nothing, or not all, of it would go; ``None`` if it goes.
    """

    collection: str
    verb: str
    stays: str | None = None


@dataclass(frozen=True, slots=True)
class Overdue:
    """Records of a collection that are there past their end. ``categories`` end in them; the first was due at ``since`` (UTC)."""

    collection: str
    kind: str
    categories: tuple[str, ...]
    records: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Requests:
    """How requests are going. ``oldest_open`` (UTC): when the one that waits longest was filed. Of ``receipts``, ``bad`` did not verify."""

    total: int
    oldest_open: datetime | None
    incomplete: int
    receipts: int
    bad: int


@dataclass(frozen=True, slots=True)
class Post:
    """How letters are going. ``oldest_due`` (UTC): the one that is due for longest and has not gone; ``None`` if none waits."""

    total: int
    undelivered: int
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True)
class IdleState:
    """How a kind's unused profiles stand: how many were found in all, and when the next of them has to be gone (UTC)."""

    kind: str
    found: int
    next_end: datetime | None


class Estate(Protocol):
    """One look at everything; answers may be kept for as long as the look lasts.

    Every method may raise ``StoreError`` (a part can't be asked now) or ``PolicyError`` (the policy and the stores don't fit).
    """

    @property
    def policy(self) -> Policy:
        """The policy."""
        ...

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        ...

    def away(self) -> Mapping[str, str]:
        """Stores that can't be asked now, with the fault's code."""
        ...

    def troubles(self) -> Sequence[Problem]:
        """What would stop every erasure or sweep: errors only."""
        ...

    def acts(self, kind: str | None, category: str | None) -> Sequence[Act]:
        """What an erasure of this would do, per collection that holds any of it."""
        ...

    def unreadable(self, kind: str | None) -> Sequence[str]:
        """Collections of this kind's data that can't be read out for the person whose it is."""
        ...

    def undeclared(self) -> Mapping[str, int]:
        """Per store, how many collections it holds that the policy doesn't mention."""
        ...

    def overdue(self, at: datetime) -> Sequence[Overdue]:
        """What was due before ``at`` (aware) and is still there, legal holds apart."""
        ...

    def undated(self) -> Mapping[str, int]:
        """Per collection, how many records have no time from which their term could count."""
        ...

    def holds(self) -> int:
        """How many legal holds stand."""
        ...

    def requests(self) -> Requests:
        """How erasure requests are going."""
        ...

    def incidents(self) -> Mapping[str, int]:
        """Open incidents by kind."""
        ...

    def post(self) -> Post:
        """How letters are going."""
        ...

    def idle(self) -> Sequence[IdleState]:
        """How unused profiles stand."""
        ...

    def unconsented(self, kind: str) -> Sequence[str] | None:
        """Terms of this kind whose records the door takes in without a parent's yes; ``None`` where nothing is collected of it."""
        ...

    def oldest_asking(self) -> tuple[int, datetime | None]:
        """How many askings there ever were, and when the oldest that still waits was begun (UTC)."""
        ...
