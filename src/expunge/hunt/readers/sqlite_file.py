"""SQLite databases: every row of every table, and the bytes between them that were rows once.

A write-ahead log or a rollback journal lies beside its database as a file of its own, and is looked at as the bytes of its pages; their
rows, and those on pages that a database has given up, are given by the names of their columns where these are known.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator

from expunge.hunt.pieces import Place, Rows, Unread, Why
from expunge.hunt.readers.arrays_views import poured, view
from expunge.hunt.readers.columns import column_of
from expunge.hunt.readers.columns_bound import bounded
from expunge.hunt.readers.columns_files import files_in
from expunge.hunt.readers.sqlite_left import Tables, logged, rows_left
from expunge.hunt.readers.sqlite_pages import free_pages, page_size, unused
from expunge.hunt.readers.sqlite_rows import Database, Row
from expunge.hunt.reading import Format, Nested, Opened, Reading

FAULTS = (sqlite3.Error, OSError, OverflowError, MemoryError, ValueError)
"""What a damaged database makes the library raise; a ``ValueError`` is a name that is no text."""

_LOGS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"


@bounded
def _sqlite(opened: Opened) -> Reading:
    size = opened.file.seek(0, io.SEEK_END)
    opened.file.seek(0)
    width, schema = page_size(opened.file.read(100)), list[tuple[str, str, str]]()
    try:
        if width is None or size > opened.limits.spooled:
            raise sqlite3.DatabaseError
        with Database(opened.file, size, opened.limits) as database:
            schema = list(database.schema())
            yield from _tables(opened, database, schema)
    except FAULTS:
        _tell(opened, opened.place, Why.TOO_LARGE if size > opened.limits.spooled else Why.BROKEN)
        width = None
    if width is None:
        yield Nested(opened.place.inside("pages"), view(opened.file, 0, size), size, seekable=True, plain=True)
    else:
        tables = Tables()
        for _, _, sql in schema:
            tables.learn(sql.encode("utf-8", "surrogateescape"))
        yield Nested(opened.place.inside("unused"), poured(_learnt(unused(opened.file, width), tables)), plain=True)
        yield from rows_left(opened.place.inside("unused"), free_pages(opened.file, width), tables)


def _tables(opened: Opened, database: Database, schema: list[tuple[str, str, str]]) -> Reading:
    columns = (
        {name: column_of(values) for name, values in zip(("type", "name", "sql"), zip(*schema, strict=True), strict=True)} if schema else {}
    )
    if columns:
        yield Rows(opened.place.of(table="sqlite_schema"), columns, len(schema))
    names = [name for kind, name, _ in schema if kind == "table"]
    for _, name, sql in (one for one in schema if one[0] == "table"):
        place = opened.place.of(table=name)
        if not sql.lstrip().upper().startswith("CREATE VIRTUAL"):
            yield from _rows(opened, database, place, name)
        elif not any(one.startswith(f"{name}_") for one in names):
            _tell(opened, place, Why.UNSUPPORTED, "a virtual table that keeps its content elsewhere")


def _rows(opened: Opened, database: Database, place: Place, table: str) -> Reading:
    first = 0
    try:
        columns = database.columns(table)
        for batch, keys in database.rows(table, columns):
            rows = _batch(place, columns, batch, keys, first)
            first += rows.rows
            yield rows
            yield from files_in(rows)
    except FAULTS as fault:
        late = isinstance(fault, sqlite3.OperationalError) and str(fault) == "interrupted"
        _tell(opened, place, Why.TOO_SLOW if late else Why.BROKEN)


def _batch(place: Place, columns: list[str], batch: list[Row], keys: list[str] | None, first: int) -> Rows:
    values = zip(*batch, strict=True)
    return Rows(place, {name: column_of(column) for name, column in zip(columns, values, strict=True)}, len(batch), first, keys)


def _tell(opened: Opened, place: Place, why: Why, note: str = "") -> None:
    opened.account.unread.append(Unread(place, why, note=note))


def _learnt(pages: Iterator[bytes], tables: Tables) -> Iterator[bytes]:
    """Pages as they are, while ``tables`` learns of what was dropped."""
    for page in pages:
        if b"CREATE" in page or b"create" in page:
            tables.learn(page)
        yield page


@bounded
def _log(opened: Opened) -> Reading:
    tables = Tables()
    yield from rows_left(opened.place, logged(opened.file, tables), tables)


FORMATS: tuple[Format, ...] = (
    Format("sqlite", lambda head, _name: head.startswith(b"SQLite format 3\0"), _sqlite, seeks=True),
    Format("sqlite-wal", lambda head, _name: head.startswith(_LOGS), _log, raw="plain"),
    Format("sqlite-journal", lambda head, _name: head.startswith(_JOURNAL), _log, raw="plain"),
)
"""What this module reads."""
