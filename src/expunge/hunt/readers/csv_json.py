"""Tables in text and JSON: their bytes are looked at as any text, and what bytes alone can't show is given as rows of numbers."""

from __future__ import annotations

from expunge.hunt.readers.columns_bound import bounded
from expunge.hunt.readers.csv_json_points import points_in
from expunge.hunt.readers.csv_json_signs import is_json, is_table, layout
from expunge.hunt.readers.csv_json_tables import numbers_in
from expunge.hunt.reading import Format, Opened, Reading

_HEAD = 64 << 10


@bounded
def _table(opened: Opened) -> Reading:
    head = opened.file.read(_HEAD)
    found = layout(head, named=True)
    if found is not None:
        yield from numbers_in(opened, found, head)


@bounded
def _json(opened: Opened) -> Reading:
    yield from points_in(opened)


FORMATS: tuple[Format, ...] = (
    Format("json", is_json, _json, raw="plain"),
    Format("csv", is_table, _table, raw="plain"),
)
"""What this module reads."""
