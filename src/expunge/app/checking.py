"""What a stranger does, with two files and nothing else: no policy, no database, no network."""

from __future__ import annotations

import os
from pathlib import Path

from expunge.errors import InvalidRequest
from expunge.evidence.receipts import Verified, verify_receipt


def check_receipt(receipt: Path, trust: Path) -> Verified:
    """Check a receipt file against a trust bundle that was got from somewhere else.

    Raises:
        InvalidRequest: a file can't be read: nothing was checked, so nothing is said of a proof.
        BadProof: anything at all is not as issued.
    """
    return verify_receipt(_read(receipt), _read(trust))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise InvalidRequest(f"the file can't be read: {os.strerror(fault.errno or 0)}", where=str(path)) from None


__all__ = ["Verified", "check_receipt"]
