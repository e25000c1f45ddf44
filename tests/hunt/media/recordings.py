"""Recordings for the tests: those that the example ships, and sound made here."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from bench.media_copies import Film, Sound, load_film, load_sound
from expunge.hunt.audio import AudioMatcher
from expunge.hunt.pieces import Media, Place
from expunge.hunt.prints import Role, Sighting, Trace
from expunge.hunt.video import VideoMatcher

HOME = Path(__file__).resolve().parents[3] / "examples" / "home" / "media"
PLACE = Place("share", "old/x.bin")


def bodies(folder: str, ending: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((HOME / folder).glob(f"*.{ending}"))]


@cache
def commands() -> list[Sound]:
    """Three seconds or so of each spoken command, without the silence around it."""
    sounds = [load_sound(body) for body in bodies("commands", "flac")]
    loud = [np.flatnonzero(np.abs(one) > 0.1 * np.abs(one).max()) for one in sounds]
    return [one[at[0] : at[0] + 48_000] for one, at in zip(sounds, loud, strict=True)]


@cache
def visits() -> list[tuple[Film, float]]:
    return [load_film(body) for body in bodies("doorbell", "mp4")]


def traces(every: Iterable[bytes]) -> list[Trace]:
    return [Trace(subject, Role.BODY, "media.clips.body", "body", body) for subject, body in enumerate(every)]


def look(matcher: AudioMatcher | VideoMatcher, body: bytes, kind: str = "audio") -> list[Sighting]:
    return list(matcher.look(Media(PLACE, kind, lambda: io.BytesIO(body), len(body))))
