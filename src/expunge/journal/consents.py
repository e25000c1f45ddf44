"""The consent ledger: what was asked, given, taken back and ended, per person, matter and who decides.

Events are only ever added; each row carries where its thread stands after it (``consent_states.py``), so that the present state is the
newest row of every thread. Events are numbered by a counter that is locked while they are written: no event becomes visible after one
with a higher number, and the counter is the ledger's *epoch*. ``admits`` is one query per 5,000 people and says no unless there is a yes.

What a no, a lapse or an end obliges to erase is written in the same transaction, as a *duty*, so that a crash between the no and its
erasure loses nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, update

from expunge.errors import KeyDestroyed, KeySealed
from expunge.journal.backoff import backoff
from expunge.journal.consent_states import Event, State, Thread, follow, is_given
from expunge.journal.database import chunks
from expunge.journal.desk import Desk
from expunge.journal.schema import counters
from expunge.journal.schema_family import consent_ends, consents, duties

_COUNTER = "consent"
_RANDOM = SystemRandom()
_SUBJECT_SPACE = "subject"
_BOUND = b"journal/consent"

FRESH = timedelta(seconds=60)
"""Consents reach every reader within this time; an older answer is refused (DESIGN.md, "Decided once" 10)."""


@dataclass(frozen=True, slots=True)
class Word:
    """One event to record. ``guardian`` is whose word it is (an adult's own number for themself), ``until`` how long a yes holds."""

    subject: int
    matter: str
    guardian: int
    event: Event
    method: str | None = None
    asking: str | None = None
    wording: str | None = None
    wording_digest: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """One event as the ledger holds it. ``at`` and ``until`` are in UTC."""

    number: int
    word: Word
    thread: Thread
    at: datetime
    recorded_by: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who may be dealt with for one matter: ``subjects`` and nobody else, as of ``epoch``; the ledger said so at ``asked_at`` (UTC)."""

    matter: str
    subjects: frozenset[int]
    epoch: int
    asked_at: datetime

    def is_fresh(self, now: datetime, within: timedelta = FRESH) -> bool:
        """Whether the answer may still be relied on; one from the future (the clock was put back) may not."""
        return timedelta(0) <= now - self.asked_at <= within


@dataclass(frozen=True, slots=True, repr=False)
class Duty:
    """What has to be erased because of a no, a lapse or an end. ``subject_text`` is ``KIND:KEY``; ``None`` while nobody can read it."""

    id: int
    subject: int
    why: Event
    matters: tuple[str, ...]
    at: datetime
    subject_text: str | None = None
    outcome: str | None = None
    request_id: str | None = None
    done_at: datetime | None = None

    def __repr__(self) -> str:
        """Nobody's name."""
        return f"Duty({self.id}, {self.why.value!r})"


@dataclass(slots=True)
class _Ledger:
    """The threads that a batch of words is about, as they stand while it is gone through."""

    threads: dict[tuple[int, str], dict[int, Thread]] = field(default_factory=dict)
    sealed: dict[int, bytes] = field(default_factory=dict)

    def take(self, row: Row[Any]) -> None:
        self.threads.setdefault((row.subject, row.matter), {})[row.guardian] = Thread(State(row.state), row.objects)
        if row.sealed is not None:
            self.sealed[row.subject] = row.sealed

    def follow(self, word: Word) -> tuple[Thread, bool]:
        """Where the word's thread stands after it, and whether it obliges to erase."""
        held = self.threads.setdefault((word.subject, word.matter), {})
        before = is_given(held.values())
        held[word.guardian] = follow(held.get(word.guardian, Thread()), word.event)
        lost = before and not is_given(held.values())
        return held[word.guardian], word.event in (Event.WITHDRAWN, Event.LAPSED) or lost


class Consents(Desk):
    """The consents' ledger."""

    def record_consents(self, words: Sequence[Word], *, by: str, names: Mapping[int, str] | None = None) -> int:
        """Record these events, in their order, all or none, durably before returning; the ledger's epoch after it.

        ``by`` is the role of who recorded them. ``names`` gives, per subject number, how the person is written (``KIND:KEY``); it is
        sealed under their key, and known from earlier events where it is left out. Where the key is hidden or gone the person is being
        erased as a whole: the event is recorded without, for a no is never turned away.

        Raises:
            InvalidRequest: an event that can't happen to a thread that stands there; none was recorded.
        """
        boxes = self._boxes({one: text.encode() for one, text in (names or {}).items()})
        if not words:
            return self.consent_epoch()
        now = self._clock.now()
        with self._database.writing() as connection:
            self._database.lock(connection, _COUNTER)
            ledger = _ledger(connection, words)
            ledger.sealed |= boxes
            return self._append(connection, words, ledger, by, now)

    def admits(self, subjects: Collection[int], matter: str, at: datetime | None = None) -> Admitted:
        """Those of ``subjects`` for whom the matter is consented to now; everybody else is refused, whatever the reason.

        ``at`` (aware) asks about an earlier time instead: events since then are passed over.
        """
        now = self._clock.now()
        found: set[int] = set()
        with self._database.reading() as connection:
            epoch: int = connection.execute(select(counters.c.last).where(counters.c.name == _COUNTER)).scalar_one()
            for chunk in chunks(sorted(set(subjects))):
                held: dict[int, list[Thread]] = {}
                for row in connection.execute(_newest((consents.c.subject.in_(chunk)) & (consents.c.matter == matter), at)):
                    held.setdefault(row.subject, []).append(_thread(row, at or now))
                found.update(subject for subject, threads in held.items() if is_given(threads))
        return Admitted(matter, frozenset(found), epoch, now)

    def asked(self, subjects: Collection[int], matter: str) -> dict[int, datetime]:
        """Those whose guardian is being asked about the matter and nobody objects, with when they were asked (UTC)."""
        found: dict[int, datetime] = {}
        with self._database.reading() as connection:
            for chunk in chunks(sorted(set(subjects))):
                rows = connection.execute(_newest(consents.c.subject.in_(chunk) & (consents.c.matter == matter), None)).all()
                against = {row.subject for row in rows if row.objects}
                for row in rows:
                    if row.state in (State.ASKED, State.PENDING) and row.subject not in against:
                        found[row.subject] = max(row.at, found.get(row.subject, row.at))
        return found

    def consent_epoch(self) -> int:
        """The number of the newest event: a reader whose answer has this epoch need not ask again."""
        with self._database.reading() as connection:
            epoch: int = connection.execute(select(counters.c.last).where(counters.c.name == _COUNTER)).scalar_one()
        return epoch

    def consents(self, subjects: Collection[int], *, every: bool = False) -> list[Consent]:
        """The newest event of each of these people's threads (or all that ever happened), in the order in which they happened."""
        found: list[Consent] = []
        with self._database.reading() as connection:
            for chunk in chunks(sorted(set(subjects))):
                of_them = consents.c.subject.in_(chunk)
                query = select(consents).where(of_them) if every else _newest(of_them, None)
                found += [_consent(row) for row in connection.execute(query)]
        return sorted(found, key=lambda one: one.number)

    def expire_consents(self, limit: int = 10_000) -> int:
        """Record the end of yeses that held until now, up to ``limit`` of them; how many."""
        now = self._clock.now()
        with self._database.writing() as connection:
            self._database.lock(connection, _COUNTER)
            over = list(connection.scalars(select(consent_ends.c.number).where(consent_ends.c.until <= now).limit(limit)))
            words: list[Word] = []
            for chunk in chunks(over):
                words += [
                    Word(row.subject, row.matter, row.guardian, Event.EXPIRED)
                    for row in connection.execute(
                        select(consents).where(consents.c.number.in_(chunk), ~_newer()).order_by(consents.c.number)
                    )
                ]
                connection.execute(consent_ends.delete().where(consent_ends.c.number.in_(chunk)))
            if words:
                self._append(connection, words, _ledger(connection, words), "time", now)
        return len(words)

    def open_duties(self, subject: int | None = None, limit: int = 1_000) -> list[Duty]:
        """What has yet to be erased (of one person) because of a no, a lapse or an end, oldest first.

        Who is inside an undo window can't be named and is left out: all of theirs is hidden, and goes or comes back as a whole.
        """
        with self._database.reading() as connection:
            due = duties.c.done_at.is_(None) & (duties.c.due <= self._clock.now())
            due = due if subject is None else due & (duties.c.subject == subject)
            rows = connection.execute(select(duties).where(due).order_by(duties.c.id).limit(limit)).all()
        names, hidden = self._named({row.subject: row.sealed for row in rows if row.sealed is not None})
        return [_duty(row, names) for row in rows if row.subject not in hidden]

    def duties_done(self, done: Mapping[int, tuple[str, str | None]]) -> None:
        """Say what became of duties: by id, the outcome, and the request that erases. Whom each was about is emptied."""
        now = self._clock.now()
        with self._database.writing() as connection:
            for id_, (outcome, request_id) in done.items():
                change = update(duties).where(duties.c.id == id_, duties.c.done_at.is_(None))
                connection.execute(change.values(outcome=outcome, request_id=request_id, done_at=now, sealed=None))

    def duties_failed(self, ids: Collection[int], first: timedelta, longest: timedelta) -> None:
        """Say that these can't be done now: the next try waits, twice as long each time, from ``first`` to ``longest``."""
        now = self._clock.now()
        with self._database.writing() as connection:
            for chunk in chunks(ids):
                for row in connection.execute(select(duties.c.id, duties.c.tries).where(duties.c.id.in_(chunk))).all():
                    due = now + backoff(row.tries + 1, first, longest, _RANDOM)
                    connection.execute(update(duties).where(duties.c.id == row.id).values(tries=row.tries + 1, due=due))

    def duties(self, subject: int) -> list[Duty]:
        """All duties that ever arose for a person, oldest first, without their name."""
        with self._database.reading() as connection:
            rows = connection.execute(select(duties).where(duties.c.subject == subject).order_by(duties.c.id)).all()
        return [_duty(row, {}) for row in rows]

    def _boxes(self, plains: Mapping[int, bytes]) -> dict[int, bytes]:
        """Sealed, set-wise; one at a time only where somebody's key can't be used, and theirs left out."""
        try:
            return self._sealer.seal_each(_SUBJECT_SPACE, plains, bound_to=_BOUND) if plains else {}
        except (KeySealed, KeyDestroyed):
            boxes: dict[int, bytes] = {}
            for number, plain in plains.items():
                with suppress(KeySealed, KeyDestroyed):
                    boxes[number] = self._sealer.seal(_SUBJECT_SPACE, number, plain, bound_to=_BOUND)
            return boxes

    def _named(self, boxes: Mapping[int, bytes]) -> tuple[dict[int, bytes], set[int]]:
        """Opened, set-wise; one at a time only where somebody's key is hidden. Who is hidden is told apart from whose key is gone."""
        names: dict[int, bytes] = {}
        hidden: set[int] = set()
        try:
            return self._sealer.unseal_each(_SUBJECT_SPACE, boxes, bound_to=_BOUND) if boxes else {}, hidden
        except KeySealed:
            for number, box in boxes.items():
                try:
                    names |= self._sealer.unseal_each(_SUBJECT_SPACE, {number: box}, bound_to=_BOUND)
                except KeySealed:
                    hidden.add(number)
        return names, hidden

    def _append(self, connection: Connection, words: Sequence[Word], ledger: _Ledger, by: str, now: datetime) -> int:
        owed: dict[tuple[int, Event], list[str]] = {}
        rows = []
        for word in words:
            thread, obliges = ledger.follow(word)
            if obliges:
                owed.setdefault((word.subject, word.event), []).append(word.matter)
            rows.append({**_columns(word), "state": thread.state, "objects": thread.objects, "recorded_by": by, "at": now})
        numbers = self._database.allocate(connection, _COUNTER, len(rows))
        filled = [{**row, "number": number, "sealed": ledger.sealed.get(row["subject"])} for row, number in zip(rows, numbers, strict=True)]
        connection.execute(consents.insert(), filled)
        ends = [{"number": number, "until": word.until} for number, word in zip(numbers, words, strict=True) if word.until is not None]
        if ends:
            connection.execute(consent_ends.insert(), ends)
        shared = {"at": now, "due": now, "tries": 0}
        due = [
            {**shared, "subject": subject, "why": why, "matters": sorted(set(matters)), "sealed": ledger.sealed.get(subject)}
            for (subject, why), matters in owed.items()
        ]
        if due:
            connection.execute(duties.insert(), due)
        return numbers[-1]


def _ledger(connection: Connection, words: Iterable[Word]) -> _Ledger:
    held = _Ledger()
    for chunk in chunks(sorted({word.subject for word in words})):
        for row in connection.execute(_newest(consents.c.subject.in_(chunk), None)):
            held.take(row)
    return held


def _newer() -> ColumnElement[bool]:
    """That a row's thread has a newer one."""
    later = consents.alias("later")
    same = (later.c.subject == consents.c.subject) & (later.c.matter == consents.c.matter) & (later.c.guardian == consents.c.guardian)
    return select(later.c.number).where(same, later.c.number > consents.c.number).exists()


def _newest(where: ColumnElement[bool], at: datetime | None) -> Select[Any]:
    """The newest row of every thread to which ``where`` applies (as of ``at``)."""
    then = where if at is None else where & (consents.c.at <= at)
    newest = select(func.max(consents.c.number)).where(then).group_by(consents.c.subject, consents.c.matter, consents.c.guardian)
    return select(consents).where(consents.c.number.in_(newest))


def _thread(row: Row[Any], now: datetime) -> Thread:
    """Where the thread stands; a yes whose time is over is none, also before that is recorded."""
    if row.state == State.GIVEN and row.until is not None and row.until <= now:
        return Thread(State.EXPIRED, row.objects)
    return Thread(State(row.state), row.objects)


def _columns(word: Word) -> dict[str, Any]:
    return {
        "subject": word.subject,
        "matter": word.matter,
        "guardian": word.guardian,
        "event": word.event,
        "method": word.method,
        "asking": word.asking,
        "wording": word.wording,
        "wording_digest": word.wording_digest,
        "until": word.until,
    }


def _consent(row: Row[Any]) -> Consent:
    word = Word(row.subject, row.matter, row.guardian, Event(row.event), row.method, row.asking, row.wording, row.wording_digest, row.until)
    return Consent(row.number, word, Thread(State(row.state), row.objects), row.at, row.recorded_by)


def _duty(row: Row[Any], names: Mapping[int, bytes]) -> Duty:
    name = names.get(row.subject)
    text = name.decode() if name is not None and row.sealed is not None else None
    return Duty(row.id, row.subject, Event(row.why), tuple(row.matters), row.at, text, row.outcome, row.request_id, row.done_at)
