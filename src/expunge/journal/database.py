"""The control database's connection: how it is opened, what a transaction is, and the counters.

SQLite: WAL, ``BEGIN IMMEDIATE`` for writers (a writer waits at its start, never half-way), ``synchronous=FULL`` (NORMAL makes 69,000
commits/s instead of 434, but may lose the last ones on power loss, and one of them could be a step announced as done), ``secure_delete``
so that what is deleted is overwritten. PostgreSQL: ``synchronous_commit=on`` whatever the server's default, and READ COMMITTED.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from expunge.errors import JournalUnavailable, MissingExtra, PolicyInvalid
from expunge.journal import schema
from expunge.journal.faults import translated
from expunge.journal.migrations import upgrade

Piece = TypeVar("Piece")

CHUNK = 5_000
"""Values per IN list: below SQLite's 32,766 variables and PostgreSQL's 65,535 parameters; 10,000 requests are two statements."""

_READS = "expunge_reads"


class Database:
    """An open control database at the schema that the program knows."""

    def __init__(self, engine: Engine) -> None:
        """Take an engine whose database is already at the right schema."""
        self._engine = engine
        self._reading = engine.execution_options(**{_READS: True})
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    @classmethod
    def open(cls, url: str, *, patience: timedelta) -> Database:
        """Open ``url`` (``sqlite:///file`` or ``postgresql://…``), bringing the schema up to date.

        ``patience`` is how long a statement waits for a lock before it gives up.

        Raises:
            PolicyInvalid: not a URL of either database.
            MissingExtra: PostgreSQL's driver is not installed.
            JournalNewer: a newer program has written it.
            JournalUnavailable, Refused, Full: as the database says.
        """
        with ExitStack() as on_failure:
            database = cls(_engine(_parsed(url), patience))
            on_failure.callback(database.close)
            with database.writing() as connection:
                upgrade(connection)
            on_failure.pop_all()
        return database

    def close(self) -> None:
        """Give the connections back. Idempotent."""
        self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: all of it or nothing, durable when the block ends."""
        with translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads, and on SQLite keeps no writer waiting."""
        with translated(), self._reading.begin() as connection:
            yield connection

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert those of ``rows`` that are not there yet."""
        if rows:
            connection.execute(self._insert(table).on_conflict_do_nothing(), list(rows))

    def upsert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """An INSERT that can be given an ``on_conflict_do_update``."""
        return self._insert(table)

    def allocate(self, connection: Connection, counter: str, count: int) -> range:
        """The next ``count`` numbers of a counter, from 1, without gaps; others who ask wait until this transaction has ended.

        A sequence would leave gaps after a rollback, and key pages and bitmaps want dense numbers.
        """
        start = update(schema.counters).where(schema.counters.c.name == counter)
        last: int = connection.execute(start.values(last=schema.counters.c.last + count).returning(schema.counters.c.last)).scalar_one()
        return range(last - count + 1, last + 1)

    def lock(self, connection: Connection, counter: str) -> None:
        """Wait until nobody else holds this counter; held until the transaction ends."""
        connection.execute(select(schema.counters.c.last).where(schema.counters.c.name == counter).with_for_update())


def chunks(pieces: Iterable[Piece], size: int = CHUNK) -> Iterator[list[Piece]]:
    """``pieces`` in lists of at most ``size``."""
    source = iter(pieces)
    while chunk := list(islice(source, size)):
        yield chunk


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        msg = "is not a database URL; write sqlite:///FILE or postgresql://…"
        raise PolicyInvalid(msg, where="control.journal") from None
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    if parsed.drivername == "postgresql+psycopg":
        return parsed
    msg = f"{parsed.drivername}: the journal lies in a SQLite file (sqlite:///FILE) or in PostgreSQL (postgresql://…)"
    raise PolicyInvalid(msg, where="control.journal")


def _engine(url: URL, patience: timedelta) -> Engine:
    if url.drivername == "sqlite":
        return _sqlite(url, patience)
    milliseconds = int(patience.total_seconds() * 1000)
    options = f"-c synchronous_commit=on -c lock_timeout={milliseconds} -c idle_in_transaction_session_timeout=600000"
    try:
        return create_engine(
            url,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",
            connect_args={"options": options, "connect_timeout": max(2, int(patience.total_seconds()))},
        )
    except ModuleNotFoundError as missing:
        msg = f"the journal's PostgreSQL needs {missing.name}: pip install 'expunge[postgresql]'"
        raise MissingExtra(msg, where="journal") from None


def _sqlite(url: URL, patience: timedelta) -> Engine:
    file = Path(str(url.database))
    if not file.parent.is_dir():
        msg = f"the folder {file.parent} isn't there"
        raise JournalUnavailable(msg, where="journal")
    engine = create_engine(url, connect_args={"timeout": patience.total_seconds()})

    @event.listens_for(engine, "connect")
    def _prepare(driver: sqlite3.Connection, _record: object) -> None:
        # The driver's own transaction control would begin late and not at all for DDL; SQLAlchemy's "begin" event below does it.
        driver.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "temp_store=MEMORY"):
            driver.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(_READS, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine
