"""Why a part of a place is listed but can't be scanned: the words of ``expunge.hunt.pieces.Why``, which lies on a floor above."""

from __future__ import annotations

DENIED = "permission denied"
ENCRYPTED = "encrypted"
BROKEN = "damaged or cut short"
SPECIAL = "not a regular file"
LOOP = "a link or a member that leads back to itself"
GONE = "gone or changed while it was read"
UNSUPPORTED = "this format is known but can't be opened here"
UNREACHABLE = "unreachable"
