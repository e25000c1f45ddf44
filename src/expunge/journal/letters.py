"""Letters to people: durable from the moment they are posted, handed to one worker at a time, and forgotten when they have gone.

To whom a letter goes and what it says lies sealed under the person's key: erase the person, and no letter waits for them. What is sealed
is emptied when the letter was handed over, was refused for good, or was given up. What stays says that there was a letter, of which kind,
and what became of it.

A letter is handed over at least once, and twice only where a worker dies between the mail server's yes and the row that says so; both
copies then bear the same ``Message-ID`` (the letter's id). SMTP has no better promise to give.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, func, or_, select, update

from expunge.errors import KeySealed, UnknownRequest
from expunge.journal.database import chunks
from expunge.journal.desk import Desk, fresh_id
from expunge.journal.schema_letters import campaigns
from expunge.journal.schema_letters import letters as posted
from expunge.journal.steps import SKEW
from expunge.ports import Letter
from expunge.terms import Identifier

SUBJECT_SPACE = "subject"
"""The sealer's space for what lives as long as the person's data."""

_BOUND = b"journal/letter"
_NO_KEY = "key-destroyed"


class LetterState(StrEnum):
    """Where a letter is. ``SENT``: a mail server took it; ``DELIVERED``: it said that it arrived, or there is nothing between us."""

    QUEUED = "queued"
    SENDING = "sending"
    RETRY = "retry"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    GIVEN_UP = "given up"


WAITING = (LetterState.QUEUED, LetterState.RETRY)
UNDELIVERED = (LetterState.BOUNCED, LetterState.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class LetterNote:
    """What may be said of a letter: nothing of its address, nor of its text. Times are in UTC; ``fault`` is a code, never a text."""

    id: str
    about: int
    channel: str
    template: str
    campaign: str | None
    state: LetterState
    attempts: int
    posted_at: datetime
    due: datetime
    fault: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, repr=False)
class Outgoing:
    """A letter in the hand of the worker that sends it. ``attempt`` counts from 1; ``first_at`` (UTC) is when the first was made."""

    id: str
    channel: str
    template: str
    to: Identifier
    fields: Mapping[str, str]
    attempt: int
    first_at: datetime

    def __repr__(self) -> str:
        """Id and attempt only."""
        return f"Outgoing({self.id!r}, {self.attempt})"


@dataclass(frozen=True, slots=True)
class Campaign:
    """One message to every member of a class, once. ``members`` and ``unreached`` are known when the list was gone through."""

    name: str
    template: str
    audience: str
    begun_at: datetime
    listed_at: datetime | None
    members: int | None
    unreached: int | None


class Letters(Desk):
    """The outbox. Implements ``ports.Outbox``."""

    def post(self, letters: Sequence[Letter], not_before: datetime | None = None, *, campaign: str | None = None) -> list[str]:
        """Take these letters, set-wise; their ids, in order. A key that was posted before gives the letter of then, unchanged.

        ``not_before`` (aware, UTC) is the earliest time of sending.

        Raises:
            KeyDestroyed: a person's key is gone, and nothing is written to, or kept about, them any more; no letter was taken.
            KeySealed: a person is in their undo window; no letter was taken.
        """
        digests = [self._digest("letter", one.key) for one in letters]
        held = self._letter_ids(digests)
        fresh = {digest: one for digest, one in reversed(list(zip(digests, letters, strict=True))) if digest not in held}
        if fresh:
            rows = self._letter_rows(fresh, not_before or self._clock.now(), campaign)
            with self._database.writing() as connection:
                for chunk in chunks(rows):
                    self._database.insert_new(connection, posted, chunk)
            held |= self._letter_ids(list(fresh))  # of two that post one key at once, the first counts
        return [held[digest] for digest in digests]

    def take_letters(self, limit: int, lease: timedelta) -> list[Outgoing]:
        """Up to ``limit`` letters that are due, the caller's own for ``lease``; each is to be settled with ``settle_letter``.

        Letters of people whose key is gone are given up here; those of people in their undo window wait.
        """
        now = self._clock.now()
        with self._database.writing() as connection:
            query = select(posted).where(_is_due(now)).order_by(posted.c.due, posted.c.id).limit(limit)
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            if rows:
                mine = {"state": LetterState.SENDING.value, "since": now, "until": now + lease, "attempts": posted.c.attempts + 1}
                chosen = posted.c.id.in_([row.id for row in rows])
                connection.execute(update(posted).where(chosen).values(**mine, first_at=func.coalesce(posted.c.first_at, _instant(now))))
        return self._opened_letters(rows, now)

    def settle_letter(self, letter: Outgoing, state: LetterState, *, fault: str | None = None, again: datetime | None = None) -> bool:
        """Say what became of a letter that was taken; with ``again`` (UTC) it is tried then. Whether it was still the caller's."""
        return self._settle_letter(letter.id, letter.attempt, state, fault, again)

    def letter_bounced(self, letter_id: str, fault: str) -> bool:
        """Say that a letter came back after it was taken; whether that changed anything.

        Raises:
            UnknownRequest: there is no such letter.
        """
        return self._report_letter(letter_id, LetterState.BOUNCED, (LetterState.SENT, LetterState.DELIVERED), fault)

    def letter_arrived(self, letter_id: str) -> bool:
        """Say that the recipient's server reported a letter's arrival; whether that changed anything.

        Raises:
            UnknownRequest: there is no such letter.
        """
        return self._report_letter(letter_id, LetterState.DELIVERED, (LetterState.SENT,), None)

    def letter(self, letter_id: str) -> LetterNote:
        """One letter.

        Raises:
            UnknownRequest: there is none of that id.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(posted).where(posted.c.id == letter_id)).first()
        if row is None:
            msg = f"there is no letter {letter_id!r}"
            raise UnknownRequest(msg)
        return _note(row)

    def letters_by_key(self, keys: Sequence[str]) -> dict[str, LetterNote]:
        """What became of the letters that were posted with these keys; keys that nobody posted are absent."""
        wanted = {self._digest("letter", key): key for key in keys}
        found: dict[str, LetterNote] = {}
        with self._database.reading() as connection:
            for chunk in chunks(wanted):
                for row in connection.execute(select(posted).where(posted.c.key_digest.in_(chunk))):
                    found[wanted[row.key_digest]] = _note(row)
        return found

    def letters(self, *, campaign: str | None = None, state: LetterState | None = None, limit: int = 1000) -> list[LetterNote]:
        """The latest letters (of a campaign, in a state), the newest first."""
        query = select(posted).order_by(posted.c.posted_at.desc(), posted.c.id).limit(limit)
        query = query if campaign is None else query.where(posted.c.campaign == campaign)
        query = query if state is None else query.where(posted.c.state == state.value)
        with self._database.reading() as connection:
            return [_note(row) for row in connection.execute(query)]

    def letter_counts(self, *, campaign: str | None = None) -> dict[LetterState, int]:
        """How many letters (of a campaign) are in which state."""
        query = select(posted.c.state, func.count()).group_by(posted.c.state)
        query = query if campaign is None else query.where(posted.c.campaign == campaign)
        with self._database.reading() as connection:
            return {LetterState(state): count for state, count in connection.execute(query)}

    def oldest_waiting_letter(self) -> datetime | None:
        """When the letter that has been due for longest was due (UTC); ``None`` if nothing waits."""
        waiting = posted.c.state.in_([one.value for one in (*WAITING, LetterState.SENDING)])
        with self._database.reading() as connection:
            found: datetime | None = connection.execute(select(func.min(posted.c.due)).where(waiting)).scalar_one()
        return found

    def begin_campaign(self, name: str, template: str, audience: str) -> Campaign:
        """Begin a campaign, or go on with the one of that name; the caller compares template and audience."""
        row = {"name": name, "template": template, "audience": audience, "begun_at": self._clock.now()}
        with self._database.writing() as connection:
            self._database.insert_new(connection, campaigns, [row])
        return next(one for one in self.campaigns() if one.name == name)

    def campaign_listed(self, name: str, members: int, unreached: int) -> None:
        """Say that the class was gone through to its end: so many members were written to, so many have no address."""
        with self._database.writing() as connection:
            change = update(campaigns).where((campaigns.c.name == name) & campaigns.c.listed_at.is_(None))
            connection.execute(change.values(listed_at=self._clock.now(), members=members, unreached=unreached))

    def campaigns(self) -> list[Campaign]:
        """All campaigns, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(campaigns).order_by(campaigns.c.begun_at, campaigns.c.name)).all()
        return [Campaign(row.name, row.template, row.audience, row.begun_at, row.listed_at, row.members, row.unreached) for row in rows]

    def _letter_ids(self, digests: Sequence[bytes]) -> dict[bytes, str]:
        found: dict[bytes, str] = {}
        with self._database.reading() as connection:
            for chunk in chunks(digests):
                query = select(posted.c.key_digest, posted.c.id).where(posted.c.key_digest.in_(chunk))
                found |= {row.key_digest: row.id for row in connection.execute(query)}
        return found

    def _letter_rows(self, fresh: Mapping[bytes, Letter], due: datetime, campaign: str | None) -> list[dict[str, object]]:
        now = self._clock.now()
        ids = {digest: fresh_id("let") for digest in fresh}
        self._sealer.make(SUBJECT_SPACE, sorted({one.about for one in fresh.values()}))
        boxes: dict[bytes, bytes] = {}
        for round_ in _rounds([(digest, one.about) for digest, one in fresh.items()]):
            plain = {number: _plain(ids[digest], fresh[digest]) for number, digest in round_.items()}
            sealed = self._sealer.seal_each(SUBJECT_SPACE, plain, bound_to=_BOUND)
            boxes |= {round_[number]: box for number, box in sealed.items()}
        state = {"state": LetterState.QUEUED.value, "attempts": 0, "posted_at": now, "due": due, "campaign": campaign}
        return [
            {
                **state,
                "id": ids[digest],
                "key_digest": digest,
                "subject": one.about,
                "channel": one.channel,
                "template": one.template,
                "sealed": boxes[digest],
            }
            for digest, one in fresh.items()
        ]

    def _opened_letters(self, rows: Sequence[Row[Any]], now: datetime) -> list[Outgoing]:
        """In the rows' order; what can't be opened is settled here."""
        opened: dict[str, Outgoing] = {}
        hidden: set[str] = set()
        by_id = {row.id: row for row in rows}
        for round_ in _rounds([(row.id, row.subject) for row in rows]):
            plain, closed = self._unseal_letters({number: by_id[one].sealed for number, one in round_.items()})
            hidden |= {round_[number] for number in closed}
            for number, raw in plain.items():
                row = by_id[round_[number]]
                held = json.loads(raw)
                if held["id"] == row.id:
                    to = Identifier(held["type"], held["to"])
                    opened[row.id] = Outgoing(row.id, row.channel, row.template, to, held["fields"], row.attempts + 1, row.first_at or now)
        for row in rows:
            if row.id in hidden:
                self._settle_letter(row.id, row.attempts + 1, LetterState.RETRY, "key-sealed", now + timedelta(hours=1))
            elif row.id not in opened:
                self._settle_letter(row.id, row.attempts + 1, LetterState.GIVEN_UP, _NO_KEY, None)
        return [opened[row.id] for row in rows if row.id in opened]

    def _unseal_letters(self, boxes: Mapping[int, bytes]) -> tuple[dict[int, bytes], set[int]]:
        """What opens, and the numbers of those in their undo window: one of them spoils the set, so then each is asked by itself."""
        try:
            return self._sealer.unseal_each(SUBJECT_SPACE, boxes, bound_to=_BOUND), set()
        except KeySealed:
            plain: dict[int, bytes] = {}
            hidden: set[int] = set()
            for number, box in boxes.items():
                try:
                    plain |= self._sealer.unseal_each(SUBJECT_SPACE, {number: box}, bound_to=_BOUND)
                except KeySealed:
                    hidden.add(number)
            return plain, hidden

    def _settle_letter(self, letter_id: str, attempt: int, state: LetterState, fault: str | None, again: datetime | None) -> bool:
        now = self._clock.now()
        values: dict[str, object] = {"state": state.value, "fault": fault, "until": None, "since": None}
        values |= {"ended_at": now, "sealed": None} if again is None else {"due": again}
        mine = and_(posted.c.id == letter_id, posted.c.attempts == attempt, posted.c.state == LetterState.SENDING.value)
        with self._database.writing() as connection:
            return connection.execute(update(posted).where(mine).values(**values)).rowcount == 1

    def _report_letter(self, letter_id: str, state: LetterState, before: Iterable[LetterState], fault: str | None) -> bool:
        self.letter(letter_id)
        where = and_(posted.c.id == letter_id, posted.c.state.in_([one.value for one in before]))
        with self._database.writing() as connection:
            values = {"state": state.value, "fault": fault, "ended_at": self._clock.now()}
            return connection.execute(update(posted).where(where).values(**values)).rowcount == 1


