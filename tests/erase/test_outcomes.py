"""What can go wrong, and what is said of it: each its own error or outcome, nothing lost, no identifier in any text."""

from __future__ import annotations

import multiprocessing
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from expunge.errors import ClockWentBack, InvalidRequest, UnknownStore, UnknownSubject
from expunge.journal.records import RequestStatus, RunStatus, StepStatus
from expunge.testing.clock import FakeClock
from expunge.testing.relay import Relay
from expunge.testing.services import LOOPBACK, S3, PostgreSQL
from tests.erase.test_late import once
from tests.erase.toy import SOON, command, erased, opened, rows_of, sql, statement_of, toy, wrapped
from tests.faults.killing import Place

BRIEFLY = timedelta(seconds=1)
HOSTILE = (
    "a'; drop table people; --", "100%", "100_", '"quoted"', "caf\u00e9", "cafe\u0301", "CAFE", "cafe", "\u202eto left",
    "back\\slash", "new\nline", "[bold]x[/bold]", "<b>x</b>", "=1+1", " blank ", "a=b", "child:11",
)  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return toy(tmp_path / "toy")


def test_unknown_subject(place: Place) -> None:
    with opened(place) as library:
        with pytest.raises(UnknownSubject):
            library.erase(["child:7310"])
        with pytest.raises(UnknownSubject):
            library.plan(["adult:email=nobody@nowhere.example"])
        assert library.runs() == []
    said = command(place, "erase", "child:7310")
    assert (said.status, said.out) == (31, "")
    assert "unknown-subject" in said.err
    assert "7310" not in said.err


@pytest.mark.parametrize("text", ["", "child", "child:", ":11", "robot:11", "adult:email="])
def test_a_subject_that_is_none(text: str, place: Place) -> None:
    with opened(place) as library, pytest.raises(InvalidRequest):
        library.erase([text])


def test_unknown_store(place: Place) -> None:
    with opened(place) as library:
        with pytest.raises(UnknownStore, match="app, media"):
            library.discover("attic")
        with pytest.raises(UnknownStore):
            library.explain("attic.boxes.name")
    assert command(place, "discover", "attic").status == 41
    assert command(place, "policy", "explain", "attic.boxes.name").status == 41


def test_malformed_policy(place: Place) -> None:
    policy = place.folder / "expunge.yaml"
    policy.write_text(policy.read_text().replace("purposes:", "purpose:"))
    said = command(place, "policy", "check")
    assert (said.status, said.out) == (11, "")
    assert "expunge.yaml:11:1" in said.err.replace(str(place.folder) + "/", "")
    assert "purposes" in said.err
    told = command(place, "plan", "child:11", "--json")
    assert told.status == 11
    assert told.json["error"]["code"] == "policy-invalid"


