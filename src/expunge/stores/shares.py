"""Work on single files, done in this process or spread over a fleet: the same functions either way.

Starting processes and sending them work costs more than small files take, so a fleet is used only where there is enough to do. What
changes files goes in *waves*: all of a wave has ended, well or ill, before anything of it is announced, so that whoever stops between two
announcements finds nothing in flight. Faults come back as values: an error that crosses processes by being raised brings along a
traceback as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from expunge.errors import StoreError
from expunge.ports import Fleet

Item = TypeVar("Item")
Answer = TypeVar("Answer")

ENOUGH = 64 << 20
"""Bytes of columnar files from which a fleet pays. Starting it takes 0.65 CPU seconds a process (Python, pyarrow). One process locates
110 MB, verifies 310 MB and rewrites 50 MB a second: 64 MB are 2.2 seconds of a run, which looks, verifies twice and erases."""

SHARE = 4 << 20
"""Bytes of files that are read in one go by one process: a share's answer is held in memory, and its selector is sent once."""

WAVES = 2
"""Items of a wave per process: with one, all would wait for the slowest each time."""


class _Here:
    """A fleet of this process alone."""

    def map(self, work: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
        """Each answer when it is asked for."""
        return map(work, items)


@dataclass(frozen=True, slots=True)
class Crew:
    """Who does a store's work on files: ``fleet``, ``width`` items at a time, from ``enough`` bytes on; else this process."""

    fleet: Fleet | None = None
    width: int = 1
    enough: int = ENOUGH

    def read(
        self, work: Callable[[tuple[Item, ...]], Sequence[Answer]], items: Sequence[Item], size: Callable[[Item], int]
    ) -> Iterator[Answer]:
        """The answers in the items' order. ``work`` takes a share of the items (one, if nobody shares the work) and answers for each.

        Raises:
            StoreError: the first item's, in their order, that met one.
        """
        sizes = [size(one) for one in items] if self.fleet is not None else []
        spread = self.fleet if sum(sizes) >= self.enough else None
        groups = list(_shares(items, sizes)) if spread is not None else [(one,) for one in items]
        for answer in (spread or _Here()).map(partial(_attempt, work), groups):
            if isinstance(answer, StoreError):
                raise answer from None
            yield from answer

    def write(self, work: Callable[[Item], Answer], items: Iterable[Item], size: int) -> Iterator[list[tuple[Item, Answer | StoreError]]]:
        """Wave by wave, each item with its answer or its fault; ``size`` is that of all files in bytes. Nothing is in flight in between."""
        spread = self.fleet if size >= self.enough else None
        rest = iter(items)
        while wave := list(islice(rest, WAVES * self.width if spread is not None else 1)):
            yield list(zip(wave, (spread or _Here()).map(partial(_attempt, work), wave), strict=True))


def size_of(path: Path) -> int:
    """How many bytes a file has; one that is gone has none, and will be missed when it is read."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _attempt(work: Callable[[Item], Answer], item: Item) -> Answer | StoreError:
    try:
        return work(item)
    except StoreError as fault:
        return fault


def _shares(items: Iterable[Item], sizes: Iterable[int]) -> Iterator[tuple[Item, ...]]:
    """Neighbours together until they have the size of a share."""
    share: list[Item] = []
    held = 0
    for one, size in zip(items, sizes, strict=True):
        share.append(one)
        held += size
        if held >= SHARE:
            yield tuple(share)
            share, held = [], 0
    if share:
        yield tuple(share)
