"""Replay after a restore: what came back goes again, what is new stays, and nobody else notices."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

import expunge
from examples.home import estate as program
from examples.home.where import Amounts, Where
from expunge.app.library import Expunge, Standing
from expunge.erase.recognise import Recognised, spellings
from expunge.erase.replay import NO_DATE, NO_OWN_RECORD, NO_PLAN, NOT_FOUND, Replayed
from expunge.erase.returned import AT_WORK, NO_RANGE
from expunge.errors import BadProof, Refused, UnknownStore
from expunge.evidence.stones import Stone
from expunge.terms import Identifier, Scope, Span
from expunge.testing.clock import FakeClock
from expunge.testing.services import PostgreSQL
from tests.erase import spelled
from tests.erase.toy import SOON, Wrapped, command, opened, sql, toy
from tests.faults.killing import Place
from tests.unit.test_estate import lines_of, objects_of, points_of, rollups_of, rows_of_sql

AMOUNTS = Amounts(clips_per_profile=2, points_per_person=4)
CHILD, ADULT, LISTENED = 21, 31, 11
VOICE = Scope(categories=("user.biometric.voice",))
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


class Estate:
    """The example's estate in SQLite and folders, with a backup of its database and media."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.backup = folder.parent / "backup"

    @contextmanager
    def library(self) -> Iterator[Expunge]:
        with expunge.open(self.folder / "expunge.yaml", env={}) as library:
            yield library

    def keep(self) -> None:
        shutil.copytree(self.data, self.backup)

    def restore(self, *names: str) -> None:
        for name in names:
            here, there = self.data / name, self.backup / name
            if here.is_dir():
                shutil.rmtree(here)
                shutil.copytree(there, here)
            else:
                for beside in ("-wal", "-shm"):
                    (self.data / f"{name}{beside}").unlink(missing_ok=True)
                shutil.copy2(there, here)

    def content(self) -> dict[str, object]:
        folder = self.folder
        lines = sorted(json.dumps(one, sort_keys=True) for one in lines_of(folder))
        return {
            **rows_of_sql(Where(folder).sql_url),
            "objects": objects_of(folder),
            "points": points_of(folder),
            "rollups": rollups_of(folder),
            "lines": lines,
        }

    def sql(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        engine = sa.create_engine(Where(self.folder).sql_url)
        with engine.begin() as connection:
            done = connection.execute(sa.text(statement), values)
            rows = [tuple(row) for row in done] if done.returns_rows else []
        engine.dispose()
        return rows


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The estate with a child, an adult and one child's voice erased, and the backup from before."""
    folder = tmp_path_factory.mktemp("pristine") / "home"
    program.build(Where(folder), 4, amounts=AMOUNTS)
    estate = Estate(folder)
    estate.keep()
    with estate.library() as library:
        for subjects, scope in (([f"child:{CHILD}", f"adult:{ADULT}"], None), ([f"child:{LISTENED}"], VOICE)):
            _, standings = library.erase(subjects, scope, patience=SOON)
            assert all(one.complete for one in standings)
    return folder


@pytest.fixture
def estate(pristine: Path, tmp_path: Path) -> Estate:
    shutil.copytree(pristine.parent, tmp_path / "all", symlinks=True)
    return Estate(tmp_path / "all" / "home")


def complete(library: Expunge, standings: tuple[Standing, ...]) -> None:
    """Every run is done and every receipt verifies."""
    assert all(one.complete for one in standings)
    for standing in standings:
        for note in standing.receipts:
            assert library.verify(Path(note.path)).statement
    library.check_log()


def test_what_came_back_is_gone_again(estate: Estate) -> None:
    after = estate.content()
    estate.restore("app.db", "media")
    assert estate.content() != after
    with estate.library() as library:
        seen, nothing = library.replay("app", dry_run=True)
        assert nothing == ()
        assert estate.content() != after
        assert (seen.people, seen.returned, seen.again) == (3, 3, 0)
        assert seen.fields["app.profiles.id"] == 2
        assert seen.fields["app.people.id"] == 1
        assert seen.records["app.people"] == 1
        assert seen.records["app.profiles"] == 2, "one that goes, one whose guardian goes"
        replayed, standings = library.replay("app", patience=SOON)
        complete(library, standings)
        assert replace(replayed, started=()) == seen
        assert len(standings) == 2, "one run per scope"
        asked = [request for one in standings for request in one.requests]
        assert {one.requester for one in asked} == {"replay"}
        assert all(one.authority.startswith("tombstone of request req_") for one in asked)
        assert sum(one.scope == {"categories": [], "items": []} for one in asked) == 2
    assert estate.content() == after


def test_a_media_folder_alone_is_recognised_by_its_keys(estate: Estate) -> None:
    after = estate.content()
    estate.restore("media")
    with estate.library() as library:
        replayed, standings = library.replay("media", patience=SOON)
        complete(library, standings)
        assert replayed.fields.keys() >= {"media.voice_child.profile_id", "media.voice_adult.person_id"}
    assert estate.content() == after


@pytest.mark.parametrize(("store", "name"), [("places", "lake"), ("secondary", "lake"), ("logs", "logs")])
def test_lakes_and_logs_are_replayed(estate: Estate, store: str, name: str) -> None:
    before = estate.content()
    estate.restore(name)
    with estate.library() as library:
        replayed, standings = library.replay(store, patience=SOON)
        complete(library, standings)
        assert replayed.returned >= 2
    after = estate.content()
    assert {part for part in after if after[part] != before[part]} == set()


def test_twice_is_once(estate: Estate) -> None:
    estate.restore("app.db", "media")
    with estate.library() as library:
        library.replay("app", patience=SOON)
        before = estate.content()
        for store in ("app", "media", "logs"):
            replayed, standings = library.replay(store, patience=SOON)
            assert (replayed.returned, standings, replayed.started) == (0, (), ())
    assert estate.content() == before


def test_nothing_came_back_without_a_restore(estate: Estate) -> None:
    before = estate.content()
    with estate.library() as library:
        replayed, standings = library.replay("app")
        assert (replayed.people, replayed.returned, standings) == (1, 0, ())
    assert estate.content() == before


def test_who_came_back_keeps_what_is_new(estate: Estate) -> None:
    """The child signs up again under the same key; a fact from before is restored beside the new ones."""
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
    add = "insert into profiles (id, household_id, guardian_id, nickname, birth_year, created_at, last_used_at)"
    estate.sql(f"{add} select :id, household_id, guardian_id, 'Robin', 2019, :now, :now from profiles where id = 11", id=CHILD, now=now)
    fact = "insert into remembered_facts (id, profile_id, fact, created_at) values (:id, :child, :fact, :at)"
    for number, at in ((90_001, now), (90_002, "2026-01-02 03:04:05")):
        estate.sql(fact, id=number, child=CHILD, fact="likes kites", at=at)
    with estate.library() as library:
        replayed, standings = library.replay("app", patience=SOON)
        complete(library, standings)
        assert (replayed.again, replayed.returned, replayed.records) == (1, 1, {"app.remembered_facts": 1})
        assert library.replay("app")[0].returned == 0
    assert estate.sql("select nickname from profiles where id = :id", id=CHILD) == [("Robin",)]
    assert estate.sql("select id from remembered_facts where profile_id = :id", id=CHILD) == [(90_001,)]


def test_new_voice_of_a_child_whose_voice_was_erased_stays(estate: Estate) -> None:
    """Only what was captured before the tombstone, or before the backup if its time is known, came out of it."""
    ((clip, key),) = estate.sql("select id, object_key from clips where profile_id = :id limit 1", id=LISTENED)
    estate.sql("update clips set recorded_at = :now where id = :id", now=datetime.now(UTC).replace(tzinfo=None).isoformat(" "), id=clip)
    path = estate.data / "media" / str(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"new")
    with estate.library() as library:
        for taken in (None, datetime(2026, 7, 1, tzinfo=UTC)):
            replayed, standings = library.replay("media", taken_at=taken, patience=SOON)
            assert (replayed.returned, standings) == (0, ())
    assert path.read_bytes() == b"new"


def test_a_lifted_tombstone_is_no_tombstone(estate: Estate) -> None:
    estate.restore("app.db")
    with estate.library() as library:
        for run in library.runs():
            for request in library.status(run.id).requests:
                library.rooms.register.lift(request.id, datetime.now(UTC))
        replayed, standings = library.replay("app")
        assert (replayed.people, replayed.fields, standings) == (0, {}, ())


def test_statements_do_not_grow_with_tombstones(estate: Estate) -> None:
    """The same people among four tombstones and among a thousand."""
    estate.restore("app.db")
    counts = []
    with estate.library() as library:
        for _ in range(2):
            store = library.rooms.stores["app"]
            before = store.statements  # type: ignore[attr-defined]  # the SQL store is a Counter
            library.replay("app", dry_run=True)
            counts.append(store.statements - before)  # type: ignore[attr-defined]  # as above
            library.rooms.register.lay(
                Stone(Identifier(type_, str(number)), (), None, "req_other", datetime.now(UTC))
                for type_ in ("person_id", "profile_id", "email")
                for number in range(10_000, 10_500)
            )
    assert counts[0] == counts[1]


# What the small estate shows: undated collections, items, other people, approval, faults.


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return toy(tmp_path / "toy")


def dated(place: Place, clips: str = "never") -> None:
    """Declare when everything was captured, or that it has no date."""
    app, media = place.folder / "app.yml", place.folder / "media.yml"
    text = app.read_text().replace("- name: clips\n", f"- name: clips\n        meta: {{expunge: {{captured_at: {clips}}}}}\n", 1)
    app.write_text(text.replace("[sender_id, receiver_id]", "[sender_id, receiver_id], captured_at: never", 1))
    media.write_text(
        media.read_text().replace(
            "derived_from", "captured_at: app.clips.at, derived_from" if clips == "at" else "captured_at: never, derived_from", 1
        )
    )


def saved(place: Place) -> Path:
    return Path(shutil.copytree(place.folder, place.folder.with_name("saved")))


def restored(place: Place, copy: Path, *names: str) -> None:
    for name in names:
        if (copy / name).is_dir():
            shutil.rmtree(place.folder / name, ignore_errors=True)
            shutil.copytree(copy / name, place.folder / name)
        else:
            shutil.copy2(copy / name, place.folder / name)


def doubts(replayed: Replayed) -> dict[tuple[str, str], int]:
    return {(one.place, one.why): one.count for one in replayed.undecided}


def test_postgresql_is_replayed(postgresql_server: PostgreSQL, tmp_path: Path) -> None:
    place = toy(tmp_path / "toy", postgresql_server.database())
    ((household, nickname),) = sql(place, "select household_id, nickname from profiles where id = 11")
    clips = sql(place, "select id, said from clips where profile_id = 11")
    with opened(place) as library:
        complete(library, library.erase(["child:11"], patience=SOON)[1])
        left = sql(place, "select id from clips order by id")
        sql(place, "insert into profiles values (11, :household, null, :nickname)", household=household, nickname=nickname)
        for clip, said in clips:
            sql(place, "insert into clips values (:clip, 11, :said)", clip=clip, said=said)
        replayed, standings = library.replay("app", patience=SOON)
        complete(library, standings)
        assert replayed.records == {"app.profiles": 1, "app.clips": len(clips)}
    assert sql(place, "select id from clips order by id") == left
    assert sql(place, "select count(*) from profiles where id = 11") == [(0,)]


def test_a_household_comes_back_without_those_who_had_moved_in_from_elsewhere(place: Place) -> None:
    """In the backup a child of household 4 still lived in household 3: nobody has erased that child."""
    sql(place, "update profiles set household_id = 3 where household_id = 4")
    copy = saved(place)
    moved = sql(place, "update profiles set household_id = 4 where id > 40 returning id")
    assert moved
    with opened(place) as library:
        complete(library, library.erase(["household:3"], patience=SOON)[1])
        restored(place, copy, "app.db", "media")
        replayed, standings = library.replay("app", patience=timedelta(0))
        assert replayed.returned > 1
        assert not any(one.complete for one in standings), "the household's record can't go while somebody lives in it"
    assert {row[0] for row in sql(place, "select id from profiles")} >= {row[0] for row in moved}


def test_an_undated_own_record_is_taken_for_restored_unless_registered_anew(place: Place) -> None:
    dated(place)
    copy = saved(place)
    with opened(place) as library:
        complete(library, library.erase(["child:11"], patience=SOON)[1])
        restored(place, copy, "app.db", "media")
        library.rooms.journal.register("child", [[Identifier("profile_id", "11")]])
        replayed, standings = library.replay("app", patience=SOON)
        assert (replayed.again, replayed.returned, standings) == (1, 0, ())
        assert doubts(replayed)["app.clips", NO_DATE] > 0
        library.rooms.journal.forget(library.rooms.journal.numbers([Identifier("profile_id", "11")]).values())
        replayed, standings = library.replay("app", patience=SOON)
        complete(library, standings)
        assert (replayed.again, replayed.returned, replayed.undecided) == (0, 1, ())
    assert sql(place, "select count(*) from profiles where id = 11") == [(0,)]


def test_another_account_with_the_same_address_is_somebody_else(place: Place) -> None:
    """An e-mail address in a person's own record says nothing: the key does."""
    ((email,),) = sql(place, "select email from people where id = 11")
    sql(place, "update people set email = :email where id = 21", email=email)
    with opened(place) as library:
        complete(library, library.erase(["adult:11"], patience=SOON)[1])
        before = sql(place, "select * from people order by id")
        replayed, _ = library.replay("app")
        assert (replayed.people, replayed.returned) == (0, 0)
    assert sql(place, "select * from people order by id") == before


def test_items_come_back_by_their_keys(place: Place) -> None:
    dated(place)
    with (place.folder / "app.yml").open("a") as file:
        file.write("      - name: notes\n        meta: {expunge: {captured_at: at}}\n        fields:\n")
        file.write("          - {name: id, fides_meta: {primary_key: true}}\n          - {name: at}\n")
        file.write("          - {name: profile_id, fides_meta: {references: [{dataset: app, field: profiles.id, direction: from}]}}\n")
    sql(place, "create table notes(id text primary key, at timestamp, profile_id integer references profiles(id))")
    sql(place, "create index notes_profile on notes(profile_id)")
    for name, day in (("a'1", 1), ("b", 2), ("c", 3)):
        sql(place, "insert into notes values (:id, :at, 11)", id=name, at=f"2026-01-0{day} 00:00:00")
    copy = saved(place)
    with opened(place) as library:
        ((clip,),) = sql(place, "select id from clips where profile_id = 11 limit 1")
        items = Scope(items=("app.notes/a'1", "app.notes/b", f"app.clips/{clip}"))
        complete(library, library.erase(["child:11"], items, patience=SOON)[1])
        restored(place, copy, "app.db")
        sql(place, "update notes set at = '2036-01-01 00:00:00' where id = 'b'")  # the key was given to something new
        replayed, standings = library.replay("app", patience=SOON)
        complete(library, standings)
        assert replayed.records == {"app.notes": 1}
        assert doubts(replayed)["app.clips", NO_DATE] == 1
        assert library.replay("app")[0].records == {}
    assert sql(place, "select id from notes order by id") == [("b",), ("c",)]


def test_a_range_begins_where_the_request_said(place: Place) -> None:
    """A tombstone keeps only the end of a range: its beginning is read from the journal, or from the receipt."""
    dated(place, "at")
    app = place.folder / "app.yml"
    app.write_text(app.read_text().replace("{name: said,", "{name: at}\n          - {name: said,", 1))
    sql(place, "alter table clips add column at timestamp")
    sql(place, "update clips set at = '2026-03-01 00:00:00'")
    sql(place, "insert into clips values ('early', 11, 'hm', '2026-01-01 00:00:00'), ('late', 11, 'hm', '2026-05-01 00:00:00')")
    copy = saved(place)
    scope = Scope(captured=Span(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)))
    with opened(place) as library:
        complete(library, library.erase(["child:11"], scope, patience=SOON)[1])
    after = sql(place, "select id from clips order by id")
    for lost in (False, True):
        restored(place, copy, "app.db")
        if lost:
            with closing(sqlite3.connect(place.folder / "state" / "journal.db")) as journal, journal:
                journal.execute("update journal_requests set id = 'req_lost' where requester = 'data subject'")
                journal.execute("update journal_requests set id = 'req_too' where requester = 'replay'")
        with opened(place) as library:
            _, standings = library.replay("app", patience=SOON)
            complete(library, standings)
        assert sql(place, "select id from clips order by id") == after


