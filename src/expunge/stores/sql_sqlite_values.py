"""How values that SQLite holds, of whatever storage class, meet the values of a selector: exactly, in Python.

SQLite stores what it was given: a text in an INTEGER column, a number in one without a type, times as anything. Its own comparison
folds by the column's collation and affinity. So an index only proposes records here, and these functions decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TypeAlias
from uuid import UUID

import sqlalchemy as sa

from expunge.stores.base import coerce
from expunge.stores.sql_times import instant
from expunge.terms import FieldType, Span, Value, text_of

INT8 = 2**63

Test: TypeAlias = Callable[[object], bool]


def reading(stored: object, kind: FieldType) -> Value | None:
    """A stored value as a field of this type means it, or as it is where it can't be one."""
    if stored is None:
        return None
    if kind is FieldType.TIME:
        return instant(stored) or _kept(stored)
    if kind is FieldType.BOOLEAN and stored in (0, 1):
        return bool(stored)
    if kind is FieldType.DATE and isinstance(stored, str):
        return _date(stored)
    if kind is FieldType.TEXT and isinstance(stored, int | float):
        return text_of(stored)
    return _kept(stored)


def _kept(stored: object) -> Value:
    return stored if isinstance(stored, str | int | float | bytes) else str(stored)


def _date(stored: str) -> date | str:
    try:
        return date.fromisoformat(stored)
    except ValueError:
        return stored


def membership(values: Iterable[Value], kind: FieldType) -> Test:
    """Whether a stored value is one of these (already coerced to the field's type)."""
    wanted = frozenset(values)
    if kind is FieldType.TEXT:
        return lambda stored: (stored if type(stored) is str else reading(stored, kind)) in wanted
    if kind is FieldType.NUMERIC:
        return lambda stored: _number(stored) in wanted
    if kind in (FieldType.INTEGER, FieldType.BYTES):
        return lambda stored: stored in wanted
    return lambda stored: reading(stored, kind) in wanted


def _number(stored: object) -> Decimal | None:
    try:
        return Decimal(str(stored))
    except InvalidOperation:
        return None


def in_span(span: Span) -> Test:
    """Whether a stored value means a moment in the span."""

    def test(stored: object) -> bool:
        when = instant(stored)
        return when is not None and span.holds(when)

    return test


def perhaps_before(column: sa.ColumnElement[object], end: datetime) -> sa.ColumnElement[bool]:
    """False only for a text that begins with a date two days after ``end`` or later, which no offset from UTC brings back before it.

    SQLite decides that itself, so that Python is asked about old records only: of a table of which 1 % is past its term, a hundredth.
    """
    later = (end.astimezone(UTC) + timedelta(days=2)).date().isoformat()
    dated = column.op("GLOB")(sa.literal_column("'[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'"))
    return sa.not_(sa.and_(sa.func.typeof(column) == "text", dated, column >= sa.bindparam(None, later, type_=sa.Text)))


def texts_test(values: Iterable[Value], kind: FieldType) -> Test:
    """Whether a stored value reads the same, as text, as one of these: what ``verify`` compares by, apart from ``membership``."""
    wanted = frozenset(_text(value) for value in values)
    usual = {FieldType.TEXT: str, FieldType.INTEGER: int}.get(kind)  # most columns, and every record of the table comes by here

    def test(stored: object) -> bool:
        if type(stored) is usual:
            return str(stored) in wanted
        meant = reading(stored, kind)
        return meant is not None and _text(meant) in wanted

    return test


def _text(value: Value) -> str:
    if isinstance(value, Decimal | float):
        number = Decimal(str(value))  # 7, 7.0 and 7.00 are one number
        return format(number.normalize(), "f") if number.is_finite() else str(number)
    return text_of(value)


def proposals(values: Iterable[Value]) -> list[Value]:
    """What to look up in an index: each value, and for a text that is a number, the number that a column without a type may hold.

    Left out is what SQLite can't hold, so that no record equals it: integers beyond 64 bits, lone surrogates.
    """
    found: list[Value] = []
    for value in values:
        number = coerce(value, FieldType.INTEGER) if isinstance(value, str) else value
        if isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value):
            found.append(value)
        if isinstance(number, bytes) or (isinstance(number, int) and -INT8 <= number < INT8):
            found.append(number)
    return found


def storable(value: Value) -> str | int | float | bytes:
    """A value as the driver takes it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date | UUID):
        return text_of(value)
    return value
