"""How a tombstone is written: one line for the digests that share their facts, one for an undone request, one that seals a batch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from expunge.errors import BadProof
from expunge.terms import Identifier

DIGEST_BYTES: Final = 32
LAID: Final = b"+ "
LIFTED: Final = b"- "
SEALED: Final = b"= "
_MOST_DIGESTS = 64
"""Digests in one line, so that a look-up never has to read a long one; few people have more identifiers."""
_HEX = 2 * DIGEST_BYTES


@dataclass(frozen=True, slots=True)
class Facts:
    """What a tombstone says: these categories (none named: all), captured before then (``None``: whenever), for this request.

    Times are aware and in UTC.
    """

    categories: tuple[str, ...]
    captured_before: datetime | None
    request_id: str
    laid_at: datetime

    def covers(self, category: str | None, captured_at: datetime | None) -> bool:
        """Whether a thing of this category, captured then (aware), is what was erased. What is not known of it counts against it.

        A category covers those below it (``user.biometric`` covers ``user.biometric.voice``).
        """
        named = category is None or not self.categories or any(f"{category}.".startswith(f"{one}.") for one in self.categories)
        return named and (self.captured_before is None or captured_at is None or captured_at < self.captured_before)


@dataclass(frozen=True, slots=True)
class Stone:
    """One identifier that is to be refused from now on, and the facts, as ``Facts`` explains them."""

    identifier: Identifier
    categories: tuple[str, ...]
    captured_before: datetime | None
    request_id: str
    laid_at: datetime

    @property
    def facts(self) -> Facts:
        """All but the identifier."""
        return Facts(self.categories, self.captured_before, self.request_id, self.laid_at)


def laid_lines(digests: Sequence[bytes], facts: Facts) -> Iterator[bytes]:
    """The lines that lay these digests, without their newlines."""
    before = _text(facts.captured_before) if facts.captured_before else None
    told = _json({"before": before, "categories": facts.categories, "laid": _text(facts.laid_at), "request": facts.request_id})
    for start in range(0, len(digests), _MOST_DIGESTS):
        yield LAID + b"".join(digests[start : start + _MOST_DIGESTS]).hex().encode() + b" " + told


def lifted_line(request_id: str, at: datetime) -> bytes:
    """The line that undoes a request, without its newline."""
    return LIFTED + _json({"at": _text(at), "request": request_id})


def digests_of(line: bytes) -> Iterator[bytes]:
    """The digests that a laid line holds."""
    end = line.index(b" ", len(LAID))
    for start in range(len(LAID), end, _HEX):
        yield bytes.fromhex(line[start : start + _HEX].decode("ascii"))


def facts_of(line: bytes) -> Facts:
    """The facts that a laid line holds.

    Raises:
        BadProof: it is not such a line.
    """
    try:
        told = json.loads(line[line.index(b" ", len(LAID)) :])
        before = told["before"]
        return Facts(tuple(told["categories"]), before and _time(before), told["request"], _time(told["laid"]))
    except (ValueError, KeyError, TypeError):
        raise BadProof("a line of the register can't be read", where="tombstone register") from None


def lifted_request(line: bytes) -> str:
    """The request that a lifted line names.

    Raises:
        BadProof: it is not such a line.
    """
    try:
        return str(json.loads(line[len(LIFTED) :])["request"])
    except (ValueError, KeyError, TypeError):
        raise BadProof("a line of the register can't be read", where="tombstone register") from None


def _json(told: dict[str, object]) -> bytes:
    """Plain JSON: the seal is over bytes, so no canonical form is needed, and this is ten times faster."""
    return json.dumps(told, separators=(",", ":")).encode()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
