"""The engine: what lies in what, in which order, and what the account says."""

from __future__ import annotations

import gzip
import io
import itertools
import random
import tarfile
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

import pytest

from expunge import errors
from expunge.hunt.formats import FORMATS, Known
from expunge.hunt.pieces import OVERLAP, WINDOW, Account, Blob, Place, Texts, Why
from expunge.hunt.reading import Format, Limits, Nested, Opened, Reading
from expunge.hunt.spool import BLOCK
from expunge.hunt.unwrap import Ended, unwrap
from tests.hunt.readers.looked import Pipe, look

TEXT = b"what is the weather like today, asked maya@example.com\n" * 30


def archive(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("pipe", [False, True])
def test_what_lies_in_what_is_opened_and_named(*, pipe: bool) -> None:
    whole = gzip.compress(archive({"mails/in.zip": zipped({"a.txt": TEXT}), "b.txt": TEXT}))
    looked = look(whole, "backup.tgz", pipe=pipe)
    assert looked.plain["gzip!mails/in.zip!a.txt"] == looked.plain["gzip!b.txt"] == TEXT
    assert looked.opaque[""] == whole
    assert looked.ended[-1] == Place("store", "backup.tgz")
    assert not looked.account.unread
    assert looked.account.bytes == len(whole)
    assert looked.account.formats["tar"] == looked.account.formats["zip"] == 1


def test_windows_overlap_and_the_last_is_marked() -> None:
    content = random.Random(1).randbytes(16) * ((2 * WINDOW + 100) // 16)  # no secret
    blobs = [
        piece
        for piece in unwrap(io.BytesIO(b"text " + content.hex().encode()), Place("s"), size=None, limits=Limits(), account=Account())
        if isinstance(piece, Blob) and piece.place == Place("s")
    ]
    assert [blob.last for blob in blobs] == [False] * (len(blobs) - 1) + [True]
    assert [blob.overlap for blob in blobs] == [0] + [OVERLAP] * (len(blobs) - 1)
    assert all(bytes(later.data[:OVERLAP]) == bytes(former.data[-OVERLAP:]) for former, later in itertools.pairwise(blobs))


@pytest.mark.parametrize("size", [0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW])
def test_streams_of_every_length_end_with_a_last_window(size: int) -> None:
    pieces = list(unwrap(Pipe(b"a " * (size // 2) + b"a" * (size % 2)), Place("s"), size=None, limits=Limits(), account=Account()))
    blobs = [piece for piece in pieces if isinstance(piece, Blob)]
    assert sum(len(blob.data) - blob.overlap for blob in blobs) == size
    assert [blob.last for blob in blobs] == [False] * (len(blobs) - 1) + [True] * bool(blobs)
    assert [piece for piece in pieces if isinstance(piece, Ended)] == [Ended(Place("s"))] * bool(size)


def test_unknown_bytes_are_looked_at_and_told() -> None:
    looked = look(b"\0\1\2" * 100)
    assert looked.plain[""] == b"\0\1\2" * 100
    assert looked.told() == {"": Why.UNKNOWN}


def test_known_formats_that_stay_closed_are_told_and_looked_at() -> None:
    for magic, why in (
        (b"7z\xbc\xaf\x27\x1c\0\4", Why.UNSUPPORTED),
        (b"Rar!\x1a\x07\1\0", Why.UNSUPPORTED),
        (b"Salted__12345678", Why.ENCRYPTED),
    ):
        looked = look(magic + TEXT)
        assert looked.told() == {"": why}
        assert TEXT in looked.plain[""]


def reads(read: object, *, seeks: bool = False, raw: str = "opaque") -> list[Known]:
    """A table with one format, which knows what begins with ``TEST``."""

    class Line(Known):
        def load(self) -> Format:
            if isinstance(read, errors.MissingExtra):
                raise read
            return Format("test", lambda head, _name: head.startswith(b"TEST"), read, seeks, raw)  # type: ignore[arg-type]

    return [Line("test", "none", lambda head, _name: head.startswith(b"TEST"))]


def pieces_of(content: bytes, formats: list[Known], account: Account, *, pipe: bool = False) -> bytes:
    """The plain bytes of the stream itself."""
    file: BinaryIO = Pipe(content) if pipe else io.BytesIO(content)
    pieces = list(unwrap(file, Place("s"), size=len(content), limits=Limits(), account=account, formats=formats))
    return b"".join(
        bytes(one.data[one.overlap :]) for one in pieces if isinstance(one, Blob) and not one.opaque and one.place == Place("s")
    )


@pytest.mark.parametrize("seeks", [False, True])
@pytest.mark.parametrize("fault", [KeyError("maya"), RecursionError(), MemoryError(), OSError(5, "io"), StopIteration()])
def test_a_reader_that_fails_unforeseen_costs_its_place_only(fault: Exception, *, seeks: bool) -> None:
    def read(opened: Opened) -> Reading:
        yield Nested(opened.place.inside("one"), io.BytesIO(b"one"))
        raise fault

    account = Account()
    plain = pieces_of(b"TEST" + TEXT, reads(read, seeks=seeks), account, pipe=True)
    assert plain == b"TEST" + TEXT
    assert [(one.place, one.why, one.note) for one in account.unread] == [(Place("s"), Why.BROKEN, "")]


def test_a_missing_library_is_told_and_the_bytes_are_looked_at() -> None:
    account = Account()
    assert pieces_of(b"TEST" + TEXT, reads(errors.MissingExtra("test needs expunge[hunt]")), account) == b"TEST" + TEXT
    assert [(one.why, one.note) for one in account.unread] == [(Why.EXTRA, "test needs expunge[hunt]")]


def test_a_store_that_fails_while_it_is_read_is_told_at_the_outermost_place() -> None:
    class Gone(io.BytesIO):
        def readinto(self, into: object) -> int:
            if self.tell() >= BLOCK:
                raise errors.Conflict("changed")
            return super().readinto(into)  # type: ignore[arg-type]

        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= BLOCK:
                raise errors.Conflict("changed")
            return super().read(size)

    account = Account()
    content = archive({"a.bin": b"text " * (4 * BLOCK // 5)})
    list(unwrap(Gone(content), Place("s", "a.tar"), size=len(content), limits=Limits(), account=account))
    assert [(one.place, one.why) for one in account.unread] == [(Place("s", "a.tar"), Why.GONE)]


def test_a_reader_that_reads_on_without_giving_anything_keeps_memory_small() -> None:
    def read(opened: Opened) -> Reading:
        while opened.file.read(BLOCK):
            pass
        yield from ()

    account = Account()
    content = b"TEST" + b"some text " * (5 << 20)
    limits = Limits(spool=8 << 20)
    seen = 0
    for piece in unwrap(Pipe(content), Place("s"), size=None, limits=limits, account=account, formats=reads(read, raw="plain")):
        if isinstance(piece, Blob):
            assert piece.offset + piece.overlap == seen
            seen += len(piece.data) - piece.overlap
    assert seen == len(content)


def test_tables_end_when_the_next_begins() -> None:
    import numpy as np

    from expunge.hunt.pieces import Rows

    column = Texts(np.frombuffer(b"a", dtype=np.uint8), np.array([0, 1], dtype=np.int64))

    def read(opened: Opened) -> Iterator[Rows]:
        for table in ("one", "one", "two"):
            yield Rows(opened.place.of(table), {"text": column}, 1)

    account = Account()
    pieces = list(unwrap(io.BytesIO(b"TEST"), Place("s"), size=4, limits=Limits(), account=account, formats=reads(read)))
    shown = [("end " if isinstance(one, Ended) else "") + (one.place.table or type(one).__name__) for one in pieces]
    assert shown == ["one", "one", "end one", "two", "Blob", "end two", "end Ended"]
    assert account.rows == 3


def test_every_line_of_the_table_has_its_reader() -> None:
    for known in FORMATS:
        assert known.load().name == known.name


def test_recordings_are_handed_over_with_their_bytes() -> None:
    wave = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0" + b"\1\2" * 50
    looked = look(gzip.compress(archive({"clip": wave})), pipe=True)
    assert looked.media == {"gzip!clip": ("audio", wave)}
    assert looked.plain["gzip!clip"] == wave  # names and places stand in recordings too


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image"),
        (b"GIF89a" + b"\0" * 20, "image"),
        (b"GIF89a" + b"\0" * 20 + b"NETSCAPE2.0", "video"),
        (b"OggS\0\x02" + b"\0" * 22 + b"OpusHead", "audio"),
        (b"fLaC\0\0\0\x22", "audio"),
        (b"ID3\x04\0\0\0\0\0\0", "audio"),
        (b"\0\0\0\x20ftypisom\0\0\2\0", "video"),
        (b"\0\0\0\x20ftypM4A \0\0\2\0", "audio"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f", "video"),
        (b"RIFF\0\0\0\0AVI LIST", "video"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image"),
        ((b"\x47" + b"\0" * 187) * 4, "video"),
        ((b"\xff\xfb\x90\0" + b"\0" * 413) * 3, "audio"),
        (b"BM" + b"\1\0\0\0" + b"\0" * 4 + b"\x36\0\0\0\x28\0\0\0" + b"\0" * 40, "image"),
    ],
)
def test_recordings_and_pictures_are_told_apart(head: bytes, kind: str) -> None:
    assert [found for found, _ in look(head).media.values()] == [kind]
