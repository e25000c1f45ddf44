"""Rows by their content: digests that serve as addresses, and the three things that can be done to a row.

A lake's row has no key of its own and no place that lasts: its file is rewritten when a neighbour goes. So it is addressed by a digest of
its values. Rows that are alike in every value share a digest and are told apart by a number only; they share their fate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import compress
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from expunge.errors import Drift, Refused
from expunge.stores.arrow import Node, field_type, jsons, nodes, plain, with_partition
from expunge.stores.arrow import column as plain_column
from expunge.stores.arrow import values as terms_values
from expunge.stores.base import coerce
from expunge.terms import FieldType, Json, Located, Method, Step, Value, text_of

DIGEST = 16  # bytes: by chance two different rows of 10^12 meet with probability 10^-15
_NANOS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_CODED = "#"


def digests(batch: pa.RecordBatch, partition: Mapping[str, Value | None]) -> list[bytes]:
    """Each row's digest. Nulls don't count (a column may be added later), nor does how a value is encoded or a time's unit."""
    names = sorted(batch.schema.names)
    columns = [_primitive(batch.column(name)) for name in names]
    extra = [(name, text_of(value)) for name, value in sorted(partition.items()) if value is not None and name not in names]
    heads: dict[tuple[bool, ...], str] = {}
    return [_digest(names, row, extra, heads) for row in zip(*columns, strict=True)]


def _digest(names: list[str], row: tuple[object, ...], extra: list[tuple[str, str]], heads: dict[tuple[bool, ...], str]) -> bytes:
    """The digest of one row. ``heads`` keeps the text of the names per pattern of nulls: most rows share a few.

    ``ascii`` is exact for Python's plain values and doesn't change with the version's Unicode tables, as ``repr`` does.
    """
    here = tuple([one is not None for one in row])
    head = heads.get(here)
    if head is None:
        head = heads[here] = ascii((extra, list(compress(names, here))))
    text = head + ascii(row if all(here) else tuple(compress(row, here)))
    return blake2b(text.encode("ascii"), digest_size=DIGEST).digest()


def _primitive(column: pa.Array) -> list[object]:
    column = plain(column)
    if pa.types.is_timestamp(column.type):
        factor = _NANOS[column.type.unit]
        return [None if one is None else one * factor for one in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_float64(column.type):
        column = column.view(pa.int64())  # its bits: exact, and six times as fast to write as its digits
    return cast("list[object]", column.cast(_counted(column.type)).to_pylist())


def _counted(kind: pa.DataType) -> pa.DataType:
    """The type with times as bare numbers, at any depth: Python's times hold no nanoseconds."""
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind) or pa.types.is_duration(kind):
        return pa.int64()
    if pa.types.is_time32(kind):
        return pa.int32()
    if pa.types.is_struct(kind):
        return pa.struct([child.with_type(_counted(child.type)) for child in kind])
    return pa.list_(_counted(kind.value_type)) if pa.types.is_list(kind) else kind


def numbered(found: Iterable[bytes], prefix: str, seen: Counter[bytes]) -> list[str]:
    """An address per digest; the second and later of twins carry their number, so that each row has an address of its own."""
    answer = []
    for one in found:
        seen[one] += 1
        answer.append(f"{prefix}{_CODED}{one.hex()}" + (f"-{seen[one]}" if seen[one] > 1 else ""))
    return answer


def parsed(address: str) -> tuple[str, bytes] | None:
    """An address's prefix and digest; ``None`` if it is none of ours."""
    prefix, coded, tail = address.rpartition(_CODED)
    try:
        return (prefix, bytes.fromhex(tail.partition("-")[0])) if coded else None
    except ValueError:
        return None


def by_prefix(addresses: Iterable[str]) -> dict[str, set[bytes]]:
    """Digests by prefix, prefixes in the order of their first address; what is no address is left out."""
    answer: dict[str, set[bytes]] = {}
    for one in map(parsed, addresses):
        if one is not None:
            answer.setdefault(one[0], set()).add(one[1])
    return answer


def located(
    batches: Iterable[pa.RecordBatch],
    partition: Mapping[str, Value | None],
    prefix: str,
    *,
    held: Collection[bytes],
    seen: Counter[bytes],
    carry: Sequence[str],
) -> Iterator[Located]:
    """Matching rows as addresses with the carried columns, held ones left out."""
    for batch in batches:
        found = digests(batch, partition)
        if held:
            batch, found = batch.filter(pa.array([one not in held for one in found])), [one for one in found if one not in held]  # noqa: PLW2901 - the batch without what is held
        if found:
            yield Located(tuple(numbered(found, prefix, seen)), _carried(with_partition(batch, partition), carry))


