"""Every file of a folder comes out of a scan once, byte for byte; nothing is followed, nothing special is opened, and both are told."""

from __future__ import annotations

import io
import os
import socket
import stat
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.errors import Conflict, Drift, Refused, Unavailable
from expunge.hunt.pieces import Why
from expunge.stores import scan_unread, scan_walk
from expunge.stores.base import Part, Scan
from expunge.stores.scan_registry import open_scan
from expunge.stores.scan_streams import Sparse
from tests.stores.scan.reading import bytes_of, readable, streams, unread

LETTERS = st.sampled_from([".", "a", "B", " ", "é", "👶", "\n", "*", "%", "?", "#", "\udcff", "\\", "-", "b"])
STEPS = st.text(LETTERS, min_size=1, max_size=4).filter(lambda step: step not in (".", ".."))
TREES = st.dictionaries(st.lists(STEPS, min_size=1, max_size=4).map("/".join), st.binary(max_size=100), max_size=8)
NOBODY = 65534


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES)
def test_everything_planted_comes_out_once(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes]) -> None:
    root = tmp_path_factory.mktemp("root")
    planted = {}
    for name, body in tree.items():
        with suppress(FileExistsError, NotADirectoryError, IsADirectoryError):  # a file stands where a folder should, or the reverse
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(body)
            planted[name] = body
    scan = open_scan(str(root))
    parts = list(scan.parts())
    assert sorted(part.name for part in parts) == sorted(planted)
    assert [part.name for part in parts] == [part.name for part in scan.parts()], "in the same order"
    assert {part.name: part.size for part in parts} == {name: len(body) for name, body in planted.items()}
    assert streams(open_scan(f"file://{root}")) == planted


def scan_of(root: Path) -> Scan:
    return open_scan(str(root))


def only(scan: Scan) -> Part:
    (part,) = scan.parts()
    return part


def test_what_is_no_file_is_told_and_not_opened(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "deep" / "er").mkdir(parents=True)
    outside.mkdir()
    (outside / "far").write_text("far")
    (root / "file").write_text("near")
    (root / "deep" / "again").hardlink_to(root / "file")
    (root / "inside").symlink_to("file")
    (root / "deep" / "up").symlink_to(root)
    (root / "away").symlink_to(outside / "far")
    (root / "folder").symlink_to(outside)
    (root / "nowhere").symlink_to(tmp_path / "missing")
    (root / "round").symlink_to("round")
    os.mkfifo(root / "fifo")
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(root / "socket"))
        scan = scan_of(root)
        assert streams(scan) == {"file": b"near"}, "once, though it has two names"
        assert unread(scan) == {
            ("away", "", Why.SPECIAL),
            ("folder", "", Why.SPECIAL),
            ("nowhere", "", Why.UNREACHABLE),
            ("round", "", Why.LOOP),
            ("fifo", "", Why.SPECIAL),
            ("socket", "", Why.SPECIAL),
        }
        for name in ("fifo", "socket", "away", "deep/up/file"):
            with pytest.raises((Conflict, Refused)):
                scan.stream(Part(name))


def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "shut" / "x").write_text("x")
    (tmp_path / "mine").write_text("x")
    (tmp_path / "open").write_text("x")
    (tmp_path / "mine").chmod(0)
    (tmp_path / "shut").chmod(0)
    told = _as_nobody(tmp_path)
    (tmp_path / "shut").chmod(stat.S_IRWXU)
    assert told == ["mine permission denied Refused", "open  ", "shut/ permission denied Refused"]


