"""Arrow arrays as columns: the buffers themselves where the types allow, and every leaf of what is nested.

A struct's fields are named with dots. A list keeps its row's number: texts in it are joined, one a line, so that words that were split
into a list are a text again; lists of numbers that all have one length are vectors (or, up to four numbers, as many columns: points);
what is left, with the numbers of lists of structs, is given in batches of their own, whose rows have the key of the row that they lie in
(a track inside a row).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from expunge.hunt.pieces import Column, Numbers, Place, Rows, Texts, Vectors
from expunge.hunt.readers.columns import encoded, texts_of

BATCH = 4 << 20
"""Bytes of a batch that readers aim at: as large as a window, for the same reason."""

ROWS = 50_000
"""Rows of a batch at most."""

_EXPANDED = 64 << 20
"""Bytes that a batch may have after its dictionaries are written out; more is halved."""

_POINT = 4
"""Lists of up to this many numbers are points (longitude, latitude, height, time), longer ones vectors."""

_PLACES = 15
"""Decimal digits that float64 keeps."""

_QUANTISED = (pa.int8(), pa.uint8())
"""The integers that embeddings are held in."""

Parents = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A scalar array. ``parents`` give the row of each element, ``within`` the list that it lies in; ``None`` if it is one a row."""

    name: str
    array: pa.Array
    parents: Parents | None
    within: str


def rows_of(place: Place, batch: pa.RecordBatch, first: int, beside: Mapping[str, Column] | None = None) -> Iterator[Rows]:
    """A record batch as rows of ``place``, and as more rows for each list of numbers or structs in it.

    ``first`` is the number of the batch's first row in the place; ``beside`` are columns of the same rows that are none of Arrow's. A
    batch whose dictionaries are much larger when written out comes in several parts.
    """
    if batch.num_rows > 1 and sum(_written_out(array) for array in batch.columns) > _EXPANDED:
        half = batch.num_rows // 2
        yield from rows_of(place, batch.slice(0, half), first)
        yield from rows_of(place, batch.slice(half), first + half)
        return
    row, lists = _columns(batch)
    row.update(beside or {})
    if row:
        yield Rows(place, row, batch.num_rows, first)
    for parents, columns in lists.values():
        if len(parents):
            yield Rows(place, columns, len(parents), first, [str(first + parent) for parent in parents.tolist()])


def _columns(batch: pa.RecordBatch) -> tuple[dict[str, Column], dict[str, tuple[Parents, dict[str, Column]]]]:
    row: dict[str, Column] = {}
    lists: dict[str, tuple[Parents, dict[str, Column]]] = {}
    for field, array in zip(batch.schema, batch.columns, strict=True):
        for leaf in _leaves(field.name, array, None, ""):
            name = leaf.name if leaf.name not in row else f"{leaf.name}#{len(row)}"  # nothing forbids two columns of one name
            if leaf.parents is None:
                row[name] = _column(leaf.array)
            elif _is_text(leaf.array.type):
                row[name] = _joined(leaf.array, leaf.parents, batch.num_rows)
            else:
                lists.setdefault(leaf.within, (leaf.parents, {}))[1][leaf.name] = _column(leaf.array)
    return row, lists


def _leaves(name: str, array: pa.Array, parents: Parents | None, within: str) -> Iterator[_Leaf]:
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        yield from _leaves(name, array.storage, parents, within)
    elif pa.types.is_struct(kind):
        for field, child in zip(kind, array.flatten(), strict=True):
            yield from _leaves(f"{name}.{field.name}", child, parents, within)
    elif pa.types.is_map(kind):
        yield from _list(name, _entries(array), parents)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _list(name, array, parents)
    elif pa.types.is_dictionary(kind):
        yield from _leaves(name, _taken(array), parents, within)
    elif pa.types.is_run_end_encoded(kind):
        yield from _leaves(name, pc.run_end_decode(array), parents, within)
    else:
        yield _Leaf(name, array, parents, within)


def _list(name: str, array: pa.Array, parents: Parents | None) -> Iterator[_Leaf]:
    element = array.type.value_type
    if pa.types.is_integer(element) or pa.types.is_floating(element):
        matrix = _matrix(array)
        if matrix is not None:
            yield from _matrix_leaves(name, matrix, parents, name)
            return
    inner = pc.list_parent_indices(array).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    yield from _leaves(name, pc.list_flatten(array), inner if parents is None else parents[inner], name)


def _matrix_leaves(name: str, matrix: npt.NDArray[np.generic], parents: Parents | None, within: str) -> Iterator[_Leaf]:
    width = matrix.shape[1]
    if width > _POINT:
        flat = pa.array(np.ascontiguousarray(matrix, dtype=np.float32).ravel())
        yield _Leaf(name, pa.FixedSizeListArray.from_arrays(flat, width), parents, within)
        return
    for at in range(width):
        yield _Leaf(f"{name}.{at}", pa.array(np.ascontiguousarray(matrix[:, at])), parents, within)


