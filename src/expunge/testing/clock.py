"""A clock that a test holds in its hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SECOND = timedelta(seconds=1)


class FakeClock:
    """A ``ports.Clock`` that stands still until it is moved; it may be moved back, to test what guards against that."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Begin at ``now`` (aware)."""
        self._now = now
        self.set(now)

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return self._now

    def set(self, now: datetime) -> None:
        """Move to ``now``.

        Raises:
            ValueError: it is naive.
        """
        if now.tzinfo is None:
            raise ValueError("a clock is set to an aware datetime")
        self._now = now.astimezone(UTC)

    def tick(self, step: timedelta = SECOND) -> datetime:
        """Move by ``step`` (back if negative) and give the new time."""
        self._now += step
        return self._now
