"""What a person gets when they ask what is held about them: all of it, theirs alone, readable, and never half a file."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
import zipfile
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest

from examples.home import estate as program
from examples.home.where import Amounts, Where
from expunge.errors import InvalidRequest, Unavailable, UnknownSubject
from expunge.journal.records import RequestStatus
from expunge.terms import Scope
from tests.erase.toy import command, opened, sql, toy, wrapped
from tests.faults.killing import Place
from tests.unit.test_estate import expected, objects_of

CHILD = 21
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reading(HTMLParser):
    """Checks that every element that was begun is ended in its place, and keeps what would be shown."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> ends nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: bytes) -> Reading:
    reading = Reading()
    reading.feed(page.decode())
    reading.close()
    assert reading.open == []
    assert not reading.tags & {"script", "img", "iframe", "object"}
    return reading


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("access") / "home"
    program.build(Where(folder), 3, amounts=Amounts(clips_per_profile=2, points_per_person=5))
    return folder


def test_the_file_holds_what_the_estate_holds(estate: Path, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    shutil.copytree(estate, folder)
    with opened(Place(folder, {})) as library:
        done = library.access(f"child:{CHILD}", tmp_path / "mine.zip")
        assert library.rooms.journal.request(done.request_id).status is RequestStatus.CLOSED
    assert dict(done.records) == expected(estate, {CHILD}, set(), set())
    assert done.unreadable == ()
    assert stat.S_IMODE(done.path.stat().st_mode) == 0o600
    with zipfile.ZipFile(done.path) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        records = {address: json.loads(archive.read(f"data/{address}.json")) for address in done.records}
        assert {address: len(rows) for address, rows in records.items()} == dict(done.records)
        with closing(sqlite3.connect(estate / "data" / "app.db")) as session:
            session.row_factory = sqlite3.Row
            (profile,) = session.execute("select * from profiles where id = ?", (CHILD,)).fetchall()
            said = session.execute(
                "select text from transcripts join clips on clips.id = clip_id where profile_id = ?", (CHILD,)
            ).fetchall()
        assert records["app.profiles"][0]["nickname"] == profile["nickname"]
        assert sorted(row["text"] for row in records["app.transcripts"]) == sorted(row["text"] for row in said)
        current = {key: body for key, body in objects_of(estate).items() if f"/child-{CHILD}/" in key and not key.startswith(".versions")}
        stored = {row["file"]: archive.read(row["file"]) for row in records["media.voice_child"]}
        assert sorted(stored.values()) == sorted(current.values()), "recordings are byte for byte what is stored"
        page = read(archive.read("index.html"))
        assert {link for link in page.links if not link.startswith("#")} <= names
        assert set(stored) <= set(page.links)
        assert profile["nickname"] in page.text


def test_another_persons_part_is_left_out(estate: Path, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    shutil.copytree(estate, folder)
    with opened(Place(folder, {})) as library:
        done = library.access("adult:21", tmp_path / "mine.zip")
    with zipfile.ZipFile(done.path) as archive:
        messages = json.loads(archive.read("data/app.messages.json"))
    assert {row["sender_id"] == 21 for row in messages} == {True, False}
    assert all(("body" in row) == (row["sender_id"] == 21) for row in messages)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return toy(tmp_path / "toy")


def test_hostile_strings_are_only_text(place: Place, tmp_path: Path) -> None:
    nasty = "<script>alert('x')</script> & \"quoted\" </td></table><img src=x onerror=y>"
    sql(place, "update profiles set nickname = :nasty where id = 11", nasty=nasty)
    odd = place.folder / "media/voice/11" / "a&b'<i>.wav"
    odd.write_bytes(b"sound")
    with opened(place) as library:
        done = library.access("child:11", tmp_path / "mine.zip")
    with zipfile.ZipFile(done.path) as archive:
        page = read(archive.read("index.html"))
        assert nasty in page.text
        names = archive.namelist()
        assert all(not name.startswith(("/", "..")) and "/../" not in name for name in names)
        assert b"sound" in [archive.read(name) for name in names]
        assert len(names) == len(set(names))


def test_no_file_is_left_on_a_fault(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "out" / "mine.zip"
    target.parent.mkdir()
    with opened(place) as library:
        with pytest.raises(UnknownSubject):
            library.access("child:7310", target)
        with pytest.raises(InvalidRequest):
            library.access("child:11", target, scope=Scope(categories=("user.voise",)))
        store = library.rooms.stores["media"]

        def away(*_: object) -> None:
            raise Unavailable("gone", where="media")

        store.read = away  # type: ignore[attr-defined]  # the store goes away after the walk
        with pytest.raises(Unavailable):
            library.access("child:11", target)
        assert list(target.parent.iterdir()) == []
    with opened(place) as library, wrapped(library, "media"):
        done = library.access("child:11", target)
        assert done.unreadable == ("media.voice",), "what can't be read is named, not left out"
    said = command(place, "access", "child:11", "--to", str(tmp_path / "no such folder" / "mine.zip"))
    assert said.status == 33
    assert "Traceback" not in said.err


def test_a_narrow_question(place: Place, tmp_path: Path) -> None:
    said = command(place, "access", "child:11", "--to", str(tmp_path / "mine.zip"), "--category", "user.biometric", "--json")
    assert (said.status, said.json["records"], said.json["files"]) == (0, {"media.voice": 3}, 3)


def test_a_question_for_one_field(place: Place, tmp_path: Path) -> None:
    with opened(place) as library:
        done = library.access("child:11", tmp_path / "mine.zip", scope=Scope(categories=("user.name",)))
    with zipfile.ZipFile(done.path) as archive:
        assert json.loads(archive.read("data/app.profiles.json")) == [{"id": 11, "nickname": "MARK-NICK-11"}]


def test_a_household_gets_what_is_its_members(place: Place, tmp_path: Path) -> None:
    with opened(place) as library:
        done = library.access("household:1", tmp_path / "mine.zip")
    assert dict(done.records) == {
        "app.clips": 6,
        "app.households": 1,
        "app.messages": 2,
        "app.people": 2,
        "app.profiles": 2,
        "media.voice": 6,
    }
