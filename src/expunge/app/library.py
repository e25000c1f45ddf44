"""The library: the words of the command line as calls. Commands are a thin skin over this.

One instance is one worker's view of one policy; it is used by one thread. Anything that erases is a request, becomes a plan, and ends in
a receipt: there is no other way in.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from expunge.app import finding
from expunge.app.finding import Sample
from expunge.app.standing import Standing
from expunge.app.tending import tend
from expunge.erase.access import Export, export
from expunge.erase.context import Rooms, look
from expunge.erase.intake import Preview, Started, adopt, file_requests, preview
from expunge.erase.opening import opening
from expunge.erase.replay import Replayed, replay
from expunge.erase.runner import Watcher, Worker, due_within, nobody
from expunge.erase.subjects import SubjectRef, parse_subject
from expunge.erase.sweeping import adopt_sweeps
from expunge.errors import UnknownRequest
from expunge.evidence.consistency import check_statements
from expunge.evidence.reading import LogCheck
from expunge.evidence.receipts import Verified, verify_receipt
from expunge.journal.records import Find, FindStatus, Incident, Lease, Run, RunStatus, StepStatus
from expunge.policy.adopting import Adoption
from expunge.policy.catalog import Problem
from expunge.policy.discover import Proposal, drift, propose
from expunge.policy.explain import Explanation, explain
from expunge.policy.model import Policy
from expunge.terms import Json, Scope

PATIENCE = timedelta(seconds=20)
"""How long a call waits for steps that are to be tried again before it returns with the run unfinished."""

GLANCE = 0.05
"""Seconds between looks at the journal while another worker holds the run's steps."""


class Expunge:
    """A policy with everything it names, opened. Use it in a ``with`` block."""

    def __init__(self, rooms: Rooms, lease: timedelta, path: Path, env: Mapping[str, str]) -> None:
        """Use ``expunge.open``. ``path`` is the policy file, ``env`` what filled it in."""
        self.rooms = rooms
        self.lease = lease
        self._path = path
        self._env = env

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        """Close what was opened."""
        self.close()

    def close(self) -> None:
        """Give connections and files back. Idempotent."""
        for part in (self.rooms.stores, self.rooms.journal, self.rooms.keys):
            closing: Callable[[], None] | None = getattr(part, "close", None)
            if closing is not None:
                closing()

    @property
    def policy(self) -> Policy:
        """The policy as loaded."""
        return self.rooms.policy

    @property
    def trust_path(self) -> Path:
        """The bundle to hand to strangers, out of band."""
        return self.rooms.policy.control.evidence / "trust.json"

    def subject(self, text: str) -> SubjectRef:
        """Read ``KIND:KEY`` or ``KIND:IDENTITY=VALUE``.

        Raises:
            InvalidRequest: unknown kind or form.
        """
        return parse_subject(text, self.rooms.policy.catalog)

    def check(self) -> tuple[Problem, ...]:
        """Hold the policy against the live stores: ownership, drift, and whatever would stop an erasure; warnings are returned.

        Raises:
            PolicyError, StoreError: as ``plan``.
        """
        return (*self.rooms.policy.warnings, *look(self.rooms, Scope()).warnings)

    def explain(self, address: str) -> Explanation:
        """Whose a field (``store.collection.field``) is, why it is kept, and what an erasure does to it.

        Raises:
            UnknownStore: no such place in the policy.
        """
        return explain(self.rooms.policy, look(self.rooms, Scope(), tolerate=True).held, address)

    def discover(self, store: str) -> tuple[Proposal, tuple[Problem, ...]]:
        """Annotations for what the store holds and the policy doesn't mention, soft references, and drift.

        Raises:
            UnknownStore: the policy lists none of that name.
            StoreError: as the store says.
        """
        shapes = self.rooms.stores[store].describe()
        catalog = self.rooms.policy.catalog
        return propose(shapes, catalog, store), drift(shapes, catalog, store)

    def plan(self, subjects: Sequence[str], scope: Scope | None = None) -> Preview:
        """The dry run: what an erasure would do, with counts. Nothing is written.

        Raises:
            UnknownSubject, InvalidRequest, PolicyError, StoreError: as described in docs/errors.
        """
        return preview(self.rooms, [self.subject(text) for text in subjects], scope or Scope())

    def request(
        self,
        subjects: Sequence[str],
        scope: Scope | None = None,
        *,
        requester: str = "data subject",
        authority: str = "proven by the caller",
        by: str = "operator",
    ) -> Started:
        """File erasure requests and start their run without working on it; from here gate and broker refuse.

        Raises:
            UnknownSubject, InvalidRequest, PolicyError, StoreError: nothing was filed.
        """
        refs = [self.subject(text) for text in subjects]
        return file_requests(self.rooms, refs, scope or Scope(), requester=requester, authority=authority, started_by=by)

    def erase(
        self,
        subjects: Sequence[str],
        scope: Scope | None = None,
        *,
        requester: str = "data subject",
        authority: str = "proven by the caller",
        by: str = "operator",
        patience: timedelta = PATIENCE,
        watch: Watcher = nobody,
    ) -> tuple[Started, tuple[Standing, ...]]:
        """Request, and work on the run until it is complete, stands still, or ``patience`` ends; the run is durable either way.

        Raises:
            UnknownSubject, InvalidRequest, PolicyError, StoreError: nothing was filed.
            EvidenceError: nothing more may be signed until somebody has looked.
        """
        started = self.request(subjects, scope, requester=requester, authority=authority, by=by)
        return started, self.carry_out(started, patience=patience, watch=watch)

    def carry_out(self, started: Started, *, patience: timedelta = PATIENCE, watch: Watcher = nobody) -> tuple[Standing, ...]:
        """Work on the runs that ``request`` started, as ``erase`` does; where each stands."""
        for run in started.runs:
            if not run.needs_approval:
                self.work(run.id, patience=patience, watch=watch)
        return tuple(self.status(run.id) for run in started.runs)

    def opening(self, request_id: str) -> bytes:
        """What shows that a request's receipt is about its person, to be handed to the requester and kept nowhere.

        Raises:
            UnknownRequest: no such request.
            KeyDestroyed: too late: it goes with the person's key, so ask before the run destroys that.
        """
        return opening(self.rooms, request_id).to_json()

    def work(self, run_id: str | None = None, *, patience: timedelta = PATIENCE, watch: Watcher = nobody, reopen: bool = False) -> int:
        """Do what is due (of one run, or of all) until nothing is, or what is left is due later than ``patience`` from its last progress.

        Without a run, requests that have none are adopted first. ``reopen`` puts given-up steps back. Returns how many steps were done.
        """
        if run_id is None:
            tend(self.rooms)
            adopt(self.rooms, "operator")
            adopt_sweeps(self.rooms, "operator")
        if reopen:
            self.reopen(run_id)
        worker = Worker(self.rooms, f"{socket.gethostname()}:{os.getpid()}", self.lease, watch)
        worker.finish_closing()
        done = 0
        idle_since = time.monotonic()
        while True:
            taken = worker.work(run_id)
            if taken is not None:
                done += 1
                idle_since = time.monotonic() if taken else idle_since  # trying again is not progress
                continue
            left = timedelta(seconds=patience.total_seconds() - (time.monotonic() - idle_since))
            due = due_within(self.rooms, run_id, left)
            if due is None:
                break
            time.sleep(min(max((due - self.rooms.clock.now()).total_seconds(), GLANCE), max(left.total_seconds(), 0)))
        return done

    def approve(self, run_id: str, digest: str, *, by: str) -> tuple[Run, ...]:
        """A second person's word on a batch above the blast radius; all its waves are approved.

        Raises:
            ApprovalNeeded: the digest is another, or the same person started it.
            UnknownRequest: no such run.
        """
        first = self.rooms.journal.approve(run_id, digest, by)
        batch = [run for run in self.rooms.journal.runs(RunStatus.AWAITING_APPROVAL) if run.plan_digest == digest]
        return (first, *(self.rooms.journal.approve(run.id, digest, by) for run in batch))

    def access(self, subject: str, to: Path, *, scope: Scope | None = None) -> Export:
        """Everything that the listed stores hold about one subject, as a ZIP that a person can read.

        Raises:
            UnknownSubject, InvalidRequest, PolicyError, StoreError: no file is left.
        """
        return export(self.rooms, self.subject(subject), scope or Scope(), to)

    def replay(
        self,
        store: str,
        *,
        taken_at: datetime | None = None,
        dry_run: bool = False,
        by: str = "operator",
        patience: timedelta = PATIENCE,
        watch: Watcher = nobody,
    ) -> tuple[Replayed, tuple[Standing, ...]]:
        """After a restore of ``store``: recognise whom and what came back by the tombstones, and erase it everywhere again.

        ``taken_at`` (aware) is when the backup was taken. Works on the runs as ``erase`` does; a dry run only looks.

        Raises:
            UnknownStore, PolicyError, StoreError: as described in docs/errors.
            EvidenceError: the tombstones or the log are not as they were written.
        """
        replayed = replay(self.rooms, store, taken_at=taken_at, dry_run=dry_run, started_by=by)
        runs = [run for started in replayed.started for run in started.runs]
        for run in runs:
            if not run.needs_approval:
                self.work(run.id, patience=patience, watch=watch)
        return replayed, tuple(self.status(run.id) for run in runs)

    def status(self, run_id: str) -> Standing:
        """Where a run stands.

        Raises:
            UnknownRequest: no such run.
        """
        journal = self.rooms.journal
        run = journal.run(run_id)
        requests = tuple(journal.requests(run_id=run_id))
        return Standing(run, tuple(journal.steps(run_id)), requests, tuple(journal.receipts(run_id)))

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        return self.rooms.journal.runs()

    def finds(self, run_id: str | None = None) -> list[Find]:
        """What hunts found (for one run), oldest first. Where it lies is told while the run is open, and may quote an identifier."""
        return self.rooms.journal.finds(run_id)

    def hunted(self, run_id: str) -> Mapping[str, Json]:
        """What a run's last hunt looked at, by source, and what it could not."""
        held = next((step for step in self.rooms.journal.steps(run_id) if step.name == "hunt"), None)
        told = held.result if held is not None and isinstance(held.result, Mapping) else held.note if held is not None else None
        found = told.get("sources") if isinstance(told, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    def adopt(self, name: str, *, by: str = "operator", dry_run: bool = False) -> list[Adoption]:
        """Write the place of a find (its id, or the place itself) into the policy; ``work`` then erases there and hunts again.

        The columns of one table are one place. After it, open the policy anew: this instance still has the old one.

        Raises:
            UnknownRequest: no such find.
            InvalidRequest: the place can't be adopted as it is.
            PolicyInvalid: the policy as it would be does not load; it was left as it is.
        """
        finds = finding.find_named(self.rooms, name)
        done: list[Adoption] = []
        settled: set[str] = set()
        for find in finds:
            if find.id in settled:
                continue
            others = finding.covered(self.rooms, find)
            if dry_run:
                done.append(finding.plan_adoption(self.rooms, self._path, find))
            else:
                done.append(finding.adopt(self.rooms, self._path, self._env, find, by=by))
                for one in others:
                    self.rooms.journal.decide_find(one.id, FindStatus.ADOPTED, because=done[-1].address, by=by)
                self.reopen(find.run_id)
            settled |= {find.id, *(one.id for one in others)}
        return done

    def dismiss(self, name: str, *, because: str, by: str = "operator") -> list[Find]:
        """Say of a find (its id, or its place) that it is no copy that has to go, and why; ``work`` then goes on.

        Raises:
            UnknownRequest: no such find.
            InvalidRequest: no reason, one that names the person, or the find was dealt with before.
        """
        done = [finding.dismiss(self.rooms, find, because=because, by=by) for find in finding.find_named(self.rooms, name)]
        for run_id in {find.run_id for find in done}:
            self.reopen(run_id)
        return done

    def open_find(self, name: str, *, because: str, by: str = "operator") -> list[Sample]:
        """What was recognised in a find, in its surroundings; that somebody looked is in the evidence log first.

        Raises:
            UnknownRequest: no such find, or its run is closed.
            InvalidRequest: no reason, or one that names the person.
        """
        return [
            sample for find in finding.find_named(self.rooms, name) for sample in finding.samples(self.rooms, find, because=because, by=by)
        ]

    def incidents(self, *, open_only: bool = True) -> list[Incident]:
        """What a control found wrong; closed only by that control passing."""
        return self.rooms.journal.incidents(open_only=open_only)

    def check_log(self) -> LogCheck:
        """Audit the whole evidence log: its tiles and entries against the signed head, and its statements against each other.

        Raises:
            EvidenceError: it is not what was signed, or a receipt says other or more than its run.
        """
        found = self.rooms.log.check()
        check_statements(self.rooms.log.entries())
        return found

    def verify(self, receipt: Path, trust: Path | None = None) -> Verified:
        """Check a receipt against a trust bundle (this policy's own, if none is given).

        Raises:
            BadProof: anything at all is not as issued.
        """
        return verify_receipt(receipt.read_bytes(), (trust or self.trust_path).read_bytes())

    def find_run(self, name: str) -> str:
        """The run that ``name`` means: a run's id, or a request's.

        Raises:
            UnknownRequest: neither.
        """
        if name.startswith("req_"):
            found = self.rooms.journal.request(name).run_id
            if found is None:
                raise UnknownRequest(f"request {name} has no run yet; `expunge work` starts one")
            return found
        return self.rooms.journal.run(name).id

    def reopen(self, run_id: str | None = None) -> None:
        """Put steps back that were given up (of one run, or of all), after what stopped them was mended.

        Raises:
            UnknownRequest: no such run.
        """
        for run in [self.rooms.journal.run(run_id)] if run_id else self.rooms.journal.runs(RunStatus.INCOMPLETE):
            stopped = [step.name for step in self.rooms.journal.steps(run.id) if step.status is StepStatus.GIVEN_UP]
            if stopped:
                self.rooms.journal.reopen(run.id, stopped)


def as_json(standing: Standing) -> Json:
    """A run's standing for ``--json``; no identifiers."""
    return {
        "run": standing.run.id,
        "status": standing.run.status.value,
        "complete": standing.complete,
        "plan_digest": standing.run.plan_digest,
        "requests": [{"id": one.id, "status": one.status.value} for one in standing.requests],
        "steps": [
            {
                "name": step.name,
                "kind": step.kind,
                "status": step.status.value,
                "attempts": step.attempts,
                "done": step.done,
                "error": step.error_code,
                "message": step.error_message,
                "due": step.due.isoformat() if step.due else None,
            }
            for step in standing.steps
        ],
        "receipts": [{"request": one.request_id, "path": one.path, "log_index": one.log_index} for one in standing.receipts],
    }


__all__ = ["PATIENCE", "Adoption", "Expunge", "Find", "Incident", "Lease", "Sample", "Standing", "as_json"]
