"""A run that hunts: copies that nobody listed keep it incomplete until each place was seen to, and the log says who decided what."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from expunge.app.library import Expunge, Standing
from expunge.errors import InvalidRequest, Unavailable, UnknownRequest
from expunge.journal.records import FindStatus, StepStatus
from expunge.terms import Scope
from tests.erase.toy import SOON, command, erased, found_in, opened, sql, statement_of, toy, wrapped
from tests.faults.killing import Place

HUNT = 'expunge: 1\nhunt: {owner: data platform, places: {share: {url: share}, lab: {url: "sqlite:///lab.db"}}}'
SAID = "MARK the purple hippopotamus sleeps under my bed tonight"
SERIAL = "a1b2c3d4-11-clip"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The toy, a folder and a database that the policy only knows to be there, and copies in both."""
    place = toy(tmp_path / "toy", top=HUNT)
    (place.folder / "share").mkdir()
    with closing(sqlite3.connect(place.folder / "lab.db")) as lab, lab:
        lab.execute("create table notes (line integer primary key, body text)")
        lab.execute("insert into notes values (1, 'the weather is fine')")
    sql(place, "insert into clips values (:id, 11, :said)", id=SERIAL, said=SAID)
    return place


@pytest.fixture
def copied(place: Place) -> Place:
    notebook = {
        "cells": [{"cell_type": "code", "source": [], "outputs": [{"output_type": "stream", "text": [f"heard: {SAID.upper()}\n"]}]}]
    }
    (place.folder / "share" / "work.ipynb").write_text(json.dumps(notebook))
    with closing(sqlite3.connect(place.folder / "lab.db")) as lab, lab:
        lab.execute("create table tmp_asr (row_no integer primary key, profile_id integer, text text)")
        lab.executemany("insert into tmp_asr values (?, ?, ?)", [(1, 11, SAID), (2, 21, "somebody else said this one")])
    return place


@pytest.fixture
def standing(copied: Place) -> Iterator[tuple[Expunge, Standing]]:
    with opened(copied) as library:
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        yield library, standing


def lab_rows(place: Place) -> list[Any]:
    with closing(sqlite3.connect(place.folder / "lab.db")) as lab:
        return lab.execute("select row_no, profile_id, text from tmp_asr").fetchall()


def test_copies_keep_the_run_incomplete_and_each_place_has_an_incident(standing: tuple[Expunge, Standing]) -> None:
    library, run = standing
    assert not run.complete
    (hunt,) = run.waiting
    assert (hunt.kind, hunt.status, hunt.error_code) == ("hunt", StepStatus.GIVEN_UP, "copies-found")
    found = {one.place: one for one in library.finds(run.run.id) if one.certain}
    assert set(found) >= {"share/work.ipynb", "lab.tmp_asr.text"}
    assert found["lab.tmp_asr.text"].rows == ("1",)
    controls = {one.control: one for one in library.incidents()}
    assert set(controls) == {one.control for one in found.values()}
    assert {one.owner for one in controls.values()} == {"data platform"}
    told = repr(library.finds()) + "".join(one.note for one in controls.values()) + str(hunt.error_message)
    assert not any(word in told for word in ("hippopotamus", SERIAL, "work.ipynb"))


def test_adopted_places_are_erased_and_hunted_again(copied: Place, standing: tuple[Expunge, Standing]) -> None:
    library, run = standing
    for name in ("lab.tmp_asr.text", "share/work.ipynb"):
        (planned,) = library.adopt(name, dry_run=True)
        assert not (copied.folder / planned.file).exists()
        library.adopt(name, by="data engineer")
    with opened(copied) as anew:
        assert anew.work(run.run.id, patience=SOON)
        ended = anew.status(run.run.id)
        assert ended.complete
        assert not anew.incidents()
        assert {one.status for one in anew.finds() if one.certain} == {FindStatus.GONE}
        statement = statement_of(anew, ended)
        assert statement["hunt"]["hits"] == {"open": 0, "review": statement["hunt"]["hits"]["review"], "dismissed": 0}
        assert sum(statement["hunt"]["adopted"].values()) == 2
        assert set(statement["hunt"]["scanned"]) >= {"app", "media"}
        assert anew.check_log()
        _, (second,) = anew.erase(["child:21"], patience=SOON)
        assert second.complete, "the next run erases there by itself"
    assert lab_rows(copied) == []
    assert not (copied.folder / "share" / "work.ipynb").exists()
    assert found_in(copied.folder, ["hippopotamus", "HIPPOPOTAMUS", "MARK-NICK-11"]) == []


