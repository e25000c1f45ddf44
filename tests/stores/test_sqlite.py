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


def run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as session:
        for statement in statements:
            session.execute(statement)


def ask(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as session:
        return session.execute(statement).fetchall()


def locate(store: Store, selector: Selector) -> tuple[str, ...]:
    return tuple(address for batch in store.locate(selector) for address in batch.addresses)


def pick(collection: str, **values: object) -> Selector:
    return Selector(collection, {name: frozenset(held) if isinstance(held, set) else frozenset({held}) for name, held in values.items()})  # type: ignore[arg-type]  # a test's values


def erase(store: Store, selector: Selector, method: Method = Method.DELETE, **named: object) -> int:
    return sum(store.erase(Step(selector.collection, method, selector, locate(store, selector), **named)))  # type: ignore[arg-type]  # fields, repoint


def holding(path: Path, text: str = MARKER) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir() if text.encode() in one.read_bytes())


class TestShape:
    def test_describe_tells_types_constraints_and_keys(self, path: Path) -> None:
        run(
            path,
            "CREATE TABLE homes (id INTEGER PRIMARY KEY)",
            "CREATE TABLE people (a TEXT, b INT NOT NULL, home INTEGER REFERENCES homes (id) ON DELETE CASCADE, mail VARCHAR(9) UNIQUE,"
            " born DATE, seen DATETIME, on_ BOOLEAN, raw BLOB, size REAL, price DECIMAL(9, 2), more JSON, odd, said NVARCHAR(3)"
            " CHECK (length(said) > 1), PRIMARY KEY (a, b))",
            "CREATE TABLE notes (a TEXT, b INT, FOREIGN KEY (b, a) REFERENCES people (b, a))",
            "CREATE INDEX people_home ON people (home) WHERE home > 3",
            "CREATE VIEW seen AS SELECT * FROM people",
        )
        with closing(opened(path)) as store:
            shapes = {shape.name: shape for shape in store.describe()}
        assert list(shapes) == ["homes", "notes", "people"]
        assert shapes["homes"] == Shape("homes", (Field("id", FieldType.INTEGER, nullable=False, unique=True),), ("id",), about=0)
        people = shapes["people"]
        assert [field.type.value for field in people.fields] == (
            "text integer integer text date time boolean bytes real numeric json text text".split()
        )
        assert people.primary_key == ("a", "b")
        assert [field.name for field in people.fields if not field.nullable] == ["b"]
        assert [field.name for field in people.fields if field.checked] == ["said"]
        assert [field.name for field in people.fields if field.unique] == ["mail"]
        assert people.foreign_keys == (ForeignKey(("home",), "homes", ("id",), on_delete="cascade", indexed=False),)
        assert shapes["notes"].foreign_keys == (ForeignKey(("b", "a"), "people", ("b", "a"), indexed=False),)

    def test_describe_counts_about(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY)")
        with closing(sqlite3.connect(path)) as session:
            session.executemany("INSERT INTO a VALUES (?)", [(number,) for number in range(1, 1201)])
            session.commit()
        with closing(opened(path)) as store:
            assert store.describe()[0].about == 1200

    def test_full_text_indexes_hang_on_their_table(self, path: Path) -> None:
        run(
            path,
            "CREATE TABLE said (id INTEGER PRIMARY KEY, words TEXT)",
            "CREATE VIRTUAL TABLE said_words USING fts5(words, content='said', content_rowid='id')",
            "CREATE VIRTUAL TABLE old_words USING fts4(words, content=\"said\")",
            "CREATE VIRTUAL TABLE alone USING fts5(who UNINDEXED, words)",
            "CREATE VIRTUAL TABLE places USING rtree(id, low, high)",
        )
        with closing(opened(path)) as store:
            shapes = {shape.name: shape for shape in store.describe()}
        assert {name: shape.hangs_on for name, shape in shapes.items()} == {
            "said": None,
            "said_words": "said",
            "old_words": "said",
            "alone": None,
            "places": None,
        }
        assert [(field.name, field.type) for field in shapes["alone"].fields] == [("who", FieldType.TEXT), ("words", FieldType.TEXT)]

    def test_a_module_that_is_not_loaded_is_listed(self, path: Path) -> None:
        run(
            path,
            "CREATE TABLE plain (id INTEGER PRIMARY KEY)",
            "PRAGMA writable_schema = ON",
            "INSERT INTO sqlite_schema VALUES ('table', 'vectors', 'vectors', 0, 'CREATE VIRTUAL TABLE vectors USING vec0(id, v)')",
        )
        with closing(opened(path)) as store:
            assert [(shape.name, shape.fields == ()) for shape in store.describe()] == [("plain", False), ("vectors", True)]
            with pytest.raises(Drift):
                store.verify(pick("vectors", id=1))