def test_a_range_whose_beginning_nobody_knows_is_told_and_another_s_receipt_refused(place: Place) -> None:
    """The journal was lost too. Without the receipt nothing goes; one that tells of another scope was put there by somebody."""
    dated(place, "at")
    app = place.folder / "app.yml"
    app.write_text(app.read_text().replace("{name: said,", "{name: at}\n          - {name: said,", 1))
    sql(place, "alter table clips add column at timestamp")
    sql(place, "update clips set at = '2026-03-01 00:00:00'")
    copy = saved(place)
    scope = Scope(captured=Span(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)))
    with opened(place) as library:
        _, (ranged,) = library.erase(["child:11"], scope, patience=SOON)
        _, (whole,) = library.erase(["child:12"], patience=SOON)
        (receipt,), (other,) = ([Path(note.path) for note in one.receipts if note.request_id] for one in (ranged, whole))
    restored(place, copy, "app.db")
    sql(place, "delete from clips where profile_id = 12")
    sql(place, "delete from profiles where id = 12")
    with closing(sqlite3.connect(place.folder / "state" / "journal.db")) as journal, journal:
        journal.execute("update journal_requests set id = 'req_lost_' || kind || subject")
    receipt.write_bytes(other.read_bytes())
    before = sql(place, "select id from clips order by id")
    with opened(place) as library:
        with pytest.raises(BadProof, match="another scope"):
            library.replay("app")
        receipt.unlink()
        replayed, standings = library.replay("app", patience=SOON)
        assert standings == ()
        assert doubts(replayed)["tombstones", NO_RANGE] > 0
    assert sql(place, "select id from clips order by id") == before


