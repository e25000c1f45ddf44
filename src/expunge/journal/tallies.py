"""Counts over the whole journal, for the controls of public claims: one query each, and no person in any of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from expunge.journal.desk import Desk
from expunge.journal.records import RequestStatus
from expunge.journal.schema import receipts, requests
from expunge.journal.schema_family import askings

WAITING = (RequestStatus.HIDDEN, RequestStatus.UNDOING, RequestStatus.RECEIVED, RequestStatus.RUNNING, RequestStatus.INCOMPLETE)
"""A request in one of these has not got what it asked for; one that is held waits for its hold's end and not for us."""

READING = "access"


@dataclass(frozen=True, slots=True)
class RequestTally:
    """Requests other than those to see what is held: how many there were, and when the one that waits longest was filed (UTC)."""

    total: int
    oldest_open: datetime | None


class Tallies(Desk):
    """Counts."""

    def request_tally(self) -> RequestTally:
        """How many requests there were, and how old the oldest open one is."""
        erasing = requests.c.kind != READING
        waiting = requests.c.status.in_([one.value for one in WAITING])
        with self._database.reading() as connection:
            total: int = connection.execute(select(func.count()).select_from(requests).where(erasing)).scalar_one()
            oldest: datetime | None = connection.execute(select(func.min(requests.c.filed_at)).where(erasing & waiting)).scalar_one()
        return RequestTally(total, oldest)

    def latest_receipts(self, limit: int) -> list[Path]:
        """Where the latest receipts for requests lie, the newest first."""
        query = select(receipts.c.path).where(receipts.c.request_id.is_not(None)).order_by(receipts.c.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return [Path(one) for one in connection.execute(query).scalars()]

    def asking_tally(self) -> tuple[int, datetime | None]:
        """How many askings for consent there were, and when the oldest that has not ended was begun (UTC)."""
        with self._database.reading() as connection:
            total: int = connection.execute(select(func.count()).select_from(askings)).scalar_one()
            oldest: datetime | None = connection.execute(
                select(func.min(askings.c.asked_at)).where(askings.c.ended_at.is_(None))
            ).scalar_one()
        return total, oldest
