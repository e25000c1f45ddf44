"""Streams that are made, not stored: a part of a file that can be sought, and bytes that a generator pours out."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class _View(io.RawIOBase):
    """Keeps its own position, so that several views of one file don't disturb each other."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file = file
        self._offset = offset
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        want = left if size is None or size < 0 else min(size, left)
        self._file.seek(self._offset + self._at)
        got = self._file.read(want) if want else b""
        self._at += len(got)
        return got

    def readinto(self, buffer: WriteableBuffer) -> int:
        window = memoryview(buffer).cast("B")
        got = self.read(len(window))
        window[: len(got)] = got
        return len(got)


class _Poured(io.RawIOBase):
    """Reads what a generator gives; it is asked only when something is read."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        window = memoryview(buffer).cast("B")
        while not len(self._left):
            part = next(self._parts, None)
            if part is None:
                return 0
            self._left = memoryview(part)
        taken = min(len(window), len(self._left))
        window[:taken] = self._left[:taken]
        self._left = self._left[taken:]
        return taken


def view(file: BinaryIO, offset: int, size: int) -> BinaryIO:
    """``size`` bytes of ``file`` from ``offset``, as a stream that can be sought; ends early where the file does. Doesn't own the file."""
    return cast("BinaryIO", _View(file, offset, size))


def poured(parts: Iterator[bytes]) -> BinaryIO:
    """A stream, not seekable, of what ``parts`` gives."""
    return cast("BinaryIO", io.BufferedReader(_Poured(parts), 1 << 20))


def recoded(source: Callable[[], BinaryIO], change: Callable[[bytes, bool], bytes]) -> BinaryIO:
    """What ``change(block, last)`` makes of a stream, block by block."""

    def blocks() -> Iterator[bytes]:
        file = source()
        while block := file.read(1 << 18):
            yield change(block, False)  # noqa: FBT003 # the signature of codecs' incremental coders
        yield change(b"", True)  # noqa: FBT003

    return poured(blocks())


def widened(file: BinaryIO, order: str = "<") -> BinaryIO:
    """A stream of bfloat16 as float32 (little-endian): bfloat16 is float32's upper half."""
    left = b""

    def change(block: bytes, _last: bool) -> bytes:  # noqa: FBT001 # as ``recoded`` asks for it
        nonlocal left
        held = left + block
        left = held[len(held) // 2 * 2 :]
        return (np.frombuffer(held[: len(held) // 2 * 2], dtype=f"{order}u2").astype("<u4") << 16).tobytes()

    return recoded(lambda: file, change)


def size_of(file: BinaryIO) -> int:
    """Bytes of a stream that can be sought; leaves it at its beginning."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size
