"""A year of sweeps, rounds and requests over many households, on SQLite and on PostgreSQL; and the same with workers that are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from expunge.testing import services
from expunge.testing.clock import FakeClock
from tests.retain.year import BEGIN, DAY, TURN, Year, a_turn, accounted, dump

HOUSEHOLDS = 10_000
TURNS = 13
HELD = (3, 8)
"""Between which turns the holds stand."""


@pytest.fixture(params=["sqlite", "postgresql"])
def year(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Year]:
    if request.param == "sqlite":
        control = {"JOURNAL_URL": f"sqlite:///{tmp_path}/journal.db", "KEYS_URL": f"sqlite:///{tmp_path}/keys.db"}
        yield Year(tmp_path, f"sqlite:///{tmp_path}/app.db", control, HOUSEHOLDS)
        return
    with services.postgresql() as server:
        yield Year(tmp_path, server.database(), {"JOURNAL_URL": server.database(), "KEYS_URL": server.database()}, HOUSEHOLDS)


@pytest.mark.slow
def test_a_year(year: Year) -> None:
    year.build()
    clock = FakeClock(BEGIN)
    held_until = BEGIN + HELD[1] * TURN - DAY
    with year.opened(clock) as library:
        year.switch_on(library)
        seen: set[str] = set()
        for turn in range(TURNS):
            now = clock.now()
            if turn == HELD[0]:
                year.hold(library, held_until)
            before = {table: year.now_there(table) for table in ("clips", "points")}
            texts = year.sql("SELECT count(*) FROM texts")[0][0]
            if turn % 4 == 2:
                year.ask(library, range(7 + turn, year.households, 2_999), now)
                library.work(patience=timedelta(0))  # a sweep at the same time would claim the same rows as due, and rightly
            a_turn(library)
            year.keep_some(library)
            held = year.held if HELD[0] <= turn < HELD[1] else set()
            gone = 0
            for table, was in before.items():
                there = year.now_there(table)
                overdue = [row for row in there.values() if year.due(table, row, now) and (row[1] or row[2]) not in held]
                assert not overdue, f"turn {turn}: {len(overdue)} {table} are past their term"
                removed = [row for number, row in was.items() if number not in there]
                early = [row for row in removed if not year.may_go(table, row, now)]
                assert not early, f"turn {turn}: {len(early)} {table} went early"
                assert not [row for row in removed if (row[1] or row[2]) in held], f"turn {turn}: held {table} went"
                gone += len(removed)
            runs = {run.id for run in library.runs()} - seen
            assert all(library.status(run).complete for run in runs), f"turn {turn}: a run is not complete"
            seen |= runs
            told = accounted(library, runs)
            assert told["app.clips"] + told["app.points"] == gone, f"turn {turn}: {gone} went, the receipts say {dict(told)}"
            assert told["app.texts"] == texts - year.sql("SELECT count(*) FROM texts")[0][0]
            year.turn(now)
            clock.tick(TURN)
        for child in year.silent - year.kept - year.held:
            gone_by = year.silent_since[child] + timedelta(days=540 + 90) + TURN
            assert gone_by > clock.now() or not year.sql(f"SELECT 1 FROM profiles WHERE id = {child}")
        assert year.kept
        assert year.sql("SELECT count(*) FROM people")[0][0] == year.households


WORKER = """
import sys
from datetime import datetime, timedelta, UTC
from pathlib import Path
from expunge.runtime.clock import SystemClock
from tests.retain.year import Year, a_turn

class Later:
    def __init__(self, begin, at):
        self.shift = datetime.fromisoformat(at) - datetime.fromisoformat(begin)
    def now(self):
        return SystemClock().now() + self.shift

folder = Path(sys.argv[1])
control = {"JOURNAL_URL": f"sqlite:///{folder}/journal.db", "KEYS_URL": f"sqlite:///{folder}/keys.db"}
year = Year(folder, f"sqlite:///{folder}/app.db", control, int(sys.argv[4]))
with year.opened(Later(sys.argv[2], sys.argv[3]), timedelta(seconds=1)) as library:
    a_turn(library)
    library.work(patience=timedelta(seconds=5))
    sys.exit(0 if all(library.status(run.id).complete for run in library.runs()) else 9)
"""


@pytest.mark.slow
def test_killed_at_random_it_ends_equal(tmp_path: Path) -> None:
    """Two estates of one seed; the workers of one are killed again and again."""
    ends = [_play(tmp_path / name, killed=killed) for name, killed in (("whole", False), ("killed", True))]
    assert ends[0] == ends[1]


def _play(folder: Path, *, killed: bool) -> tuple[str, int]:
    folder.mkdir()
    control = {"JOURNAL_URL": f"sqlite:///{folder}/journal.db", "KEYS_URL": f"sqlite:///{folder}/keys.db"}
    year = Year(folder, f"sqlite:///{folder}/app.db", control, 120)
    year.build()
    with year.opened(FakeClock(BEGIN)) as library:
        year.switch_on(library)
    dice, kills = random.Random(5), 0
    for turn in range(6):
        at = BEGIN + turn * TURN
        begun = time.time()
        while True:
            words = [sys.executable, "-c", WORKER, str(folder), _utc(begun), at.isoformat(), str(year.households)]
            worker = subprocess.Popen(words, cwd=Path(__file__).parents[2])
            if killed and kills < 8 * (turn + 1):
                time.sleep(1.0 + dice.random() * 4)
                if worker.poll() is None:
                    os.kill(worker.pid, signal.SIGKILL)
                    kills += 1
            if worker.wait() == 0:
                break
        year.turn(at)
    with year.opened(FakeClock(BEGIN + 7 * TURN)) as library:
        total = sum(accounted(library, [run.id for run in library.runs()]).values())
        library.check_log()
    return dump(year), total


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
