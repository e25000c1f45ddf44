"""What stands before the door, and what it is told. Values only; nothing here holds the content of a record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from expunge.terms import Identifier


class Why(StrEnum):
    """Why a record is not taken in. ``ASKED`` alone may end well: the guardian has not answered yet."""

    UNKNOWN_KIND = "no such kind of subject"
    UNNAMED = "the subject's key is missing"
    UNKNOWN_PLACE = "no such collection"
    UNDECLARED = "the collection declares no such category"
    NO_TERM = "no term for it"
    PAST_TERM = "past its term"
    UNATTRIBUTED = "nobody is attributed to it"
    TOMBSTONED = "erased before"
    HIDDEN = "being erased"
    NO_CONSENT = "no consent"
    ASKED = "consent is being asked for"
    STALE = "the answer is too old"


@dataclass(frozen=True, slots=True, repr=False)
class Arrival:
    """A record that is to be stored: whose it is, where it would lie, what it is, what for, and when it was captured (aware).

    ``kind`` ``None``: nobody is attributed to it (an unknown voice, a bystander); then ``identifiers`` name the household whose device took
    it. Else the first of ``identifiers`` is the kind's key. ``key`` is the record's own, so that one which was erased singly is known.
    """

    kind: str | None
    identifiers: tuple[Identifier, ...]
    collection: str
    category: str
    purpose: str
    captured_at: datetime
    key: str = ""

    def __post_init__(self) -> None:
        """Refuse a time without a zone: a term could not be told from it."""
        if self.captured_at.tzinfo is None:
            msg = "captured_at is an aware datetime"
            raise ValueError(msg)

    def __repr__(self) -> str:
        """Where and what, never whose."""
        return f"Arrival({self.collection!r}, {self.category!r}, {self.purpose!r})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the door says of one record.

    ``why`` ``None``: it is taken in, as data of a ``kind``, and ``until`` (UTC) is when it has to be gone (``None``: no such time can
    be told from its capture). Otherwise it is refused; ``held_back`` is one that may be shown again, at the latest ``until``. Nobody
    may store it meanwhile: it stays where it was captured.
    """

    why: Why | None
    kind: str = ""
    until: datetime | None = None

    @property
    def admitted(self) -> bool:
        """Whether it may be stored."""
        return self.why is None

    @property
    def held_back(self) -> bool:
        """Whether it may be shown again once the guardian has answered."""
        return self.why is Why.ASKED
