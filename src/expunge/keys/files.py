"""Small secret files: durable when made, overwritten before they go."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expunge.errors import KeyStoreUnavailable

_SECRET = 0o600


def create_once(path: Path, content: bytes) -> bytes:
    """Create a file (0600) unless it exists, durable; what it holds afterwards. Of two processes at once, both see the first's.

    Raises:
        KeyStoreUnavailable: it can't be read or written.
    """
    with translated():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            beside = path.with_name(f".{path.name}.{os.getpid()}.part")
            _write_synced(beside, content, os.O_CREAT | os.O_TRUNC)
            try:
                os.link(beside, path)
            except FileExistsError:
                pass
            finally:
                beside.unlink()
            sync_folder(path.parent)
        return path.read_bytes()


def overwrite_and_unlink(path: Path) -> None:
    """Overwrite a file in place with random bytes, sync, remove it, sync the folder.

    On SSDs and on copy-on-write or snapshotted volumes the medium may still keep the old blocks: no program can promise otherwise.

    Raises:
        KeyStoreUnavailable: it can't be written.
    """
    with translated():
        _write_synced(path, os.urandom(path.stat().st_size), 0)
        path.unlink()
        sync_folder(path.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the advisory lock on ``path`` until the end of the block."""
    with translated():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _SECRET)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def translated() -> Iterator[None]:
    """Turn an operating system's fault into ``KeyStoreUnavailable``."""
    try:
        yield
    except OSError as fault:
        raise KeyStoreUnavailable(f"a key file can't be read or written: {os.strerror(fault.errno or 0)}", where="key roots") from None


def sync_folder(folder: Path) -> None:
    """Make new and removed names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_synced(path: Path, content: bytes, flags: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, _SECRET)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