def _is_due(now: datetime) -> ColumnElement[bool]:
    abandoned = or_(posted.c.until <= now, posted.c.since > now + SKEW)
    return or_(
        and_(posted.c.state.in_([one.value for one in WAITING]), posted.c.due <= now),
        and_(posted.c.state == LetterState.SENDING.value, abandoned),
    )


def _instant(moment: datetime) -> ColumnElement[datetime]:
    return bindparam("moment", moment, type_=posted.c.first_at.type)


def _rounds(pairs: Sequence[tuple[Any, int]]) -> list[dict[int, Any]]:
    """(name, number) pairs as dictionaries by number: the sealer takes one secret per number, and a person may have several letters."""
    rounds: list[dict[int, Any]] = []
    count: dict[int, int] = {}
    for name, number in pairs:
        place = count.get(number, 0)
        count[number] = place + 1
        if place == len(rounds):
            rounds.append({})
        rounds[place][number] = name
    return rounds


def _plain(letter_id: str, letter: Letter) -> bytes:
    held = {"id": letter_id, "type": letter.to.type, "to": letter.to.value, "fields": dict(letter.fields)}
    return json.dumps(held).encode()


def _note(row: Row[Any]) -> LetterNote:
    return LetterNote(
        id=row.id,
        about=row.subject,
        channel=row.channel,
        template=row.template,
        campaign=row.campaign,
        state=LetterState(row.state),
        attempts=row.attempts,
        posted_at=row.posted_at,
        due=row.due,
        fault=row.fault,
        ended_at=row.ended_at,
    )
