"""Narrow requests on the example estate: what a category, a range of time or an item reaches, for a child, an adult and a household."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from examples.home import estate as program
from examples.home.where import Amounts, Where
from expunge.app.library import Standing
from expunge.errors import InvalidRequest
from expunge.terms import Scope, Span
from tests.erase.spelled import USERS, estate
from tests.erase.toy import SOON, opened, rows_of, statement_of
from tests.faults.killing import Place
from tests.unit.test_estate import keys_of, lines_of, objects_of, points_of, rollups_of

CHILD, ADULT, HOUSE = 21, 31, 1
EDGE = datetime(2026, 6, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("before") / "home"
    program.build(Where(folder), 3, amounts=Amounts(clips_per_profile=3, points_per_person=6))
    return folder


@pytest.fixture
def place(built: Path, tmp_path: Path) -> Place:
    folder = tmp_path / "home"
    shutil.copytree(built, folder)
    return Place(folder, {})


def ask(place: Place, who: str, scope: Scope) -> tuple[Standing, dict[str, Any]]:
    with opened(place) as library:
        _, (standing,) = library.erase([who], scope, patience=SOON)
        assert standing.complete, [(step.name, step.error_message) for step in standing.waiting]
        assert not library.incidents()
        return standing, dict(statement_of(library, standing))


def found(statement: dict[str, Any]) -> dict[str, int]:
    return {name: row["located"] for name, row in rows_of(statement).items()}


def select(folder: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "data" / "app.db")) as session:
        return session.execute(statement, values).fetchall()


def everything(folder: Path) -> dict[str, list[Any]]:
    """The whole estate, each record as one value."""
    tables = [name for (name,) in select(folder, "select name from sqlite_master where type = 'table' and name not like '%fts%'")]
    held: dict[str, list[Any]] = {f"app.{name}": select(folder, f"select * from {name}") for name in tables}
    held |= {"places": points_of(folder), "rollups": rollups_of(folder), "logs": [json.dumps(one) for one in lines_of(folder)]}
    return {**held, "media": sorted(objects_of(folder).items())}


def changes(before: Path, after: Path) -> dict[str, tuple[int, int]]:
    """Per place how many records are gone and how many are new (a redacted one is both)."""
    was, now = everything(before), everything(after)
    pairs = {name: (len(_without(was[name], now[name])), len(_without(now[name], was[name]))) for name in was}
    return {name: pair for name, pair in pairs.items() if pair != (0, 0)}


def _without(these: Iterable[Any], those: Iterable[Any]) -> list[Any]:
    left = list(those)
    out = []
    for one in these:
        if one in left:
            left.remove(one)
        else:
            out.append(one)
    return out


def test_a_childs_voice_takes_what_was_made_from_it(built: Path, place: Place) -> None:
    """Recordings go, and with them what they were turned into; who the child is and where it was stays."""
    _, statement = ask(place, f"child:{CHILD}", Scope(categories=("user.biometric.voice",)))
    assert statement["scope"]["categories"] == ["user.biometric.voice"]
    assert found(statement) == {"media.voice_child": 3}
    assert not [key for key in keys_of(objects_of(place.folder)) if f"/child-{CHILD}/" in key]
    assert set(changes(built, place.folder)) == {"media"}
    assert statement["keys"] == {"destroyed": 0, "times": None}, "a person who stays keeps their key"


def test_spoken_words_of_an_adult(built: Path, place: Place) -> None:
    _, statement = ask(place, f"adult:{ADULT}", Scope(categories=("user.content.private.spoken",)))
    assert set(found(statement)) == {"app.transcripts", "app.intents", "logs.requests"}
    clips = select(place.folder, "select id from clips where person_id = ?", ADULT)
    assert len(clips) == 3, "that something was said is not what was said"
    assert select(place.folder, "select count(*) from transcripts join clips on clips.id = clip_id where person_id = ?", ADULT) == [(0,)]
    assert not [line for line in lines_of(place.folder) if f'"person_id": {ADULT},' in json.dumps(line) and '"text": "' in json.dumps(line)]
    changed = changes(built, place.folder)
    assert set(changed) == {"app.transcripts", "app.intents", "logs"}


def test_a_name_is_nulled_and_its_record_stays(built: Path, place: Place) -> None:
    _, statement = ask(place, f"child:{CHILD}", Scope(categories=("user.name",)))
    assert {name: row["method"] for name, row in rows_of(statement).items()} == {"app.profiles": ["redact"]}
    assert select(place.folder, "select nickname, birth_year is null from profiles where id = ?", CHILD) == [(None, 0)]
    assert changes(built, place.folder) == {"app.profiles": (1, 1)}


def test_location_of_a_household_is_everybodys(built: Path, place: Place) -> None:
    members = select(built, "select count(*) from people where household_id = ?", HOUSE)[0][0]
    members += select(built, "select count(*) from profiles where household_id = ?", HOUSE)[0][0]
    _, statement = ask(place, f"household:{HOUSE}", Scope(categories=("user.location",)))
    assert found(statement)["places.locations"] == members * 6
    assert set(changes(built, place.folder)) <= {"places", "rollups", "app.addresses"}


@pytest.mark.parametrize("who", [f"child:{CHILD}", pytest.param(f"adult:{ADULT}", marks=pytest.mark.slow), f"household:{HOUSE}"])
def test_a_range_of_time(who: str, built: Path, place: Place) -> None:
    """By a record's own time, by that of the record that it points at; the undated are told, and the person stays."""
    standing, statement = ask(place, who, Scope(captured=Span(EDGE, None)))
    owner = {"child": "profile_id", "adult": "person_id", "household": "household_id"}[who.partition(":")[0]]
    number = int(who.partition(":")[2])
    late = select(built, f"select id from clips where {owner} = ? and recorded_at >= ?", number, EDGE.strftime("%Y-%m-%d"))
    assert late, "there is something to be found"
    left = {clip for (clip,) in select(place.folder, f"select id from clips where {owner} = ?", number)}
    early = {clip for (clip,) in select(built, f"select id from clips where {owner} = ?", number)} - {clip for (clip,) in late}
    assert left == early
    held = {clip for (clip,) in select(place.folder, "select clip_id from transcripts")}
    assert not held & {clip for (clip,) in late}, "what was made from a clip goes with it"
    spoken = {key.rpartition("/")[2].partition(".")[0] for key in keys_of(objects_of(place.folder)) if key.startswith("voice/")}
    assert not spoken & {clip for (clip,) in late}
    assert early <= spoken
    assert select(place.folder, "select count(*) from profiles") == select(built, "select count(*) from profiles")
    assert select(place.folder, "select count(*) from people") == select(built, "select count(*) from people")
    assert statement["scope"]["captured"] == [EDGE.isoformat(), None]
    assert all(row["after"] == 0 for row in rows_of(statement).values())
    assert standing.run.status.value == "closed"


