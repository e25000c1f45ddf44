"""The folder that a Parquet collection lies in: which files a pattern means, and how one file takes another's place.

A pattern is relative to the store's folder: ``*`` and ``?`` stay within a name, ``**`` crosses folders. Folders named ``key=value`` give
their files a field. What a listing can't see into is an error, never an empty answer.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO
from urllib.parse import unquote

import pyarrow.parquet as pq

from expunge.errors import Conflict, Drift
from expunge.stores.disk import leads_outside, settle
from expunge.terms import Value

LEFTOVER = ".expunge"
"""How the names of unfinished rewrites end."""

SIDECARS = ("_metadata", "_common_metadata")
_NULL = "__HIVE_DEFAULT_PARTITION__"
_TABLES = (("/_delta_log/", ".json"), ("/metadata/", ".metadata.json"), ("/.hoodie/", ""))  # Delta, Iceberg, Hudi: a folder, a file's end
_TOKENS = {"*": "[^/]*", "?": "[^/]"}
_WILD = re.compile(r"[*?\[]")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")  # exactly what str(int) writes, within 64 bits
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LOCKLESS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}  # file systems without locks: the look before the swap must do


@dataclass(frozen=True)
class Pattern:
    """A collection's ``path``, relative to the store's folder. A pattern without wildcards that names no ``.parquet`` file is a folder."""

    text: str

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The pattern's steps."""
        steps = tuple(one for one in self.text.split("/") if one not in {"", "."})
        whole = not _WILD.search(self.text) and not self.text.endswith(".parquet")
        return (*steps, "**", "*.parquet") if whole else steps

    @property
    def single(self) -> bool:
        """Whether it names one file, which then must exist."""
        return not _WILD.search("/".join(self.parts))

    @property
    def base(self) -> tuple[str, ...]:
        """The steps before the first wildcard, without the file's own name: the folder that must exist."""
        fixed = next((place for place, one in enumerate(self.parts) if _WILD.search(one)), len(self.parts))
        return self.parts[: min(fixed, len(self.parts) - 1)]

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        steps = ["(?:[^/]+/)*" if one == "**" else _step(one) + "/" for one in self.parts[:-1]]
        last = self.parts[-1]
        return re.compile("".join(steps) + (".*" if last == "**" else _step(last)))

    def takes(self, name: str) -> bool:
        """Whether the file of that relative name is meant; sidecars and unfinished rewrites never are."""
        last = name.rpartition("/")[2]
        return last not in SIDECARS and not last.endswith(LEFTOVER) and self._regex.fullmatch(name) is not None


def _step(glob: str) -> str:
    """One step as a regular expression that doesn't cross folders."""
    tokens = re.findall(r"\[!?[^\]]+\]|.", glob, re.DOTALL)
    return "".join(_TOKENS.get(one, f"[^{one[2:]}" if one.startswith("[!") else one if len(one) > 1 else re.escape(one)) for one in tokens)


def walk(root: Path, base: tuple[str, ...], where: str) -> Iterator[tuple[str, bool]]:
    """Every name below the folder, relative to the root, in order, and whether it is a folder.

    Raises:
        Drift: the folder is missing; a link leads to a folder elsewhere; a name is not UTF-8.
        OSError: a folder below can't be read.
    """
    start = root.joinpath(*base)
    if not start.is_dir():
        raise Drift("the collection's folder is missing; see its path", where=where)
    yield from _below(root, start, where)


def _below(root: Path, folder: Path, where: str) -> Iterator[tuple[str, bool]]:
    for one in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name = Path(one.path).relative_to(root).as_posix()
        if name != name.encode("utf-8", "ignore").decode("utf-8"):
            raise Drift("the name of a file or folder is not UTF-8", where=where)
        inner = one.is_dir()
        if inner and one.is_symlink():
            if leads_outside(Path(one.path), root.resolve()):
                raise Drift("a link leads to a folder outside the store's; list that folder as a store of its own", where=where)
            continue  # its files are seen where they lie
        yield name, inner
        if inner:
            yield from _below(root, Path(one.path), where)


