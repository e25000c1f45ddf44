"""The numbers in tables of HTML pages, by the names of their columns: of ``<td>17</td>`` the bytes alone don't tell which it stands in.

A column is named by its ``<th>``, or by the first row if nothing in that is a number; a row of one ``<th>`` and one ``<td>`` is a field and
its value. Columns and rows that span several cells are not followed: their tables' numbers may come under a neighbour's name.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

import numpy as np

from expunge.hunt.pieces import Column, Numbers, Rows, Unread, Why
from expunge.hunt.reading import Opened, Reading

_TAG = re.compile(rb"<(/?)(table|tr|td|th)(?=[\s/>])[^<>]*+>", re.IGNORECASE)
_ANY = re.compile(rb"<[!/?A-Za-z][^<>]*+>")
_NUMBER = re.compile(rb"\s*(-?\d{1,18}(?:\.\d{1,18})?)\s*\Z")

_CELL = 1024
"""Bytes of a cell in which a name or a number is looked for, tags included."""

_NAME = 80
"""Characters of a column's name at most: more is text."""

_HELD = 1 << 22
"""Numbers that are kept until the page has ended: they take 32 MiB as such, and some times that as Python's."""

_COLUMNS, _DEEP = 1_000, 64


@dataclass(slots=True, repr=False)
class _Table:
    """An open table: its columns' names, and of the present row the cells and which of them are heads."""

    names: tuple[str, ...] = ()
    rows: int = 0
    cells: list[bytes] = field(default_factory=list[bytes])
    heads: list[bool] = field(default_factory=list[bool])


@dataclass(slots=True, repr=False)
class Tables:
    """Gathers numbers while a page goes by, block by block."""

    held: dict[tuple[str, ...], list[list[float | int | None]]] = field(
        default_factory=dict[tuple[str, ...], list[list[float | int | None]]]
    )
    count: int = 0
    dropped: int = 0
    _open: list[_Table] = field(default_factory=list[_Table])
    _cell: bytes | None = None
    _head: bool = False

    def add(self, block: bytes) -> None:
        """The page goes on; no tag is cut."""
        past = 0
        if not self._open and b"<table" not in block and b"<TABLE" not in block:
            return
        for tag in _TAG.finditer(block):
            self._text(block, past, tag.start())
            past = tag.end()
            self._at(tag[2].lower(), closing=bool(tag[1]))
        self._text(block, past, len(block))

    def rows(self, opened: Opened) -> Reading:
        """What was gathered, a batch for each set of columns."""
        first = 0
        for names, rows in self.held.items():
            columns = dict[str, Column]()
            for name, values in zip(names, zip(*rows, strict=True), strict=True):
                if any(one is not None for one in values):
                    columns.setdefault(name, _column(values))
            yield Rows(opened.place, columns, len(rows), first)
            first += len(rows)
        if self.dropped:
            opened.account.unread.append(Unread(opened.place, Why.TOO_LARGE, note=f"{self.dropped:,} rows of tables; looked at as text"))

    def _text(self, block: bytes, begin: int, end: int) -> None:
        if self._cell is not None and len(self._cell) < _CELL:
            self._cell += block[begin : min(end, begin + _CELL)]

    def _at(self, name: bytes, *, closing: bool) -> None:
        if name == b"table":
            self._ended()
            if closing and self._open:
                self._open.pop()
            elif not closing and len(self._open) < _DEEP:
                self._open.append(_Table())
        elif self._open and name == b"tr":
            self._ended()
        elif self._open:
            self._cell_ended()
            if not closing:
                self._cell, self._head = b"", name == b"th"

    def _cell_ended(self) -> None:
        cell, self._cell = self._cell, None
        table = self._open[-1]
        if cell is not None and len(table.cells) < _COLUMNS:
            table.cells.append(_ANY.sub(b"", cell) if b"<" in cell else cell)
            table.heads.append(self._head)

    def _ended(self) -> None:
        """A row has ended: it names the columns, or a field, or holds numbers."""
        if not self._open:
            return
        self._cell_ended()
        table = self._open[-1]
        cells, heads, table.cells, table.heads = table.cells, table.heads, [], []
        if not cells:
            return
        numbers = [_NUMBER.match(cell) for cell in cells]
        table.rows += 1
        if heads == [True, False]:
            self._row((_name(cells[0]),), numbers[1:])
        elif all(heads) or (table.rows == 1 and not any(numbers)):
            table.names = tuple(map(_name, cells))
        elif any(numbers):
            names = table.names if len(table.names) == len(cells) else tuple(f"column{at}" for at in range(1, len(cells) + 1))
            self._row(names, numbers)

    def _row(self, names: tuple[str, ...], numbers: list[re.Match[bytes] | None]) -> None:
        if not any(numbers):
            return
        if self.count + len(names) > _HELD:
            self.dropped += 1
            return
        self.count += len(names)
        values = [None if one is None else float(one[1]) if b"." in one[1] else int(one[1]) for one in numbers]
        self.held.setdefault(names, []).append(values)


def _name(cell: bytes) -> str:
    return " ".join(html.unescape(cell.decode("utf-8", "replace")).split())[:_NAME]


def _column(values: tuple[float | int | None, ...]) -> Numbers:
    if any(isinstance(one, float) for one in values):
        return Numbers(np.array([np.nan if one is None else one for one in values], dtype=np.float64))
    return Numbers(np.array([one or 0 for one in values], dtype=np.int64), np.array([one is None for one in values]))
