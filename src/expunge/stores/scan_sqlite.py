"""Every row of an SQLite file, for the hunt, and the bytes of its pages, in which deleted rows stay.

Opened for reading only, and what the schema says is not trusted (``trusted_schema = OFF``): no view, trigger or function of it runs.
A table is read by ranges of ``rowid`` in short statements, so that no lock is held while somebody thinks about a batch: in a file
without a write-ahead log a reader stops writers. The file itself, its write-ahead log and its journal are stream parts: the main file's
with its magic blanked, so that it is looked at as bytes, since its tables were read already.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from expunge.errors import Drift
from expunge.stores.base import Part, ScannedRows
from expunge.stores.disk import faults
from expunge.stores.scan_file import AHEAD, LocalFile
from expunge.stores.scan_sql import Range, batches, gone, keys_of, quoted, shares
from expunge.stores.scan_streams import Buffered
from expunge.stores.scan_unread import UNSUPPORTED
from expunge.stores.sql_dialect import options_of
from expunge.stores.sql_faults import translated

SCHEMA = "sqlite_schema"
HANDLES = ("rowid", "_rowid_", "oid")
"""The names of a row's number, unless a column has taken them."""

LIMIT = 4096
"""Rows of a statement: some milliseconds."""

MAGIC = 16
"""Bytes by which an SQLite file is known."""

HEADER, MODES = 100, slice(18, 20)
"""The header's length, and where it says whether the file has a write-ahead log (2, 2)."""

BESIDE = ("", "-wal", "-journal")
OWN_ROWS = frozenset({"rtree", "rtree_i32", "geopoly"})
"""Virtual tables whose shadow tables keep values in a form of their own: they are read as tables as well."""

IN_SHADOW = frozenset({"fts3", "fts4", "fts5"})
"""Virtual tables that are read through their shadow tables, which are tables like others."""

_MODULE = re.compile(r"CREATE\s+VIRTUAL\s+TABLE.*?\bUSING\s+[\"'`\[]?(\w+)", re.IGNORECASE | re.DOTALL)

TABLES = (
    "SELECT l.name, l.type, l.wr, s.sql FROM pragma_table_list l JOIN sqlite_schema s ON s.name = l.name AND s.type = 'table' "
    "WHERE l.schema = 'main' ORDER BY l.name"
)
COLUMNS = "SELECT name, pk, hidden FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid"
COMPUTED = 2
"""``hidden`` of a generated column that isn't stored."""


def open_scan(address: str, name: str, options: Mapping[str, object]) -> SqliteScan:
    """Open ``sqlite:///path``; nothing is read yet.

    Raises:
        PolicyInvalid: the address names no file, or an option can't be read.
    """
    chosen = options_of(name, {**options, "url": address})
    return SqliteScan(name, Path(str(chosen.url.database)).absolute(), chosen.lock_timeout)


@dataclass(frozen=True, slots=True)
class _Table:
    """What of a table is read: columns, and either its row number's name or its key's columns."""

    columns: tuple[str, ...]
    handle: str
    key: tuple[str, ...]