def tables(names: Iterable[str]) -> set[str]:
    """The folders among these that belong to a table format, whose log would not know of a file rewritten under it."""
    split = ((f"/{name}".partition(mark), name.endswith(end)) for name in names for mark, end in _TABLES)
    return {folder[1:] for (folder, mark, _), ends in split if mark and ends}


def partition_of(name: str) -> dict[str, Value | None]:
    """The fields that a file's folders give it: numbers and dates if they are written exactly so, else text."""
    pairs = [step.partition("=") for step in name.split("/")[:-1] if "=" in step]
    return {unquote(key): _typed(unquote(value)) for key, _, value in pairs}


def _typed(text: str) -> Value | None:
    if text == _NULL:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else text
    except ValueError:
        return text


def swap(root: Path, name: str, where: str, write: Callable[[BinaryIO], bool | None]) -> None:
    """Write a file anew beside itself and put it in its place, durably; a link stays, what it leads to is replaced.

    ``write`` says whether the new file takes the old one's place (true), the old one goes without a successor (``None``), or nothing
    changes (false). Sidecars that quote the old file's statistics go first: a crash then leaves none that lies.

    Raises:
        Conflict: another process rewrites the file, or it changed meanwhile; it is as that process left it.
    """
    path = (root / name).resolve()
    fresh = path.with_name(f".{token_hex(8)}{LEFTOVER}")
    with path.open("rb") as original:
        _lock(original, where)
        before = os.fstat(original.fileno())
        try:
            with fresh.open("xb") as sink, _whole(path, before, where):
                _own(sink.fileno(), before)
                verdict = write(sink)
                sink.flush()
                os.fsync(sink.fileno())
            if verdict is not False:
                drop_sidecars(root, (root / name).parent)
                _swap(fresh, path, keep=verdict is True)
        finally:
            fresh.unlink(missing_ok=True)
    if verdict is None:
        drop_empty(root, path.parent)


def _lock(original: BinaryIO, where: str) -> None:
    """Keep our own workers apart: of two that rewrote one file from the same reading, the later would bring rows back."""
    try:
        fcntl.flock(original, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict("another process is rewriting a file", where=where) from None
    except OSError as fault:
        if fault.errno not in _LOCKLESS:
            raise


def _own(handle: int, before: os.stat_result) -> None:
    """Give the new file the old one's owner and mode, or its readers may no longer read it."""
    now = os.fstat(handle)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, before.st_mode & 0o7777)


@contextmanager
def _whole(path: Path, before: os.stat_result, where: str) -> Iterator[None]:
    """See that the file is as it was, also where reading it failed: another writer may have cut it short under the reader."""
    try:
        yield
    finally:
        now = path.stat()
        if (now.st_ino, now.st_mtime_ns, now.st_size) != (before.st_ino, before.st_mtime_ns, before.st_size):
            raise Conflict("a file changed while it was rewritten", where=where) from None


def _swap(fresh: Path, path: Path, *, keep: bool) -> None:
    path.with_name(f".{path.name}.crc").unlink(missing_ok=True)  # Hadoop's checksum of the old bytes
    if keep:
        fresh.replace(path)
    else:
        path.unlink()
    settle(path.parent)


def sidecars(root: Path, folder: Path) -> Iterator[Path]:
    """The sidecars beside and above, up to the root, that hold row groups, and with them statistics."""
    for one in (folder, *folder.parents):
        for name in SIDECARS:
            if (one / name).is_file() and pq.read_metadata(one / name).num_row_groups:
                yield one / name
        if one == root:
            return


def drop_sidecars(root: Path, folder: Path) -> None:
    """Remove them; they are a shortcut for readers, who find the files without."""
    for one in list(sidecars(root, folder)):
        one.unlink(missing_ok=True)
        settle(one.parent)


def drop_empty(root: Path, folder: Path) -> None:
    """Remove partition folders that became empty: their names hold values."""
    while folder != root and root in folder.parents and "=" in folder.name and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
        settle(folder)
