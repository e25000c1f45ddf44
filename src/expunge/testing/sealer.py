"""A sealer whose keys lie in memory: real encryption, keys that can be destroyed, nothing on any disk."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from hashlib import sha256

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from expunge.errors import KeyDestroyed

_NONCE = 12  # bytes: what AES-GCM is specified for (NIST SP 800-38D, 5.2.1.1)


class MemorySealer:
    """A ``ports.Sealer``; one instance is one key store."""

    def __init__(self) -> None:
        """Begin without keys."""
        self._keys: dict[tuple[str, int], bytes] = {}
        self._destroyed: set[tuple[str, int]] = set()

    def make(self, space: str, numbers: Sequence[int]) -> None:
        """Make keys for these numbers; those that exist, or were destroyed, stay as they are."""
        for number in numbers:
            if (space, number) not in self._destroyed:
                self._keys.setdefault((space, number), os.urandom(32))

    def seal(self, space: str, number: int, plain: bytes, *, bound_to: bytes) -> bytes:
        """Encrypt under that key.

        Raises:
            KeyDestroyed: it is gone, or never was.
        """
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._key(space, number)).encrypt(nonce, plain, bound_to)

    def unseal(self, space: str, number: int, sealed: bytes, *, bound_to: bytes) -> bytes:
        """Decrypt.

        Raises:
            KeyDestroyed: it is gone, or never was.
        """
        return AESGCM(self._key(space, number)).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to)

    def seal_each(self, space: str, plains: Mapping[int, bytes], *, bound_to: bytes) -> dict[int, bytes]:
        """Encrypt one secret per number; as ``seal``."""
        return {number: self.seal(space, number, plain, bound_to=bound_to) for number, plain in plains.items()}

    def unseal_each(self, space: str, sealed: Mapping[int, bytes], *, bound_to: bytes) -> dict[int, bytes]:
        """Decrypt one secret per number; those whose key is destroyed are absent."""
        return {number: self.unseal(space, number, one, bound_to=bound_to) for number, one in sealed.items() if self.has(space, number)}

    def salts(self, space: str, numbers: Sequence[int]) -> dict[int, bytes]:
        """A salt per key, derived from it; destroyed keys are absent."""
        return {number: sha256(b"salt" + self._key(space, number)).digest() for number in numbers if self.has(space, number)}

    def destroy(self, space: str, numbers: Sequence[int]) -> None:
        """Destroy these keys. Idempotent."""
        for number in numbers:
            self._destroyed.add((space, number))
            self._keys.pop((space, number), None)

    def has(self, space: str, number: int) -> bool:
        """Whether that key is there."""
        return (space, number) in self._keys

    def _key(self, space: str, number: int) -> bytes:
        if (space, number) not in self._keys:
            msg = "the key is gone, or never was"
            raise KeyDestroyed(msg, where=f"{space}/{number}")
        return self._keys[space, number]