def test_single_items(built: Path, place: Place) -> None:
    (clip,) = select(built, "select id from clips where profile_id = ? limit 1", CHILD)[0]
    _, statement = ask(place, f"child:{CHILD}", Scope(items=(f"app.clips/{clip}",)))
    assert statement["scope"]["items"] == 1
    assert clip not in json.dumps(statement), "an item's name is a person's too"
    changed = changes(built, place.folder)
    assert changed.pop("media")[0] >= 1
    assert changed == {"app.clips": (1, 0), "app.transcripts": (1, 0), "app.intents": (1, 0), "app.asr_jobs": (1, 0)}
    assert not [key for key in objects_of(place.folder) if clip in key]


def test_an_item_of_somebody_else_is_refused(built: Path, place: Place) -> None:
    (clip,) = select(built, "select id from clips where profile_id = 11 limit 1")[0]
    with pytest.raises(InvalidRequest, match="1 of 1 items are not records of the person named"):
        ask(place, f"child:{CHILD}", Scope(items=(f"app.clips/{clip}",)))
    assert changes(built, place.folder) == {}


def test_one_object_with_its_versions(built: Path, place: Place) -> None:
    key = min(key for key in keys_of(objects_of(built)) if f"/child-{CHILD}/" in key)
    _, statement = ask(place, f"child:{CHILD}", Scope(items=(f"media.voice_child/{key}",)))
    assert found(statement) == {"media.voice_child": 1}
    assert not [path for path in objects_of(place.folder) if key in path]
    assert set(changes(built, place.folder)) == {"media"}


def test_conditions_narrow_each_other(built: Path, place: Place) -> None:
    scope = Scope(categories=("user.content.private.spoken",), captured=Span(None, EDGE))
    _, statement = ask(place, f"child:{CHILD}", scope)
    said = "select transcripts.id from transcripts join clips on clips.id = clip_id where profile_id = ? and recorded_at {} ?"
    day = EDGE.strftime("%Y-%m-%d")
    assert select(place.folder, said.format("<"), CHILD, day) == []
    assert select(place.folder, said.format(">="), CHILD, day) == select(built, said.format(">="), CHILD, day)
    assert set(found(statement)) <= {"app.transcripts", "app.intents", "logs.requests"}