class SqliteScan:
    """One file. Implements ``Scan``."""

    def __init__(self, name: str, path: Path, patience: float) -> None:
        """``patience`` is in seconds, for a locked file."""
        self._name = name
        self._path = path
        self._patience = patience

    def parts(self) -> Iterator[Part]:
        """The schema, every table by name, then the file's own bytes and its logs'.

        Raises:
            Drift: there is no such file, or it is no database.
            Unavailable, Refused: as SQLite says.
        """
        if not self._path.exists():
            raise Drift("there is no such database file", where=self._name)
        size = self._path.stat().st_size
        yield Part(SCHEMA, table=True)
        with self._reading() as connection:
            for table, kind, without_rowid, sql in connection.execute(TABLES).fetchall():
                module = _module(sql) if kind == "virtual" else ""
                if module in IN_SHADOW:
                    continue
                unread = "" if not module or module in OWN_ROWS else UNSUPPORTED
                ranges = [Range()] if module or without_rowid else self._shares(connection, table, size)
                yield from (Part(table, table=True, range=one.text, unread=unread) for one in ranges)
        for path in self._files():
            yield Part(path.name, size=path.stat().st_size)

    def _shares(self, connection: sqlite3.Connection, table: str, size: int) -> list[Range]:
        """The file's size bounds the table's: more ranges than needed cost little."""
        handle = self._table(connection, table).handle
        if not handle:
            return [Range()]
        ((low, high),) = connection.execute(f"SELECT min({handle}), max({handle}) FROM main.{quoted(table)}").fetchall()  # noqa: S608 - quoted
        return [Range()] if low is None else shares(size, low, high)

    def rows(self, part: Part) -> Iterator[ScannedRows]:
        """The part's rows by their numbers; keys are these, or for a table without them the primary key's values.

        Values are as they are stored, whatever a column was declared as. Text that isn't UTF-8 comes as bytes.

        Raises:
            Conflict: the table is gone or was changed since it was listed.
            Drift: the file is damaged.
            Unavailable, Refused: as SQLite says.
        """
        with self._reading() as connection:
            before = self._state(connection)
            table = self._table(connection, part.name)
            if not table.columns:
                raise gone(self._name)
            for batch in self._numbered(connection, part, table) if table.handle else self._keyed(connection, part.name, table):
                if self._state(connection) != before:  # a column's quoted name, where it is gone, would have been read as a text
                    raise gone(self._name)
                yield batch

    def _numbered(self, connection: sqlite3.Connection, part: Part, table: _Table) -> Iterator[ScannedRows]:
        wanted = Range.of(part.range)
        while True:
            where = " AND ".join(wanted.conditions(table.handle)) or "true"
            statement = _select(part.name, (table.handle,), table.columns, f"{where} ORDER BY 1 LIMIT {LIMIT}")
            with closing(connection.execute(statement)) as cursor:
                batch = next(batches(cursor.fetchmany), None)
            if batch is None:
                return
            numbers, *columns = batch
            yield ScannedRows(keys_of([numbers]), dict(zip(table.columns, columns, strict=True)))
            wanted = Range(numbers[-1] + 1, wanted.end)

    def _keyed(self, connection: sqlite3.Connection, name: str, table: _Table) -> Iterator[ScannedRows]:
        """In one statement, which is open meanwhile: tables without row numbers are rare, and small."""
        width, count = len(table.key), 0
        with closing(connection.execute(_select(name, tuple(map(quoted, table.key)), table.columns, "true"))) as cursor:
            for columns in batches(cursor.fetchmany):
                keys = keys_of(columns[:width] or [tuple(range(count, count + len(columns[0])))])
                count += len(keys)
                yield ScannedRows(keys, dict(zip(table.columns, columns[width:], strict=True)))

    def _state(self, connection: sqlite3.Connection) -> tuple[object, ...]:
        """What changes when what is read may no longer be what was listed."""
        return (connection.execute("PRAGMA schema_version").fetchone(), self._unlocked())

    def stream(self, part: Part) -> BinaryIO:
        """The bytes of the file or of one of its logs, as many as there are now.

        Raises:
            Conflict: gone since it was listed.
            Unavailable, Refused: as the system says.
        """
        path = self._path.with_name(part.name)
        with faults(self._name):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return Buffered(_Pages(handle, self._name) if path == self._path else LocalFile(handle, self._name), AHEAD)

    def close(self) -> None:
        """Nothing is held open."""

    def _files(self) -> Iterator[Path]:
        for ending in BESIDE:
            path = self._path.with_name(self._path.name + ending)
            if path.is_file() and path.stat().st_size:
                yield path

    def _table(self, connection: sqlite3.Connection, name: str) -> _Table:
        found = connection.execute(COLUMNS, (name,)).fetchall()
        columns = [column for column, _, _ in found]
        taken = {column.lower() for column in columns}
        key = tuple(column for column, place, _ in sorted(found, key=lambda one: int(one[1])) if place)
        free = next((handle for handle in HANDLES if handle not in taken), "")
        handle = free if free and _runs(connection, name, (free,), ()) else ""
        if not _runs(connection, name, (), columns):  # a computed column of a hostile or foreign schema: nothing of it is stored
            columns = [column for column, _, hidden in found if hidden != COMPUTED]
        return _Table(tuple(columns), handle, () if handle else key)

    def _unlocked(self) -> tuple[int, int] | None:
        """Size and time of a file with a write-ahead log that nobody has open, else ``None``.

        To open such a file as usual makes its log and index, which stay: and belong to us, so that an application may not open them. It is
        opened as one that doesn't change instead, and held against its size and time.
        """
        with faults(self._name), self._path.open("rb") as file:
            status, head = os.fstat(file.fileno()), file.read(HEADER)
        logged = head[MODES] == b"\x02\x02"
        return (status.st_size, status.st_mtime_ns) if logged and not self._path.with_name(f"{self._path.name}-shm").exists() else None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that can't write.

        Raises:
            Drift, Unavailable, Refused: as SQLite says.
        """
        address = f"file:{quote(str(self._path))}?mode=ro{'&immutable=1' if self._unlocked() else ''}"
        with translated(self._name), closing(sqlite3.connect(address, uri=True, timeout=self._patience)) as connection:
            connection.isolation_level = None
            connection.text_factory = _text
            for pragma in ("query_only = ON", "trusted_schema = OFF", "cell_size_check = ON"):
                connection.execute(f"PRAGMA {pragma}")
            yield connection


class _Pages(LocalFile):
    """The database file, not known as one."""

    def _get(self, start: int, into: memoryview) -> int:
        got = super()._get(start, into)
        if start < MAGIC:
            end = min(got, MAGIC - start)
            into[:end] = bytes(end)
        return got


def _text(stored: bytes) -> str | bytes:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _module(sql: str | None) -> str:
    found = _MODULE.match(sql or "")
    return found[1].lower() if found else "?"


def _runs(connection: sqlite3.Connection, table: str, first: Sequence[str], columns: Sequence[str]) -> bool:
    """Whether SQLite takes the query at all, before it reads a row."""
    try:
        connection.execute("EXPLAIN " + _select(table, first, columns, "true")).close()
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorname != "SQLITE_ERROR":
            raise
        return False
    return True


def _select(table: str, first: Sequence[str], columns: Sequence[str], where: str) -> str:
    return f"SELECT {', '.join((*first, *map(quoted, columns))) or '1'} FROM main.{quoted(table)} WHERE {where}"  # noqa: S608 - names are quoted
