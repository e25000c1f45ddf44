"""One Parquet file: its matching rows, row group by row group, and the file written anew without them.

The rewritten file keeps the schema, field ids, key-value metadata, row groups, and per column codec, encoding, statistics, page index and
Bloom filter. What the format doesn't tell (the codec's level, page sizes) is the writer's default.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from expunge.errors import Drift
from expunge.stores.arrow import column, field_type, nodes, plain_type, values, with_partition, workable
from expunge.stores.arrow_match import could_match, mask, prunable
from expunge.stores.arrow_rows import addressed, changed, digests, readable
from expunge.terms import FieldType, Json, Selector, Step, Value

ROWS = 65_536  # rows of one batch at most: the kernels' cost per call is lost in it
BATCH = 16 << 20  # bytes of one batch, about: rows that hold recordings are taken by the hundred
GROUP = 128 << 20
"""Bytes in memory of a row group that is being written. A larger one of the old file becomes several: the writer wants a group whole."""

_OWN_ENCODINGS = ("DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT")
_DICTIONARIES = {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}
_CODECS = {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4"}  # the writer's words where they are not the footer's in lower case


@dataclass(frozen=True, slots=True, repr=False)
class Part:
    """One Parquet file of a collection: its name, its partition values, how it is opened, and which of its rows live.

    ``alive`` is a Delta deletion vector as a mask over the file's rows; ``None``: all live. ``threads`` is off where reading calls back
    into Python, which a thread of Arrow's may do too late for a process that is ending.
    """

    name: str
    open: Callable[[], AbstractContextManager[pq.ParquetFile]]
    partition: Mapping[str, Value | None] = field(default_factory=dict[str, Value | None])
    alive: pa.BooleanArray | None = None
    threads: bool = True

    def batches(self, file: pq.ParquetFile, group: int, columns: list[str] | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The row group's batches, each with the number of its first row in the file."""
        at = sum(file.metadata.row_group(one).num_rows for one in range(group))
        for batch in file.iter_batches(rows_at_once(file, [group]), row_groups=[group], columns=columns, use_threads=self.threads):
            yield at, workable(batch)
            at += batch.num_rows

    def living(self, at: int, batch: pa.RecordBatch) -> pa.BooleanArray:
        """Which rows of the batch that begins at this row live."""
        known = pa.array([], pa.bool_()) if self.alive is None else self.alive.slice(at, batch.num_rows)
        return pa.concat_arrays([known, pa.repeat(pa.scalar(value=True), batch.num_rows - len(known))])  # a vector may end early


