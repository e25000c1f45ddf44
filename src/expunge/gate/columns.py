"""Columns of samples as what the kernels take: keys as hashes, times as microseconds. Works on whole Arrow columns, never on single values.

A dictionary's values are hashed once, however many samples point at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from expunge.errors_gate import SubjectColumn, Unattributed
from expunge.gate.judging import NO_TIME
from expunge.gate.kernel import hash_integers, hash_texts

Column: TypeAlias = Any
"""A ``pyarrow.Array`` or ``ChunkedArray``."""

Hashes = npt.NDArray[np.uint64]


def as_column(values: Column | Sequence[object] | npt.NDArray[Any], name: str) -> Column:
    """An Arrow array of these values.

    Raises:
        SubjectColumn: they are not of one type.
    """
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        raise SubjectColumn(f"the values of {name!r} are not all of one type that keys have") from None


def column_of(batch: Any, name: str) -> Column:
    """The column of a record batch or table.

    Raises:
        SubjectColumn: it has none of that name, or several.
    """
    found = batch.schema.get_all_field_indices(name)
    if len(found) != 1:
        known = ", ".join(batch.schema.names[:20])
        told = "is not a column of the batch" if not found else "is the name of several columns of the batch"
        raise SubjectColumn(f"{name!r} {told}; it has {known}")
    return as_column(batch.column(found[0]), name)


def require_subjects(column: Column, name: str) -> None:
    """Refuse a column in which records name nobody.

    Raises:
        Unattributed: some do not.
    """
    missing = column.null_count
    if pa.types.is_dictionary(column.type) and not missing and column.dictionary.null_count:
        missing = int(pc.sum(pc.is_null(column.dictionary.take(column.indices))).as_py() or 0)
    if missing:
        raise Unattributed(f"{missing:,} of {len(column):,} records name nobody in {name!r}")


def hashes_of(column: Column, halves: tuple[int, int], *, integers: bool, name: str) -> Hashes:
    """The hash of every key, with no null among them.

    Raises:
        SubjectColumn: the column is of another type than the keys.
        Unattributed: a key is null.
    """
    require_subjects(column, name)
    if pa.types.is_dictionary(column.type):
        values = column.dictionary
        filled = values.drop_null() if values.null_count == 0 else values.fill_null(0 if pa.types.is_integer(values.type) else "")
        spread: Hashes = hashes_of(filled, halves, integers=integers, name=name)[column.indices.to_numpy(zero_copy_only=False)]
        return spread
    k0, k1 = (np.uint64(one) for one in halves)
    out = np.empty(len(column), np.uint64)
    if integers and pa.types.is_integer(column.type):
        hash_integers(k0, k1, _as_int64(column, name).view(np.uint64), out)
    elif not integers and (
        pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type)
    ):
        content, offsets = _texts(column)
        hash_texts(k0, k1, content, offsets, out)
    else:
        wanted = "int64" if integers else "string"
        raise SubjectColumn(f"{name!r} is {column.type}, and these people's keys are {wanted}: cast it first")
    return out


def numbers_in(column: Column, name: str) -> npt.NDArray[np.uint32]:
    """A column that holds registry numbers itself; what can't be one is 0, which is nobody's.

    Raises:
        SubjectColumn: it does not hold whole numbers.
        Unattributed: one is null.
    """
    require_subjects(column, name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not pa.types.is_integer(column.type):
        raise SubjectColumn(f"{name!r} is {column.type}, and numbers of the registry are integers")
    held: npt.NDArray[np.uint32] = column.to_numpy()
    if held.dtype == np.uint32:
        return held
    return np.where((held > 0) & (held < 2**32), held, 0).astype(np.uint32)


def times_of(column: Column, name: str) -> npt.NDArray[np.int64]:
    """Times of capture in microseconds since 1970, UTC; a null is ``NO_TIME``, and counts against the record.

    Raises:
        SubjectColumn: not a timestamp with a zone, nor a date.
    """
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("us", "UTC"))
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise SubjectColumn(
            f"{name!r} is {column.type}; a time of capture is a timestamp with a time zone: cast it to timestamp('us', 'UTC')"
        )
    whole = column.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
    return np.asarray(whole.fill_null(NO_TIME).to_numpy(zero_copy_only=False), np.int64)


def texts_of(column: Column) -> Column:
    """The column as text: how items are called."""
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _as_int64(column: Column, name: str) -> npt.NDArray[np.int64]:
    try:
        return np.ascontiguousarray(column.cast(pa.int64()).to_numpy())
    except pa.ArrowInvalid:
        raise SubjectColumn(f"{name!r} holds whole numbers beyond 64 bits with a sign, and no key is one") from None


def _texts(column: Column) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The bytes of all texts and where each begins, without copying a text."""
    if not pa.types.is_string(column.type):
        column = column.cast(pa.large_string())
    width = np.int32 if pa.types.is_string(column.type) else np.int64
    _, offsets, content = column.buffers()
    places = np.frombuffer(offsets, width)[column.offset : column.offset + len(column) + 1] if offsets is not None else np.zeros(1, width)
    held = np.frombuffer(content, np.uint8) if content is not None and content.size else np.zeros(1, np.uint8)
    return held, places.astype(np.int64)
