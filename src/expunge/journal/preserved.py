"""Copies that a member of a household has sealed for evidence: where each lies, until when, and the key that is all that opens it.

Whose it is, who asked for it and why lies sealed under that key. A row tells whoever reads the journal that some copy exists, not whose.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from expunge.errors import KeyDestroyed, UnknownRequest
from expunge.journal.desk import RUN_SPACE, Desk, fresh_id
from expunge.journal.schema import canonical
from expunge.journal.schema_holds import preserved
from expunge.terms import Json


@dataclass(frozen=True, slots=True)
class Preserved:
    """A copy. ``number`` is its key's; ``facts`` are the sealed file's name, length and digest, once it is whole. Times are in UTC."""

    id: str
    number: int
    facts: Mapping[str, Json]
    kept_at: datetime
    until: datetime
    ended_at: datetime | None


class PreservedCopies(Desk):
    """The register of preserved copies."""

    def begin_preserved(self, about: Json, until: datetime) -> Preserved:
        """A key and a row for a copy that is about to be made; ``about`` is sealed."""
        with self._database.writing() as connection:
            number = self._database.allocate(connection, RUN_SPACE, 1)[0]
        self._sealer.make(RUN_SPACE, [number])
        id_ = fresh_id("copy")
        sealed = self._sealer.seal(RUN_SPACE, number, canonical(about).encode(), bound_to=_bound(id_))
        row = {"id": id_, "number": number, "sealed": sealed, "facts": {}, "kept_at": self._clock.now(), "until": until}
        with self._database.writing() as connection:
            connection.execute(preserved.insert().values(**row))
        return self.preserved(id_)

    def preserved_whole(self, copy_id: str, facts: Mapping[str, Json]) -> None:
        """The sealed file is whole and durable."""
        with self._database.writing() as connection:
            connection.execute(update(preserved).where(preserved.c.id == copy_id).values(facts=dict(facts)))

    def preserved(self, copy_id: str) -> Preserved:
        """One copy.

        Raises:
            UnknownRequest: there is none of that id.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(preserved).where(preserved.c.id == copy_id)).first()
        if row is None:
            msg = f"there is no preserved copy {copy_id!r}"
            raise UnknownRequest(msg)
        return _made(row)

    def preserved_copies(self, *, due: bool = False) -> list[Preserved]:
        """All that were ever made, or those that have come to their end and are still there; by number."""
        query = select(preserved).order_by(preserved.c.number)
        ended = preserved.c.ended_at.is_(None) & (preserved.c.until <= self._clock.now())
        with self._database.reading() as connection:
            return [_made(row) for row in connection.execute(query.where(ended) if due else query)]

    def preserved_about(self, copy_id: str) -> Json:
        """Whose it is, who asked and why, as it was given.

        Raises:
            KeyDestroyed: it has ended.
            UnknownRequest: there is none of that id.
        """
        copy = self.preserved(copy_id)
        with self._database.reading() as connection:
            sealed = connection.execute(select(preserved.c.sealed).where(preserved.c.id == copy_id)).scalar_one()
        if sealed is None:
            msg = "the copy was destroyed at its end"
            raise KeyDestroyed(msg, where=copy_id)
        about: Json = json.loads(self._sealer.unseal(RUN_SPACE, copy.number, sealed, bound_to=_bound(copy_id)))
        return about

    def end_preserved(self, copy_id: str) -> None:
        """Destroy the key, and with it the copy. Idempotent.

        Raises:
            UnknownRequest: there is none of that id.
        """
        copy = self.preserved(copy_id)
        self._sealer.destroy(RUN_SPACE, [copy.number])
        with self._database.writing() as connection:
            change = update(preserved).where(preserved.c.id == copy_id)
            connection.execute(change.values(sealed=None, ended_at=copy.ended_at or self._clock.now()))


def _made(row: Row[Any]) -> Preserved:
    return Preserved(row.id, row.number, row.facts, row.kept_at, row.until, row.ended_at)


def _bound(id_: str) -> bytes:
    return f"journal/preserved/{id_}".encode()
