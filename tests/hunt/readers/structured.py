"""What the tests of structured readers share: open bytes with a reader, and see its rows as plain values."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from expunge.hunt.formats import FORMATS
from expunge.hunt.pieces import Account, Blob, Column, Numbers, Place, Rows, Texts, Why
from expunge.hunt.reading import Limits, Nested, Opened


@dataclass
class Read:
    """Everything that a reader gave."""

    rows: list[Rows] = field(default_factory=list)
    nested: dict[str, bytes] = field(default_factory=dict)
    account: Account = field(default_factory=Account)

    def values(self, name: str, table: str | None = None) -> list[object]:
        """A column over all batches of a table."""
        return [value for rows in self.rows if rows.place.table == table and name in rows.columns for value in plain(rows.columns[name])]

    def tables(self) -> set[str | None]:
        return {rows.place.table for rows in self.rows}

    def why(self) -> list[Why]:
        return [one.why for one in self.account.unread]

    def everything(self) -> bytes:
        """All texts, numbers as their digits, and all nested bytes."""
        texts = b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in self._all())
        return texts + b"\n" + b"\n".join(self.nested.values())

    def _all(self) -> Iterator[object]:
        for rows in self.rows:
            for column in rows.columns.values():
                yield from plain(column)


def plain(column: Column) -> list[object]:
    if isinstance(column, Texts):
        raw = column.buffer.tobytes()
        return [raw[start:end] for start, end in zip(column.offsets[:-1].tolist(), column.offsets[1:].tolist(), strict=True)]
    if isinstance(column, Numbers):
        missing = np.zeros(len(column.values), dtype=bool) if column.missing is None else column.missing
        return [None if gone else value for value, gone in zip(column.values.tolist(), missing.tolist(), strict=True)]
    return [tuple(one) for one in column.values.tolist()]


def read(raw: bytes, name: str, file: str = "x", limits: Limits | None = None) -> Read:
    """What the reader of the format ``name`` gives for these bytes."""
    result = Read()
    known = next(one for one in FORMATS if one.name == name)
    opened = Opened(Place("share", file), io.BytesIO(raw), len(raw), seekable=True, limits=limits or Limits(), account=result.account)
    for piece in known.load().read(opened):
        if isinstance(piece, Rows):
            for column in piece.columns.values():
                assert len(plain(column)) == piece.rows
            assert piece.keys is None or len(piece.keys) == piece.rows
            result.rows.append(piece)
        elif isinstance(piece, Nested):
            result.nested["!".join(piece.place.members)] = piece.file.read()
        else:
            assert isinstance(piece, Blob)
    return result


def format_of(raw: bytes, name: str = "x") -> str | None:
    """What the table takes these bytes for."""
    return next((one.name for one in FORMATS if one.recognises(raw[: 64 << 10], name)), None)
