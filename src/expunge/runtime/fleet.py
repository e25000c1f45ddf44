"""Where work that can be split runs: in this process, or in several on this machine. A cluster would be a third class with one method.

The work is idempotent: a process pool loses everything that was in flight when one of its processes is killed, so that the pool is built
anew and what has no answer yet is done again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

from expunge.errors import MissingExtra, Unavailable
from expunge.ports import Fleet

Item = TypeVar("Item")
Answer = TypeVar("Answer")

TRIES = 3
"""Pools that may break with nothing answered in between: a third time it is the item that kills, not chance."""

_AHEAD = 2
"""Items in flight per process: one being worked on and one waiting, so that no process idles and a slow reader is not overrun."""


def fleet(workers: int, ray: str | None = None) -> Fleet:
    """The fleet that the settings ask for.

    Raises:
        MissingExtra: a Ray cluster was named.
    """
    if ray is not None:
        msg = "work on a Ray cluster is not part of this version; unset EXPUNGE_RAY to use processes on this machine"
        raise MissingExtra(msg, where="EXPUNGE_RAY")
    return Processes(workers) if workers > 1 else InProcess()


class InProcess:
    """A fleet of one: this process."""

    def map(self, work: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
        """Answers in the items' order, each when it is asked for."""
        return map(work, items)


@dataclass(slots=True)
class _Flight(Generic[Item, Answer]):
    """An item and the answer that is awaited for it."""

    item: Item
    future: Future[Answer] | None = None

    def answer(self) -> Answer:
        assert self.future is not None
        return self.future.result()

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        if self.future is not None:
            self.future.cancel()

    def forget(self) -> None:
        """Let it be done again, unless its answer had come before the pool broke."""
        answered = self.future is not None and self.future.done() and not self.future.cancelled() and self.future.exception() is None
        self.future = self.future if answered else None


class Processes:
    """A fleet of processes on this machine. They are started when first needed and kept until ``close``."""

    def __init__(self, workers: int) -> None:
        """Use ``workers`` processes."""
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        """Use as a context manager to close it at the end."""
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the processes, leaving undone what was not yet begun. Idempotent."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def map(self, work: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
        """Answers in the items' order; a killed process's items are done again. A single item is done in this process.

        ``work`` is a module-level function. What it raises is raised here.

        Raises:
            Unavailable: a process died on the same item each time.
        """
        source = iter(items)
        first = list(islice(source, 2))
        if len(first) < 2:  # noqa: PLR2004 -- one item needs no second process
            return map(work, first)
        return self._spread(work, chain(first, source))

    def _spread(self, work: Callable[[Item], Answer], source: Iterator[Item]) -> Iterator[Answer]:
        flying: deque[_Flight[Item, Answer]] = deque()
        tries = 0
        try:
            while True:
                flying.extend(_Flight(item) for item in islice(source, self._workers * _AHEAD - len(flying)))
                if not flying:
                    return
                try:
                    answer = self._first(work, flying)
                except BrokenProcessPool:
                    tries += 1
                    self._begin_anew(flying, tries)
                    continue
                tries = 0
                yield answer
        finally:
            for flight in flying:
                flight.cancel()

    def _first(self, work: Callable[[Item], Answer], flying: deque[_Flight[Item, Answer]]) -> Answer:
        for flight in flying:
            flight.future = flight.future or self._submit(work, flight.item)
        answer = flying[0].answer()
        flying.popleft()
        return answer

    def _begin_anew(self, flying: Iterable[_Flight[Item, Answer]], tries: int) -> None:
        if tries == TRIES:
            msg = f"a process of the fleet died {TRIES} times on the same piece of work (no memory left?)"
            raise Unavailable(msg, where="fleet") from None
        self.close()
        for flight in flying:
            flight.forget()

    def _submit(self, work: Callable[[Item], Answer], item: Item) -> Future[Answer]:
        if self._pool is None:
            # spawn: a forked child would inherit open databases, locks and keys.
            self._pool = ProcessPoolExecutor(self._workers, mp_context=get_context("spawn"), initializer=_follow)
        return self._pool.submit(work, item)


def _follow() -> None:
    """End this process when the one that started it ends, also by a kill: it would wait for work for ever, and hold what it has open."""
    parent = parent_process()
    assert parent is not None, "begun by a pool"

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()
