"""A pickle's bytes, taken one after the other from a file that can be sought; what is large is passed over and not read."""

from __future__ import annotations

from time import monotonic
from typing import BinaryIO

from expunge.hunt.readers.arrays import Damaged
from expunge.hunt.readers.pickles_nodes import LONG, Lump

_BLOCK = 1 << 20


class TooSlow(Exception):
    """The limit of time has passed."""


class Source:
    """Reads blocks; every reader of the same file has its own position. ``size`` is the file's, in bytes."""

    def __init__(self, file: BinaryIO, size: int, seconds: float, offset: int = 0) -> None:
        """Read ``file`` from ``offset`` on, for at most so many seconds."""
        self.file = file
        self.size = size
        self.buffer = b""
        self.at = 0
        self.base = offset
        self.deadline = monotonic() + seconds

    @property
    def position(self) -> int:
        """Where in the file the next byte is."""
        return self.base + self.at

    def fill(self, wanted: int = 1) -> bool:
        """Have at least ``wanted`` bytes; ``False`` if the file ends before.

        Raises:
            TooSlow: the limit of time has passed.
        """
        if monotonic() > self.deadline:
            raise TooSlow
        start = self.position
        left = self.buffer[self.at :]
        self.file.seek(start + len(left))
        self.buffer = left + self.file.read(max(_BLOCK, wanted))
        self.base, self.at = start, 0
        return len(self.buffer) >= wanted

    def jump(self, position: int) -> None:
        """Go on at another place in the file."""
        if self.base <= position <= self.base + len(self.buffer):
            self.at = position - self.base
        else:
            self.base, self.at, self.buffer = position, 0, b""

    def take(self, count: int) -> bytes:
        """The next bytes; ``count`` is at most some KiB.

        Raises:
            Damaged: the file ends before.
        """
        end = self.at + count
        if end > len(self.buffer):
            if not self.fill(count):
                raise Damaged("cut short")
            end = count
        got = self.buffer[self.at : end]
        self.at = end
        return got

    def number(self, width: int) -> int:
        """An unsigned number of ``width`` bytes, little-endian."""
        return int.from_bytes(self.take(width), "little")

    def lump(self, size: int, coded: str = "") -> Lump:
        """Pass over ``size`` bytes.

        Raises:
            Damaged: there are not so many; what there is, is looked at by the engine.
        """
        start = self.position
        if size > self.size - start:
            raise Damaged("a length beyond the end")
        self.jump(start + size)
        return Lump(self.file, start, size, coded)

    def line(self) -> bytes | Lump:
        """What stands before the next line feed; a lump of escapes if it is long.

        Raises:
            Damaged: there is no line feed.
        """
        end = self.buffer.find(b"\n", self.at)
        if end < 0:
            self.fill(LONG)
            end = self.buffer.find(b"\n")
        if 0 <= end - self.at <= LONG:
            got = self.buffer[self.at : end]
            self.at = end + 1
            return got
        start = here = self.position
        while end < 0:
            here += len(self.buffer)
            self.jump(here)
            if not self.fill():
                raise Damaged("a line without an end")
            end = self.buffer.find(b"\n")
        end += self.base
        self.jump(end + 1)
        return Lump(self.file, start, end - start, "escapes")

    def short(self) -> str:
        """A line that names something.

        Raises:
            Damaged: it is far too long for a name.
        """
        line = self.line()
        if isinstance(line, Lump):
            raise Damaged("a name beyond all measure")
        return line.decode("utf-8", "replace")
