"""What differs between the databases behind the one SQL store: a Protocol that each dialect's file implements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import sqlalchemy as sa

from expunge.errors import PolicyInvalid, Refused
from expunge.stores.sql_address import Columns, Key
from expunge.stores.sql_table import Table
from expunge.terms import Method, Reclaimed, Selector, Step, Value

Rows: TypeAlias = "Sequence[Sequence[object]]"
Apply: TypeAlias = "Callable[[Columns], None]"
"""Does a step to the records with these keys."""

LOCATE_BATCH = 500
"""Keys per ``= ANY``: measured best on PostgreSQL for 10 k of 1 M subjects (6.0 s; one unnest 7.5 s; a temporary table 13.1 s)."""

FETCH = 10_000
"""Rows per fetch from a streaming cursor: some MB, and few round trips."""

PER_KEY = 10
"""Records per transaction for each of those keys: 5,000 by default, within a few per cent of the fastest on both databases (measured in
batches of 500 to 20,000), and its locks are held for a fraction of a second."""

MOST = 25_000
"""Records per transaction at most: its locks are held for about a quarter of a second."""

PER_KEY_BY_CONTENT = 40
"""The same for records without a key: each transaction reads the whole table, so few of them."""


@dataclass(frozen=True, slots=True, repr=False)
class Options:
    """The policy's options of an SQL store. Times are in seconds, ``None`` leaves them to the server."""

    url: sa.URL
    schema: str | None = None
    rewrite: bool = True
    batch: int = LOCATE_BATCH
    lock_timeout: float = 10.0
    statement_timeout: float | None = None
    connect_timeout: int = 10

    def per_transaction(self, table: Table, selector: Selector) -> int:
        """How many records one transaction erases: more where many people are meant, whose keys go along with every statement.

        Where a time and nobody is meant, four times as many: no keys go along, and each transaction is followed by a commit to the journal.
        """
        if not selector.any_of:
            return min(self.batch * PER_KEY_BY_CONTENT, MOST)
        people = sum(len(values) for values in selector.any_of.values())
        return max(self.batch * (PER_KEY if table.key else PER_KEY_BY_CONTENT), min(people * 2, MOST))


def options_of(name: str, given: Mapping[str, object]) -> Options:
    """Read the policy's options.

    Raises:
        PolicyInvalid: one is missing or can't be read; its value is not quoted, a URL may hold a password.
    """
    reclaim = given.get("reclaim", "rewrite")
    if reclaim not in ("rewrite", "vacuum"):
        raise PolicyInvalid("reclaim is `rewrite` or `vacuum`", where=name)
    try:
        return Options(
            url=_url(str(given["url"])),
            schema=str(given["schema"]) if given.get("schema") else None,
            rewrite=reclaim == "rewrite",
            batch=max(1, int(str(given.get("batch", LOCATE_BATCH)))),
            lock_timeout=float(str(given.get("lock_timeout", 10.0))),
            statement_timeout=float(str(given["statement_timeout"])) if given.get("statement_timeout") else None,
            connect_timeout=max(1, int(str(given.get("connect_timeout", 10)))),
        )
    except (KeyError, ValueError, sa.exc.ArgumentError):
        msg = "an sql store needs `url` (sqlite:///path or postgresql://…); batch and timeouts (in seconds) are numbers"
        raise PolicyInvalid(msg, where=name) from None


def _url(text: str) -> sa.URL:
    url = sa.make_url(text)
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg") or not url.database:
        raise ValueError
    return url


@dataclass(frozen=True, slots=True, repr=False)
class Scan:
    """What a full read of a table saw: records, those that match, their rows where asked for, and what there is to say."""

    scanned: int
    live: int
    rows: Rows = ()
    note: str = ""


class Dialect(Protocol):
    """One database's ways. Errors are the driver's; the store translates them. A connection given in has no transaction open."""

    name: str
    """The store's, for errors."""

    engine: sa.Engine
    handle: str
    """The physical name of a record within one transaction: ``rowid``, ``ctid``."""

    def version(self, connection: sa.Connection) -> int:
        """A number that changes when the schema does, or always the same where the database itself refuses a stale name."""
        ...

    def tables(self, connection: sa.Connection) -> dict[str, Table]:
        """Every collection."""
        ...

    def key(self, table: Table) -> list[sa.ColumnElement[object]]:
        """What to select so that a row begins with its key's values, as an address keeps them."""
        ...

    def content(self, table: Table) -> list[sa.ColumnElement[object]]:
        """What to select so that ``digest`` can tell a record's content."""
        ...

    def digest(self, row: Sequence[object]) -> str:
        """A digest of the record's whole content, from what ``content`` selected."""
        ...

    def carried(self, table: Table, name: str) -> sa.ColumnElement[object]:
        """The column as it is to be read."""
        ...

    def value(self, table: Table, name: str, stored: object) -> Value | None:
        """What was read, as a ``Value`` or ``None``."""
        ...

    def find(
        self, connection: sa.Connection, table: Table, selector: Selector, columns: Sequence[sa.ColumnElement[object]]
    ) -> Iterator[Rows]:
        """These columns of the records that match, in stable order, streamed."""
        ...

    def distinct(self, connection: sa.Connection, table: Table, name: str) -> Iterator[Rows]:
        """The column's values but for null, as ``carried`` selects them, streamed from one statement; never folded by a collation."""
        ...

    def fetch(self, connection: sa.Connection, table: Table, keys: Sequence[Key], columns: Sequence[sa.ColumnElement[object]]) -> Rows:
        """These columns of the records with these keys, in any order."""
        ...

    def like(self, connection: sa.Connection, table: Table, digests: Sequence[str]) -> Iterator[tuple[Key, str]]:
        """The handle and the digest of the records with these contents; they are locked until the transaction ends."""
        ...

    def prepare(self, connection: sa.Connection, table: Table, step: Step) -> Apply:
        """What does the step to records in the connection's transaction, but for those that belong to somebody else by now."""
        ...

    def begin(self, connection: sa.Connection) -> sa.RootTransaction:
        """A transaction that may write."""
        ...

    def count(self, connection: sa.Connection, table: Table, selector: Selector, columns: Sequence[sa.ColumnElement[object]]) -> Scan:
        """Look at every record, by a path of its own; these columns of those that match come along. ``minus`` is the caller's."""
        ...

    def history(self, connection: sa.Connection, table: Table) -> tuple[int | None, str]:
        """Copies that may be left of deleted records, and what is not known."""
        ...

    def remark(self, connection: sa.Connection) -> str:
        """What every verification says of places that nobody can look into from here."""
        ...

    def rewrite(self, connection: sa.Connection, table: Table) -> tuple[Reclaimed, int | None]:
        """Remove what deletes left behind; how many copies could not be removed (``None``: can't be told)."""
        ...

    def tidy(self, connection: sa.Connection, tables: Sequence[Table]) -> list[str]:
        """After these tables were rewritten: remove what the database keeps of all of them in one place; what could not be, in words."""
        ...


def changes(step: Step) -> Mapping[str, object]:
    """What an update sets, by column: nulls, and for a decorrelate the pseudo-person's values; nothing for a delete.

    Raises:
        Refused: an update that sets nothing would count as done.
    """
    if step.method is Method.DELETE:
        return {}
    values: Mapping[str, object] = {**dict.fromkeys(step.fields), **(step.repoint if step.method is Method.DECORRELATE else {})}
    if not values:
        raise Refused(f"a {step.method.value} of no field", where=step.collection)
    return values
