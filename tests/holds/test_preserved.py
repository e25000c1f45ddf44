"""Preserved copies: sealed, unknown to the others, opened by two roles, gone at their end; and the holds that an access request shows."""

from __future__ import annotations

import io
import json
import os
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from expunge.app import holding, preserving
from expunge.app.library import Expunge
from expunge.app.preserving import Openers
from expunge.erase.statement import same_content
from expunge.errors import ApprovalNeeded, InvalidRequest, KeyDestroyed, KeyStoreError, UnknownRequest, UnknownSubject
from expunge.keys.streaming import SEGMENT, SealedWriter, seal_chunks, unseal_chunks
from expunge.terms import Json, Scope
from expunge.testing.clock import FakeClock
from tests.erase.toy import found_in, opened, toy
from tests.faults.killing import Place
from tests.holds.said import Command
from tests.undo.conftest import UNDO

START = datetime(2026, 5, 1, tzinfo=UTC)
LATER = START + timedelta(days=90)
BRIEFLY = timedelta(seconds=1)
TWO = Openers("legal:jane", "privacy:omar", "order 7 of a court")


def kept(library: Expunge, subject: str = "household:1", by: str = "adult:12", scope: Scope | None = None) -> str:
    return preserving.preserve(library, subject, scope, until=LATER, because="he threatens me", by=by).id


def test_a_copy_outlives_the_erasure_and_opens_to_two_roles_only(place: Place, tmp_path: Path) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        copy = kept(library)
        (file,) = (place.folder / "state/evidence/preserved").iterdir()
        assert (file.stat().st_mode & 0o777, file.name) == (0o600, f"{copy}.sealed")
        library.erase(["household:1"], patience=BRIEFLY)
        assert found_in(place.folder, ["MARK-NICK-11", "MARK-SAID-12", "threatens", "MARK-WAV-11"]) == []
        for who, told in (
            (Openers("legal:jane", "legal:omar", "order 7"), "two roles"),
            (Openers("legal:jane", "privacy:Jane", "order 7"), "two people"),
        ):
            with pytest.raises(ApprovalNeeded, match=told):
                preserving.open_copy(library, copy, tmp_path / "copy.zip", who)
        with pytest.raises(InvalidRequest, match="ROLE:NAME"):
            preserving.open_copy(library, copy, tmp_path / "copy.zip", Openers("support:jane", "privacy:omar", "order 7"))
        with pytest.raises(InvalidRequest, match="authority"):
            preserving.open_copy(library, copy, tmp_path / "copy.zip", Openers("legal:jane", "privacy:omar", " "))
        preserving.open_copy(library, copy, tmp_path / "copy.zip", TWO)
        with zipfile.ZipFile(tmp_path / "copy.zip") as archive:
            assert archive.testzip() is None
            clips = json.loads(archive.read("data/app.clips.json"))
            assert {clip["said"] for clip in clips} >= {"MARK-SAID-11 0", "MARK-SAID-12 2"}
            assert any(name.endswith("c11-1.wav") for name in archive.namelist())
        assert preserving.about(library, copy)["because"] == "he threatens me"
        with pytest.raises(InvalidRequest, match="File exists"):
            preserving.open_copy(library, copy, tmp_path / "copy.zip", TWO)
        clock.set(LATER)
        library.work(patience=BRIEFLY)
        assert not file.exists()
        with pytest.raises(KeyDestroyed):
            preserving.open_copy(library, copy, tmp_path / "again.zip", TWO)
        with pytest.raises(KeyDestroyed):
            preserving.about(library, copy)
        (listed,) = preserving.copies(library)
        assert listed.ended_at == LATER
        entries = [json.loads(one) for one in library.rooms.log.entries()]
        assert [one["statement"]["word"] for one in entries if one["type"] == "preserved/1"] == ["opened", "opened", "ended"]
        library.check_log()


def told_to_others(folder: Path, *, with_copy: bool) -> Json:
    """All that the other members and whoever holds a receipt get to see of an erasure, with and without a copy that one has sealed."""
    place, clock = toy(folder, top=UNDO), FakeClock(START)
    with opened(place, clock) as library:
        if with_copy:
            kept(library)
        library.access("adult:11", folder / "before.zip")
        if with_copy:
            kept(library, "adult:12")
        standing = library.erase(["household:1"], patience=BRIEFLY)[1][0]
        statements: list[Json] = [same_content(library.verify(Path(note.path)).statement) for note in standing.receipts]
        letters = [(one.template, one.channel, one.state.value) for one in library.rooms.journal.letters()]
        holds = holding.shown_to(library, "adult:21") if library.rooms.journal.numbers([]) else []
        requests = [(one.kind, one.subject_kind, one.status.value, one.requester) for one in library.rooms.journal.requests()]
        incidents: list[Json] = [one.kind for one in library.incidents(open_only=False)]
        with zipfile.ZipFile(folder / "before.zip") as archive:
            seen = {name: archive.read(name).decode("latin-1") for name in sorted(archive.namelist())}
    return [statements, [list(one) for one in letters], list(holds), [list(one) for one in requests], incidents, seen]


