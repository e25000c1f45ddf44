"""Rows that are lines of text with a separator, a block of whole lines at a time: what tells ``COPY`` and CSV apart is in ``Dialect``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.csv as pv

_WHOLE = re.compile(rb"-?(?:0|[1-9]\d{0,17})\Z")
_REAL = re.compile(rb"-?\d{1,15}\.\d{1,15}(?:[eE][-+]?\d{1,3})?\Z")

_LOOKED = 32
"""Cells of a column that are looked at for its first value: a column that begins with more nulls stays text, in this block."""


@dataclass(slots=True)
class Dialect:
    """How lines are cut into cells. ``quote`` is empty where nothing is quoted; ``null`` is what stands for no value.

    ``ragged`` counts lines with another number of cells than the first one's: they are left out here.
    """

    separator: str
    quote: str
    null: tuple[str, ...]
    ragged: int = field(default=0, init=False)


def cells(block: bytes, names: Sequence[str], dialect: Dialect, chosen: Sequence[int] | None = None) -> pa.RecordBatch:
    """The cells of a block of whole lines as binary columns: all of them, or those ``chosen`` by their numbers, from 0.

    Raises:
        pa.ArrowInvalid: the lines can't be told apart.
    """
    wanted = range(len(names)) if chosen is None else chosen
    try:
        table = _read(block, len(names), dialect, wanted, None)
    except pa.ArrowInvalid:
        # Once more without the ragged lines. Arrow shows them as text, so what is no UTF-8 is replaced: in these blocks only.
        ragged = list[None]()

        def left_out(_row: pv.InvalidRow) -> str:
            ragged.append(None)
            return "skip"

        table = _read(block.decode("utf-8", "replace").encode(), len(names), dialect, wanted, left_out)
        dialect.ragged += len(ragged)
    return pa.RecordBatch.from_arrays([_whole(column) for column in table.columns], [names[at] for at in wanted])


def _read(block: bytes, columns: int, dialect: Dialect, wanted: Sequence[int], ragged: Callable[[pv.InvalidRow], str] | None) -> pa.Table:
    numbered = [f"{at}" for at in range(columns)]  # names themselves may occur twice
    return pv.read_csv(
        pa.BufferReader(block),
        read_options=pv.ReadOptions(column_names=numbered, use_threads=False, block_size=max(1, min(len(block) + 1, 2**31 - 2))),
        parse_options=pv.ParseOptions(
            delimiter=dialect.separator,
            quote_char=dialect.quote or False,
            double_quote=bool(dialect.quote),
            escape_char=False,
            newlines_in_values=bool(dialect.quote),
            ignore_empty_lines=bool(dialect.quote),
            invalid_row_handler=ragged,
        ),
        convert_options=pv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(numbered, pa.binary()),
            null_values=list(dialect.null),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            include_columns=[f"{at}" for at in wanted],
        ),
    )


def typed(array: pa.Array) -> pa.Array:
    """A column of text as numbers if all of it is: only those that are written in the one usual way, lest ``007`` become 7."""
    sample = next((one for one in array[:_LOOKED].to_pylist() if one), b"")
    try:
        if _WHOLE.match(sample):
            whole = array.cast(pa.string()).cast(pa.int64())
            return whole if whole.cast(pa.string()).view(pa.binary()).equals(array) else array
        if _REAL.match(sample):
            return array.cast(pa.string()).cast(pa.float64())
    except pa.ArrowInvalid:
        pass
    return array


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return (
        column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.binary())
    )


def holds(array: pa.Array, byte: bytes) -> bool:
    """Whether a cell of the column that ``cells`` gave has ``byte`` in it."""
    held = array.buffers()[2]
    return held is not None and byte in held.to_pybytes()
