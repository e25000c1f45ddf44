"""What a stranger does, with two files and nothing else: no policy, no database, no network."""

from __future__ import annotations

from pathlib import Path

from expunge.errors import BadProof
from expunge.evidence.receipts import Verified, verify_receipt


def check_receipt(receipt: Path, trust: Path) -> Verified:
    """Check a receipt file against a trust bundle that was got from somewhere else.

    Raises:
        BadProof: a file can't be read, or anything at all is not as issued.
    """
    return verify_receipt(_read(receipt), _read(trust))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise BadProof("the file can't be read", where=path.name) from None


__all__ = ["Verified", "check_receipt"]