def _carried(batch: pa.RecordBatch, carry: Sequence[str]) -> dict[str, tuple[Value | None, ...]]:
    known = nodes(batch.schema)
    nulls = (None,) * batch.num_rows
    return {name: terms_values(plain_column(batch, known[name])) if name in known else nulls for name in carry}


def readable(batch: pa.RecordBatch, partition: Mapping[str, Value | None]) -> list[dict[str, Json]]:
    """Each row as JSON, partition values among its fields."""
    whole = with_partition(batch, partition)
    columns = [jsons(whole.column(name)) for name in whole.schema.names]
    return [dict(zip(whole.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def addressed(
    batch: pa.RecordBatch, matching: pa.BooleanArray, partition: Mapping[str, Value | None], wanted: Collection[bytes]
) -> pa.Array:
    """Which of the matching rows have one of the wanted digests; only theirs are computed."""
    if not pc.any(matching).as_py():
        return matching
    flags = [one in wanted for one in digests(batch.filter(matching), partition)]
    return pc.replace_with_mask(matching, matching, pa.array(flags, pa.bool_()))


def check(step: Step, known: Mapping[str, Node], partitioned: Collection[str], where: str) -> None:
    """Whether the step can be done to a file of these columns, before any is touched.

    Raises:
        Refused: a field can't be null, or is a partition's: its files would have to move.
        Drift: the pseudo-person's value doesn't fit.
    """
    for name in (*step.fields, *step.repoint):
        if step.method is not Method.DELETE and name in partitioned and name not in known:
            raise Refused("a partition's value is in the path of its file; it can't be changed in place", where=f"{where}.{name}")
    for name in step.fields if step.method is not Method.DELETE else ():
        if name in known and not known[name].nullable:
            raise Refused("the field can't be null", where=f"{where}.{name}")
    for name, value in step.repoint.items() if step.method is not Method.DELETE else ():
        if name in known:
            _scalar(value, known[name].type, f"{where}.{name}")


def changed(batch: pa.RecordBatch, hit: pa.BooleanArray, step: Step, where: str) -> pa.RecordBatch:
    """The batch after the step: rows dropped, or fields nulled and re-pointed; the columns' types stay, dictionaries are made plain."""
    if step.method is Method.DELETE:
        return batch.filter(pc.invert(hit))
    known = nodes(batch.schema)
    for name in step.fields:
        if name in known:
            batch = _set(batch, known[name].path, hit, None, where)
    for name, value in step.repoint.items():
        if name in known:
            batch = _set(batch, known[name].path, hit, value, f"{where}.{name}")
    return batch


def _set(batch: pa.RecordBatch, path: tuple[str, ...], hit: pa.BooleanArray, value: Value | None, where: str) -> pa.RecordBatch:
    place = batch.schema.get_field_index(path[0])
    column = _replaced(batch.column(place), path[1:], hit, value, where)
    return batch.set_column(place, batch.schema.field(place).with_type(column.type), column)


def _replaced(column: pa.Array, path: tuple[str, ...], hit: pa.BooleanArray, value: Value | None, where: str) -> pa.Array:
    if path:
        inner = [
            _replaced(column.field(place), path[1:], hit, value, where) if child.name == path[0] else column.field(place)
            for place, child in enumerate(column.type)
        ]
        kinds = [child.with_type(one.type) for child, one in zip(column.type, inner, strict=True)]
        return pa.StructArray.from_arrays(inner, fields=kinds, mask=pc.is_null(column))
    if isinstance(column.type, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(column.type, _replaced(column.storage, (), hit, value, where))
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return pc.if_else(hit, _scalar(value, column.type, where), column)


def _scalar(value: Value | None, kind: pa.DataType, where: str) -> pa.Scalar:
    """The value as the type holds it.

    Raises:
        Drift: it can't.
    """
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    fitting = None if value is None else coerce(value, field_type(kind))
    if value is not None and fitting is None:
        raise Drift("the pseudo-person's value is not of the field's type", where=where)
    try:
        return pa.scalar(fitting.bytes if field_type(kind) is FieldType.UUID and fitting is not None else fitting, kind)  # type: ignore[union-attr]  # coerced to a UUID
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
        raise Drift("the pseudo-person's value doesn't fit the field's type", where=where) from None
