"""What the tests of the strings family share: traces of one household, matchers, and shorthands for pieces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple
from uuid import UUID

import numpy as np

from expunge.hunt.pieces import Blob, Column, Place, Rows, Texts
from expunge.hunt.prints import Matcher, Role, Sighting, Tier, Trace
from expunge.hunt.strings import Strings
from expunge.terms import FieldType

PLACE = Place("share", "exports/old.bin")
MAIL = "anna.k+x@example.com"
DEVICE = UUID("3f2b8c1e-9d4a-4f6b-8a2e-1c5d7e9f0a3b")
SERIAL = "G0K1-9ABC-42XZ"
PHONE = "+1 (415) 555-0134"
MAC = "3C:5A:B4:01:9F:E2"
ACCOUNT = 918273645546372819
SAID = "Remind me to pick up grandma Beatrix from the dialysis clinic on Tuesday"
UMLAUTS = "Zoë.Müller@exämple.org"
SPOKEN_RUSSIAN = "Напомни мне забрать бабушку из клиники диализа во вторник"
SPOKEN_JAPANESE = "火曜日に透析クリニックへ祖母を迎えに行くのを思い出させて"

TRACES = (
    Trace(0, Role.KEY, "app.people.email", "email", MAIL),
    Trace(0, Role.KEY, "app.profiles.id", "profile_id", 17, FieldType.INTEGER),
    Trace(1, Role.KEY, "app.devices.id", "device_id", str(DEVICE), FieldType.UUID),
    Trace(1, Role.KEY, "app.devices.serial", "serial", SERIAL),
    Trace(1, Role.KEY, "app.people.phone", "phone", PHONE),
    Trace(1, Role.KEY, "app.devices.mac", "mac", MAC),
    Trace(1, Role.KEY, "app.accounts.number", "account_no", ACCOUNT, FieldType.INTEGER),
    Trace(2, Role.TEXT, "app.utterances.text", "text", SAID),
    Trace(2, Role.TEXT, "app.utterances.text", "text", SPOKEN_RUSSIAN),
    Trace(2, Role.TEXT, "app.utterances.text", "text", SPOKEN_JAPANESE),
    Trace(2, Role.KEY, "app.people.first_name", "first_name", "Beatrix"),
    Trace(3, Role.KEY, "app.people.email", "email", UMLAUTS),
    Trace(3, Role.KEY, "app.people.email", "email", "jo@ab.de"),
    Trace(3, Role.TEXT, "app.utterances.text", "text", "play music"),
    Trace(3, Role.TEXT, "app.utterances.text", "text", "Turn on the light in the kitchen"),
)


class Shown(NamedTuple):
    """What matters of a sighting."""

    subject: int
    type: str
    tier: Tier
    seen: bytes
    row: str | None


def matcher(traces: Iterable[Trace]) -> Matcher:
    """A matcher by the way of pages."""
    family = Strings()
    return family.matcher(list(family.take(traces)))


@cache
def home() -> Matcher:
    """The matcher of ``TRACES``."""
    return matcher(TRACES)


def look(content: bytes, by: Matcher | None = None) -> list[Shown]:
    """What one window shows."""
    return [_shown(one, content) for one in (by or home()).look(Blob(PLACE, 0, content))]


def found(content: bytes, by: Matcher | None = None) -> set[tuple[int, str]]:
    """Subjects and types that stand by themselves."""
    return {(one.subject, one.type) for one in look(content, by) if one.tier is Tier.FOUND}


def _shown(one: Sighting, content: bytes) -> Shown:
    seen = b"" if one.offset is None else content[one.offset : one.offset + one.length]
    return Shown(one.subject, one.form.partition(",")[0], one.tier, seen, one.row)


def texts(cells: Sequence[str | bytes]) -> Texts:
    """A column of these cells."""
    held = [cell.encode() if isinstance(cell, str) else cell for cell in cells]
    offsets = np.cumsum([0, *map(len, held)]).astype(np.int64)
    return Texts(np.frombuffer(b"".join(held), np.uint8), offsets)


def rows(columns: Mapping[str, Column], count: int) -> Rows:
    """A batch of rows."""
    return Rows(PLACE.of("t"), columns, count)
