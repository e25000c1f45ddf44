"""Public sentences held against the controls that keep them true.

A claim holds, is broken, or was not checked; the third is never taken for the first. A control that can't reach what it would look at has
not looked. One control run answers for all sentences that rest on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import rfc8785

from expunge.errors import KeyStoreError, PolicyError, StoreError
from expunge.policy.publishing import Claim
from expunge.program.controls import CONTROLS
from expunge.program.estate import Estate
from expunge.program.findings import Finding, Verdict
from expunge.terms import Json


@dataclass(frozen=True, slots=True)
class Checked:
    """A claim and what its control found."""

    claim: Claim
    finding: Finding

    @property
    def is_broken(self) -> bool:
        """Whether it does not hold."""
        return self.finding.verdict is Verdict.BROKEN

    def as_json(self) -> Json:
        """For ``--json``."""
        claim, found = self.claim, self.finding
        return {
            "says": claim.says,
            "control": claim.control,
            "of": claim.of,
            "category": claim.category,
            "purpose": claim.purpose,
            "verdict": found.verdict.value,
            "evidence": found.evidence,
            "places": list(found.places),
            "declared_at": str(claim.mark or ""),
        }


def check_claims(claims: Iterable[Claim], estate: Estate) -> list[Checked]:
    """Run each claim's control, each control and its subject once."""
    found: dict[tuple[str | None, ...], Finding] = {}
    checked = []
    for claim in claims:
        about = (claim.control, claim.of, claim.category, claim.purpose)
        if about not in found:
            found[about] = _run(claim, estate)
        checked.append(Checked(claim, found[about]))
    return checked


def control_of(claim: Claim) -> str:
    """The name under which a broken claim's incident is kept: the same sentence is the same incident."""
    whole = [claim.says, claim.control, claim.of, claim.category, claim.purpose]
    return f"claim:{hashlib.sha256(rfc8785.dumps(whole)).hexdigest()[:16]}"


def _run(claim: Claim, estate: Estate) -> Finding:
    control = CONTROLS[claim.control]
    try:
        return control(claim, estate)
    except (StoreError, KeyStoreError) as fault:
        return Finding(Verdict.UNCHECKED, f"could not be asked now: {fault.code}", (fault.where,) if fault.where else ())
    except PolicyError as fault:
        return Finding(Verdict.BROKEN, f"the policy and the stores do not fit: {fault.code}; `expunge policy check` says where")
