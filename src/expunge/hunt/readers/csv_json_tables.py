"""The numbers in tables of text, by the names of their columns.

The bytes themselves are looked at as any text. What they can't show is which column a number stands in: a small key is only a key under
its column's name, and a track in metres or millionths of a degree is one only as two columns, one of geohashes only as a column. So only
columns of these are given, with columns of times beside them, and a table without any costs no more than its first lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.readers.columns_arrow import rows_of
from expunge.hunt.readers.columns_lines import Dialect, cells, typed
from expunge.hunt.readers.csv_json_signs import Layout
from expunge.hunt.reading import Opened, Reading

_BLOCK = 4 << 20
_HEAD = 64 << 10
_LINE = 64 << 20
"""Bytes of a line, or of quoted lines that belong together, at most."""

_NULLS = ("", "NULL", "null", "NA", "N/A", "NaN", "nan", "None", "\\N")
_NUMBER = re.compile(rb"-?\d{1,18}(?:[.,]\d{1,18}(?:[eE][-+]?\d{1,3})?)?\Z")
_TIME = re.compile(rb"\d{4}-\d\d-\d\d|\d\d:\d\d")
_GEOHASH = re.compile(rb"[0-9b-hjkmnp-zB-HJKMNP-Z]{6,12}\Z")
_CELLS = 8
"""Cells of one length that must all be geohashes, for a column to be one of them: of columns of hexadecimal of
eight digits 1 in 60 would be."""

_EXACT = 2.0**53


def numbers_in(opened: Opened, found: Layout, head: bytes) -> Reading:
    """The columns of numbers of a table whose first bytes, ``head``, were already read."""
    dialect = Dialect(found.separator, '"', _NULLS)
    chosen = list[int]()
    first = 0
    for block in _blocks(opened.file, head, skip=found.header):
        try:
            if not first:
                chosen = _chosen(cells(block[: block.rfind(b"\n", 0, _HEAD) + 1] or block, found.names, dialect))
                if not chosen:
                    return
            batch = cells(block, found.names, dialect, chosen)
        except pa.ArrowInvalid:
            opened.account.unread.append(Unread(opened.place, Why.BROKEN, len(block), "columns of numbers; looked at as text"))
            return
        plain = [_numbers(array, found.separator) for array in batch.columns]
        kept = [
            at for at, array in enumerate(plain) if not pa.types.is_binary(array.type) or _TIME.match(_sample(array)) or _are_cells(array)
        ]
        if kept:
            names = batch.schema.names
            yield from rows_of(opened.place, pa.RecordBatch.from_arrays([plain[at] for at in kept], [names[at] for at in kept]), first)
        first += batch.num_rows


def _chosen(batch: pa.RecordBatch) -> list[int]:
    """The columns of numbers, geohashes and times in the first rows; none if there are only times."""
    samples = [_sample(array) for array in batch.columns]
    sought = {at for at, sample in enumerate(samples) if _NUMBER.match(sample) or _are_cells(batch.column(at))}
    return [at for at, sample in enumerate(samples) if at in sought or _TIME.match(sample)] if sought else []


def _are_cells(array: pa.Array) -> bool:
    """Whether a column's first cells are geohashes (Niemeyer, 2008)."""
    if not pa.types.is_binary(array.type):
        return False
    held = [one.strip() for one in array[:64].to_pylist() if one][:_CELLS]
    words = b"".join(held)
    alike = len(held) == _CELLS and len({len(one) for one in held}) == 1 and not words.isdigit() and not words.isalpha()
    return alike and all(_GEOHASH.match(one) for one in held)


def _sample(array: pa.Array) -> bytes:
    return next((one.strip() for one in array[:64].to_pylist() if one), b"")


def _numbers(array: pa.Array, separator: str) -> pa.Array:
    if separator == ";" and b"," in _sample(array):
        array = pc.replace_substring(array, b",", b".")
    numbers = typed(array)
    return _whole(numbers) if pa.types.is_floating(numbers.type) else numbers


def _whole(array: pa.Array) -> pa.Array:
    """Floats that are all whole as integers: a column of keys in which some are missing is written ``17.0``."""
    values = array.to_numpy(zero_copy_only=False)
    held = values[~np.isnan(values)]
    if len(held) and (np.abs(held) < _EXACT).all() and (held == np.floor(held)).all():
        return array.cast(pa.int64())
    return array


def _blocks(file: BinaryIO, held: bytes, *, skip: bool) -> Iterator[bytes]:
    """The lines of a table without its header, in blocks that don't end within quotes."""
    held = held.removeprefix(b"\xef\xbb\xbf")
    while True:
        more = file.read(_BLOCK)
        held += more
        if skip and (b"\n" in held or not more):
            held, skip = held[held.find(b"\n") + 1 :], False
        cut = len(held) if not more else _cut(held)
        if cut:
            yield held[:cut]
            held = held[cut:]
        if not more or len(held) > _LINE:
            return


def _cut(held: bytes) -> int:
    """The end of the last line before which all quotes are closed, looked for in the last part; 0 if there is none."""
    quotes = held.count(b'"')
    end = len(held)
    while (at := held.rfind(b"\n", max(0, len(held) - _HEAD), end)) >= 0:
        quotes -= held.count(b'"', at, end)
        if quotes % 2 == 0:
            return at + 1
        end = at
    return 0
