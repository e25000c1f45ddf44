"""Rows on pages that a SQLite database has given up, and on those in its logs, by the names of their columns.

Their texts show in the pages' bytes. A small key only tells under its column's name: a deleted table's pages stay whole until something
else is written on them, and so does the ``CREATE TABLE`` that names its columns, so that its rows can be read as they were. Which table
a page belonged to is told by how many values its rows have; where several tables have as many, none is guessed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from expunge.hunt.pieces import Column, Numbers, Place, Rows
from expunge.hunt.readers import sqlite_left_kernel as kernel
from expunge.hunt.readers.encodings_kernel import Bytes
from expunge.hunt.readers.inserts_names import CREATE, STATEMENT, columns_of, names_in
from expunge.hunt.spool import take

_TABLES = 10_000

_HELD = 256
"""Pages that wait for a schema: 16 MiB of the largest ones."""

_CELL = 6
"""Bytes that a row takes at least: a pointer, its size, its key, and a record of nothing."""

_PAGES = 64
"""Pages of a table whose rows are given together: a batch costs matchers as much as a thousand rows."""

_Page: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.uint8], npt.NDArray[np.int64]]
"""Of a page's rows: whole numbers, others, which of them each value is, and the rows' own numbers."""

_JOURNAL = struct.Struct(">8x12xII")


@dataclass(slots=True, repr=False)
class Tables:
    """The columns of tables, by their definitions; the last one of a name counts."""

    columns: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def learn(self, text: bytes) -> None:
        """Take over every ``CREATE TABLE`` in these bytes."""
        for found in STATEMENT.finditer(text):
            if found["created"] and len(self.columns) < _TABLES:
                following = CREATE.search(text, found.end())
                columns = columns_of(text[found.end() : following.start() if following else len(text)])
                self.columns[".".join(names_in(found["created"]))] = columns

    def of(self, width: int) -> str | None:
        """The one table with so many columns."""
        names = [name for name, columns in self.columns.items() if len(columns) == width]
        return names[0] if len(names) == 1 else None


def rows_left(place: Place, pages: Iterable[bytes], tables: Tables) -> Iterator[Rows]:
    """The rows of every leaf page of a table of which the columns are known, those of many pages together."""
    held, first = dict[tuple[str, ...], list[_Page]](), dict[str, int]()
    for page in _later(pages, tables):
        content = np.frombuffer(page, dtype=np.uint8)
        table = tables.of(width) if (width := kernel.width(content)) else None
        if table is None:
            continue
        key = (table, *tables.columns[table])
        held.setdefault(key, []).append(_read(content, width))
        if len(held[key]) >= _PAGES:
            yield from _rows(place, key, held.pop(key), first)
    for key, every in held.items():
        yield from _rows(place, key, every, first)


def _read(page: Bytes, width: int) -> _Page:
    size = (page.size // _CELL, width)
    whole, real, kinds, rowids = np.zeros(size, np.int64), np.zeros(size), np.zeros(size, np.uint8), np.zeros(size[0], np.int64)
    count = kernel.rows(page, whole, real, kinds, rowids)
    return whole[:count].copy(), real[:count].copy(), kinds[:count].copy(), rowids[:count].copy()


def _later(pages: Iterable[bytes], tables: Tables) -> Iterator[bytes]:
    """The pages, from when something is known of tables: a journal has the schema behind what was changed first."""
    held = list[bytes]()
    for page in pages:
        if not tables.columns:
            held = [*held, page] if len(held) < _HELD else held
            continue
        yield from held
        held = []
        yield page
    yield from held


def _rows(place: Place, key: tuple[str, ...], every: Sequence[_Page], first: dict[str, int]) -> Iterator[Rows]:
    (table, *names), begin = key, first.get(key[0], 0)
    whole, real, kinds, rowids = (np.concatenate([page[part] for page in every]) for part in range(4))
    first[table] = begin + len(rowids)
    columns = dict[str, Column]()
    for at, name in enumerate(names):
        held = kinds[:, at]
        if (held == kernel.REAL).any():
            columns.setdefault(name, Numbers(np.where(held == kernel.NEITHER, np.nan, real[:, at])))
        elif held.any():
            columns.setdefault(name, Numbers(whole[:, at].copy(), held == kernel.NEITHER))
        elif at == 0:  # an INTEGER PRIMARY KEY is not in the record: the row's number is its value
            columns.setdefault(name, Numbers(rowids))
    if columns and len(rowids):
        yield Rows(place.of(table=table), columns, len(rowids), begin, [str(one) for one in rowids.tolist()])


def logged(file: BinaryIO, tables: Tables) -> Iterator[bytes]:
    """The pages of a write-ahead log or a rollback journal, but the first of the database, of which ``tables`` learns."""
    head = take(file, 32)
    size = page_of_log(head)
    if size is None:
        return
    before, behind = (24, 0) if head[:1] == b"\x37" else (4, 4)
    if before == 4:  # noqa: PLR2004 - a journal's header fills a sector
        take(file, max(0, _JOURNAL.unpack_from(head)[0] - len(head)))
    while len(frame := take(file, before + size + behind)) == before + size + behind:
        page = frame[before : before + size]
        if int.from_bytes(frame[:4], "big") == 1:
            tables.learn(page)
        else:
            yield page


def page_of_log(head: bytes) -> int | None:
    """The size of the pages in a log that begins so; ``None`` if it is none that SQLite writes."""
    if len(head) < _JOURNAL.size:
        return None
    size: int = struct.unpack_from(">I", head, 8)[0] if head[:1] == b"\x37" else _JOURNAL.unpack_from(head)[1]
    return size if 512 <= size <= 65_536 and size & (size - 1) == 0 else None  # noqa: PLR2004 - what the format allows
