"""What a term ends and what it leaves, decided row by row apart from the program: nothing early, nothing late."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from expunge.app import holding, retaining, sweeps
from expunge.erase import sweeping_find
from expunge.errors import ClockWentBack, InvalidRequest, Unavailable
from expunge.journal.records import RunStatus
from expunge.terms import Scope
from expunge.testing.services import PostgreSQL
from tests.erase.toy import SOON, rows_of, statement_of
from tests.retain.worlds import DAY, NOW, POLICY, Place, World, expected, make_world, opened_world

USED = timedelta(days=1)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened_world(tmp_path / "world") as opened:
        yield opened


def young(world: World) -> World:
    """Nobody's own record has ended."""
    for row in world["profiles"].values():
        row["used_at"] = NOW - USED
    return world


def swept(place: Place, **options: Any) -> sweeps.Swept:
    """Sweep, and work until nothing is left to do."""
    done = sweeps.sweep(place.library.rooms, **options)
    place.library.work(patience=SOON)
    assert all(place.library.status(run.id).complete for one in done.started for run in one.runs)
    assert not [one for one in place.library.incidents() if one.kind != "undated"]
    return done


@pytest.mark.parametrize("seed", range(1))
def test_what_is_left_is_what_has_not_ended(place: Place, seed: int) -> None:
    world = young(make_world(random.Random(seed)))
    place.fill(world)
    done = swept(place)
    assert done.records
    assert place.rows() == expected(world, NOW)
    again = sweeps.sweep(place.library.rooms)
    assert (again.records, again.started) == (0, ())
    place.library.check_log()


def test_a_join_is_followed_from_either_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping_find, "MANY", 1)
    test_what_is_left_is_what_has_not_ended(place, 3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 40))
def test_of_many_worlds_what_is_left_is_what_has_not_ended(place: Place, seed: int) -> None:
    test_what_is_left_is_what_has_not_ended(place, seed)


def test_on_postgresql(postgresql_server: PostgreSQL, tmp_path: Path) -> None:
    world = young(make_world(random.Random(1)))
    with opened_world(tmp_path / "world", postgresql_server.database()) as place:
        place.fill(world)
        swept(place)
        assert place.rows() == expected(world, NOW)


def test_day_by_day_nothing_is_there_past_its_end(place: Place) -> None:
    """A clock runs on; each sweep takes what has ended by then and no more."""
    world = young(make_world(random.Random(7)))
    place.fill(world)
    for days in (0, 11, 40):
        place.clock.set(NOW + DAY * days)
        swept(place)
        assert place.rows() == expected(world, NOW + DAY * days)
        world = place.rows()
        assert retaining.outlook(place.library.rooms).records == 0


def test_what_is_due_is_told_months_ahead(place: Place) -> None:
    world = young(make_world(random.Random(2)))
    place.fill(world)
    ahead = retaining.outlook(place.library.rooms, NOW + DAY * 61)
    things = next(one for one in ahead.due if one.rule.collection == "app.notes" and one.rule.kind == "child" and not one.rule.fields)
    mine = [row for row in world["notes"].values() if row["profile_id"] and row["at"] and row["at"] < NOW + DAY * 31]
    assert things.records == len(mine) == sum(things.months.values())
    assert things.first == min(row["at"] for row in mine) + DAY * 30
    assert place.rows() == world, "nothing was written"
    assert ahead.undated["app.notes"] == sum(row["at"] is None for row in world["notes"].values())


def test_who_is_held_keeps_everything_until_the_hold_ends(place: Place) -> None:
    world = young(make_world(random.Random(4)))
    held = {
        "clips": {number for number, row in world["clips"].items() if row["profile_id"] == 11},
        "notes": {number for number, row in world["notes"].items() if row["profile_id"] == 11},
    }
    held["texts"] = {number for number, row in world["texts"].items() if row["clip_id"] in held["clips"]}
    boxes = {number for number, row in world["boxes"].items() if row["profile_id"] == 11}
    held["things"] = {number for number, row in world["things"].items() if row["box_id"] in boxes}
    held["jobs"] = {number for number, row in world["jobs"].items() if row["profile_id"] == 11}
    world["jobs"] = {number: row for number, row in world["jobs"].items() if number not in held["jobs"]}
    place.fill(world)
    until = NOW + DAY * 5
    hold = holding.place(place.library, "child:11", Scope(), until=until, authority="order 7", reason="a dispute", by="legal:jane")
    holding.confirm(place.library, hold.id, by="legal:joe")
    done = swept(place)
    assert place.rows() == expected(world, NOW, held)
    statement = statement_of(place.library, place.library.status(done.started[0].runs[0].id))
    assert sum(statement["held"].values())
    place.clock.set(until + timedelta(seconds=1))
    swept(place)
    left = place.rows()
    assert left["notes"] == expected(world, place.clock.now())["notes"]
    assert left["clips"] == expected(world, place.clock.now())["clips"]


