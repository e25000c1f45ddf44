"""What a policy says of its sweeps, as a value: how often, what households may choose, and when a sweep has to wait for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from expunge.policy.catalog import Mark


@dataclass(frozen=True, slots=True)
class Retention:
    """How terms are enforced.

    ``sweep``: how often a worker sweeps. ``choices``: lengths that a household may choose below the policy's terms; nothing is
    *immediately*. ``breaker``: above this share of a collection a sweep waits for a person, whoever approved the policy's sweeps: a wrong
    clock or a loosened term must not empty a store.
    """

    sweep: timedelta = timedelta(days=1)
    choices: tuple[timedelta, ...] = ()
    breaker: Decimal = Decimal("0.2")
    mark: Mark | None = None
