"""Whatever lies in an SQLite file comes out of a scan once, and its deleted rows with the bytes of its pages."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.errors import Conflict, Drift, PolicyInvalid, StoreError, Unavailable
from expunge.hunt.pieces import Why
from expunge.stores import scan_sql, scan_sqlite
from expunge.stores.base import Scan
from expunge.stores.scan_registry import open_scan
from expunge.stores.scan_sql import quoted
from tests.stores.scan.reading import NAMES, TEXTS, Row, readable, row, rows_of, streams, tables, unread

VALUES = st.none() | TEXTS | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=30) | st.floats(allow_nan=False)
UNIQUE = NAMES.filter(lambda name: name not in ("T", "t"))  # SQLite folds the case of names


COLUMNS = st.lists(UNIQUE, min_size=1, max_size=3, unique=True)
ESTATES = st.dictionaries(UNIQUE, st.tuples(st.booleans(), COLUMNS, st.lists(st.lists(VALUES, min_size=3, max_size=3))))
LAW = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def made(path: Path, script: str) -> Scan:
    with closing(sqlite3.connect(path)) as session:
        session.executescript(script)
    return open_scan(f"sqlite:///{path}")


def ours(found: dict[str, Counter[Row]]) -> dict[str, Counter[Row]]:
    return {name: rows for name, rows in found.items() if not name.startswith("sqlite_")}


def planted_comes_out_once(tmp_path: Path, estate: Any, journal: str) -> None:
    path = tmp_path / "an estate.db"
    path.unlink(missing_ok=True)
    expected = {}
    with closing(sqlite3.connect(path)) as session:
        session.execute(f"PRAGMA journal_mode = {journal}")
        for table, (keyed, columns, rows) in estate.items():
            declared = ", ".join(["t INTEGER PRIMARY KEY" if keyed else "t", *map(quoted, columns)])
            session.execute(f"CREATE TABLE {quoted(table)} ({declared})")
            kept = [[at - 2, *values[: len(columns)]] for at, values in enumerate(rows)]
            session.executemany(f"INSERT INTO {quoted(table)} VALUES ({', '.join('?' * (len(columns) + 1))})", kept)
            expected[table] = Counter(
                row(str(values[0] if keyed else at + 1), dict(zip(("t", *columns), values, strict=True))) for at, values in enumerate(kept)
            )
        session.commit()
        with closing(open_scan(f"sqlite:///{path}")) as scan:  # an application has it open
            assert ours(tables(scan)) == expected


@settings(LAW, max_examples=25)
@given(estate=ESTATES, journal=st.sampled_from(["wal", "delete"]))
def test_everything_planted_comes_out_once(tmp_path: Path, estate: Any, journal: str) -> None:
    planted_comes_out_once(tmp_path, estate, journal)


@pytest.mark.slow
@settings(LAW, max_examples=300)
@given(estate=ESTATES, journal=st.sampled_from(["wal", "delete"]))
def test_everything_planted_comes_out_once_many_times(tmp_path: Path, estate: Any, journal: str) -> None:
    planted_comes_out_once(tmp_path, estate, journal)


def test_ranges_are_read_once_and_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_sql, "PART_BYTES", 16 << 10)
    monkeypatch.setattr(scan_sqlite, "LIMIT", 100)
    many = "WITH RECURSIVE n(i) AS (SELECT -5 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, 'row ' || i FROM n"
    scan = made(tmp_path / "x.db", f"CREATE TABLE t (id INTEGER PRIMARY KEY, a); {many}; INSERT INTO t VALUES ({2**63 - 1}, 'last')")
    parts = [part for part in readable(scan) if part.name == "t"]
    assert len(parts) > 3
    with closing(sqlite3.connect(tmp_path / "x.db")) as session, session:
        session.execute("INSERT INTO t VALUES (-100, 'before'), (7000, 'after')")
    assert rows_of(scan, parts)["t"].keys() == {
        row(str(number), {"id": number, "a": text})
        for number, text in [*((i, f"row {i}") for i in range(-5, 5001)), (2**63 - 1, "last"), (-100, "before"), (7000, "after")]
    }


def test_odd_tables(tmp_path: Path) -> None:
    scan = made(
        tmp_path / "x.db",
        """
        CREATE TABLE keyed (a TEXT, b INT, c, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO keyed VALUES ('x', 1, 'y');
        CREATE TABLE taken (rowid TEXT, oid TEXT, _rowid_ TEXT); INSERT INTO taken VALUES ('x', 'y', 'z');
        CREATE TABLE made (a, b GENERATED ALWAYS AS (upper(a)) VIRTUAL, c AS (a || '!') STORED); INSERT INTO made VALUES ('x');
        CREATE TABLE bad (t TEXT); INSERT INTO bad VALUES (CAST(x'ff41' AS TEXT)), ('good');
        CREATE VIRTUAL TABLE words USING fts5(said); INSERT INTO words VALUES ('play some jazz');
        CREATE VIRTUAL TABLE boxes USING rtree(id, low, high); INSERT INTO boxes VALUES (1, 2, 3);
        CREATE VIEW v AS SELECT a FROM keyed WHERE a <> 'ann@example.org';
        CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO counted DEFAULT VALUES;
        """,
    )
    found = tables(scan)
    assert [*found["keyed"]] == [row("x,1", {"a": "x", "b": 1, "c": "y"})]
    assert [*found["taken"]] == [row("0", {"rowid": "x", "oid": "y", "_rowid_": "z"})]
    assert [*found["made"]] == [row("1", {"a": "x", "b": "X", "c": "x!"})]
    assert [*found["bad"]] == [row("1", {"t": b"\xffA"}), row("2", {"t": "good"})]
    assert [*found["words_content"]] == [row("1", {"id": 1, "c0": "play some jazz"})]
    assert [*found["boxes"]] == [row("1", {"id": 1, "low": 2.0, "high": 3.0})]
    assert "ann@example.org" in repr(found["sqlite_schema"])
    assert "counted" in repr(found["sqlite_sequence"])
    assert "v" not in found
    assert "words" not in found
    assert not unread(scan)


def test_a_computed_column_that_cannot_be_computed_hides_no_row(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as session, session:
        session.create_function("theirs", 1, lambda value: value, deterministic=True)
        session.execute("CREATE TABLE t (a, b AS (theirs(a)))")
        session.execute("INSERT INTO t (a) VALUES ('x')")
    assert [*tables(open_scan(f"sqlite:///{path}"))["t"]] == [row("1", {"a": "x"})]


def test_a_virtual_table_of_others_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    made(path, "CREATE TABLE t (a)")
    with closing(sqlite3.connect(path)) as session, session:
        session.execute("PRAGMA writable_schema = ON")
        session.execute("INSERT INTO sqlite_schema VALUES ('table', 'far', 'far', 0, 'CREATE VIRTUAL TABLE far USING csvfile(''x'')')")
    assert unread(open_scan(f"sqlite:///{path}")) == {("far", "", Why.UNSUPPORTED)}


def test_deleted_rows_are_in_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    scan = made(path, "PRAGMA secure_delete = OFF; CREATE TABLE t (a); INSERT INTO t VALUES ('ann@example.org'); DELETE FROM t")
    (body,) = streams(scan).values()
    assert b"ann@example.org" in body
    assert body[16:] == path.read_bytes()[16:], "at the file's own offsets"
    assert body[:16] == bytes(16), "not known as a database, whose tables would be read again"
    with closing(sqlite3.connect(path)) as session, session:
        session.execute("PRAGMA journal_mode = wal")
        session.execute("INSERT INTO t VALUES ('bob@example.org')")
        session.commit()
        found = streams(scan)
        assert set(found) == {"x.db", "x.db-wal"}
        assert b"bob@example.org" in found["x.db-wal"]


def test_a_reader_that_thinks_stops_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_sqlite, "LIMIT", 10)
    path = tmp_path / "x.db"
    scan = made(path, "CREATE TABLE t (a); INSERT INTO t SELECT value FROM json_each('[" + ",".join(["1"] * 50) + "]')")
    reading = scan.rows(next(part for part in readable(scan) if part.name == "t"))
    next(reading)
    with closing(sqlite3.connect(path, timeout=0)) as session, session:
        session.execute("INSERT INTO t VALUES (2)")
    assert sum(len(batch.keys) for batch in reading) == 41


def test_what_went_since_is_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_sqlite, "LIMIT", 1)
    path = tmp_path / "x.db"
    scan = made(path, "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, 'y'); CREATE TABLE u (a)")
    parts = {part.name: part for part in readable(scan)}
    reading = scan.rows(parts["t"])
    next(reading)
    with closing(sqlite3.connect(path)) as session, session:
        session.execute("ALTER TABLE t DROP COLUMN b")  # SQLite would give the text "b" for every row
        session.execute("DROP TABLE u")
    for rows in (reading, scan.rows(parts["u"])):
        with pytest.raises(Conflict):
            next(rows)


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid):
        open_scan("sqlite://")
    with pytest.raises(Drift):
        list(open_scan(f"sqlite:///{tmp_path}/missing.db").parts())
    (tmp_path / "text.db").write_text("no database " * 500)
    with pytest.raises(Drift):
        list(open_scan(f"sqlite:///{tmp_path}/text.db").parts())
    path = tmp_path / "x.db"
    scan = made(path, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    parts = readable(scan)
    with closing(sqlite3.connect(path, isolation_level=None)) as session:
        session.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable):
            list(open_scan(f"sqlite:///{path}", options={"lock_timeout": 0.01}).rows(parts[1]))
    damaged = bytearray(path.read_bytes())
    damaged[4096:4200] = b"\xff" * 104
    path.write_bytes(damaged)
    with pytest.raises(StoreError):
        list(scan.rows(parts[1]))
    path.unlink()
    with pytest.raises(Conflict):
        scan.stream(parts[-1])


def test_a_log_that_nobody_has_open_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_sqlite, "LIMIT", 1)
    path = tmp_path / "x.db"
    scan = made(path, "PRAGMA journal_mode = wal; CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
    assert [*tables(scan)["t"]] == [row("1", {"a": 1}), row("2", {"a": 2})]
    assert [one.name for one in tmp_path.iterdir()] == ["x.db"]
    reading = scan.rows(next(part for part in readable(scan) if part.name == "t"))
    next(reading)
    with closing(sqlite3.connect(path)) as session, session:
        session.execute("UPDATE t SET a = 3")
    with pytest.raises(Conflict):
        next(reading)


def test_nothing_of_the_schema_runs(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    scan = made(path, "CREATE TABLE t (a); CREATE VIEW v AS SELECT writefile('/tmp/evil', 'x'); INSERT INTO t VALUES (1)")
    before = path.read_bytes()
    tables(scan)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["x.db"]
