"""What a store's author supplies to the laws: a medium that can be filled, read, broken and searched *by other means than the store*.

The laws compare what the store says with what the harness sees. So a harness never goes through the store: a SQL harness uses the bare
driver, a file harness opens the files. It is about 50 lines; every optional member has a default.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from expunge.errors import StoreError
from expunge.stores.base import Store

FIELDS = ("id", "owner", "number", "body", "at")
"""The population's fields, in order."""

EARLY = datetime(2026, 1, 1, tzinfo=UTC)
"""When the population's first record was made."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record of the population. ``id`` is the primary key, ``owner`` the key of the person it belongs to, ``at`` is in UTC."""

    id: int
    owner: str | None
    number: int | None = None
    body: str | None = None
    at: datetime = EARLY


@dataclass(frozen=True, slots=True)
class Gap:
    """A law that a store can't keep: why, and the error by which it says so. The law must then fail with exactly that error."""

    reason: str
    raises: type[Exception] = StoreError


class Harness(ABC):
    """A medium under test. One instance serves one law, or one saboteur; it begins empty.

    ``collection`` is the population's name in the store. ``fields`` maps the population's field names to the store's (a log's may be
    ``request.owner``, an object's time ``last_modified``); one that is left out is one that the store can't hold or select by, and must
    not appear in ``describe``. ``id`` and ``owner`` are always there. ``gaps`` maps a law's name (its method's, without ``test_``) to
    the gap. ``tells`` maps the beginning of a place's name (as ``raw`` gives it) to a word: deleted bytes may stay in such a place as
    long as ``verify`` says that word in its note. ``bulk`` is how many records of one person take ``erase`` at least three batches;
    choose options in ``open`` that make batches small rather than a large number. ``examples`` bounds the property laws: fewer where
    filling the medium is slow.
    """

    collection: str = "notes"
    fields: Mapping[str, str] = MappingProxyType({name: name for name in FIELDS})
    gaps: Mapping[str, Gap] = MappingProxyType({})
    tells: Mapping[str, str] = MappingProxyType({})
    bulk: int = 1200
    examples: int = 25

    @abstractmethod
    def open(self) -> Store:
        """A new instance of the store on this medium, as another process would open it.

        May raise what the store raises at opening.
        """

    @abstractmethod
    def seed(self, rows: Iterable[Row]) -> None:
        """Make the collection hold exactly these rows, by other means than the store.

        Called again, it replaces what was there.
        """

    @abstractmethod
    def dump(self) -> list[Row]:
        """The live rows, in any order, read by other means than the store.

        A field that the store doesn't hold is ``None``; ``at`` then is ``EARLY``.
        """

    @abstractmethod
    def raw(self) -> Iterator[tuple[str, bytes]]:
        """Every byte on the medium as (place, bytes): free pages, journals, old versions, logs of commits.

        Where the format compresses, the decompressed bytes as well. Only what other systems keep (a server's archive) is out of scope.
        """

    @abstractmethod
    def outage(self) -> AbstractContextManager[None]:
        """While it is entered the medium can't be reached, neither by an open store nor by a new one; afterwards all is as before."""

    def drift(self) -> AbstractContextManager[None] | None:
        """While it is entered the medium has no field ``owner`` (renamed or dropped behind the store's back).

        ``None`` where the medium has no schema that could drift.
        """
        return None

    def bury(self, rows: Iterable[Row]) -> bool:  # noqa: ARG002 - there is nothing to bury them in
        """Leave copies of these rows on the medium, not live, as this kind of medium comes to hold them without the store's doing.

        An old version under a delete marker, a row that somebody deleted and nobody vacuumed, what a killed rewrite left. ``raw`` shows
        their bytes. ``False``, and nothing done, where the medium keeps nothing of what is gone.
        """
        return False

    def holds(self, owner: str) -> bool:
        """Whether the medium can hold this text as an owner at all (a file name can't hold a slash).

        Selecting by a near miss that it can't hold must still work, and find nothing.
        """
        return "\x00" not in owner  # few media hold NUL in text

    def close(self) -> None:
        """Give the medium back."""
        return
