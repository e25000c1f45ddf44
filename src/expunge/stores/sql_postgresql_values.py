"""A selector's conditions in PostgreSQL's words, in the form that its indexes answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from typing import Any

import sqlalchemy as sa

from expunge.errors import Drift
from expunge.stores.sql_table import Table
from expunge.stores.sql_times import date_edge, number_ranges
from expunge.terms import FieldType, Span, Value, text_of

INT8 = 2**63
NUMBERS = (FieldType.INTEGER, FieldType.REAL, FieldType.NUMERIC)


class Named(sa.types.UserDefinedType[object]):
    """A type by the name that the server gave it."""

    cache_ok = True

    def __init__(self, spelled: str) -> None:
        """``spelled`` as ``format_type`` writes it: quoted where it must be."""
        self.spelled = spelled

    def get_col_spec(self, **_: object) -> str:
        """The name."""
        return self.spelled


def array(texts: Sequence[str], cast: str) -> sa.ColumnElement[Any]:
    """An array of values of any type, written as PostgreSQL writes arrays; the server reads them as it reads its own output.

    One text rather than a list: SQLAlchemy and psycopg would look at each element in Python, five times the driver's own work.
    """
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    literal = '{"' + '","'.join(quoted) + '"}' if texts else "{}"
    return _sent(literal, cast)


def integers(numbers: Sequence[object]) -> sa.ColumnElement[Any]:
    """An array of integers, likewise."""
    return _sent("{" + ",".join(map(str, numbers)) + "}", "bigint")


def _sent(literal: str, cast: str) -> sa.ColumnElement[Any]:
    # Without a type of its own the parameter takes the cast's, so that the planner sees a constant and hashes it.
    return sa.cast(sa.bindparam(None, literal, type_=sa.types.NullType()), Named(f"{cast}[]"))


def holdable(values: Sequence[Value]) -> list[Value]:
    """Those that PostgreSQL can hold at all; no record can equal the others: NUL and lone surrogates in text, integers beyond 64 bits."""
    return [one for one in values if not (isinstance(one, int) and not -INT8 <= one < INT8) and not (isinstance(one, str) and _odd(one))]


def _odd(text: str) -> bool:
    return "\0" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text))


def one_of(table: Table, name: str, values: Sequence[Value]) -> sa.ColumnElement[bool]:
    """``column = ANY(values)``, exact to the byte."""
    column, fact = table.sql(name), table.columns[name]
    if fact.type is FieldType.INTEGER:
        return column == sa.any_(integers(values))
    if fact.type is FieldType.BYTES:
        return column == sa.any_(array([f"\\x{text_of(one)}" for one in values], "bytea"))
    if fact.type is FieldType.TEXT:
        compared = column if fact.exact else sa.collate(sa.cast(column, sa.Text), "C")
        return compared == sa.any_(array([text_of(one) for one in values], "text"))
    return column == sa.any_(array([text_of(_zoned(one, aware=fact.aware)) for one in values], fact.cast))


def _zoned(value: Value, *, aware: bool) -> Value:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and not aware else value


def require_moments(table: Table, names: Iterable[str], where: str) -> None:
    """These columns hold moments.

    Raises:
        Drift: one doesn't.
    """
    odd = [name for name in names if table.columns[name].type not in (*NUMBERS, FieldType.TIME, FieldType.DATE)]
    if odd:
        msg = f"{table.name}.{odd[0]} is neither a time, a date nor a number: no time range can be asked of it"
        raise Drift(msg, where=where)


def within(table: Table, name: str, span: Span) -> sa.ColumnElement[bool]:
    """The column's moment lies in the span."""
    column, fact = table.sql(name), table.columns[name]
    if fact.type in NUMBERS:
        return sa.or_(*(_between(column, _number(low, fact.type), _number(high, fact.type)) for low, high in number_ranges(span)))
    if fact.type is FieldType.DATE:
        return _between(column, span.start and date_edge(span.start), span.end and date_edge(span.end))
    return _between(column, *(None if edge is None else _zoned(edge, aware=fact.aware) for edge in (span.start, span.end)))


def _number(edge: Decimal | None, kind: FieldType) -> sa.ColumnElement[Any] | None:
    """An edge in the column's own class, so that its index answers; for integers the next one is as good."""
    if edge is None:
        return None
    if kind is FieldType.INTEGER:
        return sa.bindparam(None, min(ceil(edge), INT8 - 1), type_=sa.BigInteger)
    return sa.bindparam(None, float(edge), type_=sa.Double) if kind is FieldType.REAL else sa.bindparam(None, edge, type_=sa.Numeric)


def _between(column: sa.ColumnElement[object], low: object, high: object) -> sa.ColumnElement[bool]:
    bounds: list[sa.ColumnElement[bool]] = [column.is_not(None)]
    if low is not None:
        bounds.append(column >= low)
    if high is not None:
        bounds.append(column < high)
    return sa.and_(*bounds)