def s3_toy(folder: Path, s3: S3, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> tuple[Place, str]:
    """The toy with its recordings in S3 behind a relay; three versions of each of child 11's clips."""
    bucket = s3.bucket()
    place = toy(
        folder,
        media=f'media: {{kind: objects, url: "s3://{bucket}", endpoint_url: "http://{LOOPBACK}:{relay.port}", datasets: [media.yml]}}',
    )
    for name, value in s3.environment.items():
        if name != "AWS_ENDPOINT_URL":
            monkeypatch.setenv(name, value)
    client = s3.client()
    for clip in range(3):
        for version in range(3):
            client.put_object(Bucket=bucket, Key=f"voice/11/c11-{clip}.wav", Body=f"take {version}".encode())
    client.put_object(Bucket=bucket, Key="voice/12/c12-0.wav", Body=b"another's")
    return place, bucket


def left_in(s3: S3, bucket: str) -> set[str]:
    listed = s3.client().list_object_versions(Bucket=bucket)
    return {one["Key"] for kind in ("Versions", "DeleteMarkers") for one in listed.get(kind, [])}


@pytest.mark.s3
def test_a_store_away_at_request_time_is_recovered_by_another_process(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    relay = Relay(int(s3.endpoint.rpartition(":")[2]))
    place, bucket = s3_toy(tmp_path / "toy", s3, relay, monkeypatch)
    with relay.outage(), opened(place) as library:
        started, (standing,) = library.erase(["child:11"], patience=BRIEFLY)
        assert started.unreached == ("media",)
        assert (standing.complete, standing.receipts) == (False, ())
        assert [step.error_code for step in standing.waiting] == ["store-unavailable"]
        (incident,) = library.incidents()
        assert (incident.kind, incident.control, incident.owner) == ("store-unavailable", "reach:media", "store operator")
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(3,)], "nothing goes before all is located"
    said = command(place, "work", "--json")
    assert (said.status, said.json["runs"][0]["complete"]) == (0, True)
    assert left_in(s3, bucket) == {"voice/12/c12-0.wav"}
    with opened(place) as library:
        assert library.incidents() == []
        assert len(library.incidents(open_only=False)) == 1
    relay.close()


@pytest.mark.s3
def test_a_store_lost_in_the_middle_is_taken_up_where_it_was_left(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    relay = Relay(int(s3.endpoint.rpartition(":")[2]))
    place, bucket = s3_toy(tmp_path / "toy", s3, relay, monkeypatch)
    outage = relay.outage()
    with opened(place) as library, wrapped(library, "media", erase=once(outage.__enter__, "voice")):
        _, (standing,) = library.erase(["child:11"], patience=BRIEFLY)
        assert not standing.complete
        assert {step.name: step.error_code for step in standing.waiting} == {"erase:media.voice#0": "store-unavailable"}
    outage.__exit__(None, None, None)
    assert command(place, "work").status == 0
    assert left_in(s3, bucket) == {"voice/12/c12-0.wav"}
    with opened(place) as library:
        assert rows_of(statement_of(library, library.status(standing.run.id)))["media.voice"]["located"] == 3
    relay.close()


@pytest.mark.postgresql
def test_a_missing_permission_is_an_operators_matter(postgresql_server: PostgreSQL, tmp_path: Path) -> None:
    url = postgresql_server.database()
    place = toy(tmp_path / "toy", url)
    with psycopg.connect(sa.make_url(url).set(drivername="postgresql").render_as_string(), autocommit=True) as owner:
        owner.execute("drop role if exists clerk")
        owner.execute("create role clerk login")
        owner.execute("grant select on all tables in schema public to clerk")
        clerk = Place(place.folder, {**place.environment, "APP_URL": sa.make_url(url).set(username="clerk").render_as_string()})
        standing = erased(clerk, "child:11")
        assert not standing.complete
        (step,) = standing.waiting
        assert (step.status, step.error_code, step.kind) == (StepStatus.GIVEN_UP, "store-refused", "erase")
        said = command(clerk, "work")
        assert said.status == 82, "an operator's matter is not tried again by itself"
        with opened(clerk) as library:
            (incident,) = library.incidents()
            assert (incident.kind, incident.owner, incident.store) == ("store-refused", "store operator", "app")
        for table in ("households", "people", "profiles", "clips", "messages"):
            owner.execute(f"alter table {table} owner to clerk".encode())
        assert command(clerk, "work", "--reopen").status == 0
    with opened(clerk) as library:
        assert library.status(standing.run.id).complete
        assert library.incidents() == []
    assert sql(place, "select count(*) from clips where profile_id = 11") == [(0,)]


def test_a_full_disk_loses_nothing(place: Place) -> None:
    """Whatever grows the file, here an audit trail that a trigger writes, meets the end of the disk."""
    sql(place, "create table audit (line blob)")
    sql(place, "create trigger trail after delete on clips begin insert into audit values (randomblob(9000)); end")

    def cap(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("pragma max_page_count = 1")  # SQLite takes the file's present size instead

    with opened(place) as library:
        engine = library.rooms.stores["app"]._dialect.engine  # type: ignore[attr-defined]  # the SQL store's own connection
        sa.event.listen(engine, "connect", cap)
        engine.dispose()
        _, (standing,) = library.erase(["child:11"], patience=BRIEFLY)
        assert not standing.complete
        assert {step.name: step.error_code for step in standing.waiting} == {"erase:app.clips#0": "store-full"}
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(3,)]
        sa.event.remove(engine, "connect", cap)
        engine.dispose()
        library.work(patience=SOON)
        assert library.status(standing.run.id).complete
        assert not library.incidents()


def test_a_clock_set_back_signs_nothing(place: Place) -> None:
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    with opened(place, clock) as library:
        library.erase(["child:12"], patience=SOON)
        size = library.check_log().size
        clock.tick(timedelta(days=-1))
        with pytest.raises(ClockWentBack):
            library.erase(["child:11"], patience=SOON)
        (run,) = [run for run in library.runs() if run.status is not RunStatus.CLOSED]
        standing = library.status(run.id)
        assert (standing.complete, standing.receipts) == (False, ())
        assert library.check_log().size == size, "nothing is signed"
        (incident,) = library.incidents()
        assert (incident.kind, incident.owner) == ("clock-went-back", "security")
        clock.tick(timedelta(days=2))
        library.reopen(run.id)
        library.work(run.id, patience=SOON)
        assert library.status(run.id).complete
        assert not library.incidents()


def test_the_same_request_twice(place: Place) -> None:
    with opened(place) as library:
        first = library.request(["child:11"])
        again = library.request(["child:11"])
        assert again.outcomes == {0: "duplicate"}
        assert (again.runs, again.requests[0]) == ((), again.requests[0])
        assert first.requests[0] is not None
        assert again.requests[0] is not None
        assert first.requests[0].id == again.requests[0].id
        library.work(patience=SOON)
        after = library.request(["child:11"])
        assert (after.outcomes, after.runs) == ({0: "already-erased"}, ())
        assert library.request(["child:11", "child:12"]).outcomes == {0: "already-erased"}
    said = command(place, "erase", "child:11", "--json")
    assert (said.status, said.json["requests"]) == (0, [{"id": None, "outcome": "already-erased"}])


@pytest.mark.parametrize(
    "asked", [("child:11", "child:11"), ("adult:11", "adult:email=p11@toy.example"), ("adult:email=p11@toy.example", "adult:11")]
)
def test_one_person_named_twice_in_a_batch(asked: tuple[str, str], place: Place) -> None:
    with opened(place) as library:
        started, (standing,) = library.erase([*asked, "child:22", "child:7310"], patience=SOON)
        assert sorted(started.outcomes.items()) in ([(0, "duplicate"), (3, "unknown")], [(1, "duplicate"), (3, "unknown")])
        assert started.requests[0] is not None
        assert started.requests[0] == started.requests[1]
        assert len([note for note in standing.receipts if note.request_id]) == 2


def _open_in_a_process(folder: Path, environments: list[dict[str, str]], gate: multiprocessing.synchronize.Barrier) -> None:
    for environment in environments:
        gate.wait(60)
        with opened(Place(folder, environment)):
            pass


def test_several_workers_open_a_new_place_at_once(place: Place) -> None:
    policy = place.folder / "expunge.yaml"
    policy.write_text(policy.read_text().replace("state/roots", '"${STATE}/roots"').replace("state/evidence", '"${STATE}/evidence"'))
    environments = []
    for round_ in range(4):
        state = place.folder / f"state{round_}"
        state.mkdir()
        at = f"sqlite:///{state}"
        environments.append({**place.environment, "STATE": state.name, "JOURNAL_URL": f"{at}/journal.db", "KEYS_URL": f"{at}/keys.db"})
    context = multiprocessing.get_context("forkserver")
    gate = context.Barrier(3)
    workers = [context.Process(target=_open_in_a_process, args=(place.folder, environments, gate)) for _ in range(3)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(120)
    assert [one.exitcode for one in workers] == [0, 0, 0]


def _erase_in_a_process(place: Place, gate: multiprocessing.synchronize.Barrier) -> None:
    with opened(place) as library:
        gate.wait(60)
        library.erase(["child:11", "household:3"], patience=SOON)


def test_two_runs_on_one_person_at_once(place: Place) -> None:
    context = multiprocessing.get_context("forkserver")
    gate = context.Barrier(3)
    both = [context.Process(target=_erase_in_a_process, args=(place, gate)) for _ in range(2)]
    for one in both:
        one.start()
    with opened(place) as library:
        gate.wait(60)
        library.erase(["household:1"], patience=SOON)
        for one in both:
            one.join(60)
        assert [one.exitcode for one in both] == [0, 0]
        library.work(patience=SOON)
        assert all(library.status(run.id).complete for run in library.runs())
        assert not library.incidents()
        asked = [request for run in library.runs() for request in library.status(run.id).requests]
        assert all(request.status is RequestStatus.CLOSED for request in asked)
    assert sql(place, "select count(*) from profiles where household_id in (1, 3)") == [(0,)]


def test_an_address_that_two_people_share_names_nobody(place: Place) -> None:
    sql(place, "update people set email = 'shared@toy.example' where id in (11, 21)")
    with opened(place) as library:
        with pytest.raises(InvalidRequest, match="person_id") as refused:
            library.request(["adult:email=shared@toy.example"])
        assert "shared@toy" not in str(refused.value)
        with pytest.raises(InvalidRequest, match="person_id"):
            library.access("adult:email=shared@toy.example", place.folder / "both.zip")
        with pytest.raises(InvalidRequest, match="person_id"):
            library.request(["adult:21", "adult:email=shared@toy.example"])
        assert library.runs() == []
    assert erased(place, "adult:21").complete
    assert sql(place, "select id from people where email = 'shared@toy.example'") == [(11,)]


def test_copies_of_somebody_whose_own_row_is_gone(place: Place) -> None:
    sql(place, "pragma foreign_keys = off")
    sql(place, "delete from clips where profile_id = 11")
    sql(place, "delete from profiles where id = 11")
    standing = erased(place, "child:11")
    assert standing.complete
    with opened(place) as library:
        assert {name: row["located"] for name, row in rows_of(statement_of(library, standing)).items()} == {"media.voice": 3}
    assert not list((place.folder / "media").rglob("c11-*"))


def test_a_key_that_only_looks_alike_is_nobodys(place: Place) -> None:
    with opened(place) as library:
        for text in ("child:011", "child: 11", "child:11.0", "child:1_1", "child:+11", "child:\uff11\uff11", "child:11\n", "child:0x0b"):
            with pytest.raises(UnknownSubject):
                library.plan([text])


def test_hostile_values_name_exactly_one(place: Place) -> None:
    for number, held in enumerate(HOSTILE):
        house = 100 + number
        sql(place, "insert into households values (:id, :name)", id=house, name=held)
        sql(place, "insert into people values (:id, :house, :email)", id=house, house=house, email=held)
        sql(place, "insert into profiles values (:id, :house, :id, :nick)", id=house, house=house, nick=held)
        sql(place, "insert into clips values (:id, :child, :said)", id=f"{held}/{number}", child=house, said=held)
    leaving = range(0, len(HOSTILE), 2)
    asked = [f"adult:email={HOSTILE[number]}" for number in leaving] + [f"child:{100 + number}" for number in leaving]
    standing = erased(place, *asked)
    assert standing.complete
    stay = [100 + number for number in range(len(HOSTILE)) if number not in leaving]
    assert sql(place, "select id from people where id >= 100 order by id") == [(one,) for one in stay]
    assert sql(place, "select profile_id from clips where profile_id >= 100 order by profile_id") == [(one,) for one in stay]
    assert not [held for held in HOSTILE if len(held) > 5 and held in str(standing)]
