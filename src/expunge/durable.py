"""Files that are whole or absent after a crash: synced before they get their name, and the folder synced after.

What the operating system refuses is raised as ``OSError``; each room says it in words of its own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECRET = 0o600
"""A file that only its owner may read."""

_SECRET_FOLDER = 0o700


def make_folder(folder: Path, *, secret: bool = False) -> None:
    """Make a folder and what it lies in, each name durable; one that is there stays. ``secret``: only its owner may look in."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True, mode=_SECRET_FOLDER if secret else 0o777)
        sync_folder(folder.parent)


def write_synced(path: Path, content: bytes | memoryview, *, mode: int = SECRET, flags: int = os.O_CREAT | os.O_TRUNC) -> None:
    """Write a file and wait until its content is on the medium; its name is not yet. ``flags`` 0 writes over what is there."""
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, mode)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def create_once(path: Path, content: bytes) -> bytes:
    """Create a secret file in a folder that is there, unless it exists; what it holds afterwards. Of two at once, both see the first's."""
    if not path.exists():
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        write_synced(beside, content)
        try:
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
        sync_folder(path.parent)
    return path.read_bytes()


def sync_folder(folder: Path) -> None:
    """Make new, renamed and removed names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_lock(path: Path) -> int:
    """Open a lock's file, made if it isn't there."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, SECRET)


@contextmanager
def holding(lock: int) -> Iterator[None]:
    """Hold an opened lock against every other process and thread until the end of the block, and close it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