def test_a_tombstone_that_the_policy_cannot_plan_for_holds_up_nobody_else(place: Place) -> None:
    """Nothing here says when it was captured, so that what is new of a living child can't be told; the erased one goes all the same."""
    copy = saved(place)
    with opened(place) as library:
        complete(library, library.erase(["child:21"], Scope(("user.content.private",)), patience=SOON)[1])
        complete(library, library.erase(["child:11"], patience=SOON)[1])
        restored(place, copy, "app.db", "media")
        replayed, standings = library.replay("app", patience=SOON)
        complete(library, standings)
        assert replayed.returned == 1
        assert doubts(replayed).keys() == {("policy", NO_PLAN), ("app.clips", NO_DATE)}
    assert command(place, "replay", "app").status == 80


def test_a_request_at_work_is_left_to_its_run(place: Place) -> None:
    with opened(place) as library:
        library.request(["child:11"])
        replayed, standings = library.replay("app")
        assert (replayed.returned, standings) == (0, ())
        assert doubts(replayed) == {("tombstones", AT_WORK): 1}


def test_many_need_a_second_person(tmp_path: Path) -> None:
    place = toy(tmp_path / "toy", top="expunge: 1\nblast_radius: {subjects: 2, share: 1 %}")
    copy = saved(place)
    with opened(place) as library:
        for household in (1, 2):
            started, _ = library.erase([f"household:{household}"], by="one")
            for run in started.runs:
                if run.needs_approval:
                    library.approve(run.id, run.plan_digest, by="two")
            library.work(patience=SOON)
        restored(place, copy, "app.db")
        replayed, standings = library.replay("app", by="one", patience=SOON)
        assert replayed.needs_approval
        assert not any(one.complete for one in standings)
        assert sql(place, "select count(*) from households where id < 3") == [(2,)]
        library.approve(standings[0].run.id, standings[0].run.plan_digest, by="two")
        library.work(patience=SOON)
        complete(library, tuple(library.status(one.run.id) for one in standings))
    assert sql(place, "select count(*) from households where id < 3") == [(0,)]


