"""Avro container files: blocks of records as rows.

What Avro writes lies in the clear once a block is expanded, so whatever can't be decoded as records (a damaged block, a schema that the
library refuses, or one with which a few bytes could claim records without end) is still looked at as bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from decimal import InvalidOperation
from itertools import islice
from typing import TypeAlias

import fastavro

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.readers.avro_container import MAGIC, Block, Damaged, Header, Source, blocks, header, unpacked
from expunge.hunt.readers.avro_schema import is_bounded
from expunge.hunt.readers.columns_bound import bounded
from expunge.hunt.readers.columns_files import files_in
from expunge.hunt.readers.columns_records import record_rows
from expunge.hunt.reading import Format, Nested, Opened, Reading

_Blocks: TypeAlias = Sequence[tuple[int, bytes]]
"""Expanded blocks, each with the number of records that it claims."""

_BATCH = 4 << 20
"""Bytes of expanded blocks that are decoded together; each call parses the schema anew."""

_FAULTS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    MemoryError,
    UnicodeError,
    InvalidOperation,
)
"""What fastavro raises on records or schemas that are not as they should be."""


@bounded
def _avro(opened: Opened) -> Reading:
    source = Source(opened.file)
    try:
        head = header(source)
    except (EOFError, Damaged):
        opened.account.unread.append(Unread(opened.place, Why.BROKEN))
        return
    clear = b"\n".join(head.meta.values())
    yield Nested(opened.place.inside("header"), io.BytesIO(clear), len(clear), seekable=True, plain=True)
    bounded = is_bounded(head.meta.get("avro.schema", b""))
    first = 0
    for batch in _batches(opened, source, head):
        if bounded:
            yield from _given(opened, head, batch, first)
        else:
            yield from _as_bytes(opened, batch, first, Why.UNKNOWN)
        first += sum(count for count, _ in batch)


def _given(opened: Opened, head: Header, batch: _Blocks, first: int) -> Reading:
    """The records of some blocks; if they can't all be decoded, of each block by itself."""
    records = _records(head, batch)
    if records is not None:
        for rows in record_rows(opened.place, records, first):
            yield rows
            yield from files_in(rows)
    elif len(batch) > 1:
        for block in batch:
            yield from _given(opened, head, [block], first)
            first += block[0]
    else:
        yield from _as_bytes(opened, batch, first, Why.BROKEN)


def _batches(opened: Opened, source: Source, head: Header) -> Iterator[_Blocks]:
    """Expanded blocks, some MiB at a time; what can't be expanded is told once for each kind."""
    told = set[Why]()
    held, size = list[tuple[int, bytes]](), 0
    for block in blocks(source, head):
        content = _expanded(block, head)
        if isinstance(content, Why):
            if content not in told:
                told.add(content)
                opened.account.unread.append(Unread(opened.place, content, note=f"a block of codec {_word(head.codec)}"))
            continue
        held.append((block.records if block else 0, content))
        size += len(content)
        if size >= _BATCH:
            yield held
            held, size = [], 0
    if held:
        yield held


def _expanded(block: Block | None, head: Header) -> bytes | Why:
    if block is None:
        return Why.BROKEN
    try:
        content = unpacked(block, head.codec)
    except Damaged:
        return Why.BROKEN
    return Why.UNSUPPORTED if content is None else content


def _word(codec: str) -> str:
    return codec if codec.isalnum() and len(codec) < len("a-codec-by-name") else "of another name"


def _as_bytes(opened: Opened, batch: _Blocks, first: int, why: Why) -> Reading:
    if not any(one.place == opened.place and one.why is why for one in opened.account.unread):
        opened.account.unread.append(Unread(opened.place, why, note="records, looked at as bytes only"))
    content = b"".join(one for _, one in batch)
    yield Nested(opened.place.inside(f"records@{first}"), io.BytesIO(content), len(content), seekable=True, plain=True)


def _records(head: Header, batch: _Blocks) -> list[Mapping[str, object]] | None:
    """The records of some blocks, or ``None`` if they can't all be decoded.

    A record takes a byte at least, or holds nothing: of those that do, no more are made than there are bytes.
    """
    held = [(min(count, len(content)), content) for count, content in batch]
    container = io.BytesIO(_written(head, held))
    try:
        records = list(islice(fastavro.reader(container), sum(count for count, _ in held)))
    except _FAULTS:
        return None
    return [one if isinstance(one, dict) else {"value": one} for one in records]


def _written(head: Header, batch: _Blocks) -> bytes:
    """The blocks as an uncompressed container."""
    meta = _zigzag(1) + _string(b"avro.schema") + _string(head.meta["avro.schema"]) + _zigzag(0)
    return MAGIC + meta + head.sync + b"".join(_zigzag(count) + _string(content) + head.sync for count, content in batch)


def _string(content: bytes) -> bytes:
    return _zigzag(len(content)) + content


def _zigzag(value: int) -> bytes:
    """A number that is not negative, as Avro writes it."""
    value <<= 1
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 # seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


FORMATS: tuple[Format, ...] = (Format("avro", lambda head, _name: head.startswith(MAGIC), _avro),)
"""What this module reads."""
