r"""The text form of PostgreSQL's ``COPY``: a row a line, tabs between, ``\N`` for null (PostgreSQL documentation, "COPY", "Text Format").

It is what every dump holds, plain or packed. Escapes are undone, ``bytea`` is given as its bytes, and numbers as numbers.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa

from expunge.hunt.pieces import Place, Unread, Why
from expunge.hunt.readers.columns_arrow import rows_of
from expunge.hunt.readers.columns_files import files_in
from expunge.hunt.readers.columns_lines import Dialect, cells, holds, typed
from expunge.hunt.reading import Opened, Reading

BLOCK = 4 << 20
"""Bytes of lines that are read at a time."""

LINE = 256 << 20
"""Bytes of a line at most: PostgreSQL can hold 1 GB in a field; what is longer is told."""

_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def copied(opened: Opened, place: Place, columns: Sequence[str], blocks: Iterator[bytes]) -> Reading:
    """The rows in blocks of whole lines."""
    dialect = Dialect("\t", "", ("\\N",))
    first = 0
    for block in blocks:
        names = columns or [f"column{at}" for at in range(1, block[: block.find(b"\n")].count(b"\t") + 2)]
        try:
            batch = cells(block, names, dialect)
        except pa.ArrowInvalid:
            opened.account.unread.append(Unread(place, Why.BROKEN, len(block), "a block of rows"))
            continue
        plain = pa.RecordBatch.from_arrays([typed(_unescaped(array)) for array in batch.columns], batch.schema.names)
        for rows in rows_of(place, plain, first):
            yield rows
            yield from files_in(rows)
        first += batch.num_rows
    if dialect.ragged:
        opened.account.unread.append(Unread(place, Why.BROKEN, note=f"{dialect.ragged:,} rows with another number of columns"))


def _unescaped(array: pa.Array) -> pa.Array:
    if not len(array) or not holds(array, b"\\"):
        return array
    return pa.array([None if cell is None else plain(cell) for cell in array.to_pylist()], pa.binary())


def plain(cell: bytes) -> bytes:
    """A cell without its escapes; ``bytea`` in hex as its bytes."""
    if b"\\" not in cell:
        return cell
    if cell.startswith(b"\\\\x"):
        try:
            return binascii.unhexlify(cell[3:])
        except binascii.Error:
            pass
    return _ESCAPE.sub(_undone, cell)


def _undone(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, letter = match.groups()
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal is not None:
        return bytes([int(hexadecimal, 16)])
    return _LETTERS.get(letter, letter)


def whole_lines(file: BinaryIO) -> Iterator[bytes]:
    r"""A stream of rows in blocks of whole lines, up to ``\.`` or its end."""
    held = b""
    while block := file.read(BLOCK):
        held += block
        end = ended(held)
        if end is not None:
            if end:
                yield held[:end]
            return
        cut = held.rfind(b"\n") + 1
        if cut:
            yield held[:cut]
            held = held[cut:]
        elif len(held) > LINE:
            yield held
            held = b""
    if held:
        yield held


def ended(block: bytes) -> int | None:
    r"""Where the rows of a block of lines end with ``\.``, or ``None``."""
    if block.startswith((b"\\.\n", b"\\.\r\n")) or block == b"\\.":
        return 0
    ends = [at for mark in (b"\n\\.\n", b"\n\\.\r\n") if (at := block.find(mark)) >= 0]
    if ends:
        return min(ends) + 1
    return len(block) - 2 if block.endswith(b"\n\\.") else None
