"""Signing keys in files: the log's, the executor's and the verifier's, one file each."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from expunge.errors import EvidenceError
from expunge.evidence.canonical import decode_base64, encode_base64
from expunge.evidence.files import create_once
from expunge.evidence.notes import NOTE_SIGNATURE, NoteSignature, VerifyKey, check_name, cosigned_message, pack_cosignature

_SEED_BYTES = 32
_HEAD = "PRIVATE+KEY+"


class Signer:
    """An Ed25519 key with a name. The file holds one signed-note private key line, so that other note tools can use it."""

    def __init__(self, name: str, seed: bytes) -> None:
        """Take the 32-byte seed (RFC 8032)."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = VerifyKey(check_name(name), NOTE_SIGNATURE, self._private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        """The public half only."""
        return f"Signer({self.vkey!r})"

    @classmethod
    def load_or_create(cls, path: Path, name: str) -> Self:
        """The key in ``path``, made there (mode 0600, durable) if there is none.

        Raises:
            EvidenceError: the file is not such a key, or is another name's.
        """
        seed = os.urandom(_SEED_BYTES)
        line = path.read_bytes() if path.is_file() else create_once(path, _private_line(cls(name, seed), seed))
        packed = line.decode("utf-8", "replace").strip().removeprefix(_HEAD).split("+", 2)[-1]
        seed = decode_base64(packed)[1:]
        if len(seed) != _SEED_BYTES or _private_line(signer := cls(name, seed), seed) != line:
            raise EvidenceError(f"not the private key of {name}", where=path.name)
        return signer

    @property
    def vkey(self) -> str:
        """The public key's text, for the trust bundle."""
        return self.key.text

    def sign(self, message: bytes) -> bytes:
        """A bare Ed25519 signature."""
        return self._private.sign(message)

    def sign_note(self, text: str) -> NoteSignature:
        """A note signature (type 0x01) of a text that ends in a newline."""
        return NoteSignature(self.key.name, self.key.key_id, self.sign(text.encode()))

    def cosign(self, text: str, when: datetime) -> NoteSignature:
        """A cosignature/v1 (type 0x04): the same, with the time ``when`` (aware; whole seconds count)."""
        seconds = int(when.timestamp())
        cosigner = self.key.for_cosignatures()
        return NoteSignature(cosigner.name, cosigner.key_id, pack_cosignature(seconds, self.sign(cosigned_message(text, seconds))))


def _private_line(signer: Signer, seed: bytes) -> bytes:
    key = signer.key
    return f"{_HEAD}{key.name}+{key.key_id.hex()}+{encode_base64(bytes([key.algorithm]) + seed)}\n".encode()
