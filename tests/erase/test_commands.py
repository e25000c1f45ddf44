"""Every command once, as a program that is run: it helps, its JSON parses, its exit status says what happened."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest

from expunge.cli.main import run
from expunge.cli.show import Shown
from tests.erase.toy import Said, command, opened, sql, toy
from tests.faults.killing import Place

COMMANDS: tuple[tuple[str, ...], ...] = (
    (), ("plan",), ("erase",), ("access",), ("approve",), ("work",), ("status",), ("incidents",), ("verify",), ("log",), ("log", "check"),
    ("policy",), ("policy", "check"), ("policy", "explain"), ("policy", "schema"), ("discover",),
)  # fmt: skip
IDENTIFIERS = ("p11@toy.example", "MARK-", "c11-0")


class Inside:
    """Runs the command in this process: the same entry point without a second of imports."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, place: Place, *words: str) -> Said:
        self.monkeypatch.chdir(place.folder)
        self.monkeypatch.setattr(sys, "argv", ["expunge", *words])
        self.monkeypatch.setattr(Shown, "json", False)
        for name, value in {**place.environment, "COLUMNS": "200", "NO_COLOR": "1"}.items():
            self.monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            run()
        told = self.capsys.readouterr()
        return Said(int(ended.value.code or 0), told.out, told.err)


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inside:
    return Inside(monkeypatch, capsys)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands") / "toy"
    toy(folder)
    return folder


@pytest.fixture
def place(fresh: Path, tmp_path: Path) -> Place:
    """A copy of the toy whose paths are its own."""
    folder = tmp_path / "toy"
    shutil.copytree(fresh, folder)
    at = f"sqlite:///{folder}"
    return Place(folder, {"APP_URL": f"{at}/app.db", "JOURNAL_URL": f"{at}/state/journal.db", "KEYS_URL": f"{at}/state/keys.db"})


def test_help(tmp_path: Path, inside: Inside) -> None:
    place = Place(tmp_path, {})
    for words in COMMANDS:
        said = inside(place, *words, "--help")
        assert said.status == 0, words
        assert "Usage:" in said.out


def test_version(tmp_path: Path, inside: Inside) -> None:
    said = inside(Place(tmp_path, {}), "--version")
    assert (said.status, said.out) == (0, f"expunge {metadata.version('expunge')}\n")


def clean(said: Said) -> Said:
    """No identifier but what was typed, no traceback."""
    assert "Traceback" not in said.err
    assert not [one for one in IDENTIFIERS if one in said.out + said.err]
    return said


def test_a_parents_whole_way(place: Place, inside: Inside) -> None:
    """Check, explain, plan, erase, status, verify, audit: in tables and in JSON."""
    asked: tuple[tuple[str, ...], ...] = (
        ("policy", "check", "--offline"),
        ("policy", "explain", "app.clips.said"),
        ("discover", "app"),
        ("plan", "child:11"),
        ("plan", "adult:person_id=21", "--category", "user.contact"),
    )
    for words in asked:
        assert clean(command(place, *words)).status == 0, words
        assert clean(inside(place, *words, "--json")).json is not None
    assert json.loads(inside(place, "policy", "schema").out)["$schema"]
    assert json.loads(inside(place, "policy", "schema", "--datasets").out)["$schema"]
    done = clean(command(place, "erase", "child:11", "--json"))
    assert done.status == 0
    (run,) = done.json["runs"]
    assert (run["complete"], run["status"]) == (True, "closed")
    (request,) = done.json["requests"]
    asked = (
        ("status",),
        ("status", run["run"]),
        ("status", request["id"]),
        ("incidents",),
        ("incidents", "--all"),
        ("work",),
        ("log", "check"),
    )
    for words in asked:
        assert clean(command(place, *words)).status == 0, words
        assert clean(inside(place, *words, "--json")).json is not None
    receipt = next(one["path"] for one in run["receipts"] if one["request"] == request["id"])
    trust = str(place.folder / "state/evidence/trust.json")
    assert clean(command(place, "verify", receipt, "--trust", trust)).status == 0
    assert clean(inside(place, "verify", receipt, "--trust", trust, "--json")).json["verified"] is True
    assert (
        "app, media: how long logs, archives and backups around it keep copies is not declared"
        in inside(place, "verify", receipt, "--trust", trust).out
    )
    raw = bytearray(Path(receipt).read_bytes())
    raw[100] ^= 1
    Path(receipt).write_bytes(raw)
    assert clean(command(place, "verify", receipt, "--trust", trust)).status == 71
    for missing in ((receipt, "--trust", "no-bundle.json"), ("no-receipt.json", "--trust", trust)):
        said = clean(command(place, "verify", *missing))
        assert said.status == 33, "nothing was checked, so nothing is said of a proof"
        assert f"{next(one for one in missing if one.startswith('no-'))}: the file can't be read: No such file" in said.err


def test_a_table_for_people(place: Place, inside: Inside) -> None:
    said = clean(inside(place, "erase", "household:2", "--requester", "parent"))
    assert said.status == 0
    assert "physically" not in said.err
    assert "complete" in said.out
    assert ".receipt.json" in said.out
    assert sql(place, "select count(*) from people where household_id = 2") == [(0,)]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("erase",), 33),
        (("erase", "robot:1"), 33),
        (("erase", "child:7310"), 31),
        (("erase", "child:11", "--since", "yesterday"), 33),
        (("erase", "child:11", "--since", "2026-02-01", "--until", "2026-01-01"), 33),
        (("erase", "child:11", "--item", "nonsense"), 33),
        (("erase", "child:11", "--category", "user.biometrik"), 33),
        (("erase", "--subjects-from", "nowhere.txt"), 33),
        (("plan", "child:11", "--since", "2026-01-01"), 13),
        (("status", "run_nonesuch"), 32),
        (("status", "req_nonesuch"), 32),
        (("work", "run_nonesuch"), 32),
        (("approve", "run_nonesuch", "--digest", "0" * 64, "--by", "bob"), 32),
        (("discover", "attic"), 41),
        (("discover", "app", "--write", "expunge.yaml"), 0),
        (("policy", "explain", "app.clips.mood"), 41),
        (("plan", "child:11", "--policy", "nowhere.yaml"), 11),
        (("verify", "nowhere.json", "--trust", "nowhere.json"), 33),
    ],
)
def test_what_is_wrong_has_its_status(words: Sequence[str], status: int, place: Place, inside: Inside) -> None:
    said = clean(inside(place, *words, "--json"))
    assert said.status == status, said.out + said.err
    if status:
        fault = said.json["error"]
        assert fault["exit_status"] == status
        assert fault["message"]
        assert fault["hint"]


def test_subjects_from_a_pipe(place: Place) -> None:
    said = clean(command(place, "erase", "--subjects-from", "-", "--json", stdin="# two children\nchild:11\n\n  child:22 \n"))
    assert said.status == 0
    assert [one["outcome"] for one in said.json["requests"]] == [None, None]
    assert sql(place, "select id from profiles where id in (11, 22)") == []
    with opened(place) as library:
        assert len(library.runs()) == 1, "one run serves the batch"
