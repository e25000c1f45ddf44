"""Checkpoints (c2sp.org/tlog-checkpoint): origin, size and root, signed by the log.

The log signs twice with one key: a note signature for every tool, and a cosignature/v1 whose time says when. The signed messages can't
be confused: only the second starts with ``cosignature/v1``. Witnesses add their own cosignatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from expunge.errors import BadProof
from expunge.evidence.canonical import decode_base64, encode_base64
from expunge.evidence.merkle import HASH_BYTES
from expunge.evidence.notes import Note, VerifyKey, parse_note, verify_cosignature
from expunge.evidence.signing import Signer

_LINES = 3
_MOST_DIGITS = 19
"""Sizes fit in 63 bits, so a longer number is not one."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified log head. ``at`` (UTC, whole seconds) is when the log signed it; ``note`` is its text with all signatures."""

    origin: str
    size: int
    root: bytes
    at: datetime
    note: str
    witnesses: tuple[str, ...] = ()


def sign_checkpoint(signer: Signer, size: int, root: bytes, at: datetime) -> str:
    """The signed note of a log head."""
    text = f"{signer.key.name}\n{size}\n{encode_base64(root)}\n"
    return Note(text, (signer.sign_note(text), signer.cosign(text, at))).whole


def verify_checkpoint(whole: str, log: VerifyKey, witnesses: Sequence[VerifyKey] = (), *, strict: bool = False) -> Checkpoint:
    """Read a checkpoint and verify the log's two signatures, and those of the witnesses named here.

    With ``strict``, as in a receipt, every signature line must be the log's or a named witness's, each at most once: then no byte of
    the note is left unchecked. Otherwise lines of unknown keys are passed over, as the specification asks.

    Raises:
        BadProof: malformed, of another log, or a signature does not verify.
    """
    note = parse_note(whole)
    lines = note.text.removesuffix("\n").split("\n")
    if len(lines) != _LINES or lines[0] != log.name:
        raise BadProof("the checkpoint is not one of this log")
    size, root = _parse_size(lines[1]), decode_base64(lines[2])
    if len(root) != HASH_BYTES:
        raise BadProof("the checkpoint's root is not a hash")
    times = _verify_lines(note, log, witnesses, strict=strict)
    if log.for_cosignatures() not in times:
        raise BadProof("the checkpoint is not signed by this log")
    try:
        at = datetime.fromtimestamp(times.pop(log.for_cosignatures()), UTC)
    except (OverflowError, ValueError, OSError):
        raise BadProof("the checkpoint's time is not a time") from None
    return Checkpoint(lines[0], size, root, at, whole, tuple(key.name for key in times))


def _verify_lines(note: Note, log: VerifyKey, witnesses: Sequence[VerifyKey], *, strict: bool) -> dict[VerifyKey, int]:
    """The POSIX time of each known cosigner, once the log's plain signature has verified too."""
    cosigners = [log.for_cosignatures(), *witnesses]
    times: dict[VerifyKey, int] = {}
    plain = 0
    for one in note.signatures:
        cosigner = next((key for key in cosigners if one.by(key)), None)
        if one.by(log):
            log.check(note.text.encode(), one.raw)
            plain += 1
        elif cosigner is not None and cosigner not in times:
            times[cosigner] = verify_cosignature(note.text, one, cosigner)
        elif strict or cosigner is not None:
            raise BadProof("the checkpoint carries a signature twice, or one by a key that is not in the trust bundle")
    if plain != 1:
        raise BadProof("the checkpoint is not signed once by this log")
    return times


def _parse_size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and str(int(text)) == text):
        raise BadProof("the checkpoint's size is not a number")
    return int(text)
