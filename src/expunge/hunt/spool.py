"""Streams as the engine and the readers hand them on: sought where they can't be, joined, cut, and always metered.

Nothing here holds more than ``Limits.spool`` bytes of a stream in memory. Every byte that comes out of a container passes a ``Meter``,
which ends the opening of the outermost stream when a limit is reached, whoever was reading.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, cast

from expunge.hunt.pieces import Why
from expunge.hunt.reading import Limits

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 20
"""Bytes read at once where nothing else sets the size: large enough that calls cost nothing, small enough for the second-level cache."""


class Exceeded(Exception):
    """A limit of the outermost stream is reached; ``why`` and ``note`` say which. Only the engine catches it."""

    def __init__(self, why: Why, note: str) -> None:
        """Keep the reason for the account."""
        super().__init__(note)
        self.why = why
        self.note = note


class Meter:
    """What the opening of one outermost stream has used so far: bytes, members, temporary space, time."""

    def __init__(self, limits: Limits, size: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to count. ``size`` is the outermost stream's, ``None`` if it isn't known; ``clock`` counts seconds."""
        self.limits = limits
        self._size = size
        self._read = 0
        self._unwrapped = 0
        self._members = 0
        self._spooled = 0
        self._clock = clock
        self._end = clock() + limits.seconds

    def check(self) -> None:
        """Look at the clock.

        Raises:
            Exceeded: the time is up.
        """
        if self._clock() > self._end:
            raise Exceeded(Why.TOO_SLOW, f"more than {self.limits.seconds:g} s")

    def outer(self, count: int) -> None:
        """``count`` bytes of the outermost stream were read."""
        self._read += count
        self.check()

    def inner(self, count: int) -> None:
        """``count`` bytes came out of a container.

        Raises:
            Exceeded: more came out than the limit, or the time is up.
        """
        self._unwrapped += count
        known = self._read if self._size is None else self._size
        if self._unwrapped > max(self.limits.expansion_free, self.limits.expansion * known):
            raise Exceeded(Why.TOO_LARGE, f"more than {self.limits.expansion} times its size")
        self.check()

    def member(self) -> None:
        """One more stream inside.

        Raises:
            Exceeded: there are more than the limit, or the time is up.
        """
        self._members += 1
        if self._members > self.limits.members:
            raise Exceeded(Why.TOO_LARGE, f"more than {self.limits.members:,} members")
        self.check()

    def reserve(self, count: int) -> bool:
        """Whether ``count`` more bytes of temporary space may be used (they are, then); ``release`` gives them back."""
        if self._spooled + count > self.limits.spooled:
            return False
        self._spooled += count
        return True

    def release(self, count: int) -> None:
        """Give temporary space back."""
        self._spooled -= count


def fill(file: BinaryIO, into: memoryview) -> int:
    """Read until ``into`` is full or the stream ends; how many bytes there are."""
    at = 0
    readinto: Callable[[memoryview], int | None] | None = getattr(file, "readinto", None)
    while at < len(into):
        if readinto is not None:
            count = readinto(into[at:])
        else:
            block = file.read(len(into) - at)
            count = len(block)
            into[at : at + count] = block
        if not count:
            break
        at += count
    return at


def take(file: BinaryIO, count: int) -> bytes:
    """``count`` bytes, or fewer if the stream ends before."""
    block = file.read(count)
    if len(block) == count or not block:
        return block
    parts = [block]
    missing = count - len(block)
    while missing and (block := file.read(missing)):
        parts.append(block)
        missing -= len(block)
    return b"".join(parts)


def skip(file: BinaryIO, count: int) -> int:
    """Read ``count`` bytes away; how many there were."""
    left = count
    while left and (block := file.read(min(left, BLOCK))):
        left -= len(block)
    return count - left


def size_of(file: BinaryIO) -> int:
    """The size of a stream that can be sought; its position is at the end afterwards."""
    return file.seek(0, io.SEEK_END)


