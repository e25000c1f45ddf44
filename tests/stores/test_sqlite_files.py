"""SQLite: what its files keep, and what its untyped columns hold."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.errors import Drift, Refused
from expunge.stores.base import Counter
from expunge.stores.sql_times import EPOCH, instant, number_ranges
from expunge.terms import Method, Selector, Span
from tests.stores.database_sqlite import ask, holding, opened, run
from tests.stores.databases import MARKER, NOON, erase, locate, pick


def moments(first: int, last: int) -> st.SearchStrategy[datetime]:
    days = st.dates(date(first, 1, 1), date(last, 1, 1))
    return st.builds(datetime.combine, days, st.times(timezones=st.just(UTC)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


class TestFullText:
    """Words of a person stay in an index until it is rebuilt, whoever maintains it."""

    TABLE = ("CREATE TABLE said (id INTEGER PRIMARY KEY, owner TEXT, words TEXT)",)
    INDEX = "CREATE VIRTUAL TABLE said_words USING fts5(words, content='said', content_rowid='id')"
    TRIGGERS = (
        """CREATE TRIGGER said_ad AFTER DELETE ON said BEGIN
             INSERT INTO said_words(said_words, rowid, words) VALUES ('delete', old.id, old.words); END""",
        """CREATE TRIGGER said_au AFTER UPDATE ON said BEGIN
             INSERT INTO said_words(said_words, rowid, words) VALUES ('delete', old.id, old.words);
             INSERT INTO said_words(rowid, words) VALUES (new.id, new.words); END""",
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
                session.execute(
                    "INSERT INTO words VALUES (?, ?)", (f"u{number % 3}", f"{self.WORD if number % 3 == 1 else 'hello'} {number}")
                )
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

    def test_an_index_that_keeps_no_content_is_an_error(self, path: Path) -> None:
        run(path, "CREATE VIRTUAL TABLE bare USING fts5(words, content='')", f"INSERT INTO bare (rowid, words) VALUES (1, '{self.WORD}')")
        with closing(opened(path)) as store:
            for look in (store.verify, lambda one: list(store.locate(one))):
                with pytest.raises(Drift, match="words"):
                    look(pick("bare", words=self.WORD))

    def test_an_index_is_erased_with_its_table(self, path: Path) -> None:
        self.fill(path)
        with closing(opened(path)) as store, pytest.raises(Refused, match="said"):
            erase(store, Selector("said_words", {"words": frozenset({f"{self.WORD} 1"})}))


class TestSpace:
    def test_a_file_is_vacuumed_once_for_all_its_tables(self, path: Path) -> None:
        for name in "abc":
            run(path, f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, owner TEXT)", f"INSERT INTO {name} VALUES (1, '{MARKER}')")
        with closing(opened(path)) as store:
            assert isinstance(store, Counter)
            for name in "abc":
                erase(store, pick(name, owner=MARKER))
            counts = []
            for name in "abc":
                before = store.statements
                assert "VACUUM" in store.reclaim(pick(name, owner=MARKER)).how
                counts.append(store.statements - before)
            run(path, f"INSERT INTO a VALUES (1, '{MARKER}')", "DELETE FROM a")  # by somebody else
            before = store.statements
            store.reclaim(pick("a", owner=MARKER))
            counts.append(store.statements - before)
            assert [store.verify(pick(name, owner=MARKER)).history for name in "abc"] == [0, 0, 0]
        assert counts[2] < counts[3]
        assert holding(path) == []

    def test_a_reader_that_keeps_the_log_is_told(self, path: Path) -> None:
        run(
            path,
            "PRAGMA journal_mode = WAL",
            "CREATE TABLE a (id INTEGER PRIMARY KEY, owner TEXT)",
            f"INSERT INTO a VALUES (1, '{MARKER}')",
        )
        selector = pick("a", owner=MARKER)
        with closing(sqlite3.connect(path, isolation_level=None)) as reader, closing(opened(path)) as store:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM a").fetchall()
            erase(store, selector)
            assert "write-ahead log" in store.reclaim(selector).note
            assert store.verify(selector).history
            assert holding(path)
            reader.execute("ROLLBACK")
            assert store.reclaim(selector).note == ""
            assert store.verify(selector).history == 0
            assert holding(path) == []

    def test_pages_freed_by_others_are_told(self, path: Path) -> None:
        run(path, "PRAGMA secure_delete = OFF", "CREATE TABLE a (id INTEGER PRIMARY KEY, body TEXT)")
        with closing(sqlite3.connect(path)) as session:
            session.execute("PRAGMA secure_delete = OFF")
            session.executemany("INSERT INTO a (body) VALUES (?)", [(MARKER * 200,)] * 50)
            session.commit()
            session.execute("DELETE FROM a")
            session.commit()
        with closing(opened(path)) as store:
            told = store.verify(pick("a", body=MARKER))
            assert told.history
            assert "free pages" in told.note
            assert holding(path)
            store.reclaim(pick("a", body=MARKER))
            assert store.verify(pick("a", body=MARKER)).history == 0
        assert holding(path) == []

    def test_sampled_statistics_are_refreshed(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY, owner TEXT)", "CREATE INDEX a_owner ON a (owner)")
        with closing(sqlite3.connect(path)) as session:
            session.executemany("INSERT INTO a (owner) VALUES (?)", [(f"{MARKER}-{number % 5}",) for number in range(500)])
            session.commit()
        run(path, "ANALYZE")
        with closing(opened(path)) as store:
            everybody = pick("a", owner={f"{MARKER}-{number}" for number in range(5)})
            assert erase(store, everybody) == 500
            store.reclaim(everybody)
        assert holding(path) == []


class TestTimes:
    STORED = (
        "2026-03-01 12:00:00",
        "2026-03-01T12:00:00Z",
        "2026-03-01 13:00:00.000+01:00",
        "2026-03-01T12:00:00.000000",
        "2026-03-01 12:00:00 UTC",
        1772366400,
        1772366400.0,
        "1772366400",
        1772366400000,
        1772366400000000,
        1772366400000000000,
    )

    @pytest.mark.parametrize("column", ["at TIMESTAMP", "at TEXT", "at INTEGER", "at"])
    def test_every_spelling_is_one_moment(self, path: Path, column: str) -> None:
        run(path, f"CREATE TABLE a (id INTEGER PRIMARY KEY, {column})")
        with closing(sqlite3.connect(path)) as session:
            session.executemany("INSERT INTO a (at) VALUES (?)", [(one,) for one in self.STORED] + [("soon",), (None,)])
            session.commit()
        with closing(opened(path)) as store:
            for start, end, count in [(0, 1, len(self.STORED)), (-1, 0, 0), (1, 2, 0), (-1, 1, len(self.STORED))]:
                span = Span(NOON + timedelta(seconds=start), NOON + timedelta(seconds=end))
                selector = Selector("a", within={"at": span})
                assert len(locate(store, selector)) == count
                told = store.verify(selector)
                assert told.live == count
                assert "1 records have a time that can't be read" in told.note
            if "TIMESTAMP" in column:
                assert len(locate(store, pick("a", at=NOON))) == store.verify(pick("a", at=NOON)).live == len(self.STORED)

    @given(
        when=moments(1974, 2200),
        zone=st.integers(-12, 12),
        form=st.sampled_from(["iso", "blank", "z", "s", "ms", "us", "float"]),
    )
    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    def test_instant_reads_back_what_was_written(self, when: datetime, zone: int, form: str) -> None:
        micros = (when - EPOCH) // timedelta(microseconds=1)
        exact, told = {
            "iso": (1, when.astimezone(timezone(timedelta(hours=zone))).isoformat()),
            "blank": (1, when.replace(tzinfo=None).isoformat(" ")),
            "z": (1, when.replace(tzinfo=None).isoformat() + "Z"),
            "s": (10**6, micros // 10**6),
            "ms": (10**3, micros // 10**3),
            "us": (1, micros),
            "float": (10**6, float(micros // 10**6)),
        }[form]
        assert instant(told) == EPOCH + timedelta(microseconds=micros // exact * exact)

    @given(
        start=st.none() | moments(1975, 2100),
        length=st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=9999)),
        number=st.integers(-(10**10), 4 * 10**18) | st.integers(10**9, 2 * 10**9),
    )
    @settings(max_examples=500, deadline=None, derandomize=True, database=None)
    def test_number_ranges_say_what_the_span_says(self, start: datetime | None, length: timedelta | None, number: int) -> None:
        end = (start or NOON) + length if length else None
        span = Span(start, end)
        when = instant(number)
        assert when is not None
        inside = any((low is None or low <= number) and (high is None or number < high) for low, high in number_ranges(span))
        if number < 10**17:  # below, parts of a second are whole microseconds
            assert inside == span.holds(when)

    @pytest.mark.parametrize(
        "text", ["", "soon", "2026-13-45", "12", "0x10", "nan", "1e400", b"2026-03-01", True, None, 10**30, float("inf")]
    )
    def test_what_is_no_moment(self, text: object) -> None:
        assert instant(text) is None


class TestTypes:
    def test_values_of_another_class_than_the_column(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER, odd, flag BOOLEAN, price DECIMAL(9, 2), day DATE, raw BLOB, u UUID)")
        with closing(sqlite3.connect(path)) as session:
            rows: list[tuple[object, ...]] = [
                (7, 7, 1, 7.5, "2026-03-01", b"\x00\xff", "0d9af9c4-8b0f-4b1a-9f5e-3a1c2d3e4f50"),
                ("seven", "7", 0, 7, "2026-03-02", b"", "00000000000000000000000000000007"),
                (None, "07", None, None, None, None, None),
            ]
            session.executemany("INSERT INTO a (n, odd, flag, price, day, raw, u) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            session.commit()
        cases: list[tuple[str, object, set[str]]] = [
            ("n", "7", {"[1]"}),
            ("odd", 7, {"[1]", "[2]"}),
            ("odd", "07", {"[3]"}),
            ("flag", "true", {"[1]"}),
            ("flag", False, {"[2]"}),
            ("price", Decimal("7.50"), {"[1]"}),
            ("price", "7", {"[2]"}),
            ("day", date(2026, 3, 1), {"[1]"}),
            ("raw", b"\x00\xff", {"[1]"}),
            ("u", UUID("0d9af9c4-8b0f-4b1a-9f5e-3a1c2d3e4f50"), {"[1]"}),
            ("n", 10**30, set()),
            ("odd", "\udc80", set()),
        ]
        with closing(opened(path)) as store:
            for name, value, truth in cases:
                assert set(locate(store, pick("a", **{name: value}))) == truth, (name, value)
                assert store.verify(pick("a", **{name: value})).live == len(truth), (name, value)

    def test_carried_values_are_of_the_field_s_type(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY, flag BOOLEAN, day DATE, at DATETIME, more JSON, raw BLOB)")
        run(path, "INSERT INTO a VALUES (1, 1, '2026-03-01', 1772366400, '[1]', x'00ff')")
        with closing(opened(path)) as store:
            carried = next(store.locate(pick("a", id=1), ("flag", "day", "at", "more", "raw"))).carried
        assert dict(carried) == {"flag": (True,), "day": (date(2026, 3, 1),), "at": (NOON,), "more": ("[1]",), "raw": (b"\x00\xff",)}

    def test_decorrelate_fits_the_field_s_type(self, path: Path) -> None:
        run(path, "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER, at DATETIME)", "INSERT INTO a VALUES (1, 7, NULL), (2, 8, NULL)")
        with closing(opened(path)) as store:
            assert erase(store, pick("a", n=7), Method.DECORRELATE, repoint={"n": "0", "at": NOON}) == 1
            with pytest.raises(Drift):
                erase(store, pick("a", n=8), Method.DECORRELATE, repoint={"n": "nobody"})
        assert ask(path, "SELECT * FROM a") == [(1, 0, "2026-03-01T12:00:00+00:00"), (2, 8, None)]
