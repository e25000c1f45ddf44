"""The tombstone register: what it recognises, what it keeps, what a crash and a change look like."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from expunge.errors import BadProof, EvidenceError
from expunge.evidence.prefixes import PrefixIndex
from expunge.evidence.stones import Facts, Stone
from expunge.evidence.tombstones import Register
from expunge.terms import Identifier

NOW = datetime(2026, 5, 1, tzinfo=UTC)
CHILD = Identifier("child", "Mia Marker-93141")
MAIL = Identifier("email", "mia@hearth.example")


def stone(identifier: Identifier, request: str = "r1", categories: tuple[str, ...] = (), before: datetime | None = NOW) -> Stone:
    return Stone(identifier, categories, before, request, NOW)


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register.open(tmp_path / "log")


def test_what_was_laid_is_recognised_after_reopening(register: Register, tmp_path: Path) -> None:
    register.lay([stone(CHILD), stone(MAIL), stone(CHILD, "r2", ("user.biometric",))])
    for one in (register, Register.open(tmp_path / "log")):
        found = one.match([CHILD, MAIL, Identifier("child", "mia@hearth.example"), Identifier("email", "")])
        assert found == {
            CHILD: [Facts((), NOW, "r1", NOW), Facts(("user.biometric",), NOW, "r2", NOW)],
            MAIL: [Facts((), NOW, "r1", NOW)],
        }


def test_laying_twice_changes_no_answer(register: Register) -> None:
    register.lay([stone(CHILD)])
    register.lay([stone(CHILD)])
    register.lay([])
    assert register.match([CHILD]) == {CHILD: [Facts((), NOW, "r1", NOW)]}


def test_lifting_undoes_only_what_was_laid_before(register: Register, tmp_path: Path) -> None:
    register.lay([stone(CHILD), stone(CHILD, "r2"), stone(MAIL)])
    register.lift("r1", NOW)
    assert {one: [fact.request_id for fact in facts] for one, facts in register.match([CHILD, MAIL]).items()} == {CHILD: ["r2"]}
    register.lay([stone(MAIL, "r1")])
    assert list(Register.open(tmp_path / "log").match([CHILD, MAIL])) == [CHILD, MAIL]


def test_no_identifier_is_in_the_files_or_in_any_text(register: Register, tmp_path: Path) -> None:
    register.lay([stone(CHILD), stone(MAIL)])
    kept = b"".join(path.read_bytes() for path in (tmp_path / "log").iterdir())
    for secret in (b"Mia", b"93141", b"hearth"):
        assert secret not in kept
    key = (tmp_path / "log/tombstones.key").read_bytes()
    assert key.hex() not in repr(register)
    for name in ("tombstones", "tombstones.key"):
        assert (tmp_path / "log" / name).stat().st_mode & 0o777 == 0o600


def test_a_look_up_trusts_neither_the_index_nor_the_file(register: Register, tmp_path: Path) -> None:
    register.lay([stone(CHILD)])
    register.match([])
    place = (tmp_path / "log/tombstones").read_bytes().index(b"+ ")
    register._index.add([(register._digest(MAIL), place)])
    assert list(register.match([CHILD, MAIL])) == [CHILD]
    held = (tmp_path / "log/tombstones").read_bytes()
    for changed in (held.replace(b'"request"', b'"tseuqer"'), held[: place + 2] + b"x" + held[place + 3 :]):
        (tmp_path / "log/tombstones").write_bytes(changed)
        with pytest.raises(BadProof):
            register.match([CHILD])


def test_two_registers_give_different_digests(tmp_path: Path) -> None:
    lines = []
    for name in "ab":
        Register.open(tmp_path / name).lay([stone(CHILD)])
        lines.append((tmp_path / name / "tombstones").read_bytes())
    assert lines[0].splitlines()[1][:66] != lines[1].splitlines()[1][:66]


def test_the_register_without_its_key_is_refused(register: Register, tmp_path: Path) -> None:
    register.lay([stone(CHILD)])
    key = tmp_path / "log/tombstones.key"
    secret = key.read_bytes()
    key.unlink()
    with pytest.raises(EvidenceError):
        Register.open(tmp_path / "log")
    key.write_bytes(secret[:-1])
    with pytest.raises(EvidenceError):
        Register.open(tmp_path / "log")
    key.write_bytes(secret[::-1])
    with pytest.raises(BadProof):
        Register.open(tmp_path / "log")


def test_a_torn_end_is_left_out_and_cut_off(register: Register, tmp_path: Path) -> None:
    held = tmp_path / "log/tombstones"
    register.lay([stone(CHILD)])
    first = held.read_bytes()
    register.lay([stone(MAIL)])
    both = held.read_bytes()
    for end in range(len(first), len(both)):
        held.write_bytes(both[:end])
        assert list(Register.open(tmp_path / "log").match([CHILD, MAIL])) == [CHILD]
    held.write_bytes(first + bytes(len(both) - len(first) - 60) + both[-60:])
    again = Register.open(tmp_path / "log")
    assert list(again.match([CHILD, MAIL])) == [CHILD]
    again.lay([stone(MAIL, "r3")])
    assert list(Register.open(tmp_path / "log").match([CHILD, MAIL])) == [CHILD, MAIL]
    assert held.read_bytes().startswith(first)
    assert b"\0" not in held.read_bytes()


def test_any_change_that_is_no_torn_end_is_refused(register: Register, tmp_path: Path) -> None:
    held = tmp_path / "log/tombstones"
    register.lay([stone(CHILD)])
    first = held.read_bytes()
    register.lay([stone(MAIL, "r2", ("user.voice",))])
    both = held.read_bytes()
    for place in range(len(both)):
        changed = bytearray(both)
        changed[place] ^= 0x01
        held.write_bytes(changed)
        with pytest.raises(BadProof):
            Register.open(tmp_path / "log").match([CHILD, MAIL])
    for wrong in (both[len(first) :], both.replace(b" ", b"\0", 4), first.replace(b'":"r', b'":"\0', 1) + both[len(first) :]):
        held.write_bytes(wrong)
        with pytest.raises(BadProof):
            Register.open(tmp_path / "log")


def test_stones_of_other_processes_are_seen(register: Register, tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys
        from datetime import UTC, datetime
        from pathlib import Path
        from expunge.evidence.stones import Stone
        from expunge.evidence.tombstones import Register
        from expunge.terms import Identifier
        now = datetime(2026, 5, 1, tzinfo=UTC)
        register = Register.open(Path(sys.argv[1]))
        for turn in range(25):
            register.lay([Stone(Identifier("child", f"{sys.argv[2]}{turn}"), (), None, sys.argv[2], now)])
    """)
    command = [sys.executable, "-c", script, str(tmp_path / "log")]
    workers = [subprocess.Popen([*command, name]) for name in "ab"]
    assert [worker.wait() for worker in workers] == [0, 0]
    people = [Identifier("child", f"{name}{turn}") for name in "ab" for turn in range(25)]
    assert len(register.match(people)) == 50


