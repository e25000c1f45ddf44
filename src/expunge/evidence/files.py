"""Files that are whole or absent after a crash: written beside, synced, renamed, and the folder synced."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from expunge.errors import EvidenceError, Full

SECRET = 0o600
PUBLIC = 0o644


def write_durably(files: Mapping[Path, bytes], *, mode: int = PUBLIC) -> None:
    """Write each file whole and make all of them durable before returning; one sync per folder, not per file.

    The caller holds the lock: a temporary name is fixed, so that what a crash leaves is overwritten by the next writer.

    Raises:
        Full: no space left; files that were there are unharmed.
        EvidenceError: the medium refuses.
    """
    with translated():
        folders = {path.parent for path in files}
        for folder in folders:
            _make_folder(folder)
        for path, content in files.items():
            beside = path.with_name(f".{path.name}.part")
            _write_synced(beside, content, mode)
            beside.replace(path)
        for folder in folders:
            sync_folder(folder)


def create_once(path: Path, content: bytes) -> bytes:
    """Create a secret file (0600) unless it exists; what it holds afterwards. Of two processes at once, both see the first's.

    Raises:
        Full, EvidenceError: as ``write_durably``.
    """
    with translated():
        _make_folder(path.parent)
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        _write_synced(beside, content, SECRET)
        try:
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
        sync_folder(path.parent)
        return path.read_bytes()


def append_durably(path: Path, end: int, content: bytes) -> None:
    """Put ``content`` at byte ``end`` of an existing file, cutting off whatever a crash left there, and make it durable.

    Raises:
        Full, EvidenceError: as ``write_durably``; the file ends at ``end`` or holds a part of ``content``.
    """
    with translated(), path.open("r+b") as out:
        out.truncate(end)
        out.seek(end)
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the advisory lock on ``path`` against every other process (and thread) until the end of the block."""
    with translated():
        _make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, SECRET)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def translated() -> Iterator[None]:
    """Turn an operating system's fault into ours; its text is dropped, its cause in words is kept."""
    try:
        yield
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Full("no space left", where="evidence") from None
        raise EvidenceError(f"a file of the evidence can't be read or written: {os.strerror(fault.errno or 0)}", where="evidence") from None


def sync_folder(folder: Path) -> None:
    """Make renames and new names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def _write_synced(path: Path, content: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