class Stream(io.RawIOBase):
    """A stream to read whose ``read`` gives all that is asked for; subclasses say how in ``_into``."""

    def readable(self) -> bool:
        """Yes."""
        return True

    def _into(self, into: memoryview) -> int:
        raise NotImplementedError

    def readinto(self, into: WriteableBuffer) -> int:
        """As much as there is, up to the length of ``into``; 0 at the end."""
        return self._into(memoryview(into).cast("B"))

    def read(self, size: int | None = -1) -> bytes:
        """``size`` bytes, fewer only at the end."""
        if size is None or size < 0:
            return self.readall()
        buffer = bytearray(size)
        count = fill(cast("BinaryIO", self), memoryview(buffer))
        return bytes(buffer) if count == size else bytes(memoryview(buffer)[:count])


class Slice(Stream):
    """A share of a stream that can be sought, with a position of its own, so that several may be read beside each other."""

    def __init__(self, base: BinaryIO, start: int, size: int, meter: Meter | None = None) -> None:
        """``size`` bytes of ``base`` from ``start``. Closing it leaves ``base`` open."""
        super().__init__()
        self._base = base
        self._start = start
        self._size = max(size, 0)
        self._meter = meter
        self._at = 0

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; before the beginning is an error, behind the end reads nothing."""
        at = offset + (0, self._at, self._size)[whence]
        if at < 0:
            raise ValueError("negative position")
        self._at = at
        return at

    def _into(self, into: memoryview) -> int:
        count = min(len(into), self._size - self._at)
        if count <= 0:
            return 0
        if self._meter is not None:
            self._meter.check()
        self._base.seek(self._start + self._at)
        done = fill(self._base, into[:count])
        self._at += done
        return done


class Limited(Stream):
    """The next ``size`` bytes of a stream that is read once. ``left`` is what has not been read of them, ``missing`` what was not there."""

    def __init__(self, base: BinaryIO, size: int) -> None:
        """Closing it leaves ``base`` open."""
        super().__init__()
        self._base = base
        self.left = size
        self.missing = 0

    def _into(self, into: memoryview) -> int:
        count = min(len(into), self.left)
        done = fill(self._base, into[:count]) if count > 0 else 0
        self.left -= done
        if done < count:
            self.missing = self.left
            self.left = 0
        return done


class Joined(Stream):
    """Bytes and streams one after the other: what was already read, and then the rest."""

    def __init__(self, *parts: bytes | BinaryIO) -> None:
        """Closing it leaves the streams open."""
        super().__init__()
        self._parts: list[BinaryIO] = [io.BytesIO(part) if isinstance(part, bytes) else part for part in parts]

    def _into(self, into: memoryview) -> int:
        while self._parts:
            done = fill(self._parts[0], into)
            if done:
                return done
            del self._parts[0]
        return 0


class Spool:
    """A stream's bytes where they can be sought: in memory, and beyond ``Limits.spool`` in an unlinked temporary file."""

    def __init__(self, meter: Meter) -> None:
        """Empty. ``close`` gives its space back."""
        self._meter = meter
        self._reserved = 0
        self.size = 0
        self.file: BinaryIO = io.BytesIO()

    def add(self, block: bytes | memoryview) -> bool:
        """Append; ``False`` (and nothing appended) if there is no temporary space left for it."""
        if self.size + len(block) > self._meter.limits.spool and not self._grow(len(block)):
            return False
        self.file.seek(self.size)
        self.file.write(block)
        self.size += len(block)
        return True

    def _grow(self, count: int) -> bool:
        wanted = count if self._reserved else self.size + count
        if not self._meter.reserve(wanted):
            return False
        if not self._reserved:
            memory, self.file = self.file, tempfile.TemporaryFile()  # noqa: SIM115  # closed by close()
            memory.seek(0)
            while block := memory.read(BLOCK):
                self.file.write(block)
        self._reserved += wanted
        return True

    def take_from(self, file: BinaryIO, spend: Callable[[int], None]) -> bytes:
        """Append all of a stream, telling ``spend`` of each block; what was read and had no room (then the stream goes on)."""
        while block := file.read(BLOCK):
            spend(len(block))
            if not self.add(block):
                return block
        return b""

    def slice(self) -> Slice:
        """The bytes, from the first."""
        return Slice(self.file, 0, self.size, self._meter)

    def close(self) -> None:
        """Give memory, file and space back."""
        with contextlib.suppress(OSError):
            self.file.close()
        self._meter.release(self._reserved)
        self._reserved = 0
