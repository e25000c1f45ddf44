"""Statements that are too long for one entry: cut into pieces, which stand in the log right before the entry that binds them.

An entry has at most 65,535 bytes (C2SP tlog-tiles). What an entry can't hold, a run over hundreds of collections, is logged as *pieces*,
``{"place", "text"}``, which read one after the other give the statement's canonical JSON, and a *head* in the statement's place,
``{"cut": {"bytes", "digest", "pieces"}}``. A receipt carries the head as its entry, and the whole statement, which has that digest: a
stranger needs no piece. Whoever has the log puts the pieces together and finds the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from expunge.errors import BadProof
from expunge.evidence.canonical import canonical, parse_object
from expunge.terms import Json

PIECE_KIND = "piece/1"

PIECE_BYTES = 32_000
"""Of text. As JSON it at most doubles (every byte a quote or a backslash), and signatures and names take 300 more."""

_CUT = "cut"
_FIELDS = {"bytes", "digest", "pieces"}


@dataclass(frozen=True, slots=True)
class Whole:
    """One statement of a log as it was signed, whether it was cut or not, at the place of its entry or head."""

    index: int
    kind: str
    statement: Mapping[str, Json]


def cut(statement: Mapping[str, Json]) -> tuple[list[dict[str, Json]], dict[str, Json]]:
    """The pieces of a statement, in order, and the head that binds them.

    Raises:
        BadProof: it has no canonical form.
    """
    raw = canonical(dict(statement))
    texts = list(_texts(raw))
    bound: dict[str, Json] = {"bytes": len(raw), "digest": hashlib.sha256(raw).hexdigest(), "pieces": len(texts)}
    return [{"place": place, "text": text} for place, text in enumerate(texts)], {_CUT: bound}


def pieces_before(statement: Mapping[str, Json]) -> int | None:
    """How many entries before this one hold the statement that it is the head of; ``None`` if it is a statement itself.

    Raises:
        BadProof: a head that binds nothing.
    """
    bound = statement.get(_CUT)
    if statement.keys() != {_CUT}:
        return None
    if not isinstance(bound, Mapping) or bound.keys() != _FIELDS:
        raise BadProof("not the head of a statement that was cut")
    count = bound["pieces"]
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise BadProof("not the head of a statement that was cut")
    return count


def require_bound(head: Mapping[str, Json], statement: Json) -> Mapping[str, Json]:
    """The statement, which must be the one that this head binds.

    Raises:
        BadProof: it is another.
    """
    raw = canonical(statement)
    bound = head[_CUT]
    assert isinstance(bound, Mapping)
    if not isinstance(statement, Mapping) or bound["bytes"] != len(raw) or bound["digest"] != hashlib.sha256(raw).hexdigest():
        raise BadProof("the statement is not the one that its entry binds")
    return statement


def put_together(head: Mapping[str, Json], pieces: Sequence[Mapping[str, Json]]) -> Mapping[str, Json]:
    """The statement that these pieces give, which must be the one that the head binds.

    Raises:
        BadProof: a piece is missing, is at another's place, or they give another statement.
    """
    if [piece.get("place") for piece in pieces] != list(range(pieces_before(head) or 0)):
        raise BadProof("the pieces of a statement are not all there, one after the other")
    return require_bound(head, parse_object("".join(str(piece.get("text")) for piece in pieces).encode()))


def whole_statements(entries: Iterable[bytes], start: int = 0) -> Iterator[Whole]:
    """The statements of these entries, which begin at place ``start`` of a log and not within a statement.

    Raises:
        BadProof: not an entry, or pieces without their head or with another's.
    """
    waiting: list[Mapping[str, Json]] = []
    for index, raw in enumerate(entries, start):
        entry = parse_object(raw)
        kind, statement = entry.get("type"), entry.get("statement")
        if not isinstance(statement, Mapping):
            raise BadProof(f"entry {index} is not one of ours", where="evidence log")
        if kind == PIECE_KIND:
            waiting.append(statement)
            continue
        if pieces_before(statement) is not None:
            statement, waiting = put_together(statement, waiting), []
        if waiting:
            raise BadProof(f"entry {index} does not bind the pieces before it", where="evidence log")
        yield Whole(index, str(kind), statement)
    if waiting:
        raise BadProof("the log ends with pieces that nothing binds", where="evidence log")


def _texts(raw: bytes) -> Iterator[str]:
    """Cut between characters."""
    start = 0
    while start < len(raw):
        end = min(start + PIECE_BYTES, len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # noqa: PLR2004  # UTF-8's continuation bytes, RFC 3629 section 3
            end -= 1
        yield raw[start:end].decode()
        start = end
