"""PostgreSQL: what hangs on a table, values of every type, statements that do not grow."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
import sqlalchemy as sa

from expunge.errors import Drift
from expunge.stores.base import Counter, Reader, Together
from expunge.terms import Method, Selector, Span
from expunge.testing.services import PostgreSQL
from tests.stores.database_postgresql import ask, holding, opened, run, session_on
from tests.stores.databases import MARKER, NOON, erase, locate, pick

pytestmark = pytest.mark.postgresql


@pytest.fixture
def url(postgresql_server: PostgreSQL) -> str:
    return postgresql_server.database()


class TestSpace:
    """What hangs on a table, looked for in the server's files."""

    def test_indexes_toast_and_samples(self, postgresql_server: PostgreSQL, url: str) -> None:
        run(
            url,
            "CREATE TABLE said (id integer PRIMARY KEY, owner text, words text, body text,"
            " found tsvector GENERATED ALWAYS AS (to_tsvector('simple', words)) STORED)",
            "ALTER TABLE said ALTER body SET STORAGE EXTERNAL",
            "CREATE INDEX ON said USING gin (found)",
            "CREATE INDEX ON said (words)",
            "CREATE STATISTICS said_both (mcv) ON owner, words FROM said",
            f"INSERT INTO said SELECT g, 'u' || g % 4, CASE WHEN g % 4 = 1 THEN '{MARKER} zebrafishmarker' ELSE 'hello' END,"
            f" CASE WHEN g % 4 = 1 THEN repeat('{MARKER} ', 500) END FROM generate_series(1, 1200) g",
            "VACUUM ANALYZE said",
        )
        selector = pick("said", owner="u1")
        assert len(holding(postgresql_server, url)) >= 4  # heap, TOAST, an index, the samples
        with closing(opened(url)) as store:
            assert erase(store, selector) == 300
        assert holding(postgresql_server, url)
        with closing(opened(url)) as store:
            told = store.verify(selector)
            assert (told.live, told.history) == (0, 300)
            assert store.reclaim(selector).note == ""
        assert holding(postgresql_server, url) == []
        assert holding(postgresql_server, url, "zebrafishmarker") == []
        with closing(opened(url)) as store:
            told = store.verify(selector)
        assert (told.scanned, told.history) == (900, 0)
        assert "write-ahead log" in told.note
        assert ask(url, "SELECT count(*) FROM said WHERE found @@ to_tsquery('simple', 'hello')") == [(900,)]

    def test_samples_of_a_table_that_became_empty(self, postgresql_server: PostgreSQL, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer PRIMARY KEY, owner text)",
            f"INSERT INTO a SELECT g, '{MARKER}' FROM generate_series(1, 50) g",
            "ANALYZE a",
        )
        with closing(opened(url)) as store:
            assert erase(store, pick("a", owner=MARKER)) == 50
            store.reclaim(pick("a", owner=MARKER))
        assert holding(postgresql_server, url) == []
        assert ask(url, "SELECT count(*) FROM pg_stats WHERE tablename = 'a'") == [(0,)]

    def test_samples_of_several_tables_are_cleared_once(self, postgresql_server: PostgreSQL, url: str) -> None:
        names = ("a", "b", "c")
        for name in names:  # b becomes empty, the others don't
            others = "" if name == "b" else "INSERT INTO {0} SELECT g, 'x' FROM generate_series(51, 90) g"
            made = ("CREATE TABLE {0} (id integer PRIMARY KEY, owner text)", others)
            fill = f"INSERT INTO {name} SELECT g, '{MARKER}' FROM generate_series(1, 50) g"
            run(url, *(one.format(name) for one in made if one), fill, f"ANALYZE {name}")
        with closing(opened(url)) as store:
            assert isinstance(store, Together)
            assert isinstance(store, Counter)
            for name in names:
                assert erase(store, pick(name, owner=MARKER)) == 50
            assert store.reclaim_all([]) == ()
            before = store.statements
            assert [one.note for one in store.reclaim_all(names)] == ["", "", ""]
            together = store.statements - before
            before = store.statements
            for name in names:
                store.reclaim(pick(name, owner=MARKER))
            assert together < store.statements - before - 2 * 3  # of two of them: two rewrites of samples, one checkpoint
        assert holding(postgresql_server, url) == []
        assert ask(url, "SELECT count(*) FROM pg_stats WHERE tablename = 'b'") == [(0,)]

    def test_materialised_views_are_refreshed(self, postgresql_server: PostgreSQL, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer PRIMARY KEY, owner text)",
            f"INSERT INTO a VALUES (1, '{MARKER}'), (2, 'u2')",
            "CREATE VIEW plain AS SELECT owner FROM a",
            'CREATE MATERIALIZED VIEW "First %" AS SELECT * FROM plain',
            'CREATE MATERIALIZED VIEW again AS SELECT * FROM "First %"',
        )
        selector = pick("a", owner=MARKER)
        with closing(opened(url)) as store:
            erase(store, selector)
            told = store.verify(selector)
            assert told.history == 3
            assert "First" in told.note
            assert store.reclaim(selector).how.endswith('REFRESH "First %", REFRESH again')
            assert store.verify(selector).history == 0
        assert ask(url, "SELECT owner FROM again") == [("u2",)]
        assert holding(postgresql_server, url) == []

    def test_dead_rows_that_a_snapshot_holds_are_told(self, url: str) -> None:
        run(url, "CREATE TABLE a (id integer PRIMARY KEY, owner text)", f"INSERT INTO a VALUES (1, '{MARKER}'), (2, 'u2')")
        selector = pick("a", owner=MARKER)
        with session_on(url) as other, closing(opened(url)) as store:
            other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            other.execute("SELECT 1")
            erase(store, selector)
            assert "1 dead rows are kept" in store.reclaim(selector).note
            assert store.verify(selector).history == 1
            with closing(opened(url)) as later:
                assert later.verify(selector).history == 1
            other.execute("ROLLBACK")
            store.reclaim(selector)
            assert store.verify(selector).history == 0

    def test_a_plain_vacuum_leaves_bytes_and_says_so(self, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer PRIMARY KEY, owner text)",
            f"INSERT INTO a SELECT g, '{MARKER}' || g % 2 FROM generate_series(1, 50) g",
        )
        selector = pick("a", owner=f"{MARKER}1")
        with closing(opened(url, reclaim="vacuum")) as store:
            erase(store, selector)
            store.reclaim(selector)
            told = store.verify(selector)
        assert told.history is None
        assert "leaves bytes" in told.note

    def test_a_vacuum_by_the_server_leaves_bytes_and_says_so(self, postgresql_server: PostgreSQL, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer PRIMARY KEY, owner text)",
            f"INSERT INTO a SELECT g, '{MARKER}' || g % 2 FROM generate_series(1, 50) g",
        )
        selector = pick("a", owner=f"{MARKER}1")
        with closing(opened(url)) as store:
            erase(store, selector)
            run(url, "VACUUM a")
            told = store.verify(selector)
            assert told.history is None
            assert "leaves bytes" in told.note
            store.reclaim(selector)
        with closing(opened(url)) as store:
            assert store.verify(selector).history == 0
        assert holding(postgresql_server, url, f"{MARKER}1") == []

    def test_an_owner_who_is_no_superuser_is_told_of_samples(self, url: str) -> None:
        run(
            url,
            "DROP ROLE IF EXISTS landlord",
            "CREATE ROLE landlord LOGIN",
            "GRANT ALL ON SCHEMA public TO landlord",
            "CREATE TABLE a (id integer PRIMARY KEY, owner text)",
            f"INSERT INTO a SELECT g, '{MARKER}' FROM generate_series(1, 50) g",
            "ALTER TABLE a OWNER TO landlord",
        )
        with closing(opened(sa.make_url(url).set(username="landlord"))) as store:
            assert erase(store, pick("a", owner=MARKER)) == 50
            assert "pg_statistic" in store.reclaim(pick("a", owner=MARKER)).note
            told = store.verify(pick("a", owner=MARKER))
        assert told.history == 0
        assert "pg_statistic" in told.note
        run(url, "DROP OWNED BY landlord")

    def test_a_partitioned_table_is_reclaimed_whole(self, postgresql_server: PostgreSQL, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer, at date, owner text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
            "CREATE TABLE a1 PARTITION OF a FOR VALUES FROM ('2026-01-01') TO ('2026-07-01')",
            "CREATE TABLE a2 PARTITION OF a FOR VALUES FROM ('2026-07-01') TO ('2027-01-01')",
            f"INSERT INTO a SELECT g, '2026-01-01'::date + g, CASE WHEN g % 2 = 0 THEN '{MARKER}' END FROM generate_series(1, 300) g",
        )
        selector = pick("a", owner=MARKER)
        with closing(opened(url)) as store:
            assert erase(store, selector) == 150
            assert store.verify(selector).history == 150
            store.reclaim(selector)
            assert store.verify(selector).history == 0
        assert holding(postgresql_server, url) == []


