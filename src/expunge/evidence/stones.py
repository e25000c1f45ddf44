"""How tombstones are written: a line for the digests that share their facts, a line for an undone request, a head before each batch."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from os import SEEK_CUR
from typing import BinaryIO, Final

from expunge.errors import BadProof
from expunge.terms import Identifier

DIGEST_BYTES: Final = 32
LAID: Final = b"+ "
LIFTED: Final = b"- "
_MOST_DIGESTS = 64
"""Digests in one line, so that a look-up never has to read a long one; few people have more identifiers."""
_HEAD = re.compile(rb"= ([0-9a-f]{8}) ([0-9a-f]{64}) ([0-9a-f]{8})\n")
_HEAD_BYTES = 85


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


def digests_of(line: bytes) -> list[bytes]:
    """The digests that a laid line holds.

    Raises:
        BadProof: it is not such a line.
    """
    try:
        packed = bytes.fromhex(line[len(LAID) : line.index(b" ", len(LAID))].decode("ascii"))
    except ValueError:
        raise _unreadable() from None
    return [packed[start : start + DIGEST_BYTES] for start in range(0, len(packed), DIGEST_BYTES)]


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
        raise _unreadable() from None


def lifted_request(line: bytes) -> str:
    """The request that a lifted line names."""
    return str(json.loads(line[len(LIFTED) :])["request"])


def head_of(body: bytes, seal: bytes) -> bytes:
    """The line before a batch: its length, its seal, and a checksum of both, so that a changed length is not taken for a torn end."""
    told = b"= %08x %s" % (len(body), seal.hex().encode())
    return told + b" %08x\n" % zlib.crc32(told)


def read_batch(file: BinaryIO) -> tuple[bytes, bytes] | None:
    """The seal and the lines of the batch that begins here; ``None`` at the end, or before what a crash left there.

    A crash leaves the last batch cut short, or, where a file system extends a file before it writes, with zeros.

    Raises:
        BadProof: something else begins here.
    """
    head = file.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES or head.startswith(b"\0"):
        return None
    matched = _HEAD.fullmatch(head)
    if matched is None or zlib.crc32(head[: matched.start(3) - 1]) != int(matched[3], 16):
        raise _unreadable()
    length = int(matched[1], 16)
    body, more = file.read(length), file.read(1)
    file.seek(-len(more), SEEK_CUR)
    if len(body) < length or (b"\0" in body and not more):
        return None
    return bytes.fromhex(matched[2].decode()), body


def _json(told: dict[str, object]) -> bytes:
    """Plain JSON: the seal is over bytes, so no canonical form is needed, and this is ten times faster."""
    return json.dumps(told, separators=(",", ":")).encode()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _unreadable() -> BadProof:
    return BadProof("the register was changed", where="tombstone register")
