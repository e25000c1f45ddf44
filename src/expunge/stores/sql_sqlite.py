"""SQLite behind the SQL store: an index proposes, Python decides, and a full read of the table checks.

Every connection opens an existing file (a missing one is an error, never an empty database), zeroes what it deletes
(``secure_delete``), enforces foreign keys and keeps what it sorts in memory rather than in temporary files.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from expunge.errors import Drift, Refused
from expunge.stores.base import coerce, coerce_all
from expunge.stores.sql_address import Columns, Key
from expunge.stores.sql_dialect import FETCH, Apply, Options, Rows, Scan, changes
from expunge.stores.sql_sqlite_schema import ROWID, tables
from expunge.stores.sql_sqlite_space import history, rewrite, untouched
from expunge.stores.sql_sqlite_values import Test, in_span, membership, perhaps_before, proposals, reading, storable
from expunge.stores.sql_sqlite_verify import count
from expunge.stores.sql_table import Table
from expunge.terms import FieldType, Reclaimed, Selector, Step, Value

INDEXABLE = (FieldType.TEXT, FieldType.INTEGER, FieldType.BYTES)
"""Types of which a value has one stored form, so that an index can be asked; a time has many."""


class Sqlite:
    """The dialect of one SQLite file."""

    handle = ROWID

    def __init__(self, name: str, options: Options) -> None:
        """Open nothing yet."""
        self.name = name
        self._options = options
        self._vacuumed: tuple[int, int] | None = None  # how the file was after VACUUM
        self.path = Path(str(options.url.database)).absolute()
        # No pool: an open connection would go on reading a file that was moved away or replaced.
        self.engine = sa.create_engine("sqlite://", creator=self._connect, poolclass=sa.NullPool)
        sa.event.listen(self.engine, "begin", _begin)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode=rw",
            uri=True,
            timeout=self._options.lock_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        for pragma in ("foreign_keys = ON", "secure_delete = ON", "synchronous = FULL", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def version(self, connection: sa.Connection) -> int:
        """``PRAGMA schema_version``: SQLite itself would take a stale quoted name for a text."""
        return int(connection.exec_driver_sql("PRAGMA schema_version").scalar_one())

    def tables(self, connection: sa.Connection) -> dict[str, Table]:
        """Every table and virtual table."""
        return tables(connection)

    def key(self, table: Table) -> list[sa.ColumnElement[object]]:
        """The key's columns as they are: SQLite's storage classes are JSON's."""
        return [table.sql(name) for name in table.key]

    def content(self, table: Table) -> list[sa.ColumnElement[object]]:
        """Every column."""
        return [table.sql(name) for name in table.columns]

    def digest(self, row: Sequence[object]) -> str:
        """SHA-256 over each value's class, length and bytes."""
        hashed = hashlib.sha256()
        for value in row:
            plain = value if isinstance(value, bytes) else str(value).encode(errors="surrogateescape")
            hashed.update(f"{type(value).__name__} {len(plain)} ".encode() + plain)
        return hashed.hexdigest()

    def carried(self, table: Table, name: str) -> sa.ColumnElement[object]:
        """The column."""
        return table.sql(name)

    def value(self, table: Table, name: str, stored: object) -> Value | None:
        """Times, dates and booleans as such, everything else as it is stored."""
        return reading(stored, table.columns[name].type)

    def find(
        self, connection: sa.Connection, table: Table, selector: Selector, columns: Sequence[sa.ColumnElement[object]]
    ) -> Iterator[Rows]:
        """By key batches through an index where there is one, else in one pass; each record that is proposed is decided by Python."""
        wanted = {name: coerce_all(values, table.columns[name].type) for name, values in selector.any_of.items()}
        if not all(wanted.values()):
            return
        tests = [(name, membership(values, table.columns[name].type)) for name, values in wanted.items()]
        tests += [(name, in_span(span)) for name, span in selector.within.items()]
        early = [perhaps_before(table.sql(name), span.end) for name, span in selector.within.items() if span.end is not None]
        query = sa.select(*columns).where(*early, *_calls(connection, table, tests)).order_by(*self._order(table))
        if selector.present:
            query = query.where(sa.or_(*(table.sql(name).is_not(None) for name in sorted(selector.present))))
        for condition in self._proposed(table, wanted):
            yield from connection.execute(query.where(condition)).partitions(FETCH)

    def _order(self, table: Table) -> list[sa.ColumnElement[object]]:
        return [table.sql(name) for name in table.key] or [sa.literal_column(ROWID)]

    def _proposed(self, table: Table, wanted: dict[str, list[Value]]) -> Iterator[sa.ColumnElement[bool]]:
        """One condition per key batch on an indexed column, or one that is always true."""
        indexed = [name for name in wanted if name in table.leading and table.columns[name].type in INDEXABLE]
        if not indexed:
            yield sa.true()
            return
        driver = min(indexed, key=lambda name: (len(wanted[name]), name))
        values = iter(wanted[driver])
        while some := list(islice(values, self._options.batch)):
            yield table.sql(driver).in_(proposals(some))

    def distinct(self, connection: sa.Connection, table: Table, name: str) -> Iterator[Rows]:
        """Distinct by an index on the column; without one SQLite would hold them all in memory, so then each record's value comes."""
        query = sa.select(sa.collate(table.sql(name), "BINARY")).where(table.sql(name).is_not(None))
        yield from connection.execute(query.distinct() if name in table.leading else query).partitions(FETCH)

    def fetch(self, connection: sa.Connection, table: Table, keys: Sequence[Key], columns: Sequence[sa.ColumnElement[object]]) -> Rows:
        """By ``IN`` over bound values."""
        found: list[Sequence[object]] = []
        names = [table.sql(name) for name in table.key]
        for at in range(0, len(keys), self._options.batch):
            some = keys[at : at + self._options.batch]
            known = names[0].in_([key[0] for key in some]) if len(names) == 1 else sa.tuple_(*names).in_(some)
            found += connection.execute(sa.select(*columns).where(known)).all()
        return found

    def like(self, connection: sa.Connection, table: Table, digests: Sequence[str]) -> Iterator[tuple[Key, str]]:
        """By a pass over the table; the transaction has the only right to write."""
        wanted = frozenset(digests)
        columns: list[sa.ColumnElement[Any]] = [sa.literal_column(ROWID), *self.content(table)]
        for part in connection.execute(sa.select(*columns)).partitions(FETCH):
            for row in part:
                digest = self.digest(row[1:])
                if digest in wanted:
                    yield (row[0],), digest

    def begin(self, connection: sa.Connection) -> sa.RootTransaction:
        """``BEGIN IMMEDIATE``: a reader that becomes a writer could fail in between."""
        return connection.execution_options(expunge_begin="BEGIN IMMEDIATE").begin()

    def prepare(self, connection: sa.Connection, table: Table, step: Step) -> Apply:
        """One prepared statement for all keys.

        SQLite hands out the number of a deleted record again. So a record that belongs to somebody else by now, by a field that selected
        it, is left alone; a field that became null (the owner is gone already) says nothing against it. So is one whose time has moved out
        of the selector's range since.
        """
        if table.shape.hangs_on:
            msg = f"{table.name} is an index on {table.shape.hangs_on} and is erased with it"
            raise Refused(msg, where=self.name)
        ours = [
            (name, _or_null(membership(coerce_all(values, table.columns[name].type), table.columns[name].type)))
            for name, values in step.selector.any_of.items()
            if name not in table.key and name in table.columns
        ]
        ours += [(name, _or_null(in_span(span))) for name, span in step.selector.within.items() if name in table.columns]
        known = [table.sql(name) == sa.bindparam(f"key{at}") for at, name in enumerate(table.key)]
        values = {name: self._settable(table, name, value) for name, value in changes(step).items()}
        change = table.clause.update().values(values) if values else table.clause.delete()
        change = change.where(*known, *_calls(connection, table, ours))

        self._vacuumed = None  # a file system's clock may be too coarse to tell

        def apply(columns: Columns) -> None:
            names = [f"key{at}" for at in range(len(columns))]
            connection.execute(change, [dict(zip(names, key, strict=True)) for key in zip(*columns, strict=True)])

        return apply

    def _settable(self, table: Table, name: str, value: object) -> object:
        if value is None:
            return sa.null()
        kind = table.columns[name].type
        meant = value if kind in (FieldType.JSON, FieldType.OTHER) else coerce(value, kind)  # type: ignore[arg-type]  # a Step's repoint holds Values
        if meant is None:
            msg = f"the pseudo-person's value doesn't fit {table.name}.{name}"
            raise Drift(msg, where=self.name)
        return storable(meant)  # type: ignore[arg-type]  # as above

    def count(self, connection: sa.Connection, table: Table, selector: Selector, columns: Sequence[sa.ColumnElement[object]]) -> Scan:
        """A full read of the table, compared in Python as text."""
        return count(connection, table, selector, columns)

    def history(self, connection: sa.Connection, table: Table) -> tuple[int | None, str]:
        """Free pages, the write-ahead log, the journal, and words that full-text indexes kept."""
        return history(connection, table, self.path)

    def remark(self, connection: sa.Connection) -> str:  # noqa: ARG002 - PostgreSQL's needs it
        """Nothing: the file is all there is."""
        return ""

    def rewrite(self, connection: sa.Connection, table: Table) -> tuple[Reclaimed, int | None]:
        """Rebuild what hangs on the table, then ``VACUUM`` and empty the log."""
        vacuumed = self._vacuumed is not None and self._vacuumed == untouched(self.path)
        done = rewrite(connection, table, self.path, vacuumed=vacuumed)
        self._vacuumed = untouched(self.path)
        return done

    def tidy(self, connection: sa.Connection, tables: Sequence[Table]) -> list[str]:
        """Nothing: ``VACUUM`` has rewritten the whole file."""
        del connection, tables
        return []


def _begin(connection: sa.Connection) -> None:
    """Transactions begin as the caller says; VACUUM and checkpoints want none."""
    said = connection.get_execution_options().get("expunge_begin", "BEGIN")
    if said:
        connection.exec_driver_sql(said)


def _or_null(test: Test) -> Test:
    return lambda stored: stored is None or test(stored)


def _calls(connection: sa.Connection, table: Table, tests: Sequence[tuple[str, Test]]) -> list[sa.ColumnElement[bool]]:
    """Conditions that ask Python; the functions live as long as the connection, which serves one caller."""
    driver: Any = connection.connection.driver_connection
    conditions: list[sa.ColumnElement[bool]] = []
    for at, (name, test) in enumerate(tests):
        driver.create_function(f"expunge_test_{at}", 1, test, deterministic=True)
        conditions.append(getattr(sa.func, f"expunge_test_{at}")(table.sql(name)) == sa.literal_column("1"))
    return conditions