def _as_nobody(root: Path) -> list[str]:
    """What another account is told; root may read everything."""
    program = (
        "import os, sys; from expunge.errors import StoreError; from expunge.stores.scan_registry import open_scan\n"
        "os.chdir(sys.argv[1])\n"
        f"os.geteuid() or os.setuid({NOBODY})\n"
        "scan = open_scan('.')\n"
        "for part in scan.parts():\n"
        "    fault = ''\n"
        "    try: scan.stream(part).close()\n"
        "    except StoreError as error: fault = type(error).__name__\n"
        "    print(part.name, part.unread, fault)\n"
    )
    for folder in (root, *root.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    return subprocess.run([sys.executable, "-c", program, str(root)], check=True, capture_output=True, text=True).stdout.splitlines()


def test_a_sparse_file_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "image.raw"
    with path.open("wb") as file:
        file.truncate(100 << 30)
        file.seek(60 << 30)
        file.write(b"ann@example.org")
    scan = scan_of(tmp_path)
    part = only(scan)
    assert part.size == 100 << 30
    with scan.stream(part) as file:
        assert isinstance(file, Sparse)
        start = file.next_data(0)
        assert 0 <= (60 << 30) - start < 1 << 20
        assert file.seek(start) == start
        assert b"ann@example.org" in file.read(1 << 20)
        after = file.next_data(file.tell())
        assert after == 100 << 30
        assert file.seek((60 << 30) - 10)
        assert file.read(30) == bytes(10) + b"ann@example.org" + bytes(5)
        assert file.seek(-3, io.SEEK_END)
        assert file.read() == bytes(3)


def test_a_sparse_file_reads_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "image.raw"
    with path.open("wb") as file:
        for start, body in ((1 << 20, b"one"), (5 << 20, b"two"), ((9 << 20) + 77, b"three")):
            file.seek(start)
            file.write(body)
        file.truncate(11 << 20)
    scan = scan_of(path)
    assert bytes_of(scan, only(scan)) == path.read_bytes()


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 1_000_000)
    scan = scan_of(tmp_path)
    part = only(scan)
    with scan.stream(part) as file, path.open("ab") as writer:
        file.read(10)
        writer.write(b"y" * 1_000_000)
        writer.flush()
        assert len(file.read()) == 1_000_000 - 10, "what was added is the next scan's"
    with scan.stream(part) as file:
        file.read(10)
        os.truncate(path, 500)
        with pytest.raises(Conflict):
            file.read()
    path.unlink()
    with pytest.raises(Conflict):
        scan.stream(part)
    path.symlink_to("/etc/hostname")
    with pytest.raises(Conflict):
        scan.stream(part)


def test_a_folder_on_the_way_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "root" / "a" / "x").write_text("mine")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "x").write_text("secret")
    scan = scan_of(tmp_path / "root")
    part = only(scan)
    (tmp_path / "root" / "a").rename(tmp_path / "gone")
    (tmp_path / "root" / "a").symlink_to(tmp_path / "else")
    with pytest.raises(Conflict):
        scan.stream(part)


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of mounts that calls the device of this folder the kernel's own."""
    device = tmp_path.stat().st_dev
    table = tmp_path / "mountinfo"
    table.write_text(f"36 35 {os.major(device)}:{os.minor(device)} / /proc rw,nosuid shared:13 - proc proc rw\nnot a line\n")
    monkeypatch.setattr(scan_walk, "MOUNTS", table)
    return tmp_path


def test_the_kernels_own_files_are_told(mounted: Path) -> None:
    (mounted / "self").mkdir()
    (mounted / "self" / "mem").write_text("x")
    assert ("self/", "", Why.SPECIAL) in unread(scan_of(mounted))


def test_a_place_must_be_there(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "lost").symlink_to(tmp_path / "disk")
    for name, kind in (("missing", Drift), ("fifo", Drift), ("lost", (Conflict, Unavailable))):
        with pytest.raises(kind):
            open_scan(str(tmp_path / name))
    (tmp_path / "empty").mkdir()
    assert not readable(scan_of(tmp_path / "empty"))
    (tmp_path / "way").symlink_to("empty")
    assert not readable(scan_of(tmp_path / "way")), "a link that the operator gave is theirs"
    with pytest.raises(Refused):
        scan_of(tmp_path / "empty").rows(Part("x"))


def test_a_deep_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    step = Path("d" * 50)
    for _ in range(100):  # the whole path is longer than the system takes in one
        step.mkdir()
        os.chdir(step)
    Path("x").write_text("deep")
    monkeypatch.undo()
    scan = scan_of(tmp_path)
    assert bytes_of(scan, only(scan)) == b"deep"
    subprocess.run(["rm", "-rf", str(tmp_path / step)], check=True)


def test_the_words_are_the_hunts_own() -> None:
    words = {value for name, value in vars(scan_unread).items() if name.isupper()}
    assert words <= {str(why) for why in Why}
