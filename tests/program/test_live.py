"""A promise broken on purpose: the check names the sentence, the control and the place; mended, its incident closes by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import expunge
from expunge.app.claims import check_policy_claims
from expunge.app.publishing import draft, latest, printed, publish, published
from expunge.cli.main import invoke
from expunge.errors import ClaimBroken, InvalidRequest
from expunge.evidence.consistency import check_statements
from tests.program import toy

BROKEN = ClaimBroken.exit_status


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = toy.build(tmp_path / "estate")
    monkeypatch.setenv("EXPUNGE_POLICY", str(path))
    return path


class Shell:
    """Runs a command; its status and its JSON."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: str, expect: int = 0) -> Any:
        self.capsys.readouterr()
        status = invoke([*words, "--json"])
        told = self.capsys.readouterr()
        assert status == expect, told.err + told.out
        self.err = told.err
        return json.loads(told.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def verdicts(told: list[dict[str, Any]]) -> list[str]:
    return [one["verdict"] for one in told]


def test_a_table_that_nobody_sweeps(policy: Path, run: Shell) -> None:
    assert verdicts(run("claims", "check")) == ["holds"] * 3
    assert run("incidents") == []
    for child in (1, 2):
        toy.add(policy.parent, "clips", child, 40)
    told = run("claims", "check", expect=BROKEN)
    assert verdicts(told) == ["holds", "broken", "holds"]
    assert told[1]["says"] == "We keep recordings for 30 days."
    assert (told[1]["control"], told[1]["places"]) == ("kept_no_longer", ["app.clips"])
    assert told[1]["evidence"].startswith("2 records are past their term")
    assert told[1]["declared_at"].startswith(f"{policy}:")
    assert "app.clips" in run.err
    (incident,) = run("incidents")
    assert (incident["kind"], incident["owner"], incident["reopened"]) == ("claim", "voice team", 0)
    assert "We keep recordings for 30 days." in incident["note"]
    assert "app.clips" in incident["note"]
    assert run("claims", "check", "--claim", "1") != []
    assert len(run("incidents")) == 1, "another claim's passing closes nothing"

    run("retain", "sweep")
    for one in run("status"):
        if one["status"] == "awaiting-approval":
            run("approve", one["run"], "--digest", one["plan_digest"], "--by", "a second person")
    run("work")
    assert toy.left(policy.parent, "clips") == toy.CHILDREN
    assert verdicts(run("claims", "check")) == ["holds"] * 3
    assert run("incidents") == []

    toy.add(policy.parent, "clips", 1, 40)
    run("claims", "check", expect=BROKEN)
    (again,) = run("incidents")
    assert (again["id"], again["reopened"]) == (incident["id"], 1)


def test_within_the_grace_of_a_sweep_nothing_is_broken(policy: Path, run: Shell) -> None:
    toy.add(policy.parent, "places", 1, 10.9)
    assert verdicts(run("claims", "check")) == ["holds"] * 3
    toy.add(policy.parent, "places", 1, 11.1)
    told = run("claims", "check", expect=BROKEN)
    assert (told[2]["places"], told[2]["evidence"][:8]) == (["app.places"], "1 record")


def test_a_record_without_a_time_never_ends(policy: Path, run: Shell) -> None:
    import sqlite3

    connection = sqlite3.connect(policy.parent / "app.db")
    connection.execute("update places set at = null where profile_id = 1")
    connection.commit()
    connection.close()
    told = run("claims", "check", "--claim", "3", expect=BROKEN)
    assert ("no time" in told[0]["evidence"], told[0]["places"]) == (True, ["app.places"])


def test_a_store_that_is_away_is_not_checked_and_closes_nothing(policy: Path, run: Shell) -> None:
    toy.add(policy.parent, "clips", 1, 40)
    run("claims", "check", expect=BROKEN)
    (policy.parent / "app.db").rename(policy.parent / "away.db")
    assert verdicts(run("claims", "check")) == ["not checked"] * 3
    assert len(run("incidents")) == 1
    (policy.parent / "away.db").rename(policy.parent / "app.db")


def test_a_collection_that_stays_breaks_the_promise_of_deletion(policy: Path, run: Shell) -> None:
    dataset = policy.parent / "app.yml"
    kept = 'meta: {expunge: {captured_at: at, verb: keep, keep: {basis: "a contract with the band"}}}'
    text = dataset.read_text()
    first = text.index("meta: {expunge: {captured_at: at}}")
    dataset.write_text(text[:first] + kept + text[first + len("meta: {expunge: {captured_at: at}}") :])
    told = run("claims", "check", "--claim", "1", expect=BROKEN)
    assert (told[0]["places"], "a contract with the band" in told[0]["evidence"]) == (["app.clips"], True)


def test_a_notice_is_not_printed_on_a_broken_promise(policy: Path, run: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    toy.add(policy.parent, "clips", 1, 40)
    assert invoke(["notice", "retention"]) == BROKEN
    told = capsys.readouterr()
    assert told.out == ""
    assert "keep.child.user.biometric.voice.respond" in told.err
    assert "app.clips" in told.err
    assert invoke(["notice", "retention", "--say-so", "--format", "txt"]) == 0
    assert "This does not hold now: We keep this for 30 days." in " ".join(capsys.readouterr().out.split())
    assert invoke(["notice", "publish", "retention"]) == BROKEN
    assert invoke(["notice", "publish", "retention", "--say-so"]) == 0
    assert run("notice", "versions") != []


def test_every_sentence_of_the_notices_is_run(policy: Path, run: Shell) -> None:
    told = run("claims", "check", "--notices")
    with expunge.open(policy) as library:
        sentences = {one.text for kind in ("online", "direct", "retention", "deletion") for one in draft(library, kind).every()}
    assert sentences <= {one["says"] for one in told}
    assert "broken" not in verdicts(told)
    assert all(one["evidence"] for one in told)
    assert "MARK" not in json.dumps(told)


def test_a_version_is_in_the_log_and_kept(policy: Path) -> None:
    with expunge.open(policy) as library:
        with pytest.raises(InvalidRequest, match="no such notice"):
            latest(library, "direct", "child")
        first = publish(library, "direct")
        again = publish(library, "direct")
        assert (first.is_new, again.is_new) == (True, False)
        assert (again.version, again.log_index) == (first.version, first.log_index)
        online = publish(library, "online")
        assert latest(library, "direct", "child").version == first.version
        entry = json.loads(list(library.rooms.log.entries())[first.log_index])
        assert entry["type"] == "notice/1"
        assert entry["statement"]["version"] == first.version == printed(library, "direct").notice.digest
        assert library.check_log().size == 2
        assert check_statements(library.rooms.log.entries()) == 0
        folder = library.policy.control.evidence / "notices"
    assert sorted(one.name for one in folder.iterdir()) == sorted({first.version, online.version})
    assert sorted(one.name for one in (folder / first.version).iterdir()) == ["direct.html", "direct.json", "direct.md", "direct.txt"]
    assert json.loads((folder / first.version / "direct.json").read_text())["version"] == first.version


def test_a_changed_policy_that_changes_the_text_is_a_new_version(policy: Path) -> None:
    with expunge.open(policy) as library:
        first = publish(library, "retention")
    policy.write_text(policy.read_text() + "blast_radius: {subjects: 7}\n")
    with expunge.open(policy) as library:
        assert not publish(library, "retention").is_new, "nothing that is read has changed"
    policy.write_text(policy.read_text().replace("need: answer}", "need: answer the child}"))
    with expunge.open(policy) as library:
        second = publish(library, "retention")
        assert second.is_new
        assert second.version != first.version
        assert [one.version for one in published(library)] == [first.version, second.version]


def test_the_commands(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Shell) -> None:
    for kind in ("online", "direct", "retention", "deletion"):
        for as_ in ("md", "html", "txt"):
            assert invoke(["notice", kind, "--format", as_, "--out", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 12
    assert invoke(["notice", "retention", "--for", "child"]) == 0
    assert "# Toy: how long we keep what we collect" in capsys.readouterr().out
    sections = run("notice", "direct")["sections"]
    assert [one["id"] for one in sections] == ["i", "ii", "iii", "iv", "v", "vi", "vii"]
    assert invoke(["claims", "check"]) == 0
    assert "3 holds" in capsys.readouterr().out
    assert invoke(["notice", "publish", "deletion"]) == 0
    assert invoke(["notice", "versions"]) == 0
    assert "deletion" in capsys.readouterr().out
    for words in (
        ["notice", "publish", "onlin"],
        ["notice", "online", "--for", "chld"],
        ["notice", "online", "--format", "pdf"],
        ["claims", "check", "--claim", "9"],
    ):
        assert invoke(words) == 33
    (tmp_path / "file").write_text("")
    assert invoke(["notice", "online", "--out", str(tmp_path / "file")]) in (2, 33)
    policy.write_text(policy.read_text().partition("claims:")[0])
    assert invoke(["claims", "check"]) == 33


def test_one_claim(policy: Path) -> None:
    with expunge.open(policy) as library:
        (one,) = check_policy_claims(library, 2)
        assert one.claim.control == "kept_no_longer"
