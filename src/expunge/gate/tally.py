"""What a gate let through and why it kept back the rest: numbers, never who."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from expunge.terms import Json


class Reason(StrEnum):
    """Why a record is refused, in the order of the codes of ``judging``; the first is that it is not."""

    ADMITTED = "admitted"
    UNKNOWN = "unknown subject"
    ERASED = "erased"
    HIDDEN = "hidden"
    HELD = "held for viewing only"
    NO_CONSENT = "no consent"
    TEMPLATE = "no consent to a voiceprint or face template"
    EXPIRED = "past its term"


@dataclass(slots=True)
class Tally:
    """Records by what became of them. With ``logging_only`` the refused ones were let through all the same."""

    logging_only: bool = False
    counts: Counter[Reason] = field(default_factory=Counter[Reason])

    @property
    def refused(self) -> int:
        """How many were refused, or would have been."""
        return sum(count for reason, count in self.counts.items() if reason is not Reason.ADMITTED)

    @property
    def admitted(self) -> int:
        """How many may be trained on."""
        return self.counts[Reason.ADMITTED]

    def as_json(self) -> Json:
        """Counts per reason, for a log or a manifest."""
        return {"logging_only": self.logging_only, **{reason.value: self.counts[reason] for reason in Reason if self.counts[reason]}}
