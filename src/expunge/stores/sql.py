"""SQLite and PostgreSQL through SQLAlchemy Core: one store for both, what differs in one dialect each.

Invariants: a batch is one transaction, announced after its commit. Locating goes by indexes, verifying never does. What can't be told
is an error: a table that is gone, a column that moved, records that row-level security would hide.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

import sqlalchemy as sa

from expunge.errors import Drift, MissingExtra, UnknownStore
from expunge.stores.base import CollectionLayout
from expunge.stores.sql_address import Key, addresses, columns_of, content_addresses, key_of
from expunge.stores.sql_content import by_content, handles_of, physical
from expunge.stores.sql_dialect import Dialect, Options, options_of
from expunge.stores.sql_faults import translated
from expunge.stores.sql_postgresql import Postgresql
from expunge.stores.sql_sqlite import Sqlite
from expunge.stores.sql_table import Table
from expunge.terms import Json, Located, Reclaimed, Record, Residue, Selector, Shape, Step, Value, text_of

READ_BATCH = 500
"""Whole records per query: bodies may be large."""


def open_store(name: str, options: Mapping[str, object], collections: Sequence[CollectionLayout]) -> SqlStore:
    """Open an SQL store; nothing is connected before the first call.

    Options: ``url`` (``sqlite:///path``, ``postgresql://…``), ``schema``, ``reclaim`` (``rewrite`` or ``vacuum``), ``batch`` (keys per
    located batch), ``lock_timeout``, ``statement_timeout``, ``connect_timeout`` (seconds).

    Raises:
        PolicyInvalid: an option is missing or can't be read.
        MissingExtra: psycopg is not installed.
    """
    chosen = options_of(name, options)
    try:
        dialect = _dialect(name, chosen)
    except ModuleNotFoundError as missing:
        msg = f"PostgreSQL needs {missing.name}: pip install 'expunge[postgresql]'"
        raise MissingExtra(msg, where=name) from None
    return SqlStore(name, chosen, dialect, frozenset(one.name for one in collections))


def _dialect(name: str, options: Options) -> Dialect:
    return Sqlite(name, options) if options.url.get_backend_name() == "sqlite" else Postgresql(name, options)


class SqlStore:
    """One database. Implements ``Store``, ``Reader``, ``Lister`` and ``Counter``."""

    def __init__(self, name: str, options: Options, dialect: Dialect, declared: frozenset[str]) -> None:
        """``declared`` are the collections that the policy names: one of these that is missing is drift."""
        self._name = name
        self._options = options
        self._dialect = dialect
        self._declared = declared
        self._tables: dict[str, Table] = {}
        self._version: int | None = None
        self._left: dict[str, int | None] = {}  # per table rewritten since its last erase: copies that could not be removed
        self._sent = 0
        sa.event.listen(dialect.engine, "before_cursor_execute", self._count)

    def __repr__(self) -> str:
        """Name only: the URL may hold a password."""
        return f"SqlStore({self._name!r})"

    @property
    def statements(self) -> int:
        """How many statements were sent since the store was opened; commits not counted."""
        return self._sent

    def _count(self, *_: object) -> None:
        self._sent += 1

    def close(self) -> None:
        """Give the connections back."""
        self._dialect.engine.dispose()

    def describe(self) -> tuple[Shape, ...]:
        """Every table as it is now, by name; views are not collections.

        Raises:
            Unavailable, Refused: as the database says.
        """
        with translated(self._name), self._dialect.engine.connect() as connection:
            self._reflect(connection)
        return tuple(table.shape for table in self._tables.values())

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """The matching records in the order of the selected keys, then of the primary key; streamed.

        Raises:
            UnknownStore: no such table, and the policy names none.
            Drift: a table or column is missing, or can't be selected by.
            Unavailable, Refused, Conflict: as the database says.
        """
        with translated(self._name), self._dialect.engine.connect() as connection:
            table = self._table(connection, selector.collection, carry)
            table.require_selectable(selector, self._name)
            if selector.nothing():
                return
            yield from self._located(connection, table, selector, carry)

    def _located(self, connection: sa.Connection, table: Table, selector: Selector, carry: Sequence[str]) -> Iterator[Located]:
        width, columns = self._addressing(table)
        columns = [*columns, *(self._dialect.carried(table, name) for name in carry)]
        seen: dict[str, int] = {}
        for rows in self._dialect.find(connection, table, selector, columns):
            found = self._addresses(table, [row[:width] for row in rows], seen)
            kept = [at for at, address in enumerate(found) if address not in selector.minus]
            if kept:
                values = {
                    name: tuple(self._dialect.value(table, name, rows[at][width + place]) for at in kept)
                    for place, name in enumerate(carry)
                }
                yield Located(tuple(found[at] for at in kept), values)

    def _addressing(self, table: Table) -> tuple[int, list[sa.ColumnElement[object]]]:
        columns = self._dialect.key(table) if table.key else self._dialect.content(table)
        return len(columns), columns

    def _addresses(self, table: Table, rows: Sequence[Sequence[object]], seen: dict[str, int]) -> list[str]:
        if table.key:
            return addresses(rows, table=table.name, where=self._name)
        return content_addresses((self._dialect.digest(row) for row in rows), seen)

    def erase(self, step: Step) -> Iterator[int]:
        """One transaction per batch, announced after its commit.

        Raises:
            Refused: a constraint, a trigger or a missing privilege forbids it.
            UnknownStore, Drift, Unavailable, Conflict, Full: as above.
        """
        with translated(self._name), self._dialect.engine.connect() as connection:
            table = self._table(connection, step.collection, (*step.fields, *step.repoint))
            self._left.pop(table.name, None)
            connection.rollback()  # what was read of the schema; each batch begins its own
            apply = self._prepared(connection, table, step)
            size = self._options.per_transaction(table, step.selector)
            held = step.selector.minus
            for at in range(0, len(step.addresses), size):
                batch = step.addresses[at : at + size]
                with self._dialect.begin(connection):
                    apply([one for one in batch if one not in held] if held else batch)
                yield len(batch)

    def _key(self, table: Table, address: str) -> Key:
        return key_of(address, width=len(table.key), where=self._name)

    def _prepared(self, connection: sa.Connection, table: Table, step: Step) -> Callable[[Sequence[str]], None]:
        if not table.key:
            return by_content(self._dialect, connection, table, step)
        apply = self._dialect.prepare(connection, table, step)

        def addressed(batch: Sequence[str]) -> None:
            if batch:
                apply(columns_of(batch, width=len(table.key), where=self._name))

        return addressed

    def reclaim(self, selector: Selector) -> Reclaimed:
        """Rewrite the table and its indexes without what was deleted.

        Raises:
            Refused: the role may not.
            UnknownStore, Drift, Unavailable, Conflict, Full: as above.
        """
        (done,) = self.reclaim_all([selector.collection])
        return done

    def reclaim_all(self, collections: Sequence[str]) -> tuple[Reclaimed, ...]:
        """Rewrite these tables and their indexes; what the database keeps for all of its tables, once after the last.

        Raises:
            Refused: the role may not.
            UnknownStore, Drift, Unavailable, Conflict, Full: as above.
        """
        done: list[Reclaimed] = []
        tables: list[Table] = []
        with translated(self._name):
            for name in collections:
                with self._dialect.engine.connect() as connection:
                    table = self._table(connection, name)
                    connection.rollback()
                    outcome, self._left[table.name] = self._dialect.rewrite(connection, table)
                    done.append(outcome)
                    tables.append(table)
            with self._dialect.engine.connect() as connection:
                notes = self._dialect.tidy(connection, tables) if tables else []
        return tuple(replace(one, note="; ".join(filter(None, (one.note, *notes)))) for one in done)

    def verify(self, selector: Selector) -> Residue:
        """Read every record, compare as text, without index; then what the database itself may have kept.

        Raises:
            UnknownStore, Drift, Unavailable, Refused: as above.
        """
        with translated(self._name), self._dialect.engine.connect() as connection:
            table = self._table(connection, selector.collection)
            table.require_selectable(selector, self._name)
            _, columns = self._addressing(table)
            scan = self._dialect.count(connection, table, selector, columns if selector.minus else ())
            held = sum(one in selector.minus for one in self._addresses(table, scan.rows, {}))
            left = self._left.get(table.name)
            history, told = (left, "") if left is not None else self._dialect.history(connection, table)
            return Residue(
                scan.scanned, scan.live - held, history, note="; ".join(filter(None, (scan.note, told, self._dialect.remark(connection))))
            )

    def read(self, collection: str, addresses: Iterable[str]) -> Iterator[Record]:
        """The whole records, in the order given.

        Raises:
            UnknownStore, Drift, Unavailable, Refused: as above.
        """
        with translated(self._name), self._dialect.engine.connect() as connection:
            table = self._table(connection, collection)
            asked = iter(addresses)
            while batch := list(islice(asked, READ_BATCH)):
                yield from self._records(connection, table, batch)

    def distinct(self, collection: str, field: str) -> Iterator[tuple[Value, ...]]:
        """The column's values, streamed from one statement; in SQLite one without an index may come again in a later batch.

        Raises:
            UnknownStore, Drift, Unavailable, Refused, Conflict: as above.
        """
        with translated(self._name), self._dialect.engine.connect() as connection:
            table = self._table(connection, collection, (field,))
            table.require_comparable((field,), self._name)
            for rows in self._dialect.distinct(connection, table, field):
                values = (self._dialect.value(table, field, row[0]) for row in rows)
                yield tuple({(type(value), value): value for value in values if value is not None}.values())

    def _records(self, connection: sa.Connection, table: Table, batch: Sequence[str]) -> Iterator[Record]:
        keys = {one: self._key(table, one) for one in batch} if table.key else dict(handles_of(self._dialect, connection, table, batch))
        if not keys:
            return
        reached = table if table.key else physical(self._dialect, table)
        columns = [*self._dialect.key(reached), *(self._dialect.carried(reached, name) for name in table.columns)]
        width = len(reached.key)
        rows = {tuple(row[:width]): row[width:] for row in self._dialect.fetch(connection, reached, list(keys.values()), columns)}
        for address in batch:
            row = rows.get(keys.get(address, ()))
            if row is not None:
                told = {name: self._dialect.value(table, name, value) for name, value in zip(table.columns, row, strict=True)}
                yield Record(address, {name: _json(value) for name, value in told.items()})

    def _table(self, connection: sa.Connection, name: str, fields: Iterable[str] = ()) -> Table:
        """The table as it is now, with these fields.

        Raises:
            UnknownStore, Drift: there is none, or it lacks a field.
        """
        fields = list(fields)
        known = self._tables.get(name)
        stale = self._dialect.version(connection) != self._version
        if stale or known is None or not set(fields) <= set(known.columns):
            self._reflect(connection)
        if name not in self._tables:
            if name in self._declared:
                msg = f"there is no table {name}"
                raise Drift(msg, where=self._name)
            msg = f"neither the policy nor the database has a table {name}"
            raise UnknownStore(msg, where=self._name)
        table = self._tables[name]
        table.require(fields, self._name)
        return table

    def _reflect(self, connection: sa.Connection) -> None:
        self._version = self._dialect.version(connection)
        self._tables = self._dialect.tables(connection)


def _json(value: object) -> Json:
    """For an access request: bytes in base64, everything that JSON lacks as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return b64encode(value).decode() if isinstance(value, bytes) else text_of(value)  # type: ignore[arg-type]  # a driver's Value
