"""``expunge retain …`` as people type it: what it says, what it writes, and with which status it ends."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from expunge.cli import show
from expunge.cli.main import invoke
from tests.erase.toy import Said
from tests.faults.killing import build
from tests.retain.worlds import DAY, Place, World, make_world, opened_world

Command = Callable[..., Said]


def recent(now: datetime) -> World:
    """Three notes of a child that have ended, four of an adult that have not; clips of which two are older than 10 days."""
    world = make_world(random.Random(1), 0)
    for number in (1, 2, 3):
        world["notes"][number] = {
            "id": number,
            "profile_id": 11,
            "person_id": None,
            "mood": "m",
            "words": "w",
            "at": now - DAY * (30 + number),
        }
    for number in (4, 5, 6, 7):
        world["notes"][number] = {"id": number, "profile_id": None, "person_id": 11, "mood": "m", "words": "w", "at": now - DAY * number}
        world["clips"][number] = {"id": number, "profile_id": 21, "person_id": None, "voice": "v", "at": now - DAY * (number * 2 - 3)}
    world["texts"][1] = {"id": 1, "clip_id": 7, "said": "s"}
    for row in world["profiles"].values():
        row["used_at"] = now
    return world


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    now = datetime.now(UTC)
    with opened_world(tmp_path / "world", now=now) as opened:
        opened.fill(recent(now))
        yield opened


@pytest.fixture
def command(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``expunge WORDS`` in the world's folder."""
    folder = tmp_path / "world"
    monkeypatch.chdir(folder)
    monkeypatch.setattr(show.out, "_width", 250)
    for name, value in {"APP_URL": f"sqlite:///{folder}/app.db", "CONTROL": f"sqlite:///{folder}/state"}.items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> Said:
        capsys.readouterr()
        status = invoke(words)
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return run


def test_due_sweep_and_approve(place: Place, command: Command) -> None:
    told = command("retain", "due")
    assert told.status == 0
    assert "3 records have come to their term" in told.out
    assert "the child's user.content is kept 30 days from app.notes.at" in told.out
    ahead = command("retain", "due", "--at", f"{datetime.now(UTC) + timedelta(days=200):%Y-%m-%d}", "--json").json
    by_rule = {(one["collection"], one["kind"]): one for one in ahead["due"] if not one["fields"]}
    assert by_rule["app.notes", "adult"]["records"] == 4
    assert sum(by_rule["app.notes", "adult"]["by_month"].values()) == 4
    assert command("retain", "sweep", "--dry-run", "--json").json["runs"] == []
    assert len(place.rows()["notes"]) == 7
    approved = command("retain", "approve", "--by", "officer")
    assert "approved" in approved.out
    assert command("retain", "approve", "--by", " ").status == 33
    swept = command("retain", "sweep", "--by", "night", "--json")
    assert swept.status == 0
    assert swept.json["records"] == 3
    assert sorted(place.rows()["notes"]) == [4, 5, 6, 7]
    assert "0 records have come to their term" in command("retain", "sweep").out


def test_choose_and_go_back(place: Place, command: Command) -> None:
    said = command("retain", "choose", "household:1", "user.content", "immediately")
    assert said.status == 0
    assert "app.notes (adult)" in said.out
    assert command("retain", "choose", "household:1", "user.content", "soon").status == 33
    refused = command("retain", "choose", "household:1", "user.content", "3 months")
    assert (refused.status, "immediately, 5 days, 40 days" in refused.err) == (33, True)
    assert command("retain", "sweep", "--json").json["records"] >= 4
    assert [row["words"] for row in place.rows()["notes"].values()] == [None] * 4
    back = command("retain", "choose", "household:1", "user.content", "policy", "--json").json
    assert back == {"category": "user.content", "chosen": None, "had_choice": True}


def test_a_purge_from_its_order_to_its_receipt(place: Place, command: Command) -> None:
    before = f"{datetime.now(UTC) - timedelta(days=8):%Y-%m-%dT%H:%M:%S}"
    words = ("retain", "purge", "user.biometric.voice", "--before", before, "--because", "order of 1 May", "--by", "counsel")
    shown = command(*words, "--dry-run", "--json").json
    assert shown["records"] == {"app.clips": 2, "app.texts": 1}
    assert shown["runs"] == []
    filed = command(*words)
    assert "waits for a second person" in filed.out
    (waiting,) = [one for one in command("status", "--json").json if one["status"] == "awaiting-approval"]
    assert command("approve", waiting["run"], "--digest", waiting["plan_digest"], "--by", "counsel").status != 0
    assert command("approve", waiting["run"], "--digest", waiting["plan_digest"], "--by", "officer").status == 0
    assert command("work", waiting["run"]).status == 0
    left = place.rows()
    assert (sorted(left["clips"]), sorted(left["texts"])) == ([4, 5], [])
    receipts = {one["request"]: one["path"] for one in command("status", waiting["run"], "--json").json["receipts"]}
    trust = ("--trust", "state/evidence/trust.json")
    assert all(command("verify", path, *trust).status == 0 for path in receipts.values())


def test_the_report_is_one_page_that_loads_nothing(place: Place, command: Command, tmp_path: Path) -> None:
    told = command("retain", "report", "--out", "ages.html", "--json").json
    assert told["overdue"] == 6, "three moods, and three records with the words in them"
    page = (tmp_path / "world" / "ages.html").read_text()
    assert not [word for word in ("<script", "http:", "https:", "src=", "href=", "url(") if word in page]
    start, end = page.index("<svg"), page.index("</svg>") + len("</svg>")
    drawing = ET.fromstring(page[start:end])
    bars = [one for one in drawing if one.tag == "rect"]
    assert len(bars) == sum(bool(count) for row in told["rows"] for count in row["quarters"])
    assert sum(one.get("class") == "late" for one in bars) == 2
    assert "user of a household" in page


def test_a_policy_whose_terms_have_no_time_is_refused_by_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = build(tmp_path / "toy", f"sqlite:///{tmp_path}/app.db")
    monkeypatch.chdir(toy.folder)
    for name, value in toy.environment.items():
        monkeypatch.setenv(name, value)

    def said(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        status = invoke([*words, "--json"])
        return status, json.loads(capsys.readouterr().out)

    for words in (("policy", "check"), ("retain", "due"), ("retain", "sweep")):
        status, told = said(*words)
        assert (status, told["error"]["code"]) == (11, "policy-invalid")
        assert "nothing says when a record was captured" in told["error"]["message"]
    assert said("policy", "check", "--offline")[0] == 0
