"""What exactly is asked for, in words, with a digest by which the ledger knows later which words somebody agreed to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from expunge.policy.matters import Matter, Sort, sort_of
from expunge.policy.model import Policy

VERSION = "consent/1"
"""The form of these words; a change of form is another version, a change of what the policy says another digest."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The words that somebody agrees to; ``digest`` is their SHA-256, in hex."""

    text: str
    version: str
    digest: str


def wording(policy: Policy, kind: str, matters: Sequence[Matter]) -> Wording:
    """One line for each matter, from the policy's own terms: what for, how long, and who else receives it."""
    text = "\n".join(f"- {_line(policy, kind, one)}" for one in matters)
    return Wording(text, VERSION, hashlib.sha256(f"{VERSION}\n{text}".encode()).hexdigest())


def _line(policy: Policy, kind: str, matter: Matter) -> str:
    if matter.recipient:
        to = policy.recipients[matter.recipient]
        return f"{to.name} receives data from us, to {to.does}"
    terms = [one for one in policy.terms if one.of == kind and one.purpose == matter.purpose]
    needs = "; ".join(dict.fromkeys(one.need for one in terms))
    longest = max((one.keep or timedelta.max for one in terms), default=timedelta.max)
    kept = "" if longest == timedelta.max else f" (kept for at most {longest.days} days)"
    template = "a template of the voice or face, by which somebody is recognised, to " if sort_of(policy, matter) is Sort.TEMPLATE else ""
    return f"{matter}: {template}{needs}{kept}"