class TestTypes:
    def test_values_of_another_class_than_the_column(self, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer PRIMARY KEY, n smallint, f real, p numeric(9, 2), flag boolean, day date, u uuid, raw bytea,"
            " z timestamptz, l timestamp, fixed char(5), short varchar(3))",
            "INSERT INTO a VALUES (1, 7, 0.1, 7.5, true, '2026-03-01', '0d9af9c4-8b0f-4b1a-9f5e-3a1c2d3e4f50', '\\x00ff',"
            " '2026-03-01 13:00:00+01', '2026-03-01 12:00:00', 'ab', 'abc')",
            "INSERT INTO a (id, n, f, p, flag) VALUES (2, 0, 7, 7, false)",
        )
        cases: list[tuple[str, object, set[str]]] = [
            ("n", "7", {"[1]"}),
            ("n", 2**40, set()),
            ("n", 2**80, set()),
            ("n", "07", set()),
            ("f", "0.1", {"[1]"}),
            ("f", 7, {"[2]"}),
            ("p", Decimal("7.50"), {"[1]"}),
            ("p", 7, {"[2]"}),
            ("flag", "true", {"[1]"}),
            ("day", "2026-03-01", {"[1]"}),
            ("u", "0d9af9c4-8b0f-4b1a-9f5e-3a1c2d3e4f50", {"[1]"}),
            ("raw", b"\x00\xff", {"[1]"}),
            ("z", NOON, {"[1]"}),
            ("l", NOON, {"[1]"}),
            ("fixed", "ab", {"[1]"}),
            ("short", "abcd", set()),
            ("short", "a\0b", set()),
            ("short", "\udc80", set()),
        ]
        with closing(opened(url)) as store:
            for name, value, truth in cases:
                assert set(locate(store, pick("a", **{name: value}))) == truth, (name, value)
                assert store.verify(pick("a", **{name: value})).live == len(truth), (name, value)

    def test_a_column_that_folds_case_is_compared_exactly(self, url: str) -> None:
        try:
            run(url, "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("this PostgreSQL is built without ICU")
        run(url, "CREATE TABLE a (id integer PRIMARY KEY, owner text COLLATE folding)", "INSERT INTO a VALUES (1, 'Ann'), (2, 'ann')")
        with closing(opened(url)) as store:
            assert locate(store, pick("a", owner="ann")) == ("[2]",)
            assert store.verify(pick("a", owner="ann")).live == 1

    @pytest.mark.parametrize(
        ("kind", "stored"),
        [
            ("timestamptz", "'2026-03-01 13:00:00+01'"),
            ("timestamp", "'2026-03-01 12:00:00'"),
            ("bigint", "1772366400"),
            ("bigint", "1772366400000"),
            ("bigint", "1772366400000000"),
            ("double precision", "1772366400.0"),
            ("numeric", "1772366400000"),
        ],
    )
    def test_every_spelling_is_one_moment(self, url: str, kind: str, stored: str) -> None:
        run(
            url,
            f"CREATE TABLE a (id integer PRIMARY KEY, at {kind})",
            f"INSERT INTO a VALUES (1, {stored}), (2, NULL)",
            "CREATE INDEX ON a (at)",
        )
        second = timedelta(seconds=1)
        with closing(opened(url)) as store:
            for start, end, count in [
                (NOON, NOON + second, 1),
                (NOON - second, NOON, 0),
                (NOON + second, None, 0),
                (None, NOON + second, 1),
            ]:
                selector = Selector("a", within={"at": Span(start, end)})
                assert len(locate(store, selector)) == store.verify(selector).live == count

    def test_dates_begin_at_midnight(self, url: str) -> None:
        run(url, "CREATE TABLE a (id integer PRIMARY KEY, day date)", "INSERT INTO a VALUES (1, '2026-03-01'), (2, '2026-03-02')")
        midnight = datetime(2026, 3, 1, tzinfo=UTC)
        with closing(opened(url)) as store:
            for start, end, found in [(midnight, NOON, {"[1]"}), (NOON, NOON + timedelta(days=1), {"[2]"}), (None, midnight, set())]:
                selector = Selector("a", within={"day": Span(start, end)})
                assert set(locate(store, selector)) == found
                assert store.verify(selector).live == len(found)

    def test_a_time_range_of_a_text_is_drift(self, url: str) -> None:
        run(url, "CREATE TABLE a (id integer PRIMARY KEY, at text)")
        with closing(opened(url)) as store:
            for look in (store.verify, lambda one: list(store.locate(one))):
                with pytest.raises(Drift, match=r"a\.at"):
                    look(Selector("a", within={"at": Span(NOON)}))

    def test_documents_and_lists_are_read_and_redacted(self, url: str) -> None:
        run(
            url,
            "CREATE TYPE mood AS ENUM ('glad', 'sad')",
            "CREATE TABLE a (id integer PRIMARY KEY, more jsonb, tags text[], m mood)",
            "INSERT INTO a VALUES (1, '{\"who\": [1]}', '{a,b}', 'glad')",
        )
        with closing(opened(url)) as store:
            carried = next(store.locate(pick("a", id=1), ("more", "tags", "m"))).carried
            assert dict(carried) == {"more": ('{"who": [1]}',), "tags": ("{a,b}",), "m": ("glad",)}
            assert isinstance(store, Reader)
            assert next(iter(store.read("a", ["[1]"]))).fields == {"id": 1, "more": '{"who": [1]}', "tags": "{a,b}", "m": "glad"}
            with pytest.raises(Drift):
                locate(store, pick("a", m="glad"))
            assert erase(store, pick("a", id=1), Method.DECORRELATE, repoint={"m": "sad", "more": "{}"}) == 1
            assert erase(store, pick("a", id=1), Method.REDACT, fields=("tags",)) == 1
        assert ask(url, "SELECT more::text, tags, m::text FROM a") == [("{}", None, "sad")]


class TestStatements:
    def test_statements_grow_by_key_batches_only(self, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer PRIMARY KEY, owner text, other text)",
            "INSERT INTO a SELECT g, 'u' || g % 1000, 'u' || g % 1000 FROM generate_series(1, 4000) g",
            "CREATE INDEX ON a (owner)",
            "ANALYZE a",
        )

        def sent(field: str, people: int) -> int:
            with closing(opened(url, batch=100)) as store:
                assert isinstance(store, Counter)
                store.describe()
                before = store.statements
                assert len(locate(store, pick("a", **{field: {f"u{number}" for number in range(people)}}))) == 4 * people
                return store.statements - before

        assert sent("owner", 1) == sent("owner", 100) == sent("owner", 1000) - 9
        assert sent("other", 1) == sent("other", 1000)

    def test_several_conditions_hold_at_once(self, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer PRIMARY KEY, owner text, kind text)",
            "INSERT INTO a SELECT g, 'u' || g % 10, 'k' || g % 3 FROM generate_series(0, 299) g",
            "CREATE INDEX ON a (owner)",
        )
        selector = pick("a", owner={"u1", "u2"}, kind={"k0", "k9"})
        with closing(opened(url)) as store:
            assert len(locate(store, selector)) == store.verify(selector).live == 20
            assert locate(store, pick("a", owner={"u1"}, kind={MARKER})) == ()

    def test_a_large_table_is_streamed(self, url: str) -> None:
        run(
            url,
            "CREATE TABLE a (id integer PRIMARY KEY, owner text)",
            "INSERT INTO a SELECT g, 'u' || g % 2 FROM generate_series(1, 60000) g",
        )
        with closing(opened(url)) as store:
            sizes = [len(batch.addresses) for batch in store.locate(pick("a", owner="u1"))]
        assert sum(sizes) == 30_000
        assert max(sizes) <= 10_000
