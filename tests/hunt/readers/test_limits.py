"""Hostile and endless streams: the limits hold, what was left unread is told, and nothing takes long or much memory."""

from __future__ import annotations

import base64
import gzip
import io
import itertools
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

import pytest

from expunge.hunt.formats import Known
from expunge.hunt.pieces import Account, Blob, Place, Why
from expunge.hunt.reading import Format, Limits, Nested, Opened, Reading
from expunge.hunt.spool import Exceeded, Meter, Spool
from expunge.hunt.unwrap import unwrap
from tests.hunt.readers.looked import look

GIB = 1 << 30


def deflated_zeros(size: int) -> bytes:
    """A raw deflate stream of zeros, made of one block repeated: 10 GB in a moment."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(64 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (size // (64 << 20)) + b"\3\0"


def counted(content: bytes, limits: Limits) -> tuple[int, Account]:
    account = Account()
    seen = 0
    for piece in unwrap(io.BytesIO(content), Place("s"), size=len(content), limits=limits, account=account):
        if isinstance(piece, Blob):
            seen += len(piece.data)
    return seen, account


def test_a_gzip_of_ten_gigabytes_stops_at_the_limit() -> None:
    bomb = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + deflated_zeros(10 * GIB) + bytes(8)
    seen, account = counted(bomb, Limits(expansion=20))
    assert seen < 300 << 20
    stopped = {one.place for one in account.unread if one.why is Why.TOO_LARGE}
    assert stopped == {Place("s", members=("gzip",)), Place("s")}


def test_a_zip_of_ten_gigabytes_stops_at_the_limit() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("small.txt", b"for maya " * 9)
    packed = deflated_zeros(10 * GIB)
    name = b"bomb"
    local = b"PK\x03\x04" + (b"\x14\0\0\0\x08\0" + bytes(8) + len(packed).to_bytes(4, "little") + b"\xff\xff\xff\x7f\4\0\0\0")
    seen, account = counted(local + name + packed, Limits(expansion=20))
    assert seen < 300 << 20
    assert Why.TOO_LARGE in {one.why for one in account.unread}


def test_zips_in_zips_multiply_no_further_than_the_limit() -> None:
    inner = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + deflated_zeros(192 << 20) + bytes(8)
    for _ in range(3):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
            for number in range(16):
                out.writestr(f"{number}.gz", inner)
        inner = file.getvalue()
    seen, account = counted(inner, Limits())
    assert seen < 600 << 20
    assert Why.TOO_LARGE in {one.why for one in account.unread}


def test_overlapping_members_multiply_no_further_than_the_limit() -> None:
    kernel = deflated_zeros(64 << 20)
    local = b"PK\x03\x04\x14\0\0\0\x08\0" + bytes(8) + len(kernel).to_bytes(4, "little") + (64 << 20).to_bytes(4, "little") + b"\1\0\0\0a"
    entry = b"PK\x01\x02\x14\0\x14\0\0\0\x08\0" + bytes(8) + local[18:26] + b"\1\0" + bytes(16) + b"a"
    directory = entry * 1000
    end = (
        b"PK\x05\x06"
        + bytes(4)
        + b"\xe8\3\xe8\3"
        + len(directory).to_bytes(4, "little")
        + len(local + kernel).to_bytes(4, "little")
        + b"\0\0"
    )
    seen, account = counted(local + kernel + directory + end, Limits())
    assert seen < 600 << 20
    assert Why.TOO_LARGE in {one.why for one in account.unread}


def test_a_hundred_layers_are_opened_to_the_depth_and_told() -> None:
    content = b"for maya " * 20
    for _ in range(100):
        content = gzip.compress(content)
    looked = look(content)
    assert list(looked.told().values()) == [Why.TOO_DEEP]
    assert next(iter(looked.told())) == "!".join(["gzip"] * 9)
    content = b"for maya " * 20
    for _ in range(100):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as out:
            member = tarfile.TarInfo("in.tar")
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
        content = file.getvalue()
    looked = look(content)
    assert Why.TOO_DEEP in looked.told().values()
    assert b"for maya " * 20 in looked.plain["!".join(["in.tar"] * 9)]  # stored: the bytes are there all the same


def test_base64_of_base64_ends() -> None:
    content = b"for maya, and more " * 5
    for _ in range(20):
        content = base64.b64encode(content)
    looked = look(b"x: " + content + b"\n")
    assert looked.account.streams < 100


def test_a_zip_that_holds_itself_is_a_loop() -> None:
    """As a zip quine does (R. Cox, "Zip Files All The Way Down", 2010): the same bytes inside are not opened again."""

    head = gzip.compress(b"for maya", mtime=0)

    def read(opened: Opened) -> Reading:
        yield Nested(opened.place.inside("r"), io.BytesIO(head))

    class Line(Known):
        def load(self) -> Format:
            return Format("quine", lambda start, _name: start == head, read)

    account = Account()
    table = [Line("quine", "none", lambda start, _name: start == head)]
    list(unwrap(io.BytesIO(head), Place("s"), size=len(head), limits=Limits(), account=account, formats=table))
    assert [(one.place.members, one.why) for one in account.unread] == [(("r",), Why.LOOP)]


def test_links_that_loop_are_only_names() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as out:
        for name, target in (("a", "b"), ("b", "a"), ("c", "c")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = (tarfile.SYMTYPE if name != "c" else tarfile.LNKTYPE), target
            out.addfile(link)
    looked = look(file.getvalue())
    assert set(looked.plain) == {"headers"}
    assert not looked.account.unread


def test_members_are_counted() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for number in range(300):
            out.writestr(f"{number}.txt", b"for maya")
    looked = look(file.getvalue(), limits=Limits(members=100))
    assert len([place for place in looked.plain if place]) == 100
    assert Why.TOO_LARGE in looked.told().values()


def test_time_is_limited() -> None:
    ticks: Iterator[float] = itertools.count(0.0, 1.0)
    meter = Meter(Limits(seconds=10.0), None, clock=lambda: next(ticks))
    for _ in range(10):
        meter.check()
    with pytest.raises(Exceeded) as limit:
        meter.check()
    assert limit.value.why is Why.TOO_SLOW
    seen, account = counted(gzip.compress(b"for maya " * 100), Limits(seconds=-1.0))
    assert [one.why for one in account.unread] == [Why.TOO_SLOW]
    assert seen == 0


def test_temporary_space_is_limited_and_given_back() -> None:
    meter = Meter(Limits(spool=1000, spooled=5000), None)
    spool = Spool(meter)
    assert [spool.add(bytes(900)) for _ in range(7)] == [True] * 5 + [False] * 2
    assert spool.slice().read() == bytes(4500)
    spool.close()
    again = Spool(meter)
    assert again.add(bytes(4900))
    again.close()


def test_what_does_not_fit_the_temporary_space_is_looked_at_as_bytes() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("a.txt", b"for maya " * 90_000)
    looked = look(file.getvalue(), limits=Limits(spool=1 << 16, spooled=1 << 17), pipe=True)
    assert Why.TOO_LARGE in looked.told().values()
    assert b"for maya " * 90_000 in looked.plain[""]


def test_the_account_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expunge.hunt.unwrap.TOLD", 100)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for number in range(1000):
            out.writestr(str(number), b"\0")
    looked = look(file.getvalue())
    assert len(looked.account.unread) <= 201
    assert any(one.note.endswith("more places inside") for one in looked.account.unread)


def test_memory_stays_bounded_on_bombs() -> None:
    """In a process of its own, whose largest size is asked of the kernel: ``getrusage`` begins with that of who started it."""
    script = """
import io, pathlib, re, sys, zstandard
from expunge.hunt.formats import Known
from expunge.hunt.pieces import Account, Place
from expunge.hunt.reading import Format, Limits, Nested, Opened, Reading
from expunge.hunt.unwrap import unwrap

def largest(content):
    for _ in unwrap(io.BytesIO(content), Place("s"), size=len(content), limits=Limits(), account=Account()):
        pass
    return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])

packer = zstandard.ZstdCompressor().compressobj()
bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(2048)) + packer.flush()
print(-largest(b"some text") + largest(bomb))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert int(done.stdout) < 150 << 10, "KiB: a spool's 32 MiB, and windows"
