"""Methods that somebody outside carries out: a payment service, a call centre, a database of identity documents, a face match.

The interface is ``Provider``. An operator hands its own to ``Families.connect``; what a provider found is a ``Proof``, and a method
counts it only with the facts that its clause asks for. Without a provider the method is unfit, unless the policy allows stand-ins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from expunge.errors import InvalidRequest
from expunge.family.methods.base import Challenge, Opening, Outcome, Result, tried
from expunge.terms import Json

TRIES = 3
"""A card may be declined, or a picture blurred; who fails three times needs another method."""


@dataclass(frozen=True, slots=True, repr=False)
class Proof:
    """What a provider found. ``facts`` are what it vouches for, by name; ``evidence`` is what it looked at, or its own reference."""

    verified: bool
    facts: frozenset[str] = frozenset()
    evidence: bytes = b""

    def __repr__(self) -> str:
        """Nothing of the evidence."""
        return f"Proof({self.verified})"


class Provider(Protocol):
    """Who carries a method out."""

    def begin(self, reference: str, given: Mapping[str, Json]) -> Mapping[str, Json]:
        """Open a case under our reference; what the guardian is to be shown: a payment page, a number to call, where to send a picture."""
        ...

    def result(self, reference: str, answer: Mapping[str, Json]) -> Proof | None:
        """What came of the case; ``None`` while it is open. Whatever it keeps of its own is its to delete: the facts say so.

        Raises:
            Unavailable: it can't be reached now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Provided:
    """One such method. ``needs`` are facts without which a proof does not count."""

    name: str
    clause: str
    needs: frozenset[str]
    tells: str
    provider: Provider | None = field(default=None, compare=False)
    stand_in: bool = False

    def unfit(self, discloses: Sequence[str]) -> str | None:
        """Fit for every consent once a provider is connected."""
        del discloses
        return None if self.provider is not None else f"no provider of {self.name} is connected; {self.tells}"

    def begin(self, opening: Opening) -> Challenge:
        """Open a case with the provider."""
        shown = self._connected().begin(opening.reference, opening.given)
        return Challenge(shown, {"reference": opening.reference})

    def answer(self, held: Mapping[str, Json], answer: Mapping[str, Json]) -> Outcome:
        """Ask the provider what came of it."""
        proof = self._connected().result(str(held["reference"]), answer)
        if proof is None:
            return Outcome(Result.PENDING, held, because="the provider has not decided yet")
        if not proof.verified:
            return tried(held, TRIES, "the provider could not verify the guardian")
        if missing := sorted(self.needs - proof.facts):
            return tried(held, TRIES, f"the provider does not vouch for {', '.join(missing)}")
        return Outcome(Result.VERIFIED, evidence=proof.evidence)

    def _connected(self) -> Provider:
        if self.provider is None:
            raise InvalidRequest(str(self.unfit(())))
        return self.provider


PROVIDED = (
    Provided(
        "card",
        "16 CFR 312.5(b)(2)(ii)",
        frozenset({"transaction", "notified"}),
        "it makes a transaction, of which the holder of the account is notified by itself",
    ),
    Provided(
        "phone-call",
        "16 CFR 312.5(b)(2)(iii)",
        frozenset({"toll_free", "trained"}),
        "the parent calls a toll-free number that trained personnel answer",
    ),
    Provided("video-call", "16 CFR 312.5(b)(2)(iv)", frozenset({"trained"}), "the parent joins a video call with trained personnel"),
    Provided(
        "government-id",
        "16 CFR 312.5(b)(2)(v)",
        frozenset({"database", "deleted"}),
        "an official document is checked against a database of such information and deleted promptly",
    ),
    Provided(
        "id-and-face",
        "16 CFR 312.5(b)(2)(vii)",
        frozenset({"genuine", "face_matches", "trained", "deleted"}),
        "an authentic photo ID is compared with a picture of the parent, trained personnel confirm, and both are deleted promptly",
    ),
)
"""The methods that need somebody outside, with what their clauses ask for."""
