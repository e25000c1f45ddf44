"""A run that hunts survives SIGKILL while it takes fingerprints and while it hunts: the same receipts, and nothing left of the prints."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.erase.toy import toy
from tests.faults.killing import Place, content, in_processes, marked_files

HUNT = 'expunge: 1\nhunt: {places: {share: {url: share}, lab: {url: "sqlite:///lab.db"}}}'
LATE = 0.8
"""From here on a run hunts, writes receipts and closes."""


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, object]:
    place = hunting(tmp_path_factory.mktemp("reference") / "estate")
    ((code, met),) = in_processes(place, [(None, None, True)])
    assert code == 0
    assert met is not None
    return met, content(place)


def hunting(folder: Path) -> Place:
    place = toy(folder, top=HUNT)
    (folder / "share").mkdir()
    (folder / "share" / "notes.txt").write_text("the weather is fine\n" * 100)
    with closing(sqlite3.connect(folder / "lab.db")) as lab, lab:
        lab.execute("create table notes (line integer primary key, body text)")
    return place


def survives(place: Place, kill_at: int) -> object:
    ((code, _),) = in_processes(place, [(kill_at, None, True)])
    assert code == -signal.SIGKILL, "it died where it should"
    ((code, _),) = in_processes(place, [(None, None, True)])
    assert code == 0
    assert list(marked_files(place.folder)) == []
    return content(place)


@pytest.mark.parametrize("share", [0.25, 0.85, 0.93])
def test_killed_while_taking_prints_and_while_hunting(share: float, reference: tuple[int, object], tmp_path: Path) -> None:
    met, expected = reference
    assert survives(hunting(tmp_path / "estate"), int(met * share)) == expected


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_every_boundary_of_the_hunt(reference: tuple[int, object], tmp_path: Path) -> None:
    met, expected = reference
    for kill_at in range(int(met * LATE), met + 1):
        assert survives(hunting(tmp_path / str(kill_at)), kill_at) == expected, f"boundary {kill_at}"
