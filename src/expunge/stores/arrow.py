"""What the lake stores share about Arrow: field types, nested columns, and values in Expunge's terms.

Nested fields have dotted names (``who.id``); a column whose own name holds a dot wins over a nested one. Lists and maps are JSON: they
can be redacted as a whole, not selected by. Times without a zone are in UTC.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from expunge.terms import Field, FieldType, Json, Value, text_of

UUID_WIDTH = 16  # a UUID's bytes; Parquet files older than the logical type keep UUIDs as bare fixed-width bytes

_KINDS: tuple[tuple[Callable[[pa.DataType], bool], FieldType], ...] = (
    (pa.types.is_string, FieldType.TEXT),
    (pa.types.is_large_string, FieldType.TEXT),
    (pa.types.is_string_view, FieldType.TEXT),
    (pa.types.is_integer, FieldType.INTEGER),
    (pa.types.is_floating, FieldType.REAL),
    (pa.types.is_decimal, FieldType.NUMERIC),
    (pa.types.is_boolean, FieldType.BOOLEAN),
    (pa.types.is_timestamp, FieldType.TIME),
    (pa.types.is_date, FieldType.DATE),
    (lambda kind: pa.types.is_fixed_size_binary(kind) and kind.byte_width == UUID_WIDTH, FieldType.UUID),
    (pa.types.is_fixed_size_binary, FieldType.BYTES),
    (pa.types.is_binary, FieldType.BYTES),
    (pa.types.is_large_binary, FieldType.BYTES),
    (pa.types.is_binary_view, FieldType.BYTES),
    (pa.types.is_nested, FieldType.JSON),
)


def field_type(kind: pa.DataType) -> FieldType:
    """How a column of this Arrow type is compared; dictionaries and extensions as what they hold."""
    if pa.types.is_dictionary(kind):
        return field_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return field_type(kind.storage_type)
    return next((answer for holds, answer in _KINDS if holds(kind)), FieldType.OTHER)


@dataclass(frozen=True, slots=True)
class Node:
    """A column or a field inside one: the path to it, its type, and whether it can be set to null."""

    path: tuple[str, ...]
    type: pa.DataType
    nullable: bool


def nodes(schema: pa.Schema) -> dict[str, Node]:
    """Every column and every field of a struct, by dotted name."""
    answer = {field.name: Node((field.name,), field.type, field.nullable) for field in schema}
    for top in tuple(answer.values()):
        for node in _inside(top):
            answer.setdefault(".".join(node.path), node)
    return answer


def fields(schema: pa.Schema) -> tuple[Field, ...]:
    """The schema's fields as a store describes them: structs by their leaves, all else as it is."""
    return tuple(
        Field(name, field_type(node.type), nullable=node.nullable)
        for name, node in nodes(schema).items()
        if not pa.types.is_struct(node.type)
    )


def _inside(node: Node) -> Iterator[Node]:
    if pa.types.is_struct(node.type):
        for child in node.type:
            inner = Node((*node.path, child.name), child.type, child.nullable)
            yield inner
            yield from _inside(inner)


def column(batch: pa.RecordBatch, node: Node) -> pa.Array:
    """The node's values, plain; null where a parent is null."""
    whole = batch.column(node.path[0])
    return plain(whole if len(node.path) == 1 else pc.struct_field(whole, list(node.path[1:])))


def plain(values: pa.Array) -> pa.Array:
    """The same values without dictionary, extension or view, in a type that every kernel knows."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if isinstance(values.type, pa.BaseExtensionType):
        values = values.storage
    kind = values.type
    if pa.types.is_string_view(kind):
        return values.cast(pa.large_string())
    if pa.types.is_binary_view(kind):
        return values.cast(pa.large_binary())
    if pa.types.is_float16(kind) or pa.types.is_float32(kind):
        return values.cast(pa.float64())
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        return values.cast(pa.decimal128(kind.precision, kind.scale))
    return values.cast(pa.date32()) if pa.types.is_date64(kind) else values


def workable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch without views: no kernel filters them."""
    for place, field in enumerate(batch.schema):
        if pa.types.is_string_view(field.type) or pa.types.is_binary_view(field.type):
            column = plain(batch.column(place))
            batch = batch.set_column(place, field.with_type(column.type), column)
    return batch


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type without dictionaries, at any depth: a dictionary page keeps values that no row has any more."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([child.with_type(plain_type(child.type)) for child in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(plain_type(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(plain_type(kind.value_type)))
    return kind


