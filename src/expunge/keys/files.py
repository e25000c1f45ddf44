"""Small secret files: durable when made, overwritten before they go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expunge import durable
from expunge.errors import KeyStoreUnavailable


def create_once(path: Path, content: bytes) -> bytes:
    """Create a file (0600) unless it exists, durable; what it holds afterwards. Of two processes at once, both see the first's.

    Raises:
        KeyStoreUnavailable: it can't be read or written.
    """
    with translated():
        durable.make_folder(path.parent, secret=True)
        return durable.create_once(path, content)


def overwrite_and_unlink(path: Path) -> None:
    """Overwrite a file in place with random bytes, sync, remove it, sync the folder.

    On SSDs and on copy-on-write or snapshotted volumes the medium may still keep the old blocks: no program can promise otherwise.

    Raises:
        KeyStoreUnavailable: it can't be written.
    """
    with translated():
        durable.write_synced(path, os.urandom(path.stat().st_size), flags=0)
        path.unlink()
        durable.sync_folder(path.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the advisory lock on ``path`` until the end of the block."""
    with translated():
        durable.make_folder(path.parent, secret=True)
        lock = durable.open_lock(path)
    with durable.holding(lock):
        yield


@contextmanager
def translated() -> Iterator[None]:
    """Turn an operating system's fault into ``KeyStoreUnavailable``."""
    try:
        yield
    except OSError as fault:
        raise KeyStoreUnavailable(f"a key file can't be read or written: {os.strerror(fault.errno or 0)}", where="key roots") from None
