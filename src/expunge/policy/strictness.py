"""Which of several terms is the strictest: what decides about a record that is, or may be, several people's. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from expunge.policy.model import Policy, Term


def strictest(terms: Iterable[Term]) -> Term | None:
    """The shortest of these terms; of equally short ones the first by its purpose. ``None``: there is none, and nothing may be kept."""
    return min(terms, key=lambda one: (one.keep or timedelta.max, one.purpose, one.of), default=None)


def household_kinds(policy: Policy, kind: str) -> tuple[str, ...]:
    """The kinds of whom a record may be that is only known to be of this household: its members', and its own."""
    return (kind, *(one.name for one in policy.catalog.kinds.values() if one.member_of == kind))


def strictest_term(policy: Policy, kinds: Collection[str], category: str, purpose: str) -> Term | None:
    """The strictest term that a category has for a purpose among these kinds, leaving out kinds of which none speaks.

    Who is under no term is nobody whose record it may be: a record that no kind has a term for has none.
    """
    return strictest(one for one in policy.terms if one.of in kinds and one.purpose == purpose and one.covers(one.of, category))
