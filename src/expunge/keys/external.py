"""What wraps an epoch's root: a secret that lies neither in a database nor beside the root.

A cloud's key service implements ``ExternalRoot`` too; none is shipped. A service makes the end of an epoch final on media that can't
be overwritten (SSD, copy-on-write, snapshots) only if it keeps one wrapping key per root and destroys it: a copy of an old root file
opens as long as what wrapped it lives.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from expunge.errors import KeyStoreError, KeyStoreUnavailable
from expunge.keys.files import create_once

_KEY_BYTES = 32
_NONCE_BYTES = 12


class ExternalRoot(Protocol):
    """Wraps and unwraps 32-byte roots. ``bound_to`` is authenticated, not secret."""

    def wrap(self, plain: bytes, bound_to: bytes) -> bytes:
        """Encrypt a root.

        Raises:
            KeyStoreUnavailable: not reachable now.
        """
        ...

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> bytes:
        """Decrypt a root.

        Raises:
            KeyStoreUnavailable: not reachable now.
            KeyStoreError: not wrapped by this secret, or bound to something else.
        """
        ...


class Wrapping:
    """AES-256-GCM under a secret that this process holds; the two shipped external roots differ in where they take it from."""

    def __init__(self, secret: bytes) -> None:
        """Take 32 bytes."""
        self._cipher = AESGCM(secret)

    def wrap(self, plain: bytes, bound_to: bytes) -> bytes:
        """Encrypt a root."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, bound_to)

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> bytes:
        """Decrypt a root.

        Raises:
            KeyStoreError: not wrapped by this secret, or bound to something else.
        """
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError):
            raise KeyStoreError("the root was wrapped by another external root, or was changed", where="key roots") from None


class KeyFile(Wrapping):
    """A key file of 32 random bytes, mode 0600. Keep it on another medium than the roots it wraps."""

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """The key in ``path``, made there, durable, if there is none.

        Raises:
            KeyStoreUnavailable: it can't be read or written.
            KeyStoreError: it is not 32 bytes.
        """
        return cls(_checked(create_once(path, os.urandom(_KEY_BYTES)), path.name))


class EnvironmentSecret(Wrapping):
    """A secret from the environment: 32 random bytes in base64, e.g. from ``openssl rand -base64 32``."""

    @classmethod
    def read(cls, name: str, environment: Mapping[str, str]) -> Self:
        """The secret in the variable ``name``.

        Raises:
            KeyStoreUnavailable: the variable is not set.
            KeyStoreError: it is not 32 bytes in base64.
        """
        if name not in environment:
            raise KeyStoreUnavailable(f"the environment variable {name} is not set", where="key roots")
        try:
            secret = base64.b64decode(environment[name], validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        return cls(_checked(secret, name))


def _checked(secret: bytes, where: str) -> bytes:
    if len(secret) != _KEY_BYTES:
        raise KeyStoreError(f"an external root's secret has {_KEY_BYTES} bytes", where=where)
    return secret
