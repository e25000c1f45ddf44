"""Rows out of PostgreSQL by ``COPY … TO STDOUT``, column by column.

Its text form cuts exactly: a tab or a line's end inside a value is escaped. So a block of rows is split once, and every column is a slice
of the pieces, without a step per row. Measured on one core with nine columns in rows of 180 bytes, values made: 280,000 to 330,000 rows/s,
about what a server-side cursor gives (270,000 to 370,000; psycopg's own copy 260,000 without making values). The cursor lost because a
fetch holds its thousands of rows however large they are, and because it raises at dates that Python doesn't know; a block ends with the
row that makes it large, and what can't be made a value stays text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from expunge.stores.scan_sql import BATCH_BYTES, ROWS, converted
from expunge.terms import Value

_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NULL = "\\N"


def copied(session: psycopg.Connection, statement: str) -> Iterator[bytes]:
    """The statement's rows in blocks of whole rows. If it isn't read to its end the session can't be used again.

    Raises:
        psycopg.Error: as the server says.
    """
    link = session.pgconn
    begun = link.exec_(statement.encode())
    if begun.status != ExecStatus.COPY_OUT:
        raise error_from_result(begun)
    rows: list[bytes] = []
    size = 0
    while (got := link.get_copy_data(0))[0] > 0:
        row = bytes(got[1])
        rows.append(row)
        size += len(row)
        # A message is a row in every server so far; the protocol only promises that messages make up the rows.
        if (len(rows) >= ROWS or size >= BATCH_BYTES) and row.endswith(b"\n"):
            yield b"".join(rows)
            rows, size = [], 0
    if rows:
        yield b"".join(rows)
    while (result := link.get_result()) is not None:
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)


def columns_of(block: bytes, types: Sequence[str]) -> list[list[Value | None]]:
    """A block's columns as values of these types (``pg_type.typname``); a type that isn't named in ``CONVERTERS`` is text."""
    try:
        text, whole = block.decode(), True
    except UnicodeDecodeError:  # a database in SQL_ASCII holds any bytes
        text, whole = block.decode("utf-8", "surrogateescape"), False
    pieces = text.replace("\n", "\t").split("\t")
    columns: list[Sequence[str | None]] = [pieces[at : -1 : len(types)] for at in range(len(types))]
    if "\\" in text:
        columns = [_unescaped(column) for column in columns]
    made = [_values(column, kind) for column, kind in zip(columns, types, strict=True)]
    return made if whole else [[_as_bytes(value) for value in column] for column in made]


def _unescaped(column: Sequence[str | None]) -> list[str | None]:
    return [one if one is None or "\\" not in one else None if one == _NULL else _ESCAPE.sub(_letter, one) for one in column]


def _letter(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[1])


def _values(column: Sequence[str | None], kind: str) -> list[Value | None]:
    convert = CONVERTERS.get(kind)
    return converted(column, convert, str) if convert else list(column)


def _as_bytes(value: Value | None) -> Value | None:
    """The value, or the bytes that it was read from where they aren't UTF-8."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-8", "surrogateescape")
    return value


def _bytes(text: str) -> bytes:
    return bytes.fromhex(
        text[2:]
    )  # the server writes \x… (bytea_output is set by the session's default; the old form fails and stays text)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00")


CONVERTERS: Mapping[str, Callable[[str], Value]] = {
    "bool": "t".__eq__,
    "bytea": _bytes,
    "int2": int,
    "int4": int,
    "int8": int,
    "oid": int,
    "float4": float,
    "float8": float,
    "numeric": Decimal,
    "date": date.fromisoformat,
    "timestamp": _moment,
    "timestamptz": datetime.fromisoformat,
}
