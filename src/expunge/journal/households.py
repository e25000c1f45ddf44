"""Who decides for whom, as far as the stores don't say so; what age screens remember; what was claimed of records that name nobody.

All of it by registry numbers and keyed digests. That a device said an age under the limit is kept only as a digest of its token, and only
as long as it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, or_, select, update

from expunge.errors import InvalidRequest, KeyDestroyed, KeySealed, UnknownRequest
from expunge.journal.database import chunks
from expunge.journal.desk import Desk, fresh_id
from expunge.journal.records import FINAL_REQUESTS, RequestStatus
from expunge.journal.schema import canonical, requests, subjects
from expunge.journal.schema_family import age_screens, claims, guardians
from expunge.terms import Identifier

_COUNTER = "consent"
_SUBJECT_SPACE = "subject"

EVERYTHING = canonical({"categories": [], "items": []})
"""The scope of a request for all of a person, as the journal digests it."""


@dataclass(frozen=True, slots=True)
class Guardianship:
    """That one person decides for another, from when, on what evidence (words that name nobody), and until when. Times are in UTC."""

    child: int
    guardian: int
    evidence: str
    since: datetime
    ended_at: datetime | None = None
    ended_because: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ItemClaim:
    """A record that names nobody, claimed for ``subject`` of ``household``.

    ``item`` is its address, ``household_text`` how the household is written, while the household's key lives: who it was claimed for may
    be erased before it is. ``ends_at`` (UTC) is when it has to go at the latest.
    """

    id: str
    subject: int
    household: int
    category: str
    captured_at: datetime
    ends_at: datetime | None
    claimed_by: str
    at: datetime
    request_id: str | None = None
    item: str | None = None
    household_text: str | None = None

    def __repr__(self) -> str:
        """Not which record."""
        return f"ItemClaim({self.id!r})"


class Households(Desk):
    """Guardians, age screens and claims."""

    def known(self, kind: str, identifiers: Sequence[Identifier]) -> dict[Identifier, int]:
        """The numbers of those whose key (of this kind) is known; nobody is registered. One query per 5,000."""
        wanted = {self._digest("identifier", one.type, one.value): one for one in identifiers}
        found: dict[Identifier, int] = {}
        with self._database.reading() as connection:
            for chunk in chunks(wanted):
                where = (subjects.c.kind == kind) & subjects.c.key_digest.in_(chunk)
                rows = connection.execute(select(subjects.c.key_digest, subjects.c.number).where(where))
                found |= {wanted[row.key_digest]: row.number for row in rows}
        return found

    def being_erased(self, numbers: Collection[int]) -> set[int]:
        """Those of whom everything is asked to be erased by a request that has not ended: nothing of theirs is taken in or shown."""
        over = (*FINAL_REQUESTS, RequestStatus.DONE)
        whole = (requests.c.kind == "erase") & requests.c.status.not_in(over)
        whole &= requests.c.scope_digest == self._digest("scope", EVERYTHING)
        found: set[int] = set()
        with self._database.reading() as connection:
            for chunk in chunks(sorted(set(numbers))):
                found.update(connection.scalars(select(requests.c.subject).where(whole, requests.c.subject.in_(chunk))))
        return found

    def record_guardian(self, child: int, guardian: int, *, evidence: str) -> Guardianship:
        """Say that one person decides for another, and how that was shown. One that stands already is given as it is.

        Raises:
            InvalidRequest: nobody is their own guardian, or no evidence is named.
        """
        if child == guardian or not evidence.strip():
            raise InvalidRequest("a guardian is another person than the child, and it is told how that was shown")
        with self._database.writing() as connection:
            self._database.lock(connection, _COUNTER)
            same = (guardians.c.child == child) & (guardians.c.guardian == guardian) & guardians.c.ended_at.is_(None)
            if connection.execute(select(guardians.c.id).where(same)).first() is None:
                row = {"child": child, "guardian": guardian, "evidence": evidence, "since": self._clock.now()}
                connection.execute(guardians.insert().values(**row))
        return next(one for one in self.guardianships([child]) if one.guardian == guardian and one.ended_at is None)

    def end_guardian(self, child: int, guardian: int, *, because: str) -> None:
        """Say that one person no longer decides for another. Idempotent.

        Raises:
            UnknownRequest: it was never recorded that they did.
        """
        pair = (guardians.c.child == child) & (guardians.c.guardian == guardian)
        with self._database.writing() as connection:
            change = update(guardians).where(pair, guardians.c.ended_at.is_(None))
            changed = connection.execute(change.values(ended_at=self._clock.now(), ended_because=because)).rowcount
            if not changed and connection.execute(select(guardians.c.id).where(pair)).first() is None:
                raise UnknownRequest("the journal records no such guardian")

    def guardianships(self, children: Collection[int]) -> list[Guardianship]:
        """All that were ever recorded for these children, oldest first."""
        found: list[Guardianship] = []
        with self._database.reading() as connection:
            for chunk in chunks(sorted(set(children))):
                rows = connection.execute(select(guardians).where(guardians.c.child.in_(chunk)).order_by(guardians.c.id))
                found += [Guardianship(row.child, row.guardian, row.evidence, row.since, row.ended_at, row.ended_because) for row in rows]
        return found

    def keep_age_screen(self, token: str, outcome: str, until: datetime) -> None:
        """Remember what a device or session said, until then (aware). What is remembered already is not made milder or shorter."""
        row = {"token": self._digest("age-screen", token), "outcome": outcome, "until": until}
        with self._database.writing() as connection:
            connection.execute(delete(age_screens).where(age_screens.c.until <= self._clock.now()))
            put = self._database.upsert(age_screens).values(**row)
            longer = age_screens.c.until < put.excluded.until
            connection.execute(put.on_conflict_do_update(index_elements=["token"], set_={"until": put.excluded.until}, where=longer))

    def age_screen(self, token: str) -> str | None:
        """What this device or session is remembered to have said, if it still is."""
        where = (age_screens.c.token == self._digest("age-screen", token)) & (age_screens.c.until > self._clock.now())
        with self._database.reading() as connection:
            outcome: str | None = connection.execute(select(age_screens.c.outcome).where(where)).scalar()
        return outcome

    def keep_claim(
        self,
        item: str,
        *,
        subject: int,
        household: int,
        household_text: str,
        category: str,
        captured_at: datetime,
        ends_at: datetime | None,
        by: str,
    ) -> ItemClaim:
        """Record that a record is somebody's; ``item`` is ``store.collection/key``. The same claim again gives the one that there is.

        Raises:
            InvalidRequest: it was claimed for somebody else.
            KeyDestroyed, KeySealed: the household's key.
        """
        digest = self._digest("claim", item)
        plain = json.dumps([item, household_text]).encode()
        box = self._sealer.seal(_SUBJECT_SPACE, household, plain, bound_to=_bound(digest))
        row = {"id": fresh_id("clm"), "item": digest, "subject": subject, "household": household, "category": category}
        now = self._clock.now()
        row |= {"captured_at": captured_at, "ends_at": ends_at, "sealed": box, "claimed_by": by, "at": now, "due": now}
        with self._database.writing() as connection:
            self._database.insert_new(connection, claims, [row])
            held = connection.execute(select(claims).where(claims.c.item == digest)).one()
        if held.subject != subject:
            raise InvalidRequest("the record was claimed for somebody else before", where=held.id)
        return _claim(held, [item, household_text])

    def due_claims(self, limit: int = 1_000) -> list[ItemClaim]:
        """Those whose record has to go by now, and those of people of whom everything is being erased or was; no request was filed yet."""
        final = (RequestStatus.WITHDRAWN, RequestStatus.NOTHING_FOUND)
        whole = (requests.c.subject == claims.c.subject) & (requests.c.kind == "erase") & requests.c.status.not_in(final)
        erased = select(requests.c.id).where(whole, requests.c.scope_digest == self._digest("scope", EVERYTHING)).exists()
        now = self._clock.now()
        due = claims.c.done_at.is_(None) & (claims.c.due <= now) & (or_(claims.c.ends_at <= now, erased))
        return self._claims(select(claims).where(due).order_by(claims.c.at).limit(limit))

    def claims_done(self, claim_ids: Collection[str], request_id: str | None) -> None:
        """Say which request erases these claimed records; ``None``: they are gone already."""
        with self._database.writing() as connection:
            change = update(claims).where(claims.c.id.in_(claim_ids), claims.c.done_at.is_(None))
            connection.execute(change.values(request_id=request_id, done_at=self._clock.now()))

    def claims_failed(self, claim_ids: Collection[str], again: datetime) -> None:
        """Say that the erasure of these can't be filed before then."""
        with self._database.writing() as connection:
            connection.execute(update(claims).where(claims.c.id.in_(claim_ids)).values(due=again))

    def item_claims(self, subjects_: Collection[int]) -> list[ItemClaim]:
        """What was claimed for these people, oldest first; without the record's address where the household's key is gone or hidden."""
        of_them = [claims.c.subject.in_(chunk) for chunk in chunks(sorted(set(subjects_)))]
        return [one for where in of_them for one in self._claims(select(claims).where(where).order_by(claims.c.at))]

    def claimed(self, items: Sequence[str]) -> Mapping[str, int]:
        """For whom these records were claimed; the others are absent."""
        digests = {self._digest("claim", one): one for one in items}
        found: dict[str, int] = {}
        with self._database.reading() as connection:
            for chunk in chunks(digests):
                rows = connection.execute(select(claims.c.item, claims.c.subject).where(claims.c.item.in_(chunk)))
                found |= {digests[row.item]: row.subject for row in rows}
        return found

    def _claims(self, query: Select[Any]) -> list[ItemClaim]:
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        found = []
        for row in rows:
            try:
                opened = self._sealer.unseal(_SUBJECT_SPACE, row.household, row.sealed, bound_to=_bound(row.item))
            except (KeyDestroyed, KeySealed):
                found.append(_claim(row, [None, None]))
            else:
                found.append(_claim(row, json.loads(opened)))
        return found


def _bound(digest: bytes) -> bytes:
    return b"journal/claim/" + digest


def _claim(row: Row[Any], named: Sequence[str | None]) -> ItemClaim:
    told = (row.id, row.subject, row.household, row.category, row.captured_at, row.ends_at, row.claimed_by, row.at, row.request_id)
    return ItemClaim(*told, *named)
