"""Numbers in dumps of INSERT statements come by the names of their columns, whatever the dialect, the quotes and the size."""

from __future__ import annotations

import contextlib
import random
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.hunt.readers import inserts
from tests.hunt.readers.structured import format_of, read

MYSQL = b"""-- MySQL dump 10.13
DROP TABLE IF EXISTS `tmp`;
CREATE TABLE `tmp` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `kind` enum('a,b','c)') DEFAULT 'a,b',
  `profile_id` bigint DEFAULT NULL COMMENT 'whose, (mostly)',
  `body` blob,
  PRIMARY KEY (`id`),
  KEY `k` (`profile_id`)
) ENGINE=InnoDB;
LOCK TABLES `tmp` WRITE;
INSERT INTO `tmp` VALUES (1,'a,b',4711001,_binary 'x\\'),(9,9,9,9'),(2,'it''s',NULL,0x00FF),
(3,'c)',4711003,'back\\\\'),(4,'NULL',-5,'');
UNLOCK TABLES;
"""


def test_a_dump_of_mysql() -> None:
    assert format_of(MYSQL, "x") == "sql"
    got = read(MYSQL, "sql")
    assert got.tables() == {"tmp"}
    assert got.values("id", "tmp") == [1, 2, 3, 4]
    assert got.values("profile_id", "tmp") == [4711001, None, 4711003, -5]
    assert not got.values("body", "tmp")
    assert not got.account.unread


def test_a_dump_of_sqlite_by_its_own_hand() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute('CREATE TABLE "my clips" ("profile id" INTEGER, said TEXT, share REAL, CHECK (share < 2000))')
        rows = [(number, "it's \\ over\n(5)," * (number % 3), number / 4) for number in range(500)]
        database.executemany('INSERT INTO "my clips" VALUES (?, ?, ?)', rows)
        raw = "\n".join(database.iterdump()).encode()
    assert format_of(raw) == "sql"
    got = read(raw, "sql")
    assert got.values("profile id", "my clips") == [row[0] for row in rows]
    assert got.values("share", "my clips") == [row[2] for row in rows]


def test_a_dump_of_postgresql_with_inserts() -> None:
    raw = b"""--
-- PostgreSQL database dump
--
CREATE TABLE public.clips (
    profile_id bigint NOT NULL,
    said text,
    at timestamp with time zone DEFAULT now()
);
INSERT INTO public.clips VALUES (4711001, E'it\\'s, (1', '2024-05-06 07:08:09+00');
INSERT INTO public.clips VALUES (4711002, 'a \\', '2024-05-06 07:08:09+00') ON CONFLICT DO NOTHING;
INSERT INTO public.clips (said, profile_id) OVERRIDING SYSTEM VALUE VALUES ('b', '4711003'), (lower('(,'), 4711004);
"""
    assert format_of(raw) == "sql"
    assert sorted(read(raw, "sql").values("profile_id", "public.clips")) == [4711001, 4711002, 4711003, 4711004]  # type: ignore[type-var]  # all are numbers


def test_tables_by_turns_and_a_shorter_statement_at_the_end() -> None:
    raw = b"".join(
        b"INSERT INTO a (profile_id, x) VALUES (%d, 'y');\nINSERT INTO b%d (n) VALUES (%d);\n" % (at, at % 20, at) for at in range(200)
    )
    raw += b"INSERT INTO a (profile_id, x, a_long_name_for_nothing) VALUES (7, '', 1);\nINSERT INTO c(n) VALUES(8)"
    got = read(raw, "sql")
    assert sorted(got.values("profile_id", "a")) == sorted([*range(200), 7])  # type: ignore[type-var]  # all are numbers
    assert got.values("n", "b3") == list(range(3, 200, 20))
    assert got.values("n", "c") == [8]


def test_rows_without_names_at_any_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b"".join(b"INSERT INTO %s VALUES (%d, 2);\n" % (b"tu"[at % 2 : at % 2 + 1], at) for at in range(100))
    for block in range(20, 60):
        monkeypatch.setattr(inserts, "_BLOCK", block)
        assert read(raw, "sql").values("column1", "t") == list(range(0, 100, 2))


def test_rows_without_names_and_what_is_no_row() -> None:
    got = read(b"INSERT INTO t VALUES (1, 2.5),(3, 4.5);\nINSERT INTO t SELECT * FROM u;\nINSERT INTO t VALUES oops;\n", "sql")
    assert got.values("column1", "t") == [1, 3]
    assert got.values("column2", "t") == [2.5, 4.5]


@pytest.mark.parametrize(
    "text", [b"INSERT coin\n", b"we INSERT INTO t VALUES (1)\n", b"hello\n", b"replace the lamp\n", b"\0INSERT INTO t VALUES (1)"]
)
def test_prose_is_no_dump(text: bytes) -> None:
    assert format_of(text, "x.txt") != "sql"


CELLS = st.one_of(
    st.none(),
    st.integers(-(10**17), 10**17),
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-1000, max_value=1000),
    st.text("ab'\\\",();\n `17é", max_size=12),
)


@given(rows=st.lists(st.tuples(CELLS, st.integers(0, 10**9), CELLS), min_size=1, max_size=30), block=st.integers(40, 400))
@settings(max_examples=150, deadline=None)
def test_any_rows_at_any_edge(rows: list[tuple[object, int, object]], block: int) -> None:
    def literal(value: object) -> str:
        if value is None:
            return "NULL"
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" if isinstance(value, str) else str(value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inserts, "_BLOCK", block)
        raw = "INSERT INTO `t` (`a`,`key`,`b`) VALUES " + ",".join(f"({','.join(map(literal, row))})" for row in rows) + ";\n"
        got = read(raw.encode(), "sql")
    assert got.values("key", "t") == [row[1] for row in rows]
    assert not got.account.unread


def test_hostile_statements_take_linear_time() -> None:
    chance = random.Random(5)  # no secret
    for part in (
        b"INSERT INTO t (",
        b"INSERT ",
        b"INSERT INTO t VALUES ",
        b"('",
        b"((",
        b"CREATE TABLE t (",
        b"''",
        b"(1),",
        b"REPLACE INTO `",
    ):
        raw = b"INSERT INTO t VALUES (1);\n" + part * (1_000_000 // len(part))
        read(raw, "sql")
    words = [b"INSERT INTO ", b"t", b" VALUES ", b"(", b")", b"'", b"\\", b",", b";", b"1", b"CREATE TABLE ", b"\n", b"`"]
    for _ in range(200):
        read(b"".join(chance.choices(words, k=200)), "sql")