def test_nothing_that_others_see_differs(tmp_path: Path) -> None:
    assert told_to_others(tmp_path / "with", with_copy=True) == told_to_others(tmp_path / "without", with_copy=False)


def test_who_may_ask_and_for_how_long(place: Place) -> None:
    with opened(place, FakeClock(START)) as library:
        for subject, by in (("household:1", "adult:21"), ("adult:11", "adult:12"), ("child:11", "adult:11")):
            with pytest.raises(InvalidRequest, match="member of the household"):
                kept(library, subject, by)
        for days in (0, 181):
            with pytest.raises(InvalidRequest, match="180 days"):
                preserving.preserve(library, "adult:11", until=START + timedelta(days=days), because="x", by="adult:11")
        with pytest.raises(UnknownSubject):
            kept(library, "adult:404", "adult:404")
        assert preserving.copies(library) == []
        narrow = kept(library, "adult:email=p11@toy.example", "adult:11", Scope(("user.content.private",)))
        assert preserving.about(library, narrow)["scope"] == {"categories": ["user.content.private"], "items": 0}


def test_a_copy_that_could_not_be_made_leaves_nothing(place: Place) -> None:
    with opened(place, FakeClock(START)) as library:
        folder = place.folder / "state/evidence/preserved"
        folder.write_text("in the way")
        with pytest.raises(InvalidRequest, match="can't be written"):
            kept(library)
        folder.unlink()
        assert [one.ended_at for one in preserving.copies(library)] == [START], "its key is gone"


def test_a_changed_or_lost_file_opens_nothing(place: Place, tmp_path: Path) -> None:
    with opened(place, FakeClock(START)) as library:
        copy = kept(library)
        (file,) = (place.folder / "state/evidence/preserved").iterdir()
        raw = bytearray(file.read_bytes())
        raw[100] ^= 1
        file.write_bytes(raw)
        with pytest.raises(KeyStoreError, match="changed"):
            preserving.open_copy(library, copy, tmp_path / "copy.zip", TWO)
        assert not (tmp_path / "copy.zip").exists()
        file.unlink()
        with pytest.raises(KeyStoreError, match="can't be read"):
            preserving.open_copy(library, copy, tmp_path / "copy.zip", TWO)
        with pytest.raises(UnknownRequest):
            preserving.open_copy(library, "copy_none", tmp_path / "copy.zip", TWO)


@pytest.mark.parametrize("length", [0, 1, SEGMENT - 56, SEGMENT - 55, 3 * SEGMENT])
def test_what_is_written_into_a_sealed_file_is_what_is_read(length: int) -> None:
    """Lengths around the first segment's room: a segment less header (40) and tag (16)."""
    key, plain, sealed = bytes(32), os.urandom(length), io.BytesIO()
    with SealedWriter(sealed, key, bound_to=b"x") as writer:
        assert writer.writable()
        for start in range(0, length, 700_000):
            writer.write(plain[start : start + 700_000])
    writer.close()
    assert b"".join(unseal_chunks(key, sealed, bound_to=b"x")) == plain
    assert len(sealed.getvalue()) == len(b"".join(seal_chunks(key, [plain], bound_to=b"x")))


def test_an_access_request_shows_the_holds_that_no_gag_hides(place: Place, tmp_path: Path) -> None:
    with opened(place, FakeClock(START)) as library:
        words: dict[str, Any] = {"until": LATER, "reason": "proceedings", "by": "legal:jane"}
        holding.place(library, "adult:11", Scope(("user.content.private",)), authority="order 7", **words)
        holding.place(library, "adult:11", Scope(), authority="order 8", gag=holding.Gag("order 8, 3", LATER), **words)
        library.access("adult:11", tmp_path / "mine.zip")
        library.access("adult:12", tmp_path / "other.zip")
        with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
            assert [one["authority"] for one in json.loads(archive.read("holds.json"))] == ["order 7"]
            page = archive.read("index.html").decode()
            assert "order 7" in page
            assert "order 8" not in page
        with zipfile.ZipFile(tmp_path / "other.zip") as archive:
            assert "holds.json" not in archive.namelist()


def test_copies_at_the_command_line(place: Place, command: Command) -> None:
    until = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
    made = command("preserve", "keep", "adult:11", "--until", until, "--because", "threats", "--by", "adult:11", "--json")
    assert made.status == 0, made.err
    assert "adult:11" not in made.out
    assert made.json["copy"] in command("preserve", "list").out
    words = ("--by", "legal:jane", "--authority", "order 7", "--to", "out.zip")
    assert command("preserve", "open", made.json["copy"], *words, "--second", "legal:omar").status == 34
    said = command("preserve", "open", made.json["copy"], *words, "--second", "privacy:omar")
    assert (said.status, "threats" in said.out) == (0, True)
    assert zipfile.is_zipfile(place.folder / "out.zip")
