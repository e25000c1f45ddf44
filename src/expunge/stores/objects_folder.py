"""Objects in a local folder: a key is a file's path under the root.

With ``versions: folder`` the old versions of a key lie in ``.versions/<key>/<n>`` under the root: the stand-in for a versioned bucket.
Links are never followed out of the root: a link that leads outside is an error, since what it points at would survive.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from expunge.errors import Drift, Refused
from expunge.stores.disk import faults, leads_outside, reach, settle
from expunge.stores.objects_medium import Entry

VERSIONS = ".versions"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Folder:
    """A medium of ``objects``."""

    statements = 0

    def __init__(self, where: str, root: Path, *, versions: bool, batch: int) -> None:
        """``batch`` files are removed before their folders are synced once."""
        self._where = where
        self._root = root
        self._versions = versions
        self._batch = batch

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Live keys in key order, then those of which only old versions are left.

        Raises:
            Drift: a link leads out of the root, or the root is missing.
        """
        reach(self._root, self._where)
        with faults(self._where):
            for key in self._scan(self._root, "", prefix):
                with suppress(FileNotFoundError):  # it went while we were listing: then it is not there
                    status = (self._root / key).lstat()
                    yield Entry(key, _time(status), live=True, history=len(self._old(key)))
            for key in self._scan_versions(prefix):
                yield from self._only_old(key, self._old(key))

    def census(self) -> Iterator[Entry]:
        """The same by ``os.walk``, in no order."""
        reach(self._root, self._where)
        with faults(self._where):
            for folder, inner, names in os.walk(self._root, onerror=_raise):
                self._links_inside(Path(folder), inner)
                inside = Path(folder).relative_to(self._root)
                if self._versions and inside.parts[:1] == (VERSIONS,):
                    yield from self._only_old(inside.relative_to(VERSIONS).as_posix(), [Path(folder, name) for name in names])
                    continue
                for name in names:
                    key = (inside / name).as_posix()
                    yield from self._counted(key, Path(folder, name))

    def erase(self, keys: Sequence[str]) -> Iterator[int]:
        """Unlink, sync the folders, take empty folders away up to the root."""
        for start in range(0, len(keys), self._batch):
            reach(self._root, self._where)
            batch = keys[start : start + self._batch]
            with faults(self._where):
                self._remove([path for key in batch for path in (self._path(key), *self._old(key))])
            yield len(batch)

    def read(self, key: str) -> tuple[bytes, datetime] | None:
        """The file's bytes; a link is not read."""
        reach(self._root, self._where)
        path = self._path(key)
        with faults(self._where):
            if path.is_symlink() or not path.is_file():
                return None
            return path.read_bytes(), _time(path.stat())

    def close(self) -> None:
        """Nothing is held open."""

    def _path(self, key: str) -> Path:
        if not key or key.startswith("/") or "\x00" in key or not {".", "..", ""}.isdisjoint(key.split("/")):
            raise Drift("an address is not the key of a file under the store's folder", where=self._where)
        return self._root / key

    def _old(self, key: str) -> list[Path]:
        """The old versions of a key."""
        if not self._versions:
            return []
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._root / VERSIONS / key) as found:
            return sorted(Path(one.path) for one in found if one.is_file(follow_symlinks=False))
        return []

    def _scan(self, folder: Path, inside: str, prefix: str) -> Iterator[str]:
        """Keys of files under ``inside`` in key order (a folder sorts with its slash), going only where the prefix leads."""
        here: list[str] = []  # names alone: 150 MB of a folder with a million entries, 450 MB with what scandir tells of each
        links: set[str] = set()
        with os.scandir(folder) as found:
            for one in found:
                key = f"{inside}{one.name}{'/' if one.is_dir(follow_symlinks=False) else ''}"
                if not (key.startswith(prefix) or prefix.startswith(key)) or (self._versions and key == f"{VERSIONS}/"):
                    continue
                if one.is_symlink():
                    links.add(key)
                if key.endswith("/") or one.is_file(follow_symlinks=False) or one.is_symlink():
                    here.append(key)
        for key in sorted(here):
            path = self._root / key
            if key in links:
                self._inside(path)
            if key.endswith("/"):
                yield from self._scan(path, key, prefix)
            elif key.startswith(prefix) and not (key in links and path.is_dir()):
                yield key

    def _scan_versions(self, prefix: str) -> Iterator[str]:
        """Keys that have a folder of old versions."""
        home = self._root / VERSIONS
        if not (self._versions and home.is_dir()):
            return
        for folder, inner, names in os.walk(home, onerror=_raise):
            inner.sort()
            key = Path(folder).relative_to(home).as_posix()
            if names and key.startswith(prefix):
                yield key

    def _counted(self, key: str, path: Path) -> Iterator[Entry]:
        try:
            status = path.lstat()
        except FileNotFoundError:  # it went while we were listing: then it is not there
            return
        if stat.S_ISLNK(status.st_mode):
            self._inside(path)
        if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
            yield Entry(key, _time(status), live=True, history=len(self._old(key)))

    def _only_old(self, key: str, old: Sequence[Path]) -> Iterator[Entry]:
        """A folder of old versions whose key has no live file (with one, the live file's entry counts them)."""
        if old and not os.path.lexists(self._root / key):
            yield Entry(key, max(_time(path.lstat()) for path in old), live=False, history=len(old))

    def _links_inside(self, folder: Path, names: Sequence[str]) -> None:
        for name in names:
            if (folder / name).is_symlink():
                self._inside(folder / name)

    def _inside(self, link: Path) -> None:
        if leads_outside(link, self._root.resolve()):
            raise Drift(
                "a link leads out of the store's folder: what it points at would stay; list that place as a store", where=self._where
            )

    def _remove(self, paths: Sequence[Path]) -> None:
        touched: set[Path] = set()
        for path in paths:
            with suppress(FileNotFoundError, NotADirectoryError):
                if path.is_dir() and not path.is_symlink():
                    raise Refused("a folder stands where an object's file should be", where=self._where)
                path.unlink()
                touched.add(path.parent)
        for folder in sorted(touched, key=lambda one: -len(one.parts)):
            settle(self._prune(folder))

    def _prune(self, folder: Path) -> Path:
        """Take the folder and its parents away while they are empty; the first that stays."""
        while folder != self._root:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:  # not empty: the usual case, and no fault
                break
            folder = folder.parent
        return folder


def _time(status: os.stat_result) -> datetime:
    return EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)


def _raise(fault: OSError) -> None:
    raise fault
