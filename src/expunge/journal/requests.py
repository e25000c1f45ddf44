"""Requests: who asked for what, and where it stands.

Filing is set-wise: 10,000 requests are a handful of statements. A scope's items name records (a record's key may be a person's), so they
are sealed, all of one call under one key (an *intake*), and destroyed when the last of its requests is final.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, exists, or_, select, update

from expunge.errors import UnknownRequest
from expunge.journal.database import chunks
from expunge.journal.desk import RUN_SPACE, Desk
from expunge.journal.filing import Asked, Earlier, sealed_place, sort, with_items, without_items
from expunge.journal.records import FINAL_REQUESTS, OPEN_REQUESTS, Filing, Request, RequestStatus
from expunge.journal.schema import canonical, intakes, requests
from expunge.journal.windows import open_windows
from expunge.terms import Json

_COUNTER = "request"
_BOUND = b"journal/intake"


class Requests(Desk):
    """The requests' register."""

    def file(self, filings: Sequence[Filing]) -> list[Request]:
        """File these, in their order, durably before returning.

        A filing that meets an open request for the same subject, kind and scope, or a known idempotency key, gives that request with
        ``duplicate`` set.

        Raises:
            InvalidRequest: an idempotency key that was used for something else.
            UnknownRequest: a subject that the registry doesn't have.
        """
        asked = [self._asked(filing) for filing in filings]
        intake = self._seal_items(asked)
        with self._database.writing() as connection:
            self._database.lock(connection, _COUNTER)
            answer = sort(asked, _earlier(connection, asked))
            needed = intake is not None and any(one.sealed for one in answer.fresh.values())
            if intake is not None and needed:
                connection.execute(intakes.insert().values(number=intake[0], sealed=intake[1]))
            self._insert(connection, answer.fresh, intake[0] if intake else None)
            open_windows(connection, {id_: one.filing.window for id_, one in answer.fresh.items() if one.filing.window}, self._clock.now())
        if intake is not None and not needed:
            self._sealer.destroy(RUN_SPACE, [intake[0]])
        found = {one.id: one for one in self.requests(ids={id_ for id_, _ in answer.met})}
        return [replace(found[id_], duplicate=duplicate) for id_, duplicate in answer.met]

    def request(self, request_id: str) -> Request:
        """One request.

        Raises:
            UnknownRequest: there is none of that id.
        """
        found = self.requests(ids=[request_id])
        if not found:
            msg = f"there is no request {request_id!r}"
            raise UnknownRequest(msg)
        return found[0]

    def requests(
        self,
        *,
        status: RequestStatus | None = None,
        ids: Iterable[str] | None = None,
        run_id: str | None = None,
        subject: int | None = None,
    ) -> list[Request]:
        """The requests to which all given conditions apply, in the order of filing; ids that don't exist are left out."""
        query = select(requests)
        for column, value in ((requests.c.status, status), (requests.c.run_id, run_id), (requests.c.subject, subject)):
            query = query if value is None else query.where(column == value)
        queries = [query] if ids is None else [query.where(requests.c.id.in_(chunk)) for chunk in chunks(ids)]
        with self._database.reading() as connection:
            rows = [row for one in queries for row in connection.execute(one)]
            sealed = _sealed(connection, {row.intake for row in rows} - {None})
        scopes = self._open_items(sealed)
        return [_request(row, scopes) for row in sorted(rows, key=lambda row: int(row.sequence))]

    def set_request_status(self, ids: Iterable[str], status: RequestStatus) -> None:
        """Say where these requests stand. A final status destroys what was sealed for them.

        Raises:
            UnknownRequest: one of them doesn't exist; none was changed.
        """
        wanted = set(ids)
        with self._database.writing() as connection:
            self._database.lock(connection, _COUNTER)
            changed = 0
            for chunk in chunks(wanted):
                changed += connection.execute(update(requests).where(requests.c.id.in_(chunk)).values(status=status)).rowcount
            if changed != len(wanted):
                msg = f"{len(wanted) - changed} of {len(wanted)} requests are not in the journal"
                raise UnknownRequest(msg)
            orphans = _release(connection) if status in FINAL_REQUESTS else []
        self._destroy_intakes(orphans)

    def _asked(self, filing: Filing) -> Asked:
        key = None if filing.key is None else self._digest("request-key", filing.key)
        return Asked(filing, self._digest("scope", canonical(filing.scope)), key)

    def _seal_items(self, asked: Sequence[Asked]) -> tuple[int, bytes] | None:
        """Seal all items of these filings under one new key, before the database is locked."""
        named = {one.place: one.sealed for one in asked if one.sealed}
        if not named:
            return None
        with self._database.writing() as connection:
            number = self._database.allocate(connection, RUN_SPACE, 1)[0]
        self._sealer.make(RUN_SPACE, [number])
        return number, self._sealer.seal(RUN_SPACE, number, zlib.compress(canonical(named).encode()), bound_to=_BOUND)

    def _open_items(self, sealed: Mapping[int, bytes]) -> dict[int, Mapping[str, Json]]:
        opened = self._sealer.unseal_each(RUN_SPACE, sealed, bound_to=_BOUND) if sealed else {}
        return {number: json.loads(zlib.decompress(plain)) for number, plain in opened.items()}

    def _insert(self, connection: Connection, fresh: Mapping[str, Asked], intake: int | None) -> None:
        if not fresh:
            return
        sequence = self._database.allocate(connection, _COUNTER, len(fresh))
        shared = {"scope_destroyed": False, "filed_at": self._clock.now()}
        rows = [
            {**shared, **_row(id_, one), "sequence": place, "intake": intake if one.sealed else None}
            for (id_, one), place in zip(fresh.items(), sequence, strict=True)
        ]
        connection.execute(requests.insert(), rows)

    def _destroy_intakes(self, numbers: Sequence[int]) -> None:
        """Destroy the keys first: were we stopped between the two, the next release finds these intakes again."""
        if not numbers:
            return
        self._sealer.destroy(RUN_SPACE, numbers)
        with self._database.writing() as connection:
            for chunk in chunks(numbers):
                connection.execute(update(requests).where(requests.c.intake.in_(chunk)).values(intake=None))
                connection.execute(intakes.delete().where(intakes.c.number.in_(chunk)))


