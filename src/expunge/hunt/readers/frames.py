"""The frames of zstd and LZ4 files, followed by their headers alone: where the last one ends, and whether it is whole.

The libraries that decompress them do not say either.
"""

from __future__ import annotations

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them
from typing import BinaryIO

from expunge.hunt.spool import Stream, fill

LZ4 = b"\x04\x22\x4d\x18"
ZSTD = b"\x28\xb5\x2f\xfd"


class Frames(Stream):
    """The frames of a file, up to where something else begins, which is then in ``rest``.

    Both formats have frames of blocks, and frames that are to be skipped (RFC 8878, 3.1.2); subclasses know the headers.
    """

    MAGIC = b""
    BLOCK = 0
    """Bytes of a block's header."""

    def __init__(self, file: BinaryIO) -> None:
        """``file`` stands at the first frame."""
        super().__init__()
        self._file = file
        self._skip = 0  # bytes until the next header
        self._header = b""
        self._blocks = False  # whether the next header is a block's
        self.rest = b""

    @property
    def whole(self) -> bool:
        """Whether the file ended where a frame did."""
        return not (self._skip or self._header or self._blocks)

    def _into(self, into: memoryview) -> int:
        if self.rest:
            return 0
        count = fill(self._file, into)
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
        """The bytes of the header, as far as it is known: the magic number and a byte, then what that says."""
        if self._blocks:
            return self.BLOCK
        if self._skippable():
            return 8
        return 5 if len(self._header) < 5 else self._length(self._header[4])

    def _skippable(self) -> bool:
        return self._header[1:4] == b"\x2a\x4d\x18" and self._header[0] & 0xF0 == 0x50

    def _take(self) -> bool:
        """Go on behind a whole header; ``False`` if it is none."""
        if self._blocks:
            self._skip = self._block(int.from_bytes(self._header, "little"))
        elif self._skippable():
            self._skip = int.from_bytes(self._header[4:8], "little")
        elif self._header.startswith(self.MAGIC):
            self._blocks = True
            self._begin(self._header[4])
        else:
            return False
        self._header = b""
        return True

    def _length(self, descriptor: int) -> int:
        """The length of a frame's header."""
        raise NotImplementedError

    def _begin(self, descriptor: int) -> None:
        """Remember what the descriptor says of blocks and checksums."""
        raise NotImplementedError

    def _block(self, header: int) -> int:
        """How far the next header is behind a block's; after the last block, ``_blocks`` is no more."""
        raise NotImplementedError


class ZstdFrames(Frames):
    """RFC 8878, 3.1.1."""

    MAGIC = ZSTD
    BLOCK = 3
    _checksum = 0

    def _length(self, descriptor: int) -> int:
        single = descriptor >> 5 & 1
        return 5 + (not single) + (0, 1, 2, 4)[descriptor & 3] + ((1 if single else 0), 2, 4, 8)[descriptor >> 6]

    def _begin(self, descriptor: int) -> None:
        self._checksum = 4 * (descriptor >> 2 & 1)

    def _block(self, header: int) -> int:
        length = 1 if header >> 1 & 3 == 1 else header >> 3
        if header & 1:
            self._blocks = False
            length += self._checksum
        return length


class Lz4Frames(Frames):
    """LZ4 Frame Format Description 1.6.3."""

    MAGIC = LZ4
    BLOCK = 4
    _checksum = 0
    _block_checksum = 0

    def _length(self, descriptor: int) -> int:
        return 7 + 8 * (descriptor >> 3 & 1) + 4 * (descriptor & 1)

    def _begin(self, descriptor: int) -> None:
        self._checksum = 4 * (descriptor >> 2 & 1)
        self._block_checksum = 4 * (descriptor >> 4 & 1)

    def _block(self, header: int) -> int:
        if header:
            return (header & 0x7FFFFFFF) + self._block_checksum
        self._blocks = False
        return self._checksum
