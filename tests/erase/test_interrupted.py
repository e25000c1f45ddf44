"""What is cut short, overtaken or contradicted in the middle: nothing is said twice, nothing is done that nobody sees."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from expunge.erase.runner import Worker
from expunge.errors import InvalidRequest, JournalUnavailable, LeaseLost
from expunge.journal.records import Lease, RunStatus
from expunge.terms import Identifier, Residue, Scope, Selector
from expunge.testing.clock import FakeClock
from tests.erase.spelled import USERS, estate
from tests.erase.toy import NOW, SOON, opened, sql, toy, wrapped
from tests.faults.killing import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return toy(tmp_path / "toy")


def test_a_receipt_that_was_cut_short_after_the_log_is_logged_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is away right after the log was written; until the step is tried again another run writes its own receipts there."""
    with opened(place) as library:
        journal = type(library.rooms.journal)
        keep, cut = journal.keep_receipts, list[str]()

        def away(self: Any, run_id: str, notes: Any) -> None:
            if not cut:
                cut.append(run_id)
                raise JournalUnavailable("the database went away", where="journal")
            keep(self, run_id, notes)

        monkeypatch.setattr(journal, "keep_receipts", away)
        _, (first,) = library.erase(["child:11", "child:12"], patience=NOW)
        assert (first.complete, cut) == (False, [first.run.id])
        _, (second,) = library.erase(["child:21"], patience=SOON)
        library.work(first.run.id, patience=SOON)
        standings = [library.status(run.id) for run in (first.run, second.run)]
        assert all(one.complete for one in standings)
        entries = [json.loads(raw) for raw in library.rooms.log.entries()]
        assert [entry["type"] for entry in entries] == ["run/1", "receipt/1", "receipt/1", "run/1", "receipt/1"]
        asked = [request.id for one in standings for request in one.requests]
        assert sorted(entry["statement"]["request"]["id"] for entry in entries if "request" in entry["statement"]) == sorted(asked)
        for note in (note for one in standings for note in one.receipts):
            library.verify(Path(note.path))
        library.check_log()
        assert not library.incidents()


def test_a_request_that_can_not_be_planned_keeps_no_other_waiting(place: Place) -> None:
    """Two were held; when the holds end, the policy can no longer plan for one of them."""
    policy = place.folder / "expunge.yaml"
    plain = policy.read_text()
    policy.write_text(f"{plain}categories: [user.gossip]\n")
    with opened(place) as library:
        journal = library.rooms.journal
        placed = []
        for key, scope in (("11", Scope(("user.gossip",))), ("12", None)):
            (number,) = journal.register("child", [[Identifier("profile_id", key)]])
            placed.append(journal.place_hold(number, "court", "case 7").id)
            assert library.request([f"child:{key}"], scope).outcomes == {0: "held"}
        for hold in placed:
            journal.lift_hold(hold)
    policy.write_text(plain)
    with opened(place) as library:
        library.work(patience=SOON)
        (run,) = library.runs()
        assert library.status(run.id).complete
        (incident,) = library.incidents()
        assert (incident.kind, incident.owner) == ("invalid-request", "privacy engineer")
        assert sql(place, "select count(*) from clips where profile_id in (11, 12)") == [(3,)]
    policy.write_text(f"{plain}categories: [user.gossip]\n")
    with opened(place) as library:
        library.work(patience=SOON)
        assert library.incidents() == []
        assert all(library.status(run.id).complete for run in library.runs())


def test_a_worker_that_starts_a_request_first_has_its_run_shared(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the filing of a request and the start of its run another worker finds it waiting."""
    with opened(place) as library, opened(place) as other:
        journal, others = library.rooms.journal, list[str]()
        start = journal.start_run

        def overtaken(*words: Any, **named: Any) -> Any:
            other.work(patience=NOW)
            others.extend(run.id for run in other.runs())
            return start(*words, **named)

        monkeypatch.setattr(journal, "start_run", overtaken)
        started, (standing,) = library.erase(["child:11"], patience=SOON)
        assert [run.id for run in started.runs] == others
        assert standing.complete
        assert len(library.runs()) == 1


def test_a_request_that_the_journal_has_no_longer_starts_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control database is put back to an older state between the filing and the start."""
    with opened(place) as library:
        start = library.rooms.journal.start_run

        def restored(*words: Any, **named: Any) -> Any:
            with closing(sqlite3.connect(place.folder / "state" / "journal.db")) as journal, journal:
                journal.execute("delete from journal_requests")
            return start(*words, **named)

        monkeypatch.setattr(library.rooms.journal, "start_run", restored)
        with pytest.raises(InvalidRequest):
            library.request(["child:11"])
        assert library.runs() == []
    assert sql(place, "select count(*) from clips where profile_id = 11") == [(3,)]


def test_a_worker_that_slept_too_long_hears_it_from_its_own_heartbeat(place: Place) -> None:
    """Its lease runs out in the middle of a statement, and another worker takes the step: it changes nothing more, and nothing is lost."""
    clock = FakeClock()
    seen: list[str] = []
    taken: list[Lease] = []
    with opened(place, clock) as library, opened(place, clock) as other:
        (run,) = library.request(["child:11"]).runs

        def asleep(_: str) -> None:
            while not taken:
                clock.tick(timedelta(minutes=5))
                lease = other.rooms.journal.claim("another", run.id, timedelta(hours=9))
                taken.extend([lease] if lease is not None else [])
            for thread in threading.enumerate():
                if thread.name.startswith("heartbeat"):
                    thread.join(20)
                    assert not thread.is_alive(), "it has been told"

        worker = Worker(library.rooms, "asleep", timedelta(seconds=0.3), lambda _lease, event, _result: seen.append(event))
        with wrapped(library, "app", erase=asleep):
            while "lost" not in seen:
                worker.work(run.id)
        assert taken[0].kind == "erase"
        with pytest.raises(LeaseLost):
            library.rooms.journal.heartbeat(Lease(**{name: getattr(taken[0], name) for name in taken[0].__slots__} | {"fence": 1}))
        clock.tick(timedelta(days=1))
        other.work(patience=SOON)
        assert other.status(run.id).run.status is RunStatus.CLOSED
    assert sql(place, "select count(*) from profiles where id = 11") == [(0,)]


def test_a_count_that_sees_nothing_where_records_lie_stops_before_the_first_write(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(place) as library:
        store = library.rooms.stores["app"]

        def blind(_: object, selector: Selector) -> Residue:
            del selector
            return Residue(100, 0)

        monkeypatch.setattr(type(store), "verify", blind)
        _, (standing,) = library.erase(["child:11"], patience=NOW)
        assert {step.error_code for step in standing.waiting} == {"conflict"}
        assert {step.kind for step in standing.waiting} == {"before"}
        assert {incident.kind for incident in library.incidents()} == {"conflict"}
    assert sql(place, "select count(*) from clips where profile_id = 11") == [(3,)]


def test_what_a_store_can_not_tell_of_its_history_is_not_verifiable(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(place) as library:
        store = library.rooms.stores["app"]
        sees = type(store).verify

        def without_history(self: Any, selector: Selector) -> Residue:
            found = sees(self, selector)
            return Residue(found.scanned, found.live, None)

        monkeypatch.setattr(type(store), "verify", without_history)
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert standing.complete
        (path,) = [note.path for note in standing.receipts if note.request_id is None]
        statement: Any = library.verify(Path(path)).statement
        rows = {row["collection"]: (row["level"], row["history"]) for one in statement["stores"] for row in one["collections"]}
        assert rows["app.clips"] == rows["app.profiles"] == ("not verifiable", None)
        assert rows["media.voice"][0] == "physically absent"


PEOPLE = """
create table colors (id integer primary key, name text);
create table users (id text primary key, email text, color integer references colors(id), handle text unique);
create table visits (id integer primary key, user_id text, body text);
create table seats (id integer primary key, user_id text, body text);
create table posts (id integer primary key, handle text references users(handle), body text);
create table shades (id integer primary key, color integer references colors(id));
create index visits_user on visits(user_id);
create index seats_user on seats(user_id);
create index posts_handle on posts(handle);
insert into users values ('u1', 'one@toy.example', null, null), ('u2', null, null, 'two');
insert into visits values (1, 'gone', 'home'), (2, 'u1', 'home'), (3, null, 'home');
insert into seats values (1, 'gone', 'row 7');
insert into posts values (1, null, 'look'), (2, 'two', 'look')
"""
SAID = {"id": "pk", "user_id": "> users.id", "body": "user.content.private"}
COLLECTIONS = {
    "users": {**USERS, "color": "> colors.id", "handle": "user.name"},
    "colors": {"id": "pk", "name": ""},
    "visits": SAID,
    "seats": SAID,
    "posts": {"id": "pk", "handle": "> users.handle", "body": "user.content.private"},
}


def test_what_names_nobody_is_nobodys(tmp_path: Path) -> None:
    """A person without a handle, a post without one; and a table unmentioned that holds on to nobody's records."""
    place = estate(tmp_path / "people", PEOPLE, COLLECTIONS)
    with opened(place) as library:
        assert library.plan(["user:gone"]).work.targets, "whom only others name, by whichever of them"
        _, (standing,) = library.erase(["user:u1", "user:gone"], patience=SOON)
        assert standing.complete
    assert sql(place, "select id, email from users order by 2") == [("u2", None)]
    assert sql(place, "select id from visits") == [(3,)]
    assert sql(place, "select id from seats") == []
    assert sql(place, "select id from posts order by id") == [(1,), (2,)]
