"""What the training gate's epochs are made of, read for everybody at once: one query each, however many people there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import func, or_, select

from expunge.journal.consent_states import State, Thread, is_given
from expunge.journal.desk import Desk
from expunge.journal.households import EVERYTHING
from expunge.journal.records import FINAL_REQUESTS, RequestStatus
from expunge.journal.schema import holds, requests, subjects
from expunge.journal.schema_family import consents
from expunge.journal.schema_holds import hold_people

_AT_ONCE = 50_000
"""Rows that a driver hands over at a time: a few MB."""


@dataclass(frozen=True, slots=True)
class Word:
    """Where one person stands on a matter: whether there is a yes, and whether somebody's last word was a no."""

    subject: int
    given: bool
    objects: bool


class Admissions(Desk):
    """Everybody's standing, in streams."""

    def highest_subject(self) -> int:
        """The highest number that was ever given to anybody; 0 if none was."""
        with self._database.reading() as connection:
            highest: int | None = connection.execute(select(func.max(subjects.c.number))).scalar_one()
        return highest or 0

    def words_on(self, matter: str, at: datetime) -> Iterator[Word]:
        """Everybody who ever was asked or said anything about a matter, as of now; a yes that ends by ``at`` (aware) is none."""
        newest = select(func.max(consents.c.number)).where(consents.c.matter == matter).group_by(consents.c.subject, consents.c.guardian)
        query = select(consents.c.subject, consents.c.state, consents.c.objects, consents.c.until)
        query = query.where(consents.c.number.in_(newest)).order_by(consents.c.subject)
        with self._database.reading() as connection:
            rows = connection.execution_options(yield_per=_AT_ONCE).execute(query)
            for subject, held in groupby(rows, key=lambda row: int(row.subject)):
                threads = [
                    Thread(
                        State.EXPIRED if row.state == State.GIVEN and row.until is not None and row.until <= at else State(row.state),
                        row.objects,
                    )
                    for row in held
                ]
                yield Word(subject, is_given(threads), any(one.objects for one in threads))

    def all_being_erased(self) -> list[int]:
        """Everybody of whom everything is asked to be erased by a request that has not ended."""
        over = (*FINAL_REQUESTS, RequestStatus.DONE)
        where = (
            (requests.c.kind == "erase") & requests.c.status.not_in(over) & (requests.c.scope_digest == self._digest("scope", EVERYTHING))
        )
        with self._database.reading() as connection:
            return list(connection.scalars(select(requests.c.subject).where(where).distinct()))

    def all_held(self, at: datetime) -> list[int]:
        """Everybody of whom everything is under a hold at ``at`` (aware)."""
        stands = holds.c.lifted_at.is_(None) & or_(holds.c.until.is_(None), holds.c.until > at)
        query = select(hold_people.c.subject).join(holds, holds.c.id == hold_people.c.hold_id).where(stands, holds.c.whole)
        with self._database.reading() as connection:
            return list(connection.scalars(query.distinct()))
