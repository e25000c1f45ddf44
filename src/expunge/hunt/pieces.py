"""What the hunt looks at: places, and the pieces of content that readers give and matchers take.

A piece is small (windows of a few MiB, batches of rows), so that memory is bounded whatever lies in a place. A matcher sees the pieces of
one place in order; ``Matcher.close`` tells it when a place has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

WINDOW = 4 << 20
"""New bytes in a window of a stream. Larger ones don't fit the second-level caches any better, smaller ones cost calls."""

OVERLAP = 4096
"""Bytes of the window before that a window begins with, so that nothing is missed at the edge: longer than any needle."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece lies. ``source`` is a store of the policy, or the name under which a place was given to the hunt.

    ``path`` is an object's key or a file's path inside the source; ``members`` lead into what lies in it, outermost first (an archive's
    member, ``gzip``, ``base64@1024``); ``table`` and ``column`` name rows. A path or member may itself quote an identifier: a place is
    shown to operators only, and never put into a log, an error, or a receipt.
    """

    source: str
    path: str = ""
    members: tuple[str, ...] = ()
    table: str | None = None
    column: str | None = None

    def inside(self, member: str) -> Place:
        """The place of a member."""
        return replace(self, members=(*self.members, member))

    def of(self, table: str | None = None, column: str | None = None) -> Place:
        """The place of a table, or of a column of it."""
        return replace(self, table=table or self.table, column=column)

    @property
    def text(self) -> str:
        """One line: ``share/exports/x.tar!clips/a.opus``, ``analytics.tmp_asr.text``, ``share/old.db!asr.text``."""
        file = "/".join(part for part in (self.source, self.path) if part)
        inner = ".".join(part for part in (self.table, self.column) if part)
        joint = "!" if self.path or self.members else "."
        return "!".join((file, *self.members)) + (joint + inner if inner else "")


@dataclass(frozen=True, slots=True, repr=False)
class Blob:
    """A window of a stream of bytes. ``offset`` is where ``data`` begins in the stream.

    The first ``overlap`` bytes were the end of the window before: a matcher reports what ends after them. ``opaque`` bytes are compressed
    or encoded: only families that know whole content (chunks, whole-file digests) look at them.
    """

    place: Place
    offset: int
    data: bytes | memoryview
    overlap: int = 0
    opaque: bool = False
    last: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Texts:
    """A column of texts or byte strings: row ``i`` is ``buffer[offsets[i]:offsets[i + 1]]`` (UTF-8); null and empty are alike.

    ``buffer`` is uint8, ``offsets`` int64 of rows + 1, as Arrow's large_binary.
    """

    buffer: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, repr=False)
class Numbers:
    """A column of numbers, shape (rows,), any integer or float type; NaN or ``missing`` for null."""

    values: npt.NDArray[np.generic]
    missing: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Vectors:
    """A column of vectors of one length, shape (rows, dimensions), float32."""

    values: npt.NDArray[np.float32]


Column: TypeAlias = Texts | Numbers | Vectors


@dataclass(frozen=True, slots=True, repr=False)
class Rows:
    """A batch of rows of a table-like place, by column name. ``first`` is the number of the first row in the place, from 0.

    ``keys`` are the rows' own keys as text, where there are any (a primary key, ``rowid``, ``ctid``).
    """

    place: Place
    columns: Mapping[str, Column]
    rows: int
    first: int = 0
    keys: Sequence[str] | None = None

    def key(self, row: int) -> str:
        """What to call a row of this batch."""
        return self.keys[row] if self.keys is not None else str(self.first + row)


@dataclass(frozen=True, slots=True, repr=False)
class Media:
    """A recording or picture as a file that can be sought. ``open`` gives a new handle each time; the caller closes it."""

    place: Place
    kind: str  # "audio", "video" or "image", from the container's first bytes; an audio track may lie in a "video"
    open: Callable[[], BinaryIO]
    size: int


Piece: TypeAlias = Blob | Rows | Media


class Why(StrEnum):
    """Why something was not read, or not whole."""

    DENIED = "permission denied"
    ENCRYPTED = "encrypted"
    UNKNOWN = "unknown format, looked at as bytes only"
    BROKEN = "damaged or cut short"
    TOO_DEEP = "nested too deeply"
    TOO_LARGE = "expands beyond the limit"
    TOO_SLOW = "took longer than the limit"
    SPECIAL = "not a regular file"
    LOOP = "a link or a member that leads back to itself"
    GONE = "gone or changed while it was read"
    UNSUPPORTED = "this format is known but can't be opened here"
    EXTRA = "needs an optional library that is not installed"
    UNREACHABLE = "unreachable"
    BUDGET = "outside the byte budget of this round"
    OWN = "Expunge's own files"


@dataclass(frozen=True, slots=True)
class Unread:
    """A place that was not scanned, or only in part. Not scanned is never clean."""

    place: Place
    why: Why
    size: int | None = None
    note: str = ""  # in our words; never a driver's text, which may quote content


@dataclass(slots=True)
class Account:
    """What was read and what was not, exactly. Accounts of shards are added up."""

    streams: int = 0
    bytes: int = 0  # of sources, before anything was unwrapped
    unwrapped: int = 0  # bytes that came out of compression and containers
    rows: int = 0
    formats: dict[str, int] = field(default_factory=dict[str, int])
    unread: list[Unread] = field(default_factory=list[Unread])

    def add(self, other: Account) -> None:
        """Take over another account's figures."""
        self.streams += other.streams
        self.bytes += other.bytes
        self.unwrapped += other.unwrapped
        self.rows += other.rows
        for name, count in other.formats.items():
            self.formats[name] = self.formats.get(name, 0) + count
        self.unread += other.unread
