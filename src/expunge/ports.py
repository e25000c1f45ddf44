"""The Protocols by which rooms meet without importing each other; ``app/`` hands the concrete ones in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from expunge.terms import FieldType, Identifier, Json, Record, Value

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


@dataclass(frozen=True, slots=True, repr=False)
class Gone:
    """A record that is about to go, for fingerprints. ``subject`` is the place of the request in the run's batch, from 0.

    ``fields`` are those that go, ``()`` for the whole record; ``types`` how the store holds its fields.
    """

    subject: int
    collection: str
    record: Record
    fields: tuple[str, ...] = ()
    types: Mapping[str, FieldType] = field(default_factory=dict[str, FieldType])


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """Copies of a run's people in one place.

    ``place`` names it to an operator and may quote an identifier: it is sealed wherever it is kept, as are ``rows`` (the keys of records,
    or none where the place is a file) and ``detail`` (samples and how they were recognised). ``certain``: it stands by itself, and makes
    a run incomplete; otherwise somebody should look. ``address`` is the policy's ``store.collection`` if the place is one that was adopted
    by content: what was found there goes.
    """

    source: str
    place: str
    certain: bool
    kinds: tuple[str, ...]
    count: int
    subjects: int
    rows: tuple[str, ...] = ()
    detail: Json = None
    address: str | None = None

    def __repr__(self) -> str:
        """Source and counts only."""
        return f"Found({self.source!r}, {self.count})"


@dataclass(frozen=True, slots=True)
class Hunted:
    """What a hunt found, and its account by source: names that we gave and numbers only, fit for a receipt."""

    finds: tuple[Found, ...]
    account: Mapping[str, Json]


class Shelf(Protocol):
    """Where a hunt keeps what it has so far, sealed with the run, so that a crash repeats no more than one shard."""

    def names(self) -> Sequence[str]:
        """All names under which something was put, sorted."""
        ...

    def pages(self, name: str) -> Iterator[bytes]:
        """What was put under a name."""
        ...

    def put(self, name: str, pages: Iterable[bytes]) -> None:
        """Keep these, in place of what was there."""
        ...


class Hunter(Protocol):
    """The hunt, as a run needs it."""

    def take(self, people: Sequence[tuple[int, Identifier]], gone: Iterable[Gone]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Fingerprints of what is about to go: (name, pages), names each once. ``people`` are (place in the batch, identifier)."""
        ...

    def hunt(self, run_id: str, shelf: Shelf, kept: Collection[str], round_: int) -> Hunted:
        """Look everywhere for the fingerprints of a run, which lie on the shelf under the names that ``take`` gave, in its order.

        ``kept`` are collections (``store.collection``) of which records of these people stay by the policy. What was scanned in the same
        ``round_`` before a crash is not scanned again.

        Raises:
            StoreError: a place can't be reached: nothing is known of it then.
            MissingExtra: an optional library is not installed.
            KeyDestroyed: the run is closed.
        """
        ...


@dataclass(frozen=True, slots=True, repr=False)
class Letter:
    """A message to one person. ``to`` is the address, ``about`` the registry number under whose key it is sealed and with whom it goes.

    ``template`` names the text, ``fields`` fill it in. ``key`` makes posting idempotent: two letters with one key are one letter.
    """

    to: Identifier
    channel: Literal["email", "text", "push", "console"]
    template: str
    fields: Mapping[str, str]
    about: int
    key: str

    def __repr__(self) -> str:
        """Nothing of whom it goes to, nor of what it says."""
        return f"Letter({self.channel!r}, {self.template!r})"


class Outbox(Protocol):
    """Where letters are put; they are durable from there, and go out when they are due."""

    def post(self, letters: Sequence[Letter], not_before: datetime | None = None) -> list[str]:
        """Take these letters, set-wise; their ids, in order. ``not_before`` (aware, UTC) is the earliest time of sending.

        Raises:
            KeyDestroyed: a person's key is gone, and nothing is written to, or kept about, them any more; no letter was taken.
        """
        ...


@dataclass(frozen=True, slots=True, repr=False)
class Where:
    """Which records of a collection (``store.collection``) have come to their end: all conditions hold at once.

    ``clock`` is a field of time that lies before ``before`` (aware, in UTC). ``owners``: at least one of these fields names somebody.
    ``only``: a field, and the values of it that are meant. ``joins`` lead to records elsewhere that must be there and meet conditions too.
    """

    collection: str
    clock: str | None = None
    before: datetime | None = None
    owners: frozenset[str] = frozenset()
    only: tuple[str, frozenset[Value]] | None = None
    joins: tuple[Join, ...] = ()

    def __repr__(self) -> str:
        """Names only: the values are identifiers."""
        return f"Where({self.collection!r}, clock={self.clock!r}, joins={len(self.joins)})"


@dataclass(frozen=True, slots=True)
class Join:
    """Whose ``field`` equals ``to_field`` of a record that ``to`` means."""

    field: str
    to_field: str
    to: Where


@dataclass(frozen=True, slots=True)
class Ending:
    """What ends in one collection by one term: whole records, or only ``fields`` of them. ``why`` is told with the plan, without people.

    By this the room that knows terms tells the room that erases what is due; neither imports the other.
    """

    term: str
    where: Where
    fields: tuple[str, ...] = ()
    why: str = ""
