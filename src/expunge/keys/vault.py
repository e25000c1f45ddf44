"""The vault: makes, uses, hides and destroys keys by number, set-wise.

Three levels: a slot's random key in a page of 1,024, the page under its bucket's key, all bucket keys under the epoch's root, which
lies in a file outside the database. Destroying zeroes the slot and puts the survivors under a new bucket key; closing the epoch puts
all bucket keys under a new root and destroys the old one, so that no older copy of the database (WAL, free pages, backups) opens.

A crash at any point leaves either the old state or the new one: every bucket is one transaction, and a root is removed only after the
database has durably switched to its successor. Limits that are to be told: destruction is final when the epoch is closed; after a
close, backups of the key database from before it are worthless for the survivors too, so back it up anew; overwriting a root file is
final only on media that overwrite in place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from expunge.errors import KeyDestroyed, KeySealed, KeyStoreError, KeyStoreUnavailable
from expunge.keys.external import ExternalRoot
from expunge.keys.pages import KEY_BYTES, SLOTS, Page, State, open_page, shut_page, unwrap_key, wrap_key
from expunge.keys.roots import Roots
from expunge.keys.tables import Epoch, KeyTables, Shut
from expunge.ports import Clock

SPACES = ("subject", "run")

_NONCE_BYTES = 12
_PAGES_AT_ONCE = 64
"""Pages read by one query: 2 MB, and a million keys in sixteen queries."""
_LOOKS = 3
"""Reads may meet an epoch's close between the row and its root's file; the next look sees the new epoch."""
_SEAL, _SALT, _STREAM = b"expunge seal/1", b"expunge salt/1", b"expunge stream/1"


class Vault:
    """The key store. Implements ``ports.Sealer``. One instance is used by one thread; any number of processes may share the stores.

    ``space`` is ``subject`` or ``run``, numbers are dense and never used twice: a destroyed number never gets another key.
    """

    def __init__(self, tables: KeyTables, roots: Roots, clock: Clock) -> None:
        """Use ``open``."""
        self._tables = tables
        self._roots = roots
        self._clock = clock

    def __repr__(self) -> str:
        """Never a key, never a URL with a password."""
        return "Vault()"

    @classmethod
    def open(cls, url: str, roots: Path, external: ExternalRoot, clock: Clock) -> Self:
        """Open the key database and the roots' folder, making both at the first time, and finish what a crashed close left.

        Raises:
            KeyStoreUnavailable: one of them can't be reached, or the database is older than the last close of an epoch.
            KeyStoreError: the external root is not the one that wrapped the root.
        """
        vault = cls(KeyTables(url), Roots(roots, external), clock)
        with ExitStack() as undo:
            undo.callback(vault.close)
            with vault._roots.locked():
                vault._tables.create()
                vault._recover()
            undo.pop_all()
        return vault

    def close(self) -> None:
        """Give connections back and zero the root in memory. Idempotent."""
        self._tables.close()
        self._roots.forget()

    def make(self, space: str, numbers: Sequence[int]) -> None:
        """Make keys for these numbers; those that exist, are hidden or were destroyed stay as they are."""
        self._change(space, numbers, lambda page, slots: page.fill(slots))

    def hide(self, space: str, numbers: Sequence[int]) -> None:
        """Make these keys unreadable for their undo window; only salts can still be had. Idempotent."""
        self._change(space, numbers, lambda page, slots: page.turn(slots, State.LIVE, State.HIDDEN))

    def unhide(self, space: str, numbers: Sequence[int]) -> None:
        """Undo ``hide``. Idempotent; destroyed keys stay destroyed."""
        self._change(space, numbers, lambda page, slots: page.turn(slots, State.HIDDEN, State.LIVE))

    def destroy(self, space: str, numbers: Sequence[int]) -> None:
        """Destroy these keys, each bucket in a transaction of its own. Idempotent. Final when the epoch is closed."""
        self._change(space, numbers, lambda page, slots: page.zero(slots), rekey=True)

    def seal(self, space: str, number: int, plain: bytes, *, bound_to: bytes) -> bytes:
        """Encrypt under that key; ``bound_to`` is authenticated, not stored.

        Raises:
            KeyDestroyed: the key is gone or never was.
            KeySealed: inside its undo window.
        """
        return self.seal_each(space, {number: plain}, bound_to=bound_to)[number]

    def unseal(self, space: str, number: int, sealed: bytes, *, bound_to: bytes) -> bytes:
        """Decrypt.

        Raises:
            KeyDestroyed: the key is gone or never was.
            KeySealed: inside its undo window.
            KeyStoreError: not sealed by this key, or bound to something else.
        """
        plain = self.unseal_each(space, {number: sealed}, bound_to=bound_to).get(number)
        if plain is None:
            raise KeyDestroyed("the key is gone or never was", where=space)
        return plain

    def seal_each(self, space: str, plains: Mapping[int, bytes], *, bound_to: bytes) -> dict[int, bytes]:
        """Encrypt one secret per number, set-wise; as ``seal``, and nothing is answered unless all can be."""
        keys = self._derived(space, plains, _SEAL)
        if len(keys) < len(plains):
            raise KeyDestroyed("a key is gone or never was", where=space)
        return {number: _encrypt(keys[number], plain, bound_to) for number, plain in plains.items()}

    def unseal_each(self, space: str, sealed: Mapping[int, bytes], *, bound_to: bytes) -> dict[int, bytes]:
        """Decrypt one secret per number, set-wise; numbers whose key is gone or never was are absent.

        Raises:
            KeySealed: one of them is inside its undo window.
            KeyStoreError: one was not sealed by its key, or is bound to something else.
        """
        keys = self._derived(space, sealed, _SEAL)
        return {number: _decrypt(key, sealed[number], bound_to) for number, key in keys.items()}

    def stream_keys(self, space: str, numbers: Sequence[int]) -> dict[int, bytes]:
        """Keys for ``streaming``, one per number; numbers whose key is gone or never was are absent. Don't keep them.

        Raises:
            KeySealed: one of them is inside its undo window.
        """
        return self._derived(space, numbers, _STREAM)

    def salts(self, space: str, numbers: Sequence[int]) -> dict[int, bytes]:
        """A 32-byte salt per key, derived from it, so that it dies with it. Hidden keys still give theirs: receipts need it."""
        return self._derived(space, numbers, _SALT, hidden=True)

    def open_epoch_since(self) -> datetime:
        """When the last epoch was closed and the open one began (UTC): what was destroyed before is finally gone."""
        with self._tables.reading() as connection:
            return self._known(self._tables.epoch(connection)).since

    def close_epoch(self) -> datetime:
        """Close the epoch: a new root, every bucket key under it, the old root overwritten and removed; when it was (UTC).

        Raises:
            KeyStoreUnavailable: the database or the folder can't be written. If the switch was already durable, the next ``open``
                finishes; if not, nothing has changed.
        """
        with self._roots.locked():
            with self._tables.writing() as (connection, held):
                fresh = self._switch(connection, self._known(held))
            self._roots.destroy(keep=fresh.root)
        self._tables.fold_log()
        return fresh.since

    def _switch(self, connection: Connection, old: Epoch) -> Epoch:
        """Make a new root and put every bucket key under it, in the caller's transaction."""
        with _wiping() as secrets:
            was = bytearray(self._roots.get(old.number, old.root))
            secrets.append(was)
            number = old.number + 1
            fresh = Epoch(number, self._roots.make(number), max(self._clock.now().astimezone(UTC), old.since))
            now = self._roots.get(fresh.number, fresh.root)
            for rows in self._tables.wrapped_keys(connection):
                changed = [(space, bucket, _rewrapped(space, bucket, wrapped, was, now)) for space, bucket, wrapped in rows]
                self._tables.rewrap(connection, changed)
            self._tables.begin_epoch(connection, fresh)
        return fresh

    def _recover(self) -> None:
        """Begin the first epoch, or finish a close that had switched; refuse a database whose root is gone, touching nothing."""
        with self._tables.writing() as (connection, held):
            epoch = held or self._first(connection)
            self._roots.get(epoch.number, epoch.root)
        self._roots.destroy(keep=epoch.root, before=epoch.number)

    def _first(self, connection: Connection) -> Epoch:
        """Begin the first epoch. An empty database beside roots is a lost one: to begin anew would call every key destroyed."""
        if self._roots.any():
            told = "the key database is empty and its roots' folder is not: restore the database, or empty the folder to begin anew"
            raise KeyStoreUnavailable(told, where="key database")
        epoch = Epoch(1, self._roots.make(1), self._clock.now())
        self._tables.begin_epoch(connection, epoch)
        return epoch

    def _known(self, epoch: Epoch | None) -> Epoch:
        if epoch is None:
            raise KeyStoreUnavailable("the key database has lost its epoch: it was emptied while in use", where="key database")
        return epoch

    def _change(self, space: str, numbers: Iterable[int], change: Callable[[Page, list[int]], bool], *, rekey: bool = False) -> None:
        for bucket, slots in _by_bucket(space, numbers).items():
            with self._tables.writing() as (connection, epoch), _wiping() as secrets:
                open_epoch = self._known(epoch)
                root = self._roots.get(open_epoch.number, open_epoch.root)
                held = self._tables.fetch(connection, space, [bucket])
                key, page = self._opened(space, held[0]) if held else (bytearray(os.urandom(KEY_BYTES)), Page.empty())
                secrets += [key, page.raw]
                if not change(page, slots):
                    continue
                if rekey:
                    key[:] = os.urandom(KEY_BYTES)
                place = _place(space, bucket)
                self._tables.put(connection, space, bucket, wrap_key(key, root, place), shut_page(page, key, place))

    def _derived(self, space: str, numbers: Iterable[int], use: bytes, *, hidden: bool = False) -> dict[int, bytes]:
        """Each number's key for one use; those without a key are absent.

        Raises:
            KeySealed: a key is hidden, unless ``hidden`` asks for those too.
        """
        wanted = _by_bucket(space, numbers)
        buckets = list(wanted)
        answer: dict[int, bytes] = {}
        for start in range(0, len(buckets), _PAGES_AT_ONCE):
            with _wiping() as secrets:
                for bucket, page in self._look(space, buckets[start : start + _PAGES_AT_ONCE], secrets):
                    for slot in wanted[bucket]:
                        state = page.state(slot)
                        if state is State.HIDDEN and not hidden:
                            raise KeySealed("the key is inside its undo window", where=space)
                        if state in (State.LIVE, State.HIDDEN):
                            answer[bucket * SLOTS + slot] = page.derive(slot, use)
        return answer

    def _look(self, space: str, buckets: Sequence[int], secrets: list[bytearray]) -> list[tuple[int, Page]]:
        """Open these buckets' pages, as far as they exist; look again where a look fails, because an epoch may just have been closed."""
        for _ in range(_LOOKS - 1):
            with suppress(KeyStoreError):
                return self._look_once(space, buckets, secrets)
        return self._look_once(space, buckets, secrets)

    def _look_once(self, space: str, buckets: Sequence[int], secrets: list[bytearray]) -> list[tuple[int, Page]]:
        with self._tables.reading() as connection:
            held = self._tables.fetch(connection, space, buckets)
        pages: list[tuple[int, Page]] = []
        for one in held:
            key, page = self._opened(space, one)
            secrets += [key, page.raw]
            pages.append((one.bucket, page))
        return pages

    def _opened(self, space: str, held: Shut) -> tuple[bytearray, Page]:
        place = _place(space, held.bucket)
        key = unwrap_key(held.wrapped, self._roots.get(held.epoch, held.root), place)
        return key, open_page(held.page, key, place)


