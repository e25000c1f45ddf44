"""What a stranger does, with two files and nothing else: no policy, no database, no network."""

from __future__ import annotations

import os
from pathlib import Path

from expunge.errors import InvalidRequest
from expunge.evidence.commitments import Opening
from expunge.evidence.receipts import Verified, verify_receipt


def check_receipt(receipt: Path, trust: Path, opening: Path | None = None, subject: str | None = None) -> Verified:
    """Check a receipt file against a trust bundle that was got from somewhere else; with an opening, also that it is about ``subject``.

    ``subject`` is written ``KIND:KEY``.

    Raises:
        InvalidRequest: a file can't be read, or opening and subject are not given together: nothing was checked.
        BadProof: anything at all is not as issued, or the receipt is about somebody else.
    """
    if (opening is None) != (subject is None):
        raise InvalidRequest("an opening shows whether a receipt is about one person: give --opening and --subject together")
    found = verify_receipt(_read(receipt), _read(trust))
    if opening is not None and subject is not None:
        Opening.from_json(_read(opening)).require(found.statement, subject)
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise InvalidRequest(f"the file can't be read: {os.strerror(fault.errno or 0)}", where=str(path)) from None


__all__ = ["Verified", "check_receipt"]
