"""Files of the evidence: whole or absent after a crash, and what goes wrong said as this room's fault."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from expunge import durable
from expunge.durable import SECRET, make_folder, sync_folder, write_synced
from expunge.errors import EvidenceError, Full

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
            make_folder(folder)
        for path, content in files.items():
            beside = path.with_name(f".{path.name}.part")
            write_synced(beside, content, mode=mode)
            beside.replace(path)
        for folder in folders:
            sync_folder(folder)


def create_once(path: Path, content: bytes) -> bytes:
    """Create a secret file (0600) unless it exists; what it holds afterwards. Of two processes at once, both see the first's.

    Raises:
        Full, EvidenceError: as ``write_durably``.
    """
    with translated():
        make_folder(path.parent)
        return durable.create_once(path, content)


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
        make_folder(path.parent)
        lock = durable.open_lock(path)
    with durable.holding(lock):
        yield


@contextmanager
def translated() -> Iterator[None]:
    """Turn an operating system's fault into ours; its text is dropped, its cause in words is kept."""
    try:
        yield
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Full("no space left", where="evidence") from None
        raise EvidenceError(f"a file of the evidence can't be read or written: {os.strerror(fault.errno or 0)}", where="evidence") from None


__all__ = ["PUBLIC", "SECRET", "append_durably", "create_once", "locked", "sync_folder", "translated", "write_durably"]
