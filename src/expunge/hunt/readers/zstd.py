"""Zstandard (RFC 8878), also several frames one after the other, and frames that are to be skipped."""

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them

from __future__ import annotations

from typing import BinaryIO, cast

import zstandard

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.readers.frames import ZstdFrames
from expunge.hunt.reading import Format, Nested, Opened, Reading
from expunge.hunt.spool import BLOCK, Joined, Stream

_WINDOW = 128 << 20
"""Bytes of history that a frame may ask for: zstd's own bound, which ``--ultra`` stays within and only ``--long=28`` and more exceeds."""


_STEP = 1 << 17
"""Bytes decompressed at once, a block's most: what a damaged block hides is at most so much."""


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
    frames = ZstdFrames(opened.file)
    content = Content(cast("BinaryIO", frames))
    yield Nested(opened.place.inside("zstd"), cast("BinaryIO", content))
    if content.fault is not None or (not frames.whole and not frames.rest):
        opened.account.unread.append(Unread(opened.place, content.fault or Why.BROKEN, opened.size))
    if frames.rest:
        yield Nested(opened.place.inside("rest"), cast("BinaryIO", Joined(frames.rest, opened.file)))


def _knows(head: bytes, _name: str) -> bool:
    return head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F)  # RFC 8878, 3.1.2


FORMATS = (Format("zstd", _knows, _read),)