def test_a_narrow_request_and_then_everything(built: Path, place: Place) -> None:
    ask(place, f"child:{CHILD}", Scope(categories=("user.biometric",)))
    ask(place, f"child:{CHILD}", Scope(captured=Span(EDGE, None)))
    _, statement = ask(place, f"child:{CHILD}", Scope())
    assert statement["keys"]["destroyed"] == 1
    assert select(place.folder, "select count(*) from profiles where id = ?", CHILD) == [(0,)]
    assert select(place.folder, "select count(*) from clips where profile_id = ?", CHILD) == [(0,)]
    with opened(place) as library:
        assert library.request([f"child:{CHILD}"]).outcomes == {0: "already-erased"}


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (Scope(categories=("user.biometrik",)), "user.biometric"),
        (Scope(items=("app.clipz/1",)), "app.clips"),
        (Scope(items=("attic.boxes/1",)), "attic.boxes"),
    ],
)
def test_a_scope_that_names_nothing_is_refused(scope: Scope, said: str, place: Place) -> None:
    """A misspelt category would otherwise end in a receipt that says that nothing was found."""
    with opened(place) as library:
        for call in (library.plan, library.request):
            act: Callable[..., Any] = call
            with pytest.raises(InvalidRequest, match=said):
                act([f"child:{CHILD}"], scope)
        assert library.runs() == []


BOOKS = """
create table users (id integer primary key, email text);
create table clips (id integer primary key, user_id integer references users(id), said text, at timestamp);
create table bills (id integer primary key, user_id integer references users(id), clip_id integer, paid text, at timestamp);
create index clips_user on clips(user_id);
create index bills_user on bills(user_id);
insert into users values (1, 'ann@toy.example'), (2, 'ben@toy.example');
insert into clips values (1, 1, 'one', '2026-01-01'), (2, 1, 'two', '2026-03-01'), (3, 2, 'three', '2026-01-01');
insert into bills values (1, 1, 1, 'for one', '2026-01-02'), (2, 1, 2, 'for two', '2026-03-02'), (3, 1, null, 'alone', '2026-03-03');
insert into bills values (4, 2, 3, 'for three', '2026-01-02')
"""


@pytest.mark.parametrize(
    ("scope", "kept"),
    [
        (Scope(), 3),
        (Scope(categories=("user.content.private",)), 2),
        (Scope(categories=("user.financial",)), 3),
        (Scope(categories=("user.name",)), 0),
        (Scope(captured=Span(datetime(2026, 2, 1, tzinfo=UTC), None)), 2),
        (Scope(items=("app.clips/1",)), 1),
        (Scope(items=("app.bills/3",)), 1),
    ],
    ids=["everything", "what bills are made from", "bills", "neither", "lately", "one clip", "one bill"],
)
def test_what_the_policy_keeps_of_a_scope_is_told_with_its_basis(scope: Scope, kept: int, tmp_path: Path) -> None:
    """A request for less is told what of it stays, as one for everything is; of what it does not mean, nothing."""
    collections = {
        "users": USERS,
        "clips": {"id": "pk", "user_id": "> users.id", "said": "user.content.private", "at": "", "meta": "{captured_at: at}"},
        "bills": {
            "id": "pk",
            "user_id": "> users.id",
            "clip_id": "> clips.id",
            "paid": "user.financial",
            "at": "",
            "meta": "{owned_by: user_id, derived_from: app.clips, verb: keep, keep: {basis: tax law, for: 10 years}, captured_at: at}",
        },
    }
    place = estate(tmp_path / "books", BOOKS, collections)
    with opened(place) as library:
        planned = library.plan(["user:1"], scope)
        assert sum(planned.work.kept["app.bills"].values()) == kept
        _, (standing,) = library.erase(["user:1"], scope, patience=SOON)
        assert standing.complete
        (request,) = [note.request_id for note in standing.receipts if note.request_id]
        for statement in (statement_of(library, standing), statement_of(library, standing, request)):
            row = rows_of(statement).get("app.bills")
            assert (row and row["kept"]) == ({"records": kept, "basis": "tax law"} if kept else None)
            assert not row or row["method"] in ([], ["unlink"]), "they stay, without references at what went"
    with closing(sqlite3.connect(place.folder / "app.db")) as session:
        assert session.execute("select count(*) from bills").fetchone() == (4,)
