"""Every row of a PostgreSQL database, for the hunt: tables of all schemas, materialised views, large objects, samples in statistics.

A partitioned table is read through its leaves, and a parent of inherited tables without its children, so that nothing comes twice. Big
tables are shared out by blocks (``ctid``), which PostgreSQL 14 and newer reads without the rest. What the role may not see (no grant,
row-level security) is told, never taken for empty: the session sets ``row_security = off``, which raises instead of hiding. Views hold
nothing; what hides in the text of a view, function or comment is read from the catalog. Foreign tables are told, not read; temporary
ones are their own session's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import psycopg
import sqlalchemy as sa

from expunge.stores.base import Part, ScannedRows
from expunge.stores.scan_postgresql_copy import columns_of, copied
from expunge.stores.scan_postgresql_large import PIECE, LargeObject
from expunge.stores.scan_sql import Range, gone, quoted, shares, spelled, unspelled
from expunge.stores.scan_streams import Buffered
from expunge.stores.scan_unread import DENIED, UNSUPPORTED
from expunge.stores.sql_dialect import options_of
from expunge.stores.sql_faults import translated
from expunge.stores.sql_postgresql import Postgresql

USUAL = "public"
BLOCK = 8192  # PostgreSQL's usual page; one built with another only gets parts of another size
TID_RANGES = (14,)
"""The server version from which a range of ``ctid`` is read without the rest of the table."""

LARGE = "pg_largeobject/"
"""The stream parts of large objects are called ``pg_largeobject/OID``."""

GONE = frozenset({"42P01", "42703", "42704", "3F000"})
"""SQLSTATEs which say that a table, a column, a large object or a schema isn't there."""

CATALOG: Mapping[str, tuple[str, str]] = {
    # relations of the catalog in which people's values (samples) or literals that somebody wrote stay: (a row's key, the rows that count)
    "pg_description": ("concat_ws('.', objoid, objsubid)", "objoid >= 16384"),  # the first number that initdb leaves to users
    "pg_enum": ("oid::text", "oid >= 16384"),
    "pg_matviews": ("concat_ws('.', schemaname, matviewname)", "true"),
    "pg_policies": ("concat_ws('.', schemaname, tablename, policyname)", "true"),
    "pg_proc": ("oid::text", "oid >= 16384"),
    "pg_rules": ("concat_ws('.', schemaname, tablename, rulename)", "schemaname <> 'pg_catalog'"),
    "pg_stats": ("concat_ws('.', schemaname, tablename, attname)", "schemaname NOT IN ('pg_catalog', 'information_schema')"),
    "pg_stats_ext": ("concat_ws('.', statistics_schemaname, statistics_name)", "true"),
    "pg_stats_ext_exprs": ("concat_ws('.', statistics_schemaname, statistics_name)", "true"),
    "pg_views": ("concat_ws('.', schemaname, viewname)", "schemaname NOT IN ('pg_catalog', 'information_schema')"),
}

RELATIONS = sa.text(r"""
SELECT n.nspname, c.relname, c.relkind::text, coalesce(pg_relation_size(c.oid), 0), coalesce(pg_table_size(c.oid), 0),
  has_schema_privilege(n.oid, 'USAGE') AND NOT row_security_active(c.oid)
  AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT')),
  has_table_privilege(c.oid, 'SELECT'),
  ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY a.attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (c.relkind IN ('r', 'f') OR c.relkind = 'm' AND c.relispopulated) AND c.relpersistence <> 't'
  AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
""")
CATALOG_RELATIONS = sa.text(
    "SELECT c.relname, has_table_privilege(c.oid, 'SELECT') FROM pg_class c "
    "WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relname = ANY(:names) ORDER BY c.relname COLLATE \"C\""
)
COLUMNS = sa.text("""
WITH shapes AS (
  SELECT t.oid, n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid
  WHERE e.extname = 'postgis' AND t.typname IN ('geometry', 'geography')
)
SELECT a.attname, b.typname, s.nspname, array_position(i.indkey::int2[], a.attnum), i.indnkeyatts, has_table_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
JOIN pg_type t ON t.oid = a.atttypid JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN shapes s ON s.oid = b.oid LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE n.nspname = :schema AND c.relname = :table AND a.attnum > 0 AND NOT a.attisdropped
  AND has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY a.attnum
""")
"""A domain's values are read as its base type's; of a shape the schema of PostGIS is told. ``indkey`` also names included columns."""