def test_faults(place: Place) -> None:
    with opened(place) as library:
        with pytest.raises(UnknownStore):
            library.replay("apps")
        library.rooms.stores._open["app"] = Wrapped(library.rooms.stores["app"])  # type: ignore[attr-defined]  # a store that lists nothing
        with pytest.raises(Refused, match="can't list"):
            library.replay("app")


def test_hostile_values_are_only_values(place: Place) -> None:
    hostile = ("'; drop table clips; --", "%", "\N{SNOWMAN}" * 99, "11", "null")
    for number, text in enumerate(hostile):
        sql(place, "insert into messages values (:id, null, null, :body)", id=9_000 + number, body=text)
        sql(place, "insert into people values (:id, 1, :email)", id=9_000 + number, email=text)
    clock = FakeClock()
    clock.set(datetime.now(UTC))
    with opened(place, clock) as library:
        library.rooms.register.lay(
            Stone(Identifier(type_, text), (), None, "req_gone", clock.now()) for type_ in ("email", "item") for text in hostile
        )
        before = sql(place, "select * from people order by id")
        replayed, _ = library.replay("app")
        assert (replayed.people, replayed.returned) == (0, 0)
        assert all(text not in repr(replayed) for text in hostile[:3])
    known = Recognised(people={("adult", hostile[0]): []}, items={"app.messages": {hostile[0]: []}})
    assert repr(known) == "Recognised(1 people, 1 items)"
    assert sql(place, "select * from people order by id") == before


