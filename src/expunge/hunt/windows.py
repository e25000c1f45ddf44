"""A stream read once for two: its bytes go to the matchers as windows, and to a reader as a file, without being read or held twice."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from expunge.hunt.pieces import OVERLAP, WINDOW, Why
from expunge.hunt.spool import Exceeded, Meter, Slice, Spool, Stream, fill, take

Bytes: TypeAlias = npt.NDArray[np.uint8]

HELD = 8
"""Windows that wait in memory while a reader reads on without giving anything; more wait in a spool."""


_FREE: list[Bytes] = []
"""Buffers of windows that nobody looks at any more. Memory that the system gives anew it fills with zeros, page by page: that took as long
as decompressing zstd into it."""

_KEPT = 4
"""How many of these are kept: a window that is looked at, the next one, and two for streams inside."""


def _lent(size: int) -> memoryview:
    """A buffer for a window, which comes back to ``_FREE`` when the last view of it is gone."""
    if size < WINDOW:
        return np.empty(size, dtype=np.uint8).data  # not filled with zeros first, as a bytearray is
    try:
        whole = _FREE.pop()
    except IndexError:
        whole = np.empty(WINDOW + OVERLAP, dtype=np.uint8)
    lent = whole[:size]
    weakref.finalize(lent, _give_back, whole).atexit = False
    return lent.data


def _give_back(whole: Bytes) -> None:
    if len(_FREE) < _KEPT:
        _FREE.append(whole)


class Window(NamedTuple):
    """New bytes of a stream after ``overlap`` old ones; ``offset`` is where ``data`` begins, ``last`` that nothing follows."""

    offset: int
    data: memoryview
    overlap: int
    last: bool


class Tap(Stream):
    """A stream as a file that can be read once, from whose buffers the windows are made."""

    def __init__(self, file: BinaryIO, meter: Meter, spend: Callable[[int], None], size: int = WINDOW) -> None:
        """``spend`` is told of every byte once; ``size`` is that of the windows, smaller only where the whole stream is known to be."""
        super().__init__()
        self._file = file
        self._spend = spend
        self._size = min(max(size, 1), WINDOW)
        self._waiting = _Waiting(meter)
        self._window = Window(0, memoryview(b""), 0, last=False)
        self._at = 0  # in the window, of the reader
        self._carry = b""
        self.given = 0

    @property
    def offset(self) -> int:
        """How far into the stream the reader is."""
        return self._window.offset + self._at

    def _load(self) -> bool:
        """Go on to the next window; whether there is one. One byte is read ahead, to know whether a window is the last."""
        old = self._window
        if old.last:
            return False
        tail = old.data[max(0, len(old.data) - OVERLAP) :]
        buffer = _lent(len(tail) + self._size)
        buffer[: len(tail)] = tail
        buffer[len(tail) : len(tail) + len(self._carry)] = self._carry
        start = len(tail) + len(self._carry)
        end = start + fill(self._file, buffer[start:])
        self._carry = take(self._file, 1) if end == len(buffer) else b""
        fresh = end - len(tail)
        self._spend(fresh)
        self._window = Window(old.offset + len(old.data) - len(tail), buffer[:end].toreadonly(), len(tail), last=not self._carry)
        self._at = len(tail)
        return fresh > 0

    def _into(self, into: memoryview) -> int:
        if self._at == len(self._window.data) and not self._next():
            return 0
        count = min(len(into), len(self._window.data) - self._at)
        into[:count] = self._window.data[self._at : self._at + count]
        self._at += count
        return count

    def _next(self) -> bool:
        if len(self._window.data) > self._window.overlap:
            self._waiting.put(self._window)
        if not self._load():
            self._window = Window(self._window.offset, self._window.data, len(self._window.data), last=True)
            return False
        return True

    def peek(self, _size: int = 0) -> bytes:
        """Some of the bytes that come next, so that lines are read quickly."""
        if self._at == len(self._window.data) and not self._next():
            return b""
        return bytes(self._window.data[self._at : self._at + 8192])

    def passed(self) -> Iterator[Window]:
        """The windows that the reader has left behind, in order, each once."""
        return self._waiting.take()

    def rest(self) -> Iterator[Window]:
        """All windows not yet given, to the stream's end."""
        yield from self._waiting.take()
        while True:
            if len(self._window.data) > self._window.overlap:
                yield self._window
            if not self._load():
                return

    def close(self) -> None:
        """Give back what waits; the stream below stays open."""
        self._waiting.close()
        super().close()


class _Waiting:
    """Windows in the order in which they came: some in memory, the others in a spool."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._held: list[Window] = []
        self._spool: Spool | None = None
        self._spilt: list[tuple[int, int, Window]] = []

    def put(self, window: Window) -> None:
        if len(self._held) < HELD:
            self._held.append(window)
            return
        if self._spool is None:
            self._spool = Spool(self._meter)
        self._spilt.append((self._spool.size, len(window.data), window._replace(data=memoryview(b""))))
        if not self._spool.add(window.data):
            raise Exceeded(Why.TOO_LARGE, "no temporary space left")

    def take(self) -> Iterator[Window]:
        held, self._held = self._held, []
        spilt, self._spilt = self._spilt, []
        spool, self._spool = self._spool, None
        yield from held
        if spool is None:
            return
        for at, size, window in spilt:
            yield window._replace(data=memoryview(Slice(spool.file, at, size).read(size)))
        spool.close()

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None
