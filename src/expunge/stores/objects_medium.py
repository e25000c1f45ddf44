"""Where objects lie: what the objects store asks of a folder or a bucket. Keys are relative to the store's root."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """One key, in whatever versions it exists.

    ``modified`` (UTC) is when its newest version with content was written, or where there is none its newest delete marker or unfinished
    upload. ``live``: it has a current version. ``history``: old versions, delete markers and unfinished uploads.
    """

    key: str
    modified: datetime
    live: bool
    history: int

    def __repr__(self) -> str:
        """Not the key: it holds identifiers."""
        return f"Entry(live={self.live}, history={self.history})"


class Medium(Protocol):
    """A folder or a bucket. Faults leave as classes of ``expunge.errors``."""

    @property
    def statements(self) -> int:
        """How many requests were sent; a folder sends none."""
        ...

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Every key that begins with the prefix and exists in any version, each once, in an order that is the same at every call."""
        ...

    def census(self) -> Iterator[Entry]:
        """Every key of the whole store, each once, by other calls than ``entries``."""
        ...

    def erase(self, keys: Sequence[str]) -> Iterator[int]:
        """Remove the keys in every version, yielding after each durable batch how many more, from the front, are gone."""
        ...

    def read(self, key: str) -> tuple[bytes, datetime] | None:
        """The current content and when (UTC) it was written; ``None`` if there is none."""
        ...

    def close(self) -> None:
        """Give connections back. Idempotent."""
        ...
