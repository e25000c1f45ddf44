"""LZ4 frames, through Arrow, which brings the library."""

from __future__ import annotations

from typing import BinaryIO, cast

import pyarrow as pa

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.readers.frames import LZ4, Lz4Frames
from expunge.hunt.reading import Format, Nested, Opened, Reading
from expunge.hunt.spool import Joined, Stream


class _Content(Stream):
    """What the frames hold; a fault ends it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._reader = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "lz4")
        self.fault = False

    def _into(self, into: memoryview) -> int:
        if self.fault:
            return 0
        try:
            return int(self._reader.readinto(into[: 1 << 16]))
        except (OSError, pa.ArrowException):
            self.fault = True
            return 0


def _read(opened: Opened) -> Reading:
    frames = Lz4Frames(opened.file)
    content = _Content(cast("BinaryIO", frames))
    yield Nested(opened.place.inside("lz4"), cast("BinaryIO", content))
    if content.fault or not (frames.whole or frames.rest):
        opened.account.unread.append(Unread(opened.place, Why.BROKEN, opened.size))
    if frames.rest:
        yield Nested(opened.place.inside("rest"), cast("BinaryIO", Joined(frames.rest, opened.file)))


FORMATS = (Format("lz4", lambda head, _name: head.startswith(LZ4), _read),)