def test_receipts_name_terms_and_nobody(place: Place) -> None:
    place.fill(young(make_world(random.Random(5))))
    done = swept(place)
    (run,) = done.started[0].runs
    standing = place.library.status(run.id)
    whole = statement_of(place.library, standing)
    assert "child/user.content/respond" in whole["scope"]["terms"]
    total = 0
    for request in standing.requests:
        own = statement_of(place.library, standing, request.id)
        assert own["request"]["commitment"] is None
        assert own["request"]["authority"] == f"term ended: {own['request']['scope']['terms'][0]}"
        total += sum(row["erased"] for row in rows_of(own).values())
    assert total == sum(row["erased"] for row in rows_of(whole).values())


def test_a_sweep_that_finds_nothing_is_written_down(place: Place) -> None:
    done = sweeps.sweep(place.library.rooms, by="night")
    assert (done.records, done.started) == (0, ())
    assert place.library.runs() == []
    (told,) = place.library.rooms.journal.sweeps()
    assert (told.at, told.by, told.records) == (NOW, "night", 0)


def test_a_child_s_own_record_ends_as_a_request_for_everything(place: Place) -> None:
    world = young(make_world(random.Random(6)))
    world["profiles"][21]["used_at"] = NOW - DAY * 301
    place.fill(world)
    done = swept(place)
    (mine,) = [one for one in done.started if one.requests[0] is not None and one.requests[0].kind == "erase"]
    assert [request.subject_kind for request in mine.requests if request] == ["child"]
    left = place.rows()
    assert 21 not in left["profiles"]
    assert not [row for rows in left.values() for row in rows.values() if row.get("profile_id") == 21]
    assert set(left["profiles"]) == set(world["profiles"]) - {21}


def test_a_clock_that_went_back_ends_nothing(place: Place) -> None:
    sweeps.sweep(place.library.rooms)
    place.clock.set(NOW - DAY)
    with pytest.raises(ClockWentBack):
        sweeps.sweep(place.library.rooms)
    place.clock.set(NOW + DAY)
    with pytest.raises(InvalidRequest, match="looks ahead"):
        sweeps.sweep(place.library.rooms, at=NOW + DAY * 2)


def crowd(world: World, count: int, old: int) -> World:
    """Many notes, of which ``old`` have ended."""
    for number in range(2, 2 + count):
        at = NOW - DAY * (400 if number < 2 + old else 1)
        world["notes"][number] = {"id": number, "profile_id": 11, "person_id": None, "mood": "m", "words": "w", "at": at}
    return world


def test_many_records_wait_for_a_word_on_the_policy(place: Place) -> None:
    world = crowd(young(make_world(random.Random(1), 1)), 1200, 150)
    place.fill(world)
    first = sweeps.sweep(place.library.rooms, by="worker", dry_run=True)
    assert "nobody else has approved" in first.waits[0]
    sweeps.approve(place.library.rooms, by="worker")
    assert sweeps.sweep(place.library.rooms, by="worker", dry_run=True).waits, "one's own word is none"
    sweeps.approve(place.library.rooms, by="officer")
    assert swept(place, by="worker").waits == ()
    assert len(place.rows()["notes"]) < 1200


