"""A neutral age screen: it asks everybody alike when they were born, suggests no answer, and does not let itself be asked twice.

16 CFR 312.2, "mixed audience": age is asked for in a neutral manner that does not default to a set age or encourage visitors to falsify it.
So the question names no limit and no consequence; a birth date, or only a year, is typed and not picked from a list that starts anywhere;
an answer under the limit, or none, is remembered for a while, and then another date from the same device or session changes nothing.
What was typed is never kept.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

QUESTION = "When were you born?"
"""All that is asked. No limit, no reason, no example: each would tell a child which year to type."""

OLDEST = 125
"""Years; the longest life on record was 122. A greater age is no answer."""


class Age(StrEnum):
    """What an answer says. Only ``GROWN`` is let past without a parent; ``UNSAID`` is no answer, or none that can be true."""

    GROWN = "of age"
    CHILD = "under age"
    UNSAID = "not said"


def screen(born: date | int | None, today: date, under: int) -> Age:
    """What a birth date, or only its year, says of somebody on ``today``: ``under`` is the limit in years.

    Of a year the last day is meant: whoever may still be under the limit is taken for a child.
    """
    if born is None:
        return Age.UNSAID
    year, month, day = (born.year, born.month, born.day) if isinstance(born, date) else (born, 12, 31)
    if (year, month, day) > (today.year, today.month, today.day) and not (isinstance(born, int) and born == today.year):
        return Age.UNSAID
    years = today.year - year - ((today.month, today.day) < (month, day))
    if years > OLDEST:
        return Age.UNSAID
    return Age.CHILD if years < under else Age.GROWN


def remembers(age: Age) -> bool:
    """Whether the device or session that said so is to be remembered for a while."""
    return age is not Age.GROWN


def answer(said: Age, before: str | None) -> Age:
    """What counts: what was said before, as long as it is remembered, whatever is said now."""
    return Age(before) if before is not None else said
