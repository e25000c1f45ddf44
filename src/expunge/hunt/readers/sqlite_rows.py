"""The rows of a SQLite database that nobody vouches for.

The library reads a copy that cannot change, with everything off by which a file could make it do something else than read: no writes, no
untrusted functions, no extensions, no views, no virtual tables, no computed columns, lengths and time bounded (sqlite.org, "Defense
Against The Dark Arts"). A table that breaks off is read again from its end, so that one bad page hides no more than itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Self, TypeAlias

from expunge.hunt.reading import Limits

Row: TypeAlias = tuple[int | float | bytes | None, ...]
"""A row's values; texts as bytes in UTF-8, whether or not they are valid."""

_LENGTH = 256 << 20
"""Bytes of one value, or of the text of a schema, at most."""

_BATCH = 4 << 20
_ROWS = 20_000
_STEPS = 200_000
"""Instructions of SQLite's between two looks at the clock: some milliseconds."""

_READ = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_PRAGMA}


class Database:
    """A database file, opened to read tables one after the other."""

    def __init__(self, file: BinaryIO, size: int, limits: Limits) -> None:
        """Open a copy of ``file``: in memory, or beyond ``limits.spool`` in a temporary file that has no name any more.

        Raises:
            sqlite3.Error: not a database, or damaged where it begins.
            OSError: no space for the copy.
        """
        self._end = time.monotonic() + limits.seconds
        file.seek(0)
        self._connection = _in_memory(file) if size <= limits.spool else _on_disk(file)
        self._connection.text_factory = bytes
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LENGTH)
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        for pragma in ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON", "mmap_size=0", "cache_size=-8000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.set_authorizer(_allowed)
        self._connection.set_progress_handler(self._late, _STEPS)
        self._connection.execute("SELECT count(*) FROM sqlite_schema")

    def close(self) -> None:
        """Give memory and space back."""
        self._connection.close()

    def __enter__(self) -> Self:
        """The database."""
        return self

    def __exit__(self, *_fault: object) -> None:
        """Close it."""
        self.close()

    def schema(self) -> Iterator[tuple[str, str, str]]:
        """Type, name and SQL of everything in the schema that can be read.

        Raises:
            sqlite3.Error: the schema is damaged.
        """
        for kind, name, sql in self._connection.execute("SELECT type, name, sql FROM sqlite_schema"):
            yield _text(kind), _text(name), _text(sql)

    def columns(self, table: str) -> list[str]:
        """The columns that are stored.

        Raises:
            sqlite3.Error: the table's definition is damaged.
        """
        described = self._connection.execute(f"PRAGMA table_xinfo({_quoted(table)})")
        return [_text(name) for _, name, _, _, _, _, hidden in described if hidden in (0, 3)]  # 3: computed once, and stored

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[tuple[list[Row], list[str] | None]]:
        """The rows of a table in batches, with their rowids where it has any.

        Raises:
            sqlite3.Error: damaged; what could be read has been given.
        """
        rowid = next((name for name in ("rowid", "_rowid_", "oid") if name not in {column.lower() for column in columns}), None)
        listed = ", ".join(map(_quoted, columns))
        source = f"FROM {_quoted(table)} NOT INDEXED"
        if rowid is None or not self._has(f"SELECT {rowid} {source} LIMIT 0"):
            for batch in self._batches(f"SELECT {listed} {source}", ()):
                yield batch, None
            return
        last: int | None = None
        select = f"SELECT {rowid}, {listed} {source}"
        try:
            for batch in self._batches(select, ()):
                last = _number(batch[-1][0])
                yield [row[1:] for row in batch], [str(row[0]) for row in batch]
        except sqlite3.Error as fault:
            behind = () if last is None else (last,)
            where = "" if last is None else f"WHERE {rowid} > ?"
            with contextlib.suppress(sqlite3.Error):
                for batch in self._batches(f"{select} {where} ORDER BY {rowid} DESC", behind):
                    yield [row[1:] for row in batch], [str(row[0]) for row in batch]
            raise fault from None

    def _batches(self, select: str, values: tuple[int, ...]) -> Iterator[list[Row]]:
        """Rows, some MiB at a time; those that were read before a fault come before it."""
        cursor = self._connection.execute(select, values)
        batch, size = list[Row](), 0
        try:
            for row in cursor:
                batch.append(row)
                size += sum(len(value) for value in row if value.__class__ is bytes)
                if size >= _BATCH or len(batch) >= _ROWS:
                    yield batch
                    batch, size = [], 0
        except sqlite3.Error:
            if batch:
                yield batch
            raise
        if batch:
            yield batch

    def _has(self, select: str) -> bool:
        try:
            self._connection.execute(select)
        except sqlite3.Error:
            return False
        return True

    def _late(self) -> int:
        return int(time.monotonic() > self._end)


def _in_memory(file: BinaryIO) -> sqlite3.Connection:
    content = bytearray(file.read())
    content[18:20] = b"\1\1"  # in memory there is no write-ahead log: read what lies in this file, as with any other
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.deserialize(bytes(content))
    except (sqlite3.Error, OverflowError, MemoryError):
        connection.close()
        raise
    return connection


def _on_disk(file: BinaryIO) -> sqlite3.Connection:
    handle, path = tempfile.mkstemp(prefix="expunge-")
    try:
        with open(handle, "wb") as copy:  # noqa: PTH123 # an open handle
            shutil.copyfileobj(file, copy, 1 << 20)
        connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True, isolation_level=None)
        try:
            connection.execute("PRAGMA schema_version")  # only now the file is opened
        except sqlite3.Error:
            connection.close()
            raise
    finally:
        os.unlink(path)  # noqa: PTH108 # the same handle's name
    return connection


def _allowed(action: int, first: str | None, second: str | None, _database: str | None, _within: str | None) -> int:
    """Only reading, and of functions only what the queries here use."""
    if action == sqlite3.SQLITE_PRAGMA:
        return sqlite3.SQLITE_OK if first == "table_xinfo" else sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_OK if second == "count" else sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _READ else sqlite3.SQLITE_DENY


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value or "")


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
