"""Canaries: made-up households whose every value is unmistakable, so that wherever one turns up, it was carried there.

A value is drawn anew for each canary from a cryptographic source: nobody else has it, and nobody can have copied it but from where it was
put. Mail addresses lie under ``.example`` and nobody's telephone rings under 555-01xx (RFC 2606; the North American plan reserves them),
should a pipeline write to a canary. Each thing is a trace of its own, so that a look says what was carried, not only that somebody was.
"""

from __future__ import annotations

import base64
import io
import json
import math
import secrets
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from expunge.hunt.prints import Fix, Role, Trace
from expunge.policy.catalog import Catalog, SubjectKind
from expunge.terms import FieldType

RATE = 16_000
SECONDS = 4.0
"""Of a recording: four times what the audio family needs for certain."""

FIXES = 60
"""Of a track, two minutes apart: a walk of two hours."""

DIMENSIONS = 256
SENTENCES = 4
LEAST_KEY = 10**14
"""Keys are numbers of fifteen digits: no sequence has come there, and a float still holds them."""

_FIRST = ("Zephyrine", "Ottoline", "Quillon", "Isambard", "Perpetua", "Thaddeus", "Wilhelmine", "Barnabas", "Eudora", "Lysander")
_LAST = ("Quillfeather", "Brackenthwaite", "Vossenkamp", "Thistledown", "Marchmallow", "Ironwhistle", "Peverelloak", "Sandpipering")
_THINGS = ("accordion", "lighthouse", "rhubarb", "periscope", "walrus", "trombone", "zeppelin", "marmalade", "gargoyle", "telescope")
_DOES = ("whispers to", "polishes", "serenades", "borrows", "repaints", "outruns", "forgives", "measures", "buries", "salutes")
_WHERE = ("behind the granary", "under the viaduct", "on the frozen canal", "above the bakery", "in the abandoned observatory")


@dataclass(frozen=True, slots=True, repr=False)
class Thing:
    """One value of a canary. ``name`` says what it is (``profile_id``, ``sentence``), ``whose`` of which kind of person."""

    name: str
    whose: str
    role: Role
    value: Any


@dataclass(frozen=True, slots=True, repr=False)
class Household:
    """A canary: a mark that all its names share, and its things."""

    mark: str
    things: tuple[Thing, ...]

    def __repr__(self) -> str:
        """Nothing of it."""
        return f"Household({len(self.things)} things)"

    def as_bytes(self) -> bytes:
        """For the journal, sealed."""
        told = [[one.name, one.whose, one.role.value, _written(one.value)] for one in self.things]
        return json.dumps({"mark": self.mark, "things": told}).encode()

    @classmethod
    def of(cls, raw: bytes) -> Household:
        """Read what ``as_bytes`` gave."""
        held = json.loads(raw)
        things = (Thing(name, whose, Role(role), _read(Role(role), value)) for name, whose, role, value in held["things"])
        return cls(held["mark"], tuple(things))

    def traces(self, first: int) -> Iterator[Trace]:
        """Of each thing a trace; ``subject`` is the thing's number, counted from ``first``."""
        for number, one in enumerate(self.things, start=first):
            held = FieldType.BYTES if one.role is Role.BODY else FieldType.TEXT
            yield Trace(number, one.role, "canary", one.name, one.value, held)


def make(catalog: Catalog) -> Household:
    """A new one: a person of each kind that the policy knows, with what they say, where they go and how they sound."""
    dice = secrets.SystemRandom()
    mark = secrets.token_hex(4)
    people = [thing for kind in catalog.kinds.values() for thing in _person(kind, mark, dice)]
    said = [Thing("sentence", "", Role.TEXT, _sentence(dice)) for _ in range(SENTENCES)]
    noise = np.random.default_rng(secrets.randbits(128))
    vector = [float(one) for one in noise.standard_normal(DIMENSIONS)]
    return Household(
        mark,
        (
            *people,
            *said,
            Thing("recording", "", Role.BODY, _recording(noise)),
            Thing("track", "", Role.TRACK, _track(dice)),
            Thing("vector", "", Role.VECTOR, vector),
        ),
    )


def write(household: Household, folder: Path) -> list[Path]:
    """Write a canary as files that a company's own ingest can take; the folder is made.

    Raises:
        OSError: they can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = {
        "people": _people(household),
        "sentences": [one.value for one in household.things if one.name == "sentence"],
        "track": [fix._asdict() for one in household.things if one.role is Role.TRACK for fix in one.value],
        "vector": next(one.value for one in household.things if one.role is Role.VECTOR),
    }
    written = [folder / "canary.json", folder / "recording.wav"]
    written[0].write_text(json.dumps(plain, indent=1), "utf-8")
    written[1].write_bytes(next(one.value for one in household.things if one.role is Role.BODY))
    return written


def _people(household: Household) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for one in household.things:
        if one.whose:
            found.setdefault(one.whose, {})[one.name] = one.value
    return found


def _person(kind: SubjectKind, mark: str, dice: Random) -> Iterator[Thing]:
    first, last = dice.choice(_FIRST), dice.choice(_LAST)
    name = f"{first} {last} {mark.upper()}"
    yield Thing(kind.key, kind.name, Role.KEY, str(dice.randrange(LEAST_KEY, 9 * LEAST_KEY)))
    yield Thing("name", kind.name, Role.KEY, name)
    for one in kind.identities:
        yield Thing(one, kind.name, Role.KEY, _identity(one, mark, f"{first}.{last}".lower(), dice))


def _identity(type_: str, mark: str, name: str, dice: Random) -> str:
    if "mail" in type_:
        return f"{name}.{dice.randrange(10**6):06d}@{mark}.canary.example"
    if "phone" in type_ or "tel" in type_:
        return f"+1{dice.randrange(200, 999)}55501{dice.randrange(100):02d}"
    return f"canary-{mark}-{dice.getrandbits(64):016x}"


def _sentence(dice: Random) -> str:
    """Words that nobody puts together, without the mark: speech has none."""
    one, two, three = dice.sample(_THINGS, 3)
    adverb = " ".join(dice.sample(("solemnly", "backwards", "by candlelight", "every leap year", "with borrowed gloves"), 2))
    return (
        f"my {one} {dice.choice(_DOES)} the {two} {adverb} {dice.choice(_WHERE)} and {dice.choice(_DOES)} {dice.randrange(13, 97)} {three}s"
    )


def _recording(noise: np.random.Generator) -> bytes:
    """A WAV of speech-like sound: syllables of gliding harmonics, each of another pitch and length."""
    count = int(RATE * SECONDS)
    sound = noise.standard_normal(count) * 0.003
    at = 0
    while at < count - RATE // 10:
        length = min(int(RATE * noise.uniform(0.12, 0.32)), count - at)
        sound[at : at + length] += _syllable(noise, length)
        at += length + int(RATE * noise.uniform(0.01, 0.08))
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32_000).astype("<i2").tobytes())
    return written.getvalue()


def _syllable(noise: np.random.Generator, length: int) -> npt.NDArray[np.float64]:
    time = np.arange(length) / RATE
    pitch = noise.uniform(90, 260) + noise.uniform(-200, 200) * time
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    middle, width = noise.uniform(300, 2_800, 2), noise.uniform(120, 500, 2)
    harmonics = (
        np.sin(step * phase) * np.exp(-(((step * pitch[:1] - middle[:, None]) / width[:, None]) ** 2)).sum() for step in range(1, 25)
    )
    voiced: npt.NDArray[np.float64] = sum(harmonics, np.zeros(length)) * np.hanning(length)
    return 0.4 * voiced / max(float(np.abs(voiced).max()), 1e-6)


def _track(dice: Random) -> list[Fix]:
    """A walk on the open sea, where nobody else's phone is."""
    latitude, longitude, heading = dice.uniform(-45, -35), dice.uniform(-130, -100), dice.uniform(0, 2 * math.pi)
    when = float(dice.randrange(1_600_000_000, 1_700_000_000))
    fixes = []
    for _ in range(FIXES):
        fixes.append(Fix(round(latitude, 6), round(longitude, 6), when))
        heading += dice.gauss(0, 0.5)
        latitude += 0.0012 * math.cos(heading)
        longitude += 0.0015 * math.sin(heading)
        when += 120 + dice.randrange(-15, 16)
    return fixes


def _written(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _read(role: Role, value: Any) -> Any:
    if role is Role.BODY:
        return base64.b64decode(value)
    return [Fix(*one) for one in value] if role is Role.TRACK else value


def things(households: Sequence[Household]) -> Mapping[int, tuple[int, str]]:
    """By the number that their traces carry, whose the things of several canaries are (its place), and what they are."""
    every = [(place, one.name) for place, household in enumerate(households) for one in household.things]
    return dict(enumerate(every))