def rows_at_once(file: pq.ParquetFile, groups: Iterable[int]) -> int:
    """How many rows of these row groups make a batch: fewer where they are wide, by what they take before they are packed."""
    metas = (file.metadata.row_group(group) for group in groups)
    fitting = [BATCH * int(one.num_rows) // int(one.total_byte_size) for one in metas if one.total_byte_size > 0]
    return max(1, min([ROWS, *fitting]))


def hits(file: pq.ParquetFile, part: Part, selector: Selector, where: str) -> Iterator[pa.RecordBatch]:
    """The living rows that match, whole; row groups are passed over by statistics, then by the selector's columns alone."""
    columns = sorted({*selector.any_of, *selector.within, *selector.present})
    known = nodes(file.schema_arrow)
    if selector.nothing() or _elsewhere(part, selector, where, known):
        return
    wanted, places = prunable(selector, known), _places(file.metadata)
    wanted = {name: held for name, held in wanted.items() if name in places}
    for group in range(file.num_row_groups):
        if not could_match(file.metadata.row_group(group), places, wanted):
            continue
        glance = (with_partition(batch, part.partition) for _, batch in part.batches(file, group, [one for one in columns if one in known]))
        if known.keys() & set(columns) and not any(pc.any(mask(batch, selector, where)).as_py() for batch in glance):
            continue
        for at, batch in part.batches(file, group):
            rows = batch.filter(pc.and_(part.living(at, batch), mask(with_partition(batch, part.partition), selector, where)))
            if rows.num_rows:
                yield rows


def _elsewhere(part: Part, selector: Selector, where: str, known: Mapping[str, Any]) -> bool:
    """Whether the file lacks a column that is asked for, or its partition's values already exclude it."""
    if not {*selector.any_of, *selector.within} <= known.keys() | part.partition.keys():
        return True
    chosen = {name: held for name, held in selector.any_of.items() if name in part.partition and name not in known}
    if not chosen:
        return False
    row = pa.record_batch({name: pa.repeat(pa.scalar(part.partition[name]), 1) for name in chosen})
    return not mask(row, Selector(selector.collection, chosen), where)[0].as_py()


def distinct(file: pq.ParquetFile, part: Part, name: str, where: str) -> Iterator[tuple[Value, ...]]:
    """A field's values in the living rows, a batch of rows at a time, each once in its batch; only its column is read.

    Raises:
        Drift: the field can't be compared.
    """
    node = nodes(file.schema_arrow).get(name)
    if node is None:
        value = part.partition.get(name)
        dead = 0 if part.alive is None else len(part.alive) - (pc.sum(part.alive).as_py() or 0)
        if value is not None and file.metadata.num_rows > dead:
            yield (value,)
        return
    if field_type(node.type) in (FieldType.JSON, FieldType.OTHER) and not pa.types.is_null(node.type):
        raise Drift("a field of this type can't be selected by", where=f"{where}.{name}")
    for group in range(file.num_row_groups):
        for at, batch in part.batches(file, group, [".".join(node.path)]):
            held = pc.unique(column(batch, node).filter(part.living(at, batch))).drop_null()
            if len(held):
                yield tuple(one for one in values(held) if one is not None)


def every(file: pq.ParquetFile, part: Part) -> Iterator[pa.RecordBatch]:
    """All living rows."""
    for group in range(file.num_row_groups):
        for at, batch in part.batches(file, group):
            yield batch if part.alive is None else batch.filter(part.living(at, batch))


def contents(file: pq.ParquetFile, part: Part, wanted: Collection[bytes]) -> dict[bytes, Mapping[str, Json]]:
    """The living rows of these digests, as JSON, partition values among their fields."""
    found: dict[bytes, Mapping[str, Json]] = {}
    for batch in every(file, part):
        own = digests(batch, part.partition)
        chosen = batch.filter(pa.array([one in wanted for one in own], pa.bool_()))
        if chosen.num_rows:
            found |= zip((one for one in own if one in wanted), readable(chosen, part.partition), strict=True)
    return found


def rewrite(file: pq.ParquetFile, part: Part, sink: object, step: Step, wanted: set[bytes], where: str) -> tuple[int, int]:
    """Write the file anew to ``sink`` with the step done to the addressed rows.

    Returns:
        How many rows were hit, and how many are in the new file.
    """
    return _rewritten(file, part, sink, lambda batch: _step(batch, part, step, wanted, where))


def reencode(file: pq.ParquetFile, part: Part, sink: object) -> tuple[int, int]:
    """Write the file anew as it is, its dictionaries from the values that its rows still have."""
    return _rewritten(file, part, sink, lambda batch: (0, batch))


def _step(batch: pa.RecordBatch, part: Part, step: Step, wanted: set[bytes], where: str) -> tuple[int, pa.RecordBatch]:
    matching = mask(with_partition(batch, part.partition), step.selector, where)
    hit = addressed(batch, matching, part.partition, wanted)
    count = pc.sum(hit).as_py() or 0
    return count, changed(batch, hit, step, where) if count else batch


_Change = Callable[[pa.RecordBatch], tuple[int, pa.RecordBatch]]


def _rewritten(file: pq.ParquetFile, part: Part, sink: object, change: _Change) -> tuple[int, int]:
    struck = rows = 0
    with pq.ParquetWriter(sink, file.schema_arrow, **writer_options(file)) as writer:
        for group in range(file.num_row_groups):
            kept: list[pa.RecordBatch] = []
            for at, batch in part.batches(file, group):
                living = batch if part.alive is None else batch.filter(part.living(at, batch))
                count, after = change(living)
                struck += count
                kept.append(_plain(after))
                if sum(one.nbytes for one in kept) >= GROUP:
                    rows += _written(writer, kept, file.schema_arrow)
            rows += _written(writer, kept, file.schema_arrow)
    return struck, rows


def _written(writer: pq.ParquetWriter, kept: list[pa.RecordBatch], schema: pa.Schema) -> int:
    """Write the batches as one row group and forget them; how many rows they had."""
    rows = sum(int(one.num_rows) for one in kept)
    if rows:
        writer.write_table(encoded(pa.Table.from_batches(kept), schema), row_group_size=rows)
    kept.clear()
    return rows


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch without dictionaries: each brings its own, with values that no row has any more."""
    return batch.cast(pa.schema([one.with_type(plain_type(one.type)) for one in batch.schema]))


def encoded(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The plain table in the schema's types again; top-level dictionaries are made from the values that are there."""
    for place, one in enumerate(schema):
        if pa.types.is_dictionary(one.type):
            fresh = table.column(place).combine_chunks().dictionary_encode()
            indices = fresh.indices.cast(one.type.index_type)
            column = pa.DictionaryArray.from_arrays(indices, fresh.dictionary.cast(one.type.value_type), ordered=one.type.ordered)
            table = table.set_column(place, one, column)
    return table.cast(schema)


def writer_options(file: pq.ParquetFile) -> dict[str, Any]:
    """The writer's options by which the new file is laid out as the old one."""
    meta = file.metadata
    options: dict[str, Any] = {
        "version": meta.format_version if meta.format_version in {"1.0", "2.4", "2.6"} else "2.6",
        "store_schema": b"ARROW:schema" in (meta.metadata or {}),
        "use_deprecated_int96_timestamps": any(meta.schema.column(place).physical_type == "INT96" for place in range(meta.num_columns)),
    }
    if not meta.num_row_groups:
        return options
    group = meta.row_group(0)
    columns = {group.column(place).path_in_schema: group.column(place) for place in range(group.num_columns)}
    dictionaries = [name for name, one in columns.items() if _DICTIONARIES & set(one.encodings)]
    own = {name: _own(one.encodings) for name, one in columns.items() if name not in dictionaries and _own(one.encodings)}
    blooms = {name: {"ndv": max(1, one.num_values)} for name, one in columns.items() if one.bloom_filter_offset is not None}
    statistics = [name for name, one in columns.items() if one.is_stats_set]
    return options | {
        "compression": {name: _CODECS.get(one.compression, one.compression.lower()) for name, one in columns.items()},
        "use_dictionary": dictionaries or False,
        "column_encoding": own or None,
        "write_statistics": statistics or False,
        "write_page_index": any(one.has_offset_index for one in columns.values()),
        "bloom_filter_options": blooms or None,
        "sorting_columns": list(group.sorting_columns) or None,
    }


def _own(encodings: tuple[str, ...]) -> str | None:
    return next((one for one in _OWN_ENCODINGS if one in encodings), None)


def _places(meta: pq.FileMetaData) -> dict[str, int]:
    """Leaf columns' numbers by dotted name; names that are not single are left out."""
    names = [meta.schema.column(place).path for place in range(meta.num_columns)]
    return {name: place for place, name in enumerate(names) if names.count(name) == 1}
