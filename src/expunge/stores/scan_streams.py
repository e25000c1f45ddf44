"""Streams that are read from a place: by position, with holes that needn't be read, and never written."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@runtime_checkable
class Sparse(Protocol):
    """Optional: a stream that knows where nothing was ever written. A hole reads as zeros; who looks for content may pass over it."""

    def next_data(self, start: int) -> int:
        """The first byte from ``start`` on that may be other than a hole's zero; the stream's size if there is none."""
        ...


class Positioned(io.RawIOBase):
    """A stream of a known size that can be sought; a kind of place only says how bytes at a position are got."""

    def __init__(self, size: int) -> None:
        """``size`` is in bytes; reading ends there, whatever is added meanwhile."""
        self.size = size
        self._at = 0

    @abstractmethod
    def _get(self, start: int, into: memoryview) -> int:
        """Fill ``into`` (not empty, not beyond the size) from its beginning with what lies at ``start``; how many bytes, at least one."""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It can be sought."""
        return True

    def tell(self) -> int:
        """The position of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a byte; beyond the end there is nothing to read."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence])
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read some bytes, 0 at the end.

        Raises:
            Conflict, Unavailable, Refused: as the place says.
        """
        into = memoryview(buffer).cast("B")[: max(0, self.size - self._at)]
        got = self._get(self._at, into) if into else 0
        self._at += got
        return got


class Buffered(io.BufferedReader):
    """A stream with a buffer, so that small reads cost little; it knows its holes."""

    def __init__(self, raw: io.RawIOBase, ahead: int) -> None:
        """``ahead`` bytes are read at once."""
        super().__init__(raw, ahead)
        self._holes = raw if isinstance(raw, Sparse) else None

    def next_data(self, start: int) -> int:
        """As ``Sparse``; without knowledge of holes, ``start`` itself."""
        return self._holes.next_data(start) if self._holes else start