def test_a_record_that_knows_a_person_by_their_address_only_is_undecided(place: Place) -> None:
    with (place.folder / "app.yml").open("a") as file:
        file.write("      - name: letters\n        fields:\n          - {name: id, fides_meta: {primary_key: true}}\n")
        file.write("          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}\n")
    sql(place, "create table letters(id integer primary key, email text)")
    ((email,),) = sql(place, "select email from people where id = 11")
    with opened(place) as library:
        complete(library, library.erase(["adult:11"], patience=SOON)[1])
        sql(place, "insert into letters values (1, :email), (2, 'nobody@else.example')", email=email)
        replayed, _ = library.replay("app")
        assert doubts(replayed) == {("app.letters.email", NO_OWN_RECORD): 1}
        assert replayed.fields == {"app.letters.email": 1}


def test_an_address_that_somebody_else_has_by_now_is_theirs(place: Place) -> None:
    """Their own record carries it: whose the letter is can be said, and it is not the erased person's."""
    with (place.folder / "app.yml").open("a") as file:
        file.write("      - name: letters\n        fields:\n          - {name: id, fides_meta: {primary_key: true}}\n")
        file.write("          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}\n")
    sql(place, "create table letters(id integer primary key, email text)")
    ((email,),) = sql(place, "select email from people where id = 11")
    with opened(place) as library:
        complete(library, library.erase(["adult:11"], patience=SOON)[1])
        sql(place, "update people set email = :email where id = 21", email=email)
        sql(place, "insert into letters values (1, :email)", email=email)
        replayed, standings = library.replay("app")
        assert (replayed.undecided, replayed.returned, standings) == ((), 0, ())
    assert sql(place, "select count(*) from letters") == [(1,)]


