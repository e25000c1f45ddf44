"""Children's profiles that nobody uses: where each stands, by registry number; the child's key is sealed beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from expunge.errors import KeySealed
from expunge.journal.database import chunks
from expunge.journal.desk import Desk
from expunge.journal.schema_idle import idles

_BOUND = b"journal/idle"
_SPACE = "subject"

PAGE = 10_000
"""Profiles that are looked at together: some hundred kB of keys, and few enough statements for a backlog of millions."""


@dataclass(frozen=True, slots=True, repr=False)
class IdleRow:
    """A profile as the journal has it; ``key``: the child's own key as text, ``None`` if what seals it is gone or hidden."""

    number: int
    kind: str
    key: str | None
    state: str
    found_at: datetime
    since: datetime
    told_at: datetime | None = None
    kept_until: datetime | None = None

    def __repr__(self) -> str:
        """Number and state only."""
        return f"IdleRow({self.number}, {self.state!r})"


class Idles(Desk):
    """The register of unused profiles."""

    def put_idle(self, rows: Sequence[IdleRow]) -> None:
        """Write these as they are now, in place of what was there. Their keys must be given, and their subjects' keys exist. Set-wise."""
        sealed = self._sealer.seal_each(_SPACE, {one.number: str(one.key).encode() for one in rows}, bound_to=_BOUND)
        now = self._clock.now()
        written = [
            {
                "subject": one.number,
                "kind": one.kind,
                "sealed": sealed[one.number],
                "state": one.state,
                "found_at": one.found_at,
                "since": one.since,
                "told_at": one.told_at,
                "kept_until": one.kept_until,
                "changed_at": now,
            }
            for one in rows
        ]
        insert = self._database.upsert(idles)
        changed = {name: insert.excluded[name] for name in ("state", "sealed", "found_at", "since", "told_at", "kept_until", "changed_at")}
        with self._database.writing() as connection:
            for chunk in chunks(written):
                connection.execute(insert.on_conflict_do_update(index_elements=[idles.c.subject], set_=changed), chunk)

    def set_idle(self, rows: Sequence[IdleRow]) -> None:
        """Write states and times of rows that are there; their keys stay as they are. Set-wise."""
        now = self._clock.now()
        changed = [
            {"one": one.number, "state": one.state, "told_at": one.told_at, "kept_until": one.kept_until, "changed_at": now} for one in rows
        ]
        names = ("state", "told_at", "kept_until", "changed_at")
        query = update(idles).where(idles.c.subject == bindparam("one")).values({name: bindparam(name) for name in names})
        with self._database.writing() as connection:
            for chunk in chunks(changed):
                connection.execute(query, chunk)

    def idle(self, states: Collection[str]) -> Iterator[list[IdleRow]]:
        """All profiles in one of these states, in pages by number; what changes state meanwhile is met at most once."""
        last = 0
        while True:
            query = select(idles).where(idles.c.state.in_(list(states)), idles.c.subject > last).order_by(idles.c.subject).limit(PAGE)
            with self._database.reading() as connection:
                rows = list(connection.execute(query))
            if not rows:
                return
            last = int(rows[-1].subject)
            yield self._idle_rows(rows)

    def idle_of(self, numbers: Collection[int]) -> dict[int, IdleRow]:
        """The rows of these people, as far as there are any."""
        found: list[Row[Any]] = []
        with self._database.reading() as connection:
            for chunk in chunks(numbers):
                found += connection.execute(select(idles).where(idles.c.subject.in_(chunk)))
        return {one.number: one for one in self._idle_rows(found)}

    def _idle_rows(self, rows: Sequence[Row[Any]]) -> list[IdleRow]:
        keys = self._idle_keys({row.subject: row.sealed for row in rows})
        return [
            IdleRow(
                row.subject,
                row.kind,
                keys[row.subject].decode() if row.subject in keys else None,
                row.state,
                row.found_at,
                row.since,
                row.told_at,
                row.kept_until,
            )
            for row in rows
        ]

    def _idle_keys(self, sealed: Mapping[int, bytes]) -> dict[int, bytes]:
        """What can be unsealed. Keys inside their undo window are told apart by halves: there are few among many, or few at all."""
        try:
            return self._sealer.unseal_each(_SPACE, sealed, bound_to=_BOUND)
        except KeySealed:
            if len(sealed) == 1:
                return {}
        numbers = list(sealed)
        half = len(numbers) // 2
        parts = (numbers[:half], numbers[half:])
        return {number: plain for part in parts for number, plain in self._idle_keys({one: sealed[one] for one in part}).items()}
