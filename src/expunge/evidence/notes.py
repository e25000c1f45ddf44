"""C2SP signed notes: text ending in a newline, a blank line, signature lines; Ed25519 note signatures and cosignature/v1.

Reading is strict: one text per note. Base64 must be canonical, lines complete, key names clean, so that no byte of a note can change
unnoticed. Sources: c2sp.org/signed-note, c2sp.org/tlog-cosignature.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from expunge.errors import BadProof
from expunge.evidence.canonical import decode_base64, encode_base64

NOTE_SIGNATURE = 0x01
COSIGNATURE = 0x04
_PUBLIC_BYTES = 32
_ID_BYTES = 4
_TIME_BYTES = 8
_SIGNATURE_BYTES = 64
_DASH = "\u2014 "
_MOST_LINES = 64
"""More signature lines than any honest note has (the specification asks for at least 16): a bound on work done for a stranger."""


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public key as a signed note names it; ``algorithm`` is the C2SP signature type, 0x01 or 0x04."""

    name: str
    algorithm: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256 over name, newline, type and key."""
        return key_id(self.name, self.algorithm, self.public)

    @property
    def text(self) -> str:
        """The vkey: ``name+id+base64``."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.algorithm]) + self.public)}"

    def for_cosignatures(self) -> VerifyKey:
        """The same key as a cosigner's: the log timestamps its own checkpoints with it."""
        return VerifyKey(self.name, COSIGNATURE, self.public)

    def check(self, message: bytes, signature: bytes) -> None:
        """Check a bare Ed25519 signature (RFC 8032).

        Raises:
            BadProof: not this key's signature of this message.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise BadProof(f"a signature is not by {self.name}'s key") from None


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line; ``raw`` is what follows the key id."""

    name: str
    key_id: bytes
    raw: bytes

    @property
    def line(self) -> str:
        """The line with its newline."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.raw)}\n"

    def by(self, key: VerifyKey) -> bool:
        """Whether the line names this key."""
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note whose signatures are not yet verified; ``text`` ends in a newline."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @property
    def whole(self) -> str:
        """The note as it is written."""
        return f"{self.text}\n" + "".join(one.line for one in self.signatures)


def key_id(name: str, algorithm: int, public: bytes) -> bytes:
    """The key id of the signed-note specification: a hint, not a commitment."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:_ID_BYTES]


def check_name(name: str) -> str:
    """The name, if a note can carry it.

    Raises:
        BadProof: empty, or with blanks, control characters or a plus.
    """
    if not name or "+" in name or any(one.isspace() or not one.isprintable() for one in name):
        raise BadProof("a key's name is not empty and has no blanks and no plus")
    return name


def parse_vkey(text: object) -> VerifyKey:
    """Read a vkey.

    Raises:
        BadProof: not a vkey of a type that is known here, or its id is not that of its key.
    """
    parts = text.split("+", 2) if isinstance(text, str) else []
    if len(parts) != 3:  # noqa: PLR2004  # name, id, key: the three parts of the format
        raise BadProof("a verifier key is written NAME+ID+KEY")
    packed = decode_base64(parts[2])
    key = VerifyKey(check_name(parts[0]), packed[0] if packed else 0, packed[1:])
    if key.algorithm not in (NOTE_SIGNATURE, COSIGNATURE) or len(key.public) != _PUBLIC_BYTES:
        raise BadProof("a verifier key is an Ed25519 key of type 1 or 4")
    if key.text != text:
        raise BadProof("a verifier key's id is not that of its key")
    return key


def parse_note(whole: str) -> Note:
    """Read a note; nothing is verified yet.

    Raises:
        BadProof: not exactly the format.
    """
    text, blank, tail = whole.rpartition("\n\n")
    if not blank or not tail.endswith("\n") or any(one < " " and one != "\n" for one in whole):
        raise BadProof("not a signed note")
    lines = tail.removesuffix("\n").split("\n")
    if len(lines) > _MOST_LINES:
        raise BadProof("too many signature lines")
    return Note(text + "\n", tuple(_parse_line(one) for one in lines))


def verify_cosignature(text: str, signature: NoteSignature, key: VerifyKey) -> int:
    """Check a cosignature/v1 of a checkpoint's text; its POSIX time.

    Raises:
        BadProof: it does not verify.
    """
    if len(signature.raw) != _TIME_BYTES + _SIGNATURE_BYTES:
        raise BadProof("a cosignature has another length")
    when = int.from_bytes(signature.raw[:_TIME_BYTES], "big")
    key.check(cosigned_message(text, when), signature.raw[_TIME_BYTES:])
    return when


def cosigned_message(text: str, when: int) -> bytes:
    """What a cosignature/v1 signs; ``when`` is POSIX seconds."""
    return f"cosignature/v1\ntime {when}\n{text}".encode()


def pack_cosignature(when: int, signature: bytes) -> bytes:
    """The raw form of a cosignature/v1: time, then signature."""
    return when.to_bytes(_TIME_BYTES, "big") + signature


def _parse_line(line: str) -> NoteSignature:
    name, blank, packed = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not blank:
        raise BadProof("not a signature line")
    raw = decode_base64(packed)
    if len(raw) <= _ID_BYTES:
        raise BadProof("a signature line without a signature")
    return NoteSignature(check_name(name), raw[:_ID_BYTES], raw[_ID_BYTES:])
