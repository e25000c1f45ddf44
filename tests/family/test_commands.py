"""``expunge consent`` and ``expunge ingest``, as people and programs use them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from expunge.cli.main import invoke
from tests.erase.toy import command
from tests.family.home import home
from tests.faults.killing import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = home(tmp_path / "home")
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("COLUMNS", "200")
    return made


@pytest.fixture
def say(place: Place, capsys: pytest.CaptureFixture[str]) -> object:
    def run(*words: str) -> str:
        assert invoke(words) == 0, capsys.readouterr()
        return capsys.readouterr().out

    return run


def test_a_consent_from_question_to_withdrawal(say, capsys) -> None:  # type: ignore[no-untyped-def]  # fixtures
    assert "16 CFR 312.5(b)(2)(viii)" in say("consent", "methods")
    asked = json.loads(say("consent", "ask", "child:100", "-g", "adult:10", "--method", "card", "--for", "respond", "--json"))
    assert asked["matters"] == ["respond"]
    assert "pending" in say("consent", "confirm", asked["asking"])
    assert "verified" in say("consent", "confirm", asked["asking"], "--stand-in", "yes")
    shown = say("consent", "show", "child:100")
    assert "adult:10: given" in shown
    assert "destroyed" in shown
    held = json.loads(say("consent", "show", "child:100", "--json"))
    assert [one["matter"] for one in held["matters"] if one["given"]] == ["respond"]
    assert held["askings"][0]["log_index"] is not None
    table = say("consent", "family", "household:1")
    assert "child:101" in table
    assert "respond" in table
    members = json.loads(say("consent", "family", "household:1", "--json"))["members"]
    assert members[2] == {
        "who": "child:100",
        "minor": True,
        "guardians": ["adult:10"],
        "agreed": ["respond"],
        "open": ["improve", "account"],
    }
    assert "erases: run_" in say("consent", "withdraw", "child:100", "-g", "adult:10", "--for", "respond")
    assert json.loads(say("consent", "withdraw", "child:100", "-g", "adult:10", "--json"))["waiting"] == 0
    assert invoke(["consent", "withdraw", "child:100", "-g", "adult:20"]) == 33
    assert "guardian" in capsys.readouterr().err


@pytest.mark.slow
def test_forms_questions_and_guardians_by_command(place: Place, say, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]  # fixtures
    assert "recorded" in say("consent", "guardian", "child:100", "-g", "adult:11", "--evidence", "birth certificate seen")
    form = say("consent", "ask", "child:100", "-g", "adult:11", "--method", "signed-form", "--for", "respond")
    assert "Signature:" in form
    asking = form.split()[1]
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"%PDF-1.7 signed")
    assert "somebody to look" in say("consent", "confirm", asking, "--document", str(scan))
    assert "verified" in say("consent", "confirm", asking, "--reviewed-by", "support", "--signed")
    bank = tmp_path / "bank.json"
    questions = [
        {"ask": f"q{one}", "right": "r", "wrong": [f"w{each}" for each in range(4)], "child_could_not": "older than it"}
        for one in range(10)
    ]
    bank.write_text(json.dumps(questions))
    words = ("consent", "ask", "child:100", "-g", "adult:10", "--method", "questions", "--bank", str(bank))
    asked = say(*words)
    assert asked.count("0) ") == 5
    assert "refused" in say("consent", "confirm", asked.split()[1], *["--choice=9"] * 5)
    assert "ended" in say("consent", "guardian", "child:100", "-g", "adult:11", "--ended", "court order")
    for wrong in (("--evidence", "a", "--ended", "b"), ()):
        assert invoke(["consent", "guardian", "child:100", "-g", "adult:11", *wrong]) == 33
    bank.write_text("{")
    assert invoke(words) == 33
    assert invoke([*words[:-1], str(tmp_path / "none")]) == 33
    assert "settled" in say("consent", "settle")
    capsys.readouterr()


def test_a_claim_and_the_door_by_command(say, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]  # fixtures
    claimed = say("consent", "claim", "app.clips/c2", "--for", "child:100", "--household", "household:1")
    assert "being erased: req_" in claimed, "nobody has agreed to the child's voice"
    line = {"collection": "app.clips", "category": "user.biometric.voice", "purpose": "respond", "captured_at": "2999-01-01"}
    file = tmp_path / "arrivals.jsonl"
    file.write_text("".join(json.dumps({**line, **who}) + "\n" for who in ({"subject": "child:100"}, {"household": "2"})))
    shown = say("ingest", "check", str(file))
    assert "no consent" in shown
    assert "may be stored" in shown
    told = json.loads(say("ingest", "check", str(file), "--json"))
    assert [(one["admitted"], one["why"]) for one in told] == [(False, "no consent"), (True, None)]
    file.write_text("nonsense")
    assert invoke(["ingest", "check", str(file)]) == 33
    assert "line 1" in capsys.readouterr().err
    assert invoke(["ingest", "check", str(tmp_path / "none")]) == 33


def test_work_settles_what_is_due(place: Place) -> None:
    """In a process of its own, as a worker runs."""
    asked = command(place, "consent", "ask", "child:100", "-g", "adult:10", "--method", "card", "--json").json
    assert command(place, "consent", "confirm", asked["asking"], "--stand-in", "yes").status == 0
    assert command(place, "consent", "withdraw", "child:100", "-g", "adult:10").status == 0
    assert command(place, "work").status == 0
    held = command(place, "consent", "show", "child:100", "--json").json
    assert [one["outcome"] for one in held["duties"]] == ["filed"]
