"""A local file, or a block device, as a stream: as long as it was when it was opened, its holes passed over."""

from __future__ import annotations

import errno
import os
import stat

from expunge.errors import Conflict
from expunge.stores.disk import faults
from expunge.stores.scan_streams import Buffered, Positioned

AHEAD = 256 << 10
"""Bytes read at once for who asks for less; who asks for more gets them without a copy."""

_ZEROS = bytes(1 << 20)
_UNIT = 512  # bytes that ``st_blocks`` counts in, whatever the file system's own blocks are


def stream_of(file: LocalFile) -> Buffered:
    """The file with a buffer."""
    return Buffered(file, AHEAD)


class LocalFile(Positioned):
    """An open regular file or block device. What is added after it was opened is not read: a log would never end."""

    def __init__(self, handle: int, where: str) -> None:
        """Take the handle over."""
        status = os.fstat(handle)
        super().__init__(status.st_size if stat.S_ISREG(status.st_mode) else os.lseek(handle, 0, os.SEEK_END))
        self._handle = handle
        self._where = where
        self._sparse = stat.S_ISREG(status.st_mode) and status.st_blocks * _UNIT < status.st_size
        self._extent = (0, 0)  # the bytes known to be stored
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_SEQUENTIAL)

    def fileno(self) -> int:
        """The handle."""
        return self._handle

    def next_data(self, start: int) -> int:
        """The first byte from ``start`` on that is stored; the size if there is none. Compressing file systems may tell none."""
        if not self._sparse or self._extent[0] <= start < self._extent[1]:
            return min(start, self.size)
        with faults(self._where):
            try:
                begin = os.lseek(self._handle, start, os.SEEK_DATA)
                self._extent = (begin, os.lseek(self._handle, begin, os.SEEK_HOLE))
            except OSError as fault:
                if fault.errno != errno.ENXIO:  # ENXIO: there is nothing but a hole
                    raise
                return self.size
        return min(begin, self.size)

    def _get(self, start: int, into: memoryview) -> int:
        hole = self.next_data(start) - start
        if hole > 0:
            got = min(hole, len(into), len(_ZEROS))
            into[:got] = _ZEROS[:got]
            return got
        with faults(self._where):
            got = os.preadv(self._handle, [into], start)
        if not got:
            raise Conflict("a file has become shorter while it was read", where=self._where)
        return got

    def close(self) -> None:
        """Close the handle."""
        if not self.closed:
            os.close(self._handle)
        super().close()