def _matrix(array: pa.Array) -> npt.NDArray[np.generic] | None:
    """The lists as one matrix if all that hold anything have one length; the others' rows are zeros."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    held = lengths > 0
    if not held.any():
        return None
    width = int(lengths[held][0])
    element = array.type.value_type
    if (lengths[held] != width).any() or (width > _POINT and pa.types.is_integer(element) and element not in _QUANTISED):
        return None  # longer lists of integers are token numbers, sizes, times
    values: npt.NDArray[np.generic] = pc.list_flatten(array).to_numpy(zero_copy_only=False).reshape(-1, width)
    if held.all():
        return values
    matrix = np.zeros((len(lengths), width), dtype=values.dtype)
    matrix[held] = values
    return matrix


def _entries(array: pa.Array) -> pa.Array:
    """A map's entries as a list: ``key=value`` where both are scalars, so that a name stays beside what it names."""
    keys, items = array.keys, array.items
    if pa.types.is_nested(items.type) or pa.types.is_dictionary(items.type) or pa.types.is_dictionary(keys.type):
        return pa.ListArray.from_arrays(array.offsets, pa.StructArray.from_arrays([keys, items], ["key", "value"]))
    pairs = pc.binary_join_element_wise(_text(keys), _text(items), b"=")
    return pa.ListArray.from_arrays(array.offsets, pairs)


def _taken(array: pa.Array) -> pa.Array:
    """A dictionary's values, one for each index; or, where a single row would still be beyond all measure, each value once."""
    if _written_out(array) <= 4 * _EXPANDED:
        return array.dictionary.take(array.indices)
    once = np.arange(len(array))
    return array.dictionary.take(pa.array(once, mask=once >= len(array.dictionary)))


def _written_out(array: pa.Array) -> int:
    """Bytes of the texts in an array's dictionaries, were each written out wherever it stands."""
    kind = array.type
    if pa.types.is_dictionary(kind) and _is_text(kind.value_type):
        lengths = pc.fill_null(pc.binary_length(array.dictionary), 0)
        return int(pc.sum(lengths.cast(pa.int64()).take(pc.drop_null(array.indices))).as_py() or 0)
    if pa.types.is_struct(kind):
        return sum(_written_out(child) for child in array.flatten())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _written_out(pc.list_flatten(array))
    return 0


def _joined(array: pa.Array, parents: Parents, rows: int) -> Texts:
    """The texts of each row's list, one a line."""
    offsets = np.zeros(rows + 1, dtype=np.int32)
    np.cumsum(np.bincount(parents, minlength=rows), out=offsets[1:])
    lists = pa.ListArray.from_arrays(pa.array(offsets), pc.fill_null(_text(array), b""))
    return _texts(pc.binary_join(lists, b"\n"))


def _column(array: pa.Array) -> Column:
    kind = array.type
    if pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif pa.types.is_duration(kind):
        array = array.cast(pa.int64())
    elif pa.types.is_decimal(kind) and kind.precision <= _PLACES:
        array = array.cast(pa.int64() if kind.scale == 0 else pa.float64())
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        return _numbers(array)
    if pa.types.is_fixed_size_list(array.type):
        return Vectors(array.flatten().to_numpy().reshape(-1, array.type.list_size))
    return _texts(_text(array))


def _numbers(array: pa.Array) -> Numbers:
    if not array.null_count:
        return Numbers(array.to_numpy())
    held = np.frombuffer(array.buffers()[1], dtype=array.type.to_pandas_dtype())[array.offset : array.offset + len(array)]
    return Numbers(held, array.is_null().to_numpy(zero_copy_only=False))


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _text(array: pa.Array) -> pa.Array:
    """The array as binary (32-bit offsets, as a join takes them), times and dates in ISO 8601 and UTC."""
    kind = array.type
    if pa.types.is_binary(kind):
        return array
    if pa.types.is_string(kind):
        return array.view(pa.binary())
    if _is_text(kind):
        return array.cast(pa.binary())
    if pa.types.is_timestamp(kind):
        return _iso(array.cast(pa.timestamp(kind.unit, "UTC") if kind.tz else kind))
    if pa.types.is_nested(kind) or pa.types.is_interval(kind):
        return pa.array([b"" if one is None else encoded(str(one)) for one in array.to_pylist()], pa.binary())
    return array.cast(pa.string()).view(pa.binary())


def _iso(array: pa.Array) -> pa.Array:
    """Timestamps with a ``T`` between date and time; Arrow writes a blank."""
    return pc.replace_substring(array.cast(pa.string()), " ", "T").view(pa.binary())


def _texts(array: pa.Array) -> Texts:
    """The buffers of a binary array; only its offsets are copied, to 64 bits."""
    if not len(array):
        return texts_of([])
    _, offsets, held = array.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    buffer = np.frombuffer(held, dtype=np.uint8) if held is not None else np.zeros(0, dtype=np.uint8)
    return Texts(buffer[ends[0] : ends[-1]], ends - ends[0])
