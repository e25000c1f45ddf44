"""Rewriting a log file so that a crash at any moment leaves the old file or the new one, and no line that came meanwhile is lost.

The new content goes to a temporary file in the same folder, is synced, and takes the name in one step. What was appended to the old file
until then is copied behind it, byte for byte; what was done to it otherwise is a conflict. The temporary file is locked while it is
written, so that one which is not locked is what a crash left (``sweep``).
"""

from __future__ import annotations

import fcntl
import gzip
import os
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TypeAlias, cast

from expunge.errors import Conflict
from expunge.stores.disk import faults, settle
from expunge.stores.jsonl_files import TEMPORARY, bare, opened

LEVEL = 6  # what the gzip program itself chooses; the library's 9 takes three times as long for 1 % less
_CHANGED = "a log file was changed while it was being rewritten"

Change: TypeAlias = Callable[[bytes], "bytes | None"]
"""A line without its ending -> the same, another, or ``None`` to drop it."""


def rewrite(path: Path, change: Change, where: str) -> int:
    """Pass every line through ``change``; how many it changed. If none, the file is left alone. Mode, owner and times are kept.

    Raises:
        Conflict: the file was replaced, cut or edited meanwhile.
        Refused, Full, Unavailable: as the operating system says; the file is as it was.
    """
    with faults(where), path.open("rb") as raw:
        before = os.fstat(raw.fileno())
        with _temporary(path) as (new, put):
            try:
                changed = _copy(raw, put, change)
            except (EOFError, gzip.BadGzipFile, zlib.error):
                raise Conflict(_CHANGED, where=where) from None
            if not changed:
                return 0
            taken = _append_tail(path, raw, put, before, where)
            _dress(path, put)
            os.fsync(put.fileno())
            new.replace(path)
        settle(path.parent)
        _append_late(path, raw, taken)
        return changed


def sweep(leftovers: Iterable[Path], where: str) -> int:
    """Remove unfinished rewrites that nobody is working on; how many."""
    swept = 0
    with faults(where):
        for path in leftovers:
            with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                settle(path.parent)
                swept += 1
    return swept


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    new = path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as put:
        fcntl.flock(put, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield new, put
        finally:
            with suppress(FileNotFoundError):  # it has taken the name
                new.unlink()


def _copy(raw: IO[bytes], put: IO[bytes], change: Change) -> int:
    with ExitStack() as held:
        lines = out = opened(raw)
        if lines is raw:
            out = put
        else:
            held.callback(lines.close)
            out = cast("IO[bytes]", gzip.GzipFile(filename="", fileobj=put, mode="wb", compresslevel=LEVEL, mtime=0))
            held.callback(out.close)
        return sum(_put(line, out, change) for line in lines)


def _put(line: bytes, out: IO[bytes], change: Change) -> bool:
    body = bare(line)
    new = change(body)
    if new is not None:
        out.write(line if new is body else new + line[len(body) :])
    return new is not body


def _append_tail(path: Path, raw: IO[bytes], put: IO[bytes], before: os.stat_result, where: str) -> int:
    """Copy what was appended since, until nothing more comes; how many bytes of the old file were taken."""
    taken = raw.tell()
    while True:
        put.flush()
        os.fsync(put.fileno())
        now = path.stat()
        if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino) or now.st_size < taken:
            raise Conflict(_CHANGED, where=where)
        if now.st_size == taken:
            # Grown, it has a new time in any case; if it hasn't grown, a new time means that it was edited in place.
            if taken == before.st_size and now.st_mtime_ns != before.st_mtime_ns:
                raise Conflict(_CHANGED, where=where)
            return taken
        raw.seek(taken)
        shutil.copyfileobj(raw, put)
        taken = raw.tell()


def _dress(path: Path, put: IO[bytes]) -> None:
    """Mode, owner, times and extended attributes of the old file."""
    old = path.stat()
    own = os.fstat(put.fileno())
    if (old.st_uid, old.st_gid) != (own.st_uid, own.st_gid):
        os.fchown(put.fileno(), old.st_uid, old.st_gid)
    shutil.copystat(path, put.name)


def _append_late(path: Path, raw: IO[bytes], taken: int) -> None:
    """A writer that still has the old file open may have written between the last look and the new name."""
    if os.fstat(raw.fileno()).st_size > taken:
        raw.seek(taken)
        with path.open("ab") as end:
            shutil.copyfileobj(raw, end)
            end.flush()
            os.fsync(end.fileno())
