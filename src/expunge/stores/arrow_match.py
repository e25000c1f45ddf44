"""Which rows a selector means, by Arrow's typed kernels; what ``locate`` and ``erase`` go by. ``arrow_verify`` answers by another way.

Values are brought to the column's type, never a column to a value's: so nothing is rounded, and a value that the column can't hold
matches nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from expunge.errors import Drift
from expunge.stores.arrow import Node, column, field_type, nodes
from expunge.stores.base import coerce_all
from expunge.terms import FieldType, Selector, Span, Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_MOST = 2**63 - 1  # nanoseconds in 64 bits end in 2262: a later end is beyond every value
_DAY = 86_400 * 1_000_000
_PRUNED = {FieldType.INTEGER: int, FieldType.TEXT: str}


def mask(batch: pa.RecordBatch, selector: Selector, where: str) -> pa.BooleanArray:
    """Which rows match, ``selector.minus`` aside. A column that this file lacks is null in every row.

    Raises:
        Drift: a field's type can't be compared, or a text that should be a time isn't one.
    """
    known = nodes(batch.schema)
    parts = [_any_of(batch, known.get(name), held, f"{where}.{name}") for name, held in selector.any_of.items()]
    parts += [_within(batch, known.get(name), span, f"{where}.{name}") for name, span in selector.within.items()]
    if selector.present:
        here = [pc.is_valid(column(batch, known[name])) for name in selector.present if name in known]
        parts.append(reduce(pc.or_, here, _nowhere(batch)))
    return reduce(pc.and_, parts)


def could_match(group: pa.lib.Any, places: Mapping[str, int], wanted: Mapping[str, list[Value]]) -> bool:
    """Whether a row group's statistics leave room for one of the wanted values (sorted, of the column's own type) in each column."""
    for name, values in wanted.items():
        stats = group.column(places[name]).statistics
        if stats is None or not stats.has_min_max or not values or not isinstance(stats.min, type(values[0])):
            continue
        at = bisect_left(values, stats.min)
        if at == len(values) or values[at] > stats.max:
            return False
    return True


def prunable(selector: Selector, known: Mapping[str, Node]) -> dict[str, list[Value]]:
    """Per field that statistics can exclude by (integers and text order alike in Parquet and Python) the wanted values, sorted."""
    answer: dict[str, list[Value]] = {}
    for name, held in selector.any_of.items():
        kind = field_type(known[name].type) if name in known else FieldType.OTHER
        if kind in _PRUNED:
            answer[name] = sorted(coerce_all(held, kind))
    return answer


def _nowhere(batch: pa.RecordBatch) -> pa.BooleanArray:
    return pa.repeat(pa.scalar(value=False), batch.num_rows)


def _any_of(batch: pa.RecordBatch, node: Node | None, held: Iterable[Value], where: str) -> pa.BooleanArray:
    if node is None or pa.types.is_null(node.type):
        return _nowhere(batch)
    kind = field_type(node.type)
    if kind in (FieldType.JSON, FieldType.OTHER):
        raise Drift("a field of this type can't be selected by", where=where)
    values = column(batch, node)
    if kind is FieldType.TIME:
        ticks = [tick for tick in (_ticks(one, values.type.unit) for one in coerce_all(held, kind)) if tick is not None]
        return pc.is_in(values.cast(pa.int64()), value_set=_fitting(ticks, pa.int64()))
    coerced = [one.bytes for one in coerce_all(held, kind)] if kind is FieldType.UUID else coerce_all(held, kind)  # type: ignore[union-attr]  # coerced to UUIDs
    return pc.is_in(values, value_set=_fitting(coerced, values.type))


def _fitting(held: list[Value] | list[int] | list[bytes], kind: pa.DataType) -> pa.Array:
    """The values that the type holds exactly, as an array of that type."""
    try:
        return pa.array(held, kind)
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
        return pa.concat_arrays([pa.array([], kind), *(one for one in (_one(value, kind) for value in held) if one is not None)])


def _one(value: object, kind: pa.DataType) -> pa.Array | None:
    try:
        return pa.array([value], kind)
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
        return None


def _ticks(when: Value, unit: str) -> int | None:
    """A time as the unit counts it, ``None`` if it falls between two ticks."""
    assert isinstance(when, datetime), "coerced to a time"
    micros = (when - EPOCH) // _TICK
    if unit == "ns":
        return micros * 1_000
    return micros // _MICROS[unit] if micros % _MICROS[unit] == 0 else None


def _within(batch: pa.RecordBatch, node: Node | None, span: Span, where: str) -> pa.BooleanArray:
    if node is None or pa.types.is_null(node.type):
        return _nowhere(batch)
    values, kind = column(batch, node), field_type(node.type)
    if kind is FieldType.TEXT:
        return pc.is_in(values, value_set=pa.array([one for one in pc.unique(values).to_pylist() if _holds(span, one, where)], values.type))
    if kind is FieldType.DATE:
        return _between(values.cast(pa.int32()).cast(pa.int64()), span, _DAY, 1)
    if kind is not FieldType.TIME:
        raise Drift("the field holds no times", where=where)
    unit = values.type.unit
    return _between(values.cast(pa.int64()), span, _MICROS.get(unit, 1), 1_000 if unit == "ns" else 1)


def _between(ticks: pa.Array, span: Span, micros: int, finer: int) -> pa.BooleanArray:
    """``start <= tick < end``: as ticks are whole, both ends may be rounded up to the next tick."""
    answer = pc.is_valid(ticks)
    for edge, compare in ((span.start, pc.greater_equal), (span.end, pc.less)):
        if edge is not None:
            least = max(-_MOST, min(_MOST, -(-((edge - EPOCH) // _TICK) // micros) * finer))
            answer = pc.and_(answer, pc.fill_null(compare(ticks, pa.scalar(least, pa.int64())), fill_value=False))
    return answer


def _holds(span: Span, text: str | None, where: str) -> bool:
    """Whether a text, read as ISO 8601 (without a zone: UTC), lies in the range."""
    if text is None:
        return False
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise Drift("the field holds a text that is no time", where=where) from None
    return span.holds(when if when.tzinfo else when.replace(tzinfo=UTC))
