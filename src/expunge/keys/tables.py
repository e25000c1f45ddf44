"""The key database: three tables, SQLite or PostgreSQL, and the few statements that the vault needs.

Bucket keys lie apart from pages, so that closing an epoch rewrites 60 bytes a bucket and not 33 KB. All writers take the epoch's row
first: none can wrap anything under a root that another has just replaced. SQLite: WAL, synchronous FULL, secure_delete, and every
write begins immediately.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    event,
    insert,
    make_url,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from expunge.errors import KeyStoreError, KeyStoreUnavailable

_BUSY_MS = 30_000
"""How long a SQLite writer waits for another: far longer than the longest write here, one close of an epoch (0.3 s per million keys)."""
_BEGIN = "expunge_begin"
_BATCH = 10_000
"""Bucket keys rewrapped at once, about a megabyte."""
_WHERE = "key database"

_metadata = MetaData()
_epochs = Table(
    "key_epochs",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("root", String(16), nullable=False),
    Column("since", String(32), nullable=False),
)
_buckets = Table(
    "key_buckets",
    _metadata,
    Column("space", String(16), primary_key=True),
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("wrapped", LargeBinary, nullable=False),
)
_pages = Table(
    "key_pages",
    _metadata,
    Column("space", String(16), primary_key=True),
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("page", LargeBinary, nullable=False),
)

# Built once: every seal is made and opened through them.
_EPOCH = select(_epochs.c.number, _epochs.c.root, _epochs.c.since).where(_epochs.c.id == 1)
_EPOCH_LOCKED = _EPOCH.with_for_update()
_BOTH = _buckets.join(_pages, (_buckets.c.space == _pages.c.space) & (_buckets.c.bucket == _pages.c.bucket))
_FETCH = (
    select(_buckets.c.bucket, _epochs.c.number, _epochs.c.root, _buckets.c.wrapped, _pages.c.page)
    .select_from(_BOTH.join(_epochs, true()))
    .where(_buckets.c.space == bindparam("of_space"), _buckets.c.bucket.in_(bindparam("of_buckets", expanding=True)))
    .order_by(_buckets.c.bucket)
)


@dataclass(frozen=True, slots=True)
class Epoch:
    """The open epoch: its number, its root's id, and since when (UTC)."""

    number: int
    root: str
    since: datetime


@dataclass(frozen=True, slots=True, repr=False)
class Shut:
    """One bucket as it lies in the database, with the epoch whose root opens it."""

    bucket: int
    epoch: int
    root: str
    wrapped: bytes
    page: bytes


class KeyTables:
    """The statements. Everything that a driver raises leaves as ``KeyStoreUnavailable`` (or ``KeyStoreError`` for a wrong URL)."""

    def __init__(self, url: str) -> None:
        """Nothing is reached yet.

        Raises:
            KeyStoreError: the URL is not one of SQLite or PostgreSQL, or its driver is not installed.
        """
        self._engine = _engine(url)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent look."""
        with _translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[tuple[Connection, Epoch | None]]:
        """One transaction that no other writer overlaps, and the open epoch (``None`` before the first)."""
        with self._transaction() as connection:
            yield connection, self.epoch(connection, lock=True)

    def create(self) -> None:
        """Create what is missing."""
        with self._transaction() as connection:
            _metadata.create_all(connection)

    def epoch(self, connection: Connection, *, lock: bool = False) -> Epoch | None:
        """The open epoch; with ``lock``, held against other writers until the transaction ends."""
        row = connection.execute(_EPOCH_LOCKED if lock else _EPOCH).one_or_none()
        return Epoch(row.number, row.root, datetime.fromisoformat(row.since)) if row else None

    def begin_epoch(self, connection: Connection, epoch: Epoch) -> None:
        """Make this the open epoch."""
        values = {"number": epoch.number, "root": epoch.root, "since": epoch.since.astimezone(UTC).isoformat()}
        if not connection.execute(update(_epochs).where(_epochs.c.id == 1).values(**values)).rowcount:
            connection.execute(insert(_epochs).values(id=1, **values))

    def fetch(self, connection: Connection, space: str, buckets: Sequence[int]) -> list[Shut]:
        """These buckets, of one moment, as far as they exist, ascending."""
        named = {"of_space": space, "of_buckets": list(buckets)}
        return [Shut(*row) for row in connection.execute(_FETCH, named)]

    def put(self, connection: Connection, space: str, bucket: int, wrapped: bytes, page: bytes) -> None:
        """Write a bucket's key and page over what was there."""
        for table, name, value in ((_buckets, "wrapped", wrapped), (_pages, "page", page)):
            place = {"space": space, "bucket": bucket}
            changed = update(table).where(table.c.space == space, table.c.bucket == bucket).values({name: value})
            if not connection.execute(changed).rowcount:
                connection.execute(insert(table).values({**place, name: value}))

    def wrapped_keys(self, connection: Connection) -> Iterator[Sequence[tuple[str, int, bytes]]]:
        """Every bucket's space, number and wrapped key, in batches."""
        after = ("", 0)
        while True:
            query = (
                select(_buckets.c.space, _buckets.c.bucket, _buckets.c.wrapped)
                .where(tuple_(_buckets.c.space, _buckets.c.bucket) > after)
                .order_by(_buckets.c.space, _buckets.c.bucket)
                .limit(_BATCH)
            )
            rows = [(row.space, row.bucket, row.wrapped) for row in connection.execute(query)]
            if not rows:
                return
            yield rows
            after = rows[-1][:2]

    def rewrap(self, connection: Connection, rows: Iterable[tuple[str, int, bytes]]) -> None:
        """Write new wrapped keys."""
        changed = (
            update(_buckets)
            .where(_buckets.c.space == bindparam("of_space"), _buckets.c.bucket == bindparam("of_bucket"))
            .values(wrapped=bindparam("now"))
        )
        connection.execute(changed, [{"of_space": space, "of_bucket": bucket, "now": wrapped} for space, bucket, wrapped in rows])

    def fold_log(self) -> None:
        """Empty SQLite's write-ahead log into the database, as far as readers let it; nothing elsewhere."""
        if self._engine.dialect.name == "sqlite":
            with _translated(), self._engine.connect().execution_options(**{_BEGIN: ""}) as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with _translated(), self._engine.connect().execution_options(**{_BEGIN: "BEGIN IMMEDIATE"}) as connection, connection.begin():
            yield connection


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            # a server or role may have switched it off; a destroyed key that comes back after a power cut would be no destroyed key
            return create_engine(parsed, connect_args={"options": "-c synchronous_commit=on"}, pool_pre_ping=True)
        if parsed.get_backend_name() != "sqlite":
            raise KeyStoreError("the key database is SQLite or PostgreSQL", where=_WHERE)
        engine = create_engine(parsed)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise KeyStoreError("the key database's URL can't be used: sqlite:///PATH or postgresql://…", where=_WHERE) from None
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    """Take transactions into our own hands, and say how durable and how thorough they are."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={_BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get(_BEGIN, "BEGIN")
    if statement:
        connection.exec_driver_sql(statement)


@contextmanager
def _translated() -> Iterator[None]:
    """Drop a driver's text: it may quote what it was given."""
    try:
        yield
    except (DBAPIError, PoolTimeout):
        raise KeyStoreUnavailable("the key database can't be reached, or refuses", where=_WHERE) from None
