"""A worker: takes steps from the journal, one at a time, and does what their kind says.

Any number of workers in any number of processes may run. A lease is renewed in the background while a stage works; a worker that dies
leaves its lease to run out. Faults are sorted by who must act: what time may mend is tried again with back-off, what an operator must mend
stops the step and opens an incident, and evidence that does not verify stops everything.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import SystemRandom

from expunge.erase.context import Rooms
from expunge.erase.ending import close, receipt
from expunge.erase.hunted import hunt, prints
from expunge.erase.intake import INCIDENT_CLOCK
from expunge.erase.stages import STAGES, WaitUntil
from expunge.errors import CopiesFound, EvidenceError, ExpungeError, LeaseLost, ResidueLeft, Unavailable
from expunge.journal import backoff
from expunge.journal.records import Lease, RequestStatus, RunStatus, StepStatus
from expunge.terms import Json

ALL_STAGES: Mapping[str, Callable[[Rooms, Lease], Json]] = {**STAGES, "prints": prints, "hunt": hunt, "receipt": receipt, "close": close}

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=5)
"""Back-off: a dropped connection is mended in a second, an outage in minutes; five is often enough for an operator to see it resume."""

OWNERS: Mapping[str, str] = {"policy": "privacy engineer", "store": "store operator", "keystore": "key operator", "evidence": "security"}

_log = logging.getLogger("expunge.erase")

Watcher = Callable[[Lease, str, Json], None]
"""Told of every step: the lease, ``started`` / ``done`` / ``retry`` / ``waiting`` / ``stopped``, and its result or reason."""


def nobody(lease: Lease, event: str, result: Json) -> None:
    """The watcher that looks away."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker, for one thread. ``name`` appears in the journal as the owner of leases.

    The end of a step and the beginning of the next are one transaction, so a worker has the next step in hand already; one that never
    comes back for it is as one that died.
    """

    rooms: Rooms
    name: str
    lease: timedelta
    watch: Watcher = nobody
    _in_hand: list[tuple[str | None, Lease]] = field(default_factory=list, init=False, repr=False)

    def work(self, run_id: str | None = None) -> bool | None:
        """Take one step that is due: whether it was done, or put back; ``None`` if none was due.

        Raises:
            EvidenceError: nothing more may be signed or erased until somebody has looked.
        """
        lease = self._next(run_id)
        if lease is None:
            return None
        self._tell(lease, "started", None)
        try:
            with self._renewed(lease):
                result = ALL_STAGES[lease.kind](self.rooms, lease)
            self._finish(lease, result, run_id)
            self._tell(lease, "done", result)
        except LeaseLost:
            self._tell(lease, "lost", None)
        except WaitUntil as wait:
            self._wait(lease, wait)
        except ExpungeError as fault:
            self._fault(lease, fault)
        except Exception as unforeseen:  # noqa: BLE001  # a fault of our own in one run must not stop the runs of everybody else
            self._fault(lease, ExpungeError(f"an unforeseen {type(unforeseen).__name__} stopped the step; report it"))
        else:
            return True
        return False

    def _next(self, run_id: str | None) -> Lease | None:
        if self._in_hand and self._in_hand[0][0] == run_id:
            return self._in_hand.pop()[1]
        return self.rooms.journal.claim(self.name, run_id, self.lease)

    def _finish(self, lease: Lease, result: Json, run_id: str | None) -> None:
        """The step's end; the next step with it, unless there is more to do for this one than to say that it is done."""
        journal = self.rooms.journal
        if lease.fence > 1 or lease.kind == "close" or self._in_hand:
            journal.finish(lease, result)
            self._passed(lease)
        elif (following := journal.finish_and_claim(lease, result, run_id)) is not None:
            self._in_hand.append((run_id, following))

    def finish_closing(self) -> None:
        """Close runs whose last step is done; a crash may have come between."""
        for status in (RunStatus.RUNNING, RunStatus.PENDING, RunStatus.INCOMPLETE, RunStatus.DONE, RunStatus.CLOSING):
            for run in self.rooms.journal.runs(status):
                steps = self.rooms.journal.steps(run.id)
                if steps and all(step.status is StepStatus.DONE for step in steps) and steps[-1].kind == "close":
                    self.rooms.journal.close_run(run.id)

    def _tell(self, lease: Lease, event: str, result: Json) -> None:
        """Tell the watcher, and the log: names that we gave and numbers, never an identifier."""
        facts = {"run": lease.run_id, "step": lease.name, "kind": lease.kind, "store": lease.store, "collection": lease.collection}
        code = result.get("code") if isinstance(result, Mapping) and event in ("retry", "stopped") else None
        _log.info(event, extra={**facts, "worker": lease.owner, "attempt": lease.attempt, "code": code})
        self.watch(lease, event, result)

    def _passed(self, lease: Lease) -> None:
        """What failed here before has passed; and a run whose last step is done is closed."""
        if lease.fence > 1:  # attempts are forgotten when a step is put back, fences are not
            for control in (_control(lease, None), *(f"reach:{place}" for place in self._reached(lease))):
                self.rooms.journal.passed(control)
        if lease.kind == "close":
            self.rooms.journal.close_run(lease.run_id)

    def _reached(self, lease: Lease) -> Iterable[str]:
        """The stores, and for a hunt the places, that this step can't have been done without."""
        policy = self.rooms.policy
        if lease.kind == "prints":
            return {step.store for step in self.rooms.journal.steps(lease.run_id) if step.kind == "erase" and step.store}
        if lease.kind in ("locate", "hunt"):
            return [*policy.catalog.stores, *(policy.hunt.places if policy.hunt is not None and lease.kind == "hunt" else ())]
        return [lease.store] if lease.store else []

    def _wait(self, lease: Lease, wait: WaitUntil) -> None:
        self.rooms.journal.wait_until(lease, self.rooms.clock.now() + wait.wait, {"why": wait.why})
        if lease.kind == "close":
            self.rooms.journal.set_run_status(lease.run_id, RunStatus.PENDING)
        self._tell(lease, "waiting", {"why": wait.why})

    def _fault(self, lease: Lease, fault: ExpungeError) -> None:
        """Put the step back or stop it; either way an incident with an owner and a clock says so."""
        journal = self.rooms.journal
        owner = next((who for group, who in OWNERS.items() if _group(fault) == group), "operator")
        due = self.rooms.clock.now() + INCIDENT_CLOCK
        kind = "residue" if isinstance(fault, ResidueLeft) else fault.code
        note = f"{lease.name}: {fault}"
        if not isinstance(fault, CopiesFound):  # each place has an incident of its own already
            journal.open_incident(kind, _control(lease, fault), run_id=lease.run_id, store=lease.store, owner=owner, due=due, note=note)
        if fault.retryable or isinstance(fault, ResidueLeft):
            journal.retry(lease, fault.code, backoff(lease.attempt, FIRST_WAIT, LONGEST_WAIT, SystemRandom()), str(fault))
            event = "retry"
        else:
            journal.give_up(lease, fault.code, str(fault))
            event = "stopped"
        waiting = [request.id for request in journal.requests(run_id=lease.run_id) if request.status is RequestStatus.RUNNING]
        journal.set_request_status(waiting, RequestStatus.INCOMPLETE)
        self._tell(lease, event, {"code": fault.code, "message": str(fault), "hint": fault.hint})
        if isinstance(fault, EvidenceError):
            raise fault

    @contextmanager
    def _renewed(self, lease: Lease) -> Iterator[None]:
        """Renew the lease every third of its length while the block runs, so that a long statement is not taken for a dead worker."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(lease.length.total_seconds() / 3):
                try:
                    self.rooms.journal.heartbeat(lease)
                except ExpungeError:  # the worker's own next write tells it; this thread has nobody to tell
                    return

        thread = threading.Thread(target=beat, name=f"heartbeat {lease.name}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _control(lease: Lease, fault: ExpungeError | None) -> str:
    """The stable name of what failed: the same control passing closes the incident. A store that is away is one incident for all runs."""
    if isinstance(fault, Unavailable):
        return f"reach:{lease.store or fault.where or 'stores'}"
    return f"{lease.kind}:{lease.run_id}:{lease.name}"


def _group(fault: ExpungeError) -> str:
    """The group of ``errors.py``'s tree: the class right under the root."""
    return next((one.code for one in type(fault).__mro__ if issubclass(one, ExpungeError) and ExpungeError in one.__bases__), "")


def due_within(rooms: Rooms, run_id: str | None, patience: timedelta) -> datetime | None:
    """When the next step is due, if that is within ``patience`` of now."""
    due = rooms.journal.next_due(run_id)
    return due if due is not None and due <= rooms.clock.now() + patience else None
