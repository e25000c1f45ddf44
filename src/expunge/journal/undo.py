"""Undo windows: a request is hidden first and can be undone; when its window has ended it becomes a request like any other.

``hidden`` -> ``received`` (the window ended: from here nothing brings it back), or ``hidden`` -> ``undoing`` -> ``undone``. Either step is
one conditional write, so that of an undoing and an ending that meet, one happens. The end is a date and keeps it: a clock that is put
back makes a window longer, never shorter. It ends ``SKEW`` after its date, up to which it can be undone, for workers' clocks may differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from expunge.errors import InvalidRequest, TooLate, UnknownRequest
from expunge.journal.database import chunks
from expunge.journal.desk import Desk
from expunge.journal.records import RequestStatus
from expunge.journal.schema import requests
from expunge.journal.schema_holds import window_words, windows
from expunge.journal.steps import SKEW
from expunge.journal.windows import OBJECTS


@dataclass(frozen=True, slots=True)
class Window:
    """A request's window. Times are aware and in UTC; ``words`` are what members said, by registry number."""

    request_id: str
    status: RequestStatus
    opened_at: datetime
    until: datetime
    household: bool
    asked_by: int | None
    hidden_at: datetime | None
    objected_at: datetime | None
    decided_by: str | None
    undone_by: str | None
    log_size: int | None
    undone_at: datetime | None
    words: Mapping[int, str]


