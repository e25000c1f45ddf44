"""The stand-in: plays a provider that is not connected, for trying out and for tests. It verifies nobody.

It is used only where the policy says ``family: {stand_ins: allowed}``, and the ledger calls what came of it a stand-in's word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from expunge.family.methods.provided import Proof
from expunge.terms import Json


@dataclass(frozen=True, slots=True)
class StandIn:
    """Says what it is told to say: ``{"stand_in": "yes"}``, ``"no"``, or nothing yet."""

    vouches: frozenset[str]

    def begin(self, reference: str, given: Mapping[str, Json]) -> Mapping[str, Json]:
        """Show that nobody is there."""
        del given
        return {"stand_in": f"A stand-in plays the provider of {reference}: answer stand_in: yes or no. Nobody is verified."}

    def result(self, reference: str, answer: Mapping[str, Json]) -> Proof | None:
        """As it is told."""
        told = answer.get("stand_in")
        return None if told not in {"yes", "no"} else Proof(told == "yes", self.vouches, f"stand-in {reference}".encode())
