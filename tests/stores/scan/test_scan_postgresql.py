"""Whatever lies anywhere in a PostgreSQL database comes out of a scan once, with its key; what may not be seen is told."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from expunge.errors import Conflict, Drift, Refused, Unavailable
from expunge.hunt.pieces import Why
from expunge.stores import scan_sql
from expunge.stores.base import Scan
from expunge.stores.scan_registry import open_scan
from expunge.stores.scan_sql import spelled
from expunge.testing.services import PostgreSQL
from tests.stores.scan.reading import NAMES, TEXTS, Row, readable, row, rows_of, streams, tables, unread

NUMBERS = st.integers(-(2**63), 2**63 - 1)
TYPES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "varchar": TEXTS,
    "bigint": NUMBERS,
    "boolean": st.booleans(),
    "bytea": st.binary(max_size=40),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    "double precision": st.floats(allow_nan=False),
    "date": st.dates(),
    "timestamptz": st.datetimes(timezones=st.just(UTC)),
    "uuid": st.uuids(),
    "text[]": st.lists(TEXTS, max_size=2),
    "inet": st.ip_addresses(),
}
AS_TEXT = ("uuid", "inet")


@pytest.fixture
def session(postgresql_server: PostgreSQL) -> Iterator[tuple[psycopg.Connection, str]]:
    url = postgresql_server.database().replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection, url


def scanning(url: str) -> closing[Scan]:
    return closing(open_scan(url))


def ours(found: dict[str, Counter[Row]]) -> dict[str, Counter[Row]]:
    return {name: rows for name, rows in found.items() if not name.startswith("pg_catalog.")}


LAW = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
COLUMNS = st.dictionaries(NAMES.filter(lambda name: name != "t"), st.sampled_from(sorted(TYPES)), min_size=1, max_size=4)
ESTATES = st.dictionaries(
    st.tuples(NAMES.filter(lambda name: name != "public") | st.just("public"), NAMES),
    st.tuples(
        st.booleans(), st.dictionaries(NAMES.filter(lambda name: name != "t"), st.sampled_from(sorted(TYPES)), min_size=1, max_size=4)
    ),
    min_size=1,
    max_size=3,
)


def planted_comes_out_once(session: tuple[psycopg.Connection, str], estate: Any, drawn: st.DataObject) -> None:
    connection, url = session
    expected: dict[str, Counter[Row]] = {}
    fresh(connection, {schema for schema, _ in estate})
    for (schema, table), (keyed, types) in estate.items():
        name = sql.Identifier(schema, table)
        declared = [sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind)) for column, kind in types.items()]
        start = sql.SQL("t bigint PRIMARY KEY" if keyed else "t bigint")
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, sql.SQL(", ").join([start, *declared])))
        planted = [[at, *(drawn.draw(st.none() | TYPES[kind]) for kind in types.values())] for at in range(drawn.draw(st.integers(0, 3)))]
        for values in planted:
            slots = sql.SQL(", ").join([sql.Placeholder()] * len(values))
            escaped = sql.SQL(name.as_string(connection).replace("%", "%%"))
            connection.execute(sql.SQL("INSERT INTO {} VALUES ({})").format(escaped, slots), values)
        texts = connection.execute(sql.SQL("SELECT {} FROM {} ORDER BY t").format(written(types), name)).fetchall()
        expected[spelled(schema, table, "public")] = Counter(
            row(str(at) if keyed else text[0], {"t": at, **dict(zip(types, meant(types, values, text[1:]), strict=True))})
            for at, (_, *values), text in zip(range(len(planted)), planted, texts, strict=True)
        )
    with scanning(url) as scan:
        assert ours(tables(scan)) == expected


@settings(LAW, max_examples=5)
@given(estate=ESTATES, drawn=st.data())
def test_everything_planted_comes_out_once(session: tuple[psycopg.Connection, str], estate: Any, drawn: st.DataObject) -> None:
    planted_comes_out_once(session, estate, drawn)


@pytest.mark.slow
@settings(LAW, max_examples=60)
@given(estate=ESTATES, drawn=st.data())
def test_everything_planted_comes_out_once_many_times(session: tuple[psycopg.Connection, str], estate: Any, drawn: st.DataObject) -> None:
    planted_comes_out_once(session, estate, drawn)


def fresh(connection: psycopg.Connection, schemas: set[str]) -> None:
    """Only these schemas, empty."""
    old = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'").fetchall()
    for (schema,) in old:
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
    for schema in sorted(schemas):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))


def written(types: dict[str, str]) -> sql.Composed:
    """The row's place, then each column as the server writes it."""
    return sql.SQL(", ").join([sql.SQL("ctid::text"), *(sql.SQL("{}::text").format(sql.Identifier(column)) for column in types)])


