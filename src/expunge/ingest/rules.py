"""What the policy alone says of a kind of record: whether it may be taken in, as whose, for how long, and after whose yes. Pure.

A batch has few kinds of records, however many it has: each is judged once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from expunge.ingest.arrivals import Arrival, Why
from expunge.policy.matters import Matter, Sort, matter_for, sort_of
from expunge.policy.model import Policy, Term
from expunge.policy.strictness import household_kinds, strictest, strictest_term
from expunge.policy.taxonomy import covers


@dataclass(frozen=True, slots=True)
class Rule:
    """How records of one sort are dealt with: refused (``why``), or taken in as a ``kind``'s under ``term``, after a yes to ``matter``."""

    why: Why | None
    kind: str = ""
    term: Term | None = None
    matter: Matter | None = None

    def ends(self, captured_at: datetime, now: datetime) -> datetime | None:
        """When a record has to be gone. A time of capture in the future (a device's clock is ahead) gives it no longer life."""
        if self.term is None or self.term.keep is None or self.term.since != CAPTURED:
            return None
        return min(captured_at, now) + self.term.keep


CAPTURED = "captured_at"


def rule_for(policy: Policy, arrival: Arrival) -> Rule:
    """The rule for an arrival; it depends on everything but whose it is and when it was captured."""
    kind = arrival.kind if arrival.kind is not None else policy.family.unattributed
    if kind is None:
        return Rule(Why.UNATTRIBUTED)
    if kind not in policy.catalog.kinds:
        return Rule(Why.UNKNOWN_KIND)
    note = policy.catalog.collections.get(arrival.collection)
    if note is None:
        return Rule(Why.UNKNOWN_PLACE)
    declared = [one for held in note.fields.values() for one in held.categories]
    if not any(covers(arrival.category, one) or covers(one, arrival.category) for one in declared):
        return Rule(Why.UNDECLARED)
    return _unattributed(policy, kind, arrival) if arrival.kind is None else _attributed(policy, kind, arrival)


def _attributed(policy: Policy, kind: str, arrival: Arrival) -> Rule:
    term = _term(policy, kind, arrival)
    if term is None:
        return Rule(Why.NO_TERM)
    return Rule(None, kind, term, matter_for(policy, kind, arrival.purpose, arrival.category))


def _unattributed(policy: Policy, kind: str, arrival: Arrival) -> Rule:
    """A record that may be anybody's of the household, a child's too: the strictest term, and nothing for which a child's parent is asked.

    So it is taken in for what the service needs and for nothing more: no training, no template of a voice or face.
    """
    term = strictest_term(policy, household_kinds(policy, kind), arrival.category, arrival.purpose)
    if term is None:
        return Rule(Why.NO_TERM)
    matter = matter_for(policy, kind, arrival.purpose, arrival.category)
    if matter is not None or sort_of(policy, Matter(arrival.purpose, template=_template(policy, arrival))) is not Sort.SERVICE:
        return Rule(Why.NO_CONSENT)
    return Rule(None, kind, term)


def _template(policy: Policy, arrival: Arrival) -> bool:
    return any(covers(one, arrival.category) for one in policy.family.templates)


def _term(policy: Policy, kind: str, arrival: Arrival) -> Term | None:
    """The narrowest term for the category and the purpose; of equally narrow ones the shortest."""
    found = [one for one in policy.terms if one.purpose == arrival.purpose and one.covers(kind, arrival.category)]
    narrow = max((one.category.count(".") for one in found), default=0)
    return strictest(one for one in found if one.category.count(".") == narrow)


def is_past(ends: datetime | None, now: datetime) -> bool:
    """Whether a record would have to be gone already."""
    return ends is not None and ends - now <= timedelta(0)
