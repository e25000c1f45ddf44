"""How a format is opened: the one signature that every reader has, and the limits that bind all of them.

A reader is a generator over one stream. It gives pieces, and *nested* streams, which the engine (``unwrap``) opens in turn; a reader
never opens what lies inside by itself, so that depth, size and time are counted in one place. What it can't read it tells the account
and goes on; only what nobody could foresee is raised, and the engine turns that into *damaged* for this place alone. Nothing is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

from expunge.hunt.pieces import Account, Piece, Place


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the opening of one outermost stream; beyond a limit a place is told as not scanned."""

    depth: int = 8  # containers in containers: mail in zip in tar in gzip is 4
    expansion: int = 1_000  # times the outermost stream's size (gzip's theoretical most is 1,032) …
    expansion_free: int = 256 << 20  # … but this many bytes are always allowed
    members: int = 1_000_000
    spool: int = 32 << 20  # bytes of a nested stream that must be sought kept in memory; more goes to an unlinked temporary file
    spooled: int = 16 << 30  # bytes in temporary files at once
    seconds: float = 3_600.0  # for one outermost stream


@dataclass(slots=True, repr=False)
class Opened:
    """A stream to read. ``file`` is at its beginning and can be sought if ``seekable``; ``size`` is ``None`` where it isn't known."""

    place: Place
    file: BinaryIO
    size: int | None
    seekable: bool
    limits: Limits
    account: Account


@dataclass(frozen=True, slots=True, repr=False)
class Nested:
    """A stream inside another. ``file`` is read to its end, or not at all, before the reader is asked for what follows.

    ``plain``: text that a reader has already made out of something; it is not to be recognised again. ``guess``: found by looking at
    bytes, not declared by a container: that it turns out to be nothing is not told.
    """

    place: Place
    file: BinaryIO
    size: int | None = None
    seekable: bool = False
    plain: bool = False
    guess: bool = False


Reading: TypeAlias = Iterator[Piece | Nested]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: ``knows(head, name)`` looks at up to 64 KiB of a stream's beginning and its name (lower case); ``read`` opens it.

    ``seeks``: the engine spools a stream that can't be sought before it calls ``read``. ``raw``: the engine also gives the stream's own
    bytes as windows, ``"plain"`` for every family, ``"opaque"`` for those that know whole content. ``extra`` names the optional library.
    """

    name: str
    knows: Callable[[bytes, str], bool]
    read: Callable[[Opened], Reading]
    seeks: bool = False
    raw: str = "opaque"
