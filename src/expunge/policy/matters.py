"""What people are asked about, one by one, and what a no to it means for what is kept. Pure.

A *matter* is one thing that somebody may say yes or no to by itself: a purpose, the templates (voiceprints, faceprints) that a purpose
makes, or one recipient outside who receives data (16 CFR 312.5(a)(2)). A no to one of them changes nothing about the others, so that
nothing beyond what the service needs can be made its condition (312.7).

For a minor every purpose is a matter, whatever its basis for others: nothing is collected from a child before a parent's yes
(312.5(a)(1)). For everybody else those are that rest on consent (GDPR 6(1)(a)).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from expunge.errors import InvalidRequest
from expunge.policy.model import Policy, Term
from expunge.policy.taxonomy import covers, personal

ESSENTIAL = "essential"
"""fideslang's uses below this one are what a service can't be given without."""


class Sort(StrEnum):
    """The four sorts of consent that are asked for apart."""

    SERVICE = "service"
    MORE = "more than the service"
    TEMPLATE = "voiceprint or face template"
    DISCLOSURE = "disclosure to others"


@dataclass(frozen=True, slots=True, order=True)
class Matter:
    """One thing to consent to. As text: ``improve``, ``guard/template``, ``improve/to/RECIPIENT``."""

    purpose: str
    template: bool = False
    recipient: str = ""

    def __str__(self) -> str:
        """As it is written on the command line and kept in the ledger."""
        return f"{self.purpose}/template" if self.template else f"{self.purpose}/to/{self.recipient}" if self.recipient else self.purpose

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one.

        Raises:
            InvalidRequest: it isn't written like that.
        """
        match text.split("/"):
            case [purpose] if purpose:
                return cls(purpose)
            case [purpose, "template"] if purpose:
                return cls(purpose, template=True)
            case [purpose, "to", recipient] if purpose and recipient:
                return cls(purpose, recipient=recipient)
            case _:
                raise InvalidRequest("a matter is written PURPOSE, PURPOSE/template or PURPOSE/to/RECIPIENT")


@dataclass(frozen=True, slots=True)
class Kept:
    """What of a kind is kept for some matters only (``alone``), and what also for others (``also``): data categories, sorted."""

    alone: tuple[str, ...]
    also: tuple[str, ...]


def needs_consent(policy: Policy, kind: str, purpose: str) -> bool:
    """Whether data of this kind of subject may be used for the purpose only after a yes. An unknown name needs one.

    Contact data that is kept only to ask for consent needs none (16 CFR 312.5(c)(1)).
    """
    known, held = policy.catalog.kinds.get(kind), policy.purposes.get(purpose)
    if known is None or held is None:
        return True
    return purpose != policy.family.asking and (known.minor or held.basis == "consent")


def matter_for(policy: Policy, kind: str, purpose: str, category: str) -> Matter | None:
    """What has to be consented to before a record of this category is taken in for the purpose; ``None``: nothing."""
    template = _is_template(policy, category)
    if not needs_consent(policy, kind, purpose) and not (template and policy.catalog.kinds[kind].minor):
        return None
    return Matter(purpose, template=template)


def matters(policy: Policy, kind: str) -> tuple[Matter, ...]:
    """Everything that somebody of this kind, or their guardian, is asked about, in the policy's order."""
    found: dict[Matter, None] = {}
    for term in policy.terms:
        if term.of == kind and needs_consent(policy, kind, term.purpose):
            categories = _below(policy, term)
            for category in categories:
                found[Matter(term.purpose, template=_is_template(policy, category))] = None
    for recipient in policy.recipients.values():
        about = [term for term in policy.terms if term.of == kind and _touch(recipient.what, term.category)]
        if about and not recipient.integral and recipient.key not in policy.family.internal:
            found[Matter(recipient.purpose, recipient=recipient.key)] = None
    return tuple(found)


def sort_of(policy: Policy, matter: Matter) -> Sort:
    """Which of the four sorts a matter is."""
    if matter.recipient:
        return Sort.DISCLOSURE
    if matter.template:
        return Sort.TEMPLATE
    purpose = policy.purposes.get(matter.purpose)
    return Sort.SERVICE if purpose is not None and covers(ESSENTIAL, purpose.use) else Sort.MORE


def require_matters(policy: Policy, kind: str, texts: Collection[str]) -> tuple[Matter, ...]:
    """The matters that these texts name, in the policy's order; all of the kind's, if none is named.

    Raises:
        InvalidRequest: one that nobody of this kind is asked about, or there is nothing to ask about at all.
    """
    known = matters(policy, kind)
    wanted = {Matter.parse(text) for text in texts} or set(known)
    if strange := [one for one in wanted if one not in known]:
        told = ", ".join(str(one) for one in known) or "nothing"
        raise InvalidRequest(f"no consent to {min(strange)} is asked for a subject of kind {kind}; it is asked for {told}")
    if not wanted:
        raise InvalidRequest(f"the policy keeps nothing of a subject of kind {kind} that needs a consent")
    return tuple(one for one in known if one in wanted)


def discloses(policy: Policy, kind: str) -> tuple[str, ...]:
    """The recipients to whom data of this kind is disclosed; those that only support internal operations are none (16 CFR 312.2)."""
    about = [term.category for term in policy.terms if term.of == kind]
    return tuple(
        one.key
        for one in policy.recipients.values()
        if one.key not in policy.family.internal and any(_touch(one.what, category) for category in about)
    )


def kept_for(policy: Policy, kind: str, refused: Collection[Matter], without: Collection[Matter] = ()) -> Kept:
    """What of a kind is kept for the refused matters and for nothing else that may go on; ``without`` are further ones that may not.

    Counted in the categories that collections hold, not in those that terms name: a term for ``user.biometric`` says nothing about which
    of what lies below another purpose needs too. A category that covers one which stays is left, and told.
    """
    alone: set[str] = set()
    also: set[str] = set()
    for category in _held(policy):
        by = {Matter(term.purpose, template=_is_template(policy, category)) for term in policy.terms if term.covers(kind, category)}
        if by & set(refused):
            (alone if by <= {*refused, *without} else also).add(category)
        elif by:
            also.add(category)
    staying = {one for one in alone if any(covers(one, other) for other in also)}
    touched = {one for one in also if any(term.covers(kind, one) for term in policy.terms if Matter(term.purpose) in set(refused))}
    return Kept(tuple(sorted(alone - staying)), tuple(sorted(staying | touched)))


def _held(policy: Policy) -> tuple[str, ...]:
    """Every personal category that a collection's field has, and every one that a term names."""
    fields = (one for note in policy.catalog.collections.values() for held in note.fields.values() for one in held.categories)
    return tuple(sorted(set(personal(fields))))


def _below(policy: Policy, term: Term) -> tuple[str, ...]:
    """The categories that lie under a term and are held somewhere; the term's own, where nothing is."""
    return tuple(one for one in _held(policy) if covers(term.category, one)) or (term.category,)


def _is_template(policy: Policy, category: str) -> bool:
    return any(covers(one, category) for one in policy.family.templates)


def _touch(what: Collection[str], category: str) -> bool:
    return any(covers(one, category) or covers(category, one) for one in what)
