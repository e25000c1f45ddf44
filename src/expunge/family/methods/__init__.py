"""The methods of verifiable parental consent (16 CFR 312.5(b)(2)), by the names that the policy lists them under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from expunge.errors import InvalidRequest
from expunge.family.methods.base import Challenge, Message, Method, Opening, Outcome, Result
from expunge.family.methods.message_plus import MessagePlus
from expunge.family.methods.provided import PROVIDED, Proof, Provided, Provider
from expunge.family.methods.questions import Questions, next_questions
from expunge.family.methods.signed_form import SignedForm
from expunge.family.methods.stand_ins import StandIn
from expunge.policy.family import Family

_OWN: tuple[Method, ...] = (
    SignedForm(),
    Questions(),
    MessagePlus("email-plus", "16 CFR 312.5(b)(2)(viii)", "email"),
    MessagePlus("text-plus", "16 CFR 312.5(b)(2)(ix)", "text"),
)


def methods(family: Family, providers: Mapping[str, Provider] | None = None) -> dict[str, Method]:
    """The methods in use, in the policy's order; those that need somebody outside with who is connected, or a stand-in if allowed."""
    known: dict[str, Method] = {one.name: one for one in _OWN}
    known |= {one.name: _connected(one, family, (providers or {}).get(one.name)) for one in PROVIDED}
    return {name: known[name] for name in family.methods}


def method(family: Family, name: str, providers: Mapping[str, Provider] | None = None) -> Method:
    """One method in use.

    Raises:
        InvalidRequest: the policy does not list it.
    """
    known = methods(family, providers)
    if name not in known:
        raise InvalidRequest(f"the policy's family.methods has no {name!r}; it lists {', '.join(known)}")
    return known[name]


def _connected(one: Provided, family: Family, provider: Provider | None) -> Provided:
    if provider is None and family.stand_ins:
        return replace(one, provider=StandIn(one.needs), stand_in=True)
    return replace(one, provider=provider)


__all__ = [
    "Challenge",
    "Message",
    "Method",
    "Opening",
    "Outcome",
    "Proof",
    "Provider",
    "Result",
    "method",
    "methods",
    "next_questions",
]
