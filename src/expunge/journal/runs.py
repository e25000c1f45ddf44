"""Runs: one plan for a batch of requests, from its start to where it stands now. How a run ends is told in ``ending.py``."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, literal, select, update

from expunge.errors import ApprovalNeeded, InvalidRequest, KeyDestroyed, RunUnfinished, UnknownRequest
from expunge.journal.database import chunks
from expunge.journal.desk import RUN_SPACE, fresh_id
from expunge.journal.overlaps import pair_up, waits_for
from expunge.journal.records import WORKABLE_RUNS, NewStep, RequestStatus, Run, RunStatus, StepStatus
from expunge.journal.requests import Requests
from expunge.journal.schema import canonical, requests, run_subjects, runs, steps
from expunge.terms import Json

FREE = {"owner": None, "since": None, "until": None, "timer": False}
"""The columns of a step that nobody holds."""

TURN = "turn"
"""The counter by which runs on one person go one after the other."""


class Runs(Requests):
    """The runs' register."""

    def start_run(
        self,
        request_ids: Collection[str],
        plan: Json,
        *,
        plan_digest: str,
        policy_digest: str,
        needs_approval: bool,
        started_by: str,
        touches: Iterable[int] = (),
        first: Sequence[NewStep] = (),
    ) -> Run:
        """Begin a run for these requests, with its own key. A run that needs approval hands out nothing before it has it.

        ``first`` are its first steps, there as soon as the run is: a run without a step would wait for ever.

        ``touches`` are further subjects whose records the plan reaches (a household's people), so that runs on them take turns.

        Raises:
            InvalidRequest: a request is unknown, or another run already serves it.
            UnknownRequest: the registry has no such subject.
        """
        with self._database.writing() as connection:
            number = self._database.allocate(connection, RUN_SPACE, 1)[0]
        self._sealer.make(RUN_SPACE, [number])
        id_ = fresh_id("run")
        sealed = self._sealer.seal(RUN_SPACE, number, zlib.compress(canonical(plan).encode()), bound_to=_bound(id_))
        status = RunStatus.AWAITING_APPROVAL if needs_approval else RunStatus.RUNNING
        with self._database.writing() as connection:
            # Held to the end also by those who take no turn yet, so that two runs begun at once see each other.
            self._database.lock(connection, TURN)
            turn = None if needs_approval else self._database.allocate(connection, TURN, 1)[0]
            row = {"id": id_, "number": number, "status": status, "turn": turn, "served": 0, "sealed_plan": sealed}
            row |= {"plan_digest": plan_digest, "policy_digest": policy_digest, "needs_approval": needs_approval}
            connection.execute(runs.insert().values(**row, started_by=started_by, started_at=self._clock.now()))
            _take(connection, id_, set(request_ids), RequestStatus.RECEIVED if needs_approval else RequestStatus.RUNNING)
            self._database.insert_new(connection, run_subjects, [{"run_id": id_, "subject": subject} for subject in set(touches)])
            self._database.insert_new(connection, steps, step_rows(id_, first))
            pair_up(connection, id_)
        return self.run(id_)

    def approve(self, run_id: str, digest: str, by: str) -> Run:
        """Let a run begin that needs a second person's word on its plan. Approving it again changes nothing.

        Raises:
            ApprovalNeeded: ``by`` started it, or ``digest`` is not its plan's.
            UnknownRequest: there is no such run.
        """
        with self._database.writing() as connection:
            row = locked_run(connection, run_id)
            if digest != row.plan_digest:
                msg = "the digest is not that of the run's plan"
                raise ApprovalNeeded(msg, where=run_id)
            if by == row.started_by:
                msg = "who started a run can't be the one who approves it"
                raise ApprovalNeeded(msg, where=run_id)
            if row.status == RunStatus.AWAITING_APPROVAL:
                turn = self._database.allocate(connection, TURN, 1)[0]
                approved = {"status": RunStatus.RUNNING, "turn": turn, "approved_by": by, "approved_at": self._clock.now()}
                connection.execute(update(runs).where(runs.c.id == run_id).values(**approved))
                theirs = (requests.c.run_id == run_id) & (requests.c.status == RequestStatus.RECEIVED)
                connection.execute(update(requests).where(theirs).values(status=RequestStatus.RUNNING))
        return self.run(run_id)

    def run(self, run_id: str) -> Run:
        """One run.

        Raises:
            UnknownRequest: there is none of that id.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(runs).where(runs.c.id == run_id)).first()
            if row is None:
                raise unknown_run(run_id)
            return _run(row, waits_for(connection, [run_id]).get(run_id, ()))

    def runs(self, status: RunStatus | None = None) -> list[Run]:
        """The runs (of one status), oldest first."""
        query = select(runs).order_by(runs.c.number)
        with self._database.reading() as connection:
            rows = connection.execute(query if status is None else query.where(runs.c.status == status)).all()
            waits = waits_for(connection, [row.id for row in rows if row.status in WORKABLE_RUNS])
        return [_run(row, waits.get(row.id, ())) for row in rows]

    def plan(self, run_id: str) -> Json:
        """The run's plan as it was given.

        Raises:
            UnknownRequest: there is no such run.
            KeyDestroyed: the run is closed; only the plan's digest is left.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(runs.c.number, runs.c.sealed_plan).where(runs.c.id == run_id)).first()
        if row is None:
            raise unknown_run(run_id)
        if row.sealed_plan is None:
            msg = "the plan was destroyed when the run ended"
            raise KeyDestroyed(msg, where=run_id)
        plan: Json = json.loads(zlib.decompress(self._sealer.unseal(RUN_SPACE, row.number, row.sealed_plan, bound_to=_bound(run_id))))
        return plan

    def set_run_status(self, run_id: str, status: RunStatus) -> None:
        """Say where a run stands: ``running``, ``pending``, ``incomplete`` or ``done``.

        Raises:
            RunUnfinished: ``done``, and a step isn't.
            InvalidRequest: another status, or a run that has ended or was never approved.
            UnknownRequest: there is no such run.
        """
        with self._database.writing() as connection:
            row = locked_run(connection, run_id)
            if status not in (*WORKABLE_RUNS, RunStatus.DONE) or row.status not in (*WORKABLE_RUNS, RunStatus.DONE):
                msg = f"a run that is {row.status} can't be made {status.value} this way"
                raise InvalidRequest(msg, where=run_id)
            if status is RunStatus.DONE:
                require_finished(connection, run_id)
            connection.execute(update(runs).where(runs.c.id == run_id).values(status=status))


