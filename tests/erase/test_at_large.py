"""Large batches, holds, and what only time ends: a run waits where it should, and goes on where it may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from expunge.app.library import Expunge
from expunge.errors import ApprovalNeeded
from expunge.journal.records import RequestStatus, RunStatus, StepStatus
from expunge.terms import Identifier, Scope
from expunge.testing.clock import FakeClock
from expunge.testing.services import PostgreSQL
from tests.erase.toy import SOON, command, opened, rows_of, sql, statement_of, toy
from tests.faults.killing import Place

START = datetime(2026, 5, 1, tzinfo=UTC)
BRIEFLY = timedelta(seconds=1)
MANY = [f"child:{number}" for number in range(1000, 1120)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return toy(tmp_path / "toy")


@pytest.fixture
def crowd(place: Place) -> Place:
    """The toy with 120 more children, a clip each."""
    engine = sa.create_engine(place.environment["APP_URL"])
    with engine.begin() as connection:
        rows = [{"id": int(who.partition(":")[2])} for who in MANY]
        connection.execute(sa.text("insert into profiles values (:id, 5, null, 'one of many')"), rows)
        connection.execute(sa.text("insert into clips values ('x' || :id, :id, 'hello')"), rows)
    engine.dispose()
    return place


def left(place: Place) -> int:
    return int(sql(place, "select count(*) from profiles where id >= 1000")[0][0])


def test_a_large_batch_waits_for_a_second_person_and_goes_in_waves(crowd: Place) -> None:
    with opened(crowd) as library:
        assert not library.plan(MANY[:100]).needs_approval
        assert library.plan(MANY[:101]).needs_approval
        started, standings = library.erase(MANY, by="ann", patience=BRIEFLY)
        first, second, third = (run.id for run in started.runs)
        assert [len(one.requests) for one in standings] == [10, 1, 109]
        assert {one.run.status for one in standings} == {RunStatus.AWAITING_APPROVAL}
        assert (left(crowd), library.work(patience=BRIEFLY)) == (120, 0), "nobody begins without approval"
        digest = started.runs[0].plan_digest
        with pytest.raises(ApprovalNeeded, match="who started"):
            library.approve(first, digest, by="ann")
        with pytest.raises(ApprovalNeeded, match="digest"):
            library.approve(first, "0" * 64, by="bob")
        assert len(library.approve(first, digest, by="bob")) == 3
        library.work(first, patience=BRIEFLY)
        assert left(crowd) == 110
        library.work(second, patience=BRIEFLY)
        assert left(crowd) == 109
        library.work(patience=SOON)
        assert left(crowd) == 0
        assert all(library.status(run).complete for run in (first, second, third))
        assert len(list((crowd.folder / "state/evidence/receipts").glob("req_*"))) == 120


def test_a_wave_that_does_not_end_clean_stops_those_behind_it(crowd: Place) -> None:
    clock = FakeClock(START)
    sql(crowd, "create trigger never before delete on profiles when old.id = 1003 begin select raise(abort, 'no'); end")
    with opened(crowd, clock) as library:
        started, _ = library.erase(MANY, by="ann", patience=BRIEFLY)
        library.approve(started.runs[0].id, started.runs[0].plan_digest, by="bob")
        _advance(library, clock)
        states = [library.status(run.id) for run in started.runs]
        assert [step.status for step in states[0].steps if step.error_code] == [StepStatus.GIVEN_UP]
        assert [one.complete for one in states] == [False, False, False]
        assert left(crowd) >= 110, "the second and the third did not begin"
        assert sql(crowd, "select count(*) from clips where profile_id >= 1010") == [(110,)]
        sql(crowd, "drop trigger never")
        library.reopen(started.runs[0].id)
        _advance(library, clock)
        assert all(library.status(run.id).complete for run in started.runs)
        assert left(crowd) == 0


def _advance(library: Expunge, clock: FakeClock, times: int = 8) -> None:
    """Let a few minutes pass, and work on whatever is due."""
    for _ in range(times):
        library.work(patience=timedelta(0))
        clock.tick(timedelta(minutes=1))


def test_what_changed_after_approval_is_refused(crowd: Place) -> None:
    with opened(crowd) as library:
        started, _ = library.erase(MANY, by="ann", patience=BRIEFLY)
        library.approve(started.runs[0].id, started.runs[0].plan_digest, by="bob")
    dataset = crowd.folder / "app.yml"
    dataset.write_text(dataset.read_text().replace("- name: clips\n", "- name: clips\n        meta: {expunge: {verb: redact}}\n"))
    with opened(crowd) as library:
        library.work(patience=BRIEFLY)
        standing = library.status(started.runs[0].id)
        assert [(step.kind, step.status, step.error_code) for step in standing.waiting] == [
            ("locate", StepStatus.GIVEN_UP, "approval-needed")
        ]
    assert left(crowd) == 120


def test_approval_at_the_command_line(crowd: Place) -> None:
    listed = "# the whole crowd\n\n" + "\n".join(MANY)
    said = command(crowd, "erase", "--subjects-from", "-", "--by", "ann", "--patience", "1", stdin=listed)
    assert said.status == 82
    with opened(crowd) as library:
        run = library.runs()[0]
    assert f"expunge approve {run.id} --digest {run.plan_digest}" in said.out
    assert command(crowd, "approve", run.id, "--digest", run.plan_digest, "--by", "ann").status == 34
    assert command(crowd, "approve", run.id, "--digest", run.plan_digest, "--by", "bob").status == 0
    assert command(crowd, "work").status == 0
    assert left(crowd) == 0


def hold(library: Expunge, kind: str, key: str) -> str:
    type_ = library.policy.catalog.kinds[kind].key
    (number,) = library.rooms.journal.register(kind, [[Identifier(type_, key)]])
    return library.rooms.journal.place_hold(number, "court", "case 7").id


def test_a_hold_placed_before_keeps_the_request_waiting(place: Place) -> None:
    with opened(place) as library:
        placed = hold(library, "child", "11")
        started, standings = library.erase(["child:11", "child:12"], patience=SOON)
        assert started.outcomes == {0: "held"}
        assert [one.complete for one in standings] == [True]
        assert sql(place, "select id from profiles where id in (11, 12)") == [(11,)]
        library.work(patience=BRIEFLY)
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(3,)]
        again = library.request(["child:11"])
        assert again.outcomes == {0: "duplicate"}
        library.rooms.journal.lift_hold(placed)
        library.work(patience=SOON)
        assert started.requests[0] is not None
        assert library.rooms.journal.request(started.requests[0].id).status is RequestStatus.CLOSED
        assert sql(place, "select count(*) from profiles where id = 11") == [(0,)]


def test_held_requests_for_different_items_stay_different(place: Place) -> None:
    with opened(place) as library:
        placed = [hold(library, "child", key) for key in ("11", "12")]
        for child in ("11", "12"):
            library.request([f"child:{child}"], Scope(items=(f"app.clips/c{child}-0",)))
        for one in placed:
            library.rooms.journal.lift_hold(one)
        library.work(patience=SOON)
        assert all(library.status(run.id).complete for run in library.runs())
    assert sql(place, "select id from clips where profile_id in (11, 12) order by id") == [
        ("c11-1",), ("c11-2",), ("c12-1",), ("c12-2",)
    ]  # fmt: skip


def test_a_hold_placed_between_batches_stops_there(place: Place) -> None:
    clock = FakeClock(START)
    placed: list[str] = []
    for number in range(100):
        sql(place, "insert into clips values (:id, 11, 'more')", id=f"more-{number}")
    with opened(place, clock) as library:
        progress = library.rooms.journal.progress

        def then_hold(*words: Any) -> Any:
            answer = progress(*words)
            if words[0].name == "erase:app.clips#0" and not placed:
                placed.append(hold(library, "child", "11"))
            return answer

        library.rooms.journal.progress = then_hold  # type: ignore[method-assign, assignment]  # a court's order comes between two batches
        _, (standing,) = library.erase(["child:11"], patience=BRIEFLY)
        step = next(step for step in standing.steps if step.name == "erase:app.clips#0")
        assert step.status is StepStatus.WAITING
        assert 0 < step.done < 103
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(103 - step.done,)], "nothing more than was announced"
        clock.tick(timedelta(hours=3))
        library.work(patience=BRIEFLY)
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(103 - step.done,)]
        assert not library.status(standing.run.id).complete
        assert not library.incidents(), "a hold is an outcome, not a fault"
        library.rooms.journal.lift_hold(placed[0])
        clock.tick(timedelta(hours=1))
        library.work(patience=BRIEFLY)
        assert library.status(standing.run.id).complete
    assert sql(place, "select count(*) from clips where profile_id = 11") == [(0,)]


WEEK = 'app: {kind: sql, url: "${APP_URL}", datasets: [app.yml], history_clears_in: 7 days}'


def test_what_only_time_ends_keeps_the_run_pending(tmp_path: Path) -> None:
    place = toy(tmp_path / "toy", app=WEEK)
    clock = FakeClock(START)
    with opened(place, clock) as library:
        _, (standing,) = library.erase(["child:11"], patience=BRIEFLY)
        assert standing.complete
        assert standing.run.status is RunStatus.PENDING
        rows = rows_of(statement_of(library, standing))
        until = (START + timedelta(days=7)).isoformat()
        assert {name: row["pending_until"] for name, row in rows.items()} == {
            "app.clips": until,
            "app.profiles": until,
            "media.voice": None,
        }
        assert library.rooms.journal.target_names(standing.run.id), "what was located stays sealed until then"
        clock.tick(timedelta(days=6, hours=23))
        library.work(patience=BRIEFLY)
        assert library.status(standing.run.id).run.status is RunStatus.PENDING
        clock.tick(timedelta(hours=1))
        library.work(patience=BRIEFLY)
        assert library.status(standing.run.id).run.status is RunStatus.CLOSED
        assert not library.rooms.journal.target_names(standing.run.id)


@pytest.mark.postgresql
@pytest.mark.parametrize("declared", [True, False])
def test_postgresqls_log_is_pending_or_said_to_be_undeclared(postgresql_server: PostgreSQL, tmp_path: Path, declared: bool) -> None:  # noqa: FBT001  # a parameter
    place = toy(tmp_path / "toy", postgresql_server.database(), **({"app": WEEK} if declared else {}))
    with opened(place, FakeClock(START)) as library:
        _, (standing,) = library.erase(["child:11"], patience=BRIEFLY)
        assert standing.complete
        row = rows_of(statement_of(library, standing))["app.clips"]
        assert (row["level"], row["after"]) == ("physically absent", 0)
        assert "write-ahead log" in row["note"]
        if declared:
            assert standing.run.status is RunStatus.PENDING
            assert (row["pending_until"], row["horizon"]) == ((START + timedelta(days=7)).isoformat(), "7 days")
        else:
            assert standing.run.status is RunStatus.CLOSED
            assert (row["pending_until"], row["horizon"]) == (None, "not declared")
