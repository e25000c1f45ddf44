"""A run survives SIGKILL at every boundary and between them: the same receipts, nothing lost, nothing else erased, no false "done"."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from expunge.testing import services
from tests.faults.killing import MARKED, Place, build, content, in_processes, marked_files

REDUCED = 9
"""Boundaries tried in every run of the tests, spread over all; the slow set tries each."""


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, object]:
    """What an undisturbed run does: how many boundaries it meets, and what it leaves."""
    place = _sqlite(tmp_path_factory.mktemp("reference") / "estate")
    assert set(MARKED) <= {line.split(": ")[1] for line in marked_files(place.folder)}, "the markers are there to be found"
    ((code, met),) = in_processes(place, [(None, None, True)])
    assert code == 0
    assert met is not None
    assert list(marked_files(place.folder)) == []
    return met, content(place)


def _sqlite(folder: Path) -> Place:
    return build(folder, f"sqlite:///{folder}/app.db")


def _survives(place: Place, kill_at: int | None, kill_after: float | None, workers: int) -> object:
    """Kill one worker there, let ``workers`` others finish, and tell what is left."""
    (first, *_) = in_processes(place, [(kill_at, kill_after, True), *[(None, None, False)] * (workers - 1)])
    assert first[0] in (-signal.SIGKILL, 0)
    if kill_at is not None and workers == 1:  # among several, others may have done what stood before that boundary
        assert first[0] == -signal.SIGKILL, "it died where it should"
    codes = [code for code, _ in in_processes(place, [(None, None, True)])]
    assert codes == [0]
    assert list(marked_files(place.folder)) == []
    return content(place)


def _spread(total: int, count: int) -> list[int]:
    return sorted({1 + place * (total - 1) // (count - 1) for place in range(count)})


@pytest.mark.parametrize("place", range(REDUCED))
def test_killed_at_a_boundary(place: int, reference: tuple[int, object], tmp_path: Path) -> None:
    met, expected = reference
    points = _spread(met, REDUCED)
    assert _survives(_sqlite(tmp_path / "estate"), points[place], None, 1) == expected


def test_killed_between_boundaries_with_three_workers(reference: tuple[int, object], tmp_path: Path) -> None:
    _, expected = reference
    assert _survives(_sqlite(tmp_path / "estate"), None, 1.1, 3) == expected


def test_killed_on_postgresql(postgresql_server: services.PostgreSQL, reference: tuple[int, object], tmp_path: Path) -> None:
    met, _ = reference
    results: list[object] = []
    for number, kill_at in enumerate((None, met // 2)):
        place = build(tmp_path / str(number), postgresql_server.database(), postgresql_server.database())
        if kill_at is None:
            assert in_processes(place, [(None, None, True)])[0][0] == 0
            results.append(content(place))
        else:
            results.append(_survives(place, kill_at, None, 3))
    assert results[0] == results[1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("workers", [1, 3])
def test_killed_at_every_boundary(workers: int, reference: tuple[int, object], tmp_path: Path) -> None:
    met, expected = reference
    for kill_at in range(1, met + 1, 1 if workers == 1 else 3):
        assert _survives(_sqlite(tmp_path / f"{kill_at}"), kill_at, None, workers) == expected, f"boundary {kill_at}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("workers", [1, 3])
def test_killed_at_boundaries_on_postgresql(workers: int, postgresql_server: services.PostgreSQL, tmp_path: Path) -> None:
    quiet = build(tmp_path / "quiet", postgresql_server.database(), postgresql_server.database())
    ((code, met),) = in_processes(quiet, [(None, None, True)])
    assert code == 0
    assert met is not None
    expected = content(quiet)
    for kill_at in range(workers, met + 1, 2 if workers == 1 else 6):
        place = build(tmp_path / str(kill_at), postgresql_server.database(), postgresql_server.database())
        assert _survives(place, kill_at, None, workers) == expected, f"boundary {kill_at}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("workers", [1, 3])
def test_killed_at_random_on_postgresql(workers: int, postgresql_server: services.PostgreSQL, tmp_path: Path) -> None:
    rng = random.Random(workers)
    quiet = build(tmp_path / "quiet", postgresql_server.database(), postgresql_server.database())
    assert in_processes(quiet, [(None, None, True)])[0][0] == 0
    expected = content(quiet)
    for number in range(12):
        place = build(tmp_path / str(number), postgresql_server.database(), postgresql_server.database())
        assert _survives(place, None, rng.uniform(0.3, 4.0), workers) == expected