def meant(types: dict[str, str], values: list[Any], texts: tuple[str | None, ...]) -> Iterator[Any]:
    for kind, value, text in zip(types.values(), values, texts, strict=True):
        yield text if kind.endswith("[]") else str(value) if kind in AS_TEXT and value is not None else value


def test_a_big_table_is_shared_out_and_nothing_falls_between(
    session: tuple[psycopg.Connection, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, url = session
    monkeypatch.setattr(scan_sql, "PART_BYTES", 64 << 10)
    connection.execute("CREATE TABLE t AS SELECT g, md5(g::text) AS m FROM generate_series(1, 5000) g")
    with scanning(url) as scan:
        parts = [part for part in readable(scan) if part.name == "t"]
        assert len(parts) > 5
        connection.execute("INSERT INTO t SELECT g, 'later' FROM generate_series(5001, 6000) g")
        seen = Counter[Any]()
        for part in parts:
            seen.update(number for batch in scan.rows(part) for number in batch.columns["g"])
    assert seen == Counter(range(1, 6001))


def test_large_rows_end_a_batch_early(session: tuple[psycopg.Connection, str]) -> None:
    connection, url = session
    connection.execute("CREATE TABLE t AS SELECT g, repeat('x', 3000000) AS body FROM generate_series(1, 9) g")
    with scanning(url) as scan:
        (part,) = (part for part in readable(scan) if part.name == "t")
        assert [len(batch.keys) for batch in scan.rows(part)] == [3, 3, 3]


def test_leaves_views_catalog_and_large_objects(session: tuple[psycopg.Connection, str]) -> None:
    connection, url = session
    connection.execute("CREATE TABLE p (a int, b text) PARTITION BY LIST (a)")
    connection.execute("CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); INSERT INTO p VALUES (1, 'leaf')")
    connection.execute("CREATE TABLE mother (a int); CREATE TABLE child () INHERITS (mother); INSERT INTO child VALUES (7)")
    connection.execute("CREATE UNLOGGED TABLE u AS SELECT 'unlogged' AS a; CREATE TEMP TABLE hidden AS SELECT 'mine' AS a")
    connection.execute("CREATE MATERIALIZED VIEW m AS SELECT 'kept' AS a; CREATE MATERIALIZED VIEW none AS SELECT 1 WITH NO DATA")
    connection.execute("CREATE VIEW v AS SELECT a FROM u WHERE a <> 'ann@example.org'; COMMENT ON TABLE u IS 'about ann'")
    connection.execute("CREATE TABLE often AS SELECT 'ann@example.org' AS mail FROM generate_series(1, 500); ANALYZE often")
    connection.execute("CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'bob@example.org' $$")
    connection.execute("CREATE DOMAIN whole AS int; CREATE TABLE typed (w whole, j jsonb, c int GENERATED ALWAYS AS (w + 1) STORED)")
    connection.execute("""INSERT INTO typed VALUES (5, '{"a": [1]}'); DELETE FROM often""")
    (number,) = connection.execute("SELECT lo_from_bytea(0, %s)", (bytes(range(256)) * 9000,)).fetchone() or ()
    with scanning(url) as scan:
        found = tables(scan)
        assert [*found["p1"]] == [row("(0,1)", {"a": 1, "b": "leaf"})]
        assert [*found["child"]] == [row("(0,1)", {"a": 7})]
        assert not found["mother"]
        assert [*found["typed"]] == [row("(0,1)", {"w": 5, "j": '{"a": [1]}', "c": 6})]
        assert set(ours(found)) == {"p1", "mother", "child", "u", "m", "often", "typed"}
        assert "ann@example.org" in repr(found["pg_catalog.pg_views"])
        assert "about ann" in repr(found["pg_catalog.pg_description"])
        assert "bob@example.org" in repr(found["pg_catalog.pg_proc"])
        assert "ann@example.org" in repr(found["pg_catalog.pg_stats"]), "the sample outlives the rows"
        assert streams(scan) == {f"pg_largeobject/{number}": bytes(range(256)) * 9000}
        (part,) = (part for part in readable(scan) if not part.table)
        with scan.stream(part) as file:
            assert file.seek(-3, io.SEEK_END) == 9000 * 256 - 3
            assert file.read() == b"\xfd\xfe\xff"
            assert file.seek(256 * 5000 + 1)
            assert file.read(2) == b"\x01\x02"
        assert not unread(scan)


def test_dates_beyond_python_stay_text(session: tuple[psycopg.Connection, str]) -> None:
    connection, url = session
    odd = "'{infinity,0044-03-15 BC}'::date[]"
    connection.execute(f"CREATE TABLE t AS SELECT d::date, d::timestamp AS w, 'NaN'::numeric AS n FROM unnest({odd}) d".encode())
    connection.execute("INSERT INTO t VALUES ('2020-02-02', '2020-02-02 03:04:05.5', 1.50)")
    with scanning(url) as scan:
        columns = next(scan.rows(next(part for part in readable(scan) if part.name == "t"))).columns
    assert columns["w"] == ["infinity", "0044-03-15 00:00:00 BC", datetime(2020, 2, 2, 3, 4, 5, 500000, UTC)]
    assert columns["n"][2] == Decimal("1.50")


@pytest.mark.parametrize(("encoding", "stored"), [("SQL_ASCII", b"na\xefve\\"), ("LATIN1", "naïve\\"), ("UTF8", "naïve\\")])
def test_any_encoding(postgresql_server: PostgreSQL, encoding: str, stored: object) -> None:
    name = f"encoded_{encoding.lower()}"
    with postgresql_server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0".encode())
    url = postgresql_server.url(name).replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True, client_encoding="SQL_ASCII") as session:
        body = b"na\xc3\xafve" if encoding == "UTF8" else b"na\xefve"
        session.execute(b"CREATE TABLE t AS SELECT 'plain' AS p, '" + body + b"\\'::text AS a")
    with scanning(url) as scan:
        assert [*tables(scan)["t"]] == [row("(0,1)", {"p": "plain", "a": stored})]  # type: ignore[dict-item]  # a Value by its test


def test_no_function_of_the_databases_own_runs(session: tuple[psycopg.Connection, str]) -> None:
    connection, url = session
    connection.execute("CREATE TYPE geometry AS (x int, y int); CREATE TABLE t AS SELECT ROW(1, 2)::geometry AS place")
    connection.execute("CREATE FUNCTION st_astext(geometry) RETURNS text LANGUAGE sql AS $$ SELECT 'with the rights of who scans' $$")
    with scanning(url) as scan:
        assert [*tables(scan)["t"]] == [row("(0,1)", {"place": "(1,2)"})]
    connection.execute(
        "CREATE SCHEMA evil; CREATE FUNCTION evil.concat_ws(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$"
    )
    connection.execute(f"ALTER DATABASE {connection.info.dbname} SET search_path = evil, pg_catalog, public".encode())
    connection.execute("CREATE TABLE keyed (a text PRIMARY KEY); INSERT INTO keyed VALUES ('mine')")
    with scanning(url) as scan:
        assert [*tables(scan)["keyed"]] == [row("mine", {"a": "mine"})]


def test_what_may_not_be_seen_is_told(session: tuple[psycopg.Connection, str], postgresql_server: PostgreSQL) -> None:
    connection, url = session
    connection.execute("CREATE ROLE limited LOGIN")
    connection.execute("CREATE TABLE closed (a int); CREATE TABLE open (a int); GRANT SELECT ON open TO limited")
    connection.execute("INSERT INTO open VALUES (1)")
    connection.execute("CREATE TABLE partly (id int PRIMARY KEY, a int, b text); GRANT SELECT (id, a) ON partly TO limited")
    connection.execute("INSERT INTO partly VALUES (4, 5, 'six')")
    connection.execute("CREATE TABLE keyless (a int, b text); GRANT SELECT (a) ON keyless TO limited; INSERT INTO keyless VALUES (1), (2)")
    connection.execute("CREATE TABLE guarded (a int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; GRANT SELECT ON guarded TO limited")
    connection.execute("CREATE POLICY few ON guarded USING (a < 0); INSERT INTO guarded VALUES (1)")
    connection.execute("CREATE SCHEMA shut; CREATE TABLE shut.t (a int); GRANT SELECT ON shut.t TO limited")
    connection.execute("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE far (a int) SERVER s")
    (number,) = connection.execute("SELECT lo_from_bytea(0, 'x')").fetchone() or ()
    with scanning(url.replace(f"{postgresql_server.user}@", "limited@")) as scan:
        assert unread(scan) == {
            ("closed", "", Why.DENIED),
            ("guarded", "", Why.DENIED),
            ("shut.t", "", Why.DENIED),
            ("partly", "column b", Why.DENIED),
            ("keyless", "column b", Why.DENIED),
            ("far", "", Why.UNSUPPORTED),
            (f"pg_largeobject/{number}", "", Why.DENIED),
        }
        assert ours(tables(scan)) == {
            "open": Counter([row("(0,1)", {"a": 1})]),
            "partly": Counter([row("4", {"id": 4, "a": 5})]),
            "keyless": Counter([row("1", {"a": 1}), row("2", {"a": 2})]),
        }
        for part in scan.parts():
            if part.unread == Why.DENIED and part.table and not part.range:
                with pytest.raises((Refused, Conflict)):  # never rows that are only those that we may see
                    list(scan.rows(part))
            elif part.unread == Why.DENIED and not part.table:
                with pytest.raises(Refused):
                    scan.stream(part)
    connection.execute("DROP OWNED BY limited; DROP ROLE limited")


def test_what_went_since_is_a_conflict(session: tuple[psycopg.Connection, str]) -> None:
    connection, url = session
    connection.execute("CREATE TABLE t (a int)")
    (number,) = connection.execute("SELECT lo_from_bytea(0, 'x')").fetchone() or ()
    with scanning(url) as scan:
        parts = [part for part in readable(scan) if part.name == "t" or not part.table]
        connection.execute("DROP TABLE t")
        connection.execute("SELECT lo_unlink(%s)", (number,))
        for part in parts:
            with pytest.raises(Conflict) as told:
                list(scan.rows(part)) if part.table else scan.stream(part)
            assert told.value.retryable


def test_a_scan_given_up_midway_can_go_on(session: tuple[psycopg.Connection, str]) -> None:
    connection, url = session
    connection.execute("CREATE TABLE t AS SELECT g FROM generate_series(1, 50000) g")
    with scanning(url) as scan:
        part = next(part for part in readable(scan) if part.name == "t")
        begun = scan.rows(part)
        next(begun)
        begun.close()  # type: ignore[attr-defined]  # a generator
        assert sum(rows_of(scan, [part])["t"].values()) == 50000


def test_errors_name_the_place_and_no_secret(postgresql_server: PostgreSQL) -> None:
    for address, kind in (
        ("postgresql://ann:s3cret@127.0.0.1:1/x?application_name=y", Unavailable),
        (f"postgresql://expunge:s3cret@127.0.0.1:{postgresql_server.port}/nowhere", Drift),
    ):
        with scanning(address) as scan, pytest.raises(kind) as told:
            list(scan.parts())
        assert "s3cret" not in f"{told.value!r} {scan!r}"
        assert told.value.where.startswith("postgresql://127.0.0.1:")


def test_nothing_can_be_written(session: tuple[psycopg.Connection, str]) -> None:
    connection, url = session
    connection.execute("CREATE TABLE t (a int); CREATE SEQUENCE s; CREATE VIEW v AS SELECT nextval('s')")
    with scanning(url) as scan:
        before = connection.execute("SELECT last_value, is_called FROM s").fetchone()
        tables(scan)
        assert connection.execute("SELECT last_value, is_called FROM s").fetchone() == before


def test_every_part_is_read_by_another_process_from_its_words_alone(session: tuple[psycopg.Connection, str]) -> None:
    connection, url = session
    connection.execute('CREATE SCHEMA "a.b"; CREATE TABLE "a.b"."c""d" AS SELECT 1 AS x')
    with scanning(url) as first:
        (part,) = (part for part in readable(first) if part.name.startswith('"a.b"'))
    with scanning(url) as second:
        assert [*rows_of(second, [part])[part.name]] == [row("(0,1)", {"x": 1})]
