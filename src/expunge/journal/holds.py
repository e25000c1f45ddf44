"""Holds: duties to keep, which outrank erasure. They are asked before a plan and again between batches."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, select, update

from expunge.errors import UnknownRequest
from expunge.journal.database import chunks
from expunge.journal.desk import Desk, fresh_id
from expunge.journal.records import Hold
from expunge.journal.schema import Instant, holds, run_subjects

_STANDING = holds.c.lifted_at.is_(None) & (holds.c.until.is_(None) | (holds.c.until > bindparam("now", type_=Instant)))
_HELD_IN = (
    # Built once: it is asked before every batch.
    select(holds.c.id)
    .join(run_subjects, run_subjects.c.subject == holds.c.subject)
    .where(run_subjects.c.run_id == bindparam("of_run"), _STANDING)
    .limit(1)
)


class Holds(Desk):
    """The holds' register."""

    def place_hold(self, subject: int, authority: str, reason: str, until: datetime | None = None) -> Hold:
        """Keep everything of ``subject`` until ``until`` (aware; ``None``: until lifted). ``reason`` names no person.

        Raises:
            UnknownRequest: the registry has no such subject.
        """
        hold = Hold(fresh_id("hold"), subject, authority, reason, self._clock.now(), until)
        with self._database.writing() as connection:
            connection.execute(
                holds.insert().values(
                    id=hold.id, subject=subject, authority=authority, reason=reason, placed_at=hold.placed_at, until=hold.until
                )
            )
        return hold

    def lift_hold(self, hold_id: str) -> None:
        """End a hold now. Lifting it twice changes nothing.

        Raises:
            UnknownRequest: there is no such hold.
        """
        with self._database.writing() as connection:
            lifted = update(holds).where(holds.c.id == hold_id, holds.c.lifted_at.is_(None)).values(lifted_at=self._clock.now())
            if connection.execute(lifted).rowcount:
                return
            if connection.execute(select(holds.c.id).where(holds.c.id == hold_id)).first() is None:
                msg = f"there is no hold {hold_id!r}"
                raise UnknownRequest(msg)

    def held(self, subjects: Collection[int], at: datetime | None = None) -> set[int]:
        """Those of ``subjects`` that are under a hold at ``at`` (aware; now, if not given)."""
        when = at or self._clock.now()
        found: set[int] = set()
        with self._database.reading() as connection:
            for chunk in chunks(subjects):
                where = holds.c.subject.in_(chunk) & holds.c.lifted_at.is_(None) & (holds.c.until.is_(None) | (holds.c.until > when))
                found.update(connection.scalars(select(holds.c.subject).where(where)))
        return found

    def held_in(self, run_id: str) -> bool:
        """Whether anybody whose records this run touches is under a hold now: one query, asked between batches."""
        with self._database.reading() as connection:
            return connection.execute(_HELD_IN, {"of_run": run_id, "now": self._clock.now()}).first() is not None

    def holds(self, subject: int) -> list[Hold]:
        """All holds that were ever placed on ``subject``, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(holds).where(holds.c.subject == subject).order_by(holds.c.placed_at))
            return [Hold(row.id, row.subject, row.authority, row.reason, row.placed_at, row.until, row.lifted_at) for row in rows]
