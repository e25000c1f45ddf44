"""How a run ends: closed when every step is done, or withdrawn before the first was handed out.

Either way its key is destroyed before its rows go: were we stopped between the two, what is left is unreadable, and ending it again
finishes the work.
"""

from __future__ import annotations

from sqlalchemy import case, or_, select, update

from expunge.errors import InvalidRequest
from expunge.journal.desk import RUN_SPACE
from expunge.journal.records import RequestStatus, Run, RunStatus
from expunge.journal.runs import Runs, locked_run, require_finished
from expunge.journal.schema import finds, requests, run_overlaps, runs, steps, target_pages, targets

_BECOME_CLOSED = (RequestStatus.RUNNING, RequestStatus.INCOMPLETE, RequestStatus.DONE)


class Endings(Runs):
    """The ends of runs."""

    def close_run(self, run_id: str) -> Run:
        """End a run of which every step is done: destroy its key, then its targets, its plan and its requests' sealed references.

        Requests that were running, incomplete or done become closed. Idempotent.

        Raises:
            RunUnfinished: a step isn't done.
            InvalidRequest: the run was withdrawn, or never approved.
            UnknownRequest: there is no such run.
        """
        with self._database.writing() as connection:
            row = locked_run(connection, run_id)
            if row.status in (RunStatus.AWAITING_APPROVAL, RunStatus.WITHDRAWN):
                msg = f"a run that is {row.status} can't be closed"
                raise InvalidRequest(msg, where=run_id)
            require_finished(connection, run_id)
            if row.status != RunStatus.CLOSED:
                # From here on no step can be added, so nothing can ask for the key that goes next.
                connection.execute(update(runs).where(runs.c.id == run_id).values(status=RunStatus.CLOSING))
            served = requests.c.run_id == run_id
            ids = list(connection.scalars(select(requests.c.id).where(served, requests.c.status.in_(_BECOME_CLOSED))))
        if ids:
            self.set_request_status(ids, RequestStatus.CLOSED)
        if row.status != RunStatus.CLOSED:
            self._end(run_id, row.number, RunStatus.CLOSED)
        return self.run(run_id)

    def withdraw_run(self, run_id: str) -> None:
        """Take back a run of which no step was ever handed out; its requests are free to be planned again. Idempotent.

        Raises:
            InvalidRequest: it has begun, or is closed.
            UnknownRequest: there is no such run.
        """
        with self._database.writing() as connection:
            row = locked_run(connection, run_id)
            begun = connection.execute(select(steps.c.id).where(steps.c.run_id == run_id, steps.c.fence > 0).limit(1)).first()
            if begun is not None or row.status in (RunStatus.CLOSING, RunStatus.CLOSED):
                msg = "the run has begun and can't be taken back"
                raise InvalidRequest(msg, where=run_id)
            connection.execute(update(runs).where(runs.c.id == run_id).values(status=RunStatus.WITHDRAWN))
            status = case((requests.c.status == RequestStatus.RUNNING, RequestStatus.RECEIVED), else_=requests.c.status)
            connection.execute(update(requests).where(requests.c.run_id == run_id).values(run_id=None, status=status))
        self._end(run_id, row.number, RunStatus.WITHDRAWN)

    def _end(self, run_id: str, number: int, status: RunStatus) -> None:
        self._sealer.destroy(RUN_SPACE, [number])
        with self._database.writing() as connection:
            for table in (target_pages, targets):
                connection.execute(table.delete().where(table.c.run_id == run_id))
            connection.execute(update(finds).where(finds.c.run_id == run_id).values(sealed=None))
            ended = {"status": status, "sealed_plan": None, "closed_at": self._clock.now()}
            connection.execute(update(runs).where(runs.c.id == run_id).values(**ended))
            pair = or_(run_overlaps.c.run_id == run_id, run_overlaps.c.other_id == run_id)
            connection.execute(run_overlaps.delete().where(pair))
