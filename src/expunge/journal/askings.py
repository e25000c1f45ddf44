"""Askings: one act of asking somebody for consent, by one method, from the question to the end of what it needed.

What a method needs meanwhile (the address that is kept only to ask, the expected answers, a scan of a signature) is sealed under a key of
the asking's own. When the asking ends that key is destroyed and the sealed bytes are emptied, whatever its outcome (16 CFR
312.5(b)(2)(v), (vii) and (c)(1)); ``destroyed_at`` and the log's leaf say so, and an asking that was ended without is found again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select, update

from expunge.errors import InvalidRequest, KeyDestroyed, UnknownRequest
from expunge.journal.database import chunks
from expunge.journal.desk import RUN_SPACE, Desk
from expunge.journal.schema_family import askings
from expunge.terms import Json

_OVER = "the asking has ended, or was answered by somebody else meanwhile"


@dataclass(frozen=True, slots=True, repr=False)
class Asking:
    """One asking. ``held`` is what its method needs, as the method wrote it; ``None`` once it ended. Times are in UTC.

    ``due`` is when it lapses. ``confirm_at``: it was answered, and counts when the confirmation went out, not before then. ``box`` is
    ``held`` as it is sealed: of two who answer at once one is told so.
    """

    id: str
    number: int
    subject: int
    guardian: int
    matters: tuple[str, ...]
    method: str
    wording: str
    wording_digest: str
    asked_at: datetime
    due: datetime
    confirm_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    destroyed_at: datetime | None
    evidence: bytes | None
    leaf: int | None
    held: Mapping[str, Json] | None = None
    box: bytes | None = None

    def __repr__(self) -> str:
        """Id and method only."""
        return f"Asking({self.id!r}, {self.method!r})"


class Askings(Desk):
    """The askings' register."""

    def begin_asking(
        self,
        *,
        id_: str,
        subject: int,
        guardian: int,
        matters: Sequence[str],
        method: str,
        wording: str,
        wording_digest: str,
        due: datetime,
        held: Mapping[str, Json],
    ) -> Asking:
        """Keep a new asking, with what its method needs. ``id_`` is a ``fresh_id``, which the method's messages name already."""
        with self._database.writing() as connection:
            number = self._database.allocate(connection, RUN_SPACE, 1)[0]
        self._sealer.make(RUN_SPACE, [number])
        row = {"id": id_, "number": number, "subject": subject, "guardian": guardian, "matters": list(matters), "method": method}
        row |= {"wording": wording, "wording_digest": wording_digest, "asked_at": self._clock.now(), "due": due}
        with self._database.writing() as connection:
            connection.execute(askings.insert().values(**row, sealed=self._seal_held(id_, number, held)))
        return self.asking(id_)

    def asking(self, asking_id: str) -> Asking:
        """One asking.

        Raises:
            UnknownRequest: there is none of that id.
        """
        found = self._askings(askings.c.id == asking_id)
        if not found:
            raise UnknownRequest(f"there is no asking {asking_id!r}")
        return found[0]

    def askings(self, subjects: Collection[int]) -> list[Asking]:
        """Everything that these people's guardians were ever asked, oldest first."""
        return [one for chunk in chunks(sorted(set(subjects))) for one in self._askings(askings.c.subject.in_(chunk))]

    def open_askings(self, limit: int = 1_000) -> list[Asking]:
        """Those that wait for the end of something at this time: their answer's (they are to lapse) or their confirmation's."""
        now = self._clock.now()
        over = (askings.c.due <= now) | (askings.c.confirm_at <= now)
        return self._askings(askings.c.ended_at.is_(None) & over, limit)

    def asking_held(self, asking: Asking, held: Mapping[str, Json], *, confirm_at: datetime | None = None) -> Asking:
        """Keep what a method needs from here on, in place of what it needed before.

        Raises:
            InvalidRequest: it has ended, or somebody else went on with it meanwhile.
        """
        try:
            box = self._seal_held(asking.id, asking.number, held)
        except KeyDestroyed:
            raise InvalidRequest(_OVER, where=asking.id) from None
        still = (askings.c.id == asking.id) & askings.c.ended_at.is_(None) & (askings.c.sealed == asking.box)
        values = {"sealed": box} if confirm_at is None else {"sealed": box, "confirm_at": confirm_at}
        with self._database.writing() as connection:
            if not connection.execute(update(askings).where(still).values(**values)).rowcount:
                raise InvalidRequest(_OVER, where=asking.id)
        return self.asking(asking.id)

    def end_asking(self, asking_id: str, outcome: str, evidence: bytes | None = None) -> Asking:
        """End it: what its method needed is destroyed, of ``evidence`` a keyed digest is kept. The first outcome stands. Idempotent.

        Raises:
            UnknownRequest: there is none of that id.
        """
        asking = self.asking(asking_id)
        now = self._clock.now()
        digest = None if evidence is None else self._digest("consent-evidence", evidence.hex())
        with self._database.writing() as connection:
            change = update(askings).where(askings.c.id == asking_id, askings.c.ended_at.is_(None))
            connection.execute(change.values(ended_at=now, outcome=outcome, evidence=digest))
        self._sealer.destroy(RUN_SPACE, [asking.number])
        with self._database.writing() as connection:
            gone = update(askings).where(askings.c.id == asking_id, askings.c.destroyed_at.is_(None))
            connection.execute(gone.values(sealed=None, destroyed_at=now))
        return self.asking(asking_id)

    def unproven_askings(self, limit: int = 1_000) -> list[Asking]:
        """Those that ended and whose destruction is not done, or does not stand in the evidence log yet."""
        return self._askings(askings.c.ended_at.is_not(None) & askings.c.leaf.is_(None), limit)

    def askings_proven(self, leaves: Mapping[str, int]) -> None:
        """Say at which index of the log the destruction of these askings' evidence stands."""
        with self._database.writing() as connection:
            for id_, leaf in leaves.items():
                connection.execute(update(askings).where(askings.c.id == id_, askings.c.leaf.is_(None)).values(leaf=leaf))

    def _askings(self, where: ColumnElement[bool], limit: int | None = None) -> list[Asking]:
        query = select(askings).where(where).order_by(askings.c.asked_at, askings.c.number)
        with self._database.reading() as connection:
            rows = connection.execute(query if limit is None else query.limit(limit)).all()
        return [self._asking(row) for row in rows]

    def _seal_held(self, id_: str, number: int, held: Mapping[str, Json]) -> bytes:
        plain = zlib.compress(json.dumps(held, separators=(",", ":")).encode())
        return self._sealer.seal(RUN_SPACE, number, plain, bound_to=_bound(id_))

    def _asking(self, row: Row[Any]) -> Asking:
        return Asking(
            id=row.id,
            number=row.number,
            subject=row.subject,
            guardian=row.guardian,
            matters=tuple(row.matters),
            method=row.method,
            wording=row.wording,
            wording_digest=row.wording_digest,
            asked_at=row.asked_at,
            due=row.due,
            confirm_at=row.confirm_at,
            ended_at=row.ended_at,
            outcome=row.outcome,
            destroyed_at=row.destroyed_at,
            evidence=row.evidence,
            leaf=row.leaf,
            held=self._opened_held(row),
            box=row.sealed,
        )

    def _opened_held(self, row: Row[Any]) -> Mapping[str, Json] | None:
        if row.sealed is None:
            return None
        try:
            plain = self._sealer.unseal(RUN_SPACE, row.number, row.sealed, bound_to=_bound(row.id))
        except KeyDestroyed:
            return None
        held: Mapping[str, Json] = json.loads(zlib.decompress(plain))
        return held


def _bound(id_: str) -> bytes:
    return f"journal/asking/{id_}".encode()
