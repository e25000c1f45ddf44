"""Kill -9 between any two steps of destroying keys and of closing an epoch.

Run as a script it is the murderer: it forks a child for each point, because a fork is cheaper than an interpreter. Steps are every call
that changes a file and every statement that reaches the database, commits included.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from expunge.errors import KeyStoreUnavailable
from expunge.keys.external import EnvironmentSecret
from expunge.keys.vault import Vault
from expunge.testing.clock import SECOND, FakeClock

EXTERNAL = EnvironmentSecret(bytes(range(32)))
STEPS = ("open", "fsync", "replace", "rename", "link", "unlink")
KEPT = [1, 1030, 2050]
DOOMED = [2, 1031, 1032, 2051]
BOUND = b"kill"


class Victim:
    """One copy of the key store, and what was sealed in it before."""

    def __init__(self, folder: Path, sealed: dict[int, bytes]) -> None:
        self.folder, self.sealed = folder, sealed
        self.clock = FakeClock()
        self.clock.tick(SECOND)

    def open(self, database: Path | None = None) -> Vault:
        return Vault.open(f"sqlite:///{database or self.folder / 'keys.db'}", self.folder / "roots", EXTERNAL, self.clock)

    def epochs(self) -> list[str]:
        return sorted(path.name.split("-")[1] for path in (self.folder / "roots").glob("root-*"))


def _kill_at(point: int) -> None:
    """Let every step count, and die before the one of this number."""
    left = point

    def step() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            step()
            return real(*arguments, **named)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(Engine, name, lambda *_: step())


def _destroy(vault: Vault) -> None:
    vault.destroy("subject", DOOMED)


def _close(vault: Vault) -> None:
    vault.close_epoch()


def _check_destroyed(victim: Victim) -> str:
    vault = victim.open()
    left = vault.unseal_each("subject", victim.sealed, bound_to=BOUND)
    assert set(KEPT) <= set(left)
    assert (1031 in left) == (1032 in left), "a bucket is destroyed as a whole or not at all"
    vault.destroy("subject", DOOMED)
    assert vault.unseal_each("subject", victim.sealed, bound_to=BOUND) == {number: b"%d" % number for number in KEPT}
    vault.close()
    return str(len(left))


def _check_closed(victim: Victim) -> str:
    vault = victim.open()
    assert len(vault.unseal_each("subject", victim.sealed, bound_to=BOUND)) == len(victim.sealed)
    switched = vault.open_epoch_since() == victim.clock.now()
    files = victim.epochs()
    if switched:
        assert files == ["00000002"], "a close that has switched is finished by the next open"
        with pytest.raises(KeyStoreUnavailable):
            victim.open(victim.folder / "backup" / "keys.db")
    else:
        assert files in (["00000001"], ["00000001", "00000002"])
    told = "new" if switched else f"old, {len(files)} roots"
    vault.close_epoch()
    assert len(victim.epochs()) == 1
    assert len(vault.unseal_each("subject", victim.sealed, bound_to=BOUND)) == len(victim.sealed)
    vault.close()
    with pytest.raises(KeyStoreUnavailable):
        victim.open(victim.folder / "backup" / "keys.db")
    return told


ACTS: dict[str, tuple[Callable[[Vault], None], Callable[[Victim], str]]] = {
    "destroy": (_destroy, _check_destroyed),
    "close": (_close, _check_closed),
}


def murder(act: str, work: Path) -> None:
    """Die once before every step of the act, and check what is left each time."""
    do, check = ACTS[act]
    base = Victim(work / "base", {})
    base.folder.mkdir()
    base.clock.set(base.clock.now() - SECOND)
    vault = base.open()
    vault.make("subject", KEPT + DOOMED)
    sealed = vault.seal_each("subject", {number: b"%d" % number for number in KEPT + DOOMED}, bound_to=BOUND)
    vault.close()
    shutil.copytree(base.folder, base.folder / "backup", ignore=shutil.ignore_patterns("roots", "backup"))
    for point in range(1000):
        victim = Victim(work / str(point), sealed)
        shutil.copytree(base.folder, victim.folder)
        child = os.fork()
        if child == 0:
            vault = victim.open()
            _kill_at(point)
            do(vault)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        sys.stdout.write(f"{point}: {check(victim)}\n")
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        shutil.rmtree(victim.folder)


@pytest.mark.parametrize(
    ("act", "seen"),
    [
        ("destroy", {"7", "6", "4", "3"}),
        ("close", {"old, 1 roots", "old, 2 roots", "new"}),
    ],
)
def test_a_kill_at_any_step_loses_no_survivor_and_revives_nobody(act: str, seen: set[str], tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-W", "error", __file__, act, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert {line.partition(": ")[2] for line in told} == seen
    assert len(told) > 20


if __name__ == "__main__":
    murder(sys.argv[1], Path(sys.argv[2]))
