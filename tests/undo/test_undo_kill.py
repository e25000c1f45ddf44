"""Hiding, undoing and a window's end survive SIGKILL at every boundary: nothing half hidden or half shown, nothing destroyed early."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from expunge.app import undoing
from expunge.app.library import Expunge
from expunge.app.undoing import Undoer
from expunge.errors import ExpungeError, KeySealed
from expunge.evidence.log import Log
from expunge.evidence.tombstones import Register
from expunge.journal import Journal
from expunge.journal.records import RequestStatus
from expunge.keys.vault import Vault
from expunge.terms import Identifier
from expunge.testing.clock import FakeClock
from tests.erase.toy import opened, sql, toy
from tests.faults.killing import Place
from tests.undo.conftest import UNDO

START = datetime(2026, 5, 1, tzinfo=UTC)
AFTER = START + timedelta(days=8)
SUBJECT, KEY = "adult:11", Identifier("person_id", "11")
OLD = Undoer("data subject", device_known_since=START - timedelta(days=30))
OUTSIDE = (
    (Journal, ("file", "hidden", "post", "begin_undo", "undo_log_size", "finish_undo", "set_request_status", "end_windows", "start_run")),
    (Register, ("lay", "lift")),
    (Vault, ("hide", "unhide", "destroy")),
    (Log, ("append",)),
)
REDUCED = 5
"""Boundaries tried in every run of the tests, spread over all; the slow set tries each."""


def do(place: Place, story: str, kill_at: int | None) -> int:
    """Live through a story; die at the ``kill_at``-th boundary. How many were met."""
    met = [0]

    def boundary() -> None:
        met[0] += 1
        if met[0] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*words: Any, **named: Any) -> Any:
            boundary()
            answer = original(*words, **named)
            boundary()
            return answer

        return call

    for owner, names in OUTSIDE:
        for name in names:
            setattr(owner, name, wrapped(getattr(owner, name)))
    clock = FakeClock(START)
    with opened(place, clock) as library:
        undoing.request(library, [SUBJECT])
        if story == "undone":
            clock.tick(timedelta(days=1))
            (window,) = undoing.open_windows(library)
            undoing.undo(library, window.request_id, OLD)
        else:
            clock.set(AFTER)
            library.work(patience=timedelta(0))
    return met[0]


def _child(place: Place, story: str, kill_at: int | None, answer: Any) -> None:
    answer.send(do(place, story, kill_at))


def in_a_process(place: Place, story: str, kill_at: int | None) -> int | None:
    """The boundaries that it met; ``None`` if it died."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.undo.test_undo_kill"])
    here, there = context.Pipe()
    process = context.Process(target=_child, args=(place, story, kill_at, there))
    process.start()
    there.close()
    met = None
    with suppress(EOFError):
        met = here.recv()
    process.join(120)
    here.close()
    assert process.exitcode == (0 if kill_at is None else -signal.SIGKILL)
    return met


def ask_again(library: Expunge) -> str:
    """Whoever asked, asks once more, and hears of the request that there is."""
    started = undoing.request(library, [SUBJECT])
    assert started.requests[0] is not None
    return started.requests[0].id


def check_undone(place: Place) -> None:
    clock = FakeClock(START + timedelta(days=1, minutes=2))
    with opened(place, clock) as library:
        library.work(patience=timedelta(0))
        done = [one for one in library.rooms.journal.requests() if one.status is RequestStatus.UNDONE]
        if not done:
            undoing.undo(library, ask_again(library), OLD if library.rooms.journal.requests() == [] else Undoer("ann", second="bob"))
        (request,) = library.rooms.journal.requests()
        assert request.status is RequestStatus.UNDONE
        assert not library.rooms.register.match([KEY])
        (number,) = library.rooms.journal.numbers([KEY]).values()
        library.rooms.keys.seal("subject", number, b"x", bound_to=b"x")
        assert sum(b'"undo/1"' in one for one in library.rooms.log.entries()) == 1
        templates = [one.template for one in library.rooms.journal.letters()]
        assert templates.count("erasure-undone") == 1
        assert templates.count("erasure-planned") <= 1
        clock.tick(timedelta(days=40))
        library.work(patience=timedelta(0))
        assert not library.runs()
        library.check_log()
    assert sql(place, "select count(*) from people where id = 11") == [(1,)]


def check_ended(place: Place) -> None:
    clock = FakeClock(START + timedelta(minutes=2))
    with opened(place, clock) as library:
        clock.set(max(clock.now(), library.rooms.log.checkpoint().at))  # it died when the window had ended
        library.work(patience=timedelta(0))
        if not library.rooms.journal.requests():
            ask_again(library)
        (request,) = library.rooms.journal.requests()
        if request.status is RequestStatus.HIDDEN:
            assert library.rooms.register.match([KEY])
            (number,) = library.rooms.journal.numbers([KEY]).values()
            with pytest.raises(KeySealed):
                library.rooms.keys.seal("subject", number, b"x", bound_to=b"x")
            assert sql(place, "select count(*) from people where id = 11") == [(1,)]
    clock = FakeClock(AFTER + timedelta(minutes=5))
    with opened(place, clock) as library:
        for _ in range(3):
            library.work(patience=timedelta(0))
            clock.tick(timedelta(minutes=5))
        (request,) = library.rooms.journal.requests()
        assert request.status is RequestStatus.CLOSED
        with pytest.raises(ExpungeError):
            undoing.undo(library, request.id, Undoer("ann", second="bob"))
        (run,) = library.runs()
        assert library.status(run.id).complete
        library.check_log()
    assert sql(place, "select count(*) from people where id = 11") == [(0,)]


CHECKS = {"undone": check_undone, "ended": check_ended}


def spread(total: int, count: int) -> list[int]:
    return sorted({1 + place * (total - 1) // (count - 1) for place in range(count)})


@pytest.mark.parametrize("story", sorted(CHECKS))
def test_killed_at_a_boundary(story: str, tmp_path: Path) -> None:
    quiet = toy(tmp_path / "quiet", top=UNDO)
    met = in_a_process(quiet, story, None)
    assert met is not None
    CHECKS[story](quiet)
    for kill_at in spread(met, REDUCED):
        place = toy(tmp_path / str(kill_at), top=UNDO)
        assert in_a_process(place, story, kill_at) is None
        CHECKS[story](place)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", sorted(CHECKS))
def test_killed_at_every_boundary(story: str, tmp_path: Path) -> None:
    met = in_a_process(toy(tmp_path / "quiet", top=UNDO), story, None)
    assert met is not None
    for kill_at in range(1, met + 1):
        place = toy(tmp_path / str(kill_at), top=UNDO)
        assert in_a_process(place, story, kill_at) is None
        CHECKS[story](place)
