"""What will have come to its end at a time, and why; told before anything is done. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from expunge.retain.rules import Rule
from expunge.terms import Json


@dataclass(frozen=True, slots=True)
class Due:
    """What one rule ends: so many records, of which the first was due at ``first`` (UTC; ``None``: their time lies in other records).

    ``months`` counts by the month in which they come due, where that is known.
    """

    rule: Rule
    records: int
    first: datetime | None
    months: Mapping[str, int] = field(default_factory=dict[str, int])

    def as_json(self) -> Json:
        """For ``--json``."""
        rule = self.rule
        return {
            "term": rule.name,
            "collection": rule.collection,
            "kind": rule.kind,
            "records": self.records,
            "fields": list(rule.fields) or None,
            "person": rule.own,
            "keep_days": rule.keep / timedelta(days=1),
            "from": rule.clock,
            "follows": rule.follows,
            "first_due": self.first.isoformat() if self.first else None,
            "by_month": dict(sorted(self.months.items())),
            "why": rule.why,
        }


@dataclass(frozen=True, slots=True)
class Outlook:
    """All rules at one time. ``undated``: records by collection whose time is missing or unreadable, so that no term can end them."""

    at: datetime
    policy: str
    due: tuple[Due, ...]
    undated: Mapping[str, int]

    @property
    def records(self) -> int:
        """How many records have ended, people's own ones included."""
        return sum(one.records for one in self.due)

    def as_json(self) -> Json:
        """For ``--json``."""
        return {
            "at": self.at.isoformat(),
            "policy": self.policy,
            "records": self.records,
            "due": [one.as_json() for one in self.due],
            "undated": dict(sorted(self.undated.items())),
        }
