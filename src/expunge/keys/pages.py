"""A page: 1,024 keys and their states under one bucket key (AES-256-GCM), and the bucket key under the epoch's root.

Keys are random, never derived from anything that stays. What is used of a slot's key is derived from it (HMAC-SHA256, one label per
use), so that everything dies with the slot.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from expunge.errors import KeyStoreError

SLOTS = 1024
KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_ALL_KEYS = SLOTS * KEY_BYTES


class State(IntEnum):
    """What a slot holds: nothing yet, a key, a key inside its undo window, or a key's grave (all zeros, for ever)."""

    EMPTY = 0
    LIVE = 1
    HIDDEN = 2
    DESTROYED = 3


class Page:
    """An open page; ``wipe`` it when done."""

    def __init__(self, raw: bytearray) -> None:
        """Take the page's own bytes: the keys, then the states."""
        self.raw = raw

    def __repr__(self) -> str:
        """Never a key."""
        return "Page()"

    @classmethod
    def empty(cls) -> Page:
        """A page without keys."""
        return cls(bytearray(_ALL_KEYS + SLOTS))

    def state(self, slot: int) -> State:
        """The slot's state."""
        return State(self.raw[_ALL_KEYS + slot])

    def derive(self, slot: int, use: bytes) -> bytes:
        """The slot's 32-byte key for one use."""
        return hmac.digest(self.raw[slot * KEY_BYTES : (slot + 1) * KEY_BYTES], use, "sha256")

    def fill(self, slots: Iterable[int]) -> bool:
        """Give keys to those that never had one; whether anything changed."""
        fresh = [slot for slot in slots if self.state(slot) is State.EMPTY]
        for slot in fresh:
            self._set(slot, State.LIVE, os.urandom(KEY_BYTES))
        return bool(fresh)

    def turn(self, slots: Iterable[int], old: State, new: State) -> bool:
        """Move slots from one state to another, leaving the rest; whether anything changed."""
        moved = [slot for slot in slots if self.state(slot) is old]
        for slot in moved:
            self.raw[_ALL_KEYS + slot] = new
        return bool(moved)

    def zero(self, slots: Iterable[int]) -> bool:
        """Destroy keys, also those never made, which then never will be; whether anything changed."""
        doomed = [slot for slot in slots if self.state(slot) is not State.DESTROYED]
        for slot in doomed:
            self._set(slot, State.DESTROYED, bytes(KEY_BYTES))
        return bool(doomed)

    def wipe(self) -> None:
        """Zero the page in memory."""
        self.raw[:] = bytes(len(self.raw))

    def _set(self, slot: int, state: State, key: bytes) -> None:
        self.raw[slot * KEY_BYTES : (slot + 1) * KEY_BYTES] = key
        self.raw[_ALL_KEYS + slot] = state


def shut_page(page: Page, bucket_key: bytearray, bound_to: bytes) -> bytes:
    """Encrypt a page."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(bucket_key).encrypt(nonce, page.raw, b"page " + bound_to)


def open_page(shut: bytes, bucket_key: bytearray, bound_to: bytes) -> Page:
    """Decrypt a page.

    Raises:
        KeyStoreError: another key, another place, or changed bytes.
    """
    raw = bytearray(_ALL_KEYS + SLOTS)
    _decrypt_into(raw, shut, bucket_key, b"page " + bound_to)
    return Page(raw)


def wrap_key(bucket_key: bytearray, root: bytearray, bound_to: bytes) -> bytes:
    """Encrypt a bucket key under the epoch's root."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(root).encrypt(nonce, bucket_key, b"bucket key " + bound_to)


def unwrap_key(wrapped: bytes, root: bytearray, bound_to: bytes) -> bytearray:
    """Decrypt a bucket key.

    Raises:
        KeyStoreError: another root, another place, or changed bytes.
    """
    key = bytearray(KEY_BYTES)
    _decrypt_into(key, wrapped, root, b"bucket key " + bound_to)
    return key


def _decrypt_into(target: bytearray, sealed: bytes, key: bytearray, bound_to: bytes) -> None:
    if len(sealed) != _NONCE_BYTES + len(target) + _TAG_BYTES:
        raise KeyStoreError("a key page has another length than it should", where="key database")
    try:
        AESGCM(key).decrypt_into(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to, target)
    except InvalidTag:
        raise KeyStoreError("a key page does not open with this root, or was changed", where="key database") from None
