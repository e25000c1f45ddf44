"""Parquet, Arrow IPC (Feather), and ORC: files of columns, a row group at a time.

Delta and Iceberg tables are folders of these with logs of JSON and Avro, so they are read file by file, removed files and old logs too.
A Parquet footer keeps values of its own (least and greatest of each column, page indexes, what pandas wrote): its bytes are given as a
stream ``footer``. Sizes that a file claims are never believed: batches are bounded by what was really decoded, and texts that stand once
in a dictionary and a million times in the rows are written out in bounded parts.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as pf
import pyarrow.parquet as pq

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.readers.columnar_batches import FAULTS, given, pieces_of, read_ipc, read_orc, tell
from expunge.hunt.readers.columnar_claims import is_stream
from expunge.hunt.readers.columns_arrow import BATCH, ROWS
from expunge.hunt.readers.columns_bound import bounded
from expunge.hunt.reading import Format, Nested, Opened, Reading

_DECODED = 256 << 20
"""Bytes that a batch may decode to at the very worst, each value as long as the longest in its dictionary."""

_INDEXED = 6
"""Bytes a value below which a column of texts holds hardly more than indexes into its dictionary (each takes up to 4)."""

_WHOLE = 256 << 20
"""Bytes of a file that is read whole."""

_FOOTER = 64 << 20
"""Bytes of a footer that are looked at; real ones of ten thousand columns have some MiB."""


@bounded
def _parquet(opened: Opened) -> Reading:
    try:
        file = pq.ParquetFile(opened.file, pre_buffer=False)
    except FAULTS as fault:
        tell(opened, opened.place, fault)
        return
    with file:
        yield from _footer(opened, file.metadata)
        first = 0
        for group in range(file.metadata.num_row_groups):
            yield from _group(opened, file.metadata, group, first)
            first += file.metadata.row_group(group).num_rows


def _footer(opened: Opened, metadata: pq.FileMetaData) -> Reading:
    """The bytes behind the last column's data.

    Statistics are not asked of the library: on ones that are not as long as their type says it ends the process.
    """
    end = 4
    for group in range(metadata.num_row_groups):
        for at in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(at)
            start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
            end = max(end, (start or 0) + chunk.total_compressed_size)
    size = opened.file.seek(0, io.SEEK_END)
    start = max(min(end, size), size - _FOOTER)
    opened.file.seek(start)
    content = opened.file.read(size - start)
    yield Nested(opened.place.inside("footer"), io.BytesIO(content), len(content), seekable=True, plain=True)


def _group(opened: Opened, metadata: pq.FileMetaData, group: int, first: int) -> Reading:
    """The rows of a row group; if it is damaged, what is left of each column by itself."""
    given = 0
    try:
        for batch in _batches(opened, metadata, group, None):
            yield from pieces_of(opened.place, batch, first + given)
            given += batch.num_rows
    except FAULTS:
        pass
    else:
        return
    for name in dict.fromkeys(metadata.row_group(group).column(at).path_in_schema.split(".")[0] for at in range(metadata.num_columns)):
        seen = 0
        try:
            for batch in _batches(opened, metadata, group, [name]):
                fresh = batch.slice(max(0, min(given - seen, batch.num_rows)))
                if fresh.num_rows:
                    yield from pieces_of(opened.place, fresh, first + seen + batch.num_rows - fresh.num_rows)
                seen += batch.num_rows
        except FAULTS as fault:
            tell(opened, opened.place.of(column=name), fault, f"row group {group}")


def _batches(opened: Opened, metadata: pq.FileMetaData, group: int, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    rows, dictionaries = _width(opened, metadata, group, columns)
    file = pq.ParquetFile(opened.file, metadata=metadata, pre_buffer=False, read_dictionary=dictionaries)
    yield from file.iter_batches(batch_size=rows, row_groups=[group], columns=columns, use_threads=False)


def _width(opened: Opened, metadata: pq.FileMetaData, group: int, columns: Sequence[str] | None) -> tuple[int, list[str]]:
    """How many rows to decode at once, and which columns to take as dictionaries.

    Reading the first row with all dictionaries shows how long their longest value is. A column that consists of indexes alone is taken as
    a dictionary (twice as fast, 5 GB/s); one with much plain text isn't (it would be hashed: six times as slow), and bounds the batch.
    """
    chunks = [metadata.row_group(group).column(at) for at in range(metadata.num_columns)]
    texts = [
        chunk for chunk in chunks if chunk.physical_type == "BYTE_ARRAY" and (not columns or chunk.path_in_schema.split(".")[0] in columns)
    ]
    total = max(1, metadata.row_group(group).num_rows)
    width = max(1, sum(chunk.total_uncompressed_size for chunk in chunks) // total)
    indexes = [one.path_in_schema for one in texts if one.total_uncompressed_size < _INDEXED * one.num_values]
    probe = pq.ParquetFile(opened.file, metadata=metadata, pre_buffer=False, read_dictionary=[one.path_in_schema for one in texts])
    worst = 1
    for batch in probe.iter_batches(batch_size=1, row_groups=[group], columns=columns, use_threads=False):
        worst = max(1, sum(map(_longest, batch.columns)))
        break
    spread = max([1, *(one.num_values // total for one in texts)])
    return max(1, min(ROWS, BATCH // width, _DECODED // (worst * spread))), indexes


def _longest(array: pa.Array) -> int:
    """The longest value in the dictionaries of an array."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return pc.max(pc.binary_length(array.dictionary)).as_py() or 0
    if pa.types.is_struct(kind):
        return sum(map(_longest, array.flatten()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return _longest(array.values if not pa.types.is_map(kind) else pa.StructArray.from_arrays([array.keys, array.items], ["k", "v"]))
    return 0


@bounded
def _feather(opened: Opened) -> Reading:
    """The first version of Feather, which can only be read whole."""
    size = opened.file.seek(0, io.SEEK_END)
    if size > _WHOLE:
        opened.account.unread.append(Unread(opened.place, Why.TOO_LARGE, size, "version 1 of Feather can only be read whole"))
        return
    opened.file.seek(0)
    try:
        first = 0
        for batch in pf.read_table(pa.PythonFile(opened.file, mode="r"), use_threads=False, memory_map=False).to_batches(ROWS):
            yield from given(opened, batch, first)
            first += batch.num_rows
    except FAULTS as fault:
        tell(opened, opened.place, fault)


FORMATS: tuple[Format, ...] = (
    Format("parquet", lambda head, _name: head.startswith((b"PAR1", b"PARE")), _parquet, seeks=True),
    Format("arrow", lambda head, _name: head.startswith(b"ARROW1\0\0"), read_ipc, seeks=True),
    Format("arrow-stream", lambda head, _name: is_stream(head), read_ipc, seeks=True),
    Format("feather", lambda head, _name: head.startswith(b"FEA1"), _feather, seeks=True),
    Format("orc", lambda head, _name: head.startswith(b"ORC"), read_orc, seeks=True),
)
"""What this module reads."""
