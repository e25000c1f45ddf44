"""Records of nested Python values, as formats without columns give them, as rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from expunge.hunt.pieces import Column, Place, Rows
from expunge.hunt.readers.columns import column_of, encoded, texts_of
from expunge.hunt.readers.columns_arrow import rows_of
from expunge.terms import text_of

_KEYS = 256
"""Distinct keys among a column's mappings up to which each becomes a column; more are no fields but keys, and stay beside their values."""


def record_rows(place: Place, records: Sequence[Mapping[str, object]], first: int) -> Iterator[Rows]:
    """A batch of records as rows of ``place``; nested values as ``columns_arrow`` shows them, or as JSON where they have no one shape."""
    plain, arrays = dict[str, Column](), dict[str, pa.Array]()
    for name in dict.fromkeys(name for record in records for name in record):
        values = [record.get(name) for record in records]
        if not any(isinstance(one, dict | list) for one in values):
            plain[name] = column_of(values)  # type: ignore[arg-type] # scalars, as just seen
            continue
        array = _array(values)
        if array is None:
            plain[name] = texts_of([b"" if one is None else _json(one) for one in values])
        else:
            arrays[name] = array
    yield from rows_of(place, _batch(arrays, len(records)), first, plain)


def _batch(arrays: Mapping[str, pa.Array], rows: int) -> pa.RecordBatch:
    if arrays:
        return pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))


def _array(values: Sequence[object]) -> pa.Array | None:
    """Nested values as an array of one type, or ``None`` if they have none."""
    if len({key for one in values if isinstance(one, dict) for key in one}) > _KEYS:
        return None
    try:
        return pa.array(values, from_pandas=False)
    except (pa.ArrowException, ValueError, TypeError, OverflowError, UnicodeError):
        return None


def _json(value: object) -> bytes:
    return encoded(json.dumps(value, ensure_ascii=False, default=_other))


def _other(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else text_of(value)  # type: ignore[arg-type] # whatever else has one text