class Windows(Desk):
    """The register of what can be undone."""

    def window(self, request_id: str) -> Window:
        """A request's window.

        Raises:
            TooLate: it has none, because it was to be carried out at once.
            UnknownRequest: there is no such request.
        """
        with self._database.reading() as connection:
            return _window(connection, request_id)

    def windows(self, *, status: RequestStatus | None = None, ids: Iterable[str] | None = None) -> list[Window]:
        """The windows of requests of this status, or of these, by their end; requests without one are left out."""
        query = _joined().order_by(windows.c.until, windows.c.request_id)
        query = query if status is None else query.where(requests.c.status == status)
        queries = [query] if ids is None else [query.where(windows.c.request_id.in_(chunk)) for chunk in chunks(ids)]
        with self._database.reading() as connection:
            rows = [row for one in queries for row in connection.execute(one)]
            words = _words(connection, [row.request_id for row in rows])
        return [_made(row, words.get(row.request_id, {})) for row in rows]

    def not_yet_hidden(self, before: datetime) -> list[str]:
        """Requests that were filed before then (aware) and of which nobody has said that they are hidden: their filer has died."""
        where = (requests.c.status == RequestStatus.HIDDEN) & windows.c.hidden_at.is_(None) & (windows.c.opened_at <= before)
        query = select(windows.c.request_id).join(requests, requests.c.id == windows.c.request_id).where(where)
        with self._database.reading() as connection:
            return list(connection.scalars(query.order_by(windows.c.request_id)))

    def hidden(self, request_ids: Iterable[str]) -> set[str]:
        """Say that these are hidden; those that were undone meanwhile, which are to be shown again."""
        undone: set[str] = set()
        with self._database.writing() as connection:
            for chunk in chunks(request_ids):
                mine = windows.c.request_id.in_(chunk)
                connection.execute(update(windows).where(mine, windows.c.hidden_at.is_(None)).values(hidden_at=self._clock.now()))
                undone.update(connection.scalars(select(windows.c.request_id).where(mine, windows.c.undone_by.is_not(None))))
        return undone

    def end_windows(self) -> int:
        """Let go of the requests whose windows have ended and to which nobody objects; how many. They can't be undone any more."""
        over = (windows.c.until <= self._clock.now() - SKEW) & windows.c.hidden_at.is_not(None)
        over &= or_(windows.c.objected_at.is_(None), windows.c.decided_by.is_not(None))
        theirs = select(windows.c.request_id).where(over)
        with self._database.writing() as connection:
            where = (requests.c.status == RequestStatus.HIDDEN) & requests.c.id.in_(theirs)
            return connection.execute(update(requests).where(where).values(status=RequestStatus.RECEIVED)).rowcount

    def say_to_erasure(self, request_id: str, subject: int, word: str, until: datetime | None = None) -> Window:
        """A member's word; ``until`` (aware) is the window's new end if that is earlier. A member who changes their mind says so again.

        Raises:
            TooLate: the window has ended.
            UnknownRequest: no such request or subject.
        """
        now = self._clock.now()
        with self._database.writing() as connection:
            window = self._open(connection, request_id)
            mine = (window_words.c.request_id == request_id) & (window_words.c.subject == subject)
            connection.execute(window_words.delete().where(mine))
            connection.execute(window_words.insert().values(request_id=request_id, subject=subject, word=word, at=now))
            values: dict[str, object] = {"until": until} if until is not None and until < window.until else {}
            objections = [one for one, said in {**window.words, subject: word}.items() if said == OBJECTS]
            values["objected_at"] = (window.objected_at or now) if objections else None
            connection.execute(update(windows).where(windows.c.request_id == request_id).values(**values))
        return self.window(request_id)

    def decide_erasure(self, request_id: str, by: str) -> None:
        """An operator lets an erasure go on that a member objects to.

        Raises:
            TooLate: the window has ended.
            InvalidRequest: nobody objects.
        """
        with self._database.writing() as connection:
            if self._open(connection, request_id).objected_at is None:
                msg = "nobody objects to it"
                raise InvalidRequest(msg, where=request_id)
            connection.execute(update(windows).where(windows.c.request_id == request_id).values(decided_by=by))

    def begin_undo(self, request_id: str, by: str) -> Window:
        """From here the request is not carried out; what was hidden is to be shown, and ``finish_undo`` told. Idempotent.

        Raises:
            TooLate: the window has ended, or there was none.
            UnknownRequest: there is no such request.
        """
        with self._database.writing() as connection:
            window = _window(connection, request_id, locked=True)
            if window.status in (RequestStatus.UNDOING, RequestStatus.UNDONE):
                return window
            self._open(connection, request_id)
            connection.execute(update(windows).where(windows.c.request_id == request_id).values(undone_by=by))
            connection.execute(update(requests).where(requests.c.id == request_id).values(status=RequestStatus.UNDOING))
        return self.window(request_id)

    def undo_log_size(self, request_id: str, size: int) -> int:
        """How long the log was before the undoing was written into it: as first said."""
        with self._database.writing() as connection:
            mine = windows.c.request_id == request_id
            connection.execute(update(windows).where(mine, windows.c.log_size.is_(None)).values(log_size=size))
            first: int = connection.execute(select(windows.c.log_size).where(mine)).scalar_one()
            return first

    def finish_undo(self, request_id: str) -> None:
        """Everything is shown again and said in the log; the caller then gives the request its final status. Idempotent."""
        with self._database.writing() as connection:
            mine = (windows.c.request_id == request_id) & windows.c.undone_at.is_(None)
            connection.execute(update(windows).where(mine).values(undone_at=self._clock.now()))

    def _open(self, connection: Connection, request_id: str) -> Window:
        """The window, if it can still be undone.

        Raises:
            TooLate: it can't.
        """
        window = _window(connection, request_id, locked=True)
        if window.status is not RequestStatus.HIDDEN:
            msg = f"the request is {window.status.value}; it can't be undone any more"
            raise TooLate(msg, where=request_id)
        if self._clock.now() >= window.until and (window.objected_at is None or window.decided_by is not None):
            msg = f"it could be undone until {window.until:%Y-%m-%d %H:%M} UTC"
            raise TooLate(msg, where=request_id)
        return window


def _joined() -> Any:
    return select(windows, requests.c.status).join(requests, requests.c.id == windows.c.request_id)


def _window(connection: Connection, request_id: str, *, locked: bool = False) -> Window:
    query = _joined().where(windows.c.request_id == request_id)
    row = connection.execute(query.with_for_update() if locked else query).first()
    if row is not None:
        return _made(row, _words(connection, [request_id]).get(request_id, {}))
    if connection.execute(select(requests.c.id).where(requests.c.id == request_id)).first() is None:
        msg = f"there is no request {request_id!r}"
        raise UnknownRequest(msg)
    msg = "the request has no time in which it could be undone: it is carried out at once"
    raise TooLate(msg, where=request_id)


def _words(connection: Connection, request_ids: Iterable[str]) -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    for chunk in chunks(request_ids):
        for row in connection.execute(select(window_words).where(window_words.c.request_id.in_(chunk))):
            found.setdefault(row.request_id, {})[row.subject] = row.word
    return found


def _made(row: Row[Any], words: Mapping[int, str]) -> Window:
    named = {column.name: getattr(row, column.name) for column in windows.c}
    return Window(**named, status=RequestStatus(row.status), words=words)
