"""What is planted: needles by kind, clean content beside them, and how one copy is described."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from bench.hunt_corpus import Corpus
from expunge.hunt.prints import Role, Trace

Row: TypeAlias = dict[str, str | int | float | None]

ROWS = 60
"""Rows in a planted file, one of them the needle's: enough for a real table, small enough for hundreds of files."""

_START = datetime(2024, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Plant:
    """One copy: ``name`` is its transformation, ``path`` the file below the share in which it alone lies.

    ``aim`` is the recall asked for, ``None`` for transformations beyond those named.
    """

    name: str
    group: str
    path: str
    subject: int
    aim: float | None


@dataclass(frozen=True, slots=True, repr=False)
class Way:
    """A transformation: ``make`` gives a file's bytes for a needle of one of the ``kinds``."""

    name: str
    group: str
    kinds: tuple[str, ...]
    make: Callable[[Maker, Trace], bytes]
    suffix: str = ".log"
    aim: float | None = 0.99


class Clean(Corpus):
    """A corpus that never writes what is a needle by chance."""

    def __init__(self, seed: int, avoid: Collection[str | int]) -> None:
        """``avoid`` are the needles' values."""
        super().__init__(seed)
        self._avoid = avoid

    def sentence(self) -> str:
        """A sentence that nobody said who is looked for."""
        return self._other(super().sentence)

    def mail(self) -> str:
        """Somebody else's address."""
        return self._other(super().mail)

    def serial(self) -> str:
        """Somebody else's device."""
        return self._other(super().serial)

    def number(self) -> int:
        """Somebody else's key."""
        value = super().number()
        while value in self._avoid:
            value = super().number()
        return value

    def _other(self, make: Callable[[], str]) -> str:
        value = make()
        while value in self._avoid:
            value = make()
        return value


@dataclass(slots=True)
class Maker:
    """Makes the surroundings of a copy."""

    clean: Clean
    random: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - a fixed choice, no secret

    def lines(self, planted: bytes, around: int = ROWS) -> bytes:
        """Clean lines with one in the middle."""
        source = self.clean.lines()
        before, after = ("\n".join(next(source) for _ in range(around // 2)).encode() for _ in range(2))
        return b"\n".join((before, planted, after, b""))

    def log(self, value: bytes, key: bytes = b"user") -> bytes:
        """A log in which a line holds the value."""
        return self.lines(b"2024-03-04T11:02:07.113Z INFO session request ok " + key + b"=" + value + b" status=200 ms=17")

    def rows(self, trace: Trace | None, count: int = ROWS) -> list[Row]:
        """A table of clean rows; the middle one is the needle's."""
        rows = [self._row(place) for place in range(count)]
        if trace is not None:
            rows[count // 2][column(trace)] = trace.value  # type: ignore[assignment]  # a text or a number: KEY and TEXT traces
        return rows

    def _row(self, place: int) -> Row:
        when = (_START + timedelta(seconds=37 * place)).isoformat()
        clean = self.clean
        told: Row = {
            "id": place + 1,
            "created_at": when,
            "profile_id": clean.number(),
            "email": clean.mail(),
            "device_id": str(clean.uuid()),
        }
        return told | {"serial": clean.serial(), "text": clean.sentence(), "score": round(clean.random.random(), 4)}


def column(trace: Trace) -> str:
    """In which column of ``Maker.rows`` a needle stands."""
    return "text" if trace.role is Role.TEXT else trace.type


def said(trace: Trace) -> str:
    """A needle as text."""
    return str(trace.value)


def uuid_of(trace: Trace) -> UUID:
    """A needle of kind ``device_id``."""
    return UUID(str(trace.value))


class Hand:
    """Deals needles, each once: those that are planted are a few hundred of all."""

    def __init__(self, traces: Sequence[Trace]) -> None:
        """Deal from these."""
        kinds: dict[str, list[Trace]] = {}
        for trace in traces:
            if trace.role is not Role.TEXT or len(said(trace).split()) >= 6:
                kinds.setdefault(trace.type, []).append(trace)
        self._turns: Mapping[str, Iterator[Trace]] = {kind: iter(every) for kind, every in kinds.items()}

    def next(self, kind: str) -> Trace:
        """One of this kind."""
        return next(self._turns[kind])
