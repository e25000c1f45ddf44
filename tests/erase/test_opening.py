"""Who was given the opening can show whom a receipt is about; nobody else can, and nothing of it stays here."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from expunge.errors import BadProof, InvalidRequest, KeyDestroyed
from expunge.evidence.commitments import Opening, commitment, request_salt
from expunge.terms import Identifier
from tests.erase.toy import SOON, bytes_of, command, opened, toy
from tests.faults.killing import Place


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Path, dict[str, str]]:
    """One child, erased by the command with an opening; the place, the opening, and the receipts' paths by request."""
    folder = tmp_path_factory.mktemp("opening")
    place = toy(folder / "estate")
    handed = folder / "child.opening.json"
    done = command(place, "erase", "child:11", "--opening", str(handed), "--json")
    assert done.status == 0, done.err
    with opened(place) as library:
        (run,) = library.runs()
        return place, handed, {note.request_id or "run": note.path for note in library.status(run.id).receipts}


def _receipt(paths: dict[str, str]) -> str:
    return next(path for name, path in paths.items() if name != "run")


def _verify(asked: tuple[Place, Path, dict[str, str]], receipt: str, handed: Path, subject: str) -> int:
    place = asked[0]
    trust = str(place.folder / "state/evidence/trust.json")
    return command(place, "verify", receipt, "--trust", trust, "--opening", str(handed), "--subject", subject).status


def test_the_receipt_is_shown_to_be_about_the_child_and_nobody_else(asked: tuple[Place, Path, dict[str, str]]) -> None:
    _, handed, paths = asked
    receipt = _receipt(paths)
    named = ("child:11", "child:profile_id=11", "child:12", "adult:11", "child:", "11")
    assert [_verify(asked, receipt, handed, subject) for subject in named] == [0, 0, 71, 71, 71, 71]
    assert _verify(asked, paths["run"], handed, "child:11") == 71


def test_only_its_owner_may_read_it_and_it_lies_nowhere_else(asked: tuple[Place, Path, dict[str, str]]) -> None:
    place, handed, _ = asked
    assert handed.stat().st_mode & 0o777 == 0o600
    told = json.loads(handed.read_bytes())
    salt = base64.b64decode(told["salt"])
    assert told["identifier"] == {"type": "profile_id", "value": "11"}
    forms = (told["salt"].encode(), salt, salt.hex().encode())
    assert not [name for name, raw in bytes_of(place.folder) if any(form in raw for form in forms)]


def test_a_changed_opening_is_refused(asked: tuple[Place, Path, dict[str, str]], tmp_path: Path) -> None:
    _, handed, paths = asked
    held = Opening.from_json(handed.read_bytes())
    changed = tmp_path / "changed.json"
    for raw in (Opening(held.request, held.identifier, bytes(32)).to_json(), handed.read_bytes() + b"\n", b"{}", b"[]"):
        changed.write_bytes(raw)
        assert _verify(asked, _receipt(paths), changed, "child:11") == 71


def test_nobody_can_make_it_again(asked: tuple[Place, Path, dict[str, str]]) -> None:
    place, _, paths = asked
    with opened(place) as library, pytest.raises(KeyDestroyed):
        library.opening(next(name for name in paths if name != "run"))


def test_an_opening_is_for_one_person_in_a_new_file(tmp_path: Path) -> None:
    place = toy(tmp_path / "estate")
    handed = tmp_path / "it.json"
    assert command(place, "erase", "child:11", "adult:21", "--opening", str(handed)).status == InvalidRequest.exit_status
    assert command(place, "erase", "child:99", "--opening", str(handed)).status != 0
    assert not handed.exists(), "nobody was found: there is nothing to hand over"
    handed.write_text("mine")
    assert command(place, "erase", "child:11", "--opening", str(handed)).status == InvalidRequest.exit_status
    assert handed.read_text() == "mine"
    with opened(place) as library:
        assert library.runs() == []


def test_a_household_s_opening_names_the_household(tmp_path: Path) -> None:
    place = toy(tmp_path / "estate")
    with opened(place) as library:
        started = library.request(["household:3"])
        (request,) = started.requests
        assert request is not None
        held = Opening.from_json(library.opening(request.id))
        assert (held.identifier, held.request, repr(held)) == (Identifier("household_id", "3"), request.id, f"Opening({request.id!r})")
        (standing,) = library.carry_out(started, patience=SOON)
        statement = library.verify(Path(next(note.path for note in standing.receipts if note.request_id))).statement
    held.require(statement, "household:3")
    with pytest.raises(BadProof):
        held.require(statement, "household:4")


def test_an_opening_of_one_request_opens_no_other_of_the_same_person() -> None:
    salt, child = bytes(range(32)), Identifier("profile_id", "11")
    statements = {
        name: {"request": {"id": name, "subject_kind": "child", "commitment": commitment(salt, child, name)}} for name in ("req_a", "req_b")
    }
    held = Opening("req_a", child, request_salt(salt, "req_a"))
    held.require(statements["req_a"], "child:11")
    for other in (held, Opening("req_b", child, held.salt)):
        with pytest.raises(BadProof):
            other.require(statements["req_b"], "child:11")
