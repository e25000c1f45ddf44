"""What the stores of local files share: the operating system's faults in Expunge's words, and writes that survive a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expunge.errors import Conflict, Drift, Full, Refused, StoreError, Unavailable

_KINDS: dict[int, type[StoreError]] = {
    errno.ENOENT: Conflict,  # the root is looked at first (``reach``), so something went while we were looking
    errno.ENOTDIR: Conflict,
    errno.EACCES: Refused,
    errno.EPERM: Refused,
    errno.EROFS: Refused,
    errno.ENOSPC: Full,
    errno.EDQUOT: Full,
    errno.EFBIG: Full,
}
_WORDS: dict[type[StoreError], str] = {
    Conflict: "a file or folder went away while it was being read",
    Refused: "the file system does not permit it",
    Full: "the file system is full",
    Unavailable: "the file system does not answer as it should",
}
_UNDECODED = "\x00"  # no file's name can begin so


@contextmanager
def faults(where: str) -> Iterator[None]:
    """Translate the operating system's faults; file names stay out of the text, since they may hold identifiers.

    Raises:
        Conflict, Refused, Full, Unavailable: as the error's number says.
    """
    try:
        yield
    except OSError as fault:
        kind = _KINDS.get(fault.errno or 0, Unavailable)
        name = errno.errorcode.get(fault.errno or 0, "unknown error")
        raise kind(f"{_WORDS[kind]} ({name})", where=where) from None


def reach(root: Path, where: str) -> None:
    """See that the store's folder is there.

    Raises:
        Drift: there is no such folder.
        Unavailable: it is a link to a place that is not there now (a disk that is not mounted).
        Refused: it may not be read.
    """
    with faults(where):
        if root.is_dir():
            os.scandir(root).close()
            return
    if root.is_symlink():
        raise Unavailable("the folder is a link to a place that is not there now", where=where)
    raise Drift("there is no such folder; see the store's path in the policy", where=where)


def settle(folder: Path) -> None:
    """Make what was created, renamed or removed in the folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def leads_outside(path: Path, root: Path) -> bool:
    """Whether a symbolic link leads out of the (resolved) root."""
    return not path.resolve().is_relative_to(root)


def spell(name: str) -> str:
    """A file's name or path as JSON-safe text: one that is no UTF-8 goes as the hex of its bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return _UNDECODED + os.fsencode(name).hex()
    return name


def unspell(text: str) -> str:
    """What ``spell`` was given."""
    return os.fsdecode(bytes.fromhex(text[1:])) if text.startswith(_UNDECODED) else text
