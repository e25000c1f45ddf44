"""A sweep survives SIGKILL at every boundary: the same receipts and the same rows as without, one receipt for each term."""

from __future__ import annotations

import json
import random
import signal
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

import expunge
from expunge.app import sweeps
from expunge.app.library import Expunge
from expunge.erase.statement import same_content
from tests.erase.toy import SOON
from tests.faults.killing import LEASE, watch_boundaries
from tests.retain.test_terms import young
from tests.retain.worlds import NOW, Place, World, expected, make_world, opened_world

WORLD = young(make_world(random.Random(21), 8))
REDUCED = 2
"""Boundaries tried in every run of the tests, spread over all; the slow set tries each."""


class Running:
    """A clock that begins where it is told and runs as fast as time does."""

    def __init__(self, begin: datetime) -> None:
        self._begin = begin
        self._since = monotonic()

    def now(self) -> datetime:
        return self._begin + timedelta(seconds=monotonic() - self._since)


def reopened(folder: Path, clock: Running) -> Expunge:
    env = {"APP_URL": f"sqlite:///{folder}/app.db", "CONTROL": f"sqlite:///{folder}/state"}
    return expunge.open(folder / "expunge.yaml", env=env, clock=clock, lease=LEASE)


def work(folder: Path, round_: int, kill_at: int | None, answer: Any) -> None:
    """Sweep up to one and the same time, and work until nothing is left; die at a boundary. How many there were."""
    met = watch_boundaries(kill_at)
    with reopened(folder, Running(NOW + timedelta(hours=round_))) as library:
        sweeps.sweep(library.rooms, at=NOW)
        library.work(patience=SOON)
    answer.send(met[0])


def in_process(folder: Path, round_: int, kill_at: int | None = None) -> tuple[int | None, int | None]:
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.retain.test_sweep_kill"])
    here, there = context.Pipe()
    process = context.Process(target=work, args=(folder, round_, kill_at, there))
    process.start()
    there.close()
    met = None
    try:
        met = here.recv()
    except EOFError:
        assert kill_at is not None
    process.join(120)
    return process.exitcode, met


def content(folder: Path) -> tuple[Any, World]:
    """The statements without what may differ, and the rows."""
    with opened_world(folder, now=NOW + timedelta(hours=9)) as place:
        library = place.library
        assert all(library.status(run.id).complete for run in library.runs())
        assert not [one for one in library.incidents() if one.kind != "undated"]
        library.check_log()
        entries = [json.loads(raw) for raw in library.rooms.log.entries()]
        asked = [request.id for run in library.runs() for request in library.status(run.id).requests]
        receipted = [entry["statement"]["request"]["id"] for entry in entries if entry["type"] == "receipt/1"]
        assert sorted(receipted) == sorted(asked)
        return sorted((same_content(entry["statement"]) for entry in entries), key=json.dumps), place.rows()


def fresh(folder: Path) -> Path:
    with opened_world(folder) as place:
        Place.fill(place, WORLD)
    return folder


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Any]:
    folder = fresh(tmp_path_factory.mktemp("reference") / "world")
    code, met = in_process(folder, 1)
    assert (code, met is not None) == (0, True)
    left = content(folder)
    assert left[1] == expected(WORLD, NOW)
    return met or 0, left


def survives(folder: Path, kill_at: int, reference: tuple[int, Any]) -> None:
    fresh(folder)
    assert in_process(folder, 1, kill_at)[0] == -signal.SIGKILL
    assert in_process(folder, 2)[0] == 0
    assert content(folder) == reference[1], f"boundary {kill_at}"


@pytest.mark.parametrize("place", range(REDUCED))
def test_killed_at_a_boundary(place: int, reference: tuple[int, Any], tmp_path: Path) -> None:
    survives(tmp_path / "world", 1 + (place + 1) * (reference[0] - 1) // (REDUCED + 1), reference)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_every_boundary(reference: tuple[int, Any], tmp_path: Path) -> None:
    for kill_at in range(1, reference[0] + 1):
        survives(tmp_path / str(kill_at), kill_at, reference)
