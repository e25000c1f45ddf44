"""Rows out of what has no table: records with the same names are gathered, so that what belongs together stays in one row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeGuard

from expunge.hunt.pieces import Place, Rows
from expunge.hunt.readers.columns import column_of

Leaf: TypeAlias = str | int | float | bytes | None

_ROWS = 4096
_BYTES = 4 << 20  # of one batch …
_ALL = 32 << 20  # … and of all that is being gathered
_SHAPES = 256  # kinds of records at once; a dictionary by person has as many kinds as persons, and is given as keys and values
_NAME = re.compile(r"[^\W\d][\w .:/-]{0,63}")


def is_name(text: object) -> TypeGuard[str]:
    """Whether this looks like the name of a column rather than like content."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


class Records:
    """Gathers records by their names and gives them as batches of rows of one table."""

    def __init__(self, place: Place) -> None:
        """Rows will lie in ``place``, whose table is named already."""
        self._place = place
        self._open: dict[tuple[str, ...], list[Sequence[Leaf]]] = {}
        self._weight: dict[tuple[str, ...], int] = {}
        self._total = 0
        self._first = 0
        self.ready: list[Rows] = []

    def add(self, names: tuple[str, ...], values: Sequence[Leaf]) -> None:
        """One record: a value for each name."""
        rows = self._open.get(names)
        if rows is None:
            if len(self._open) >= _SHAPES:
                self.flush()
            rows = self._open[names] = []
            self._weight[names] = 0
        rows.append(values)
        weight = 16 * len(values)
        for one in values:
            if one.__class__ is str or one.__class__ is bytes:
                weight += len(one)
        self._weight[names] += weight
        self._total += weight
        if len(rows) >= _ROWS or self._weight[names] >= _BYTES:
            self._close(names)
        elif self._total >= _ALL:
            self.flush()

    def pair(self, key: Leaf, value: Leaf) -> None:
        """An entry of a dictionary whose keys are content."""
        self.add(("key", "value"), (key, value))

    def knows(self, names: tuple[str, ...]) -> bool:
        """Whether such records are being gathered, or there is room for one more kind of them."""
        return names in self._open or len(self._open) < _SHAPES // 2

    def flush(self) -> None:
        """Make all that is gathered ready."""
        for names in list(self._open):
            self._close(names)

    def drain(self) -> Iterator[Rows]:
        """Give what is ready."""
        while self.ready:
            yield self.ready.pop(0)

    def _close(self, names: tuple[str, ...]) -> None:
        rows = self._open.pop(names)
        self._total -= self._weight.pop(names)
        columns = {name: column_of(list(column)) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
        self.ready.append(Rows(self._place, columns, len(rows), self._first))
        self._first += len(rows)