def test_a_dismissal_is_evidence_and_the_run_ends(copied: Place, standing: tuple[Expunge, Standing]) -> None:
    library, run = standing
    with pytest.raises(InvalidRequest, match="say why"):
        library.dismiss("share/work.ipynb", because=" ")
    for one in library.finds(run.run.id):
        if one.certain:
            library.dismiss(one.id, because="a test's own page", by="privacy engineer")
    with pytest.raises(InvalidRequest, match="dismissed already"):
        library.adopt("share/work.ipynb")
    library.work(run.run.id, patience=SOON)
    ended = library.status(run.run.id)
    assert ended.complete
    assert statement_of(library, ended)["hunt"]["hits"]["dismissed"] >= 2
    entries = [json.loads(raw) for raw in library.rooms.log.entries()]
    reasons = {entry["statement"]["because"] for entry in entries if entry["type"] == "hunt-decision/1"}
    assert reasons == {"a test's own page"}
    assert lab_rows(copied)[0][2] == SAID, "nothing was touched"


def test_looking_is_logged_first_and_ends_with_the_run(standing: tuple[Expunge, Standing]) -> None:
    library, run = standing
    before = library.rooms.log.checkpoint().size
    (sample, *_) = library.open_find("lab.tmp_asr.text", because="is it ours?")
    assert b"hippopotamus" in sample.context
    (entry,) = [json.loads(raw) for raw in library.rooms.log.entries(before)]
    assert (entry["type"], entry["statement"]["because"]) == ("hunt-opening/1", "is it ours?")
    assert "hippopotamus" not in json.dumps(entry)
    finds = [one for one in library.finds(run.run.id) if one.certain]
    for one in finds:
        library.dismiss(one.id, because="a test's own page")
    library.work(run.run.id, patience=SOON)
    assert {one.place for one in library.finds()} == {None}
    with pytest.raises(UnknownRequest, match="closed"):
        library.open_find(finds[0].id, because="too late")
    with pytest.raises(UnknownRequest):
        library.adopt("lab.tmp_asr.text")


def test_nothing_unlisted_is_a_complete_run_that_says_where_it_looked(place: Place) -> None:
    with opened(place) as library:
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert standing.complete
        hunt = statement_of(library, standing)["hunt"]
        assert hunt["hits"] == {"open": 0, "review": hunt["hits"]["review"], "dismissed": 0}
        assert set(hunt["scanned"]) == {"app", "media", "share", "lab"}
    assert found_in(place.folder, ["hippopotamus"]) == []


def test_expunges_own_files_are_not_scanned_and_it_says_so(tmp_path: Path) -> None:
    place = toy(tmp_path / "toy", top="expunge: 1\nhunt: {places: {all: {url: .}}}")
    with opened(place) as library:
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        told = statement_of(library, standing)["hunt"]["not_scanned"]["all"]
        assert told["Expunge's own files"] > 0


def test_without_a_hunt_a_receipt_says_that_nobody_looked(tmp_path: Path) -> None:
    place = toy(tmp_path / "toy")
    standing = erased(place, "child:11")
    with opened(place) as library:
        statement = statement_of(library, standing)
    assert statement["hunt"] == {"scanned": [], "not_scanned": "everything outside the stores listed", "hits": None}
    assert "none of them was looked at" in statement["out_of_scope"][0]


def test_a_place_that_is_gone_is_never_clean(place: Place) -> None:
    (place.folder / "share").rmdir()
    with opened(place) as library:
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert not standing.complete
        assert [step.kind for step in standing.waiting] == ["hunt"]
        (incident,) = library.incidents()
        assert (incident.kind, incident.owner) == ("drift", "store operator")
        (place.folder / "share").mkdir()
        library.work(patience=SOON, reopen=True)
        assert library.status(standing.run.id).complete
        assert library.incidents() == []


def test_an_unreachable_place_s_incident_ends_when_it_was_hunted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(place) as library:
        hunter: Any = type(library.rooms.hunter)
        hunt, away = hunter.hunt, list[str]()

        def dropped(*words: Any) -> Any:
            if not away:
                away.append("share")
                raise Unavailable("the connection was dropped", where="share")
            return hunt(*words)

        monkeypatch.setattr(hunter, "hunt", dropped)
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert standing.complete
        assert [(one.control, one.closed_at is None) for one in library.incidents(open_only=False)] == [("reach:share", False)]


def test_a_store_that_is_away_while_fingerprints_are_taken_is_asked_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(place) as library:
        store: Any = type(library.rooms.stores["app"])
        read, away = store.read, list[str]()

        def dropped(self: Any, collection: str, addresses: Any) -> Any:
            if not away:
                away.append(collection)
                raise Unavailable("the connection was dropped", where="app")
            return read(self, collection, addresses)

        monkeypatch.setattr(store, "read", dropped)
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert standing.complete
        assert [(one.control, one.closed_at is None) for one in library.incidents(open_only=False)] == [("reach:app", False)]


def test_one_deleted_clip_does_not_hunt_the_child(copied: Place) -> None:
    with opened(copied) as library:
        _, (standing,) = library.erase(["child:11"], Scope(items=(f"app.clips/{SERIAL}",)), patience=SOON)
        found = {one.place: one for one in library.finds(standing.run.id)}
        assert found["lab.tmp_asr.text"].certain, "what was said in it is hunted"
        assert "lab.tmp_asr.profile_id" not in found, "who said it is still with us"