def _earlier(connection: Connection, asked: Sequence[Asked]) -> Earlier:
    """Open requests of the same people, and requests with one of the same idempotency keys."""
    columns = (requests.c.id, requests.c.subject, requests.c.kind, requests.c.scope_digest, requests.c.key_digest)
    same: dict[tuple[int, str, bytes], str] = {}
    for chunk in chunks({one.filing.subject for one in asked}):
        where = requests.c.subject.in_(chunk) & requests.c.status.in_(OPEN_REQUESTS)
        for row in connection.execute(select(*columns).where(where).order_by(requests.c.sequence)):
            same.setdefault((row.subject, row.kind, row.scope_digest), row.id)
    keys = {
        row.key_digest: (row.id, (row.subject, row.kind, row.scope_digest))
        for chunk in chunks({one.key for one in asked if one.key is not None})
        for row in connection.execute(select(*columns).where(requests.c.key_digest.in_(chunk)))
    }
    return Earlier(same, keys)


def _sealed(connection: Connection, numbers: Iterable[int]) -> dict[int, bytes]:
    """The intakes' blobs; each once, for one may serve thousands of requests."""
    return {
        row.number: row.sealed
        for chunk in chunks(numbers)
        for row in connection.execute(select(intakes).where(intakes.c.number.in_(chunk)))
    }


def _release(connection: Connection) -> list[int]:
    """Let go of what final requests had sealed; the intakes that nobody needs any more."""
    holding = requests.c.sealed_ref.is_not(None) | (requests.c.intake.is_not(None) & requests.c.scope_destroyed.is_(False))
    destroyed = or_(requests.c.scope_destroyed, requests.c.intake.is_not(None))
    final = requests.c.status.in_(FINAL_REQUESTS) & holding
    connection.execute(update(requests).where(final).values(sealed_ref=None, scope_destroyed=destroyed))
    needed = exists().where(requests.c.intake == intakes.c.number, requests.c.scope_destroyed.is_(False))
    return list(connection.scalars(select(intakes.c.number).where(~needed)))


def _row(id_: str, one: Asked) -> dict[str, object]:
    filing = one.filing
    return {
        "id": id_,
        "kind": filing.kind,
        "subject": filing.subject,
        "subject_kind": filing.subject_kind,
        "scope": without_items(filing.scope),
        "scope_digest": one.scope,
        "requester": filing.requester,
        "authority": filing.authority,
        "sealed_ref": filing.sealed_ref,
        "key_digest": one.key,
        "status": RequestStatus.HIDDEN if filing.window else RequestStatus.RECEIVED,
    }


def _request(row: Row[Any], scopes: Mapping[int, Mapping[str, Json]]) -> Request:
    opened = not row.scope_destroyed and row.intake in scopes
    held = scopes[row.intake][sealed_place(row.subject, row.scope_digest)] if opened else None
    named, attached = held if isinstance(held, list) else (None, None)
    return Request(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        subject_kind=row.subject_kind,
        scope=with_items(row.scope, named) if named else row.scope,
        requester=row.requester,
        authority=row.authority,
        sealed_ref=row.sealed_ref,
        status=RequestStatus(row.status),
        run_id=row.run_id,
        filed_at=row.filed_at,
        scope_destroyed=row.scope_destroyed or (row.intake is not None and not opened),
        attached=attached,
    )
