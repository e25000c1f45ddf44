"""Salted commitments: how a statement names a person without naming them.

HMAC-SHA256 under a 32-byte salt that is derived from the subject's key. While the key lives, whoever holds identifier and key can show
that a receipt is theirs; once it is destroyed the salt is gone, and nobody can test a guess against the commitment any more.
"""

from __future__ import annotations

import hmac

from expunge.terms import Identifier

_LABEL = b"expunge commitment/1"


def commitment(salt: bytes, identifier: Identifier, request_id: str) -> str:
    """The hex commitment of an identifier in one request; another request gives another, so that receipts can't be joined by it."""
    return hmac.digest(salt, framed(_LABEL, identifier.type.encode(), identifier.value.encode(), request_id.encode()), "sha256").hex()


def framed(*parts: bytes) -> bytes:
    """Parts with their lengths, so that no two lists of parts give the same bytes."""
    return b"".join(len(one).to_bytes(8, "big") + one for one in parts)