def step_rows(run_id: str, new: Sequence[NewStep]) -> list[dict[str, object]]:
    """Rows of new steps."""
    fixed = {"run_id": run_id, "status": StepStatus.WAITING, "attempts": 0, "done": 0, "note": None, "result": None, "fence": 0}
    return [{**fixed, **FREE, **_columns(step)} for step in new]


def _columns(step: NewStep) -> dict[str, object]:
    named = {"rank": step.rank, "name": step.name, "kind": step.kind, "payload": step.payload}
    return {**named, "store": step.store, "collection": step.collection}


def locked_run(connection: Connection, run_id: str) -> Row[Any]:
    """The run's row, kept from changing until the transaction ends.

    Raises:
        UnknownRequest: there is no such run.
    """
    row = connection.execute(select(runs).where(runs.c.id == run_id).with_for_update()).first()
    if row is None:
        raise unknown_run(run_id)
    return row


def require_finished(connection: Connection, run_id: str) -> None:
    """There is no false "done".

    Raises:
        RunUnfinished: a step of the run isn't done.
    """
    unfinished = select(steps.c.name).where(steps.c.run_id == run_id, steps.c.status != StepStatus.DONE).order_by(steps.c.rank, steps.c.id)
    names = list(connection.scalars(unfinished))
    if names:
        msg = f"{len(names)} steps are not done, the first is {names[0]}"
        raise RunUnfinished(msg, where=run_id)


def unknown_run(run_id: str) -> UnknownRequest:
    """The fault to raise."""
    return UnknownRequest(f"there is no run {run_id!r}")


def _take(connection: Connection, run_id: str, request_ids: Collection[str], status: RequestStatus) -> None:
    """Give the requests to the run, and their people to its list."""
    taken = 0
    for chunk in chunks(request_ids):
        where = requests.c.id.in_(chunk) & requests.c.run_id.is_(None)
        taken += connection.execute(update(requests).where(where).values(run_id=run_id, status=status)).rowcount
    if taken != len(request_ids):
        msg = f"{len(request_ids) - taken} of {len(request_ids)} requests are unknown, or another run serves them"
        raise InvalidRequest(msg)
    people = select(literal(run_id), requests.c.subject).where(requests.c.run_id == run_id).distinct()
    connection.execute(run_subjects.insert().from_select(["run_id", "subject"], people))


def _bound(run_id: str) -> bytes:
    return f"journal/plan/{run_id}".encode()


def _run(row: Row[Any], waiting: tuple[str, ...]) -> Run:
    return Run(
        id=row.id,
        number=row.number,
        status=RunStatus(row.status),
        plan_digest=row.plan_digest,
        policy_digest=row.policy_digest,
        needs_approval=row.needs_approval,
        started_by=row.started_by,
        started_at=row.started_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        closed_at=row.closed_at,
        waits_for=waiting,
    )
