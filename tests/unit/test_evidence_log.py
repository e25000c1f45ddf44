"""The log on disk: layout, audit, recovery, time, several appenders."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

from expunge.errors import BadProof, ClockWentBack, EvidenceError, ForkedLog, Full
from expunge.evidence import merkle
from expunge.evidence.log import Log
from expunge.evidence.notes import NoteSignature
from expunge.evidence.reading import LogReader
from expunge.evidence.signing import Signer
from expunge.evidence.tiles import Tiles
from expunge.testing.clock import SECOND, FakeClock

SIGNER = Signer("log.example/one", bytes(range(32)))


def entries(count: int, start: int = 0) -> list[bytes]:
    return [b"entry %d" % number for number in range(start, start + count)]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log(tmp_path: Path, clock: FakeClock) -> Log:
    return Log.open(tmp_path / "log", SIGNER, clock)


def test_an_empty_log_has_a_signed_head(log: Log) -> None:
    head = log.checkpoint()
    assert (head.size, head.root) == (0, merkle.EMPTY_ROOT)
    assert log.check().size == 0
    assert log.append([]) == range(0)
    assert list(log.entries()) == []


def test_the_layout_is_that_of_tlog_tiles(log: Log) -> None:
    assert log.append(entries(255)) == range(255)
    assert log.append(entries(3, 255)) == range(255, 258)
    names = {path.relative_to(log.directory).as_posix() for path in log.directory.rglob("*") if path.is_file()}
    assert names == {
        ".lock",
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/2",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/2",
    }
    assert (log.directory / "tile/0/000").stat().st_size == 8192
    assert list(log.entries(254)) == entries(4, 254)
    assert log.entry(257) == b"entry 257"


def test_partial_tiles_of_published_heads_stay_until_the_full_one_is_there(log: Log) -> None:
    log.append(entries(2))
    old = log.checkpoint()
    log.append(entries(5, 2))
    assert (log.directory / "tile/0/000.p/2").exists()
    assert log.proof(1, old.size) == (merkle.leaf_hash(b"entry 0"),)
    log.append(entries(300, 7))
    assert not (log.directory / "tile/0/000.p").exists()
    merkle.verify_inclusion(merkle.leaf_hash(b"entry 1"), 1, 2, log.proof(1, 2), old.root)


def test_many_tiles_and_levels(log: Log) -> None:
    log.append(entries(66_000))
    head = log.checkpoint()
    assert (log.directory / "tile/2/000.p/1").exists()
    for index in (0, 255, 256, 65_535, 65_536, 65_999):
        merkle.verify_inclusion(merkle.leaf_hash(b"entry %d" % index), index, head.size, log.proof(index, head.size), head.root)
    assert log.check().size == 66_000


def test_the_log_only_grows(log: Log, tmp_path: Path, clock: FakeClock) -> None:
    log.append(entries(10))
    earlier = log.checkpoint()
    log.append(entries(290, 10))
    assert log.check(earlier.note).size == 300
    head = log.checkpoint()
    merkle.verify_consistency(10, 300, earlier.root, head.root, log.consistency(10, 300))
    other = Log.open(tmp_path / "other", SIGNER, clock)
    other.append([b"something else"])
    with pytest.raises(ForkedLog):
        other.check(earlier.note)
    other.append(entries(300))
    with pytest.raises(ForkedLog):
        other.check(earlier.note)
    with pytest.raises(BadProof):
        log.proof(0, 301)
    with pytest.raises(BadProof):
        log.consistency(11, 10)


def test_a_log_without_its_head_is_not_begun_anew(log: Log, clock: FakeClock) -> None:
    log.append(entries(1))
    (log.directory / "checkpoint").unlink()
    with pytest.raises(BadProof):
        Log.open(log.directory, SIGNER, clock)
    with pytest.raises(BadProof):
        log.append(entries(1))


def test_a_log_of_another_key_is_refused(log: Log, clock: FakeClock) -> None:
    with pytest.raises(BadProof):
        Log.open(log.directory, Signer("log.example/one", bytes(32)), clock)
    (log.directory / "checkpoint").write_bytes(b"\xff")
    with pytest.raises(BadProof):
        log.checkpoint()


def test_nothing_is_signed_on_top_of_changed_tiles(log: Log) -> None:
    log.append(entries(5))
    tile = log.directory / "tile/0/000.p/5"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    with pytest.raises(BadProof):
        log.append(entries(1, 5))
    tile.write_bytes(b"")
    with pytest.raises(BadProof):
        log.append(entries(1, 5))
    tile.unlink()
    with pytest.raises(BadProof):
        log.append(entries(1, 5))


def test_what_a_crashed_append_left_is_told_and_overwritten(log: Log) -> None:
    log.append(entries(2))
    head = (log.directory / "checkpoint").read_bytes()
    log.append(entries(300, 2))
    (log.directory / "checkpoint").write_bytes(head)
    (log.directory / "tile/0/.000.part").write_bytes(b"torn")
    # a published append has dropped the partial files; a crashed one has not yet, so put them back
    bundle = (log.directory / "tile/entries/000").read_bytes()
    tile = (log.directory / "tile/0/000").read_bytes()
    for name, content in (("tile/entries/000.p/2", bundle[: 2 * (2 + 7)]), ("tile/0/000.p/2", tile[:64])):
        path = log.directory / name
        path.parent.mkdir()
        path.write_bytes(content)
    checked = log.check()
    assert checked.size == 2
    assert "tile/0/000" in checked.unpublished
    assert "tile/0/.000.part" in checked.unpublished
    assert log.append([b"other"] * 300) == range(2, 302)
    assert log.check().size == 302


def test_files_that_do_not_belong_are_refused(log: Log) -> None:
    log.append(entries(300))
    for name in ("tile/0/000.p/9", "tile/notes", "tile/1/000.p/999", "tile/0/x000/000"):
        path = log.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"?")
        with pytest.raises(BadProof):
            log.check()
        path.unlink()
    log.check()


def test_tiles_say_what_they_do_not_hold(log: Log) -> None:
    log.append(entries(5))
    tiles = Tiles(log.directory, 5)
    for level, index in ((0, 5), (0, 256), (8, 0), (1, 2)):
        with pytest.raises(BadProof):
            tiles.at(level, index)


def test_an_entry_is_checked_against_the_head(log: Log) -> None:
    log.append(entries(3))
    bundle = log.directory / "tile/entries/000.p/3"
    bundle.write_bytes(bundle.read_bytes().replace(b"entry 1", b"entry 7"))
    with pytest.raises(BadProof):
        log.entry(1)
    with pytest.raises(BadProof):
        list(log.entries())
    with pytest.raises(BadProof):
        log.entry(3)


def test_the_clock_may_not_go_back(log: Log, clock: FakeClock) -> None:
    clock.tick(timedelta(hours=1))
    log.append(entries(1))
    signed = log.checkpoint().at
    clock.tick(-2 * SECOND)
    log.append(entries(1, 1))
    assert log.checkpoint().at == signed
    clock.tick(-SECOND)
    with pytest.raises(ClockWentBack):
        log.append(entries(1, 2))
    assert log.check().size == 2


def test_too_long_an_entry_changes_nothing(log: Log) -> None:
    log.append(entries(1))
    with pytest.raises(EvidenceError):
        log.append([b"x" * 65_536])
    assert log.check() == log.check(log.checkpoint().note)
    assert log.checkpoint().size == 1


def test_no_space_is_said_and_changes_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(entries(1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(Full):
            log.append(entries(1, 1))
        patched.setattr("os.fsync", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(EvidenceError):
            log.append(entries(1, 1))
    assert log.check().size == 1
    assert log.append(entries(1, 1)) == range(1, 2)


def test_witnesses_cosign_the_published_head(log: Log, clock: FakeClock) -> None:
    log.append(entries(1))
    witness, stranger = Signer("w.example", bytes([7]) * 32), Signer("s.example", bytes([8]) * 32)
    text = log.checkpoint().note.rpartition("\n\n")[0] + "\n"
    line = witness.cosign(text, clock.now()).line
    known = [witness.key.for_cosignatures()]
    assert log.add_cosignatures(line, known).witnesses == ("w.example",)
    assert log.add_cosignatures(line, known).witnesses == ("w.example",)
    forged = NoteSignature("w.example", known[0].key_id, stranger.cosign(text, clock.now()).raw).line
    for wrong in (stranger.cosign(text, clock.now()).line, forged, "nonsense\n"):
        with pytest.raises(BadProof):
            log.add_cosignatures(wrong, known)
    assert line in log.checkpoint().note
    assert log.check().size == 1


def test_appenders_in_several_processes_take_turns(log: Log) -> None:
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from expunge.evidence.log import Log
        from expunge.evidence.signing import Signer
        from expunge.testing.clock import FakeClock
        log = Log.open(Path(sys.argv[1]), Signer("log.example/one", bytes(range(32))), FakeClock())
        for turn in range(15):
            print(*log.append([f"{sys.argv[2]} {turn} {part}".encode() for part in range(3)]))
    """)
    command = [sys.executable, "-c", script, str(log.directory)]
    workers = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in "abc"]
    answers = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    indexes = [int(one) for answer in answers for one in answer.split()]
    assert sorted(indexes) == list(range(135))
    held = list(log.entries())
    for name, answer in zip("abc", answers, strict=True):
        for turn, line in enumerate(answer.splitlines()):
            assert [held[int(index)] for index in line.split()] == [f"{name} {turn} {part}".encode() for part in range(3)]
    assert log.check().size == 135


def test_a_reader_needs_only_the_public_key(log: Log) -> None:
    log.append(entries(3))
    copied = log.directory.with_name("copy")
    shutil.copytree(log.directory, copied)
    assert LogReader(copied, SIGNER.key).check().size == 3
    with pytest.raises(BadProof):
        LogReader(copied.with_name("nowhere"), SIGNER.key).check()
