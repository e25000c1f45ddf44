"""How long to wait before the next attempt."""

from __future__ import annotations

from datetime import timedelta
from random import Random

_MOST_DOUBLINGS = 63
"""A microsecond doubled so often is longer than any cap."""


def backoff(attempt: int, base: timedelta, cap: timedelta, rng: Random) -> timedelta:
    """A wait that doubles with each attempt (from 1) up to ``cap``, of which the upper half is left to chance.

    The chance keeps many workers that failed together from coming back together; the lower half keeps a wait from being none.
    """
    seconds = base.total_seconds() * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS)
    return timedelta(seconds=min(cap.total_seconds(), seconds) * rng.uniform(0.5, 1.0))
