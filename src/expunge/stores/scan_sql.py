"""What the scans of databases share: names of tables in a part's words, shares of big tables, batches bounded in rows and bytes.

A part of a table is read in a transaction of its own, so that no snapshot is held for hours. Between two parts of one table a row may be
moved by a writer, and then be seen twice or not at all; a copy that nobody listed is seldom written, and the next run looks again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import ceil
from sys import getsizeof
from typing import Any

from expunge.errors import Conflict
from expunge.terms import Value

ROWS = 4096
"""Rows in a batch at most."""

BATCH_BYTES = 8 << 20
"""Python's own size of a batch's values, at which it ends early: rows of bodies are large."""

FETCHED = 16
"""Rows fetched at once: what may lie in memory beyond a batch's end, were each row large."""

PART_BYTES = 256 << 20
"""A part's share of a table: seconds of reading, so that little is repeated after a crash, and many workers find work."""

UNQUOTED = re.compile(r"[^.\"]+")
_NAMES = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')


@dataclass(frozen=True, slots=True)
class Range:
    """Whole numbers from ``start`` (of rows, keys or blocks) to before ``end``; ``None``: unbounded, so that what was added is read too."""

    start: int | None = None
    end: int | None = None

    @classmethod
    def of(cls, text: str) -> Range:
        """What ``text`` was written of."""
        if not text:
            return cls()
        start, _, end = text.partition("..")
        return cls(int(start) if start else None, int(end) if end else None)

    @property
    def text(self) -> str:
        """As a part keeps it: ``0..1000``, ``1000..``; ``""`` for all."""
        return (
            "" if self.start is None and self.end is None else "..".join("" if one is None else str(one) for one in (self.start, self.end))
        )

    def conditions(self, what: str) -> list[str]:
        """SQL that holds ``what`` to the range; whole numbers only, so that nothing needs quoting."""
        low = [] if self.start is None else [f"{what} >= {self.start:d}"]
        return low if self.end is None else [*low, f"{what} < {self.end:d}"]


def shares(size: int, low: int, high: int) -> list[Range]:
    """``low`` to ``high`` in as many ranges as ``size`` bytes need; the first and the last are open, so that nothing falls off an edge."""
    number = min(ceil(size / PART_BYTES), high - low + 1)
    if number <= 1:
        return [Range()]
    edges: list[int | None] = [None, *(low + (high - low + 1) * at // number for at in range(1, number)), None]
    return [Range(start, end) for start, end in pairwise(edges)]


def spelled(schema: str, table: str, usual: str) -> str:
    """A table's name, with its schema where that is not the usual one; parts with a dot or quote in them are quoted."""
    names = (table,) if schema == usual else (schema, table)
    return ".".join(name if UNQUOTED.fullmatch(name) else quoted(name) for name in names)


def unspelled(text: str, usual: str) -> tuple[str, str]:
    """The schema and the table that ``spelled`` was given."""
    names = [quoted.replace('""', '"') or plain for quoted, plain in _NAMES.findall(text)]
    return (names[0], names[1]) if len(names) > 1 else (usual, names[0])


def quoted(name: str, mark: str = '"') -> str:
    """A name as SQL writes it whatever is in it; MySQL's mark is the backtick."""
    return mark + name.replace(mark, mark * 2) + mark


def batches(fetch: Callable[[int], Sequence[Sequence[Any]]]) -> Iterator[list[tuple[Any, ...]]]:
    """What a cursor's ``fetchmany`` gives, column by column, up to ``ROWS`` rows and about ``BATCH_BYTES``."""
    rows: list[Sequence[Any]] = []
    size = 0
    while some := fetch(FETCHED):
        rows += some
        size += sum(map(getsizeof, chain.from_iterable(some)))
        if len(rows) >= ROWS or size >= BATCH_BYTES:
            yield list(zip(*rows, strict=True))
            rows, size = [], 0
    if rows:
        yield list(zip(*rows, strict=True))


def keys_of(columns: Sequence[Sequence[object]]) -> list[str]:
    """Rows' keys as text; those of several columns joined by commas."""
    texts = [[_text(value) for value in column] for column in columns]
    return texts[0] if len(texts) == 1 else [",".join(row) for row in zip(*texts, strict=True)]


def _text(value: object) -> str:
    return value if isinstance(value, str) else value.hex() if isinstance(value, bytes) else str(value)


def gone(where: str) -> Conflict:
    """What to raise for a table that is not there any more."""
    return Conflict("a table is gone or was changed since it was listed", where=where)


def converted(column: Sequence[Any], convert: Callable[[Any], Value], otherwise: Callable[[Any], Value]) -> list[Value | None]:
    """The column with what is not null converted; by ``otherwise`` what can't be (``infinity`` is no date, and still content)."""
    try:
        return [None if value is None else convert(value) for value in column]
    except (ValueError, ArithmeticError):
        return [None if value is None else _converted(value, convert, otherwise) for value in column]


def _converted(value: Any, convert: Callable[[Any], Value], otherwise: Callable[[Any], Value]) -> Value:
    try:
        return convert(value)
    except (ValueError, ArithmeticError):
        return otherwise(value)
