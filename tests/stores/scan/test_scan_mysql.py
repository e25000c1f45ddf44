"""Whatever lies anywhere in a MySQL-like server comes out of a scan once, with its key; what may not be seen is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.errors import Conflict, Drift, Refused, Unavailable
from expunge.hunt.pieces import Why
from expunge.stores import scan_sql
from expunge.stores.base import Part, Scan
from expunge.stores.scan_mysql_grants import Grants
from expunge.stores.scan_registry import open_scan
from expunge.stores.scan_sql import quoted, spelled
from expunge.testing.services import LOOPBACK, MySQL
from tests.stores.scan.reading import NAMES, TEXTS, Row, readable, row, rows_of, tables, unread

LAW = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
WHOLE = st.integers(-(2**63), 2**63 - 1)
TYPES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "varchar(999)": TEXTS,
    "bigint": WHOLE,
    "longblob": st.binary(max_size=40),
    "decimal(20,3)": st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    "double": st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    "date": st.dates(min_value=date(1000, 1, 1)),
    "datetime(6)": st.datetimes(timezones=st.just(UTC)).filter(lambda when: when.year >= 1000),
}
MYSQL_NAMES = NAMES.filter(lambda name: name.lower() != "t")  # it folds the case of columns


def run(server: MySQL, *statements: str) -> None:
    connection = pymysql.connect(host=LOOPBACK, port=server.port, user="root", charset="utf8mb4", autocommit=True)
    with closing(connection), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def database(mysql_server: MySQL) -> Iterator[str]:
    run(mysql_server, "CREATE DATABASE one CHARACTER SET utf8mb4")
    yield "one"
    run(mysql_server, "DROP DATABASE one")


def scanning(address: str) -> closing[Scan]:
    return closing(open_scan(address))


def ours(found: dict[str, Counter[Row]]) -> dict[str, Counter[Row]]:
    return {name: rows for name, rows in found.items() if not name.startswith(("information_schema.", "mysql."))}


ESTATES = st.dictionaries(
    st.tuples(MYSQL_NAMES, MYSQL_NAMES),
    st.tuples(st.booleans(), st.dictionaries(MYSQL_NAMES, st.sampled_from(sorted(TYPES)), min_size=1, max_size=4)),
    min_size=1,
    max_size=3,
)


def planted_comes_out_once(mysql_server: MySQL, estate: Any, drawn: st.DataObject) -> None:
    expected: dict[str, Counter[Row]] = {}
    connection = pymysql.connect(host=LOOPBACK, port=mysql_server.port, user="root", charset="utf8mb4", autocommit=True)
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")
        for (schema,) in cursor.fetchall():
            if schema not in ("information_schema", "mysql", "performance_schema", "sys"):
                cursor.execute(f"DROP DATABASE {quoted(schema, '`')}")
        for schema in {schema for schema, _ in estate}:
            cursor.execute(f"CREATE DATABASE {quoted(schema, '`')} CHARACTER SET utf8mb4")
        for (schema, table), (keyed, types) in estate.items():
            name = f"{quoted(schema, '`')}.{quoted(table, '`')}"
            declared = ", ".join(
                ["t bigint PRIMARY KEY" if keyed else "t bigint", *(f"{quoted(one, '`')} {kind}" for one, kind in types.items())]
            )
            cursor.execute(f"CREATE TABLE {name} ({declared})")
            planted = [
                [at, *(drawn.draw(st.none() | TYPES[kind]) for kind in types.values())] for at in range(drawn.draw(st.integers(0, 3)))
            ]
            for values in planted:
                plain = [value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in values]
                cursor.execute(f"INSERT INTO {name.replace('%', '%%')} VALUES ({', '.join(['%s'] * len(values))})", plain)
            expected[spelled(schema, table, "")] = Counter(
                row(str(values[0]), dict(zip(("t", *types), values, strict=True))) for values in planted
            )
    with scanning(mysql_server.url()) as scan:
        assert ours(tables(scan)) == expected
        assert not unread(scan)


@settings(LAW, max_examples=3)
@given(estate=ESTATES, drawn=st.data())
def test_everything_planted_comes_out_once(mysql_server: MySQL, estate: Any, drawn: st.DataObject) -> None:
    planted_comes_out_once(mysql_server, estate, drawn)


@pytest.mark.slow
@settings(LAW, max_examples=40)
@given(estate=ESTATES, drawn=st.data())
def test_everything_planted_comes_out_once_many_times(mysql_server: MySQL, estate: Any, drawn: st.DataObject) -> None:
    planted_comes_out_once(mysql_server, estate, drawn)


def test_every_type_and_hidden_thing(mysql_server: MySQL, database: str) -> None:
    run(
        mysql_server,
        "USE one",
        "CREATE TABLE past (a int, b text) WITH SYSTEM VERSIONING",
        "INSERT INTO past VALUES (1, 'ann@example.org')",
        "UPDATE past SET b = 'nobody'",
        "CREATE TABLE typed (g point, j json, b bit(3), l varchar(9) CHARACTER SET latin1, e enum('é', 'f'), d date, t time, "
        "u int INVISIBLE, c int AS (u + 1) STORED, v text AS (upper(l)) VIRTUAL, i inet6, n decimal(9, 2))",
        "INSERT INTO typed (g, j, b, l, e, d, t, u, i, n) "
        "VALUES (point(1.5, 2.5), '[1]', b'101', 'naïve', 'é', '2020-02-02', '-12:00:01', 7, '::1', 1.5)",
        "CREATE TABLE composite (a varchar(9), b int, PRIMARY KEY (a, b)) ENGINE = MyISAM",
        "INSERT INTO composite VALUES ('x', 1)",
        "CREATE TABLE split (id int PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3",
        "INSERT INTO split VALUES (1), (2), (3), (4)",
        "CREATE TABLE merged (a varchar(9), b int) ENGINE = MERGE UNION = (composite)",
        "CREATE VIEW v AS SELECT a FROM past WHERE b <> 'bob@example.org'",
        "CREATE TRIGGER tr BEFORE INSERT ON past FOR EACH ROW SET NEW.b = 'carol@example.org'",
        "CREATE TABLE zero (d datetime)",
        "SET sql_mode = ''",
        "INSERT INTO zero VALUES ('0000-00-00')",
    )
    with scanning(mysql_server.url(database)) as scan:
        found = tables(scan)
        assert ours(found) == {
            "past": Counter([row("0", {"a": 1, "b": "nobody"}), row("1", {"a": 1, "b": "ann@example.org"})]),
            "typed": Counter(
                [
                    (
                        "0",
                        (
                            ("g", "POINT(1.5 2.5)"),
                            ("j", "[1]"),
                            ("b", b"\5"),
                            ("l", "naïve"),
                            ("e", "é"),
                            ("d", date(2020, 2, 2)),
                            ("t", "-12:00:01"),
                            ("u", 7),
                            ("c", 8),
                            ("v", "NAÏVE"),
                            ("i", "::1"),
                            ("n", Decimal("1.50")),
                        ),
                    )
                ]
            ),
            "composite": Counter([row("x,1", {"a": "x", "b": 1})]),
            "split": Counter(row(str(number), {"id": number}) for number in (1, 2, 3, 4)),
            "zero": Counter([row("0", {"d": "0000-00-00 00:00:00"})]),
        }
        assert "bob@example.org" in repr(found["information_schema.VIEWS"])
        assert "carol@example.org" in repr(found["information_schema.TRIGGERS"])


def test_a_big_table_is_shared_out(mysql_server: MySQL, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(
        mysql_server,
        "CREATE TABLE one.t (id bigint PRIMARY KEY, a text)",
        "INSERT INTO one.t SELECT CAST(seq AS SIGNED) * 3 - 900, md5(seq) FROM one.seq_1_to_3000",
        "ANALYZE TABLE one.t",
    )
    monkeypatch.setattr(scan_sql, "PART_BYTES", 32 << 10)
    monkeypatch.setattr("expunge.stores.scan_mysql.PART_BYTES", 32 << 10)
    with scanning(mysql_server.url(database)) as scan:
        parts = [part for part in readable(scan) if part.name == "t"]
        assert len(parts) > 3
        run(mysql_server, "INSERT INTO one.t VALUES (-5000, 'before'), (99999, 'after')")
        keys = Counter(key for part in parts for batch in scan.rows(part) for key in batch.keys)
    assert keys == Counter(map(str, [-5000, 99999, *(number * 3 - 900 for number in range(1, 3001))]))


def test_what_may_not_be_seen_is_told(mysql_server: MySQL, database: str) -> None:
    run(
        mysql_server,
        "CREATE TABLE one.closed (a int)",
        "CREATE TABLE one.open (a int)",
        "INSERT INTO one.open VALUES (1)",
        "CREATE TABLE one.partly (id int PRIMARY KEY, b text)",
        "INSERT INTO one.partly VALUES (4, 'secret')",
        "CREATE TABLE one.written (a int)",
        f"CREATE OR REPLACE USER limited@'{LOOPBACK}' IDENTIFIED BY 's/e@cret'",
        f"GRANT SELECT ON one.open TO limited@'{LOOPBACK}'",
        f"GRANT SELECT (id) ON one.partly TO limited@'{LOOPBACK}'",
        f"GRANT INSERT ON one.written TO limited@'{LOOPBACK}'",
    )
    with scanning(mysql_server.url("", "limited", "s/e@cret")) as scan:
        assert unread(scan) == {
            ("*", "schemas not granted", Why.DENIED),
            ("one.*", "tables not granted", Why.DENIED),
            ("one.partly", "columns not granted", Why.DENIED),
            ("one.written", "", Why.DENIED),
        }
        assert ours(tables(scan)) == {
            "one.open": Counter([row("0", {"a": 1})]),
            "one.partly": Counter([row("4", {"id": 4})]),
        }
        with pytest.raises((Refused, Conflict)):
            list(scan.rows(Part("one.closed", table=True)))
    run(mysql_server, f"GRANT SELECT ON `on_`.* TO limited@'{LOOPBACK}'")
    with scanning(mysql_server.url("one", "limited", "s/e@cret")) as scan:
        assert not unread(scan)
    run(mysql_server, f"DROP USER limited@'{LOOPBACK}'")


def test_what_grants_prove() -> None:
    lines = [
        "GRANT USAGE ON *.* TO `a`@`%`",
        "GRANT SELECT, INSERT ON `x\\_y`.* TO `a`@`%`",
        "GRANT ALL PRIVILEGES ON `p%`.* TO `a`@`%` WITH GRANT OPTION",
        "GRANT INSERT ON `z`.* TO `a`@`%`",
        "GRANT SELECT ON `z`.`it``s` TO `a`@`%`",
        "GRANT SELECT (`id`), INSERT ON `z`.`u` TO `a`@`%`",
        "GRANT INSERT, SELECT (`id`) ON `z`.`w` TO `a`@`%`",
        "GRANT EXECUTE ON PROCEDURE `z`.`f` TO `a`@`%`",
        "GRANT `role`@`%` TO `a`@`%`",
    ]
    grants = Grants.of(lines)
    assert not grants.server()
    assert [grants.schema(name) for name in ("x_y", "xay", "people", "z", "o")] == [True, False, True, False, False]
    assert [grants.table("z", name) for name in ("it's", "it`s", "u", "w", "other")] == [False, True, False, False, False]
    everywhere = ["GRANT SELECT, SHOW VIEW ON *.* TO `a`@`%`"]
    assert Grants.of(everywhere).server()
    partly = Grants.of([*everywhere, "REVOKE SELECT ON `z`.* FROM `a`@`%`"])
    assert not partly.server()
    assert partly.schema("x")
    assert not partly.schema("z")


def test_what_went_since_is_a_conflict(mysql_server: MySQL, database: str) -> None:
    run(mysql_server, "CREATE TABLE one.t (a int)")
    with scanning(mysql_server.url(database)) as scan:
        (part,) = (part for part in readable(scan) if part.name == "t")
        run(mysql_server, "DROP TABLE one.t")
        with pytest.raises(Conflict):
            list(scan.rows(part))
        with pytest.raises(Refused):
            scan.stream(part)


def test_a_scan_given_up_midway_can_go_on(mysql_server: MySQL, database: str) -> None:
    run(mysql_server, "CREATE TABLE one.t AS SELECT seq FROM one.seq_1_to_100000")
    with scanning(mysql_server.url(database)) as scan:
        (part,) = (part for part in readable(scan) if part.name == "t")
        begun = scan.rows(part)
        next(begun)
        begun.close()  # type: ignore[attr-defined]  # a generator
        assert sum(rows_of(scan, [part])["t"].values()) == 100000


def test_errors_name_the_place_and_no_secret(mysql_server: MySQL) -> None:
    for address, kind in (
        ("mysql://ann:s3cret@127.0.0.1:1/x", Unavailable),
        (mysql_server.url("", "root", "s3cret"), Refused),
        (mysql_server.url("nowhere"), Drift),
    ):
        with scanning(address) as scan, pytest.raises(kind) as told:
            list(scan.parts())
        assert "s3cret" not in f"{told.value!r} {scan!r}"
        assert told.value.where.startswith("mysql://127.0.0.1:")
