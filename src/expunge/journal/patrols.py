"""Rounds of the standing patrol: the sample, what was seen of it so far, and the places in which erased people were recognised.

Names of objects may quote identifiers. They are sealed under a key of the round's own, which is destroyed when the round is over, or, where
something was recognised, when that is gone from every place it was seen in. What stays is the round's figures.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update

from expunge.errors import KeyDestroyed, UnknownRequest
from expunge.journal.desk import RUN_SPACE, Desk, fresh_id
from expunge.journal.schema import patrol_hits, patrol_pages, patrols
from expunge.terms import Json

_FAST = 1
"""zlib's level, as for targets."""


@dataclass(frozen=True, slots=True)
class Patrol:
    """A round. ``budget`` is in bytes, times in UTC; ``result`` holds figures only, and is empty until the round has ended."""

    id: str
    number: int
    budget: int
    begun_at: datetime
    ended_at: datetime | None
    result: Mapping[str, Json]


@dataclass(frozen=True, slots=True, repr=False)
class PatrolHit:
    """A place in which somebody erased was recognised. ``place`` is there until it is gone; it may quote an identifier.

    ``forms`` say how it was recognised and how often; ``control`` is the incident's, the same whenever the place shows somebody again.
    """

    id: str
    patrol_id: str
    control: str
    source: str
    forms: Mapping[str, Json]
    count: int
    found_at: datetime
    gone_at: datetime | None
    place: str | None = None
    part: Json = None

    def __repr__(self) -> str:
        """Id and source only."""
        return f"PatrolHit({self.id!r}, {self.source!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Seen:
    """What a round keeps of a place: its text, the part of the source that it lies in (JSON), how it was recognised, how often."""

    source: str
    place: str
    part: Json
    forms: Mapping[str, int]
    count: int


