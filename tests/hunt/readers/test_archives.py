"""Archives: zip, tar, ar, cpio; their damage, their oddities, and what hides between members."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib

import pytest
import zstandard

from expunge.hunt.pieces import Why
from tests.hunt.readers.looked import look

TEXT = b"what is the weather like today, asked maya@example.com\n" * 30


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as out:
        for name, content in members:
            out.writestr(name, content)
        out.comment = comment
    return file.getvalue()


@pytest.mark.parametrize("pipe", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_members_come_out(method: int, *, pipe: bool) -> None:
    looked = look(zipped(("a/b.txt", TEXT), ("ü.txt", TEXT[:99]), method=method), pipe=pipe)
    assert looked.plain["a/b.txt"] == TEXT
    assert looked.plain["ü.txt"] == TEXT[:99]
    assert not looked.account.unread


def by_hand(name: bytes, packed: bytes, *, method: int, size: int, checksum: int, flags: int = 0) -> bytes:
    """A zip of one member, with fields as wished."""
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, flags, method, 0, 0, checksum, len(packed), size, len(name), 0) + name
    central = struct.pack(
        "<4s6H3L5H2L", b"PK\x01\x02", 20, 20, flags, method, 0, 0, checksum, len(packed), size, len(name), 0, 0, 0, 0, 0, 0
    )
    start = len(local) + len(packed)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(central) + len(name), start, 0)
    return local + packed + central + name + end


def test_zip_with_zstd() -> None:
    packed = by_hand(b"a.txt", zstandard.compress(TEXT), method=93, size=len(TEXT), checksum=zlib.crc32(TEXT))
    looked = look(packed)
    assert looked.plain["a.txt"] == TEXT
    assert not looked.account.unread


def test_a_wrong_checksum_or_length_is_told_and_the_content_looked_at() -> None:
    for size, checksum in ((len(TEXT), 1), (len(TEXT) + 1, zlib.crc32(TEXT))):
        looked = look(by_hand(b"a.txt", TEXT, method=0, size=size, checksum=checksum))
        assert looked.plain["a.txt"] == TEXT
        assert looked.told() == {"a.txt": Why.BROKEN}


def test_encrypted_and_unsupported_members_are_told() -> None:
    assert look(by_hand(b"a", b"x" * 99, method=8, size=9, checksum=1, flags=1)).told() == {"a": Why.ENCRYPTED}
    assert look(by_hand(b"a", b"x" * 99, method=99, size=9, checksum=1)).told() == {"a": Why.ENCRYPTED}
    assert look(by_hand(b"a", b"x" * 99, method=9, size=9, checksum=1)).told() == {"a": Why.UNSUPPORTED}


def test_names_are_only_text() -> None:
    looked = look(zipped(("../../etc/passwd", b"one " * 9), ("/abs", b"two " * 9), ("dir/", b"")))
    assert looked.plain["../../etc/passwd"] == b"one " * 9
    assert looked.plain["/abs"] == b"two " * 9


def test_the_directory_and_its_comments_are_text() -> None:
    looked = look(zipped(("maya.txt", TEXT), comment=b"for maya"))
    assert b"maya.txt" in looked.plain["directory"]
    assert b"for maya" in looked.plain["directory"]


def test_what_stands_before_an_archive_is_looked_at() -> None:
    looked = look(b"#!/bin/sh\n# of maya\nexec unzip\n" * 9 + zipped(("a.txt", TEXT)), "setup.pyz")
    assert looked.plain["a.txt"] == TEXT
    assert b"of maya" in looked.plain["gap@0"]


def test_members_struck_from_the_directory_are_found() -> None:
    both = zipped(("gone.txt", TEXT), ("kept.txt", b"kept " * 20))
    cut = both.index(b"PK\x01\x02")
    gone, kept = both[cut:].split(b"PK\x01\x02")[1:]
    central = b"PK\x01\x02" + kept[: kept.index(b"PK\x05\x06")]
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(central), cut, 0)
    looked = look(both[:cut] + central + end)
    assert gone
    assert looked.plain["kept.txt"] == b"kept " * 20
    assert TEXT in looked.everything()


def test_a_zip_without_its_directory_gives_what_can_be_saved() -> None:
    whole = zipped(("a.txt", TEXT), ("b.txt", TEXT))
    looked = look(whole[: whole.index(b"PK\x01\x02")])
    assert looked.plain["a.txt"] == looked.plain["b.txt"] == TEXT
    assert looked.told() == {"": Why.BROKEN}


def test_a_zip_written_to_a_pipe_and_cut_gives_what_can_be_saved() -> None:
    class Sink(io.RawIOBase):
        def __init__(self) -> None:
            self.content = b""

        def writable(self) -> bool:
            return True

        def write(self, block: object) -> int:
            self.content += bytes(block)  # type: ignore[call-overload]  # any buffer
            return len(block)  # type: ignore[arg-type]

    sink = Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.txt", TEXT)
        out.writestr("b.txt", TEXT)
    looked = look(sink.content[: sink.content.index(b"PK\x01\x02")])
    assert looked.plain["a.txt"] == looked.plain["b.txt"] == TEXT


def test_zip64_is_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out, out.open(zipfile.ZipInfo("a.txt"), "w", force_zip64=True) as member:
        member.write(TEXT)
    plain = file.getvalue()
    at = plain.index(b"PK\x05\x06")
    count, length, start = struct.unpack_from("<10xHII", plain, at)
    wide = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    looked = look(plain[:at] + wide + locator + end)
    assert looked.plain["a.txt"] == TEXT
    assert not looked.account.unread


def tarred(kind: int = tarfile.PAX_FORMAT, name: str = "a.txt") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as out:
        member = tarfile.TarInfo(name)
        member.size, member.uname = len(TEXT), "maya"
        out.addfile(member, io.BytesIO(TEXT))
        link = tarfile.TarInfo("loop")
        link.type, link.linkname = tarfile.SYMTYPE, "/srv/maya/loop"
        out.addfile(link)
    return file.getvalue()


@pytest.mark.parametrize("pipe", [False, True])
@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_members_come_out_and_headers_are_text(kind: int, *, pipe: bool) -> None:
    looked = look(tarred(kind, "deep/" * 19 + "a.txt"), pipe=pipe)
    assert looked.plain["deep/" * 19 + "a.txt"] == TEXT
    assert b"maya" in looked.plain["headers"]
    assert b"/srv/maya/loop" in looked.plain["headers"]
    assert not looked.account.unread


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_longer_than_their_field(kind: int) -> None:
    assert look(tarred(kind, "long/" * 60 + "a.txt")).plain["long/" * 60 + "a.txt"] == TEXT


def test_the_oldest_tar_is_known_by_its_sum() -> None:
    header = bytearray(tarred(tarfile.USTAR_FORMAT)[:512])
    header[257:345] = bytes(88)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert look(bytes(header) + TEXT + bytes(-len(TEXT) % 512 + 1024)).plain["a.txt"] == TEXT


def test_joined_cut_and_damaged_tars() -> None:
    one = tarred(tarfile.USTAR_FORMAT)
    assert look(one + tarred(tarfile.USTAR_FORMAT, "b.txt")).plain["b.txt"] == TEXT
    cut = look(one[:1024])
    assert cut.plain["a.txt"] == TEXT[:512]
    assert cut.told() == {"": Why.BROKEN}
    damaged = bytearray(one[: 512 + len(TEXT) + -len(TEXT) % 512] + one)
    damaged[len(damaged) - len(one) + 5] ^= 0xFF
    looked = look(bytes(damaged))
    assert looked.told() == {"": Why.BROKEN}
    assert TEXT in looked.plain["rest"]


def test_sparse_members_of_old_gnu_tar() -> None:
    header = bytearray(tarred(tarfile.GNU_FORMAT)[:512])
    header[156:157] = b"S"
    header[482] = 1
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    looked = look(bytes(header) + bytes(512) + TEXT + bytes(-len(TEXT) % 512 + 1024))
    assert looked.plain["a.txt"] == TEXT


def test_ar_archives() -> None:
    def member(name: bytes, content: bytes) -> bytes:
        return b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, 0, 0, 0, b"100644", len(content)) + content + b"\n" * (len(content) % 2)

    looked = look(b"!<arch>\n" + member(b"debian-binary/", b"2.0\n") + member(b"#1/8", b"maya.txt" + TEXT) + member(b"odd/", b"odd text"))
    assert looked.plain == {"debian-binary": b"2.0\n", "maya.txt": TEXT, "odd": b"odd text"}
    assert not looked.account.unread
    assert look(b"!<arch>\n" + member(b"a/", TEXT)[:-20]).told() == {"": Why.BROKEN}


def test_cpio_archives() -> None:
    def new(name: bytes, content: bytes) -> bytes:
        header = b"070701" + b"%08x" % 1 * 6 + b"%08x" % len(content) + b"%08x" % 0 * 4 + b"%08x" % (len(name) + 1) + b"%08x" % 0
        return header + name + b"\0" * (1 + -(110 + len(name) + 1) % 4) + content + b"\0" * (-len(content) % 4)

    def old(name: bytes, content: bytes) -> bytes:
        return b"070707" + b"%06o" % 0 * 7 + b"%011o" % 0 + b"%06o" % (len(name) + 1) + b"%011o" % len(content) + name + b"\0" + content

    for write in (new, old):
        looked = look(write(b"maya/a.txt", TEXT) + write(b"b", b"two words") + write(b"TRAILER!!!", b"") + bytes(100))
        assert looked.plain == {"maya/a.txt": TEXT, "b": b"two words"}
        assert not looked.account.unread
