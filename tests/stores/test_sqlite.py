"""SQLite: the laws in every journal mode and without a key, its shape, addresses and faults."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from expunge.errors import Drift, PolicyInvalid, Refused, Unavailable, UnknownStore
from expunge.stores.base import Counter, Reader, Store
from expunge.stores.registry import open_store
from expunge.stores.sql_times import EPOCH
from expunge.terms import Field, FieldType, ForeignKey, Method, Selector, Shape, Step
from expunge.testing.conformance import Harness, Row, StoreLaws
from tests.stores.database_sqlite import ask, holding, opened, run
from tests.stores.databases import MARKER, erase, locate, pick


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

    def bury(self, rows: Iterable[Row]) -> bool:
        rows = list(rows)
        with self.session() as session:
            session.execute("PRAGMA secure_delete = OFF")
            session.executemany(
                "INSERT INTO notes VALUES (?, ?, ?, ?, ?)",
                [(row.id, row.owner, row.number, row.body, self.stored(row.at)) for row in rows],
            )
            session.executemany("DELETE FROM notes WHERE id = ?", [(row.id,) for row in rows])
        return True

    def dump(self) -> list[Row]:
        with self.session() as session:
            rows = session.execute("SELECT id, owner, number, body, at FROM notes").fetchall()
        return [Row(int(row[0]), row[1], row[2], row[3], self.moment(row[4])) for row in rows]

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
        assert " ".join(field.type for field in people.fields) == (
            "text integer integer text date time boolean bytes real numeric json text text"
        )
        assert people.primary_key == ("a", "b")
        assert [field.name for field in people.fields if not field.nullable] == ["b"]
        assert [field.name for field in people.fields if field.checked] == ["said"]
        assert [field.name for field in people.fields if field.unique] == ["mail"]
        assert people.foreign_keys == (ForeignKey(("home",), "homes", ("id",), on_delete="cascade", indexed=False),)
        assert shapes["notes"].foreign_keys == (ForeignKey(("b", "a"), "people", ("b", "a"), indexed=False),)

    def test_a_reference_in_another_case_is_seen(self, path: Path) -> None:
        run(
            path,
            'CREATE TABLE Users (Id INTEGER PRIMARY KEY, "Ärger" TEXT, UNIQUE (Id, "Ärger"))',
            "CREATE TABLE a (u INTEGER REFERENCES uSERS (iD) ON DELETE SET NULL)",
            "CREATE TABLE b (u INTEGER REFERENCES USERS ON DELETE CASCADE)",
            'CREATE TABLE c (u INTEGER, w TEXT, FOREIGN KEY (U, W) REFERENCES "users" (ID, "Ärger"))',
            "CREATE TABLE d (u INTEGER REFERENCES elsewhere (Id))",
            'CREATE TABLE e (w TEXT REFERENCES users ("ärger"))',
            "CREATE VIRTUAL TABLE words USING fts5(w, content=USERS)",
        )
        with closing(opened(path)) as store:
            shapes = {shape.name: shape for shape in store.describe()}
        keys = {name: shape.foreign_keys for name, shape in shapes.items()}
        assert keys["a"] == (ForeignKey(("u",), "Users", ("Id",), on_delete="set null", indexed=False),)
        assert keys["b"] == (ForeignKey(("u",), "Users", ("Id",), on_delete="cascade", indexed=False),)
        assert keys["c"] == (ForeignKey(("u", "w"), "Users", ("Id", "Ärger"), indexed=False),)
        assert keys["d"] == (ForeignKey(("u",), "elsewhere", ("Id",), indexed=False),)
        assert keys["e"] == (ForeignKey(("w",), "Users", ("ärger",), indexed=False),), "only ASCII letters are folded"
        assert shapes["words"].hangs_on == "Users"

    def test_what_triggers_speak_of(self, path: Path) -> None:
        run(
            path,
            "CREATE TABLE Notes (id INTEGER PRIMARY KEY, t TEXT)",
            "CREATE TABLE archive (t TEXT)",
            'CREATE TABLE "old notes" (t TEXT)',
            "CREATE TABLE quiet (t TEXT)",
            "CREATE TRIGGER a AFTER DELETE ON NOTES BEGIN INSERT INTO ARCHIVE VALUES (old.t); END",
            'CREATE TRIGGER b AFTER UPDATE ON Notes BEGIN INSERT INTO "old notes" VALUES (old.t); END',
        )
        with closing(opened(path)) as store:
            assert {shape.name: shape.feeds for shape in store.describe() if shape.feeds} == {"Notes": ("archive", "old notes")}

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
            'CREATE VIRTUAL TABLE old_words USING fts4(words, content="said")',
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


class TestAddresses:
    def test_composite_keys_of_every_class(self, path: Path) -> None:
        run(path, 'CREATE TABLE "Order" ("select" TEXT, b BLOB, c REAL, "group" TEXT, PRIMARY KEY ("select", b, c)) WITHOUT ROWID')
        with closing(sqlite3.connect(path)) as session:
            rows = [(f"x'{number}", bytes([number, 0, 255]), number / 7, "u1" if number % 2 else "u2") for number in range(100)]
            session.executemany('INSERT INTO "Order" VALUES (?, ?, ?, ?)', rows)
            session.commit()
        with closing(opened(path, batch=1)) as store:
            places = locate(store, pick("Order", group="u1"))
            assert len(places) == 50
            assert isinstance(store, Reader)
            first = next(iter(store.read("Order", places[:1])))
            assert first.fields == {"select": "x'1", "b": "AQD/", "c": 1 / 7, "group": "u1"}
            assert list(store.erase(Step("Order", Method.DELETE, pick("Order", group="u1"), places))) == [10] * 5
        assert ask(path, 'SELECT count(*), min("group") FROM "Order"') == [(50, "u2")]

    def test_names_that_need_quoting(self, path: Path) -> None:
        run(path, 'CREATE TABLE "a b%s:x.""y" ("id" INTEGER PRIMARY KEY, "Own er:%(x)s" TEXT)')
        run(path, "INSERT INTO \"a b%s:x.\"\"y\" VALUES (1, 'u1'), (2, 'u2')")
        name, owner = 'a b%s:x."y', "Own er:%(x)s"
        with closing(opened(path)) as store:
            assert erase(store, Selector(name, {owner: frozenset({"u1"})})) == 1
            assert store.verify(Selector(name, {owner: frozenset({"u1"})})).scanned == 1
            store.reclaim(Selector(name, {owner: frozenset({"u1"})}))

    def test_a_null_key_is_an_error(self, path: Path) -> None:
        run(path, "CREATE TABLE a (k TEXT PRIMARY KEY, owner TEXT)", "INSERT INTO a VALUES (NULL, 'u1')")
        with closing(opened(path)) as store, pytest.raises(Drift, match="null"):
            locate(store, pick("a", owner="u1"))

    def test_records_alike_are_told_apart_by_counting(self, path: Path) -> None:
        run(path, "CREATE TABLE a (owner TEXT, b)", *["INSERT INTO a VALUES ('u1', 1), ('u1', '1'), ('u2', 1)"] * 3)
        with closing(opened(path)) as store:
            places = locate(store, pick("a", owner="u1"))
            assert len(set(places)) == 6
            held = pick("a", owner="u1")
            held = Selector("a", held.any_of, minus=frozenset(places[:1]))
            assert store.verify(held).live == 5
            rest = tuple(one for one in places if one not in held.minus)
            assert len(list(store.read("a", places))) == 6  # type: ignore[attr-defined]  # the SQL store is a Reader
            for addresses in (rest[:2], rest, rest):
                assert sum(store.erase(Step("a", Method.DELETE, held, addresses))) == len(addresses)
            assert store.verify(pick("a", owner="u1")).live == 1
        assert ask(path, "SELECT count(*) FROM a") == [(4,)]

    def test_vacuum_between_does_not_move_addresses(self, path: Path) -> None:
        run(path, "CREATE TABLE a (owner TEXT, b)")
        with closing(sqlite3.connect(path)) as session:
            session.executemany("INSERT INTO a VALUES (?, ?)", [(f"u{number % 3}", number) for number in range(30)])
            session.commit()
        with closing(opened(path)) as store:
            places = locate(store, pick("a", owner="u1"))
            run(path, "DELETE FROM a WHERE owner = 'u0'", "VACUUM")
            assert sum(store.erase(Step("a", Method.DELETE, pick("a", owner="u1"), places))) == 10
        assert ask(path, "SELECT owner, count(*) FROM a GROUP BY 1") == [("u2", 10)]

    def test_a_number_that_was_given_out_again_is_somebody_elses(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY, owner TEXT)", "INSERT INTO a (owner) VALUES ('u1'), ('u1'), ('u1')")
        selector = pick("a", owner="u1")
        with closing(opened(path)) as store:
            places = locate(store, selector)
            run(path, "DELETE FROM a WHERE id = 3", "INSERT INTO a (owner) VALUES ('u2')", "UPDATE a SET owner = NULL WHERE id = 2")
            assert sum(store.erase(Step("a", Method.DELETE, selector, places))) == 3
        assert ask(path, "SELECT id, owner FROM a") == [(3, "u2")]


class TestFaults:
    @pytest.mark.parametrize(
        ("column", "named"),
        [("x TEXT NOT NULL", "a.x"), ("x TEXT CHECK (x IS NOT NULL)", "x IS NOT NULL"), ("x TEXT CONSTRAINT odd CHECK (x > '')", "")],
    )
    def test_a_constraint_that_forbids_is_named(self, path: Path, column: str, named: str) -> None:
        run(path, f"CREATE TABLE a (id INTEGER PRIMARY KEY, {column})", f"INSERT INTO a VALUES (1, '{MARKER}')")
        with closing(opened(path)) as store:
            if not named:  # a check of null is not false
                assert erase(store, pick("a", x=MARKER), Method.REDACT, fields=("x",)) == 1
                return
            with pytest.raises(Refused, match=named) as caught:
                erase(store, pick("a", x=MARKER), Method.REDACT, fields=("x",))
        assert MARKER not in f"{caught.value!r}"

    def test_a_foreign_key_forbids(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY)", "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a)")
        run(path, "INSERT INTO a VALUES (7)", "INSERT INTO b VALUES (1, 7)")
        with closing(opened(path)) as store:
            with pytest.raises(Refused, match="FOREIGN KEY"):
                erase(store, pick("a", id=7))
            assert erase(store, pick("b", a="7")) == 1
            assert erase(store, pick("a", id=7)) == 1

    def test_a_missing_file_is_not_made(self, path: Path) -> None:
        with closing(opened(path)) as store, pytest.raises(Unavailable):
            store.describe()
        assert not path.exists()

    def test_another_file_is_drift(self, path: Path) -> None:
        path.write_text("no database" * 100)
        with closing(opened(path)) as store, pytest.raises(Drift):
            store.describe()

    def test_a_lock_is_unavailable(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY)", "INSERT INTO a VALUES (1)")
        with closing(opened(path)) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable) as caught:
                erase(store, pick("a", id=1))
            assert caught.value.retryable

    def test_a_missing_table_is_drift_if_the_policy_names_it(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY)")
        with closing(opened(path)) as store, pytest.raises(UnknownStore):
            store.verify(pick("b", id=1))

    def test_a_trigger_refuses(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY)", "INSERT INTO a VALUES (1)")
        run(path, f"CREATE TRIGGER no BEFORE DELETE ON a BEGIN SELECT RAISE(ABORT, '{MARKER}'); END")
        with closing(opened(path)) as store, pytest.raises(Refused) as caught:
            erase(store, pick("a", id=1))
        assert MARKER not in str(caught.value)

    @pytest.mark.parametrize(
        "options",
        [{}, {"url": "mysql://u:secret@h/d"}, {"url": "sqlite://"}, {"url": "::secret"}, {"url": "sqlite:///x", "batch": "secret"}],
    )
    def test_options_that_can_not_be_read(self, options: dict[str, object]) -> None:
        with pytest.raises(PolicyInvalid) as caught:
            open_store("sql", "app", options, ())
        assert "secret" not in str(caught.value)

    def test_an_update_of_nothing_is_refused(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY)", "INSERT INTO a VALUES (1)")
        with closing(opened(path)) as store, pytest.raises(Refused):
            erase(store, pick("a", id=1), Method.REDACT)

    def test_a_json_column_is_not_selected_by(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY, more JSON)", f'INSERT INTO a VALUES (1, \'{{"who": "{MARKER}"}}\')')
        with closing(opened(path)) as store:
            with pytest.raises(Drift, match="more"):
                locate(store, pick("a", more=MARKER))
            assert erase(store, pick("a", id=1), Method.REDACT, fields=("more",)) == 1
            store.reclaim(pick("a", id=1))
        assert holding(path) == []


class TestStatements:
    def test_statements_do_not_grow_with_people_but_by_key_batches(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY, owner TEXT, other TEXT)", "CREATE INDEX a_owner ON a (owner)")
        with closing(sqlite3.connect(path)) as session:
            session.executemany("INSERT INTO a (owner, other) VALUES (?1, ?1)", [(f"u{number % 1000}",) for number in range(4000)])
            session.commit()

        def sent(field: str, people: int) -> int:
            with closing(opened(path, batch=100)) as store:
                assert isinstance(store, Counter)
                store.describe()
                before = store.statements
                assert len(locate(store, pick("a", **{field: {f"u{number}" for number in range(people)}}))) == 4 * people
                return store.statements - before

        assert sent("owner", 1) == sent("owner", 100) == sent("owner", 1000) - 9
        assert sent("other", 1) == sent("other", 1000)

    def test_several_conditions_hold_at_once(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY, owner TEXT, kind TEXT)", "CREATE INDEX a_owner ON a (owner)")
        with closing(sqlite3.connect(path)) as session:
            session.executemany("INSERT INTO a (owner, kind) VALUES (?, ?)", [(f"u{n % 10}", f"k{n % 3}") for n in range(300)])
            session.commit()
        selector = pick("a", owner={"u1", "u2"}, kind={"k0", "k9"})
        with closing(opened(path)) as store:
            assert len(locate(store, selector)) == store.verify(selector).live == 20
            assert locate(store, pick("a", owner={"u1"}, kind={MARKER})) == ()


def test_a_large_table_is_streamed(path: Path) -> None:
    run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY, owner TEXT)")
    with closing(sqlite3.connect(path)) as session:
        session.executemany("INSERT INTO a (owner) VALUES (?)", ((f"u{number % 2}",) for number in range(60_000)))
        session.commit()
    with closing(opened(path)) as store:
        sizes = [len(batch.addresses) for batch in store.locate(pick("a", owner="u1"))]
    assert sum(sizes) == 30_000
    assert max(sizes) <= 10_000


def test_repr_says_no_address(path: Path) -> None:
    with closing(opened(path)) as store:
        assert str(path) not in repr(store)
        assert isinstance(store, Reader)
        assert isinstance(store, Store)
