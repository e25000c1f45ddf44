"""Salted commitments: how a statement names a person without naming them.

HMAC-SHA256 under a 32-byte salt that is derived from the subject's key. While the key lives, whoever holds identifier and key can show
that a receipt is theirs; once it is destroyed the salt is gone, and nobody can test a guess against the commitment any more, but who was
given the *opening*, salt and identifier, while the key lived.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from expunge.errors import BadProof
from expunge.evidence.canonical import canonical, decode_base64, encode_base64, parse_object
from expunge.terms import Identifier, Json

_LABEL = b"expunge commitment/1"
_SALT_LABEL = b"expunge request salt/1"
_TYPE = "opening/1"
_FIELDS = {"type", "request", "identifier", "salt"}


@dataclass(frozen=True, slots=True, repr=False)
class Opening:
    """What shows that one request's receipt is about one person: for the requester, and kept nowhere else. ``salt`` is the request's."""

    request: str
    identifier: Identifier
    salt: bytes

    def __repr__(self) -> str:
        """Neither person nor salt."""
        return f"Opening({self.request!r})"

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Read an opening's bytes, canonical JSON.

        Raises:
            BadProof: anything else.
        """
        parts = parse_object(raw)
        named, request = parts.get("identifier"), parts.get("request")
        if parts.keys() != _FIELDS or parts["type"] != _TYPE or not isinstance(named, dict) or not isinstance(request, str):
            raise BadProof("not an opening of this version")
        type_, value = named.get("type"), named.get("value")
        if named.keys() != {"type", "value"} or not isinstance(type_, str) or not isinstance(value, str):
            raise BadProof("not an opening of this version")
        return cls(request, Identifier(type_, value), decode_base64(parts["salt"]))

    def to_json(self) -> bytes:
        """The opening as canonical JSON."""
        named: Json = {"type": self.identifier.type, "value": self.identifier.value}
        return canonical({"type": _TYPE, "request": self.request, "identifier": named, "salt": encode_base64(self.salt)})

    def require(self, statement: Mapping[str, Json], subject: str) -> None:
        """The statement of a request is about ``subject``, written ``KIND:KEY`` or ``KIND:IDENTITY=KEY``.

        Raises:
            BadProof: it is of another request, or about somebody else, or the opening is not the one that was handed over.
        """
        request = statement.get("request")
        if not isinstance(request, Mapping) or request.get("id") != self.request:
            raise BadProof("the opening is not of this receipt's request")
        kind, _, key = subject.partition(":")
        named = key.removeprefix(f"{self.identifier.type}=")
        held = str(request.get("commitment"))
        mine = _committed(self.salt, Identifier(self.identifier.type, named), self.request)
        if kind != request.get("subject_kind") or not hmac.compare_digest(held.encode(), mine.encode()):
            raise BadProof("the receipt is not about the subject named, or the opening was changed")


def request_salt(salt: bytes, request_id: str) -> bytes:
    """The salt of one request, from the subject's: who is handed it can open this request's commitment and no other of the same person."""
    return hmac.digest(salt, framed(_SALT_LABEL, request_id.encode()), "sha256")


def commitment(salt: bytes, identifier: Identifier, request_id: str) -> str:
    """The hex commitment of an identifier in one request; another request gives another, so that receipts can't be joined by it."""
    return _committed(request_salt(salt, request_id), identifier, request_id)


def _committed(own_salt: bytes, identifier: Identifier, request_id: str) -> str:
    return hmac.digest(own_salt, framed(_LABEL, identifier.type.encode(), identifier.value.encode(), request_id.encode()), "sha256").hex()


def framed(*parts: bytes) -> bytes:
    """Parts with their lengths, so that no two lists of parts give the same bytes."""
    return b"".join(len(one).to_bytes(8, "big") + one for one in parts)
