"""What a household says to its speaker: clips, transcripts, intents, the recogniser's job table, the application's log.

Children count digits (recordings of adults who read digits: no child's voice is shipped), adults order drinks. The speaker of some
clips was not recognised: those are the household's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from examples.home.families import LONG_AGO, SPEAKER, Batch, Blob, Family
from examples.home.recordings import SPOKEN, Recordings
from examples.home.where import Amounts

LOG_DAYS = 7
"""How many days of application logs there are."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who spoke: of the three keys exactly one is set. ``folder`` is their part of an object's key."""

    household: int | None = None
    profile: int | None = None
    person: int | None = None

    @property
    def folder(self) -> str:
        """``child-17``, ``adult-17`` or ``unknown``."""
        if self.profile is not None:
            return f"child-{self.profile}"
        return f"adult-{self.person}" if self.person is not None else "unknown"

    def keys(self) -> dict[str, int]:
        """The set key under its name, as the log writes it."""
        named = {"household_id": self.household, "profile_id": self.profile, "person_id": self.person}
        return {name: key for name, key in named.items() if key is not None}


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said, as the recogniser had it, and how to make the file."""

    text: str
    intent: str
    slots: dict[str, object]
    seconds: float
    suffix: str
    file: partial[bytes]


def speech(batch: Batch, home: Family, amounts: Amounts, recordings: Recordings) -> None:
    """Everything said in one household."""
    speakers = [Speaker(profile=child, person=adult) for child, adult in home.members()]
    said = [(speaker, nth) for speaker in speakers for nth in range(amounts.clips_per_profile)]
    if home.number == 1 or home.dice.random() < 0.5:
        said.append((Speaker(household=home.number), 0))
    most = 4 * amounts.clips_per_profile + 1
    for order, (speaker, nth) in enumerate(said):
        _clip(batch, home, amounts, recordings, speaker, nth, home.number * most + order)


def _clip(batch: Batch, home: Family, amounts: Amounts, recordings: Recordings, speaker: Speaker, nth: int, number: int) -> None:
    clip = str(UUID(int=home.dice.getrandbits(128), version=4))
    # The first of everybody's clips is recent enough to be in the log; one in ten of the others is past its term of 30 days.
    at = home.ago(LOG_DAYS - 1) if nth == 0 else home.ago(*((29, 1) if home.dice.random() < 0.9 else (120, 31)))
    at = home.ago(*LONG_AGO) if speaker.profile in home.idle else at
    said = _counting(home, recordings, speaker.profile, UUID(clip)) if speaker.profile is not None else _order(home, recordings)
    key = f"voice/{home.number}/{speaker.folder}/{clip}.{said.suffix}"
    batch.add("clips", clip, speaker.household, speaker.profile, speaker.person, home.device(SPEAKER), key, at, said.seconds)
    heard = at + timedelta(seconds=1)
    batch.add("transcripts", number, clip, said.text, round(0.6 + 0.4 * home.dice.random(), 3), heard)
    batch.add("intents", number, number, said.intent, said.slots)
    texts = (None if one is None else str(one) for one in (speaker.household, speaker.profile, speaker.person))
    batch.add("asr_jobs", number, clip, *texts, "hearth-asr-3", 80 + int(home.dice.random() * 400), heard)
    if (home.end - at).days < LOG_DAYS:
        batch.lines.append((at, _line(at, clip, speaker, said.text, number)))
    if home.has_media(amounts):
        batch.blobs.append(_blob(home, key, clip, speaker, nth, said))


def _counting(home: Family, recordings: Recordings, profile: int, clip: UUID) -> Utterance:
    numbers = tuple(int(home.dice.random() * 10) for _ in range(4))
    voice = profile % len(recordings.digits)
    text = " ".join(SPOKEN[number] for number in numbers)
    seconds = round(recordings.seconds_of(voice, numbers, clip), 2)
    return Utterance(text, "countingGame", {"numbers": list(numbers)}, seconds, "wav", partial(recordings.counted, voice, numbers, clip))


def _order(home: Family, recordings: Recordings) -> Utterance:
    which = int(home.dice.random() * len(recordings.commands))
    one = recordings.commands[which]
    return Utterance(one.text, "orderDrink", dict(one.slots), one.seconds, "flac", partial(recordings.command, which))


def _blob(home: Family, key: str, clip: str, speaker: Speaker, nth: int, said: Utterance) -> Blob:
    """The file with its history.

    A child's first clip was written twice (the upload was repeated); an adult's second was deleted by the app, which on a versioned
    store hides it and deletes nothing.
    """
    takes = 2 if speaker.profile is not None and nth == 0 else 1
    serial = f"HS{home.number:09d}"
    stamps = [json.dumps({"clip": clip, "device": serial, "take": take}).encode() for take in range(1, takes + 1)]
    return Blob(key, tuple(partial(said.file, stamp) for stamp in stamps), hidden=speaker.person is not None and nth == 1)


def _line(at: datetime, clip: str, speaker: Speaker, text: str, number: int) -> dict[str, object]:
    request = {"id": f"r{number}", "route": "/v1/utterance", **speaker.keys(), "clip_id": clip, "text": text}
    return {"at": at.isoformat(), "level": "info", "service": "assistant", "request": request}
