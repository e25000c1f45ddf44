"""Reading slowly enough for a place that is in production: a limit in bytes per second, and niceness.

A bucket holds what may be read at once. It fills at the rate; what is read is taken out of it, beyond its bottom if need be, and then
the reader sleeps until it is level again. So any one read passes, however large, and the average holds over every stretch of time that is
longer than the bucket's.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from sys import getsizeof
from typing import TYPE_CHECKING, BinaryIO

from expunge.stores.base import Part, Scan, ScannedRows
from expunge.stores.scan_streams import Buffered, Sparse
from expunge.terms import Value

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BURST = 0.25
"""Seconds' worth of bytes that may be read at once: below what a disk's own queue smooths."""

AHEAD = 1 << 20
"""Bytes asked of a limited stream at once."""

EMPTY = getsizeof("")
"""What Python adds to a text's or number's own bytes, about: the database reads only these."""


class Rate:
    """A limit that all streams and tables which share it keep together, within one process."""

    def __init__(
        self, bytes_per_second: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """``clock`` gives seconds from anywhere; ``sleep`` waits for seconds."""
        if bytes_per_second <= 0:
            msg = "a rate is above zero"
            raise ValueError(msg)
        self._rate = bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._level = self._size = bytes_per_second * BURST
        self._then = clock()

    def spend(self, count: int) -> None:
        """Take ``count`` bytes out, sleeping as long as they cost."""
        now = self._clock()
        self._level = min(self._size, self._level + (now - self._then) * self._rate) - count
        self._then = now
        if self._level < 0:
            self._sleep(-self._level / self._rate)


class LimitedScan:
    """A place that is read within a rate. Implements ``Scan``."""

    def __init__(self, scan: Scan, rate: Rate) -> None:
        """``scan`` is closed with it."""
        self._scan = scan
        self._rate = rate

    def parts(self) -> Iterator[Part]:
        """As the place's own; listing isn't counted."""
        return self._scan.parts()

    def stream(self, part: Part) -> BinaryIO:
        """As the place's own. Holes cost nothing, if they are passed over.

        Raises:
            Conflict, Unavailable, Refused: as the place says.
        """
        return Buffered(_Limited(self._scan.stream(part), self._rate), AHEAD)

    def rows(self, part: Part) -> Iterator[ScannedRows]:
        """As the place's own; a batch counts as its values' approximate size.

        Raises:
            Conflict, Unavailable, Refused: as the place says.
        """
        for batch in self._scan.rows(part):
            self._rate.spend(sum(map(_weight, batch.columns.values())))
            yield batch

    def close(self) -> None:
        """Close the place."""
        self._scan.close()


class _Limited(io.RawIOBase):
    def __init__(self, file: BinaryIO, rate: Rate) -> None:
        self._file = file
        self._rate = rate

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        into = memoryview(buffer).cast("B")
        got = self._file.read(len(into))
        into[: len(got)] = got
        self._rate.spend(len(got))
        return len(got)

    def next_data(self, start: int) -> int:
        return self._file.next_data(start) if isinstance(self._file, Sparse) else start

    def close(self) -> None:
        self._file.close()
        super().close()


def _weight(column: Sequence[Value | None]) -> int:
    return max(len(column), sum(map(getsizeof, column)) - EMPTY * len(column))


def ease(niceness: int = 10) -> int:
    """Make this process yield to others on the machine by so much more (1 to 19); the niceness that it has now."""
    return os.nice(niceness)
