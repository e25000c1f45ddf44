"""A hold that comes while a sweep is at work, collections that are redacted, and what lies in other kinds of stores."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import expunge
from examples.home import estate
from examples.home.where import Amounts, Where
from expunge.app import holding, retaining, sweeps
from expunge.terms import Scope, Step
from expunge.testing.clock import FakeClock
from tests.erase.toy import SOON, rows_of, statement_of
from tests.retain.test_terms import young
from tests.retain.worlds import APP, DAY, NOW, POLICY, World, make_world, opened_world

AN_HOUR = timedelta(hours=1, seconds=1)


def notes(each: int, ended: int) -> World:
    """So many notes of child 11 and of child 21, all of which have ended."""
    world = young(make_world(random.Random(1), 0))
    for number in range(1, 2 * each + 1):
        child = 11 if number % 2 else 21
        world["notes"][number] = {"id": number, "profile_id": child, "person_id": None, "mood": "m", "words": "w", "at": NOW - DAY * ended}
    return world


def test_a_sweep_goes_on_without_whom_a_hold_takes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened_world(tmp_path / "world", policy=POLICY.replace("batch: 7", "batch: 1")) as place:
        place.fill(notes(50, 40))
        library = place.library
        store = type(library.rooms.stores["app"])
        plain = store.erase
        holds: list[str] = []

        def erase(self: Any, step: Step) -> Iterator[int]:
            for count in plain(self, step):
                yield count
                if step.collection == "notes" and not holds:
                    hold = holding.place(
                        library, "child:21", Scope(), until=NOW + DAY * 9, authority="order 7", reason="a dispute", by="legal:jane"
                    )
                    holding.confirm(library, hold.id, by="legal:joe")
                    holds.append(hold.id)

        monkeypatch.setattr(store, "erase", erase)
        (run,) = sweeps.sweep(library.rooms).started[0].runs
        library.work(patience=SOON / 10)
        assert not library.status(run.id).complete
        place.clock.tick(AN_HOUR)
        library.work(patience=SOON)
        standing = library.status(run.id)
        assert standing.complete
        left = place.rows()["notes"]
        assert left
        assert {row["profile_id"] for row in left.values()} == {21}
        whole = statement_of(library, standing)
        assert whole["held"] == {"app.notes": len(left)}
        assert rows_of(whole)["app.notes"]["erased"] == 100 - len(left)
        own = [rows_of(statement_of(library, standing, request.id)) for request in standing.requests]
        assert sum(rows["app.notes"]["erased"] for rows in own if "app.notes" in rows) == 100 - len(left)
        library.check_log()
        place.clock.set(NOW + DAY * 10)
        sweeps.sweep(library.rooms)
        library.work(patience=SOON)
        assert place.rows()["notes"] == {}


def test_what_is_redacted_is_done_with(tmp_path: Path) -> None:
    """Records stay for statistics, without content and without whose they were; the next sweep has nothing to do with them."""
    old = "meta: {expunge: {owned_by: [profile_id, person_id], captured_at: at}}\n        fields:\n          - {name: id, fides_meta: {primary_key: true}}\n          - {name: profile_id, fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}}\n          - {name: person_id, fides_meta: {references: [{dataset: app, field: people.id, direction: from}]}}\n          - {name: mood"  # noqa: E501  # the lines as they are
    assert old in APP
    app = APP.replace(old, old.replace("captured_at: at}", "captured_at: at, verb: redact}"))
    with opened_world(tmp_path / "world", app=app) as place:
        world = notes(2, 40)
        world["notes"][9] = {"id": 9, "profile_id": None, "person_id": 11, "mood": "m", "words": "w", "at": NOW - DAY * 40}
        place.fill(world)
        for _ in range(2):
            done = sweeps.sweep(place.library.rooms)
            place.library.work(patience=SOON)
        assert done.records == 0
        assert len(place.library.runs()) == 1
        left = place.rows()["notes"]
        assert left.pop(9) == world["notes"][9]
        assert {(row["profile_id"], row["mood"], row["words"], row["at"]) for row in left.values()} == {(None, None, None, NOW - DAY * 40)}
        assert len(left) == 4


def test_a_term_that_is_not_over_by_a_moment_ends_nothing(tmp_path: Path) -> None:
    with opened_world(tmp_path / "world", policy=POLICY) as place:
        place.fill(notes(1, 30))
        sweeps.sweep(place.library.rooms)
        place.library.work(patience=SOON)
        assert len(place.rows()["notes"]) == 2, "kept for 30 days: the 30th day has not passed"
        assert {row["mood"] for row in place.rows()["notes"].values()} == {None}
        place.clock.tick(timedelta(microseconds=1))
        sweeps.sweep(place.library.rooms)
        place.library.work(patience=SOON)
        assert place.rows()["notes"] == {}


@pytest.mark.slow
def test_the_estate_is_swept_in_every_kind_of_store(tmp_path: Path) -> None:
    """A database, objects in versions, a Delta table, Parquet and compressed logs; times that lie in another store."""
    estate.build(Where(tmp_path / "home"), 2, amounts=Amounts(clips_per_profile=2, points_per_person=6))
    clock = FakeClock(datetime(2027, 1, 1, tzinfo=UTC))
    with expunge.open(tmp_path / "home" / "expunge.yaml", env={}, clock=clock) as library:
        before = retaining.outlook(library.rooms)
        assert {one.rule.collection.split(".")[0] for one in before.due if one.records} == {"app", "media", "places", "secondary", "logs"}
        done = sweeps.sweep(library.rooms)
        library.work(patience=SOON)
        assert all(library.status(run.id).complete for one in done.started for run in one.runs)
        assert retaining.outlook(library.rooms).records == 0
        assert not [one for one in library.incidents() if one.kind != "undated"]
        library.check_log()
