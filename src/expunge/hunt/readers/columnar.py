"""Parquet, Arrow IPC (Feather), and ORC: files of columns, a row group at a time.

Delta and Iceberg tables are folders of these with logs of JSON and Avro, so they are read file by file, removed files and old logs too.
A Parquet footer keeps values of its own (least and greatest of each column, page indexes, what pandas wrote): its bytes are given as a
stream ``footer``. Sizes that a file claims are never believed: batches are bounded by what was really decoded, and texts that stand once
in a dictionary and a million times in the rows are written out in bounded parts.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.readers.arrays_views import view
from expunge.hunt.readers.columnar_batches import FAULTS, pieces_of, read_ipc, read_orc, tell
from expunge.hunt.readers.columnar_claims import is_stream
from expunge.hunt.readers.columnar_footer import LARGEST, TEXT, Chunk, Group, groups
from expunge.hunt.readers.columns_arrow import BATCH, ROWS
from expunge.hunt.readers.columns_bound import bounded
from expunge.hunt.reading import Format, Nested, Opened, Reading

_DECODED = 256 << 20
"""Bytes that a batch may decode to at the very worst, each value as long as the longest in its dictionary."""

_INDEXED = 6
"""Bytes a value below which a column of texts holds hardly more than indexes into its dictionary (each takes up to 4)."""


@bounded
def _parquet(opened: Opened) -> Reading:
    try:
        file = pq.ParquetFile(opened.file, pre_buffer=False)
        footer = groups(opened.file)
    except FAULTS as fault:
        tell(opened, opened.place, fault)
        return
    yield from _footer(opened, footer)
    first = 0
    for number, group in enumerate(footer):
        yield from _group(opened, _Source(opened.file, file.metadata, number, group), first)
        first += group.rows


def _footer(opened: Opened, footer: Sequence[Group]) -> Reading:
    """The bytes behind the last column's data."""
    end = max((chunk.end for group in footer for chunk in group.chunks), default=4)
    size = opened.file.seek(0, io.SEEK_END)
    start = max(min(end, size), size - LARGEST)
    yield Nested(opened.place.inside("footer"), view(opened.file, start, size - start), size - start, seekable=True, plain=True)


@dataclass(frozen=True, slots=True)
class _Source:
    """A row group of a file that is open."""

    file: BinaryIO
    metadata: pq.FileMetaData
    number: int
    group: Group

    def batches(self, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """Its rows, so many at a time that they are bounded; of some columns or all."""
        rows, dictionaries = self._width(columns)
        file = self._opened(dictionaries)
        yield from file.iter_batches(batch_size=rows, row_groups=[self.number], columns=columns, use_threads=False)

    def names(self) -> list[str]:
        """Its columns, by the first part of their paths."""
        return list(dict.fromkeys(_top(chunk) for chunk in self.group.chunks))

    def _opened(self, dictionaries: list[str]) -> pq.ParquetFile:
        return pq.ParquetFile(self.file, metadata=self.metadata, pre_buffer=False, read_dictionary=dictionaries)

    def _width(self, columns: Sequence[str] | None) -> tuple[int, list[str]]:
        """How many rows to decode at once, and which columns to take as dictionaries.

        Reading the first row with all dictionaries shows how long their longest value is. A column that consists of indexes alone is
        taken as a dictionary (twice as fast, 5 GB/s); one with much plain text isn't (it would be hashed: six times as slow), and bounds
        the batch.
        """
        chunks = [chunk for chunk in self.group.chunks if not columns or _top(chunk) in columns]
        texts = [chunk for chunk in chunks if chunk.type == TEXT]
        total = max(1, self.group.rows)
        width = max(1, sum(chunk.unpacked for chunk in chunks) // total)
        indexes = [chunk.path for chunk in texts if chunk.unpacked < _INDEXED * chunk.values]
        probe = self._opened([chunk.path for chunk in texts])
        worst = 1
        for batch in probe.iter_batches(batch_size=1, row_groups=[self.number], columns=columns, use_threads=False):
            worst = max(1, sum(map(_longest, batch.columns)))
            break
        spread = max([1, *(chunk.values // total for chunk in texts)])
        return max(1, min(ROWS, BATCH // width, _DECODED // (worst * spread))), indexes


def _top(chunk: Chunk) -> str:
    return chunk.path.split(".")[0]


def _group(opened: Opened, source: _Source, first: int) -> Reading:
    """The rows of a row group; if it is damaged, what is left of each column by itself."""
    given = 0
    try:
        for batch in source.batches(None):
            yield from pieces_of(opened.place, batch, first + given)
            given += batch.num_rows
    except FAULTS:
        pass
    else:
        return
    for name in source.names():
        seen = 0
        try:
            for batch in source.batches([name]):
                fresh = batch.slice(max(0, min(given - seen, batch.num_rows)))
                if fresh.num_rows:
                    yield from pieces_of(opened.place, fresh, first + seen + batch.num_rows - fresh.num_rows)
                seen += batch.num_rows
        except FAULTS as fault:
            tell(opened, opened.place.of(column=name), fault, f"row group {source.number}")


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


def _feather(opened: Opened) -> Reading:
    """The first version of Feather, which nothing will read any more: it isn't compressed, so its bytes show its texts."""
    opened.account.unread.append(Unread(opened.place, Why.UNKNOWN, opened.size, "version 1 of Feather"))
    return iter(())


FORMATS: tuple[Format, ...] = (
    Format("parquet", lambda head, _name: head.startswith((b"PAR1", b"PARE")), _parquet, seeks=True),
    Format("arrow", lambda head, _name: head.startswith(b"ARROW1\0\0"), read_ipc, seeks=True),
    Format("arrow-stream", lambda head, _name: is_stream(head), read_ipc, seeks=True),
    Format("feather", lambda head, _name: head.startswith(b"FEA1"), _feather, raw="plain"),
    Format("orc", lambda head, _name: head.startswith(b"ORC"), read_orc, seeks=True),
)
"""What this module reads."""
