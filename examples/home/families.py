"""One household at a time: everything that it leaves behind, drawn from the seed and its number alone.

Pure but for the random numbers: household 17 of a seed is the same among ten households and among a million. People and children count
from the same numbers on purpose (there is a person 11 and a profile 11), because real key spaces overlap and an eraser must not mix them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import TypeAlias

from examples.home import words
from examples.home.where import Amounts

Row: TypeAlias = tuple[object, ...]

SPEAKER, DOORBELL = 1, 2
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Blob:
    """An object to be written: its key and its versions, oldest first, each made when it is wanted.

    ``hidden``: deleted by the app, which on a versioned store leaves every version where it was.
    """

    key: str
    versions: tuple[Callable[[], bytes], ...]
    hidden: bool = False


@dataclass(slots=True)
class Batch:
    """What some households left behind, by place. ``lines`` are (time, JSON object) of the application's log."""

    tables: dict[str, list[Row]] = field(default_factory=dict[str, list[Row]])
    points: list[Row] = field(default_factory=list[Row])
    rollups: list[Row] = field(default_factory=list[Row])
    lines: list[tuple[datetime, dict[str, object]]] = field(default_factory=list[tuple[datetime, dict[str, object]]])
    blobs: list[Blob] = field(default_factory=list[Blob])

    def add(self, table: str, *row: object) -> None:
        """A row of an SQL table, in its columns' order."""
        self.tables.setdefault(table, []).append(row)


IDLE = 0.1
"""The share of children's profiles that nobody uses any more."""

LONG_AGO = (900, 560)
"""Days ago between which their last use lies: more than 18 months."""


@dataclass(frozen=True, slots=True)
class Family:
    """One household's members, and the dice it is drawn with. ``end`` is the estate's last second (UTC).

    ``idle`` are children who have not used anything for more than 18 months; their devices still send where they are.
    """

    number: int
    dice: Random
    end: datetime
    adults: tuple[int, ...]
    children: tuple[int, ...]
    idle: frozenset[int] = frozenset()

    def pick(self, among: tuple[str, ...]) -> str:
        """One of these."""
        return among[int(self.dice.random() * len(among))]

    def ago(self, days: float, least: float = 0) -> datetime:
        """A moment at least ``least`` and less than ``days`` days before the end."""
        seconds = int((least + self.dice.random() * (days - least)) * DAY)
        return self.end - timedelta(seconds=seconds)

    def device(self, which: int) -> int:
        """The id of its speaker or its doorbell."""
        return self.number * 10 + which

    def has_media(self, amounts: Amounts) -> bool:
        """Whether its recordings exist as objects, not only as rows."""
        return self.number <= amounts.media_households

    def members(self) -> list[tuple[int | None, int | None]]:
        """Everybody, as (profile_id, person_id) of which one is set."""
        return [*((child, None) for child in self.children), *((None, adult) for adult in self.adults)]


def family(number: int, seed: int, amounts: Amounts) -> Family:
    """Draw who lives in a household. The first has two adults and two children, so that the smallest estate has every case."""
    dice = Random(seed * 1_000_000_007 + number)
    adults = 2 if number == 1 or dice.random() < 0.7 else 1
    children = 2 if number == 1 or dice.random() < 0.5 else 1
    end = datetime.combine(amounts.until, time(23, 59, 59), UTC)
    ids = tuple(number * 10 + one for one in range(1, 10))
    idle = frozenset(child for child in ids[:children] if number > 1 and dice.random() < IDLE)
    return Family(number, dice, end, ids[:adults], ids[:children], idle)


def people(batch: Batch, home: Family) -> None:
    """The household, its address, adults, children and devices."""
    number, surname = home.number, home.pick(words.LAST)
    since = home.ago(1500, 200)
    batch.add("households", number, f"{surname} family", since)
    town, code = words.TOWNS[int(home.dice.random() * len(words.TOWNS))]
    street = f"{1 + int(home.dice.random() * 240)} {home.pick(words.STREETS)}"
    batch.add("addresses", number, street, town, f"{code}{number % 10_000:04d}", "US")
    for adult in home.adults:
        first = home.pick(words.FIRST)
        mailbox = f"{first}.{surname}.{adult}".lower().replace("'", "")
        batch.add("people", adult, number, number, f"{first} {surname}", f"{mailbox}@example.org", f"+1555{adult:08d}", since)
    for child in home.children:
        born = home.end.year - 5 - int(home.dice.random() * 8)
        used = home.ago(*LONG_AGO) if child in home.idle else home.ago(30)
        batch.add("profiles", child, number, home.adults[0], f"{home.pick(words.NICK)} {surname}", born, min(since, used), used)
    batch.add("devices", home.device(SPEAKER), number, "speaker", f"HS{number:09d}", home.pick(words.ROOMS))
    batch.add("devices", home.device(DOORBELL), number, "doorbell", f"HD{number:09d}", "Front door")


def memory(batch: Batch, home: Family) -> None:
    """What the assistant was told to remember, and reminders."""
    for slot, (child, adult) in enumerate(home.members(), start=1):
        fact = home.pick(words.FACTS).format(home.pick(words.THINGS))
        batch.add("remembered_facts", home.number * 10 + slot, child, adult, fact, home.ago(400))
        chore = home.pick(words.CHORES).format(home.pick(words.NICK))
        due = home.end + timedelta(days=int(home.dice.random() * 30))
        batch.add("reminders", home.number * 10 + slot, child, adult, chore, due, home.dice.random() < 0.3)


def messages(batch: Batch, home: Family) -> None:
    """Between the two adults, and to and fro with the household next door: rows that two living people own."""
    pairs = [(home.adults[0], home.adults[1])] if len(home.adults) > 1 else []
    if home.number > 1:
        neighbour = (home.number - 1) * 10 + 1
        pairs += [(home.adults[0], neighbour), (neighbour, home.adults[0])]
    for slot, (sender, receiver) in enumerate(pairs, start=1):
        body = home.pick(words.MESSAGES).format(home.pick(words.NICK))
        batch.add("messages", home.number * 10 + slot, sender, receiver, body, home.ago(60))
