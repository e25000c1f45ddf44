"""Fingerprints: what families are given, what they keep of it, and what they see.

A *family* knows one way in which content is recognised. At ``Located`` it takes traces of what is about to go and gives pages of bytes,
which are sealed with the run; later a matcher is made of those pages, in as many processes as scan. Nothing else passes between the two,
so that a hunt can be repeated after a crash by another process, and nobody can hunt once the run's key is destroyed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from expunge.hunt.pieces import Piece, Place
from expunge.terms import FieldType, Value


class Kind(StrEnum):
    """How a copy was recognised."""

    IDENTIFIER = "identifier"
    TEXT = "text"
    BYTES = "bytes"
    AUDIO = "audio"
    VIDEO = "video"
    VECTOR = "vector"
    TRACK = "track"


class Tier(StrEnum):
    """*Found* stands by itself and makes a run incomplete; *review* is for somebody to look at."""

    FOUND = "found"
    REVIEW = "review"


class Role(StrEnum):
    """What a trace is, from the policy's data categories and the field's type."""

    KEY = "key"  # an identifier: a subject's key, a mail address, a device's serial number
    TEXT = "text"  # what somebody said or wrote
    BODY = "body"  # an object's or field's bytes: a clip, a picture
    VECTOR = "vector"  # an embedding
    TRACK = "track"  # fixes of one person in the order of time


class Fix(NamedTuple):
    """A point of a track: degrees (WGS 84) and seconds since 1970 in UTC, ``None`` if the time is not known."""

    latitude: float
    longitude: float
    seconds: float | None


@dataclass(frozen=True, slots=True, repr=False)
class Trace:
    """One thing that is about to go. ``subject`` is the person's place in the run's batch, from 0: prints hold no registry number.

    ``origin`` is ``store.collection.field``; ``type`` the identifier's type (``profile_id``, ``email``) or the field's name; ``held`` how
    the store holds it. ``value`` is a ``Value`` for a KEY, text for a TEXT, bytes for a BODY, floats for a VECTOR, fixes for a TRACK.
    """

    subject: int
    role: Role
    origin: str
    type: str
    value: Value | Sequence[float] | Sequence[Fix]
    held: FieldType = FieldType.TEXT


@dataclass(frozen=True, slots=True, repr=False)
class Sighting:
    """Something recognised. ``strength`` is 0 to 1, a family's own measure; ``form`` says in words how (``sha256 hex of email``).

    ``offset`` and ``length`` are bytes in the place's stream, ``row`` the key of a row. ``print`` identifies, within the family's pages,
    which print it was, so that prints that turn up everywhere can be told from those that turn up once. ``context`` is what surrounds it,
    in the clear: whoever keeps it seals it.
    """

    place: Place
    kind: Kind
    tier: Tier
    subject: int
    print: int
    strength: float
    form: str
    offset: int | None = None
    length: int = 0
    row: str | None = None
    context: bytes = b""


class Matcher(Protocol):
    """Looks for the prints of all subjects of a batch at once. Used by one process; may keep state about the current place."""

    def look(self, piece: Piece) -> Iterator[Sighting]:
        """What this piece shows; pieces of kinds that the family does not know give nothing."""
        ...

    def close(self, place: Place) -> Iterator[Sighting]:
        """The place's stream or table has ended: what only shows over many pieces. Forgets the place."""
        ...


class Family(Protocol):
    """One way in which content is recognised."""

    @property
    def kind(self) -> Kind:
        """What its sightings are called."""
        ...

    def take(self, traces: Iterable[Trace]) -> Iterator[bytes]:
        """Prints of the traces it knows (others are passed over), as pages of at most a few MiB; no pickles."""
        ...

    def matcher(self, pages: Iterable[bytes]) -> Matcher:
        """A matcher for these pages.

        Raises:
            MissingExtra: an optional library is not installed.
        """
        ...
