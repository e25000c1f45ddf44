"""Opening Parquet files, with care for memory, for two columns of one name, which can't be told apart, and for INT96 times.

Left to itself the reader fetches a row group's bytes whole before it decodes the first row; here it reads each column piece by piece.

The old INT96 type spans more than 64-bit nanoseconds do, in which Arrow reads it: a year 9999 that marks "no end" would come back as 1816,
and be written back so. Where that happens the file is read in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq

PIECE = 1 << 20
"""Bytes of a column that are read at once: of a local file, where reading less costs nothing but calls."""


def opened(source: Callable[[], object], piece: int = PIECE) -> pq.ParquetFile:
    """The file of that source (called again to open it a second time), its times whole, read ``piece`` bytes of a column at a time.

    Raises:
        pyarrow.ArrowInvalid: two columns have one name.
    """
    file = pq.ParquetFile(source(), pre_buffer=False, buffer_size=piece)
    if len(set(file.schema_arrow.names)) < len(file.schema_arrow.names):
        file.close()
        raise pa.ArrowInvalid
    columns = [file.metadata.schema.column(place) for place in range(file.metadata.num_columns)]
    names = [one.path for one in columns if one.physical_type == "INT96"]
    if not names:
        return file
    coarse = pq.ParquetFile(source(), coerce_int96_timestamp_unit="us", pre_buffer=False, buffer_size=piece)
    kept, closed = (coarse, file) if _overflows(file, coarse, names) else (file, coarse)
    closed.close()
    return kept


def _overflows(fine: pq.ParquetFile, coarse: pq.ParquetFile, names: list[str]) -> bool:
    for group in range(fine.num_row_groups):
        table = coarse.read_row_group(group, columns=names, use_threads=False)
        if not fine.read_row_group(group, columns=names, use_threads=False).cast(table.schema, safe=False).equals(table):
            return True
    return False
