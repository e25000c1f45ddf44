"""The fleet: answers in order, whatever happens to the processes."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from expunge.errors import MissingExtra, Unavailable
from expunge.runtime.fleet import InProcess, Processes, fleet

WORK = '''
"""What the fleet's processes do; they import it by name."""

import os
import signal
from pathlib import Path

SCRATCH = Path(__file__).parent


def square(number):
    return number * number


def die_once(number):
    """The fifth item kills its process the first time."""
    with (SCRATCH / f"tries-{number}").open("a") as tries:
        tries.write("x")
    if number == 5 and len((SCRATCH / "tries-5").read_text()) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(number):
    if number == 3:
        raise ValueError("three")
    return number


def whose(_):
    return os.getpid()
'''


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "fleet_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "fleet_work", raising=False)
    return importlib.import_module("fleet_work")


@pytest.fixture
def processes() -> Iterator[Processes]:
    with Processes(2) as crew:
        yield crew
        crew.close()


def test_answers_come_in_the_items_order(work: ModuleType, processes: Processes) -> None:
    assert list(processes.map(work.square, range(50))) == [number * number for number in range(50)]
    assert set(processes.map(work.whose, range(8))).isdisjoint({os.getpid()})


def test_a_killed_process_is_replaced_and_its_items_done_again(work: ModuleType, processes: Processes, tmp_path: Path) -> None:
    assert list(processes.map(work.die_once, range(12))) == list(range(12))
    assert (tmp_path / "tries-5").read_text() == "xx"


def test_an_item_that_always_kills_ends_in_a_fault(work: ModuleType, processes: Processes) -> None:
    with pytest.raises(Unavailable, match="died 3 times on the same piece of work"):
        list(processes.map(work.die, range(4)))
    assert list(processes.map(work.square, [1, 2])) == [1, 4]


def test_what_the_work_raises_is_raised_here(work: ModuleType, processes: Processes) -> None:
    answers = processes.map(work.refuse, range(6))
    assert [next(answers) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(answers)


def test_items_are_read_only_as_far_as_needed(work: ModuleType, processes: Processes) -> None:
    read: list[int] = []

    def source() -> Iterator[int]:
        for number in range(1_000):
            read.append(number)
            yield number

    answers = processes.map(work.square, source())
    next(answers)
    assert len(read) <= 2 * 2 + 2
    answers.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize("many", [0, 1])
def test_one_item_needs_no_second_process(work: ModuleType, processes: Processes, many: int) -> None:
    assert list(processes.map(work.whose, range(many))) == [os.getpid()] * many
    assert list(InProcess().map(work.whose, range(3))) == [os.getpid()] * 3


KILLED = """
import os, signal, time
from expunge.runtime.fleet import Processes

if __name__ == "__main__":
    crew = Processes(2)
    answers = crew.map(time.sleep, [0] * 2 + [600] * 4)
    next(answers)
    print(*crew._pool._processes, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_processes_end_when_the_one_that_started_them_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=60)
    numbers = [int(word) for word in done.stdout.split()]
    assert len(numbers) == 2
    for _ in range(300):
        if not any(_alive(number) for number in numbers):
            return
        time.sleep(0.1)
    pytest.fail("they wait for work for ever")


def _alive(number: int) -> bool:
    """Whether the process is there and no zombie that its new parent hasn't buried yet."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(("workers", "kind"), [(1, InProcess), (2, Processes)])
def test_the_settings_choose_the_fleet(workers: int, kind: Callable[[], object]) -> None:
    assert type(fleet(workers)) is kind


def test_a_ray_cluster_is_not_part_of_this_version() -> None:
    with pytest.raises(MissingExtra, match="EXPUNGE_RAY: work on a Ray cluster is not part of this version"):
        fleet(4, "ray://head:10001")
