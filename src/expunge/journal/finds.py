"""Finds: places in which a hunt recognised a run's people, until somebody has dealt with each.

Where it was found, and in which records, may quote identifiers: that is sealed under the run's key and goes with it. What stays is that
something was found in a source, how much, and what became of it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, select, update

from expunge.errors import InvalidRequest, KeyDestroyed, UnknownRequest
from expunge.journal.desk import RUN_SPACE, Desk, fresh_id
from expunge.journal.records import Find, FindStatus, Lease
from expunge.journal.schema import finds, runs
from expunge.journal.steps import hold_fence
from expunge.ports import Found

_FAST = 1
"""zlib's level: row keys are short and alike; higher levels win little."""


class Finds(Desk):
    """The finds' register."""

    def keep_finds(self, lease: Lease, seen: Sequence[Found]) -> list[Find]:
        """Make ``seen`` what the run's last hunt saw; all finds of the run, as they now stand.

        A find that was dismissed stays so. One that is no longer seen is *gone*; one that is seen again after it was gone, is open again.

        Raises:
            LeaseLost: another worker has the step now.
        """
        now = self._clock.now()
        sealed = {self._digest("place", one.place): (one, self._sealed_find(lease, one)) for one in seen}
        with self._database.writing() as connection:
            hold_fence(connection, lease, now)
            known = {row.place_digest: row for row in connection.execute(select(finds).where(finds.c.run_id == lease.run_id))}
            for digest, (one, box) in sealed.items():
                self._keep(connection, lease.run_id, digest, one, box, known.get(digest))
            for digest, row in known.items():
                if digest not in sealed and row.status in (FindStatus.OPEN, FindStatus.ADOPTED):
                    _change(connection, row.id, status=FindStatus.GONE)
        return self.finds(lease.run_id)

    def finds(self, run_id: str | None = None) -> list[Find]:
        """The finds (of one run), the oldest first; without their place where the run's key is gone."""
        query = select(finds, runs.c.number).join(runs, runs.c.id == finds.c.run_id).order_by(finds.c.found_at, finds.c.id)
        query = query if run_id is None else query.where(finds.c.run_id == run_id)
        with self._database.reading() as connection:
            return [self._find(row) for row in connection.execute(query)]

    def find(self, find_id: str) -> Find:
        """One find.

        Raises:
            UnknownRequest: there is none of that id.
        """
        query = select(finds, runs.c.number).join(runs, runs.c.id == finds.c.run_id).where(finds.c.id == find_id)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            msg = f"there is no find {find_id!r}"
            raise UnknownRequest(msg)
        return self._find(row)

    def decide_find(self, find_id: str, status: FindStatus, *, because: str, by: str) -> Find:
        """Say what becomes of an open find: *adopted* or *dismissed*, why, and who says so (a role).

        Raises:
            UnknownRequest: there is none of that id.
            InvalidRequest: it was dealt with before.
        """
        with self._database.writing() as connection:
            where = (finds.c.id == find_id) & finds.c.status.in_((FindStatus.OPEN, status))
            change = update(finds).where(where).values(status=status, because=because, decided_by=by, decided_at=self._clock.now())
            changed = connection.execute(change).rowcount
        found = self.find(find_id)
        if not changed:
            msg = f"the find is {found.status.value} already"
            raise InvalidRequest(msg, where=find_id)
        return found

    def _keep(self, connection: Connection, run_id: str, digest: bytes, one: Found, box: bytes, known: Row[Any] | None) -> None:
        told = {
            "source": one.source,
            "address": one.address,
            "certain": one.certain,
            "kinds": list(one.kinds),
            "count": one.count,
            "subjects": one.subjects,
            "sealed": box,
        }
        if known is None:
            row = {
                "id": fresh_id("fnd"),
                "run_id": run_id,
                "place_digest": digest,
                "status": FindStatus.OPEN,
                "found_at": self._clock.now(),
            }
            connection.execute(finds.insert().values(**row, **told))
        else:
            status = FindStatus.OPEN if known.status == FindStatus.GONE else known.status
            _change(connection, known.id, **told, status=status)

    def _sealed_find(self, lease: Lease, one: Found) -> bytes:
        plain = json.dumps({"place": one.place, "rows": list(one.rows), "detail": one.detail}, separators=(",", ":")).encode()
        bound = _bound(lease.run_id, self._digest("place", one.place))
        return self._sealer.seal(RUN_SPACE, lease.run_number, zlib.compress(plain, _FAST), bound_to=bound)

    def _find(self, row: Row[Any]) -> Find:
        bare = Find(
            id=row.id,
            run_id=row.run_id,
            control=f"hunt:{row.place_digest.hex()}",
            source=row.source,
            address=row.address,
            certain=row.certain,
            kinds=tuple(row.kinds),
            count=row._mapping["count"],  # noqa: SLF001 -- its documented name; a row is a tuple, which has a count of its own
            subjects=row.subjects,
            status=FindStatus(row.status),
            found_at=row.found_at,
            because=row.because,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
        )
        if row.sealed is None:
            return bare
        try:
            plain = self._sealer.unseal(RUN_SPACE, row.number, row.sealed, bound_to=_bound(row.run_id, row.place_digest))
        except KeyDestroyed:
            return bare
        held = json.loads(zlib.decompress(plain))
        return replace(bare, place=held["place"], rows=tuple(held["rows"]), detail=held["detail"])


def _change(connection: Connection, find_id: str, **values: object) -> None:
    connection.execute(update(finds).where(finds.c.id == find_id).values(**values))


def _bound(run_id: str, digest: bytes) -> bytes:
    return b"journal/find/" + run_id.encode() + b"/" + digest
