"""Real worker processes, really killed: every step's effect happens, in order, without help, and the dead are refused.

Run as a program, this file is the worker.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from expunge.errors import JournalUnavailable, KeyDestroyed, LeaseLost
from expunge.journal import Journal
from expunge.journal.records import Filing, Lease, NewStep, RunStatus, StepStatus
from expunge.keys.external import KeyFile
from expunge.keys.vault import Vault
from expunge.runtime.clock import SystemClock
from expunge.terms import Identifier

LEASE = timedelta(seconds=1.5)
PATIENCE = 100  # seconds: far more than the work takes on a slow machine
RUNS, BATCHES, KILLS = 4, 5, 5
STEPS = [
    NewStep(1, "locate", "locate"),
    NewStep(2, "erase:app", "erase"),
    NewStep(2, "erase:media", "erase"),
    NewStep(3, "verify", "verify"),
]


def open_journal(url: str, folder: Path) -> tuple[Journal, Vault]:
    clock = SystemClock()
    roots = folder / "roots"
    roots.mkdir(exist_ok=True)
    vault = Vault.open(f"sqlite:///{folder / 'keys.db'}", roots, KeyFile.load_or_create(folder / "external.key"), clock)
    return Journal.open(url, clock=clock, sealer=vault, lookup_key=bytes(32)), vault


def work(url: str, folder: Path, name: str) -> None:
    """Take steps until no run has any; whatever else goes wrong, try again."""
    journal, vault = open_journal(url, folder)
    while any(run.status is RunStatus.RUNNING for run in journal.runs()):
        with suppress(JournalUnavailable):
            lease = journal.claim(name, lease=LEASE)
            if lease is None:
                time.sleep(0.02)
                continue
            try:
                do(journal, folder, lease)
                close(journal, lease.run_id)
            except LeaseLost:
                note(folder, "lost", lease)
    journal.close()
    vault.close()


def do(journal: Journal, folder: Path, lease: Lease) -> None:
    note(folder, "begin", lease)
    wait_if_asked(folder, lease)
    if lease.kind == "locate":
        journal.put_targets(lease, "app.clips", (f"{lease.run_id}/{page}".encode() for page in range(3)))
    if lease.kind == "erase":
        assert list(journal.targets(lease.run_id, "app.clips")) == [f"{lease.run_id}/{page}".encode() for page in range(3)]
    for batch in range(lease.done, BATCHES):
        time.sleep(0.02)
        note(folder, f"effect:{batch}", lease)
        lease = journal.progress(lease, batch + 1, {"by": lease.owner})
    journal.finish(lease, {"done": lease.done})
    note(folder, "finish", lease)


def close(journal: Journal, run_id: str) -> None:
    if all(step.status is StepStatus.DONE for step in journal.steps(run_id)):
        journal.close_run(run_id)


def note(folder: Path, what: str, lease: Lease) -> None:
    """One line, appended in one write."""
    line = f"{what} {lease.run_id} {lease.name} {lease.fence} {lease.owner}\n".encode()
    with os.fdopen(os.open(folder / "events", os.O_WRONLY | os.O_APPEND | os.O_CREAT), "wb", buffering=0) as events:
        events.write(line)


def wait_if_asked(folder: Path, lease: Lease) -> None:
    """Stand still in the middle of the first step for as long as the test wants."""
    if (folder / f"hold-{lease.owner}").exists():
        note(folder, "standing", lease)
        while (folder / f"hold-{lease.owner}").exists():
            time.sleep(0.01)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'control.db'}"
    return str(request.getfixturevalue("postgresql_server").database())


@pytest.fixture
def crew(url: str, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start a worker of that name."""
    with ExitStack() as stack:

        def start(name: str) -> subprocess.Popen[bytes]:
            with (tmp_path / f"{name}.err").open("wb") as errors:
                worker = subprocess.Popen([sys.executable, __file__, url, str(tmp_path), name], stderr=errors)
            stack.callback(worker.wait)
            stack.callback(worker.kill)
            return worker

        yield start