def test_many_identifiers_of_one_request_share_lines(register: Register, tmp_path: Path) -> None:
    people = [Identifier("child", str(number)) for number in range(1000)]
    register.lay(stone(one) for one in people)
    assert (tmp_path / "log/tombstones").read_bytes().count(b"\n+ ") == 16
    assert len(register.match(people)) == 1000


@pytest.mark.parametrize(
    ("facts", "category", "at", "covered"),
    [
        (Facts((), None, "r", NOW), "user.voice", NOW, True),
        (Facts((), NOW, "r", NOW), "user.voice", NOW, False),
        (Facts((), NOW, "r", NOW), "user.voice", NOW - timedelta(seconds=1), True),
        (Facts((), NOW, "r", NOW), None, None, True),
        (Facts(("user.voice",), None, "r", NOW), "user.voice.child", NOW, True),
        (Facts(("user.voice",), None, "r", NOW), "user.voices", NOW, False),
        (Facts(("user.voice",), None, "r", NOW), "user", NOW, False),
        (Facts(("user.voice",), None, "r", NOW), None, NOW, True),
    ],
)
def test_facts_say_what_they_cover(facts: Facts, category: str | None, at: datetime | None, covered: bool) -> None:  # noqa: FBT001  # a table's column
    assert facts.covers(category, at) is covered


def test_the_index_finds_every_place_however_it_was_sorted() -> None:
    index = PrefixIndex()
    index.add((number.to_bytes(8, "big") + b"tail", number) for number in range(60_000))
    index.add([(bytes(8), 7), (b"\xff" * 8, 9)])
    assert index.find(bytes(8)) == [0, 7]
    assert index.find((59_999).to_bytes(8, "big")) == [59_999]
    assert index.find(b"\xff" * 8 + b"another tail") == [9]
    assert index.find(b"\xfe" * 8) == []
    index.add((bytes(8), number) for number in range(100_000, 160_000))
    assert len(index.find(bytes(8))) == 60_002
