"""What the hunt's benchmarks look through: logs, JSON lines, CSV and speech as companies have them, and needles like the ones in it.

Lines are made from a fixed seed; the same vocabulary and the same shapes serve needles and clean lines, so that most of a needle's parts
are everywhere and only the whole is rare. No line holds a needle unless it is planted.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from expunge.hunt.prints import Role, Trace
from expunge.terms import FieldType


def _list(text: str) -> list[str]:
    return text.split("|")


_SYLLABLES = [one + other for one in "bdfklmnprstv" for other in "aeio"]
_OPENERS = _list(
    "play|turn on|turn off|set a timer for|remind me to|add|what is|tell me about|call|send a message to|find|order|how far is|"
    "wake me up before"
)
_LINKS = _list("the|a|my|in|at|for|with|and|to|of|on|from|near|after|before|please|again|now")
_SERVICES = _list("asr|nlu|router|media|session|billing|device-sync|gateway|recommender|audit")
_DOMAINS = _list("gmail.com|outlook.com|example.org|mail.example|yahoo.com|icloud.com|web.example|hearth.example")
_START = datetime(2024, 3, 1, tzinfo=UTC)


class Corpus:
    """Makes lines and needles."""

    def __init__(self, seed: int, words: int = 12_000) -> None:
        """A vocabulary of so many words, used by Zipf's law."""
        self.random = random.Random(seed)  # noqa: S311 - a fixed choice, no secret
        letters = random.Random(0)  # noqa: S311 - the same language for needles and for what is looked through
        vocabulary = {"".join(letters.choices(_SYLLABLES, k=letters.choice((1, 2, 2, 3, 3, 4)))) for _ in range(4 * words)}
        self.words = sorted(vocabulary)[:: max(len(vocabulary) // words, 1)][:words]
        letters.shuffle(self.words)
        self._weights = [1 / (rank + 8) for rank in range(len(self.words))]
        self._drawn: list[str] = []

    def word(self) -> str:
        """A word, common ones more often."""
        if not self._drawn:
            self._drawn = self.random.choices(self.words, self._weights, k=10_000)
        return self._drawn.pop()

    def sentence(self) -> str:
        """What somebody says to a device: six to fourteen words, half of them small ones."""
        parts = [self.random.choice(_OPENERS)]
        for _ in range(self.random.randrange(3, 7)):
            if self.random.random() < 0.6:
                parts.append(self.random.choice(_LINKS))
            parts.append(self.word())
        return " ".join(parts)

    def mail(self) -> str:
        """A mail address."""
        joint = self.random.choice(("", ".", "_"))
        return (
            f"{self.word()}{joint}{self.word()}{self.random.choice(('', str(self.random.randrange(100))))}@{self.random.choice(_DOMAINS)}"
        )

    def serial(self) -> str:
        """A device's serial number."""
        return f"G0{self.random.choice('ABCDEF')}{self.random.randrange(10):01d}{self.random.randrange(36**9):09d}"[:14]

    def uuid(self) -> UUID:
        """A random UUID."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def number(self) -> int:
        """A key of a large table."""
        return self.random.randrange(10**6, 10**8)

    def traces(self, count: int) -> Iterator[Trace]:
        """Needles: 45 % texts, 20 % mail addresses, 15 % UUIDs, 10 % serial numbers, 10 % integer keys."""
        for place in range(count):
            kind = place % 20
            if kind < 9:
                yield Trace(place, Role.TEXT, "app.utterances.text", "text", self.sentence())
            elif kind < 13:
                yield Trace(place, Role.KEY, "app.people.email", "email", self.mail())
            elif kind < 16:
                yield Trace(place, Role.KEY, "app.devices.id", "device_id", str(self.uuid()), FieldType.UUID)
            elif kind < 18:
                yield Trace(place, Role.KEY, "app.devices.serial", "serial", self.serial())
            else:
                yield Trace(place, Role.KEY, "app.profiles.id", "profile_id", self.number(), FieldType.INTEGER)

    def lines(self) -> Iterator[str]:
        """Lines for ever: 40 % logs, 30 % JSON, 10 % CSV, 20 % speech."""
        kinds: list[Callable[[str], str]] = [self._log] * 4 + [self._json] * 3 + [self._csv] + [self._speech] * 2
        number = 0
        while True:
            number += 1
            when = (_START + timedelta(milliseconds=37 * number)).isoformat(timespec="milliseconds")
            yield self.random.choice(kinds)(when)

    def _log(self, when: str) -> str:
        chance = self.random
        service, kind = chance.choice(_SERVICES), chance.randrange(4)
        if kind == 0:
            path = f"/v1/{self.word()}/{self.word()}?q={self.word()}&page={chance.randrange(20)}"
            host = f"10.{chance.randrange(256)}.{chance.randrange(256)}.7"
            return f'{host} - - [{when}] "GET {path} HTTP/1.1" 200 {chance.randrange(90_000)} "-" "Mozilla/5.0 (X11; Linux x86_64)"'
        if kind == 1:
            return f"{when} INFO {service} request_id={self.uuid()} user={self.mail()} status=200 ms={chance.randrange(900)}"
        if kind == 2:
            what = f"retrying upload of segment {chance.randrange(10**6)} after {chance.randrange(9)} attempts: connection reset by peer"
            return f"{when} WARN {service} [worker-{chance.randrange(64)}] {what}"
        what = f"SessionCache evicted {chance.randrange(500)} entries, trace_id={chance.getrandbits(128):032x}"
        return f"{when} DEBUG {service} com.hearth.{self.word()}.{what}"

    def _json(self, when: str) -> str:
        row = {
            "ts": when,
            "profile_id": self.number(),
            "device": self.serial(),
            "event": self.word(),
            "ok": True,
            "latency_ms": round(self.random.random() * 400, 2),
        }
        if self.random.random() < 0.4:
            row["text"] = self.sentence()
        return json.dumps(row)

    def _csv(self, when: str) -> str:
        place = f"{self.random.random() * 90:.6f},{self.random.random() * 180:.6f}"
        return f"{self.number()},{when},{self.serial()},{place},{self.word()},{self.mail()}"

    def _speech(self, _when: str) -> str:
        return self.sentence().capitalize() + "."

    def plain(self, size: int) -> bytes:
        """At least so many bytes of lines."""
        held, lines = 0, []
        for line in self.lines():
            lines.append(line)
            held += len(line) + 1
            if held >= size:
                break
        return "\n".join(lines).encode() + b"\n"