REFERENCES = {
    "users": {"id": "pk user_id", "email": "email", "handle": "user.name"},
    "letters": {"id": "pk", "sent_to": "> users.email", "body": "user.content.private"},
    "posts": {"id": "pk", "handle": "> users.handle", "body": "user.content.private"},
    "replies": {"id": "pk", "post_id": "> posts.id", "quoted_id": "> posts.id", "body": "user.content.private"},
    "visits": {"id": "pk", "user_id": "user_id", "body": "user.content.private"},
    "pairs": {"one": "pk", "two": "pk", "user_id": "> users.id"},
}
TABLES = """
create table users (id text primary key, email text unique, handle text unique);
create table letters (id integer primary key, sent_to text references users(email), body text);
create table posts (id integer primary key, handle text references users(handle), body text);
create table replies (id integer primary key, post_id integer references posts(id), quoted_id integer references posts(id), body text);
create table visits (id integer primary key, user_id text, body text);
create table pairs (one integer, two integer, user_id text references users(id), primary key (one, two));
create index letters_sent on letters(sent_to);
create index posts_handle on posts(handle);
create index replies_post on replies(post_id);
create index replies_quoted on replies(quoted_id);
create index visits_user on visits(user_id);
create index pairs_user on pairs(user_id)
"""
ANN, BEN = "0cc175b9-c0f1-b6a8-31c3-99e269772661", "92eb5ffe-e6ae-2fec-3ad7-1c777531578f"


@pytest.fixture
def post(tmp_path: Path) -> Place:
    """Ann and Ben, with what is theirs by key, address, handle, or through something that is."""
    collections = {name: dict(fields) for name, fields in REFERENCES.items()}
    for name in ("letters", "posts", "replies", "visits", "pairs"):
        collections[name]["meta"] = "{captured_at: never}"
    collections["replies"]["meta"] = "{captured_at: never, owned_by: [post_id, quoted_id]}"
    place = spelled.estate(tmp_path / "post", TABLES, collections)
    filled(place, ANN, BEN)
    return place


