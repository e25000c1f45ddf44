"""The system's clock, guarded: within one process time never runs backwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from expunge.errors import ClockWentBack

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TOLERANCE = timedelta(minutes=1)
"""Steps back up to this are stood still for: NTP's own are below a second, a minute means that somebody set the clock."""


class SystemClock:
    """A ``ports.Clock`` that reads the machine's time. Threads may share it."""

    def __init__(self, read: Callable[[], int] = time.time_ns) -> None:
        """Read the time with ``read``: nanoseconds since 1970 in UTC."""
        self._read = read
        self._latest = _EPOCH
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time, aware, in UTC, in microseconds; never earlier than what this clock gave before.

        After a small step back it stands still until the time has caught up.

        Raises:
            ClockWentBack: the machine's clock was set back further; what this process knows of time can't be trusted.
        """
        read = _EPOCH + timedelta(microseconds=self._read() // 1000)
        with self._lock:
            if read < self._latest - TOLERANCE:
                msg = f"it was set back by {self._latest - read}"
                raise ClockWentBack(msg, where="system clock")
            self._latest = max(self._latest, read)
            return self._latest