def test_too_much_of_a_collection_waits_whoever_approved(tmp_path: Path) -> None:
    with opened_world(tmp_path / "world", policy=POLICY.replace("breaker: 100 %", "breaker: 10 %")) as place:
        world = crowd(young(make_world(random.Random(1), 1)), 1200, 150)
        place.fill(world)
        sweeps.approve(place.library.rooms, by="officer")
        done = sweeps.sweep(place.library.rooms, by="worker")
        place.library.work(patience=SOON)
        (run,) = done.started[0].runs
        assert "more than 10 %" in done.waits[0]
        assert place.library.status(run.id).run.status is RunStatus.AWAITING_APPROVAL
        assert len(place.rows()["notes"]) == len(world["notes"])
        later = sweeps.sweep(place.library.rooms, by="worker")
        assert later.busy
        assert not later.started[0].runs
        place.library.approve(run.id, run.plan_digest, by="officer")
        place.library.work(patience=SOON)
        assert place.library.status(run.id).complete
        assert place.rows()["notes"] == expected(world, NOW)["notes"]


def test_a_policy_that_changed_is_not_swept_by_its_old_terms(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    policy = POLICY.replace("breaker: 100 %", "breaker: 10 %")
    world = crowd(young(make_world(random.Random(1), 1)), 1200, 150)
    with opened_world(folder, policy=policy) as place:
        place.fill(world)
        (run,) = sweeps.sweep(place.library.rooms, by="worker").started[0].runs
    with opened_world(folder, policy=policy.replace("keep: 30 days", "keep: 1 year")) as place:
        place.library.approve(run.id, run.plan_digest, by="officer")
        place.library.work(patience=SOON)
        standing = place.library.status(run.id)
        assert standing.complete
        assert rows_of(statement_of(place.library, standing)) == {}
        assert len(place.rows()["notes"]) == len(world["notes"])


def test_what_arrives_late_with_an_old_date_is_mopped_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.fill(young(make_world(random.Random(3))))
    store = place.library.rooms.stores["app"]
    plain = type(store).reclaim_all  # type: ignore[attr-defined]  # the SQL store has it

    def reclaimed(self: Any, collections: Any) -> Any:
        done = plain(self, collections)
        with place.engine.begin() as connection:
            connection.exec_driver_sql("insert into notes values (900, 11, null, 'm', 'w', '2024-01-01')")
        monkeypatch.undo()
        return done

    monkeypatch.setattr(type(store), "reclaim_all", reclaimed)
    done = swept(place)
    (run,) = done.started[0].runs
    assert rows_of(statement_of(place.library, place.library.status(run.id)))["app.notes"]["late"] == 1
    assert 900 not in place.rows()["notes"]


def test_what_has_no_time_twice_is_an_incident_until_it_has(place: Place) -> None:
    world = young(make_world(random.Random(8), 3))
    world["notes"][1]["at"] = None
    place.fill(world)
    for _ in range(2):
        sweeps.sweep(place.library.rooms)
    place.library.work(patience=SOON)
    assert [one.kind for one in place.library.incidents() if one.control.endswith("app.notes")] == ["undated"]
    with place.engine.begin() as connection:
        connection.exec_driver_sql("update notes set at = '2026-05-31' where at is null")
    sweeps.sweep(place.library.rooms)
    assert not [one for one in place.library.incidents() if one.control.endswith("app.notes")]


def test_the_timetable_sweeps_once_a_day(place: Place) -> None:
    place.fill(young(make_world(random.Random(9), 3)))
    assert sweeps.sweep_if_due(place.library.rooms) is not None
    assert sweeps.sweep_if_due(place.library.rooms) is None
    place.clock.set(NOW + DAY)
    assert sweeps.sweep_if_due(place.library.rooms) is not None
    assert [one.at for one in place.library.rooms.journal.sweeps(9)] == [NOW + DAY, NOW]


def test_a_sweep_that_was_filed_and_not_begun_is_begun_by_whoever_works(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    world = young(make_world(random.Random(10), 4))
    place.fill(world)
    journal = type(place.library.rooms.journal)

    def away(*_: Any, **__: Any) -> None:
        raise Unavailable("the control database is away")

    with monkeypatch.context() as patched:
        patched.setattr(journal, "start_run", away)
        with pytest.raises(Unavailable):
            sweeps.sweep(place.library.rooms)
        place.library.work(patience=SOON)
        assert [one.kind for one in place.library.incidents()] == ["store-unavailable"], "work goes on for everybody else"
    place.library.work(patience=SOON)
    assert place.rows() == expected(world, NOW)
    assert not place.library.incidents()
