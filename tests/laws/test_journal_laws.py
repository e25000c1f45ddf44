"""The laws of durable execution: whatever workers and clocks do, the journal does what a small model in memory does."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from expunge.errors import LeaseLost
from expunge.journal import Journal
from expunge.journal.records import Filing, Lease, NewStep, RunStatus, StepStatus
from expunge.terms import Identifier
from expunge.testing.clock import FakeClock
from expunge.testing.sealer import MemorySealer

LEASE = timedelta(seconds=30)
SKEW = timedelta(minutes=1)
RANKS = {"a": 1, "b": 1, "c": 2}


@dataclass
class Step:
    """What the model knows of a step."""

    name: str
    status: StepStatus = StepStatus.WAITING
    fence: int = 0
    attempts: int = 0
    done: int = 0
    since: datetime | None = None
    until: datetime | None = None
    timer: bool = False
    failed: bool = False

    def wait(self, since: datetime | None, until: datetime | None, *, timer: bool = False) -> None:
        self.since, self.until, self.timer = since, until, timer

    def due(self, now: datetime) -> bool:
        if self.until is None or self.until <= now:
            return True
        return not self.timer and self.since is not None and self.since > now + SKEW


@dataclass
class Run:
    """What the model knows of a run: its people, its turn, and when it was last served."""

    people: frozenset[int]
    turn: int
    status: RunStatus = RunStatus.RUNNING
    served: int = 0
    steps: list[Step] = field(default_factory=lambda: [Step(name) for name in RANKS])

    def next_rank(self) -> list[Step]:
        """The unfinished steps of the lowest unfinished rank that a worker could have."""
        unfinished = [step for step in self.steps if step.status is not StepStatus.DONE]
        lowest = min((RANKS[step.name] for step in unfinished), default=0)
        working = (StepStatus.WAITING, StepStatus.LEASED)
        return [step for step in unfinished if RANKS[step.name] == lowest and step.status in working]


class DurableExecution(RuleBasedStateMachine):
    """Three runs, two of them on one person; any worker may do anything with any lease it ever had."""

    leases = Bundle("leases")

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.journal = copy_of_template(self.folder, self.clock)
        people = self.journal.register("child", [[Identifier("profile_id", str(number))] for number in range(4)])
        self.runs: dict[str, Run] = {}
        self.turns = 0
        for mine in ({0, 1}, {1, 2}, {3}):
            run = self.journal.start_run(
                [], None, plan_digest="d", policy_digest="p", needs_approval=False, started_by="ann", touches=[people[one] for one in mine]
            )
            self.journal.add_steps(run.id, [NewStep(rank, name, "x") for name, rank in RANKS.items()])
            self.turns += 1
            self.runs[run.id] = Run(frozenset(mine), self.turns)

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            shutil.rmtree(self.folder)

    def waits(self, run: Run) -> bool:
        others = (other for other in self.runs.values() if other is not run and other.people & run.people)
        return any(other.status is RunStatus.RUNNING and other.turn < run.turn for other in others)

    def candidates(self) -> list[tuple[Run, Step]]:
        return [(run, step) for run in self.runs.values() if not self.waits(run) for step in run.next_rank()]

    @rule(target=leases, worker=st.sampled_from("xyz"), most=st.integers(1, 6))
    def claim(self, worker: str, most: int) -> MultipleResults[Lease]:
        """One worker takes up to so many steps, so that often all that can be had are taken."""
        taken = [self.claim_one(worker) for _ in range(most)]
        return multiple(*(lease for lease in taken if lease is not None))

    def claim_one(self, worker: str) -> Lease | None:
        now = self.clock.now()
        due = [(run.served, run.turn, place, step) for place, (run, step) in enumerate(self.candidates()) if step.due(now)]
        lease = self.journal.claim(worker, lease=LEASE)
        if not due:
            assert lease is None
            return None
        step = min(due)[3]
        assert lease is not None
        run = self.runs[lease.run_id]
        assert (lease.name, step in run.steps) == (step.name, True)
        step.status, step.fence, step.attempts = StepStatus.LEASED, step.fence + 1, step.attempts + 1
        step.wait(now, now + LEASE)
        run.served = max(other.served for other in self.runs.values()) + 1
        assert (lease.fence, lease.attempt, lease.done) == (step.fence, step.attempts, step.done)
        return lease

    @contextmanager
    def fenced(self, lease: Lease) -> Iterator[Step | None]:
        """The model's step if the lease is still good; else the write must be refused."""
        step = next(step for step in self.runs[lease.run_id].steps if step.name == lease.name)
        good = step.status is StepStatus.LEASED and step.fence == lease.fence
        try:
            yield step if good else None
        except LeaseLost:
            assert not good
        else:
            assert good

    @rule(lease=leases, done=st.none() | st.integers(0, 99))
    def show_life(self, lease: Lease, done: int | None) -> None:
        with self.fenced(lease) as step:
            if done is None:
                self.journal.heartbeat(lease)
            else:
                self.journal.progress(lease, done)
        if step is not None:
            step.wait(self.clock.now(), self.clock.now() + LEASE)
            step.done = step.done if done is None else done

    @rule(lease=leases)
    def finish(self, lease: Lease) -> None:
        with self.fenced(lease) as step:
            self.journal.finish(lease, {"by": lease.fence})
        if step is not None:
            recovers = step.failed
            step.status, step.failed = StepStatus.DONE, False
            step.wait(None, None)
            run = self.runs[lease.run_id]
            if recovers and run.status is RunStatus.INCOMPLETE and not any(other.failed for other in run.steps):
                run.status = RunStatus.RUNNING

    @rule(lease=leases, wait=st.integers(0, 3), timer=st.booleans())
    def put_back(self, lease: Lease, wait: int, timer: bool) -> None:  # noqa: FBT001 -- Hypothesis passes by name
        now = self.clock.now()
        when = now + wait * (timedelta(days=2) if timer else LEASE)
        with self.fenced(lease) as step:
            if timer:
                self.journal.wait_until(lease, when)
            else:
                self.journal.retry(lease, "x", wait * LEASE)
        if step is not None:
            step.status = StepStatus.WAITING
            step.attempts = 0 if timer else step.attempts
            step.failed = step.failed or not timer
            run = self.runs[lease.run_id]
            if not timer and lease.attempt >= 3 and run.status is RunStatus.RUNNING:
                run.status = RunStatus.INCOMPLETE
            step.wait(now, when, timer=timer)

    @rule(lease=leases)
    def give_up(self, lease: Lease) -> None:
        with self.fenced(lease) as step:
            self.journal.give_up(lease, "x")
        if step is not None:
            run = self.runs[lease.run_id]
            step.status, step.failed = StepStatus.GIVEN_UP, True
            run.status = RunStatus.INCOMPLETE if run.status is RunStatus.RUNNING else run.status
            step.wait(None, None)

    @rule(place=st.integers(0, 2), names=st.sets(st.sampled_from("abc")))
    def reopen(self, place: int, names: set[str]) -> None:
        id_, run = list(self.runs.items())[place]
        given_up = [step for step in run.steps if step.name in names and step.status is StepStatus.GIVEN_UP]
        assert self.journal.reopen(id_, names) == len(given_up)
        for step in given_up:
            step.status, step.attempts = StepStatus.WAITING, 0
        if given_up:
            self.turns += 1
            run.turn = self.turns
            if not any(step.status is StepStatus.GIVEN_UP for step in run.steps):
                run.status = RunStatus.RUNNING

    @rule(place=st.integers(0, 2), status=st.sampled_from([RunStatus.RUNNING, RunStatus.PENDING, RunStatus.INCOMPLETE]))
    def tell(self, place: int, status: RunStatus) -> None:
        id_, run = list(self.runs.items())[place]
        self.journal.set_run_status(id_, status)
        run.status = status

    @rule(seconds=st.sampled_from([1, 15, 30, 31, 90, 86_400, -20, -59, -61, -86_400, -86_400]))
    def time_passes_or_jumps(self, seconds: int) -> None:
        self.clock.tick(timedelta(seconds=seconds))

    @invariant()
    def the_journal_is_as_the_model(self) -> None:
        for id_, run in getattr(self, "runs", {}).items():
            rows = [(row.name, row.status, row.attempts, row.done, row.due) for row in self.journal.steps(id_)]
            assert self.journal.run(id_).status is run.status
            assert rows == [(step.name, step.status, step.attempts, step.done, step.until) for step in run.steps]

    @invariant()
    def the_next_due_time_is_the_first(self) -> None:
        if not hasattr(self, "runs"):
            return
        now = self.clock.now()
        times = [now if step.due(now) else step.until for _, step in self.candidates()]
        assert self.journal.next_due() == min((time for time in times if time is not None), default=None)


