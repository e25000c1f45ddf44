"""Arrow IPC files and streams, and ORC: what comes as whole record batches."""

from __future__ import annotations

import struct

import pyarrow as pa
import pyarrow.orc as po

from expunge.hunt.pieces import Place, Unread, Why
from expunge.hunt.readers.arrays_views import view
from expunge.hunt.readers.columnar_claims import messages
from expunge.hunt.readers.columns_arrow import BATCH, ROWS, rows_of
from expunge.hunt.readers.columns_bound import bounded
from expunge.hunt.readers.columns_files import files_in
from expunge.hunt.reading import Nested, Opened, Reading

FAULTS = (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError, struct.error, IndexError, TypeError)
"""What pyarrow raises on damage. An ``OSError`` may also be the file beneath: told as damage of this place too."""

_WHOLE = 1 << 30
"""Bytes of one batch that are decoded at once; a message can't be decoded in part."""

_FILE = 8
"""Where the stream begins inside an Arrow file: after ``ARROW1`` and two bytes of padding (format 1.5, "IPC File Format")."""


@bounded
def read_ipc(opened: Opened) -> Reading:
    """An Arrow file or stream.

    A file is a stream with a magic before and a footer behind; it is read as the stream, so that one without its end can be read too.
    """
    start = _FILE if opened.file.read(_FILE).startswith(b"ARROW1") else 0
    try:
        large = [one for one in messages(opened.file, start) if one.decoded > _WHOLE]
    except FAULTS as fault:
        tell(opened, opened.place, fault)
        return
    for one in large:
        opened.account.unread.append(Unread(opened.place, Why.TOO_LARGE, one.decoded, "a batch of rows, looked at as bytes only"))
        if not one.packed:
            yield Nested(opened.place.inside(f"batch@{one.start}"), view(opened.file, one.start, one.length), one.length, plain=True)
    if large:
        return
    opened.file.seek(start)
    try:
        first = 0
        for batch in pa.ipc.open_stream(pa.PythonFile(opened.file, mode="r")):
            yield from given(opened, batch, first)
            first += batch.num_rows
    except FAULTS as fault:
        tell(opened, opened.place, fault)


@bounded
def read_orc(opened: Opened) -> Reading:
    """An ORC file, a stripe at a time."""
    try:
        file = po.ORCFile(pa.PythonFile(opened.file, mode="r"))
        first = 0
        for stripe in range(file.nstripes):
            batch = file.read_stripe(stripe)
            yield from given(opened, batch, first)
            first += batch.num_rows
    except FAULTS as fault:
        tell(opened, opened.place, fault)


def given(opened: Opened, batch: pa.RecordBatch, first: int) -> Reading:
    """The rows of a large batch in small ones, after its columns were checked: nothing in them points outside their buffers."""
    sound = _sound(opened, batch)
    width = max(1, sound.nbytes // max(1, sound.num_rows))
    step = max(1, min(ROWS, BATCH // width))
    for at in range(0, sound.num_rows, step):
        yield from pieces_of(opened.place, sound.slice(at, step), first + at)


def pieces_of(place: Place, batch: pa.RecordBatch, first: int) -> Reading:
    """The rows of a batch, and the files in their cells."""
    for rows in rows_of(place, batch, first):
        yield rows
        yield from files_in(rows)


def _sound(opened: Opened, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch without the columns whose buffers don't fit together; those are told."""
    names, arrays = list[str](), list[pa.Array]()
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        try:
            binary = _as_binary(array)
            binary.validate(full=True)
        except FAULTS as fault:
            tell(opened, opened.place.of(column=name), fault)
        else:
            names.append(name)
            arrays.append(binary)
    return pa.RecordBatch.from_arrays(arrays, names)


def _as_binary(array: pa.Array) -> pa.Array:
    """Texts as bytes: what isn't UTF-8 is looked at all the same."""
    if pa.types.is_string(array.type):
        return array.view(pa.binary())
    return array.view(pa.large_binary()) if pa.types.is_large_string(array.type) else array


def tell(opened: Opened, place: Place, fault: BaseException, note: str = "") -> None:
    """Put a fault into the account; of its text only whether it speaks of encryption is used."""
    text = str(fault).lower()
    locked = "encrypt" in text or "decrypt" in text
    opened.account.unread.append(Unread(place, Why.ENCRYPTED if locked else Why.BROKEN, note=note))
