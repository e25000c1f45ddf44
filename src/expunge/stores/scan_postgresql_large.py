"""A large object of PostgreSQL as a stream."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import sqlalchemy as sa

from expunge.stores.scan_streams import Positioned

PIECE = 1 << 20
"""Bytes of a large object per round trip; the server keeps them in pieces of 2 KiB."""

SIZE = sa.text("SELECT lo_lseek64(lo_open(:object, 262144), 0, 2)")  # opened for reading, sought to its end
READ = sa.text("SELECT lo_get(:object, :start, :length)")


class LargeObject(Positioned):
    """One large object, in a transaction that ends with ``close``, so that it is read from one snapshot."""

    def __init__(self, number: int, session: sa.Connection, faults: Callable[[], AbstractContextManager[None]]) -> None:
        """``session`` is closed with the stream; ``faults`` translates what the driver raises.

        Raises:
            Conflict: there is no such object.
            Unavailable, Refused: as the database says.
        """
        self._number = number
        self._session = session
        self._faults = faults
        try:
            with faults():
                super().__init__(int(session.execute(SIZE, {"object": number}).scalar_one()))
        except BaseException:
            session.close()
            raise

    def _get(self, start: int, into: memoryview) -> int:
        with self._faults():
            asked = {"object": self._number, "start": start, "length": min(len(into), PIECE)}
            got = bytes(self._session.execute(READ, asked).scalar_one())
        into[: len(got)] = got
        return len(got)

    def close(self) -> None:
        """End the transaction."""
        if not self.closed:
            self._session.close()
        super().close()