class TestFullText:
    """Words of a person stay in an index until it is rebuilt, whoever maintains it."""

    TABLE = ("CREATE TABLE said (id INTEGER PRIMARY KEY, owner TEXT, words TEXT)",)
    INDEX = "CREATE VIRTUAL TABLE said_words USING fts5(words, content='said', content_rowid='id')"
    TRIGGERS = (
        "CREATE TRIGGER said_ad AFTER DELETE ON said BEGIN"
        " INSERT INTO said_words(said_words, rowid, words) VALUES ('delete', old.id, old.words); END",
        "CREATE TRIGGER said_au AFTER UPDATE ON said BEGIN"
        " INSERT INTO said_words(said_words, rowid, words) VALUES ('delete', old.id, old.words);"
        " INSERT INTO said_words(rowid, words) VALUES (new.id, new.words); END",
    )
    WORD = "zebrafishmarker"

    def fill(self, path: Path, index: str = INDEX, triggers: tuple[str, ...] = ()) -> None:
        run(path, *self.TABLE)
        with closing(sqlite3.connect(path)) as session:
            words = [(number, f"u{number % 3}", f"{self.WORD} {number}" if number % 3 == 1 else f"hello {number}") for number in range(300)]
            session.executemany("INSERT INTO said VALUES (?, ?, ?)", words)
            session.commit()
        run(path, index, "INSERT INTO said_words(said_words) VALUES ('rebuild')", *triggers)

    @pytest.mark.parametrize("triggers", [(), TRIGGERS], ids=["without triggers", "with triggers"])
    @pytest.mark.parametrize("index", [INDEX, INDEX.replace("fts5", "fts4").replace(", content_rowid='id'", "")], ids=["fts5", "fts4"])
    @pytest.mark.parametrize("method", [Method.DELETE, Method.REDACT])
    def test_external_content(self, path: Path, index: str, triggers: tuple[str, ...], method: Method) -> None:
        if triggers and "fts4" in index:
            triggers = (
                "CREATE TRIGGER said_bd BEFORE DELETE ON said BEGIN DELETE FROM said_words WHERE docid = old.id; END",
                "CREATE TRIGGER said_bu BEFORE UPDATE ON said BEGIN DELETE FROM said_words WHERE docid = old.id; END",
            )
        self.fill(path, index, triggers)
        assert holding(path, self.WORD)
        with closing(opened(path)) as store:
            fields = {"fields": ("words",)} if method is Method.REDACT else {}
            assert erase(store, pick("said", owner="u1"), method, **fields) == 100
        with closing(opened(path)) as store:
            told = store.verify(pick("said", owner="u1"))
            assert told.history is None or told.history > 0
            assert "index" in told.note
            assert "full-text rebuild" in store.reclaim(pick("said", owner="u1")).how
        assert holding(path, self.WORD) == []
        assert ask(path, "SELECT count(*) FROM said_words WHERE said_words MATCH 'hello'") == [(200,)]
        assert ask(path, f"SELECT count(*) FROM said_words WHERE said_words MATCH '{self.WORD}'") == [(0,)]
        with closing(opened(path)) as store:
            assert store.verify(pick("said", owner="u1")).history == 0

    def test_standalone(self, path: Path) -> None:
        run(path, "CREATE VIRTUAL TABLE words USING fts5(owner UNINDEXED, said)")
        with closing(sqlite3.connect(path)) as session:
            for number in range(300):
                session.execute("INSERT INTO words VALUES (?, ?)", (f"u{number % 3}", f"{self.WORD if number % 3 == 1 else 'hello'} {number}"))
                session.commit()
        with closing(opened(path)) as store:
            assert store.verify(pick("words", owner="u1")).live == 100
            assert erase(store, pick("words", owner="u1")) == 100
        with closing(opened(path)) as store:
            told = store.verify(pick("words", owner="u1"))
            assert told.live == 0
            assert told.history
            store.reclaim(pick("words", owner="u1"))
        assert holding(path, self.WORD) == []
        assert ask(path, "SELECT count(*) FROM words WHERE words MATCH 'hello'") == [(200,)]

    def test_an_index_is_erased_with_its_table(self, path: Path) -> None:
        self.fill(path)
        with closing(opened(path)) as store, pytest.raises(Refused, match="said"):
            erase(store, Selector("said_words", {"words": frozenset({f"{self.WORD} 1"})}))
