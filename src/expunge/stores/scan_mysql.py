"""Every row of a MySQL or MariaDB server, or of one of its databases, for the hunt.

Read unbuffered from a consistent snapshot that can't write. A table with a whole number as its primary key is shared out by ranges of it;
a system-versioned table of MariaDB is read with its history. MySQL shows an account only what it was granted something on, so what is
hidden can't be counted: wherever the account's grants don't prove that it sees all, a part says so. Views hold nothing; their texts, and
those of routines, triggers and events, are read from the information schema, and the server's logs, where they are tables, as tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, BinaryIO

import pymysql
import sqlalchemy as sa
from pymysql.converters import encoders
from pymysql.cursors import SSCursor

from expunge.errors import PolicyInvalid, Refused
from expunge.stores.base import Part, ScannedRows
from expunge.stores.scan_mysql_faults import translated
from expunge.stores.scan_mysql_grants import Grants
from expunge.stores.scan_sql import PART_BYTES, Range, batches, converted, gone, keys_of, quoted, shares, spelled, unspelled
from expunge.stores.scan_unread import BROKEN, DENIED, UNSUPPORTED
from expunge.terms import Value

TICK = "`"
OWN = ("information_schema", "performance_schema", "mysql", "sys")
"""Schemas of the server itself."""

LOGS = ("column_stats", "general_log", "slow_log")
"""Tables of the schema ``mysql`` that keep people's values: statements as they were sent, samples of columns."""

TEXTS: Mapping[str, tuple[str, str]] = {
    # relations of the information schema that keep literals or samples: (their column of the schema, of the name)
    "COLUMN_STATISTICS": ("SCHEMA_NAME", "TABLE_NAME"),
    "EVENTS": ("EVENT_SCHEMA", "EVENT_NAME"),
    "ROUTINES": ("ROUTINE_SCHEMA", "ROUTINE_NAME"),
    "TRIGGERS": ("TRIGGER_SCHEMA", "TRIGGER_NAME"),
    "VIEWS": ("TABLE_SCHEMA", "TABLE_NAME"),
}
ELSEWHERE = frozenset({"CONNECT", "FEDERATED", "SPHINX", "SPIDER"})
"""Engines whose tables keep their rows in another place."""

MERGED = "MRG_MYISAM"
"""An engine whose tables are other tables together."""

WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
SHAPES = frozenset(
    {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection"}
)
SESSION = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION time_zone = '+00:00', net_write_timeout = 3600",  # in seconds: we may think for long about a batch
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
TABLES = """
SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, DATA_LENGTH FROM information_schema.TABLES
WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY BINARY TABLE_SCHEMA, BINARY TABLE_NAME
"""
COLUMNS = """
SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_KEY = 'PRI' FROM information_schema.COLUMNS
WHERE PRIVILEGES LIKE '%select%' OR TABLE_SCHEMA = 'information_schema' ORDER BY ORDINAL_POSITION
"""
COLUMNS_OF = """
SELECT COLUMN_NAME, DATA_TYPE, COLUMN_KEY = 'PRI' FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s
AND BINARY TABLE_SCHEMA = %s AND BINARY TABLE_NAME = %s AND (PRIVILEGES LIKE '%%select%%' OR TABLE_SCHEMA = 'information_schema')
ORDER BY ORDINAL_POSITION
"""
VERSIONED = """
SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s
AND BINARY TABLE_SCHEMA = %s AND BINARY TABLE_NAME = %s
"""


def open_scan(address: str, name: str, options: Mapping[str, object]) -> MysqlScan:
    """Open ``mysql://user:password@host:port/database``, or a whole server without a database; nothing is connected yet.

    The query may say ``unix_socket``, ``ssl_ca``, ``ssl_cert`` and ``ssl_key``; ``connect_timeout`` (in seconds) is an option.

    Raises:
        PolicyInvalid: the address or an option can't be read.
    """
    try:
        url = sa.make_url(address)
        patience = max(1, int(str(options.get("connect_timeout", 10))))
    except (ValueError, sa.exc.ArgumentError):
        raise PolicyInvalid("an address is mysql://user:password@host:port/database; timeouts are numbers", where=name) from None
    unknown = set(url.query) - {"unix_socket", "ssl_ca", "ssl_cert", "ssl_key", "charset"}
    if unknown:
        raise PolicyInvalid(f"unknown in the address: {', '.join(sorted(unknown))}", where=name)
    reach: dict[str, Any] = {
        "host": url.host or "localhost",
        "port": url.port or 3306,
        "user": url.username,
        "password": url.password or "",
        "connect_timeout": patience,
        **{one: value for one, value in url.query.items() if one != "charset"},
    }
    return MysqlScan(name, reach, url.database or "")


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str
    key: bool

    @classmethod
    def of(cls, name: str, kind: str, key: str) -> _Column:
        """From the information schema's words."""
        return cls(name, kind.lower(), key == "1")

    @property
    def selected(self) -> str:
        """Shapes as text, since nothing that looks for tracks reads their own form."""
        column = quoted(self.name, TICK)
        return f"ST_AsText({column})" if self.type in SHAPES else column


class MysqlScan:
    """A server, or one of its databases. Implements ``Scan``."""

    def __init__(self, name: str, reach: Mapping[str, Any], database: str) -> None:
        """``reach`` is what the driver connects with; ``database`` is ``""`` for all."""
        self._name = name
        self._reach = reach
        self._database = database

    def __repr__(self) -> str:
        """Name only: the address may hold a password."""
        return f"MysqlScan({self._name!r})"

    def parts(self) -> Iterator[Part]:
        """Tables by schema and name, then what of the server's own schemas keeps values or literals.

        Names have their schema unless the address names it. Ranges ``schemas``, ``tables`` or ``columns not granted`` tell what the account
        may not even be shown.

        Raises:
            Drift: there is no such database.
            Unavailable, Refused: as the server says.
        """
        with self._reading() as session:
            grants = self._grants(session)
            if not self._database and not grants.server():
                yield Part("*", table=True, range="schemas not granted", unread=DENIED)
            for schema in self._schemas(session):
                if not grants.schema(schema):
                    yield Part(spelled(schema, "*", self._database), table=True, range="tables not granted", unread=DENIED)
            yield from self._tables(session, grants)
            for (table,) in _asked(session, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'information_schema'"):
                if table in TEXTS:
                    yield Part(f"information_schema.{table}", table=True)

    def _schemas(self, session: Any) -> list[str]:
        if self._database:
            return [self._database]
        return sorted(name for (name,) in _asked(session, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA") if name not in OWN)

    def _tables(self, session: Any, grants: Grants) -> Iterator[Part]:
        columns: dict[tuple[str, str], list[_Column]] = {}
        for schema, table, *column in _asked(session, COLUMNS):
            columns.setdefault((schema, table), []).append(_Column.of(*column))
        for schema, table, kind, engine, size in _asked(session, TABLES):
            mine = schema == self._database if self._database else schema not in OWN or (schema == "mysql" and table in LOGS)
            if mine and engine != MERGED:
                name, found = spelled(schema, table, self._database), columns.get((schema, table), [])
                yield from self._table(session, _source(schema, table, kind), name, found, engine, int(size or 0))
                if found and not grants.table(schema, table):
                    yield Part(name, table=True, range="columns not granted", unread=DENIED)

    def _table(self, session: Any, source: str, name: str, columns: Sequence[_Column], engine: str | None, size: int) -> Iterator[Part]:
        why = BROKEN if engine is None else UNSUPPORTED if engine.upper() in ELSEWHERE else "" if columns else DENIED
        ranges = [Range()] if why else _shares(session, source, [one for one in columns if one.key], size)
        yield from (Part(name, table=True, range=one.text, size=size // len(ranges), unread=why) for one in ranges)

    def rows(self, part: Part) -> Iterator[ScannedRows]:
        """The part's rows from one snapshot (of engines that have any), every column that may be read, hidden ones too.

        Keys are the primary key's values (several joined by commas), else the row's number. Numbers, dates, times in UTC (also those that
        know no zone) and bytes are such; shapes, JSON and the rest are text; text that isn't UTF-8 comes as bytes.

        Raises:
            Conflict: the table is gone or was changed since it was listed.
            Unavailable, Refused: as the server says.
        """
        table = unspelled(part.name, self._database)
        with self._reading() as session:
            columns = [_Column.of(*row) for row in _asked(session, COLUMNS_OF, table * 2)]
            if not columns:
                raise gone(self._name)
            key = [at for at, one in enumerate(columns) if one.key]
            count = 0
            with _Unbuffered(session) as cursor:
                cursor.execute(self._statement(session, table, columns, part.range))
                for batch in batches(cursor.fetchmany):
                    values = [_values(stored, one.type) for stored, one in zip(batch, columns, strict=True)]
                    keys = keys_of([values[at] for at in key] or [range(count, count + len(batch[0]))])
                    count += len(keys)
                    yield ScannedRows(keys, dict(zip((one.name for one in columns), values, strict=True)))
                cursor.whole = True

    def _statement(self, session: Any, table: tuple[str, str], columns: Sequence[_Column], part: str) -> str:
        kind = next((kind for (kind,) in _asked(session, VERSIONED, table * 2)), "")
        conditions = Range.of(part).conditions(next((quoted(one.name, TICK) for one in columns if one.key), ""))
        if table[0] == "information_schema":
            schema = TEXTS[table[1]][0]
            conditions = [f"{schema} = {session.escape(self._database)}" if self._database else f"{schema} NOT IN {OWN}"]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT {', '.join(one.selected for one in columns)} FROM {_source(*table, kind)}{where}"  # noqa: S608 - names are quoted

    def stream(self, part: Part) -> BinaryIO:  # noqa: ARG002 - the Protocol's
        """A server has no streams.

        Raises:
            Refused: always.
        """
        raise Refused("a MySQL server has tables, not streams", where=self._name)

    def close(self) -> None:
        """Nothing is held open."""

    def _grants(self, session: Any) -> Grants:
        """With the roles that are active; MariaDB shows theirs by itself."""
        ((roles, version),) = _asked(session, "SELECT CURRENT_ROLE(), VERSION()")
        using = f" FOR CURRENT_USER() USING {roles}" if roles not in (None, "NONE") and "MariaDB" not in version else ""
        return Grants.of(line for (line,) in _asked(session, f"SHOW GRANTS{using}"))

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """A session that reads from one snapshot and can't write."""
        with translated(self._name):
            session = pymysql.connect(
                **self._reach,
                database=self._database or None,
                charset="utf8mb4",
                use_unicode=False,  # values come as bytes, and are made what they are column by column
                conv=encoders,
                program_name="expunge",
            )
            try:
                for statement in SESSION:
                    _asked(session, statement)
                yield session
            finally:
                if session.open:
                    session.close()


class _Unbuffered(SSCursor):  # type: ignore[misc]  # pymysql has no types
    """A cursor that is given up without reading on to the result's end, as pymysql's own would, for hours."""

    whole = False

    def __exit__(self, *_: object) -> None:
        """Break the line where rows are still to come; the server notices."""
        if not self.whole:
            if self._result is not None:
                self._result.unbuffered_active = False
            self.connection._force_close()  # noqa: SLF001 - a quit would be sent into an answer that still comes
        self.close()


def _shares(session: Any, source: str, key: Sequence[_Column], size: int) -> list[Range]:
    """By the primary key if it is one whole number."""
    if len(key) != 1 or key[0].type not in WHOLE or size <= PART_BYTES:
        return [Range()]
    column = quoted(key[0].name, TICK)
    ((low, high),) = _asked(session, f"SELECT MIN({column}), MAX({column}) FROM {source}")  # noqa: S608 - names are quoted
    return [Range()] if low is None else shares(size, int(low), int(high))


def _asked(session: Any, statement: str, values: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    """A small answer, as text."""
    with session.cursor() as cursor:
        cursor.execute(statement, values or None)
        return [tuple(None if one is None else one.decode("utf-8", "surrogateescape") for one in row) for row in cursor.fetchall()]


def _source(schema: str, table: str, kind: str) -> str:
    history = " FOR SYSTEM_TIME ALL" if kind == "SYSTEM VERSIONED" else ""
    return f"{quoted(schema, '`')}.{quoted(table, '`')}{history}"


def _values(column: Sequence[bytes | None], kind: str) -> list[Value | None]:
    if kind in BYTES:
        return list(column)
    return converted(column, CONVERTERS.get(kind, _text), _text)


def _text(stored: bytes) -> str | bytes:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _moment(stored: bytes) -> datetime:
    return datetime.fromisoformat(stored.decode() + "+00:00")


BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "vector"})
CONVERTERS: Mapping[str, Callable[[bytes], Value]] = {
    **dict.fromkeys((*WHOLE, "year"), int),
    "float": float,
    "double": float,
    "decimal": lambda stored: Decimal(stored.decode()),
    "date": lambda stored: date.fromisoformat(stored.decode()),
    "datetime": _moment,
    "timestamp": _moment,
}
