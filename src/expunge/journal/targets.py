"""Targets: what was located, sealed under the run's key before anything is erased, and read back after a crash.

Pages are written as they are found, in short transactions, under a version of their own; only when all are there does that version become
the target. A worker that dies half-way leaves pages that nobody reads; they go when the target is written again, or with the run.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Iterable, Iterator

from sqlalchemy import bindparam, select

from expunge.errors import Conflict, KeyDestroyed, UnknownRequest
from expunge.journal.desk import RUN_SPACE, Desk
from expunge.journal.records import Lease
from expunge.journal.schema import runs, target_pages, targets
from expunge.journal.steps import hold_fence

_BATCH_BYTES = 1 << 20
"""Sealed bytes per transaction: one commit costs about 2 ms (434 a second), a mebibyte about as much again."""

_FAST = 1
"""zlib's level: addresses are digests or keys that share prefixes; higher levels win a few per cent and cost five times the time."""

# Built once: every step reads its targets.
_OF_TARGET = (targets.c.run_id == bindparam("of_run")) & (targets.c.target == bindparam("of_target"))
_SAME = (target_pages.c.run_id == targets.c.run_id) & (target_pages.c.target == targets.c.target)
_FIRST_PAGE = _SAME & (target_pages.c.version == targets.c.version) & (target_pages.c.page == 0)
_FIRST = (
    select(targets.c.version, targets.c.pages, runs.c.number, target_pages.c.sealed)
    .join(runs, runs.c.id == targets.c.run_id)
    .outerjoin(target_pages, _FIRST_PAGE)
    .where(_OF_TARGET)
)
_PAGE = select(target_pages.c.sealed).where(
    target_pages.c.run_id == bindparam("of_run"),
    target_pages.c.target == bindparam("of_target"),
    target_pages.c.version == bindparam("of_version"),
    target_pages.c.page == bindparam("of_page"),
)


class Targets(Desk):
    """Sealed pages of addresses and selectors."""

    def put_targets(self, lease: Lease, target: str, pages: Iterable[bytes]) -> int:
        """Make ``pages`` the target of that name, in place of what it was; how many there are. The lease is renewed on the way.

        Raises:
            LeaseLost: another worker has the step now; the target is as it was.
        """
        version = secrets.token_hex(8)
        batch: list[dict[str, object]] = []
        size = written = 0
        for page, plain in enumerate(pages):
            sealed = self._seal(lease, plain, _bound(lease.run_id, target, version, page))
            batch.append({"run_id": lease.run_id, "target": target, "version": version, "page": page, "sealed": sealed})
            size += len(sealed)
            written += 1
            if size >= _BATCH_BYTES:
                self._add(lease, batch)
                batch, size = [], 0
        self._add(lease, batch)
        self._switch(lease, target, version, written)
        return written

    def targets(self, run_id: str, target: str) -> Iterator[bytes]:
        """The pages of a target, in order.

        Raises:
            UnknownRequest: the run has no such target: it was never written, or the run is closed.
            Conflict: it was replaced while being read.
            KeyDestroyed: the run is being closed.
        """
        with self._database.reading() as connection:
            first = connection.execute(_FIRST, {"of_run": run_id, "of_target": target}).first()
        if first is None:
            msg = f"the run has no target {target!r}"
            raise UnknownRequest(msg, where=run_id)
        for page in range(first.pages):
            sealed = first.sealed if page == 0 else self._page(run_id, target, first.version, page)
            bound = _bound(run_id, target, first.version, page)
            yield zlib.decompress(self._sealer.unseal(RUN_SPACE, first.number, _there(sealed, run_id, target), bound_to=bound))

    def target_names(self, run_id: str) -> list[str]:
        """The names of the run's targets, sorted."""
        with self._database.reading() as connection:
            return list(connection.scalars(select(targets.c.target).where(targets.c.run_id == run_id).order_by(targets.c.target)))

    def _seal(self, lease: Lease, plain: bytes, bound: bytes) -> bytes:
        try:
            return self._sealer.seal(RUN_SPACE, lease.run_number, zlib.compress(plain, _FAST), bound_to=bound)
        except KeyDestroyed:
            # A run is closed only when all its steps are done, so this worker was overtaken: that is what it has to be told.
            with self._database.writing() as connection:
                hold_fence(connection, lease, self._clock.now())
            raise

    def _add(self, lease: Lease, batch: list[dict[str, object]]) -> None:
        if batch:
            with self._database.writing() as connection:
                hold_fence(connection, lease, self._clock.now())
                connection.execute(target_pages.insert(), batch)

    def _switch(self, lease: Lease, target: str, version: str, pages: int) -> None:
        row = {"run_id": lease.run_id, "target": target, "version": version, "pages": pages}
        named = (target_pages.c.run_id == lease.run_id) & (target_pages.c.target == target)
        upsert = self._database.upsert(targets).values(**row)
        replaced = upsert.on_conflict_do_update(index_elements=["run_id", "target"], set_={"version": version, "pages": pages})
        with self._database.writing() as connection:
            hold_fence(connection, lease, self._clock.now())
            connection.execute(replaced)
            connection.execute(target_pages.delete().where(named, target_pages.c.version != version))

    def _page(self, run_id: str, target: str, version: str, page: int) -> bytes | None:
        named = {"of_run": run_id, "of_target": target, "of_version": version, "of_page": page}
        with self._database.reading() as connection:
            sealed: bytes | None = connection.scalar(_PAGE, named)
        return sealed


def _there(sealed: bytes | None, run_id: str, target: str) -> bytes:
    if sealed is None:
        msg = f"target {target!r} was replaced while it was read"
        raise Conflict(msg, where=run_id)
    return sealed


def _bound(run_id: str, target: str, version: str, page: int) -> bytes:
    return f"journal/target/{run_id}/{target}/{version}/{page}".encode()