@cache
def template() -> Path:
    """An empty journal, made once: each example begins with a copy."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = Path(folder) / "control.db"
    Journal.open(f"sqlite:///{path}", clock=FakeClock(), sealer=MemorySealer(), lookup_key=bytes(32)).close()
    return path


def copy_of_template(folder: Path, clock: FakeClock) -> Journal:
    shutil.copy(template(), folder / "control.db")
    return Journal.open(f"sqlite:///{folder / 'control.db'}", clock=clock, sealer=MemorySealer(), lookup_key=bytes(32))


QUICK = settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def test_durable_execution_is_as_the_model() -> None:
    run_state_machine_as_test(DurableExecution, settings=QUICK)


@pytest.mark.slow
def test_durable_execution_is_as_the_model_for_long() -> None:
    run_state_machine_as_test(DurableExecution, settings=settings(QUICK, max_examples=150, stateful_step_count=60))


@st.composite
def families(draw: st.DrawFn) -> list[list[tuple[str, list[Identifier]]]]:
    """Batches of registrations of people who share keys and further identifiers."""
    identifier = st.builds(Identifier, st.sampled_from(["person_id", "email"]), st.text(max_size=2))
    person = st.tuples(st.sampled_from(["adult", "household"]), st.lists(identifier, min_size=1, max_size=3))
    return draw(st.lists(st.lists(person, max_size=4), max_size=4))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(families())
def test_numbers_are_dense_and_a_person_is_its_kind_and_key(batches: list[list[tuple[str, list[Identifier]]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = copy_of_template(Path(folder), FakeClock())
        given_numbers: dict[tuple[str, Identifier], int] = {}
        for batch in batches:
            for kind in ("adult", "household"):
                people = [person for of, person in batch if of == kind]
                for person, number in zip(people, journal.register(kind, people), strict=True):
                    assert given_numbers.setdefault((kind, person[0]), number) == number
        assert sorted(given_numbers.values()) == list(range(1, len(given_numbers) + 1))
        for (kind, own), number in given_numbers.items():
            if not any(other == own and of != kind for of, other in given_numbers):
                assert journal.numbers([own]) == {own: number}
        journal.close()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["", "x", "y"])), max_size=4), max_size=4))
def test_open_requests_for_the_same_are_one(calls: list[list[tuple[int, str]]]) -> None:
    """However filings are split into calls: as many requests as there are different askings."""
    with tempfile.TemporaryDirectory() as folder:
        journal = copy_of_template(Path(folder), FakeClock())
        people = journal.register("child", [[Identifier("profile_id", str(number))] for number in range(3)])
        ids: dict[tuple[int, str], str] = {}
        for call in calls:
            filings = [Filing("erase", people[person], "child", {"items": [item]} if item else {}, "parent", "") for person, item in call]
            for what, request in zip(call, journal.file(filings), strict=True):
                assert request.duplicate == (what in ids)
                assert ids.setdefault(what, request.id) == request.id
                assert request.scope == ({"items": [what[1]]} if what[1] else {})
        assert sorted(one.id for one in journal.requests()) == sorted(ids.values())
        journal.close()
