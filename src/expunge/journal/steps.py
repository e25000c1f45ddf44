"""Steps: durable execution as rows. A step is handed to one worker at a time, under a lease and a fence.

- A worker that dies says nothing; its lease runs out and any live worker takes the step over, with the next fence.
- A worker that was only slow finds its fence outdated: all its writes name step, fence and owner in the same UPDATE (``LeaseLost``).
- What a step does outside is repeated after a crash, so it must be idempotent; the journal can't fence the outside.
- A step is a kind's name and JSON. A newer program continues an older one's run as long as it still knows the kind.

**Clocks.** Waits and leases are times of the caller's clock. Put forward, it ends leases early: harmless, the fence decides. Put back, it
would make them last for as long as it was put back; so each is written down with the time it was set at (``since``), and one that was set
in the future (by more than ``SKEW``) is void. Timers (``wait_until``) name a date and keep it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, and_, bindparam, case, exists, func, or_, select, update

from expunge.errors import InvalidRequest, LeaseLost
from expunge.journal.desk import Desk
from expunge.journal.overlaps import must_wait
from expunge.journal.records import ENDED_RUNS, WORKABLE_RUNS, Lease, NewStep, RunStatus, StepRow, StepStatus
from expunge.journal.runs import FREE, TURN, locked_run, step_rows
from expunge.journal.schema import Instant, runs, steps
from expunge.terms import Json

SKEW = timedelta(minutes=1)
"""How far apart the workers' clocks may be; NTP keeps them within milliseconds, so a minute means that one was set by hand."""

LEASE = timedelta(seconds=30)
"""A dead worker's step is taken over after at most this long; a live one renews it at every progress or heartbeat."""

STANDS_STILL = 3
"""Failures of one step in a row after which its run keeps no other waiting: once is a conflict, three times an outage."""


