"""Handing an opening over: into one new file that only its owner may read, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from expunge.errors import InvalidRequest

_SECRET = 0o600


@contextmanager
def new_secret_file(path: Path) -> Iterator[Callable[[bytes], None]]:
    """A new file (0600), made before anything else is done, and what fills it, durably. It is removed again if nothing was put into it.

    Raises:
        InvalidRequest: there is a file of that name, or it can't be made.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _SECRET)
    except OSError as fault:
        raise InvalidRequest(f"the file can't be made: {os.strerror(fault.errno or 0)}", where=str(path)) from None
    filled = False

    def fill(raw: bytes) -> None:
        nonlocal filled
        with os.fdopen(handle, "wb", closefd=False) as out:
            out.write(raw)
            out.flush()
            os.fsync(handle)
        filled = True

    try:
        yield fill
    finally:
        os.close(handle)
        if not filled:
            path.unlink()
