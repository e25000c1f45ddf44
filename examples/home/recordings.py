"""The real recordings that the estate is made of: spoken commands, spoken digits, visits at a door, tracks.

What lies in ``media/`` is real and licensed (each folder says how). Every household gets its own copies: a device writes its serial and
the clip's id into the file, as devices do, so that no two files are the same bytes. The audio and the pictures are left as they are.
"""

from __future__ import annotations

import json
import re
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

HERE = Path(__file__).parent / "media"

SPOKEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ORDER = ("size", "roast", "coffeeDrink", "milkAmount", "numberOfShots", "sugarAmount")
"""In which order the labels' slots are read out."""

_RATE = 8_000  # Hz, mono, 16 bit: the spoken digits' own format
_TRACKPOINT = re.compile(r'<trkpt lat="(-?[\d.]+)" lon="(-?[\d.]+)"')


@dataclass(frozen=True, slots=True)
class Command:
    """A spoken command. ``text`` is read off the published label (intent and slots), not a word-for-word transcript."""

    audio: bytes
    text: str
    slots: dict[str, str]
    seconds: float


@dataclass(frozen=True, slots=True)
class Recordings:
    """Everything in ``media/``, read once. ``digits`` are samples by speaker and digit; ``tracks`` are (latitude, longitude)."""

    commands: tuple[Command, ...]
    digits: tuple[tuple[bytes, ...], ...]
    visits: tuple[tuple[bytes, bytes], ...]
    tracks: tuple[tuple[tuple[float, float], ...], ...]

    def command(self, which: int, stamp: bytes) -> bytes:
        """A FLAC file of one spoken command; the stamp goes into an APPLICATION block after STREAMINFO (RFC 9639, 8.2 and 8.4)."""
        audio = self.commands[which].audio
        first_block_ends = 4 + 4 + 34
        block = b"HRTH" + stamp
        return audio[:first_block_ends] + b"\x02" + len(block).to_bytes(3, "big") + block + audio[first_block_ends:]

    def counted(self, speaker: int, numbers: tuple[int, ...], clip: UUID, stamp: bytes) -> bytes:
        """A WAV file of digits spoken one after the other; the stamp goes into an INFO chunk.

        Nobody says a word twice alike: each digit is spoken faster or slower, and so higher or lower, as the clip's id has it.
        """
        samples = b"".join(
            _paced(self.digits[speaker][number], pace) for number, pace in zip(numbers, _paces(clip, len(numbers)), strict=True)
        )
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, _RATE, 2 * _RATE, 2, 16)
        note = stamp + b"\0" * (len(stamp) % 2)
        listed = struct.pack("<4sI4s4sI", b"LIST", 12 + len(note), b"INFO", b"ICMT", len(note)) + note
        body = b"WAVE" + form + struct.pack("<4sI", b"data", len(samples)) + samples + listed
        return struct.pack("<4sI", b"RIFF", len(body)) + body

    def seconds_of(self, speaker: int, numbers: tuple[int, ...], clip: UUID) -> float:
        """How long ``counted`` lasts."""
        paces = zip(numbers, _paces(clip, len(numbers)), strict=True)
        return sum(_length(self.digits[speaker][number], pace) for number, pace in paces) / _RATE

    def video(self, which: int, stamp: bytes) -> bytes:
        """An MP4 file of a visit; the stamp goes into a ``free`` box at its end (ISO/IEC 14496-12, 8.1.2)."""
        return self.visits[which][0] + struct.pack(">I4s", 8 + len(stamp), b"free") + stamp

    def picture(self, which: int, stamp: bytes) -> bytes:
        """A JPEG of the same visit; the stamp goes into a comment segment after the first marker."""
        picture = self.visits[which][1]
        return picture[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(stamp)) + stamp + picture[2:]


def load(folder: Path = HERE) -> Recordings:
    """Read the recordings that ship with the example.

    Raises:
        FileNotFoundError: the folder is not as shipped.
    """
    visits = sorted((folder / "doorbell").glob("*.mp4"))
    return Recordings(
        commands=_commands(folder / "commands"),
        digits=_digits(folder / "digits"),
        visits=tuple((path.read_bytes(), path.with_suffix(".jpg").read_bytes()) for path in visits),
        tracks=tuple(_track(path) for path in sorted((folder / "tracks").glob("*.gpx"))),
    )


def _paces(clip: UUID, count: int) -> list[float]:
    """How fast each digit is spoken, 0.85 to 1.15 of the recording: about what one speaker varies by."""
    return [0.85 + 0.3 * byte / 255 for byte in clip.bytes[-count:]]


def _length(samples: bytes, pace: float) -> int:
    return int(len(samples) / 2 / pace)


def _paced(samples: bytes, pace: float) -> bytes:
    """16-bit samples at another pace, by linear interpolation."""
    held = array("h", samples)
    held.append(held[-1])
    places = (place * pace for place in range(_length(samples, pace)))
    return array("h", (int(held[int(at)] + (held[int(at) + 1] - held[int(at)]) * (at % 1)) for at in places)).tobytes()


def _commands(folder: Path) -> tuple[Command, ...]:
    labels = json.loads((folder / "label.json").read_text("utf-8"))
    found = []
    for name in sorted(labels):
        slots = {slot: said.strip() for slot, said in labels[name]["slots"].items()}
        text = "order " + ", ".join(slots[slot] for slot in ORDER if slot in slots)
        audio = (folder / name).read_bytes()
        found.append(Command(audio, text, slots, _flac_seconds(audio)))
    return tuple(found)


def _flac_seconds(audio: bytes) -> float:
    """From STREAMINFO: 20 bits of sample rate, 3 + 5 of channels and depth, 36 of samples (RFC 9639, 8.2)."""
    packed = int.from_bytes(audio[18:26], "big")
    return round((packed & ((1 << 36) - 1)) / (packed >> 44), 2)


def _digits(folder: Path) -> tuple[tuple[bytes, ...], ...]:
    speakers = sorted({path.stem.split("_")[1] for path in folder.glob("*.wav")})
    return tuple(tuple(_samples(folder / f"{digit}_{speaker}_0.wav") for digit in range(10)) for speaker in speakers)


def _samples(path: Path) -> bytes:
    whole = path.read_bytes()
    start = whole.index(b"data") + 8
    return whole[start : start + int.from_bytes(whole[start - 4 : start], "little")]


def _track(path: Path) -> tuple[tuple[float, float], ...]:
    return tuple((float(lat), float(lon)) for lat, lon in _TRACKPOINT.findall(path.read_text("utf-8")))
