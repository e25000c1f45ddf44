"""Canaries: synthetic households, sealed under keys of their own, and where they were last seen.

They are no subjects: no registry number, no request, no consent. What they are made of must be known to nobody who could copy it by
accident, or a sighting would say nothing; it is destroyed with the canary.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from expunge.errors import KeyDestroyed, UnknownRequest
from expunge.journal.desk import RUN_SPACE, Desk, fresh_id
from expunge.journal.schema import canaries
from expunge.terms import Json

_FAST = 1
"""zlib's level, as for targets: recordings are most of it, and don't get smaller."""


@dataclass(frozen=True, slots=True, repr=False)
class Canary:
    """A synthetic household. ``planted`` says which collections it was put into, times are in UTC.

    ``content`` is what it is made of and ``seen`` what the last look showed, both as their makers wrote them; ``None`` once it was ended.
    """

    id: str
    number: int
    planted: Mapping[str, Json]
    made_at: datetime
    planted_at: datetime | None
    looked_at: datetime | None
    ended_at: datetime | None
    content: bytes | None = None
    seen: bytes | None = None

    def __repr__(self) -> str:
        """Id only."""
        return f"Canary({self.id!r})"


class Canaries(Desk):
    """The canaries' cage."""

    def keep_canary(self, content: bytes) -> Canary:
        """Keep a new one."""
        with self._database.writing() as connection:
            number = self._database.allocate(connection, RUN_SPACE, 1)[0]
        self._sealer.make(RUN_SPACE, [number])
        id_ = fresh_id("can")
        row = {"id": id_, "number": number, "sealed": self._seal_canary(id_, number, "content", content), "planted": {}}
        with self._database.writing() as connection:
            connection.execute(canaries.insert().values(**row, made_at=self._clock.now()))
        return self.canary(id_)

    def canary(self, canary_id: str) -> Canary:
        """One canary.

        Raises:
            UnknownRequest: there is none of that id.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(canaries).where(canaries.c.id == canary_id)).first()
        if row is None:
            msg = f"there is no canary {canary_id!r}"
            raise UnknownRequest(msg)
        return self._canary(row)

    def canaries(self, *, every: bool = False) -> list[Canary]:
        """Those that live (or ever lived), the oldest first."""
        query = select(canaries).order_by(canaries.c.number)
        with self._database.reading() as connection:
            rows = connection.execute(query if every else query.where(canaries.c.ended_at.is_(None))).all()
        return [self._canary(row) for row in rows]

    def canary_planted(self, canary_id: str, planted: Mapping[str, Json]) -> None:
        """Say which collections it was put into, with how many of its things."""
        with self._database.writing() as connection:
            change = update(canaries).where(canaries.c.id == canary_id)
            connection.execute(change.values(planted=dict(planted), planted_at=self._clock.now()))

    def canary_seen(self, canary: Canary, seen: bytes) -> None:
        """Keep what a look showed, in place of the one before."""
        box = self._seal_canary(canary.id, canary.number, "seen", seen)
        with self._database.writing() as connection:
            connection.execute(update(canaries).where(canaries.c.id == canary.id).values(seen=box, looked_at=self._clock.now()))

    def end_canary(self, canary_id: str) -> None:
        """Destroy what it is made of; nobody can look for it from here on. Idempotent.

        Raises:
            UnknownRequest: there is none of that id.
        """
        canary = self.canary(canary_id)
        self._sealer.destroy(RUN_SPACE, [canary.number])
        with self._database.writing() as connection:
            change = update(canaries).where(canaries.c.id == canary_id)
            connection.execute(change.values(sealed=None, seen=None, ended_at=canary.ended_at or self._clock.now()))

    def _seal_canary(self, id_: str, number: int, what: str, plain: bytes) -> bytes:
        return self._sealer.seal(RUN_SPACE, number, zlib.compress(plain, _FAST), bound_to=_bound(id_, what))

    def _canary(self, row: Row[Any]) -> Canary:
        content, seen = (self._opened(row, box, what) for box, what in ((row.sealed, "content"), (row.seen, "seen")))
        return Canary(row.id, row.number, row.planted, row.made_at, row.planted_at, row.looked_at, row.ended_at, content, seen)

    def _opened(self, row: Row[Any], box: bytes | None, what: str) -> bytes | None:
        if box is None:
            return None
        try:
            return zlib.decompress(self._sealer.unseal(RUN_SPACE, row.number, box, bound_to=_bound(row.id, what)))
        except KeyDestroyed:
            return None


def _bound(id_: str, what: str) -> bytes:
    return f"journal/canary/{id_}/{what}".encode()
