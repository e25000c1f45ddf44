"""Canaries on the example estate: planted at its ingest, carried by its pipelines, mapped, and erased like anybody."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path
from typing import Any

import pytest

import expunge
from examples.home.canaries import INTO, ingest, pipelines
from examples.home.estate import build
from examples.home.where import Amounts, Where
from expunge.app import canaries
from expunge.cli.main import invoke
from expunge.errors import InvalidRequest, UnknownRequest
from expunge.hunt.canary import Household, make
from expunge.hunt.flow import Way
from expunge.policy.catalog import Catalog, SubjectKind

PEOPLE = Catalog({"adult": SubjectKind("adult", "person_id", ("email", "phone", "login"))}, {}, {})


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An estate in which a canary was planted, ingested, carried on and looked for."""
    at = tmp_path_factory.mktemp("canaries") / "home"
    build(Where(at), 2, amounts=Amounts(media_households=1))
    (at / "share").mkdir()
    policy = at / "expunge.yaml"
    policy.write_text(policy.read_text() + "\nhunt: {places: {share: {url: share}}}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(at)
        with expunge.open(policy, env={}) as library:
            canaries.make(library)
            canaries.plant(library, at.parent / "planted", INTO)
            ingest(at, at.parent / "planted")
            pipelines(at)
            canaries.look(library)
    return at


def command(home: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert invoke([*words, "--policy", str(home / "expunge.yaml"), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_canary_is_unmistakable_and_reaches_nobody() -> None:
    one, two = make(PEOPLE), make(PEOPLE)
    values = [{str(thing.value) for thing in household.things} for household in (one, two)]
    assert not values[0] & values[1]
    named = {thing.name: thing.value for thing in one.things}
    assert named["email"].endswith(".canary.example")
    assert named["phone"][5:10] == "55501"
    assert len(named["person_id"]) == 15
    with wave.open(io.BytesIO(named["recording"])) as sound:
        assert sound.getnframes() / sound.getframerate() == 4
    assert named["recording"] != next(thing.value for thing in two.things if thing.name == "recording")
    assert repr(one) == f"Household({len(one.things)} things)"


def test_a_canary_is_the_same_after_it_was_kept() -> None:
    one = make(PEOPLE)
    assert Household.of(one.as_bytes()) == one


@pytest.mark.slow
def test_the_map_tells_what_nobody_declared(flown: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = command(flown, capsys, "hunt", "map")
    red = {(edge["from"], edge["to"]): set(edge["things"]) for edge in told["edges"] if edge["way"] == Way.UNDECLARED.value}
    assert red == {
        ("app.profiles", "app.tmp_intent_training"): {"profile_id"},
        ("app.transcripts", "app.tmp_intent_training"): {"sentence"},
        ("app.people", "share/exports/newsletter.csv"): {"email", "person_id"},
        ("media.voice_child", "share/exports/sample.wav"): {"recording"},
        ("app.transcripts", "logs.requests"): {"sentence"},  # the example's log quotes what was said: true, and not declared
    }
    seen = {(edge["from"], edge["to"]) for edge in told["edges"] if edge["way"] == Way.SEEN.value}
    assert ("app.profiles", "logs.requests") in seen


@pytest.mark.slow
def test_the_map_is_written(flown: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, begins in (("flow.html", "<!doctype html>"), ("flow.svg", "<svg"), ("flow.mmd", "flowchart LR")):
        command(flown, capsys, "hunt", "map", "--to", str(tmp_path / name))
        assert (tmp_path / name).read_text().startswith(begins)
    assert invoke(["hunt", "map", "--policy", str(flown / "expunge.yaml"), "--to", str(tmp_path / "x.png")]) == InvalidRequest.exit_status
    assert invoke(["hunt", "map", "--policy", str(flown / "expunge.yaml")]) == 0


@pytest.mark.slow
def test_what_a_canary_is_made_of_lies_sealed(flown: Path) -> None:
    planted = json.loads(next(flown.parent.glob("planted/*/canary.json")).read_text())
    held = b"".join(path.read_bytes() for path in (flown / ".expunge").rglob("*") if path.is_file())
    for value in (planted["people"]["adult"]["email"], planted["people"]["child"]["profile_id"], planted["sentences"][0]):
        assert value.encode() not in held


@pytest.mark.slow
def test_a_canary_is_no_subject_and_is_erased_like_one(
    flown: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Last of this file: its records go, copies that nobody listed are found, and then it is ended."""
    monkeypatch.chdir(flown)
    (listed,) = command(flown, capsys, "hunt", "canary", "list")
    with expunge.open(flown / "expunge.yaml", env={}) as library:
        assert library.runs() == []
        household = next(one for one in listed["subjects"] if one.startswith("household:"))
        _, (standing,) = library.erase([household], requester="canary", authority="privacy engineer")
        places = {one.place or "" for one in library.finds(standing.run.id) if one.certain}
        assert any("tmp_intent_training" in place for place in places)
        assert any("newsletter.csv" in place for place in places)
        canaries.look(library)
        left = {node for edge in canaries.lineage(library).edges for node in (edge.start, edge.end) if edge.way is not Way.UNSEEN}
        assert not left & set(INTO)
        canaries.end(library, listed["id"])
        with pytest.raises(InvalidRequest):
            canaries.subjects(library, listed["id"])
        with pytest.raises(InvalidRequest):
            canaries.look(library)
        with pytest.raises(InvalidRequest):
            canaries.lineage(library)
        with pytest.raises(UnknownRequest):
            canaries.end(library, "can_nobody")
        with pytest.raises(InvalidRequest):
            canaries.plant(library, flown, ["app.nothing"])
