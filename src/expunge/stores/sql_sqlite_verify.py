"""SQLite's independent look: every record is read, without index and without condition, and compared in Python as text."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from expunge.stores.base import coerce_all
from expunge.stores.sql_dialect import FETCH, Scan
from expunge.stores.sql_sqlite_values import texts_test
from expunge.stores.sql_table import Table
from expunge.stores.sql_times import instant
from expunge.terms import Selector


def count(connection: sa.Connection, table: Table, selector: Selector, columns: Sequence[sa.ColumnElement[object]]) -> Scan:
    """Count, and give ``columns`` of what matches if any are asked for."""
    names = sorted({*selector.any_of, *selector.within, *selector.present}, key=list(table.columns).index)
    query = sa.select(*(table.sql(name) for name in names), *columns).select_from(table.clause)
    if not table.module:
        query = query.suffix_with("NOT INDEXED")  # SQLite would read a covering index in place of the table
    kinds = {name: one.type for name, one in table.columns.items()}
    tests = [(names.index(name), texts_test(coerce_all(values, kinds[name]), kinds[name])) for name, values in selector.any_of.items()]
    present = [names.index(name) for name in selector.present]
    clocks = [(names.index(name), span) for name, span in selector.within.items()]
    scanned = live = unread = 0
    rows: list[Sequence[object]] = []
    for part in connection.execute(query).partitions(FETCH):
        scanned += len(part)
        timely = part
        for at, span in clocks:
            times = [instant(row[at]) for row in timely]
            unread += sum(when is None and row[at] is not None for row, when in zip(timely, times, strict=True))
            timely = [row for row, when in zip(timely, times, strict=True) if when is not None and span.holds(when)]
        found = [row for row in timely if all(test(row[at]) for at, test in tests) and _any_present(row, present)]
        live += len(found)
        if columns:
            rows += [row[len(names) :] for row in found]
    note = f"{unread} records have a time that can't be read and were not compared" if unread else ""
    return Scan(scanned, live, rows, note)


def _any_present(row: Sequence[object], places: Sequence[int]) -> bool:
    return not places or any(row[at] is not None for at in places)
