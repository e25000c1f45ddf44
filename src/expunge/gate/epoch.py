"""What an epoch says of itself: one signed note that names every file by its digest. Pure.

The note is a C2SP signed note (``evidence/notes.py``) whose text is one line of JSON. Whatever a reader relies on is in it or is named by
SHA-256 in it, so that a file that was changed, or is another epoch's, is never read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from expunge.errors import BadProof
from expunge.errors_gate import EpochUntrusted
from expunge.evidence.notes import Note, VerifyKey, parse_note
from expunge.evidence.signing import Signer

FORMAT = "expunge gate/1"
STALE_AFTER = timedelta(seconds=60)
"""How old an epoch may be, unless who trains declares another bound (DESIGN.md, "Decided once" 10)."""

_AHEAD = timedelta(seconds=5)
"""How far the publisher's clock may be ahead of a worker's: more than NTP leaves, less than anybody would wait for."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of an epoch: SHA-256 in hex, which is also its name, and its length."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of people: the column name by which their key goes, the table of keys, and who is of the kind.

    ``integers``: the keys are whole numbers, else texts. ``bits`` are those of a number in the table's slots, ``count``
    is how many keys went into it.
    """

    key: str
    integers: bool
    bits: int
    count: int
    table: str
    known: str


@dataclass(frozen=True, slots=True)
class Term:
    """A category of a kind that may be used for a purpose, and for how many seconds after capture (``None``: without end)."""

    kind: str
    purpose: str
    category: str
    keep: float | None


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch. ``published_at`` is when its making began: whatever was said before that is in it.

    ``register`` is how many bytes of the tombstone register it has seen, ``consents`` the consent ledger's number. ``limit`` is one more
    than the highest registry number. ``purposes`` give, by purpose, the file of those who agreed, and ``template`` that of those who
    agreed to voiceprints and face templates for it. ``categories`` are those that tombstones are limited to; ``templates`` those above
    every voiceprint and face template.
    """

    number: int
    published_at: datetime
    policy: str
    register: int
    consents: int
    limit: int
    kinds: Mapping[str, Kind]
    purposes: Mapping[str, str]
    template: Mapping[str, str]
    terms: tuple[Term, ...]
    categories: tuple[str, ...]
    templates: tuple[str, ...]
    files: Mapping[str, File]

    def age(self, now: datetime) -> timedelta:
        """How long ago its making began."""
        return now - self.published_at

    def is_fresh(self, now: datetime, bound: timedelta) -> bool:
        """Whether it may be relied on. One from the future may not: a clock is wrong, and nobody knows which."""
        return -_AHEAD <= self.age(now) <= bound

    def signed(self, signer: Signer) -> str:
        """The note."""
        told = {**asdict(self), "format": FORMAT, "published_at": self.published_at.astimezone(UTC).isoformat()}
        text = json.dumps(told, sort_keys=True, separators=(",", ":")) + "\n"
        return Note(text, (signer.sign_note(text),)).whole

    @classmethod
    def verified(cls, whole: str, key: VerifyKey) -> Self:
        """Read a note that this key has signed.

        Raises:
            EpochUntrusted: it has not, or the note says something that no publisher of this format writes.
        """
        try:
            note = parse_note(whole)
            mine = [one for one in note.signatures if (one.name, one.key_id) == (key.name, key.key_id)]
            if not mine:
                raise EpochUntrusted("the epoch is not signed by the key of the pass")
            key.check(note.text.encode(), mine[0].raw)
            return cls._read(json.loads(note.text))
        except (BadProof, ValueError, KeyError, TypeError):
            raise EpochUntrusted("the epoch's note is not what was signed, or is of another format") from None

    @classmethod
    def _read(cls, told: dict[str, object]) -> Self:
        made: dict[str, object] = {**told}
        if made.pop("format") != FORMAT:
            raise ValueError(FORMAT)
        made["published_at"] = datetime.fromisoformat(str(told["published_at"]))
        made["kinds"] = {name: Kind(**one) for name, one in _mapping(told["kinds"]).items()}
        made["files"] = {name: File(**one) for name, one in _mapping(told["files"]).items()}
        made["terms"] = tuple(Term(**one) for one in _list(told["terms"]))
        made["categories"], made["templates"] = (tuple(map(str, _list(told[name]))) for name in ("categories", "templates"))
        return cls(**made)  # type: ignore[arg-type]  # signed by ourselves; a wrong shape fails above or where it is used


def _mapping(value: object) -> dict[str, dict[str, Any]]:
    assert isinstance(value, dict)
    return value


def _list(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value
