"""What every part of the journal stands on: the database, the clock, the sealer, and the key under which identifiers are digested."""

from __future__ import annotations

import base64
import hmac
import secrets
from hashlib import sha256

from expunge.journal.database import Database
from expunge.ports import Clock, Sealer

RUN_SPACE = "run"
"""The sealer's space for what lives no longer than a run."""


class Desk:
    """One part of the journal; ``Journal`` is all of them together."""

    def __init__(self, database: Database, clock: Clock, sealer: Sealer, lookup_key: bytes) -> None:
        """Take what the parts share; the caller keeps ``lookup_key`` outside the database."""
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._lookup_key = lookup_key

    def _digest(self, purpose: str, *parts: str) -> bytes:
        """HMAC-SHA256 under the lookup key; lengths are written out so that no two lists of parts give one message."""
        message = b"".join(_framed(part) for part in (purpose, *parts))
        return hmac.digest(self._lookup_key, message, sha256)


def _framed(part: str) -> bytes:
    # surrogatepass: a store may hold text that is not valid Unicode, and its person must be found too.
    raw = part.encode("utf-8", "surrogatepass")
    return len(raw).to_bytes(8, "big") + raw


def fresh_id(prefix: str) -> str:
    """A short random name, ``prefix_…``: 60 bits, so that a million of them collide with a chance of one in two million."""
    return f"{prefix}_{base64.b32encode(secrets.token_bytes(8)).decode().lower()[:12]}"