def filled(place: Place, *keys: str) -> None:
    for number, key in ((1, ANN), (2, BEN)):
        if key in keys:
            sql(place, "insert into users values (:key, :email, :handle)", key=key, email=f"{number}@toy.example", handle=f"h{number}")
            sql(place, "insert into letters values (:number, :email, 'dear')", number=number, email=f"{number}@toy.example")
            sql(place, "insert into posts values (:number, :handle, 'look')", number=number, handle=f"h{number}")
            sql(place, "insert into replies values (:number, :number, null, 'nice')", number=number)
            sql(place, "insert into visits values (:number, :key, 'home')", number=number, key=key)
            sql(place, "insert into pairs values (:number, 1, :key)", number=number, key=key)


def test_what_references_an_address_is_recognised_by_it(post: Place) -> None:
    with opened(post) as library:
        complete(library, library.erase([f"user:{ANN}"], patience=SOON)[1])
        sql(post, "insert into letters values (1, '1@toy.example', 'dear')")
        replayed, _ = library.replay("app")
        assert doubts(replayed) == {("app.letters.sent_to", NO_OWN_RECORD): 1}
        assert replayed.unlooked == ("app.pairs",), "no single field names its items"


def test_items_are_their_owners_however_these_are_found(post: Place) -> None:
    """Through what else they own, by an address or a handle, or named in the record itself. Without a date, that is all that is said."""
    items = ("app.replies/1", "app.posts/1", "app.visits/1", "app.letters/1")
    with opened(post) as library:
        complete(library, library.erase([f"user:{ANN}"], Scope(items=items), patience=SOON)[1])
        assert sql(post, "select count(*) from replies") == [(1,)]
        sql(post, "delete from users where id = :key", key=ANN)
        sql(post, "delete from pairs where user_id = :key", key=ANN)
        filled(post, ANN)
        replayed, standings = library.replay("app")
        assert standings == ()
        assert doubts(replayed) == {(item.partition("/")[0], NO_DATE): 1 for item in items}


def test_whom_nothing_is_found_of_is_told(post: Place) -> None:
    """A key in a spelling of its own is recognised, and not found by any that a store is asked for: that is said, not passed over."""
    with opened(post) as library:
        complete(library, library.erase([f"user:{ANN}"], patience=SOON)[1])
        sql(post, "insert into visits values (1, :key, 'home')", key=ANN.replace("0cc", "0Cc"))
        replayed, standings = library.replay("app", patience=SOON)
        assert (replayed.people, replayed.returned, standings) == (1, 0, ())
        assert doubts(replayed) == {("app", NOT_FOUND): 1}


def test_a_category_that_the_policy_no_longer_has_is_told(place: Place) -> None:
    policy, app = place.folder / "expunge.yaml", place.folder / "app.yml"
    plain = (policy.read_text(), app.read_text())
    policy.write_text(f"{plain[0]}categories: [user.gossip]\n")
    app.write_text(plain[1].replace("user.content.private]}\n      - name: messages", "user.gossip]}\n      - name: messages", 1))
    copy = saved(place)
    with opened(place) as library:
        complete(library, library.erase(["child:21"], Scope(("user.gossip",)), patience=SOON)[1])
    policy.write_text(plain[0])
    app.write_text(plain[1])
    restored(place, copy, "app.db")
    with opened(place) as library:
        replayed, standings = library.replay("app", patience=SOON)
        assert (replayed.returned, standings, doubts(replayed)) == (0, (), {("policy", NO_PLAN): 1})
    said = command(place, "replay", "app", "--json")
    assert said.json["undecided"] == [{"place": "policy", "count": 1, "why": NO_PLAN}]


def test_the_command(place: Place) -> None:
    copy = saved(place)
    with opened(place) as library:
        library.erase(["child:11"], patience=SOON)
    restored(place, copy, "app.db")
    looked = command(place, "replay", "app", "--dry-run", "--json")
    assert (looked.status, looked.json["returned"], looked.json["runs"]) == (0, 1, [])
    done = command(place, "replay", "app", "--taken", "2026-10-01")
    assert done.status == 0, done.err
    assert "1 with records that came back" in done.out
    assert "receipt" in done.out
    assert command(place, "replay", "app", "--taken", "yesterday").status == 33


def test_spellings() -> None:
    assert spellings(7.0) == ("7.0", "7")
    assert spellings(float("nan")) == ("nan",)
    assert spellings("ann") == ("ann",)
    upper = "0CC175B9-C0F1-B6A8-31C3-99E269772661"
    every = {upper, upper.lower(), upper.replace("-", ""), upper.replace("-", "").lower()}
    assert set(spellings(upper)) == set(spellings(upper.lower())) == every