class Steps(Desk):
    """The plan as rows."""

    def add_steps(self, run_id: str, new: Sequence[NewStep]) -> None:
        """Add these steps; those whose name the run already has stay as they are, so adding them again changes nothing.

        Raises:
            InvalidRequest: the run has ended.
            UnknownRequest: there is no such run.
        """
        rows = step_rows(run_id, new)
        with self._database.writing() as connection:
            row = locked_run(connection, run_id)
            if row.status in ENDED_RUNS:
                msg = f"the run is {row.status}; nothing can be added"
                raise InvalidRequest(msg, where=run_id)
            if row.status == RunStatus.DONE and new:
                connection.execute(update(runs).where(runs.c.id == run_id).values(status=RunStatus.RUNNING))
            self._database.insert_new(connection, steps, rows)

    def claim(self, worker: str, run_id: str | None = None, lease: timedelta = LEASE) -> Lease | None:
        """Take the next step that is due, of ``run_id`` or of the run that has waited longest; ``None`` if there is none now.

        A step is handed out when all of its run's lower ranks are done, it is waiting or its lease has run out, and its run is approved
        and need not wait for another.
        """
        with self._database.writing() as connection:
            return self._claim(connection, worker, run_id, lease)

    def heartbeat(self, lease: Lease) -> Lease:
        """Renew the lease for its length from now.

        Raises:
            LeaseLost: another worker has the step now.
        """
        return self._write(lease)

    def progress(self, lease: Lease, done: int, note: Json = None) -> Lease:
        """Journal how much is done and a note for whoever continues, and renew the lease.

        Raises:
            LeaseLost: another worker has the step now; nothing was written.
        """
        return replace(self._write(lease, done=done, note=note), done=done, note=note)

    def finish(self, lease: Lease, result: Json = None) -> None:
        """Journal that the step is done.

        Raises:
            LeaseLost: another worker has the step now; nothing was written.
        """
        with self._database.writing() as connection:
            self._finish(connection, lease, result)

    def finish_and_claim(self, lease: Lease, result: Json = None, run_id: str | None = None) -> Lease | None:
        """``finish``, and ``claim`` for the same worker and length, as one transaction: one wait for the disk instead of two.

        ``None`` says only that this transaction saw no step: two workers that each finish the last but one of a rank at the same moment
        don't see each other, so ``claim`` has to be asked again.

        Raises:
            LeaseLost: another worker has the step now; nothing was written.
        """
        with self._database.writing() as connection:
            self._finish(connection, lease, result)
            return self._claim(connection, lease.owner, run_id, lease.length)

    def retry(self, lease: Lease, error_code: str, wait: timedelta, message: str = "") -> None:
        """Put the step back for ``wait``; ``message`` says what happened, without identifiers.

        A run of which a step fails again and again becomes incomplete, until that step is finished or reopened.

        Raises:
            LeaseLost: another worker has the step now; nothing was written.
        """
        now = self._clock.now()
        waiting = {"status": StepStatus.WAITING, "owner": None, "since": now, "until": now + wait, "timer": False}
        with self._database.writing() as connection:
            _fenced(connection, lease, {**waiting, "error_code": error_code, "error_message": message})
            if lease.attempt >= STANDS_STILL:
                _move(connection, lease.run_id, RunStatus.RUNNING, RunStatus.INCOMPLETE)

    def wait_until(self, lease: Lease, when: datetime, note: Json = None) -> None:
        """Put the step back until ``when`` (aware): a durable timer. Its attempts are counted anew.

        Raises:
            LeaseLost: another worker has the step now; nothing was written.
        """
        waiting = {"status": StepStatus.WAITING, "owner": None, "since": self._clock.now(), "until": when, "timer": True}
        self._write(lease, **waiting, attempts=0, note=note)

    def give_up(self, lease: Lease, error_code: str, message: str = "") -> None:
        """Stop trying until an operator reopens the step; a run that was running becomes incomplete.

        Raises:
            LeaseLost: another worker has the step now; nothing was written.
        """
        with self._database.writing() as connection:
            given = {**FREE, "status": StepStatus.GIVEN_UP, "error_code": error_code, "error_message": message}
            _fenced(connection, lease, given)
            _move(connection, lease.run_id, RunStatus.RUNNING, RunStatus.INCOMPLETE)

    def reopen(self, run_id: str, step_names: Collection[str]) -> int:
        """Put given-up steps back, their attempts forgotten, and the run behind those that are running; how many were put back.

        The run is running again unless another of its steps is still given up.

        Raises:
            InvalidRequest: the run has ended.
            UnknownRequest: there is no such run.
        """
        with self._database.writing() as connection:
            row = locked_run(connection, run_id)
            if row.status in ENDED_RUNS:
                msg = f"the run is {row.status}"
                raise InvalidRequest(msg, where=run_id)
            where = (steps.c.run_id == run_id) & steps.c.name.in_(step_names) & (steps.c.status == StepStatus.GIVEN_UP)
            count = connection.execute(update(steps).where(where).values(**FREE, status=StepStatus.WAITING, attempts=0)).rowcount
            if count and row.status in WORKABLE_RUNS:
                left = select(steps.c.id).where(steps.c.run_id == run_id, steps.c.status == StepStatus.GIVEN_UP).limit(1)
                status = RunStatus.RUNNING if connection.execute(left).first() is None else row.status
                turn = self._database.allocate(connection, TURN, 1)[0]
                connection.execute(update(runs).where(runs.c.id == run_id).values(status=status, turn=turn))
        return count

    def steps(self, run_id: str) -> list[StepRow]:
        """The run's steps as they stand, by rank and in the order they were added."""
        with self._database.reading() as connection:
            rows = connection.execute(select(steps).where(steps.c.run_id == run_id).order_by(steps.c.rank, steps.c.id))
            return [_step(row) for row in rows]

    def next_due(self, run_id: str | None = None) -> datetime | None:
        """When ``claim`` may next have something: now, if it has; ``None`` if only an operator or another run can change that."""
        now = self._clock.now()
        query = _NEXT_DUE if run_id is None else _NEXT_DUE_OF
        with self._database.reading() as connection:
            every, later, first = connection.execute(query, _moment(now, run_id)).one()
        if not every:
            return None
        return now if later < every else first

    def _claim(self, connection: Connection, worker: str, run_id: str | None, length: timedelta) -> Lease | None:
        now = self._clock.now()
        found = connection.execute(_NEXT if run_id is None else _NEXT_OF, _moment(now, run_id)).first()
        if found is None or not _serve(connection, found.run_id):
            return None
        taken = {"of_step": found.id, "to_owner": worker, "to_since": now, "to_until": now + length}
        return _lease(connection.execute(_TAKE, taken).one(), found.number, length)

    def _finish(self, connection: Connection, lease: Lease, result: Json) -> None:
        done = {"status": StepStatus.DONE, "result": result, "finished_at": self._clock.now(), "error_code": None, "error_message": None}
        _fenced(connection, lease, {**FREE, **done})
        if lease.failed_with is not None:
            _recovered(connection, lease.run_id)

    def _write(self, lease: Lease, **values: object) -> Lease:
        renewed = {"since": self._clock.now(), "until": self._clock.now() + lease.length}
        with self._database.writing() as connection:
            _fenced(connection, lease, {**renewed, **values})
        return replace(lease, until=renewed["until"])


def hold_fence(connection: Connection, lease: Lease, now: datetime) -> None:
    """Renew the lease inside the caller's transaction, so that what else it writes is fenced too.

    Raises:
        LeaseLost: another worker has the step now.
    """
    _fenced(connection, lease, {"since": now, "until": now + lease.length})


def _fenced(connection: Connection, lease: Lease, values: dict[str, Any]) -> None:
    if connection.execute(_MINE, {**values, "of_step": lease.step, "of_fence": lease.fence, "of_owner": lease.owner}).rowcount != 1:
        msg = f"step {lease.name} is no longer in this worker's hands"
        raise LeaseLost(msg, where=lease.run_id)