def bare_table(place: Place, *statements: str) -> None:
    """A table in which nothing but what was said tells whose a row is."""
    with closing(sqlite3.connect(place.folder / "lab.db")) as lab, lab:
        for statement in statements:
            lab.execute(statement)
        lab.executemany("insert into heard values (?, ?)", [(1, SAID), (2, "somebody else said this one")])


def listed(place: Place) -> None:
    """The policy lists that table, found by content; somebody wrote it so."""
    policy = place.folder / "expunge.yaml"
    store = '  lab_adopted: {kind: sql, url: "sqlite:///lab.db", datasets: [lab.yml]}\ncontrol:'
    policy.write_text(policy.read_text().replace("control:", store, 1))
    collection = "{name: heard, meta: {expunge: {owned_by: [], found_by: content}}, fields: [{name: row_no}, {name: text}]}"
    (place.folder / "lab.yml").write_text(f"dataset: [{{fides_key: lab, collections: [{collection}]}}]\n")


def heard(place: Place) -> list[Any]:
    with closing(sqlite3.connect(place.folder / "lab.db")) as lab:
        return lab.execute("select text from heard order by row_no").fetchall()


def test_rows_that_name_nobody_are_erased_by_what_they_say(place: Place) -> None:
    bare_table(place, "create table heard (row_no integer primary key, text text)")
    with opened(place) as library:
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert not standing.complete
        (adopted,) = library.adopt("lab.heard.text")
        assert adopted.by_content
    with opened(place) as anew:
        assert anew.work(standing.run.id, patience=SOON)
        ended = anew.status(standing.run.id)
        assert ended.complete
        assert statement_of(anew, ended)["hunt"]["adopted"] == {adopted.address: 1}
    assert heard(place) == [("somebody else said this one",)]


def test_rows_of_which_no_single_one_can_be_named_are_an_operators_matter(place: Place) -> None:
    bare_table(place, "create table heard (row_no integer, text text, primary key (row_no, text))")
    listed(place)
    standing = erased(place, "child:11")
    assert [(step.kind, step.error_code) for step in standing.waiting] == [("hunt", "store-refused")]
    assert "primary key" in str(standing.waiting[0].error_message)
    assert len(heard(place)) == 2


def test_what_comes_back_in_an_adopted_place_is_never_done(place: Place) -> None:
    again = "create trigger again after delete on heard begin insert into heard values (old.row_no, old.text); end"
    bare_table(place, "create table heard (row_no integer primary key, text text)", again)
    listed(place)
    standing = erased(place, "child:11")
    assert [(step.kind, step.error_code) for step in standing.waiting] == [("hunt", "residue-left")]
    assert len(heard(place)) == 2


def test_a_store_that_reads_nothing_is_named_in_the_receipt(place: Place) -> None:
    """Its keys are hunted; what its records said is not, since nobody could take fingerprints of it."""
    with opened(place) as library, wrapped(library, "app"):
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert standing.complete
        assert statement_of(library, standing)["hunt"]["not_fingerprinted"] == ["app.clips", "app.profiles"]


def test_an_adoption_that_does_not_load_leaves_the_policy_as_it_was(copied: Place, standing: tuple[Expunge, Standing]) -> None:
    library, _ = standing
    policy = copied.folder / "expunge.yaml"
    policy.write_text(policy.read_text() + "\nbroken: true\n")
    before = {path: path.read_bytes() for path in copied.folder.rglob("*.y*ml")}
    with pytest.raises(Exception, match="broken"):
        library.adopt("lab.tmp_asr.text")
    assert {path: path.read_bytes() for path in copied.folder.rglob("*.y*ml")} == before


def test_the_commands_say_what_the_library_does(copied: Place) -> None:
    assert command(copied, "erase", "child:11", "--patience", "5").status == 82
    shown = command(copied, "hunt", "show")
    assert "lab.tmp_asr.text" in shown.out
    assert "hippopotamus" not in shown.out
    (table,) = [one for one in command(copied, "hunt", "show", "--json").json if one["place"] == "lab.tmp_asr.text"]
    opening = command(copied, "hunt", "open", table["id"], "--because", "is it ours?")
    assert "hippopotamus" in opening.out
    assert command(copied, "hunt", "dismiss", table["id"]).status == 2, "a reason is asked for"
    assert "would adopt" in command(copied, "hunt", "adopt", table["id"], "--dry-run").out
    assert command(copied, "hunt", "adopt", table["id"], "--json").json[0]["by_content"] is False
    assert command(copied, "hunt", "adopt", "share/work.ipynb").status == 0
    assert command(copied, "work").status == 0
    assert command(copied, "log", "check").status == 0