AS_READ = sa.text(
    "SELECT pg_catalog.set_config('bytea_output', 'hex', true), pg_catalog.set_config('client_encoding', "
    "CASE pg_catalog.current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END, true)"
)
"""How ``scan_postgresql_copy`` reads bytes and text. A server in SQL_ASCII holds any bytes, and would refuse to give them as UTF-8."""

OBJECTS = sa.text("""
SELECT m.oid, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR pg_has_role(m.lomowner, 'USAGE')
  OR EXISTS (SELECT FROM aclexplode(m.lomacl) g
    WHERE g.privilege_type = 'SELECT' AND (g.grantee = 0 OR pg_has_role(g.grantee, 'USAGE')))
FROM pg_largeobject_metadata m ORDER BY m.oid
""")


def open_scan(address: str, name: str, options: Mapping[str, object]) -> PostgresqlScan:
    """Open a database; nothing is connected yet.

    Raises:
        PolicyInvalid: the address or an option can't be read.
    """
    chosen = options_of(name, {**options, "url": address})
    utf8 = replace(chosen, url=chosen.url.update_query_dict({"client_encoding": "utf8"}))
    return PostgresqlScan(name, Postgresql(name, utf8).engine)


@dataclass(frozen=True, slots=True)
class _Columns:
    """What of a table is read: the columns' names and types, what to select for each, and the expression of a row's key."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    selected: tuple[str, ...]
    key: str


class PostgresqlScan:
    """One database. Implements ``Scan``."""

    def __init__(self, name: str, engine: sa.Engine) -> None:
        """``name`` is what errors call it."""
        self._name = name
        self._engine = engine

    def __repr__(self) -> str:
        """Name only: the URL may hold a password."""
        return f"PostgresqlScan({self._name!r})"

    def parts(self) -> Iterator[Part]:
        """Tables and materialised views by schema and name, what of the catalog keeps values, large objects.

        A column without a grant is a part of its own, with the range ``column NAME``.

        Raises:
            Drift: there is no such database.
            Unavailable, Refused: as the database says.
        """
        with self._reading() as connection:
            by_blocks = (connection.dialect.server_version_info or ()) >= TID_RANGES
            relations = connection.execute(RELATIONS).all()
            catalog = connection.execute(CATALOG_RELATIONS, {"names": list(CATALOG)}).all()
            objects = connection.execute(OBJECTS).all()
        for schema, table, kind, heap, size, readable, whole, denied in relations:
            name = spelled(schema, table, USUAL)
            if kind == "f" or not readable:
                yield Part(name, table=True, size=size, unread=UNSUPPORTED if kind == "f" else DENIED)
                continue
            ranges = shares(size, 0, max(0, heap // BLOCK - 1)) if by_blocks and whole else [Range()]
            yield from (Part(name, table=True, range=one.text, size=size // len(ranges)) for one in ranges)
            yield from (Part(name, table=True, range=f"column {column}", unread=DENIED) for column in denied)
        for table, readable in catalog:
            yield Part(f"pg_catalog.{table}", table=True, unread="" if readable else DENIED)
        for number, readable in objects:
            yield Part(f"{LARGE}{number}", unread="" if readable else DENIED)

    def rows(self, part: Part) -> Iterator[ScannedRows]:
        """The part's rows from one snapshot, every column that may be read.

        Keys are the primary key's values (several joined by commas), else the ``ctid``, else the row's number. Whole numbers, floats,
        decimals, booleans, bytes, dates and times are such (times in UTC, also those that know no zone); everything else is text as the
        server writes it. Text that isn't UTF-8 comes as bytes.

        Raises:
            Conflict: the table is gone or was changed since it was listed.
            Unavailable, Refused: as the database says.
        """
        schema, table = unspelled(part.name, USUAL)
        with self._reading() as connection:
            columns = self._columns(connection, schema, table)
            statement = _statement(schema, table, columns, Range.of(part.range))
            connection.execute(AS_READ)
            session = cast("psycopg.Connection", connection.connection.driver_connection)
            whole = False
            try:
                for block in copied(session, statement):
                    keys, *values = columns_of(block, ("text", *columns.types))
                    yield ScannedRows([str(key) for key in keys], dict(zip(columns.names, values, strict=True)))
                whole = True
            finally:
                if not whole:
                    connection.invalidate()  # the copy is still on its way: only a new session can begin another

    def stream(self, part: Part) -> BinaryIO:
        """A large object's bytes, from one snapshot; it can be sought.

        Raises:
            Conflict: gone since it was listed.
            Unavailable, Refused: as the database says.
        """
        raw = LargeObject(int(part.name.removeprefix(LARGE)), self._session(), self._faults)
        return Buffered(raw, PIECE)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _columns(self, connection: sa.Connection, schema: str, table: str) -> _Columns:
        found = connection.execute(COLUMNS, {"schema": schema, "table": table}).all()
        if not found:
            raise gone(self._name)
        key = [quoted(row[0]) for row in sorted((row for row in found if row[3] is not None), key=lambda row: int(row[3]))]
        return _Columns(
            tuple(row[0] for row in found),
            tuple(row[1] for row in found),
            tuple(_selected(row[0], row[2]) for row in found),
            _key(schema, table, key if len(key) == found[0][4] else [], whole=found[0][5]),
        )

    def _session(self) -> sa.Connection:
        """A transaction in which names mean the server's own functions, whatever path the database's owner has set for us."""
        with self._faults():
            session = self._engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            session.exec_driver_sql("SET LOCAL search_path = pg_catalog")
            return session

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A transaction that reads from one snapshot and can't write."""
        with self._faults(), self._session() as connection:
            yield connection

    @contextmanager
    def _faults(self) -> Iterator[None]:
        with translated(self._name):
            try:
                yield
            except (psycopg.Error, sa.exc.DBAPIError) as fault:
                driver = fault.orig if isinstance(fault, sa.exc.DBAPIError) else fault
                if getattr(driver, "sqlstate", None) in GONE:
                    raise gone(self._name) from None
                raise sa.exc.DBAPIError(None, None, driver or fault) from None  # ``translated`` knows drivers' faults so wrapped


def _statement(schema: str, table: str, columns: _Columns, blocks: Range) -> str:
    conditions = [] if blocks.start is None else [f"ctid >= '({blocks.start:d},0)'"]
    conditions += [] if blocks.end is None else [f"ctid < '({blocks.end:d},0)'"]
    only = "ONLY "
    if schema == "pg_catalog":
        conditions, only = [CATALOG[table][1]], ""
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    selected = ", ".join((columns.key, *columns.selected))
    return f"COPY (SELECT {selected} FROM {only}{quoted(schema)}.{quoted(table)}{where}) TO STDOUT"  # noqa: S608 - names are quoted


def _key(schema: str, table: str, names: list[str], *, whole: bool) -> str:
    """The expression of a row's key; who may not read the whole table may not read ``ctid`` either."""
    if schema == "pg_catalog":
        return CATALOG[table][0]
    if names:
        return f"concat_ws(',', {', '.join(names)})"
    return "ctid::text" if whole else "(row_number() OVER ())::text"


def _selected(name: str, postgis: str | None) -> str:
    """The column; a shape of PostGIS (never somebody else's function of the name) as text: nothing reads tracks in its own form."""
    return f"{quoted(postgis)}.ST_AsText({quoted(name)})" if postgis else quoted(name)
