"""Zstandard (RFC 8878), also several frames one after the other, and frames that are to be skipped."""

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them

from __future__ import annotations

from typing import BinaryIO, cast

import zstandard

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.reading import Format, Nested, Opened, Reading
from expunge.hunt.spool import BLOCK, Joined, Stream, fill

_WINDOW = 128 << 20
"""Bytes of history that a frame may ask for: zstd's own bound, which ``--ultra`` stays within and only ``--long=28`` and more exceeds."""


_STEP = 1 << 17
"""Bytes decompressed at once, a block's most: what a damaged block hides is at most so much."""


class _Frames(Stream):
    """The frames of a file, up to where something else begins; sees from their headers whether the last one is whole.

    Only headers are looked at: a frame's (RFC 8878, 3.1.1.1) and its blocks' (3.1.1.2).
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._skip = 0  # bytes until the next header
        self._header = b""
        self._blocks = False  # whether the next header is a block's
        self._checksum = 0
        self.rest = b""

    @property
    def whole(self) -> bool:
        """Whether the file ended where a frame did."""
        return not (self._skip or self._header or self._blocks)

    def _into(self, into: memoryview) -> int:
        if self.rest:
            return 0
        count = fill(self._file, into[: len(into)])
        at = 0
        while at < count:
            if self._skip:
                step = min(self._skip, count - at)
                self._skip -= step
                at += step
                continue
            wanted = self._wanted() - len(self._header)
            self._header += bytes(into[at : min(at + wanted, count)])
            at += wanted
            if at <= count and len(self._header) == self._wanted() and not self._take():
                self.rest = self._header + bytes(into[at:count])
                return max(count - len(self.rest), 0)
        return count

    def _wanted(self) -> int:
        """The bytes of the header, as far as it is known: the magic number, then what the next byte says."""
        if self._blocks:
            return 3
        if len(self._header) < 5:  # the magic number and the descriptor
            return 5 if not self._skippable() else 8
        if self._skippable():
            return 8
        descriptor = self._header[4]
        single = descriptor >> 5 & 1
        return 5 + (not single) + (0, 1, 2, 4)[descriptor & 3] + ((1 if single else 0), 2, 4, 8)[descriptor >> 6]

    def _skippable(self) -> bool:
        return self._header[1:4] == b"\x2a\x4d\x18" and self._header[0] & 0xF0 == 0x50  # RFC 8878, 3.1.2

    def _take(self) -> bool:
        """Go on behind a whole header; ``False`` if it is none."""
        header, self._header = self._header, b""
        if self._blocks:
            value = int.from_bytes(header, "little")
            self._skip = 1 if value >> 1 & 3 == 1 else value >> 3
            if value & 1:
                self._blocks = False
                self._skip += self._checksum
            return True
        if header[1:4] == b"\x2a\x4d\x18" and header[0] & 0xF0 == 0x50:  # RFC 8878, 3.1.2
            self._skip = int.from_bytes(header[4:8], "little")
            return True
        if header[:4] != b"\x28\xb5\x2f\xfd":
            self._header = header
            return False
        self._blocks = True
        self._checksum = 4 * (header[4] >> 2 & 1)
        return True


class Content(Stream):
    """What a zstd stream holds. A fault ends it, and is kept."""

    def __init__(self, file: BinaryIO) -> None:
        """``file`` holds frames and nothing else."""
        super().__init__()
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        self._reader = decompressor.stream_reader(file, read_size=BLOCK, read_across_frames=True, closefd=False)
        self.fault: Why | None = None

    def _into(self, into: memoryview) -> int:
        if self.fault is not None:
            return 0
        try:
            return self._reader.readinto(into[:_STEP])
        except zstandard.ZstdError as fault:
            self.fault = Why.TOO_LARGE if "memory" in str(fault) else Why.BROKEN
            return 0


def _read(opened: Opened) -> Reading:
    frames = _Frames(opened.file)
    content = Content(cast("BinaryIO", frames))
    yield Nested(opened.place.inside("zstd"), cast("BinaryIO", content))
    if content.fault is not None or (not frames.whole and not frames.rest):
        opened.account.unread.append(Unread(opened.place, content.fault or Why.BROKEN, opened.size))
    if frames.rest:
        yield Nested(opened.place.inside("rest"), cast("BinaryIO", Joined(frames.rest, opened.file)))


def _knows(head: bytes, _name: str) -> bool:
    return head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F)  # RFC 8878, 3.1.2


FORMATS = (Format("zstd", _knows, _read),)
