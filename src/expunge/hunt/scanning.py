"""One shard of a source, looked at: streams are unwrapped, tables become rows, and every matcher sees every piece once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import count
from typing import BinaryIO

from expunge.errors import Conflict, Refused
from expunge.hunt.families import Matchers
from expunge.hunt.groups import Scanned
from expunge.hunt.pieces import Place, Rows, Unread, Why
from expunge.hunt.readers.columns import column_of
from expunge.hunt.reading import Limits
from expunge.hunt.unwrap import Ended, unwrap
from expunge.stores.base import Part, Scan, ScannedRows
from expunge.terms import Value

SHARD_BYTES = 64 << 20
"""What one worker looks at in one go: a second or so; a crash repeats no more than this."""

SHARD_PARTS = 500
"""Small files in one go: opening one costs about as much as scanning 100 kB."""

CELL = 64
"""Bytes from which a binary cell is opened as a file: the smallest gzip, zip and wav that hold anything are no shorter."""


@dataclass(frozen=True, slots=True)
class Source:
    """A place to scan. ``own`` are beginnings of names in it that are Expunge's own (its journal, keys, evidence).

    ``elsewhere`` are beginnings of names that are scanned as another source, which lies in this one. ``store`` is the policy's store that
    lies there, if there is one.
    """

    name: str
    url: str
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    own: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    store: str | None = None

    def __repr__(self) -> str:
        """No URL: it may hold a password."""
        return f"Source({self.name!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Shard:
    """Parts of one source that are scanned in one go."""

    source: Source
    parts: tuple[Part, ...]

    @property
    def key(self) -> str:
        """The same for the same parts as they are now: a resumed hunt passes over what it has done."""
        named = [[part.name, part.table, part.range, part.size, part.unread] for part in self.parts]
        return hashlib.sha256(json.dumps([self.source.name, named]).encode()).hexdigest()[:32]


def shards(scan: Scan, source: Source) -> Iterator[Shard]:
    """A source's parts, several small ones together.

    Raises:
        StoreError: the source can't be listed: nothing is known of it then.
    """
    held: list[Part] = []
    size = 0
    for part in scan.parts():
        if source.elsewhere and part.name.startswith(source.elsewhere):
            continue
        held.append(part)
        size += part.size or 0
        if size >= SHARD_BYTES or len(held) >= SHARD_PARTS:
            yield Shard(source, tuple(held))
            held, size = [], 0
    if held:
        yield Shard(source, tuple(held))


def scan_shard(shard: Shard, scan: Scan, matchers: Matchers, limits: Limits) -> Scanned:
    """Look at a shard.

    Raises:
        Unavailable: the source is away; the shard is to be scanned again.
    """
    found = Scanned()
    looker = _Looker(scan, matchers, limits, found)
    for part in shard.parts:
        place = Place(shard.source.name, table=part.name) if part.table else Place(shard.source.name, part.name)
        if part.unread:
            found.account.unread.append(Unread(place, Why(part.unread), part.size))
        elif part.name.startswith(shard.source.own):
            found.account.unread.append(Unread(place, Why.OWN, part.size))
        else:
            looker.look(part, place)
    return found


@dataclass(frozen=True, slots=True)
class _Looker:
    scan: Scan
    matchers: Matchers
    limits: Limits
    found: Scanned

    def look(self, part: Part, place: Place) -> None:
        try:
            if part.table:
                self._table(part, place)
            else:
                self._file(part, place)
        except Conflict:
            self.found.account.unread.append(Unread(place, Why.GONE, part.size))
        except Refused:
            self.found.account.unread.append(Unread(place, Why.DENIED, part.size))

    def _file(self, part: Part, place: Place) -> None:
        with self.scan.stream(part) as file:
            self._stream(file, place, part.size)

    def _stream(self, file: BinaryIO, place: Place, size: int | None, row: str | None = None) -> None:
        account = self.found.account
        for piece in unwrap(file, place, size=size, limits=self.limits, account=account):
            seen = self.matchers.close(piece.place) if isinstance(piece, Ended) else self.matchers.look(piece)
            self.found.take(seen if row is None else (replace(one, row=row) for one in seen))
            account.unread += self.matchers.unread()

    def _table(self, part: Part, place: Place) -> None:
        first = 0
        for batch in self.scan.rows(part):
            size = sum(_weight(values) for values in batch.columns.values())
            columns = {name: column_of(values) for name, values in batch.columns.items()}
            self.found.take(self.matchers.look(Rows(place, columns, len(batch.keys), first, batch.keys)))
            self._cells(batch, place)
            first += len(batch.keys)
            self.found.account.rows += len(batch.keys)
            self.found.account.bytes += size
        self.found.take(self.matchers.close(place))

    def _cells(self, batch: ScannedRows, place: Place) -> None:
        """Binary cells may be files: clips, archives, pickles."""
        for name, values in batch.columns.items():
            for row, value in zip(count(), values):
                if isinstance(value, bytes) and len(value) >= CELL:
                    cell = place.of(column=name).inside(f"row {batch.keys[row]}")
                    self._stream(BytesIO(value), cell, len(value), batch.keys[row])


def _weight(values: object) -> int:
    """About how many bytes a column's values are; numbers count eight."""
    held: list[Value | None] = list(values)  # type: ignore[call-overload]  # a sequence of values
    return sum(len(one) if isinstance(one, str | bytes) else 8 for one in held if one is not None)
