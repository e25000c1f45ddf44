"""PostgreSQL behind the SQL store, through psycopg 3.

A session reads and writes times in UTC, plans for whole answers (a cursor's usual plan is for its first rows), and lets row-level
security raise an error rather than hide records: hidden is not absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, cast

import sqlalchemy as sa

from expunge.errors import Drift
from expunge.stores.base import coerce, coerce_all
from expunge.stores.sql_address import Columns, Key
from expunge.stores.sql_dialect import FETCH, Apply, Options, Rows, Scan, changes
from expunge.stores.sql_postgresql_schema import tables
from expunge.stores.sql_postgresql_space import clear_samples, history, remark, rewrite
from expunge.stores.sql_postgresql_values import Named, array, holdable, integers, one_of, require_moments, within
from expunge.stores.sql_postgresql_verify import count
from expunge.stores.sql_table import SELECTABLE, Table
from expunge.terms import FieldType, Reclaimed, Selector, Step, Value, text_of

FEW = 20_000
"""Values of further conditions up to which they are sent again with every key batch; above, one pass sends everything once."""

STATISTICS_FLUSH = (15,)
"""The version from which a session can be told to report its dead rows at once."""

SESSION = "SELECT " + ", ".join(
    f"pg_catalog.set_config('{name}', {value}, false)"
    for name, value in (
        ("TimeZone", "'UTC'"),
        ("DateStyle", "'ISO'"),
        ("row_security", "'off'"),
        ("cursor_tuple_fraction", "'1'"),
        ("extra_float_digits", "'1'"),
        ("lock_timeout", "%s"),
        ("statement_timeout", "%s"),
    )
)
"""By its full name: a schema that comes first on the search path could have a function of that name, and hide records by it."""


class Postgresql:
    """The dialect of one PostgreSQL schema."""

    handle = "ctid"

    def __init__(self, name: str, options: Options) -> None:
        """Connect nothing yet."""
        self.name = name
        self._options = options
        self.engine = sa.create_engine(
            options.url,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": options.connect_timeout,
                "application_name": "expunge",
                # A generic plan, made after some executions, doesn't know the arrays' lengths and scans a table per key.
                "prepare_threshold": None,
                # A peer that is gone is noticed within a minute, rather than after the system's two hours.
                "keepalives": 1,
                "keepalives_idle": 30,
                "keepalives_interval": 10,
                "keepalives_count": 3,
            },
        )
        sa.event.listen(self.engine, "connect", self._session)

    def _session(self, connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(SESSION, (_milliseconds(self._options.lock_timeout), _milliseconds(self._options.statement_timeout or 0)))
        connection.commit()

    def version(self, connection: sa.Connection) -> int:  # noqa: ARG002 - SQLite's needs it
        """Always the same: the server refuses a name that is gone."""
        return 0

    def tables(self, connection: sa.Connection) -> dict[str, Table]:
        """Every table of the schema."""
        return tables(connection, self._options.schema)

    def key(self, table: Table) -> list[sa.ColumnElement[object]]:
        """Integers as they are, everything else as the server writes it, so that it reads it back the same."""
        return [table.sql(name) if self._integer(table, name) else sa.cast(table.sql(name), sa.Text) for name in table.key]

    def _integer(self, table: Table, name: str) -> bool:
        return table.columns[name].type is FieldType.INTEGER

    def content(self, table: Table) -> list[sa.ColumnElement[object]]:
        """SHA-256 of the whole row, as the server writes it."""
        row = sa.cast(table.clause.table_valued(), sa.Text)
        return [sa.func.encode(sa.func.sha256(sa.func.convert_to(row, "UTF8")), "hex")]

    def digest(self, row: Sequence[object]) -> str:
        """The server's digest."""
        return str(row[0])

    def carried(self, table: Table, name: str) -> sa.ColumnElement[object]:
        """The column, as text where Python has no value for it."""
        column = table.sql(name)
        return column if table.columns[name].type in SELECTABLE else sa.cast(column, sa.Text)

    def value(self, table: Table, name: str, stored: object) -> Value | None:
        """Times aware and in UTC."""
        if table.columns[name].type is FieldType.TIME and isinstance(stored, datetime):
            return stored.astimezone(UTC) if stored.tzinfo else stored.replace(tzinfo=UTC)
        return cast("Value | None", stored)  # psycopg's Python types for selectable columns are Values

    def find(
        self, connection: sa.Connection, table: Table, selector: Selector, columns: Sequence[sa.ColumnElement[object]]
    ) -> Iterator[Rows]:
        """By key batches through an index, or in one pass where there is none: a batch would read the whole table again."""
        require_moments(table, selector.within, self.name)
        wanted = {name: holdable(coerce_all(values, table.columns[name].type)) for name, values in selector.any_of.items()}
        if not all(wanted.values()):
            return
        driver = self._driver(table, wanted)
        conditions = [one_of(table, name, values) for name, values in wanted.items() if name != driver]
        conditions += [within(table, name, span) for name, span in selector.within.items()]
        if selector.present:
            conditions.append(sa.or_(*(table.sql(name).is_not(None) for name in sorted(selector.present))))
        order = [table.sql(name) for name in table.key] or self.content(table)
        query = sa.select(*columns).where(*conditions).order_by(*order).execution_options(stream_results=True, max_row_buffer=FETCH)
        values = iter(wanted[driver]) if driver else iter(())
        while some := list(islice(values, self._options.batch)):
            yield from connection.execute(query.where(one_of(table, str(driver), some))).partitions(FETCH)
        if driver is None:
            yield from connection.execute(query).partitions(FETCH)

    def _driver(self, table: Table, wanted: Mapping[str, Sequence[Value]]) -> str | None:
        indexed = [name for name in wanted if name in table.leading]
        if not indexed:
            return None
        best = min(indexed, key=lambda name: (len(wanted[name]), name))
        others = sum(len(values) for name, values in wanted.items() if name != best)
        return best if others <= FEW else None

    def distinct(self, connection: sa.Connection, table: Table, name: str) -> Iterator[Rows]:
        """By the server, which spills what it can't hold; text whose collation folds is told apart by its bytes."""
        column = self.carried(table, name)
        folds = table.columns[name].type is FieldType.TEXT and not table.columns[name].exact
        query = sa.select(sa.collate(sa.cast(column, sa.Text), "C") if folds else column).where(table.sql(name).is_not(None)).distinct()
        yield from connection.execute(query.execution_options(stream_results=True, max_row_buffer=FETCH)).partitions(FETCH)

    def fetch(self, connection: sa.Connection, table: Table, keys: Sequence[Key], columns: Sequence[sa.ColumnElement[object]]) -> Rows:
        """By the primary key."""
        return connection.execute(sa.select(*columns).where(self._keyed(table, list(zip(*keys, strict=True))))).all()

    def _keyed(self, table: Table, columns: Columns) -> sa.ColumnElement[bool]:
        """The records with these keys: ``= ANY`` for one column, a join with ``unnest`` for several."""
        arrays = [self._array(table, name, values) for name, values in zip(table.key, columns, strict=True)]
        known = [self._compared(table, name) for name in table.key]
        if len(arrays) == 1:
            return known[0] == sa.any_(arrays[0])
        wanted = sa.func.unnest(*arrays).table_valued(*table.key, name="wanted").render_derived()
        return sa.tuple_(*known).in_(sa.select(*(wanted.c[name] for name in table.key)))

    def _compared(self, table: Table, name: str) -> sa.ColumnElement[Any]:
        """The column; an array as text, since there are no arrays of arrays."""
        return sa.cast(table.sql(name), sa.Text) if self._is_array(table, name) else table.sql(name)

    def _is_array(self, table: Table, name: str) -> bool:
        return table.columns[name].cast.endswith("[]")

    def _array(self, table: Table, name: str, values: Sequence[str | int | float | bytes]) -> sa.ColumnElement[Any]:
        if self._integer(table, name):
            return integers(values)
        texts = [value if isinstance(value, str) else text_of(value) for value in values]
        return array(texts, "text" if self._is_array(table, name) else table.columns[name].cast)

    def like(self, connection: sa.Connection, table: Table, digests: Sequence[str]) -> Iterator[tuple[Key, str]]:
        """By a pass over the table; the found records are locked, so that they keep their place."""
        digest = self.content(table)[0]
        query = sa.select(sa.cast(sa.literal_column("ctid"), sa.Text), digest).select_from(table.clause)
        for place, found in connection.execute(query.where(digest == sa.any_(array(digests, "text"))).with_for_update()):
            yield (str(place),), str(found)

    def begin(self, connection: sa.Connection) -> sa.RootTransaction:
        """Read committed; the session reports its dead rows when it ends."""
        transaction = connection.begin()
        if (connection.dialect.server_version_info or ()) >= STATISTICS_FLUSH:
            connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        return transaction

    def prepare(self, connection: sa.Connection, table: Table, step: Step) -> Apply:
        """One statement per batch.

        Between locating and erasing a device may have been sold: a record that belongs to somebody else by now, by a field that selected
        it, is left alone. A field that became null (the owner is gone already) says nothing against it. So is one whose time has moved out
        of the selector's range since.
        """
        values = {name: self._settable(table, name, value) for name, value in changes(step).items()}
        change = table.clause.update().values(values) if values else table.clause.delete()
        change = change.where(*self._still_theirs(table, step.selector))

        def apply(columns: Columns) -> None:
            connection.execute(change.where(self._keyed(table, columns)))

        return apply

    def _still_theirs(self, table: Table, selector: Selector) -> Iterator[sa.ColumnElement[bool]]:
        for name, values in selector.any_of.items():
            if name in table.columns and name not in table.key:
                wanted = holdable(coerce_all(values, table.columns[name].type))
                yield sa.or_(table.sql(name).is_(None), one_of(table, name, wanted))
        for name, span in selector.within.items():
            if name in table.columns:
                yield sa.or_(table.sql(name).is_(None), within(table, name, span))

    def _settable(self, table: Table, name: str, value: object) -> sa.ColumnElement[Any]:
        if value is None:
            return sa.null()
        fact = table.columns[name]
        meant = coerce(value, fact.type) if fact.type in SELECTABLE else value  # type: ignore[arg-type]  # a Step's repoint holds Values
        if meant is None:
            msg = f"the pseudo-person's value doesn't fit {table.name}.{name}"
            raise Drift(msg, where=self.name)
        if isinstance(meant, bytes):
            return sa.bindparam(None, meant, type_=sa.LargeBinary)
        return sa.cast(sa.bindparam(None, text_of(meant), type_=sa.Text), Named(fact.cast))  # type: ignore[arg-type]  # as above

    def count(self, connection: sa.Connection, table: Table, selector: Selector, columns: Sequence[sa.ColumnElement[object]]) -> Scan:
        """A sequential scan, compared as text."""
        require_moments(table, selector.within, self.name)
        return count(connection, table, selector, columns)

    def history(self, connection: sa.Connection, table: Table) -> tuple[int | None, str]:
        """Dead rows and materialised views."""
        return history(connection, table, rewrites=self._options.rewrite)

    def remark(self, connection: sa.Connection) -> str:
        """The write-ahead log, and samples that only a superuser can clear."""
        return remark(connection)

    def rewrite(self, connection: sa.Connection, table: Table) -> tuple[Reclaimed, int | None]:
        """``VACUUM (FULL)``, or a plain one if the policy says so."""
        return rewrite(connection, table, self.name, full=self._options.rewrite)

    def tidy(self, connection: sa.Connection, tables: Sequence[Table]) -> list[str]:
        """The planner's samples, and a checkpoint; nothing if the policy wants no rewriting."""
        return clear_samples(connection, tables) if self._options.rewrite else []


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
