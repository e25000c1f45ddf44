"""Dumps of ``INSERT`` statements (mysqldump, SQLite's ``.dump``, ``pg_dump --inserts``): their numbers, by the names of their columns.

The statements themselves are looked at as any text. What that can't show is which column a number in ``(17,'Maya'),(18,'Tom')`` stands in:
a small key is only a key under its column's name, and two columns of numbers are only a track as columns. So these are given as rows,
their columns named by the statement itself or by the ``CREATE TABLE`` before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from expunge.hunt.pieces import Column, Numbers, Place, Rows, Unread, Why
from expunge.hunt.readers import inserts_kernel as kernel
from expunge.hunt.readers.columns_bound import bounded
from expunge.hunt.readers.inserts_names import CREATE, STATEMENT, columns_of, is_inserts, names_in
from expunge.hunt.reading import Format, Opened, Reading

_BLOCK = 4 << 20
_STATEMENT = 1 << 16
"""Bytes kept back at the end of a block, in which a statement's head may have begun."""

_LONGEST = 64 << 20
"""Bytes of one row at most: mysqldump's default for a packet is 24 MiB."""

_ROWS = 20_000
_CELLS = 1 << 18
"""Rows, and cells, of a batch at most: 4 MiB."""

_OPEN = 16
"""Tables whose rows are gathered at the same time: a log of statements goes from one to the other with each."""

_TABLES = 10_000
"""Tables whose columns are kept: no estate has more, a hostile file may."""


@dataclass(slots=True, repr=False)
class _Batch:
    """Rows of one table, from however many statements."""

    place: Place
    columns: list[str]
    whole: npt.NDArray[np.int64]
    real: npt.NDArray[np.float64]
    kinds: npt.NDArray[np.uint8]
    count: int = 0

    def rows(self, first: int) -> Rows | None:
        """The columns of numbers among them, or nothing."""
        columns = dict[str, Column]()
        for at, name in enumerate(self.columns):
            kinds = self.kinds[: self.count, at]
            if (kinds == kernel.REAL).any():
                columns.setdefault(name, Numbers(np.where(kinds == kernel.NEITHER, np.nan, self.real[: self.count, at])))
            elif kinds.any():
                columns.setdefault(name, Numbers(self.whole[: self.count, at].copy(), kinds == kernel.NEITHER))
        return Rows(self.place, columns, self.count, first) if columns else None


@dataclass(slots=True, repr=False)
class _Dump:
    """A dump that is read block by block: what of it is held, and up to where that was looked at."""

    opened: Opened
    held: bytes = b""
    at: int = 0
    escapes: bool = False
    tables: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    first: dict[str, int] = field(default_factory=dict[str, int])
    batches: dict[tuple[str, ...], _Batch] = field(default_factory=dict[tuple[str, ...], _Batch])

    def more(self) -> bool:
        """Hold another block, and no longer what was looked at; whether there was one."""
        block = self.opened.file.read(_BLOCK)
        self.held, self.at = self.held[self.at :] + block, 0
        return bool(block)

    def batch(self, table: str, columns: list[str]) -> _Batch:
        """The batch that rows of this table go to."""
        key = (table, *columns)
        if key not in self.batches:
            self.batches[key] = _fresh(self.opened.place.of(table=table), columns)
        return self.batches[key]

    def flush(self, most: int = 0) -> Reading:
        """Give the rows that were gathered, those of the oldest tables first, until only ``most`` tables are left."""
        while len(self.batches) > most:
            yield from self.full(next(iter(self.batches)))

    def full(self, key: tuple[str, ...]) -> Reading:
        """Give the rows of this batch."""
        batch, table = self.batches.pop(key), key[0]
        rows = batch.rows(self.first.get(table, 0)) if batch.count else None
        self.first[table] = self.first.get(table, 0) + batch.count
        if rows is not None:
            yield rows


@bounded
def _read(opened: Opened) -> Reading:
    dump = _Dump(opened)
    more = dump.more()
    dump.escapes = b"`" in dump.held or b"MySQL" in dump.held or b"MariaDB" in dump.held
    while more:
        while statement := STATEMENT.search(dump.held, dump.at):
            dump.at = statement.end()
            if statement["values"]:
                yield from _inserted(dump, statement)
            else:
                _created(dump, statement)
        dump.at = max(dump.at, len(dump.held) - _STATEMENT)
        more = dump.more()
    yield from dump.flush()


def _created(dump: _Dump, statement: re.Match[bytes]) -> None:
    """Remember a table's columns."""
    name = ".".join(names_in(statement["created"]))
    while len(dump.held) - dump.at < _STATEMENT and dump.more():
        pass
    if len(dump.tables) < _TABLES:
        following = CREATE.search(dump.held, dump.at, dump.at + _STATEMENT)
        dump.tables[name] = columns_of(dump.held[dump.at : following.start() if following else dump.at + _STATEMENT])


def _inserted(dump: _Dump, statement: re.Match[bytes]) -> Reading:
    """The rows of a statement, and of those like it behind it."""
    table = ".".join(names_in(statement["table"]))
    columns = names_in(statement["columns"]) if statement["columns"] else dump.tables.get(table, [])
    head = np.frombuffer(statement.group(), dtype=np.uint8)
    columns = columns or [f"column{at}" for at in range(1, _width(dump) + 1)]
    why = kernel.MORE
    while why in (kernel.MORE, kernel.FULL):
        batch = dump.batch(table, columns)
        room = slice(batch.count, None)
        text = np.frombuffer(dump.held, dtype=np.uint8)
        count, dump.at, why = kernel.rows(text, dump.at, head, dump.escapes, batch.whole[room], batch.real[room], batch.kinds[room])
        batch.count += count
        if why == kernel.FULL:
            yield from dump.full((table, *columns))
        elif why == kernel.MORE and len(dump.held) - dump.at > _LONGEST:
            note = "columns of numbers of a row; looked at as text"
            dump.opened.account.unread.append(Unread(batch.place, Why.TOO_LARGE, len(dump.held) - dump.at, note))
            why = kernel.BROKEN
        elif why == kernel.MORE and not dump.more():
            why = kernel.ENDED
    yield from dump.flush(_OPEN)


def _width(dump: _Dump) -> int:
    """How many cells the first row has, where nothing names its columns."""
    while len(dump.held) - dump.at < _STATEMENT and b")" not in dump.held[dump.at :] and dump.more():
        pass
    return dump.held[dump.at : dump.at + _STATEMENT].partition(b")")[0].count(b",") + 1


def _fresh(place: Place, columns: list[str]) -> _Batch:
    size = (max(1, min(_ROWS, _CELLS // len(columns))), len(columns))
    return _Batch(place, columns, np.zeros(size, np.int64), np.zeros(size, np.float64), np.zeros(size, np.uint8))


FORMATS: tuple[Format, ...] = (Format("sql", is_inserts, _read, raw="plain"),)
"""What this module reads."""
