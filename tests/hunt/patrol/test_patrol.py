"""Rounds on the example estate: who comes back is recognised wherever it is, and an incident stays open until they are gone."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import expunge
from examples.home.estate import build
from examples.home.where import Amounts, Where
from expunge.app import patrolling
from expunge.app.library import Expunge
from expunge.app.patrolling import due, patrol, rounds, schedule
from expunge.cli.main import invoke
from expunge.errors import InvalidRequest, KeyDestroyed, Unavailable
from expunge.evidence.stones import Stone
from expunge.terms import Identifier

ALL = 1 << 40


@pytest.fixture(scope="session")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three households, of which one child and one adult were erased; in folders where copies could lie nothing does."""
    at = tmp_path_factory.mktemp("patrol") / "home"
    build(Where(at), 3, amounts=Amounts(media_households=1))
    (at / "share").mkdir()
    policy = at / "expunge.yaml"
    with expunge.open(policy, env={}) as library:
        _, standings = library.erase(["child:11", "adult:21"])
        assert all(one.complete for one in standings)
    policy.write_text(policy.read_text() + "\nhunt: {owner: data team, places: {share: {url: share}}}\n")
    return at


@pytest.fixture
def home(estate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(estate, tmp_path / "home", symlinks=True)
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def library(home: Path) -> Iterator[Expunge]:
    with expunge.open(home / "expunge.yaml", env={}) as opened:
        yield opened


def app(home: Path, statement: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(home / "data" / "app.db")) as database, database:
        return database.execute(statement, values).fetchall()


def test_nobody_is_recognised_where_nobody_is_left(library: Expunge) -> None:
    """The household, its living adults and siblings are all over the place: none of them is an erased person."""
    done = patrol(library, budget=ALL)
    assert (done.hits, done.patrol.result["hits"], done.patrol.result["fewer_than"]) == ((), 0, 1)
    assert done.sentence.startswith("0 of ")
    assert int(str(done.patrol.result["candidates"])) > 20
    assert library.incidents() == []


def test_who_comes_back_is_found_told_and_seen_to_go(home: Path, library: Expunge) -> None:
    (home / "share" / "old").mkdir()
    (home / "share" / "old" / "requests.jsonl.gz").write_bytes(gzip.compress(b'{"profile_id": 12}\n{"profile_id": 11, "text": "hello"}\n'))
    app(home, "CREATE TABLE tmp_export (line INTEGER PRIMARY KEY, person_id INTEGER)")
    app(home, "INSERT INTO tmp_export VALUES (1, 11), (2, 21), (3, 21)")
    done = patrol(library, budget=ALL)
    assert {one.place for one in done.hits} == {"share/old/requests.jsonl.gz", "app.tmp_export.person_id"}
    assert (done.patrol.result["hits"], done.patrol.result["fewer_than"]) == (2, 3)
    told = library.incidents()
    assert len(told) == 2
    assert {one.owner for one in told} == {"data team"}
    assert not any("export" in one.note or "jsonl" in one.note for one in told)

    app(home, "DROP TABLE tmp_export")
    again = patrol(library, budget=ALL)
    assert [one.place for one in again.hits] == ["share/old/requests.jsonl.gz"]
    assert len(library.incidents()) == 1
    shutil.rmtree(home / "share" / "old")
    assert patrol(library, budget=ALL).hits == ()
    assert library.incidents() == []
    assert len(rounds(library)) == 3


def test_a_place_that_was_clean_and_is_not_again_is_the_same_incident(home: Path, library: Expunge) -> None:
    copy = home / "share" / "a.json"
    for _ in range(2):
        copy.write_text('{"person_id": 21}')
        patrol(library, budget=ALL)
        copy.write_text("{}")
        patrol(library, budget=ALL)
    (incident,) = library.incidents(open_only=False)
    assert (incident.reopened, incident.is_open) == (1, False)


def test_who_has_signed_up_again_is_at_home(home: Path, library: Expunge) -> None:
    app(home, "INSERT INTO profiles SELECT 11, household_id, guardian_id, 'Back', 2015, '2999-01-01', '2999-01-01' FROM profiles LIMIT 1")
    assert patrol(library, budget=ALL).hits == ()


def test_a_restored_row_is_not_at_home(home: Path, library: Expunge) -> None:
    app(home, "INSERT INTO profiles SELECT 11, household_id, guardian_id, 'Old', 2015, '2020-01-01', '2020-01-01' FROM profiles LIMIT 1")
    assert "app.profiles.id" in {one.place for one in patrol(library, budget=ALL).hits}


def test_whose_request_is_at_work_or_narrow_is_no_hit(home: Path, library: Expunge) -> None:
    library.request(["child:31"])
    narrow = Stone(Identifier("person_id", "11"), ("user.location",), None, "req_done", datetime.now(UTC))
    library.rooms.register.lay([narrow])
    (home / "share" / "b.json").write_text('{"profile_id": 31, "person_id": 11}')
    assert patrol(library, budget=ALL).hits == ()


def test_a_small_budget_says_less_and_a_round_stays_within_it(home: Path, library: Expunge) -> None:
    for number in range(400):
        (home / "share" / f"n{number}.txt").write_text("nothing")
    done = patrol(library, budget=200 << 16)
    drawn, bound, objects = (int(str(done.patrol.result[name])) for name in ("drawn", "fewer_than", "objects"))
    assert drawn < 200
    assert 1 < bound < objects
    assert f"with 95% confidence fewer than {bound:,} of {objects:,} objects hold a recognisable identifier" in done.sentence
    tiny = patrol(library, budget=1)
    assert tiny.patrol.result["drawn"] == 0
    assert tiny.sentence.startswith("nothing can be said")


def test_a_place_that_is_away_is_told_and_the_others_are_looked_at(home: Path, library: Expunge) -> None:
    (home / "share").rmdir()
    done = patrol(library, budget=ALL)
    assert done.sentence.endswith("of share nothing is known: not all of it could be listed")


def test_what_can_not_be_opened_is_told(home: Path, library: Expunge) -> None:
    (home / "share" / "cut.gz").write_bytes(gzip.compress(b"profile_id=11 " * 9000)[:-40])
    done = patrol(library, budget=ALL)
    unread = done.patrol.result["not_scanned"]
    assert unread == {"objects": 1, "reasons": {"damaged or cut short": 1}}
    assert "1 could not be read, or not whole" in done.sentence
    assert [one.place for one in done.hits] == ["share/cut.gz"]  # what could be read of it counts


def test_a_round_that_was_broken_off_goes_on_with_its_sample(library: Expunge, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    class StopError(Exception):
        """Power is gone."""

    def watch(done: int, of: int) -> None:
        looked.append(done)
        if len(looked) == 1 and done < of:
            raise StopError

    monkeypatch.setattr("expunge.hunt.patrol.AT_ONCE", 20)
    with pytest.raises(StopError):
        patrol(library, budget=ALL, watch=watch)
    (broken,) = rounds(library)
    assert broken.ended_at is None
    done = patrol(library, budget=ALL)
    assert done.patrol.id == broken.id
    assert len(rounds(library)) == 1
    fresh = patrol(library, budget=ALL)
    assert done.patrol.result["read"] == fresh.patrol.result["read"]


def test_the_key_of_a_round_goes_when_nothing_of_it_is_left(home: Path, library: Expunge) -> None:
    copy = home / "share" / "a.json"
    copy.write_text('{"person_id": 21}')
    journal, keys = library.rooms.journal, library.rooms.keys
    first = patrol(library, budget=ALL).patrol
    assert keys.salts("run", [first.number])
    copy.unlink()
    second = patrol(library, budget=ALL).patrol
    assert keys.salts("run", [first.number, second.number]) == {}
    assert [one.place for one in journal.patrol_hits(every=True)] == [None]
    with pytest.raises(KeyDestroyed):
        journal.put_patrol_page(second, 9, b"late")


def test_rounds_on_the_timetable(library: Expunge) -> None:
    assert due(library) is None
    schedule(library, timedelta(days=1), budget=ALL)
    assert due(library) is not None
    assert due(library) is None
    schedule(library, timedelta(hours=1), budget=ALL)
    assert {one.name: one.due > datetime.now(UTC) for one in library.rooms.journal.schedules()} == {"patrol": True}
    schedule(library, None, budget=ALL)
    assert library.rooms.journal.schedules() == []


def test_a_round_that_can_not_be_ended_is_an_incident(library: Expunge, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("is away", where="app")

    monkeypatch.setattr("expunge.app.patrolling.scan_shard", away)
    schedule(library, timedelta(microseconds=1), budget=ALL)
    assert due(library) is None
    assert [one.control for one in library.incidents()] == ["patrol:round"]
    monkeypatch.undo()
    assert due(library) is not None
    assert library.incidents() == []


def test_commands(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "share" / "a.json").write_text('{"person_id": 21}')
    assert invoke(["hunt", "patrol", "--bytes", "2GiB"]) == 0
    assert "share/a.json" in capsys.readouterr().out
    assert invoke(["hunt", "patrol", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["hits_open"][0]["place"] == "share/a.json"
    assert told["sentence"].startswith("1 of ")
    assert set(told["sources"]) == {"app", "media", "places", "secondary", "logs", "share"}
    assert invoke(["hunt", "patrol", "--history", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rounds"]) == 2
    assert invoke(["hunt", "patrol", "--history"]) == 0
    assert invoke(["hunt", "patrol", "--every", "12h"]) == 0
    assert invoke(["hunt", "patrol", "--every", "never"]) == 0
    for words in (["--bytes", "much"], ["--every", "sometimes"], ["--bytes", "0"]):
        assert invoke(["hunt", "patrol", *words]) == InvalidRequest.exit_status


def test_a_budget_is_above_nothing(library: Expunge) -> None:
    with pytest.raises(InvalidRequest):
        patrol(library, budget=0)
    with pytest.raises(InvalidRequest):
        patrol(library, budget=1, confidence=1.5)
    assert patrolling.sentence({}) == "the round has not ended"