def _move(connection: Connection, run_id: str, old: RunStatus, new: RunStatus) -> None:
    connection.execute(update(runs).where(runs.c.id == run_id, runs.c.status == old).values(status=new))


def _recovered(connection: Connection, run_id: str) -> None:
    """An incomplete run is running again when none of its unfinished steps has a fault on record."""
    troubled = select(steps.c.id).where(steps.c.run_id == run_id, steps.c.status != StepStatus.DONE, steps.c.error_code.is_not(None))
    if connection.execute(troubled.limit(1)).first() is None:
        _move(connection, run_id, RunStatus.INCOMPLETE, RunStatus.RUNNING)


def _one_of(column: Column[Any], words: Collection[str]) -> ColumnElement[bool]:
    """As ``in_``, whose list would be written into the statement anew at every execution."""
    return or_(*(column == word for word in words))


def _claimable() -> Select[Any]:
    """Steps that could be handed out, but for the time."""
    lower = steps.alias("lower")
    earlier = exists().where(lower.c.run_id == steps.c.run_id, lower.c.status != StepStatus.DONE, lower.c.rank < steps.c.rank)
    query = select(steps.c.id, steps.c.run_id, runs.c.number).join(runs, runs.c.id == steps.c.run_id)
    query = query.where(_one_of(runs.c.status, WORKABLE_RUNS), _one_of(steps.c.status, (StepStatus.WAITING, StepStatus.LEASED)))
    return query.where(~earlier.correlate(steps), ~must_wait())


def _due() -> ColumnElement[bool]:
    future = and_(steps.c.timer.is_(False), steps.c.since > bindparam("beyond", type_=Instant))
    return or_(steps.c.until.is_(None), steps.c.until <= bindparam("now", type_=Instant), future)


def _moment(now: datetime, run_id: str | None) -> dict[str, object]:
    """What the statements below are given."""
    return {"now": now, "beyond": now + SKEW, **({} if run_id is None else {"of_run": run_id})}


def _next() -> Select[Any]:
    query = _claimable().where(_due()).order_by(runs.c.served, runs.c.turn, steps.c.rank, steps.c.id).limit(1)
    return query.with_for_update(of=steps, skip_locked=True)


def _next_due() -> Select[int, int, Any]:
    when = case((_due(), None), else_=steps.c.until)
    return _claimable().with_only_columns(func.count(), func.count(when), func.min(when, type_=Instant))


# Built once: to build the search for a step took 3 ms, to run it a tenth of that, and SQLAlchemy keeps the text of what it has seen.
_OF_RUN = runs.c.id == bindparam("of_run")
_NEXT, _NEXT_DUE = _next(), _next_due()
_NEXT_OF, _NEXT_DUE_OF = _NEXT.where(_OF_RUN), _NEXT_DUE.where(_OF_RUN)
_LAST = select(func.max(runs.c.served)).scalar_subquery()
_SERVE = update(runs).where(_OF_RUN, _one_of(runs.c.status, WORKABLE_RUNS)).values(served=_LAST + 1)
_OF_STEP = steps.c.id == bindparam("of_step")
_MINE = update(steps).where(
    _OF_STEP, steps.c.fence == bindparam("of_fence"), steps.c.owner == bindparam("of_owner"), steps.c.status == StepStatus.LEASED
)
_TAKE = (
    update(steps)
    .where(_OF_STEP)
    .values(
        owner=bindparam("to_owner"),
        since=bindparam("to_since"),
        until=bindparam("to_until"),
        timer=False,
        status=StepStatus.LEASED,
        fence=steps.c.fence + 1,
        attempts=steps.c.attempts + 1,
    )
    .returning(steps)
)


def _serve(connection: Connection, run_id: str) -> bool:
    """Put the run at the end of the queue; ``False`` if it ended while its step was being looked for."""
    return connection.execute(_SERVE, {"of_run": run_id}).rowcount == 1


def _lease(row: Row[Any], run_number: int, length: timedelta) -> Lease:
    return Lease(
        step=row.id,
        run_id=row.run_id,
        run_number=run_number,
        rank=row.rank,
        name=row.name,
        kind=row.kind,
        store=row.store,
        collection=row.collection,
        payload=row.payload,
        done=row.done,
        note=row.note,
        attempt=row.attempts,
        fence=row.fence,
        owner=row.owner,
        length=length,
        until=row.until,
        failed_with=row.error_code,
    )


def _step(row: Row[Any]) -> StepRow:
    return StepRow(
        name=row.name,
        rank=row.rank,
        kind=row.kind,
        store=row.store,
        collection=row.collection,
        payload=row.payload,
        status=StepStatus(row.status),
        attempts=row.attempts,
        done=row.done,
        note=row.note,
        result=row.result,
        due=row.until,
        owner=row.owner,
        error_code=row.error_code,
        error_message=row.error_message,
        finished_at=row.finished_at,
    )
