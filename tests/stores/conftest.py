"""Media that several tests of the kit itself stand on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from expunge.stores.base import Store
from expunge.stores.registry import open_store
from expunge.terms import Field, FieldType, Shape
from expunge.testing.harness import Harness, Row
from expunge.testing.memory import Content, Medium, MemoryStore

RENAMED = {"id": "id", "owner": "who", "number": "number", "body": "said", "at": "at"}
TYPES = {
    "id": FieldType.INTEGER,
    "owner": FieldType.TEXT,
    "number": FieldType.INTEGER,
    "body": FieldType.TEXT,
    "at": FieldType.TIME,
}


class MemoryHarness(Harness):
    """The in-memory store's medium; two fields have another name than the population's, so that the laws prove to map them."""

    fields: Mapping[str, str] = RENAMED
    bulk = 330

    def __init__(self) -> None:
        self.shape = Shape("notes", tuple(Field(RENAMED[name], kind) for name, kind in TYPES.items()), primary_key=("id",))
        self.medium = Medium([self.shape])

    def open(self) -> Store:
        return MemoryStore(self.medium)

    def seed(self, rows: Iterable[Row]) -> None:
        self.medium.clear("notes")
        self.medium.put("notes", ({RENAMED[name]: getattr(row, name) for name in RENAMED} for row in rows))

    def dump(self) -> list[Row]:
        return [_row(record) for record in self.medium.dump("notes")]

    def raw(self) -> Iterator[tuple[str, bytes]]:
        return self.medium.raw()

    def bury(self, rows: Iterable[Row]) -> bool:
        self.medium.old["notes"] += [{RENAMED[name]: getattr(row, name) for name in RENAMED} for row in rows]
        return True

    def outage(self) -> AbstractContextManager[None]:
        return self.medium.outage()

    @contextmanager
    def drift(self) -> Iterator[None]:
        fields = tuple(field for field in self.shape.fields if field.name != "who")
        self.medium.shapes["notes"] = Shape("notes", fields, primary_key=("id",))
        yield
        self.medium.shapes["notes"] = self.shape


def _row(record: Content) -> Row:
    return Row(
        id=cast("int", record["id"]),
        owner=cast("str | None", record["who"]),
        number=cast("int | None", record["number"]),
        body=cast("str | None", record["said"]),
        at=cast("datetime", record["at"]),
    )


class SqliteHarness(Harness):
    """An SQLite file. Without a write-ahead log one exclusive lock keeps everybody out; with one, an application keeps it open."""

    bulk = 11_000
    table = "CREATE TABLE notes (id INTEGER PRIMARY KEY, owner TEXT, number INTEGER, body TEXT, at TIMESTAMP)"

    def __init__(self, folder: Path, journal: str) -> None:
        self.path = folder / journal / "notes.db"
        self.path.parent.mkdir()
        self.application = sqlite3.connect(self.path)
        self.application.execute(f"PRAGMA journal_mode={journal}").fetchall()
        with self.session() as session:
            session.execute(self.table)
            session.execute("CREATE INDEX notes_owner ON notes (owner)")
        self.application.execute("SELECT count(*) FROM notes").fetchall()  # it takes part: the log outlives other connections

    @contextmanager
    def session(self) -> Iterator[sqlite3.Connection]:
        session = sqlite3.connect(self.path)
        with session:
            yield session
        session.close()

    def open(self) -> Store:
        return open_store("sql", "app", {"url": f"sqlite:///{self.path}", "lock_timeout": 0.05}, ())

    def seed(self, rows: Iterable[Row]) -> None:
        with self.session() as session:
            session.execute("DELETE FROM notes")
            session.executemany("INSERT INTO notes VALUES (?, ?, ?, ?, ?)", map(_values, rows))

    def bury(self, rows: Iterable[Row]) -> bool:
        with self.session() as session:
            session.execute("PRAGMA secure_delete = OFF")
            ids = [(row.id,) for row in rows]
            session.executemany("INSERT INTO notes VALUES (?, ?, ?, ?, ?)", map(_values, rows))
            session.commit()
            session.executemany("DELETE FROM notes WHERE id = ?", ids)
        return True

    def dump(self) -> list[Row]:
        with self.session() as session:
            rows = session.execute("SELECT id, owner, number, body, at FROM notes").fetchall()
        return [Row(number, owner, count, body, datetime.fromisoformat(at).replace(tzinfo=UTC)) for number, owner, count, body, at in rows]

    def raw(self) -> Iterator[tuple[str, bytes]]:
        for path in self.path.parent.iterdir():
            yield path.name, path.read_bytes()

    @contextmanager
    def outage(self) -> Iterator[None]:
        session = sqlite3.connect(self.path, isolation_level=None)
        session.execute("BEGIN EXCLUSIVE")
        yield
        session.execute("ROLLBACK")
        session.close()

    @contextmanager
    def drift(self) -> Iterator[None]:
        with self.session() as session:
            session.execute("ALTER TABLE notes RENAME COLUMN owner TO possessor")
        yield
        with self.session() as session:
            session.execute("ALTER TABLE notes RENAME COLUMN possessor TO owner")

    def close(self) -> None:
        self.application.close()


def _values(row: Row) -> tuple[object, ...]:
    return row.id, row.owner, row.number, row.body, row.at.strftime("%Y-%m-%d %H:%M:%S.%f")


@pytest.fixture
def sqlite_harness(tmp_path: Path) -> Iterator[SqliteHarness]:
    """An empty table in an SQLite file."""
    with closing(SqliteHarness(tmp_path, "DELETE")) as harness:
        yield harness


@pytest.fixture
def sqlite_wal_harness(tmp_path: Path) -> Iterator[SqliteHarness]:
    """The same with a write-ahead log, in which history stays."""
    with closing(SqliteHarness(tmp_path, "WAL")) as harness:
        yield harness


@pytest.fixture
def memory_harness() -> MemoryHarness:
    """An empty medium in memory."""
    return MemoryHarness()