class Patrols(Desk):
    """The patrols' book."""

    def begin_patrol(self, budget: int, sample: bytes) -> Patrol:
        """Begin a round with this sample, sealed under a key of its own."""
        with self._database.writing() as connection:
            number = self._database.allocate(connection, RUN_SPACE, 1)[0]
        self._sealer.make(RUN_SPACE, [number])
        id_ = fresh_id("pat")
        sealed = self._sealer.seal(RUN_SPACE, number, zlib.compress(sample, _FAST), bound_to=_page(id_, 0))
        row = {
            "id": id_,
            "number": number,
            "budget": budget,
            "begun_at": self._clock.now(),
            "ended_at": None,
            "result": {},
            "forgotten": False,
        }
        with self._database.writing() as connection:
            connection.execute(patrols.insert().values(**row))
            connection.execute(patrol_pages.insert().values(patrol_id=id_, page=0, sealed=sealed))
        return self.patrol(id_)

    def patrol(self, patrol_id: str) -> Patrol:
        """One round.

        Raises:
            UnknownRequest: there is none of that id.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(patrols).where(patrols.c.id == patrol_id)).first()
        if row is None:
            msg = f"there is no patrol {patrol_id!r}"
            raise UnknownRequest(msg)
        return _patrol(row)

    def patrols(self) -> list[Patrol]:
        """All rounds, the oldest first."""
        with self._database.reading() as connection:
            return [_patrol(row) for row in connection.execute(select(patrols).order_by(patrols.c.number))]

    def put_patrol_page(self, patrol: Patrol, page: int, plain: bytes) -> None:
        """Keep what was seen of a share of the sample, ``page`` from 1. One that is there stays.

        Raises:
            KeyDestroyed: somebody else has ended the round.
        """
        sealed = self._sealer.seal(RUN_SPACE, patrol.number, zlib.compress(plain, _FAST), bound_to=_page(patrol.id, page))
        with self._database.writing() as connection:
            self._database.insert_new(connection, patrol_pages, [{"patrol_id": patrol.id, "page": page, "sealed": sealed}])

    def patrol_pages(self, patrol: Patrol) -> Iterator[tuple[int, bytes]]:
        """The sample (page 0) and what was seen so far.

        Raises:
            KeyDestroyed: the round is over.
        """
        query = select(patrol_pages).where(patrol_pages.c.patrol_id == patrol.id).order_by(patrol_pages.c.page)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            plain = self._sealer.unseal(RUN_SPACE, patrol.number, row.sealed, bound_to=_page(patrol.id, row.page))
            yield row.page, zlib.decompress(plain)

    def end_patrol(self, patrol: Patrol, result: Mapping[str, Json], seen: Sequence[Seen]) -> list[PatrolHit]:
        """Keep the round's figures and the places in which somebody was recognised; the sample goes. All hits of the round."""
        boxes = {self._digest("place", one.place): (one, self._sealed_place(patrol, one)) for one in seen}
        now = self._clock.now()
        with self._database.writing() as connection:
            for digest, (one, box) in boxes.items():
                told = {"patrol_id": patrol.id, "source": one.source, "forms": dict(one.forms), "count": one.count, "sealed": box}
                row = {**told, "id": fresh_id("hit"), "place_digest": digest, "found_at": now, "gone_at": None}
                self._database.insert_new(connection, patrol_hits, [row])
                again = update(patrol_hits).where(patrol_hits.c.place_digest == digest)
                connection.execute(again.values(**told, gone_at=None))
            connection.execute(update(patrols).where(patrols.c.id == patrol.id).values(ended_at=now, result=dict(result)))
            connection.execute(patrol_pages.delete().where(patrol_pages.c.patrol_id == patrol.id))
        self._forget_places()
        return [one for one in self.patrol_hits() if one.patrol_id == patrol.id]

    def patrol_hits(self, *, every: bool = False) -> list[PatrolHit]:
        """Places in which somebody is recognised (or ever was), the oldest first."""
        query = select(patrol_hits, patrols.c.number).join(patrols, patrols.c.id == patrol_hits.c.patrol_id)
        query = query if every else query.where(patrol_hits.c.gone_at.is_(None))
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(patrol_hits.c.found_at, patrol_hits.c.id)).all()
        return [self._hit(row) for row in rows]

    def patrol_hit_gone(self, hit_id: str) -> None:
        """Say that nobody is recognised in that place any more; where it was goes too."""
        with self._database.writing() as connection:
            change = update(patrol_hits).where(patrol_hits.c.id == hit_id)
            connection.execute(change.values(gone_at=self._clock.now(), sealed=None))
        self._forget_places()

    def _forget_places(self) -> None:
        """Destroy the keys of rounds that are over and of which no place is left."""
        open_ = select(func.count()).where(patrol_hits.c.patrol_id == patrols.c.id, patrol_hits.c.gone_at.is_(None)).scalar_subquery()
        over = (patrols.c.ended_at.is_not(None), patrols.c.forgotten.is_(False), open_ == 0)
        with self._database.reading() as connection:
            numbers = list(connection.scalars(select(patrols.c.number).where(*over)))
        self._sealer.destroy(RUN_SPACE, numbers)
        with self._database.writing() as connection:
            connection.execute(update(patrols).where(patrols.c.number.in_(numbers)).values(forgotten=True))

    def _sealed_place(self, patrol: Patrol, one: Seen) -> bytes:
        plain = json.dumps([one.place, one.part]).encode()
        return self._sealer.seal(RUN_SPACE, patrol.number, plain, bound_to=b"journal/patrol-hit/" + self._digest("place", one.place))

    def _hit(self, row: Row[Any]) -> PatrolHit:
        place, part = None, None
        if row.sealed is not None:
            try:
                bound = b"journal/patrol-hit/" + row.place_digest
                place, part = json.loads(self._sealer.unseal(RUN_SPACE, row.number, row.sealed, bound_to=bound))
            except KeyDestroyed:
                place = None
        control = f"patrol:{row.place_digest.hex()}"
        count = row._mapping["count"]  # noqa: SLF001 -- its documented name; a row is a tuple, which has a count of its own
        return PatrolHit(row.id, row.patrol_id, control, row.source, row.forms, count, row.found_at, row.gone_at, place, part)


def _patrol(row: Row[Any]) -> Patrol:
    return Patrol(row.id, row.number, row.budget, row.begun_at, row.ended_at, row.result)


def _page(patrol_id: str, page: int) -> bytes:
    return f"journal/patrol/{patrol_id}/{page}".encode()
