"""Holds: duties to keep, which outrank erasure. They are asked before a plan and again between batches.

A hold is asked for by one person and confirmed by another; so is every renewal. It keeps from the moment it is asked for, for as long as
somebody may confirm it, so that nothing is lost between the two words. ``held`` and ``held_in`` speak of holds that nothing narrows; the
records that a narrower one keeps are found by whoever searches, from ``standing_holds``. Who and which items it is about is sealed under a
key of its own and destroyed with it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, func, or_, select, update

from expunge.errors import ApprovalNeeded, InvalidRequest, UnknownRequest
from expunge.journal.database import chunks
from expunge.journal.desk import RUN_SPACE, Desk, fresh_id
from expunge.journal.records import Hold, NewHold
from expunge.journal.schema import Instant, canonical, holds, run_subjects
from expunge.journal.schema_holds import held_back, hold_people, hold_words
from expunge.terms import Json

_STANDING = holds.c.lifted_at.is_(None) & (holds.c.until.is_(None) | (holds.c.until > bindparam("now", type_=Instant)))
_HELD_IN = (
    # Built once: it is asked before every batch.
    select(holds.c.id)
    .join(hold_people, hold_people.c.hold_id == holds.c.id)
    .join(run_subjects, run_subjects.c.subject == hold_people.c.subject)
    .where(run_subjects.c.run_id == bindparam("of_run"), holds.c.whole, _STANDING)
    .limit(1)
)
_NEWEST = select(func.max(holds.c.number)).where(_STANDING)
_TOLD = "told"
_COLUMNS = tuple(one for one in holds.c if one.name != "sealed")


class Holds(Desk):
    """The holds' register."""

    def place_hold(self, subject: int, authority: str, reason: str, until: datetime | None = None) -> Hold:
        """Keep everything of ``subject`` until ``until`` (aware; ``None``: until lifted), by a word that needs no second one.

        ``reason`` names no person. Only the number is known of the subject, so whatever they share with others is not looked for.

        Raises:
            UnknownRequest: the registry has no such subject.
        """
        now = self._clock.now()
        with self._database.writing() as connection:
            number = self._database.allocate(connection, RUN_SPACE, 1)[0]
            hold = Hold(fresh_id("hold"), subject, authority, reason, now, until, number=number, confirmed_at=now)
            self._insert_hold(connection, hold, None)
            self._add_people(connection, hold.id, [subject])
        return hold

    def ask_hold(self, asked: NewHold) -> Hold:
        """Place a hold that a second person is to confirm.

        Raises:
            UnknownRequest: the registry has no such subject.
        """
        with self._database.writing() as connection:
            number = self._database.allocate(connection, RUN_SPACE, 1)[0]
        self._sealer.make(RUN_SPACE, [number])
        id_ = fresh_id("hold")
        sealed = self._seal_hold(id_, number, asked.people, asked.items)
        hold = Hold(
            id=id_,
            subject=asked.subject,
            authority=asked.authority,
            reason=asked.reason,
            placed_at=self._clock.now(),
            until=asked.until,
            number=number,
            whole=asked.whole,
            members=asked.members,
            scope=asked.scope,
            asked_by=asked.asked_by,
            asked_until=asked.asked_until,
            gag_authority=asked.gag_authority,
            gag_until=asked.gag_until,
        )
        with self._database.writing() as connection:
            self._insert_hold(connection, hold, sealed)
            self._add_people(connection, id_, {asked.subject, *numbers_in(asked.people)})
            self._say(connection, id_, "placed", asked.asked_by, asked.authority, asked.asked_until)
        return hold

    def renew_hold(self, hold_id: str, by: str, authority: str, until: datetime) -> Hold:
        """Ask for another end of a hold that stands; until somebody else confirms it, the old one counts.

        Raises:
            InvalidRequest: it has ended, or was never confirmed.
            UnknownRequest: there is no such hold.
        """
        with self._database.writing() as connection:
            hold = self._standing_hold(connection, hold_id)
            if hold.confirmed_at is None:
                msg = "nobody has confirmed it yet"
                raise InvalidRequest(msg, where=hold_id)
            connection.execute(update(holds).where(holds.c.id == hold_id).values(asked_by=by, asked_until=until))
            self._say(connection, hold_id, "renewal asked", by, authority, until)
        return self.hold(hold_id)

    def confirm_hold(self, hold_id: str, by: str) -> Hold:
        """A second person's word on what was asked for: the hold, or its renewal.

        Raises:
            ApprovalNeeded: ``by`` asked for it.
            InvalidRequest: it has ended, or nothing waits for a word.
            UnknownRequest: there is no such hold.
        """
        with self._database.writing() as connection:
            hold = self._standing_hold(connection, hold_id)
            if hold.asked_by is None or hold.asked_until is None:
                msg = "nothing of it waits for a second person"
                raise InvalidRequest(msg, where=hold_id)
            if hold.asked_by == by:
                msg = "who asked for a hold can't be the one who confirms it"
                raise ApprovalNeeded(msg, where=hold_id)
            now = self._clock.now()
            done = {"until": hold.asked_until, "confirmed_by": by, "confirmed_at": now, "asked_by": None, "asked_until": None}
            connection.execute(update(holds).where(holds.c.id == hold_id).values(**done))
            self._say(connection, hold_id, "confirmed", by, hold.authority, hold.asked_until)
        return self.hold(hold_id)

    def lift_hold(self, hold_id: str, by: str = "") -> None:
        """End a hold now. Lifting it twice changes nothing.

        Raises:
            UnknownRequest: there is no such hold.
        """
        with self._database.writing() as connection:
            lifted = update(holds).where(holds.c.id == hold_id, holds.c.lifted_at.is_(None)).values(lifted_at=self._clock.now())
            if connection.execute(lifted).rowcount:
                self._say(connection, hold_id, "lifted", by, "", None)
                return
        self.hold(hold_id)

    def hold(self, hold_id: str) -> Hold:
        """One hold, without the people and items that it is about.

        Raises:
            UnknownRequest: there is none of that id.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(*_COLUMNS).where(holds.c.id == hold_id)).first()
        if row is None:
            raise _unknown(hold_id)
        return _hold(row)

    def held(self, subjects: Collection[int], at: datetime | None = None, *, narrowed: bool = False) -> set[int]:
        """Those of ``subjects`` of whom everything is under a hold at ``at`` (aware; now, if not given); with ``narrowed``, anything."""
        when = at or self._clock.now()
        found: set[int] = set()
        query = select(hold_people.c.subject).join(holds, holds.c.id == hold_people.c.hold_id).where(_STANDING)
        query = query if narrowed else query.where(holds.c.whole)
        with self._database.reading() as connection:
            for chunk in chunks(subjects):
                found.update(connection.scalars(query.where(hold_people.c.subject.in_(chunk)), {"now": when}))
        return found

    def held_in(self, run_id: str) -> bool:
        """Whether everything of anybody whose records this run touches is under a hold now: one query, asked between batches."""
        with self._database.reading() as connection:
            return connection.execute(_HELD_IN, {"of_run": run_id, "now": self._clock.now()}).first() is not None

    def newest_hold(self) -> int | None:
        """The number of the youngest hold that stands; ``None`` if none does. A larger one than before: look again what is held."""
        with self._database.reading() as connection:
            newest: int | None = connection.execute(_NEWEST, {"now": self._clock.now()}).scalar()
            return newest

    def standing_holds(self) -> list[Hold]:
        """Every hold that stands now, the oldest first, with the people and items that it is about."""
        with self._database.reading() as connection:
            rows = connection.execute(select(holds).where(_STANDING).order_by(holds.c.number), {"now": self._clock.now()}).all()
        return [_hold(row, self._open_hold(row)) for row in rows]

    def holds(self, subject: int) -> list[Hold]:
        """All holds that were ever placed on ``subject``, oldest first."""
        theirs = select(hold_people.c.hold_id).where(hold_people.c.subject == subject)
        with self._database.reading() as connection:
            rows = connection.execute(select(*_COLUMNS).where(holds.c.id.in_(theirs)).order_by(holds.c.placed_at, holds.c.number))
            return [_hold(row) for row in rows]

    def all_holds(self) -> list[Hold]:
        """Every hold that was ever placed, oldest first."""
        with self._database.reading() as connection:
            return [_hold(row) for row in connection.execute(select(*_COLUMNS).order_by(holds.c.placed_at, holds.c.number))]

    def hold_words(self, hold_id: str) -> list[Mapping[str, Json]]:
        """What was said about a hold, in order: word, by whom, authority, until and at (ISO 8601)."""
        with self._database.reading() as connection:
            said = connection.execute(select(hold_words).where(hold_words.c.hold_id == hold_id).order_by(hold_words.c.id)).all()
        return [
            {"word": one.word, "by": one.said_by, "authority": one.authority, "until": _text(one.until), "at": _text(one.at)}
            for one in said
        ]

    def untold_holds(self) -> list[Hold]:
        """Confirmed holds that stand, whose gag has ended, and of which the people concerned were not told since."""
        told = exists().where(hold_words.c.hold_id == holds.c.id, hold_words.c.word == _TOLD)
        where = _STANDING & holds.c.confirmed_at.is_not(None) & (holds.c.gag_until <= self._clock.now()) & ~told
        with self._database.reading() as connection:
            return [_hold(row) for row in connection.execute(select(*_COLUMNS).where(where), {"now": self._clock.now()})]

    def hold_told(self, hold_id: str) -> None:
        """Say that the people concerned were told when the gag had ended."""
        with self._database.writing() as connection:
            self._say(connection, hold_id, _TOLD, "", "", None)

    def widen_hold(self, hold: Hold, people: Json) -> None:
        """A household has new members: the hold is about ``people`` (those known before, and these) from now on."""
        sealed = self._seal_hold(hold.id, hold.number, people, hold.items)
        with self._database.writing() as connection:
            self._add_people(connection, hold.id, numbers_in(people))
            connection.execute(update(holds).where(holds.c.id == hold.id, holds.c.lifted_at.is_(None)).values(sealed=sealed))

    def end_holds(self) -> int:
        """Destroy what was sealed for holds that have ended; how many. Idempotent."""
        ended = or_(holds.c.lifted_at.is_not(None), holds.c.until <= self._clock.now())
        with self._database.reading() as connection:
            rows = connection.execute(select(holds.c.id, holds.c.number).where(ended, holds.c.sealed.is_not(None))).all()
        if rows:
            self._sealer.destroy(RUN_SPACE, [row.number for row in rows])
            with self._database.writing() as connection:
                for chunk in chunks(row.id for row in rows):
                    connection.execute(update(holds).where(holds.c.id.in_(chunk)).values(sealed=None))
        return len(rows)

    def keep_back(self, request_ids: Iterable[str], hold_ids: Collection[str]) -> None:
        """Say that these requests wait for one of these holds to end."""
        rows = [{"request_id": request, "hold_id": hold} for request in request_ids for hold in hold_ids]
        with self._database.writing() as connection:
            self._database.insert_new(connection, held_back, rows)

    def kept_back(self, request_ids: Iterable[str]) -> set[str]:
        """Those of these requests that wait for a hold to end, and none of theirs has."""
        told: dict[str, bool] = {}
        now = self._clock.now()
        query = select(held_back.c.request_id, holds.c.lifted_at, holds.c.until).join(holds, holds.c.id == held_back.c.hold_id)
        with self._database.reading() as connection:
            for chunk in chunks(request_ids):
                for row in connection.execute(query.where(held_back.c.request_id.in_(chunk))):
                    stands = row.lifted_at is None and (row.until is None or row.until > now)
                    told[row.request_id] = told.get(row.request_id, True) and stands
        return {request for request, waits in told.items() if waits}

    def _standing_hold(self, connection: Connection, hold_id: str) -> Hold:
        row = connection.execute(select(*_COLUMNS).where(holds.c.id == hold_id).with_for_update(of=holds)).first()
        if row is None:
            raise _unknown(hold_id)
        hold = _hold(row)
        if not hold.stands(self._clock.now()):
            msg = "the hold has ended; place another"
            raise InvalidRequest(msg, where=hold_id)
        return hold

    def _insert_hold(self, connection: Connection, hold: Hold, sealed: bytes | None) -> None:
        row = {name: getattr(hold, name) for name in (column.name for column in _COLUMNS)}
        connection.execute(holds.insert().values(**row, sealed=sealed))

    def _add_people(self, connection: Connection, hold_id: str, subjects: Iterable[int]) -> None:
        self._database.insert_new(connection, hold_people, [{"hold_id": hold_id, "subject": one} for one in sorted(set(subjects))])

    def _say(self, connection: Connection, hold_id: str, word: str, by: str, authority: str, until: datetime | None) -> None:
        row = {"hold_id": hold_id, "word": word, "said_by": by, "authority": authority, "until": until, "at": self._clock.now()}
        connection.execute(hold_words.insert().values(**row))

    def _seal_hold(self, id_: str, number: int, people: Json, items: tuple[str, ...]) -> bytes:
        plain = zlib.compress(canonical([people, list(items)]).encode())
        return self._sealer.seal(RUN_SPACE, number, plain, bound_to=_bound(id_))

    def _open_hold(self, row: Row[Any]) -> tuple[Json, tuple[str, ...]]:
        if row.sealed is None:
            return None, ()
        people, items = json.loads(zlib.decompress(self._sealer.unseal(RUN_SPACE, row.number, row.sealed, bound_to=_bound(row.id))))
        return people, tuple(items)


def numbers_in(people: Json) -> set[int]:
    """The registry numbers in what was sealed about people."""
    held = people if isinstance(people, list | tuple) else ()
    return {int(str(one["number"])) for one in held if isinstance(one, Mapping)}


def _hold(row: Row[Any], sealed: tuple[Json, tuple[str, ...]] = (None, ())) -> Hold:
    return Hold(**{column.name: getattr(row, column.name) for column in _COLUMNS}, people=sealed[0], items=sealed[1])


def _unknown(hold_id: str) -> UnknownRequest:
    return UnknownRequest(f"there is no hold {hold_id!r}")


def _text(when: datetime | None) -> Json:
    return None if when is None else when.isoformat()


def _bound(id_: str) -> bytes:
    return f"journal/hold/{id_}".encode()
