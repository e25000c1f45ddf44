"""Remembers: the control database and durable execution.

``Journal`` is the one door; ``records`` are the values that go through it. Each concern is one file: ``registry`` (people), ``requests``,
``holds``, ``runs`` and ``ending``, ``steps`` (leases and fences), ``targets``, ``receipts``, ``incidents``, ``schedules``.
"""

from expunge.journal.backoff import backoff
from expunge.journal.journal import Journal

__all__ = ["Journal", "backoff"]
