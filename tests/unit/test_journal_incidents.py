"""Incidents and the timetable."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from expunge.errors import LeaseLost, UnknownRequest
from expunge.journal import Journal
from expunge.testing.clock import FakeClock
from expunge.testing.sealer import MemorySealer

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def journal(tmp_path: Path, clock: FakeClock) -> Iterator[Journal]:
    opened = Journal.open(f"sqlite:///{tmp_path / 'control.db'}", clock=clock, sealer=MemorySealer(), lookup_key=bytes(32))
    yield opened
    opened.close()


def test_only_the_control_that_failed_closes_an_incident(journal: Journal, clock: FakeClock) -> None:
    opened = journal.open_incident("residue", "residue:app.clips", owner="privacy", due=clock.now() + DAY, note="2 left", store="app")
    assert journal.incidents(open_only=True) == [opened] == [journal.incident(opened.id)]
    assert (opened.is_open, opened.opened_at, opened.reopened) == (True, clock.now(), 0)
    assert not journal.passed("residue:app.profiles")
    assert journal.passed("residue:app.clips")
    assert not journal.passed("residue:app.clips")
    assert journal.incidents(open_only=True) == []
    assert journal.incident(opened.id).closed_at == clock.now()


def test_failing_again_while_open_keeps_the_earlier_clock(journal: Journal, clock: FakeClock) -> None:
    opened = journal.open_incident("reach", "reach:places", owner="ops", due=clock.now() + DAY, note="first")
    clock.tick(DAY / 2)
    again = journal.open_incident("reach", "reach:places", owner="privacy", due=clock.now() + DAY, note="second")
    assert (again.id, again.due, again.opened_at, again.reopened) == (opened.id, opened.due, opened.opened_at, 0)
    assert (again.note, again.owner) == ("second", "privacy")


def test_a_fault_that_comes_back_is_the_same_and_counted(journal: Journal, clock: FakeClock) -> None:
    for times in range(9):
        opened = journal.open_incident("residue", "residue:geo", owner="privacy", due=clock.tick() + DAY, note="again")
        assert (opened.reopened, opened.opened_at, opened.is_open) == (times, clock.now(), True)
        journal.passed("residue:geo")
    assert len(journal.incidents()) == 1


def test_incidents_are_listed_by_their_clock(journal: Journal, clock: FakeClock) -> None:
    for days in (3, 1, 2):
        journal.open_incident("reach", f"reach:{days}", owner="ops", due=clock.now() + days * DAY, note="")
    assert [one.control for one in journal.incidents()] == ["reach:1", "reach:2", "reach:3"]
    assert journal.incidents(run_id="run_none") == []


def test_an_incident_of_no_run_we_know_is_refused(journal: Journal, clock: FakeClock) -> None:
    with pytest.raises(UnknownRequest):
        journal.open_incident("residue", "c", owner="o", due=clock.now(), note="", run_id="run_none")
    with pytest.raises(UnknownRequest, match="inc_none"):
        journal.incident("inc_none")


def test_a_task_comes_back_at_its_own_times(journal: Journal, clock: FakeClock) -> None:
    start = clock.now()
    journal.schedule("sweep", DAY, {"terms": "all"}, first=start + DAY)
    assert journal.claim_schedule("w") is None
    clock.set(start + DAY + timedelta(hours=1))
    taken = journal.claim_schedule("w")
    assert taken is not None
    assert (taken.name, taken.payload, taken.due) == ("sweep", {"terms": "all"}, start + DAY)
    assert journal.claim_schedule("other") is None
    journal.finish_schedule(taken)
    assert [one.due for one in journal.schedules()] == [start + 2 * DAY]


def test_missed_occasions_are_made_up_for_once(journal: Journal, clock: FakeClock) -> None:
    start = clock.now()
    journal.schedule("sweep", DAY)
    clock.tick(10 * DAY + timedelta(hours=5))
    taken = journal.claim_schedule("w")
    assert taken is not None
    journal.finish_schedule(taken)
    assert journal.claim_schedule("w") is None
    assert journal.schedules()[0].due == start + 11 * DAY


def test_a_dead_workers_task_is_taken_over_and_its_word_refused(journal: Journal, clock: FakeClock) -> None:
    journal.schedule("sweep", DAY)
    dead = journal.claim_schedule("dead", lease=timedelta(minutes=1))
    assert dead is not None
    clock.tick(timedelta(minutes=1))
    taken = journal.claim_schedule("live")
    assert taken is not None
    with pytest.raises(LeaseLost):
        journal.finish_schedule(dead)
    journal.finish_schedule(taken)


def test_a_clock_put_back_does_not_lose_a_task(journal: Journal, clock: FakeClock) -> None:
    clock.tick(365 * DAY)
    journal.schedule("sweep", DAY)
    assert journal.claim_schedule("dead") is not None
    clock.tick(-365 * DAY)
    taken = journal.claim_schedule("live")
    assert taken is not None
    journal.finish_schedule(taken)
    assert journal.schedules()[0].due <= clock.now() + DAY


def test_a_new_rhythm_begins_anew_and_the_same_changes_nothing(journal: Journal, clock: FakeClock) -> None:
    start = clock.now()
    journal.schedule("sweep", DAY, first=start + DAY)
    clock.tick()
    journal.schedule("sweep", DAY, {"new": True})
    assert [(one.due, one.payload) for one in journal.schedules()] == [(start + DAY, {"new": True})]
    journal.schedule("sweep", 2 * DAY)
    assert journal.schedules()[0].due == clock.now() + 2 * DAY
    journal.unschedule("sweep")
    journal.unschedule("sweep")
    assert journal.schedules() == []
    with pytest.raises(ValueError, match="after some time"):
        journal.schedule("never", timedelta())