def _by_bucket(space: str, numbers: Iterable[int]) -> dict[int, list[int]]:
    """The slots that are meant, by bucket, both ascending."""
    if space not in SPACES:
        msg = f"a key's space is one of {', '.join(SPACES)}"
        raise ValueError(msg)
    wanted: dict[int, list[int]] = {}
    for number in sorted(set(numbers)):
        wanted.setdefault(number // SLOTS, []).append(number % SLOTS)
    return wanted


def _place(space: str, bucket: int) -> bytes:
    return f"{space} {bucket}".encode()


@contextmanager
def _wiping() -> Iterator[list[bytearray]]:
    """A list of secrets that are zeroed at the end of the block."""
    secrets: list[bytearray] = []
    try:
        yield secrets
    finally:
        for one in secrets:
            one[:] = bytes(len(one))


def _rewrapped(space: str, bucket: int, wrapped: bytes, was: bytearray, now: bytearray) -> bytes:
    with _wiping() as secrets:
        key = unwrap_key(wrapped, was, _place(space, bucket))
        secrets.append(key)
        return wrap_key(key, now, _place(space, bucket))


def _encrypt(key: bytes, plain: bytes, bound_to: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound_to)


def _decrypt(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError):
        raise KeyStoreError("a sealed value is not this key's, was changed, or is bound to something else", where="vault") from None
