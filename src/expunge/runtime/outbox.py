"""How letters leave: a transport per channel, and the words in which it says what became of one.

Nothing here knows of people or of the journal. A transport never raises for a letter that can't be delivered: that is an answer
(``Carried``), and its fault is a code, since a server's text quotes addresses.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TextIO

ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x20\x7f]{1,64}@[^\s@<>()\[\]\\,;:\"\x00-\x20\x7f]{1,255}")
"""An address that can stand in a header and in SMTP's RCPT without being anything else: no blanks, quotes, commas or line ends. RFC 5321
4.5.3.1 gives the lengths. Quoted local parts (``"a b"@c``) are refused: hardly anybody has one, and they are how headers are injected."""


class Result(StrEnum):
    """What became of a letter: a server took it, it has arrived, it is to be tried again, it never will be taken.

    ``AWAY`` says nothing of the letter: the channel can't be used now, for this one or any other.
    """

    TAKEN = "taken"
    ARRIVED = "arrived"
    LATER = "later"
    NEVER = "never"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Carried:
    """A transport's answer; ``fault`` is a short code (``smtp-550``), never a text."""

    result: Result
    fault: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Mail:
    """A letter as it is read: to whom, what. ``name`` is the letter's id; two mails of one name are one letter."""

    name: str
    to: str
    subject: str
    text: str
    page: str | None = None

    def __repr__(self) -> str:
        """The name only."""
        return f"Mail({self.name!r})"


class Transport(Protocol):
    """Carries letters of one channel. Used by one thread."""

    def carry(self, mail: Mail) -> Carried:
        """Hand one letter over."""
        ...

    def close(self) -> None:
        """Give connections back. Idempotent."""
        ...


class Console:
    """Writes letters to a stream: for trying things out, since addresses and texts are in what it writes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to ``stream``; the process's stderr, if not given."""
        self._stream = stream

    def carry(self, mail: Mail) -> Carried:
        """Write it."""
        print(f"--- {mail.name}\nTo: {mail.to}\nSubject: {mail.subject}\n\n{mail.text}", file=self._stream or sys.stderr)
        return Carried(Result.ARRIVED)

    def close(self) -> None:
        """Nothing to close."""