def values(column: pa.Array) -> tuple[Value | None, ...]:
    """A plain column's values as terms' values: times aware and in UTC, bare 16 bytes as UUIDs, lists and structs as JSON text."""
    kind = field_type(column.type)
    if kind is FieldType.TIME:
        return tuple(cast("list[Value | None]", _utc(column).to_pylist()))
    if kind is FieldType.UUID:
        return tuple(cast("list[Value | None]", pa.ExtensionArray.from_storage(pa.uuid(), column).to_pylist()))
    if kind is FieldType.JSON:
        return tuple(None if one is None else json.dumps(one, sort_keys=True) for one in jsons(column))
    return tuple(cast("list[Value | None]", column.to_pylist()))


def _utc(column: pa.Array) -> pa.Array:
    """Microseconds in UTC: Python's datetimes hold no nanoseconds, and a zone's name may be unknown here."""
    zoned = column if column.type.tz else column.cast(pa.timestamp(column.type.unit, "UTC"))
    return zoned.cast(pa.timestamp("us", "UTC"), safe=False)


def jsons(column: pa.Array) -> list[Json]:
    """A column's values as JSON; what JSON has no word for becomes its text."""
    return [_json(one) for one in plain(column).cast(_readable(plain(column).type), safe=False).to_pylist()]


def _readable(kind: pa.DataType) -> pa.DataType:
    """The type with nanoseconds and zones taken out at any depth, so that Python can read it."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if pa.types.is_time64(kind):
        return pa.time64("us")
    if pa.types.is_duration(kind):
        return pa.int64()
    if pa.types.is_struct(kind):
        return pa.struct([child.with_type(_readable(child.type)) for child in kind])
    if pa.types.is_list(kind):
        return pa.list_(_readable(kind.value_type))
    return kind


def _json(one: object) -> Json:
    if one is None or isinstance(one, bool | int | float | str):
        return one
    if isinstance(one, Mapping):
        return {str(name): _json(value) for name, value in one.items()}
    if isinstance(one, Sequence) and not isinstance(one, bytes):
        return [_json(value) for value in one]
    if isinstance(one, datetime):
        return text_of(one.astimezone(UTC) if one.tzinfo else one)
    if isinstance(one, date):
        return one.isoformat()
    return text_of(cast("Value", one)) if isinstance(one, bytes) else str(one)


def with_partition(batch: pa.RecordBatch, partition: Mapping[str, Value | None]) -> pa.RecordBatch:
    """The batch with its file's partition values as columns; the file's own columns win."""
    for name, value in partition.items():
        if name not in batch.schema.names:
            batch = batch.append_column(name, pa.repeat(pa.scalar(value), batch.num_rows))
    return batch


def union(shapes: Iterable[tuple[Field, ...]]) -> tuple[Field, ...]:
    """The fields of several files as one: of two types the text, nullable wherever it is nullable or missing in one."""
    merged: dict[str, Field] = {}
    counts: dict[str, int] = {}
    files = 0
    for shape in shapes:
        files += 1
        for one in shape:
            known = merged.setdefault(one.name, one)
            counts[one.name] = counts.get(one.name, 0) + 1
            kind = one.type if one.type is known.type else FieldType.TEXT
            merged[one.name] = Field(one.name, kind, nullable=known.nullable or one.nullable)
    return tuple(Field(one.name, one.type, nullable=one.nullable or counts[one.name] < files) for one in merged.values())