def start_runs(journal: Journal, count: int) -> list[str]:
    people = journal.register("child", [[Identifier("profile_id", str(number))] for number in range(count)])
    filed = journal.file([Filing("erase", person, "child", {}, "parent", "") for person in people])
    runs = [
        journal.start_run([one.id], {"of": "test"}, plan_digest="d", policy_digest="p", needs_approval=False, started_by="ann")
        for one in filed
    ]
    for run in runs:
        journal.add_steps(run.id, STEPS)
    return [run.id for run in runs]


def until(what: Callable[[], bool], folder: Path) -> None:
    limit = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < limit, "".join(path.read_text() for path in sorted(folder.glob("*.err"))) or "took too long"
        time.sleep(0.01)


def events(folder: Path) -> list[list[str]]:
    file = folder / "events"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def test_workers_killed_in_turn_leave_nothing_undone(url: str, tmp_path: Path, crew: Callable[[str], subprocess.Popen[bytes]]) -> None:
    journal, vault = open_journal(url, tmp_path)
    runs = start_runs(journal, RUNS)
    alive = {name: crew(name) for name in ("w0", "w1", "w2")}
    # Each is killed in the middle of a step; others are there, or come, and take over without being told.
    for number in range(3, 3 + KILLS):
        until(lambda: victims(tmp_path, alive) != [], tmp_path)
        victim = alive.pop(victims(tmp_path, alive)[0])
        victim.kill()
        victim.wait()
        alive[f"w{number}"] = crew(f"w{number}")
    until(lambda: all(run.status is RunStatus.CLOSED for run in journal.runs()), tmp_path)
    told = events(tmp_path)
    for run in runs:
        assert [(step.status, step.result) for step in journal.steps(run)] == [(StepStatus.DONE, {"done": BATCHES})] * len(STEPS)
        assert {(name, what) for what, of, name, *_ in told if of == run and what.startswith("effect")} == {
            (step.name, f"effect:{batch}") for step in STEPS for batch in range(BATCHES)
        }
        in_order(told, run)
    assert {request.status.value for request in journal.requests()} == {"closed"}
    for closed in journal.runs():
        with pytest.raises(KeyDestroyed):
            vault.seal("run", closed.number, b"", bound_to=b"")
    journal.close()
    vault.close()


def victims(folder: Path, alive: Collection[str]) -> list[str]:
    """Workers of whom the last that is known is that they were in the middle of a step."""
    last = {name: what for what, _, _, _, name in events(folder)}
    return [name for name in alive if last.get(name, "").startswith(("effect:0", "effect:1", "effect:2"))]


def in_order(told: list[list[str]], run: str) -> None:
    """No step of a higher rank began before the last effect of a lower one; no effect came twice under one fence."""
    rank = {step.name: step.rank for step in STEPS}
    effects = [(rank[name], name, int(fence), what) for what, of, name, fence, _ in told if of == run and what.startswith("effect")]
    ranks = [one[0] for one in effects]
    assert ranks == sorted(ranks)
    assert len(set(effects)) == len(effects)


def test_a_worker_that_was_stopped_and_wakes_up_late_is_refused(
    url: str, tmp_path: Path, crew: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    journal, vault = open_journal(url, tmp_path)
    (run,) = start_runs(journal, 1)
    (tmp_path / "hold-slow").touch()
    slow = crew("slow")
    until(lambda: any(what == "standing" for what, *_ in events(tmp_path)), tmp_path)
    slow.send_signal(signal.SIGSTOP)
    (tmp_path / "hold-slow").unlink()
    crew("quick")
    until(lambda: journal.run(run).status is RunStatus.CLOSED, tmp_path)
    before = journal.steps(run)
    slow.send_signal(signal.SIGCONT)
    until(lambda: any(what == "lost" for what, *_ in events(tmp_path)), tmp_path)
    assert slow.wait(PATIENCE) == 0
    assert journal.steps(run) == before
    assert {step.owner for step in before} == {None}
    assert {name for what, _, _, _, name in events(tmp_path) if what == "finish"} == {"quick"}
    journal.close()
    vault.close()


if __name__ == "__main__":
    work(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
