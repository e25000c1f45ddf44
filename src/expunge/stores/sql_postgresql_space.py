"""Where PostgreSQL keeps what was deleted: dead rows and index entries, sampled statistics, materialised views, the write-ahead log.

``VACUUM (FULL)`` writes the heap, its TOAST table and every index anew (measured: no byte left; a plain VACUUM left 975 of 1,000).
ANALYZE's samples hold people's values too and are *not* cleared when a table has become empty. The write-ahead log is the server's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from expunge.errors import Refused
from expunge.stores.sql_table import Table
from expunge.terms import Reclaimed

REMARK = "the write-ahead log (WAL) of the server, its archive and its backups keep copies until they are recycled; not looked at"
SAMPLED = "older samples of the planner (pg_statistic) may hold values until a superuser reclaims"
SUPERUSER = sa.text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
PERMISSION = "42501"

DEAD = sa.text(
    "SELECT coalesce(sum(n_dead_tup), 0)::bigint, coalesce(bool_or(n_tup_del + n_tup_upd > 0 "
    "AND greatest(last_vacuum, last_autovacuum) > coalesce(last_analyze, '-infinity')), false) "
    "FROM pg_stat_all_tables WHERE relid = CAST(:table AS regclass) "
    "OR relid IN (SELECT t.relid FROM pg_partition_tree(CAST(:table AS regclass)) t)"
)
VIEWS = sa.text(
    "WITH RECURSIVE above(oid, depth) AS (SELECT CAST(:table AS regclass)::oid, 0 UNION SELECT r.ev_class, a.depth + 1 FROM above a "
    "JOIN pg_depend d ON d.refobjid = a.oid AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass "
    "JOIN pg_rewrite r ON r.oid = d.objid WHERE r.ev_class <> a.oid AND a.depth < 32) "  # views made from views, and no endless circle
    "SELECT v.oid::regclass::text FROM above a JOIN pg_class v ON v.oid = a.oid WHERE v.relkind = 'm' AND v.relispopulated "
    "GROUP BY v.oid ORDER BY max(a.depth), 1"
)
EMPTY = "DELETE FROM pg_catalog.pg_statistic WHERE starelid = CAST(%s AS regclass)"
SAMPLES = ("pg_catalog.pg_statistic", "pg_catalog.pg_statistic_ext_data")


@dataclass(frozen=True, slots=True)
class _Notice:
    severity: str
    said: str
    detail: str


def spelled(table: Table) -> str:
    """The table's name as ``regclass`` reads it."""
    parts = [table.schema, table.name] if table.schema else [table.name]
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def quoted(table: Table) -> str:
    """The table's name in a statement, in which psycopg reads a per cent sign as the beginning of a parameter."""
    return _escaped(spelled(table))


def _escaped(name: str) -> str:
    return name.replace("%", "%%")


def history(connection: sa.Connection, table: Table, *, rewrites: bool) -> tuple[int | None, str]:
    """Dead rows and materialised views of the table: an upper bound, whosever they are.

    ``rewrite`` ends with ANALYZE. A vacuum after that took dead rows away and left their bytes, which nobody can count.
    """
    connection.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
    dead, vacuumed = connection.execute(DEAD, {"table": spelled(table)}).one()
    views = _views(connection, table)
    told = [f"{dead} dead rows may hold copies until reclaimed"] if dead else []
    told += [f"materialised views made from it may until they are refreshed: {', '.join(views)}"] if views else []
    if not rewrites or (vacuumed and not dead):
        return None, "; ".join([*told, "a plain VACUUM leaves bytes in the pages until they are used again"])
    return int(dead) + len(views), "; ".join(told)


def remark(connection: sa.Connection) -> str:
    """What is out of sight, or out of this role's reach."""
    return REMARK if connection.execute(SUPERUSER).scalar_one() else f"{SAMPLED}; {REMARK}"


def rewrite(connection: sa.Connection, table: Table, where: str, *, full: bool) -> tuple[Reclaimed, int | None]:
    """Vacuum, and refresh what was made from the table; how many dead rows an older snapshot still holds. ``clear_samples`` comes after.

    Raises:
        Refused: the role may not vacuum the table: the server only warns and skips it.
    """
    # A limit of a statement's time is for queries; rewriting a large table takes what it takes.
    connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("SET statement_timeout = 0")
    name = quoted(table)
    # VACUUM (FULL) writes no visibility map and resets no counters; the plain one after it does, on pages that are clean by now.
    commands = ["VACUUM (FULL, VERBOSE)", "VACUUM (ANALYZE)"] if full else ["VACUUM (ANALYZE, VERBOSE)"]
    with _notices(connection) as said:
        for command in commands:
            connection.exec_driver_sql(f"{command} {name}")
    if any(one.severity == "WARNING" for one in said):
        msg = f"the role may not vacuum {table.name}; make it the owner, or grant MAINTAIN (PostgreSQL 17)"
        raise Refused(msg, where=where)
    kept = sum(_unremovable(one) for one in said) if full else None
    done, notes = commands, [f"{kept} dead rows are kept for an older snapshot; end it and reclaim again"] if kept else []
    for view in _views(connection, table):
        connection.exec_driver_sql(f"REFRESH MATERIALIZED VIEW {_escaped(view)}")
        done.append(f"REFRESH {view}")
    return Reclaimed(how=", ".join(done), note="; ".join(notes)), kept


def clear_samples(connection: sa.Connection, tables: Sequence[Table]) -> list[str]:
    """Take the erased values out of the planner's statistics, once for all tables: it rewrites them whole. What the role may not do."""
    connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("SET statement_timeout = 0")
    notes: list[str] = []
    for table in tables:
        held = sa.select(sa.literal(1)).select_from(table.clause).limit(1).subquery()
        if not connection.execute(sa.select(sa.func.count()).select_from(held)).scalar_one():
            notes += _attempt(connection, EMPTY, (spelled(table),))  # ANALYZE leaves an empty table's old samples as they are
    for samples in SAMPLES:
        notes += _attempt(connection, f"VACUUM (FULL) {samples}")
    notes += _attempt(connection, "CHECKPOINT")
    return list(dict.fromkeys(notes))


def _attempt(connection: sa.Connection, statement: str, parameters: tuple[str, ...] = ()) -> list[str]:
    """Run what only a superuser may; a note if this role may not."""
    try:
        with _notices(connection) as said:
            connection.exec_driver_sql(statement, parameters)
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != PERMISSION:
            raise
        return [f"not permitted: {statement.split(' WHERE', maxsplit=1)[0]}"]
    return [f"not permitted: {statement}"] if any(one.severity == "WARNING" for one in said) else []


def _views(connection: sa.Connection, table: Table) -> list[str]:
    return list(connection.execute(VIEWS, {"table": spelled(table)}).scalars())


@contextmanager
def _notices(connection: sa.Connection) -> Iterator[list[_Notice]]:
    """What the server says beside its answers; a diagnostic can be read only while it is being said."""
    driver: Any = connection.connection.driver_connection
    said: list[_Notice] = []

    def hear(one: Any) -> None:
        said.append(_Notice(one.severity_nonlocalized or "", one.message_primary or "", one.message_detail or ""))

    driver.add_notice_handler(hear)
    try:
        yield said
    finally:
        driver.remove_notice_handler(hear)


def _unremovable(notice: _Notice) -> int:
    """From VERBOSE's detail, whose first number is of the dead row versions that can't be removed yet, in whatever language."""
    found = re.match(r"\D*(\d+)", notice.detail) if notice.severity == "INFO" and '"' in notice.said else None
    return int(found[1]) if found else 0
