"""The Protocols by which rooms meet without importing each other; ``app/`` hands the concrete ones in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Clock(Protocol):
    """The one clock."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        ...


class Sealer(Protocol):
    """Seals small secrets under a named key that can be destroyed. ``space`` is ``"subject"`` or ``"run"``, ``number`` its dense id."""

    def make(self, space: str, numbers: Sequence[int]) -> None:
        """Make keys for these numbers; those that exist stay. Set-wise."""
        ...

    def seal(self, space: str, number: int, plain: bytes, *, bound_to: bytes) -> bytes:
        """Encrypt under that key; ``bound_to`` is authenticated, not stored.

        Raises:
            KeyDestroyed: the key is gone or never was.
        """
        ...

    def unseal(self, space: str, number: int, sealed: bytes, *, bound_to: bytes) -> bytes:
        """Decrypt.

        Raises:
            KeyDestroyed: the key is gone.
            KeySealed: inside its undo window.
        """
        ...

    def seal_each(self, space: str, plains: Mapping[int, bytes], *, bound_to: bytes) -> dict[int, bytes]:
        """Encrypt one secret per number, set-wise; as ``seal``."""
        ...

    def unseal_each(self, space: str, sealed: Mapping[int, bytes], *, bound_to: bytes) -> dict[int, bytes]:
        """Decrypt one secret per number, set-wise; numbers whose key is destroyed are absent from the answer."""
        ...

    def salts(self, space: str, numbers: Sequence[int]) -> dict[int, bytes]:
        """A 32-byte salt per key, derived from it, so that it dies with it. Destroyed keys are absent from the answer."""
        ...

    def destroy(self, space: str, numbers: Sequence[int]) -> None:
        """Destroy these keys, set-wise and idempotent. Final when the epoch is closed."""
        ...


class Appender(Protocol):
    """An append-only, signed log."""

    def append(self, entries: Sequence[bytes]) -> range:
        """Append durably and publish one checkpoint; the indexes of the entries."""
        ...


class Fleet(Protocol):
    """Where work that can be split runs: processes on this machine, or a cluster."""

    def map(self, work: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
        """Answers in the items' order. ``work`` is a module-level function, idempotent: a killed worker's item is tried again."""
        ...
