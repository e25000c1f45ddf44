"""SQLite: the laws in every journal mode and without a key, and what is particular to its files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.errors import Drift, PolicyInvalid, Refused, Unavailable, UnknownStore
from expunge.stores.base import Counter, Reader, Store
from expunge.stores.registry import open_store
from expunge.stores.sql_times import EPOCH, instant, number_ranges
from expunge.terms import Field, FieldType, ForeignKey, Method, Selector, Shape, Span, Step, Value
from expunge.testing.conformance import Harness, Row, StoreLaws

MARKER = "qzv7k2mw94xj-leftover-p3t8r5hd61yc"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def opened(path: Path, **options: object) -> Store:
    return open_store("sql", "app", {"url": f"sqlite:///{path}", "lock_timeout": 0.05, "batch": 20, **options}, ())


class FileHarness(Harness):
    """A file with a write-ahead log. Out of reach means renamed, and locked for those who have it open."""

    bulk = 700
    columns = "id INTEGER PRIMARY KEY, owner TEXT, number INTEGER, body TEXT, at TIMESTAMP"
    journal = "wal"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notes.db"
        with self.session() as session:
            session.execute(f"PRAGMA journal_mode = {self.journal}")
            session.execute(f"CREATE TABLE notes ({self.columns})")
            session.execute("CREATE INDEX notes_owner ON notes (owner)")

    @contextmanager
    def session(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as session:
            yield session

    def open(self) -> Store:
        return opened(self.path)

    def stored(self, at: datetime) -> object:
        return at.strftime("%Y-%m-%d %H:%M:%S.%f")

    def seed(self, rows: Iterable[Row]) -> None:
        with self.session() as session:
            session.execute("BEGIN")
            session.execute("DELETE FROM notes")
            values = ((row.id, row.owner, row.number, row.body, self.stored(row.at)) for row in rows)
            session.executemany("INSERT INTO notes VALUES (?, ?, ?, ?, ?)", values)
            session.execute("COMMIT")

    def dump(self) -> list[Row]:
        with self.session() as session:
            rows = session.execute("SELECT id, owner, number, body, at FROM notes").fetchall()
        return [Row(int(row[0]), *row[1:4], at=self.moment(row[4])) for row in rows]

    def moment(self, stored: object) -> datetime:
        return datetime.fromisoformat(str(stored)).replace(tzinfo=UTC)

    def raw(self) -> Iterator[tuple[str, bytes]]:
        for path in self.path.parent.iterdir():
            yield path.name, path.read_bytes()

    @contextmanager
    def outage(self) -> Iterator[None]:
        away = self.path.with_name("away.db")
        with self.session() as session:
            session.execute("BEGIN IMMEDIATE")
            self.path.rename(away)
            try:
                yield
            finally:
                away.rename(self.path)
                session.execute("ROLLBACK")

    @contextmanager
    def drift(self) -> Iterator[None]:
        with self.session() as session:
            session.execute("ALTER TABLE notes RENAME COLUMN owner TO possessor")
        yield
        with self.session() as session:
            session.execute("ALTER TABLE notes RENAME COLUMN possessor TO owner")


class KeylessHarness(FileHarness):
    """No primary key, no index, times as seconds."""

    columns = "id INTEGER, owner TEXT, number INTEGER, body TEXT, at TIMESTAMP"
    bulk = 1_700
    examples = 10

    def stored(self, at: datetime) -> object:
        return at.timestamp()

    def moment(self, stored: object) -> datetime:
        return EPOCH + timedelta(seconds=float(str(stored)))


class FoldingHarness(FileHarness):
    """Columns whose own comparison folds case and blanks, and a journal that stays."""

    columns = "id TEXT PRIMARY KEY COLLATE NOCASE, owner TEXT COLLATE NOCASE, number, body VARCHAR COLLATE RTRIM, at DATETIME"
    journal = "persist"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


class TestLawsInRollbackMode(StoreLaws):
    @pytest.fixture
    def harness(self, sqlite_harness: Harness) -> Harness:
        return sqlite_harness


class TestLawsWithLog(StoreLaws):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return FileHarness(tmp_path)


class TestLawsWithoutKey(StoreLaws):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return KeylessHarness(tmp_path)


class TestLawsWithFoldingColumns(StoreLaws):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return FoldingHarness(tmp_path)
