"""Which rows a selector means, a second time: as text, over every row, with no statistics and none of ``arrow_match``'s kernels.

Each value is brought to its one text (``terms.text_of``) and looked up among the wanted texts; times are compared as timestamps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from expunge.errors import Drift
from expunge.stores.arrow import Node, column, field_type, nodes, values, with_partition
from expunge.stores.arrow_file import Part, rows_at_once
from expunge.stores.arrow_rows import digests
from expunge.stores.base import coerce_all
from expunge.terms import FieldType, Selector, Span, Value, text_of

_CAST = {FieldType.TEXT, FieldType.INTEGER, FieldType.BOOLEAN, FieldType.DATE}  # Arrow's text of these is ``text_of``'s


@dataclass(slots=True)
class Tally:
    """What a file held: rows looked at, matching rows that live, matching rows that are only marked as deleted."""

    scanned: int = 0
    live: int = 0
    dead: int = 0

    def add(self, other: Tally) -> None:
        """Count another file's."""
        self.scanned += other.scanned
        self.live += other.live
        self.dead += other.dead


def tally(file: pq.ParquetFile, part: Part, selector: Selector, held: set[bytes], where: str) -> Tally:
    """Read every row of the file and count those that match and are not held."""
    answer, at = Tally(), 0
    names = [one for one in {*selector.any_of, *selector.within, *selector.present} if one in nodes(file.schema_arrow)]
    size = rows_at_once(file, range(file.num_row_groups))
    for batch in file.iter_batches(size, columns=None if held or not names else names, use_threads=part.threads):
        found = matches(with_partition(batch, part.partition), selector, where)
        if held and found.true_count:
            flags = [one not in held for one in digests(batch.filter(found), part.partition)]
            found = pc.replace_with_mask(found, found, pa.array(flags))
        living = part.living(at, batch)
        live = pc.and_(found, living).true_count
        answer.scanned += living.true_count
        answer.live += live
        answer.dead += found.true_count - live
        at += batch.num_rows
    return answer


def matches(batch: pa.RecordBatch, selector: Selector, where: str) -> pa.BooleanArray:
    """Which rows match, ``selector.minus`` aside.

    Raises:
        Drift: as ``arrow_match.mask``.
    """
    known = nodes(batch.schema)
    found = pa.array([True] * batch.num_rows, pa.bool_())
    for name, wanted in selector.any_of.items():
        found = pc.and_(found, _listed(batch, known.get(name), wanted, f"{where}.{name}"))
    for name, span in selector.within.items():
        found = pc.and_(found, _inside(batch, known.get(name), span, f"{where}.{name}"))
    if selector.present:
        filled = pa.array([False] * batch.num_rows, pa.bool_())
        for name in selector.present & known.keys():
            filled = pc.or_(filled, pc.invert(pc.is_null(column(batch, known[name]))))
        found = pc.and_(found, filled)
    return found


def _listed(batch: pa.RecordBatch, node: Node | None, wanted: Iterable[Value], where: str) -> pa.BooleanArray:
    if node is None or pa.types.is_null(node.type):
        return pa.array([False] * batch.num_rows, pa.bool_())
    kind = field_type(node.type)
    if kind in (FieldType.JSON, FieldType.OTHER):
        raise Drift("a field of this type can't be selected by", where=where)
    said = sorted(filter(_sayable, {_text(value) for value in coerce_all(wanted, kind)}))
    return pc.is_in(_texts(column(batch, node), kind), value_set=pa.array(said, pa.large_string()))


def _texts(column: pa.Array, kind: FieldType) -> pa.Array:
    """Each value's text; types whose Arrow text is another are turned by Python, each value once."""
    if kind in _CAST:
        return column.cast(pa.large_string())
    coded = column.dictionary_encode()
    said = pa.array([None if one is None else _text(one) for one in values(coded.dictionary)], pa.large_string())
    return said.take(coded.indices)


def _text(value: Value) -> str:
    """The value's text, alike for alike numbers and moments."""
    if isinstance(value, Decimal):
        return text_of(value.normalize())
    return text_of(value.astimezone(UTC) if isinstance(value, datetime) else value)


def _sayable(text: str) -> bool:
    """Whether it can be written in UTF-8 at all; no column holds what can't."""
    return text == text.encode("utf-8", "ignore").decode("utf-8")


def _inside(batch: pa.RecordBatch, node: Node | None, span: Span, where: str) -> pa.BooleanArray:
    if node is None or pa.types.is_null(node.type):
        return pa.array([False] * batch.num_rows, pa.bool_())
    times = _times(column(batch, node), field_type(node.type), where)
    found = pc.invert(pc.is_null(times))
    if span.start is not None:
        found = pc.and_(found, pc.fill_null(pc.greater_equal(times, _moment(span.start)), fill_value=False))
    if span.end is not None:
        found = pc.and_(found, pc.fill_null(pc.less(times, _moment(span.end)), fill_value=False))
    return found


def _moment(when: datetime) -> pa.Scalar:
    return pa.scalar(when, pa.timestamp("us", "UTC"))


def _times(column: pa.Array, kind: FieldType, where: str) -> pa.Array:
    """The column as timestamps in UTC; a day is its midnight."""
    if kind is FieldType.TEXT:
        coded = column.dictionary_encode()
        read = [None if one is None else _read(one, where) for one in coded.dictionary.to_pylist()]
        return pa.array(read, pa.timestamp("us", "UTC")).take(coded.indices)
    if kind is FieldType.DATE:
        return column.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    if kind is FieldType.TIME:
        return column if column.type.tz == "UTC" else column.cast(pa.timestamp(column.type.unit, "UTC"))
    raise Drift("the field holds no times", where=where)


def _read(text: str, where: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise Drift("the field holds a text that is no time", where=where) from None
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
