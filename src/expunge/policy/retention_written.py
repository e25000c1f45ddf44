"""The policy's ``retention`` as it is written."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema

from expunge.policy.options import Strict
from expunge.policy.quantities import UNITS, Share, duration

IMMEDIATELY = "immediately"


def choice(written: object) -> timedelta:
    """A duration, or nothing for ``immediately``.

    Raises:
        ValueError: as ``duration``.
    """
    return timedelta() if written == IMMEDIATELY else duration(written)


def every(written: object) -> timedelta:
    """A duration that is longer than nothing.

    Raises:
        ValueError: as ``duration``, or it is none.
    """
    found = duration(written)
    if not found:
        raise ValueError("a sweep comes back after some time: write 1 day")
    return found


_SPELLED = rf"^(\d{{1,9}} ?({'|'.join(UNITS)})s?|P[0-9YMWDTHS]+)$"
_CHOICE = {"anyOf": [{"const": IMMEDIATELY}, {"type": "string", "pattern": _SPELLED}]}
Every = Annotated[timedelta, PlainValidator(every), WithJsonSchema({"type": "string", "pattern": _SPELLED})]
Choice = Annotated[timedelta, PlainValidator(choice), WithJsonSchema(_CHOICE)]


class WrittenRetention(Strict):
    """How terms are enforced."""

    sweep: Every = Field(default=timedelta(days=1), description="How often a worker sweeps; a day if left out.")
    choices: list[Choice] = Field(default_factory=list, description="Shorter terms that a household may choose: immediately, 3 months, …")
    breaker: Share = Field(default=Decimal("0.2"), description="A sweep above this share of a collection waits for a person; 20 %.")
