"""Every file of a folder, for the hunt; or one file, or a block device that the operator names.

Nothing is followed and nothing special is opened: a FIFO would block, a device may act when it is opened. Every step of a path is opened
relative to its folder without following links, so that nobody leads the scan elsewhere by a link that appears meanwhile. A part is a whole
file, however large: only who reads it knows where its format may be cut. Names are Python's (bytes that are no UTF-8 as surrogates).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from expunge.errors import Conflict, Drift, Refused
from expunge.stores.base import Part, ScannedRows
from expunge.stores.disk import faults
from expunge.stores.scan_file import LocalFile, stream_of
from expunge.stores.scan_unread import DENIED
from expunge.stores.scan_walk import open_below, walk

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY  # what has become a FIFO since doesn't block us


def open_scan(address: str, name: str, options: Mapping[str, object]) -> FolderScan:  # noqa: ARG001 - other kinds of places have options
    """Open a folder, a file, or a block device.

    Raises:
        Drift: there is nothing of that name, or something of another kind.
        Refused, Unavailable: it may not be looked at, or is a link that leads nowhere now.
    """
    root = Path(address)
    if not os.path.lexists(root):
        raise Drift("there is no such file or folder", where=name)
    with faults(name):
        mode = root.stat().st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise Drift("it is neither a folder, a file nor a block device", where=name)
    return FolderScan(name, Path(os.path.realpath(root)), single=not stat.S_ISDIR(mode))


class FolderScan:
    """A folder's files. Implements ``Scan``."""

    def __init__(self, name: str, root: Path, *, single: bool) -> None:
        """``root`` is resolved: links that lead to it were the operator's own; ``single``: it is a file or device itself."""
        self._name = name
        self._root = root
        self._single = single

    def parts(self) -> Iterator[Part]:
        """Regular files, a folder's own before its folders', by name; a file with several names once, under the first.

        Told as not read: special files, links that lead out of the folder or nowhere, folders that are mounted a second time, what may
        not be opened, the kernel's own file systems. A link to what lies in the folder is passed over, since that is read itself.

        Raises:
            Conflict, Refused, Unavailable: the folder itself is gone or can't be read.
        """
        if not self._single:
            with faults(self._name):
                os.scandir(self._root).close()
            yield from walk(self._root, self._name)
        elif os.access(self._root, os.R_OK, effective_ids=True):
            with self._opened() as file:
                yield Part(self._root.name, size=file.size)
        else:
            yield Part(self._root.name, unread=DENIED)

    def stream(self, part: Part) -> BinaryIO:
        """The file's bytes, as many as there are now. Holes cost nothing; the stream is ``scan_streams.Sparse``.

        Raises:
            Conflict: gone, or no regular file any more; in reading, that it has become shorter.
            Refused, Unavailable: as the system says.
        """
        return stream_of(self._opened() if self._single else self._opened_below(part.name.split("/")))

    def rows(self, part: Part) -> Iterator[ScannedRows]:  # noqa: ARG002 - the Protocol's
        """A folder has no tables.

        Raises:
            Refused: always.
        """
        raise Refused("a folder has files, not tables", where=self._name)

    def close(self) -> None:
        """Nothing is held open."""

    def _opened(self) -> LocalFile:
        with faults(self._name):
            return LocalFile(os.open(self._root, os.O_RDONLY | os.O_CLOEXEC), self._name)

    def _opened_below(self, steps: list[str]) -> LocalFile:
        with faults(self._name):
            try:
                folder = open_below(self._root, steps[:-1])
                try:
                    file = os.open(steps[-1], _FILE, dir_fd=folder)
                finally:
                    os.close(folder)
            except OSError as fault:
                if fault.errno in (errno.ELOOP, errno.ENXIO):  # a link, or a socket
                    raise self._changed() from None
                raise
            if not stat.S_ISREG(os.fstat(file).st_mode):
                os.close(file)
                raise self._changed()
            return LocalFile(file, self._name)

    def _changed(self) -> Conflict:
        return Conflict("a file has become something else since it was listed", where=self._name)
