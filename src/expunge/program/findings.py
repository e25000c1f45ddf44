"""What a control finds: holds, broken, or not checked; with the evidence in numbers and the places by their names in the policy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Three answers; what was not looked at is neither of the other two."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNCHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, the evidence in words and numbers, and the places (``store.collection``, ``file:line:column``) that it is about."""

    verdict: Verdict
    evidence: str
    places: tuple[str, ...] = ()


def holds(evidence: str, *places: str) -> Finding:
    """It was looked at, and it is so."""
    return Finding(Verdict.HOLDS, evidence, places)


def broken(evidence: str, *places: str) -> Finding:
    """It was looked at, and it is not so."""
    return Finding(Verdict.BROKEN, evidence, places)


def unchecked(evidence: str, *places: str) -> Finding:
    """It could not be looked at, or not far enough to say yes."""
    return Finding(Verdict.UNCHECKED, evidence, places)
