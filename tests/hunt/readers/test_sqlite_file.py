"""A SQLite file shows its rows and what was deleted from it; nothing in a schema is ever run."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.hunt.pieces import Place, Why
from expunge.hunt.readers.sqlite_left import Tables, rows_left
from expunge.hunt.reading import Limits
from tests.hunt.readers.structured import Read, format_of, read

LONG = "maya@example.org says " * 2000


def made(tmp_path: Path, *statements: str, fill: Callable[[sqlite3.Connection], None] | None = None) -> bytes:
    path = tmp_path / "made.db"
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        if fill is not None:
            fill(connection)
        connection.commit()
    content = path.read_bytes()
    path.unlink()
    return content


def heard(connection: sqlite3.Connection) -> None:
    connection.executemany(
        "INSERT INTO asr VALUES (?, ?, ?, ?)", [(at, f"text {at}", 0.5 * at, b"OggS" + bytes(100)) for at in range(3000)]
    )


ASR = "CREATE TABLE asr (profile_id INTEGER, text TEXT, score REAL, clip BLOB)"


@pytest.mark.parametrize("spool", [1 << 30, 1])
@pytest.mark.parametrize(
    "before", ["PRAGMA page_size=512", "PRAGMA encoding='UTF-16'", "PRAGMA journal_mode=WAL", "PRAGMA auto_vacuum=FULL"]
)
def test_every_row_comes_out(tmp_path: Path, spool: int, before: str) -> None:
    raw = made(tmp_path, before, ASR, fill=heard)
    assert format_of(raw) == "sqlite"
    got = read(raw, "sqlite", limits=Limits(spool=spool))
    assert not got.account.unread
    assert got.values("profile_id", "asr") == list(range(3000))
    assert got.values("text", "asr")[2999] == b"text 2999"
    assert got.values("score", "asr")[3] == 1.5
    assert next(rows for rows in got.rows if rows.place.table == "asr").key(0) == "1"
    assert got.nested["clip#1"].startswith(b"OggS")
    assert not list(tmp_path.iterdir())


def test_tables_of_every_kind(tmp_path: Path) -> None:
    raw = made(
        tmp_path,
        'CREATE TABLE "odd ""name" ("a ""b" TEXT, rowid TEXT)',
        """INSERT INTO "odd ""name" VALUES ('maya', 'seven')""",
        "CREATE TABLE flat (mail TEXT PRIMARY KEY, n) WITHOUT ROWID",
        "INSERT INTO flat VALUES ('zoe@example.org', 5), ('a@example.org', 'mixed'), ('b@example.org', NULL)",
        "CREATE TABLE made (a TEXT, upper_a TEXT AS (upper(a)) STORED, lower_a TEXT AS (lower(a)) VIRTUAL)",
        "INSERT INTO made (a) VALUES ('Erika')",
        "CREATE VIRTUAL TABLE search USING fts5(body)",
        "INSERT INTO search VALUES ('turn on the kitchen light')",
        "CREATE INDEX of_a ON made (a) WHERE a = 'quoted in an index'",
        "CREATE TABLE long (t TEXT)",
        f"INSERT INTO long VALUES ('{LONG}')",
        "CREATE TABLE empty (t TEXT)",
    )
    got = read(raw, "sqlite")
    assert not got.account.unread
    assert got.values('a "b', 'odd "name') == [b"maya"]
    assert got.values("mail", "flat") == [b"a@example.org", b"b@example.org", b"zoe@example.org"]
    assert got.values("n", "flat") == [b"mixed", b"", b"5"]
    assert got.values("upper_a", "made") == [b"ERIKA"]
    assert not got.values("lower_a", "made")
    assert b"turn on the kitchen light" in got.values("c0", "search_content")
    assert got.values("t", "long") == [LONG.encode()]
    assert b"quoted in an index" in got.everything()


def test_what_was_deleted_is_still_seen(tmp_path: Path) -> None:
    def then_delete(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.executemany("INSERT INTO asr VALUES (?, ?, 1, '')", [(at, f"spoken {at:05d} by maya") for at in range(3000)])
        connection.commit()
        connection.execute("DELETE FROM asr WHERE profile_id % 100 = 7")  # freed cells
        connection.execute("DELETE FROM asr WHERE profile_id > 2000")  # freed pages

    got = read(made(tmp_path, ASR, fill=then_delete), "sqlite")
    left = got.nested["unused"]
    assert b"spoken 02500 by maya" in left
    assert sum(f"oken {at:05d} by maya".encode() in left for at in range(7, 2000, 100)) >= 18
    assert sum(f"spoken {at:05d} by maya".encode() in left for at in range(2000) if at % 100 != 7) < 200  # pages that were split
    assert b"spoken 02500 by maya" not in got.values("text", "asr")


def rewritten(raw: bytes, old: str, new: str) -> bytes:
    assert len(old) == len(new)
    assert old.encode() in raw
    return raw.replace(old.encode(), new.encode())


def test_a_hostile_schema_runs_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    raw = made(
        tmp_path,
        "CREATE TABLE t (a TEXT, b TEXT AS (a || 'x') STORED)",
        "INSERT INTO t (a) VALUES ('maya')",
        "CREATE VIEW v AS SELECT load_extension('x'), writefile('canary', 'x') FROM t",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT load_extension('x'); END",
        "CREATE TABLE other (a TEXT)",
    )
    got = read(rewritten(raw, "CREATE TABLE other (a TEXT)", "CREATE VIEW  other AS SELECT"[:27]), "sqlite")
    assert b"maya" in got.everything()
    assert not canary.exists()
    swapped = rewritten(
        raw, "CREATE TABLE t (a TEXT, b TEXT AS (a || 'x') STORED)", "CREATE TABLE t (a TEXT, b TEXT AS (a || randomblob(9)))"[:52]
    )
    assert b"maya" in read(swapped, "sqlite").everything()


def damaged(raw: bytes, page: int, content: bytes) -> bytes:
    return raw[: (page - 1) * 4096] + content.ljust(4096, b"\xff")[:4096] + raw[page * 4096 :]


def test_one_bad_page_hides_only_itself(tmp_path: Path) -> None:
    raw = made(tmp_path, ASR, fill=heard)
    got = read(damaged(raw, 20, b"\xff" * 4096), "sqlite")
    assert [(one.place.table, one.why) for one in got.account.unread] == [("asr", Why.BROKEN)]
    assert 2800 < len(set(got.values("profile_id", "asr"))) < 3000


def test_a_cut_file_is_told_and_looked_at_as_bytes(tmp_path: Path) -> None:
    raw = made(tmp_path, ASR, fill=heard)
    for cut in (len(raw) // 2, 4096, 1000, 60):
        got = read(raw[:cut], "sqlite")
        assert Why.BROKEN in got.why()
        assert got.nested
    assert b"text 2" in read(raw[: len(raw) // 2], "sqlite").everything()


def test_pages_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    raw = bytearray(made(tmp_path, ASR, fill=heard))
    root = struct.unpack_from(">B", raw, 4096)[0]
    assert root == 5  # an interior page
    cells = struct.unpack_from(">H", raw, 4096 + 3)[0]
    for at in range(cells):
        (pointer,) = struct.unpack_from(">H", raw, 4096 + 12 + 2 * at)
        struct.pack_into(">I", raw, 4096 + pointer, 2)  # every child is the root again
    got = read(bytes(raw), "sqlite")
    assert Why.BROKEN in got.why()


def test_children_that_are_all_the_same_page_are_bounded(tmp_path: Path) -> None:
    raw = bytearray(made(tmp_path, ASR, fill=heard))
    cells = struct.unpack_from(">H", raw, 4096 + 3)[0]
    for at in range(cells):
        (pointer,) = struct.unpack_from(">H", raw, 4096 + 12 + 2 * at)
        struct.pack_into(">I", raw, 4096 + pointer, 3)
    got = read(bytes(raw), "sqlite", limits=Limits(expansion=1, expansion_free=10_000))
    assert got.why()[0] in (Why.TOO_LARGE, Why.BROKEN)


def test_a_long_value_whose_chain_is_a_circle_ends(tmp_path: Path) -> None:
    raw = bytearray(made(tmp_path, "CREATE TABLE long (t TEXT)", f"INSERT INTO long VALUES ('{LONG}')"))
    for page in range(3, len(raw) // 4096 + 1):
        struct.pack_into(">I", raw, (page - 1) * 4096, 3)
    got: Read = read(bytes(raw), "sqlite")
    assert b"maya@example.org" in got.everything()


def test_a_log_is_known(tmp_path: Path) -> None:
    path = tmp_path / "live.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(ASR)
        log = Path(f"{path}-wal").read_bytes()
    assert format_of(log) == "sqlite-wal"


@pytest.mark.parametrize("left", ["DELETE FROM asr", "DROP TABLE asr"])
@pytest.mark.parametrize("size", [512, 4096])
def test_rows_on_pages_that_were_given_up_come_by_name(tmp_path: Path, left: str, size: int) -> None:
    keys = [4_711_000 + at for at in range(3000)]

    def filled(connection: sqlite3.Connection) -> None:
        connection.executemany("INSERT INTO asr VALUES (?, ?, ?, ?)", [(key, f"text {key}", key / 4, None) for key in keys])
        connection.commit()
        connection.execute(left)

    raw = made(tmp_path, f"PRAGMA page_size={size}", "PRAGMA secure_delete=OFF", "CREATE TABLE other (x INTEGER)", ASR, fill=filled)
    got = read(raw, "sqlite")
    found = {one for one in got.values("profile_id", "asr") if one is not None}
    assert found <= set(keys)
    assert len(found) > len(keys) * 0.9  # trunks of the free list have written over some
    assert {one for one in got.values("score", "asr") if one is not None} <= {key / 4 for key in keys}
    assert not got.account.unread


@pytest.mark.parametrize("mode", ["WAL", "PERSIST"])
def test_rows_in_a_log_come_by_name(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "made.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("CREATE TABLE asr (clip_id INTEGER PRIMARY KEY, profile_id INTEGER, text TEXT)")
        connection.executemany("INSERT INTO asr VALUES (?, ?, ?)", [(at, 4_711_000 + at, f"text {at}") for at in range(500)])
        connection.commit()
        connection.execute("UPDATE asr SET profile_id = 0")
        connection.commit()
        raw = Path(f"{path}-{'wal' if mode == 'WAL' else 'journal'}").read_bytes()
    if mode == "PERSIST":
        raw = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + raw[8:]  # a journal that was needed no more has its magic overwritten, not its pages
        sector = next(one for one in (512, 4096) if any(raw[one : one + 4]))
        raw = raw[:20] + struct.pack(">II", sector, 4096) + raw[28:]
    got = read(raw, "sqlite-wal" if mode == "WAL" else "sqlite-journal")
    assert set(got.values("profile_id", "asr")) >= {4_711_000 + at for at in range(500)}
    assert set(got.values("clip_id", "asr")) >= set(range(500))


def test_of_two_tables_of_one_width_none_is_guessed(tmp_path: Path) -> None:
    def emptied(connection: sqlite3.Connection) -> None:
        heard(connection)
        connection.execute("DELETE FROM asr")

    lamps = "CREATE TABLE lamps (lamp_id INTEGER, name TEXT, watts REAL, picture BLOB)"
    raw = made(tmp_path, "PRAGMA secure_delete=OFF", ASR, lamps, fill=emptied)
    assert not read(raw, "sqlite").values("profile_id", "asr")


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_any_page_is_read_without_harm(data: st.DataObject) -> None:
    page = bytearray(b"\x0d" + data.draw(st.binary(min_size=200, max_size=600)))
    page += bytes(max(0, 512 - len(page)))
    tables = Tables({"a": ["x"], "b": ["x", "y"], "c": ["x", "y", "z"]})
    for rows in rows_left(Place("share", "x"), [bytes(page)], tables):
        assert rows.rows == len(rows.keys or ())
