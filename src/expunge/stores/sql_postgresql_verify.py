"""PostgreSQL's independent look: every record is read, and its columns' *texts* are joined with the values' texts.

Nothing is shared with ``locate``: no index may be used, no value is turned into the column's type, no operator of that type compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from struct import pack

import sqlalchemy as sa

from expunge.stores.base import coerce_all
from expunge.stores.sql_dialect import Scan
from expunge.stores.sql_postgresql_values import NUMBERS, array, holdable
from expunge.stores.sql_table import Table
from expunge.stores.sql_times import SCALES, seconds
from expunge.terms import FieldType, Selector, Span, Value, text_of

NO_INDEX = sa.text(
    "SELECT pg_catalog.set_config('enable_indexscan', 'off', true), pg_catalog.set_config('enable_indexonlyscan', 'off', true), "
    "pg_catalog.set_config('enable_bitmapscan', 'off', true)"
)


def count(connection: sa.Connection, table: Table, selector: Selector, columns: Sequence[sa.ColumnElement[object]]) -> Scan:
    """Count, and give ``columns`` of what matches if any are asked for (a second read)."""
    connection.execute(NO_INDEX)
    source: sa.FromClause = table.clause
    conditions: list[sa.ColumnElement[bool]] = []
    for name, values in sorted(selector.any_of.items()):
        kind = table.columns[name].type
        texts = sorted({text for one in holdable(coerce_all(values, kind)) for text in _texts(one, kind)})
        wanted = sa.func.unnest(array(texts, "text")).table_valued("value", name=f"wanted_{len(conditions)}").render_derived()
        source = source.outerjoin(wanted, wanted.c.value == _text(table.sql(name), kind))
        conditions.append(wanted.c.value.is_not(None))
    conditions += [_in_span(_epoch(table, name), span) for name, span in selector.within.items()]
    if selector.present:
        conditions.append(sa.or_(*(table.sql(name).is_not(None) for name in sorted(selector.present))))
    matches = sa.and_(*conditions)
    scanned, live = connection.execute(sa.select(sa.func.count(), sa.func.count().filter(matches)).select_from(source)).one()
    rows = connection.execute(sa.select(*columns).select_from(source).where(matches)).all() if columns else ()
    return Scan(scanned, live, rows)


def _text(column: sa.ColumnElement[object], kind: FieldType) -> sa.ColumnElement[str]:
    """The column as a text in which equal values are written alike."""
    if kind is FieldType.NUMERIC:
        return sa.cast(sa.func.trim_scale(column), sa.Text)
    if kind is FieldType.REAL:  # the bits: PostgreSQL and Python write floats differently
        return sa.func.encode(sa.func.float8send(sa.cast(sa.cast(column, sa.Text), sa.Double)), "hex")
    if kind is FieldType.BYTES:
        return sa.func.encode(column, "hex")
    if kind is FieldType.TIME:
        return sa.cast(sa.func.trim_scale(sa.extract("epoch", column)), sa.Text)
    return sa.collate(sa.cast(column, sa.Text), "C")


def _texts(value: Value, kind: FieldType) -> list[str]:
    if kind is FieldType.NUMERIC:
        return [_plain(Decimal(text_of(value)))]
    if kind is FieldType.REAL:
        number = float(value)  # type: ignore[arg-type]  # coerced to a REAL field: a float
        return [pack(">d", one).hex() for one in ({0.0, -0.0} if number == 0 else [number])]
    if kind is FieldType.TIME:
        return [_plain(seconds(value))]  # type: ignore[arg-type]  # coerced to a TIME field: an aware datetime
    return [text_of(value)]


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f") if number else "0"


def _epoch(table: Table, name: str) -> sa.ColumnElement[Decimal]:
    """The column's moment in seconds since 1970."""
    column, kind = table.sql(name), table.columns[name].type
    if kind not in NUMBERS:
        return sa.extract("epoch", column)  # type: ignore[return-value]  # PostgreSQL gives a numeric
    number = sa.cast(column, sa.Numeric)
    return sa.case(*((number < Decimal(end), number / Decimal(parts)) for end, parts in SCALES))


def _in_span(moment: sa.ColumnElement[Decimal], span: Span) -> sa.ColumnElement[bool]:
    bounds: list[sa.ColumnElement[bool]] = [moment.is_not(None)]
    if span.start is not None:
        bounds.append(moment >= seconds(span.start))
    if span.end is not None:
        bounds.append(moment < seconds(span.end))
    return sa.and_(*bounds)
