"""What comes back every so often: sweeps, patrols, checks. A worker takes a task that is due, does it, and says so.

At least once: a worker that dies while doing it loses its lease, and another takes it. Occasions that were missed while nobody worked are
made up for by one, not by as many as were missed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, or_, select, update

from expunge.errors import LeaseLost
from expunge.journal.desk import Desk
from expunge.journal.records import Schedule
from expunge.journal.schema import schedules
from expunge.journal.steps import SKEW
from expunge.terms import Json

_LEASE = timedelta(minutes=10)
"""What is scheduled starts runs, and runs do the work: ten minutes are ample for starting one."""


class Schedules(Desk):
    """The timetable."""

    def schedule(self, name: str, every: timedelta, payload: Json = None, *, first: datetime | None = None) -> None:
        """Put a task on the timetable, for ``first`` (aware; now, if not given) and then ``every`` so often.

        One of that name keeps its next time, unless ``every`` is new: then it is due after that from now.

        Raises:
            ValueError: ``every`` is not longer than nothing.
        """
        if every <= timedelta():
            msg = "a task comes back after some time"
            raise ValueError(msg)
        now = self._clock.now()
        row = {"name": name, "every": every, "payload": payload, "due": first or now, "since": now, "fence": 0}
        other = (schedules.c.name == name) & (schedules.c.every != every)
        with self._database.writing() as connection:
            self._database.insert_new(connection, schedules, [row])
            connection.execute(update(schedules).where(other).values(every=every, due=first or now + every, since=now))
            connection.execute(update(schedules).where(schedules.c.name == name).values(payload=payload))

    def unschedule(self, name: str) -> None:
        """Take a task off the timetable. Idempotent."""
        with self._database.writing() as connection:
            connection.execute(schedules.delete().where(schedules.c.name == name))

    def schedules(self) -> list[Schedule]:
        """The timetable, the next one first."""
        with self._database.reading() as connection:
            return [_schedule(row) for row in connection.execute(select(schedules).order_by(schedules.c.due, schedules.c.name))]

    def claim_schedule(self, worker: str, lease: timedelta = _LEASE, *, name: str | None = None) -> Schedule | None:
        """Take the task that has been due longest (or the one of that name), for at most ``lease``; ``None`` if none is due."""
        now = self._clock.now()
        # ``since`` in the future: the clock was put back after the time was set, which would then never come (see steps.py).
        due = or_(schedules.c.due <= now, schedules.c.since > now + SKEW)
        free = or_(schedules.c.owner.is_(None), schedules.c.until <= now, schedules.c.since > now + SKEW)
        query = select(schedules.c.name).where(due, free).order_by(schedules.c.due, schedules.c.name).limit(1)
        query = query if name is None else query.where(schedules.c.name == name)
        with self._database.writing() as connection:
            found = connection.scalar(query.with_for_update(skip_locked=True))
            if found is None:
                return None
            taken = {"owner": worker, "until": now + lease, "since": now, "fence": schedules.c.fence + 1}
            changed = update(schedules).where(schedules.c.name == found).values(**taken)
            return _schedule(connection.execute(changed.returning(schedules)).one())

    def finish_schedule(self, taken: Schedule) -> None:
        """Say that the task is done for this time; its next time is the first of its series that has not come yet.

        Raises:
            LeaseLost: another worker has taken it.
        """
        now = self._clock.now()
        missed = max(0, (now - taken.due) // taken.every)
        mine = (schedules.c.name == taken.name) & (schedules.c.fence == taken.fence) & (schedules.c.owner == taken.owner)
        done = {"owner": None, "until": None, "since": now, "due": min(taken.due + taken.every * (missed + 1), now + taken.every)}
        with self._database.writing() as connection:
            if connection.execute(update(schedules).where(mine).values(**done)).rowcount != 1:
                msg = f"task {taken.name} is no longer in this worker's hands"
                raise LeaseLost(msg)


def _schedule(row: Row[Any]) -> Schedule:
    return Schedule(row.name, row.every, row.payload, row.due, row.fence, row.owner)
