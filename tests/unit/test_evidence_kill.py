"""Kill -9 at every step of an append and of a laying: afterwards the old state or the new one, never anything between.

Run as a script it is the murderer: it forks a child for each point, because a fork is cheaper than an interpreter.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from expunge.evidence.log import Log
from expunge.evidence.signing import Signer
from expunge.evidence.stones import Stone
from expunge.evidence.tombstones import Register
from expunge.terms import Identifier
from expunge.testing.clock import FakeClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STEPS = ("open", "fsync", "replace", "rename", "unlink", "rmdir", "mkdir", "ftruncate")
BEFORE = [b"entry %d" % number for number in range(250)]
ADDED = [b"added %d" % number for number in range(300)]
OLD = [Stone(Identifier("child", str(number)), (), None, "r1", NOW) for number in range(3)]
NEW = [Stone(Identifier("adult", str(number)), (), None, "r2", NOW) for number in range(3)]


def _open(folder: Path) -> tuple[Log, Register]:
    return Log.open(folder, Signer("log.example/one", bytes(32)), FakeClock()), Register.open(folder)


def _kill_at(point: int) -> None:
    """Let every named step of the operating system count, and die before the one of this number."""
    left = point

    def counted(step: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*arguments, **named)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def _check(folder: Path) -> str:
    log, register = _open(folder)
    checked = log.check()
    assert checked.size in (250, 550), checked.size
    assert list(log.entries()) == (BEFORE if checked.size == 250 else BEFORE + ADDED)
    match = register.match([one.identifier for one in OLD + NEW])
    assert len(match) in (3, 6), len(match)
    assert all(one.identifier in match for one in OLD)
    if checked.size == 250:
        assert log.append(ADDED) == range(250, 550)
    register.lay(NEW)
    again, more = _open(folder)
    assert again.check().size == 550
    assert len(more.match([one.identifier for one in OLD + NEW])) == 6
    return f"{checked.size} entries, {len(match)} stones"


def murder(work: Path) -> None:
    """Die once before every step, and check what is left each time."""
    log, register = _open(work / "base")
    log.append(BEFORE)
    register.lay(OLD)
    point = 0
    while True:
        folder = work / f"{point}"
        shutil.copytree(work / "base", folder)
        child = os.fork()
        if child == 0:
            log, register = _open(folder)
            _kill_at(point)
            log.append(ADDED)
            register.lay(NEW)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        sys.stdout.write(f"{point}: {_check(folder)}\n")
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        shutil.rmtree(folder)
        point += 1


def test_a_kill_at_any_step_leaves_the_old_state_or_the_new(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-W", "error", __file__, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = {line.partition(": ")[2] for line in done.stdout.splitlines()}
    assert {"250 entries, 3 stones", "550 entries, 3 stones", "550 entries, 6 stones"} == seen
    assert len(done.stdout.splitlines()) > 20


if __name__ == "__main__":
    murder(Path(sys.argv[1]))
