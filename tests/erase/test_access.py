"""What a person gets when they ask what is held about them: all of it, theirs alone, readable, and never half a file."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import sqlite3
import stat
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

import pytest

from examples.home import estate as program
from examples.home.where import Amounts, Where
from expunge.errors import InvalidRequest, Unavailable, UnknownSubject
from expunge.journal.records import RequestStatus
from expunge.terms import Record, Scope
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
        named = json.loads(archive.read("files.json"))
        assert {address: len(held) for address, held in named.items()} == {
            address: count for address, count in done.records.items() if address.startswith("media.")
        }
        for place, name in named["media.voice_child"].items():
            assert records["media.voice_child"][int(place)]["key"].endswith(name.rpartition("/")[2])
        stored = {name: archive.read(name) for name in named["media.voice_child"].values()}
        assert sorted(stored.values()) == sorted(current.values()), "recordings are byte for byte what is stored"
        page = read(archive.read("index.html"))
        assert set(page.links) <= names
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


def test_a_column_called_file_is_only_text(place: Place, tmp_path: Path) -> None:
    """Links are to names that we gave, and these are in no record."""
    sql(place, "alter table clips add column file text")
    sql(place, "update clips set file = 'javascript:alert(1)'")
    dataset = place.folder / "app.yml"
    dataset.write_text(dataset.read_text().replace("- {name: said,", "- {name: file}\n          - {name: said,"))
    with opened(place) as library:
        done = library.access("child:11", tmp_path / "mine.zip")
    with zipfile.ZipFile(done.path) as archive:
        page = read(archive.read("index.html"))
        assert "javascript:alert(1)" in page.text
        assert set(page.links) <= set(archive.namelist())
        assert [row["file"] for row in json.loads(archive.read("data/app.clips.json"))] == ["javascript:alert(1)"] * 3


def test_a_link_leads_to_its_file(place: Place, tmp_path: Path) -> None:
    folder = place.folder / "media/voice/11"
    odd = ("a b.wav", "a#b.wav", "a?b.wav", "100%25.wav", "a&amp;b.wav", "é.wav")
    for name in odd:
        (folder / name).write_bytes(name.encode())
    with opened(place) as library:
        done = library.access("child:11", tmp_path / "mine.zip")
    with zipfile.ZipFile(done.path) as archive:
        led = {unquote(urlsplit(link).path): urlsplit(link) for link in read(archive.read("index.html")).links}
        assert not [link for link in led.values() if link.scheme or link.netloc or link.query or link.fragment]
        found = {name.rpartition("/")[2]: archive.read(name) for name in led}
    assert {name: body for name, body in found.items() if name in odd} == {name: name.encode() for name in odd}


class Named:
    """A store whose records' files have these names."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __call__(self, _: str, addresses: Iterable[str]) -> Iterator[Record]:
        for address, name in zip(addresses, self.names, strict=True):
            yield Record(address, {"key": "k"}, name.encode("utf-8", "backslashreplace"), name)


@pytest.mark.parametrize(
    "names",
    [
        ("..\\..\\evil.exe", "C:\\Windows\\evil.exe", "C:evil.exe"),
        ("../../evil", "/etc/passwd", ".. /evil"),
        ("..", "\\\\server\\share", "a\x00b"),
        ("same.wav", "same.wav", "SAME.WAV"),
        ("half\ud800.wav", "…", "line\nbreak"),
    ],
)
def test_names_inside_are_safe_to_unpack(names: tuple[str, ...], place: Place, tmp_path: Path) -> None:
    with opened(place) as library:
        library.rooms.stores["media"].read = Named(*names)  # type: ignore[attr-defined]  # what an object may be called elsewhere
        done = library.access("child:11", tmp_path / "mine.zip")
    with zipfile.ZipFile(done.path) as archive:
        inside = [name for name in archive.namelist() if name.startswith("files/")]
        bodies = sorted(archive.read(name) for name in inside)
    assert bodies == sorted(name.encode("utf-8", "backslashreplace") for name in names)
    assert len({name.casefold() for name in inside}) == len(names)
    for name in inside:
        assert not set(name) & {"\\", ":", "\0", "\n"}
        assert not [part for part in name.split("/") if not part.strip(". ")]


def test_a_record_with_half_a_character(place: Place, tmp_path: Path) -> None:
    with opened(place) as library:
        library.rooms.stores["app"].read = lambda _, addresses: (Record(one, {"name": "x\ud800"}) for one in addresses)  # type: ignore[attr-defined]  # a store that reads
        done = library.access("child:11", tmp_path / "mine.zip")
    with zipfile.ZipFile(done.path) as archive:
        assert json.loads(archive.read("data/app.profiles.json")) == [{"name": "x\ud800"}]
        read(archive.read("index.html"))


@pytest.mark.parametrize("kind", ["file", "link", "link to nothing", "folder"])
def test_what_is_there_is_left_as_it_is(kind: str, place: Place, tmp_path: Path) -> None:
    target, victim = tmp_path / "mine.zip", tmp_path / "victim"
    if kind == "file":
        target.write_text("precious")
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(victim)
        if kind == "link":
            victim.write_text("precious")
    before = sorted(path.name for path in tmp_path.iterdir())
    with opened(place) as library:
        library.rooms = replace(library.rooms, stores={})  # whoever reads now fails otherwise
        with pytest.raises(InvalidRequest, match="already"):
            library.access("child:11", target)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert not [path for path in (target, victim) if path.is_file() and path.read_text() != "precious"]


def test_a_second_export_does_not_take_the_firsts_place(place: Place, tmp_path: Path) -> None:
    words = ("access", "child:11", "--to", str(tmp_path / "mine.zip"))
    assert command(place, *words).status == 0
    first = (tmp_path / "mine.zip").read_bytes()
    said = command(place, *words)
    assert (said.status, said.out) == (33, "")
    assert "mine.zip" in said.err
    assert (tmp_path / "mine.zip").read_bytes() == first


def test_the_part_beside_it_follows_no_link(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not under the name that it once had, and not even if its random name were guessed."""
    (tmp_path / "out").mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in (".mine.zip.part", ".guessed.part"):
        (tmp_path / "out" / name).symlink_to(victim)
    with opened(place) as library:
        library.access("child:11", tmp_path / "out" / "mine.zip")
        monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
        with pytest.raises(InvalidRequest):
            library.access("child:11", tmp_path / "out" / "other.zip")
    assert victim.read_text() == "precious"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".guessed.part", ".mine.zip.part", "mine.zip"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_in_between_stays(*, links: bool, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "this file system has no hard links")

    target = tmp_path / "out" / "mine.zip"
    target.parent.mkdir()
    with opened(place) as library:
        if not links:
            monkeypatch.setattr(os, "link", refused)
        store = library.rooms.stores["media"]
        reading = store.read  # type: ignore[attr-defined]  # a store that reads

        def meanwhile(collection: str, addresses: Iterable[str]) -> Iterator[Record]:
            target.write_text("another's")
            return cast("Iterator[Record]", reading(collection, addresses))

        store.read = meanwhile  # type: ignore[attr-defined]  # a store that reads
        with pytest.raises(InvalidRequest):
            library.access("child:11", target)
        assert [path.name for path in target.parent.iterdir()] == ["mine.zip"]
        assert target.read_text() == "another's"
        target.unlink()
        store.read = reading  # type: ignore[attr-defined]  # a store that reads
        assert zipfile.is_zipfile(library.access("child:11", target).path)
        assert [path.name for path in target.parent.iterdir()] == ["mine.zip"]


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
