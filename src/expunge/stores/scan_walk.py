"""A walk through everything that lies in a folder, without following links."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from expunge.stores.base import Part
from expunge.stores.disk import faults
from expunge.stores.scan_unread import DENIED, LOOP, SPECIAL, UNREACHABLE

NOT_CONTENT = frozenset(
    (
        *("binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "efivarfs", "fusectl", "mqueue", "nsfs", "proc"),
        *("pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs"),
    )
)
"""File systems of the kernel's own making: their files have no bytes of their own, or no end (``/proc/kcore`` says 128 TB)."""

MOUNTS = Path("/proc/self/mountinfo")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_below(root: Path, steps: Sequence[str]) -> int:
    """A handle of the folder to which the steps lead, each taken without following a link; the caller closes it.

    Raises:
        OSError: as the system says.
    """
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for step in steps:
        above = handle
        try:
            handle = os.open(step, _FOLDER, dir_fd=above)
        finally:
            os.close(above)
    return handle


def walk(root: Path, where: str) -> Iterator[Part]:
    """The parts of a folder (resolved): its files by name, then its folders by name, each in turn so.

    Raises:
        Unavailable: the medium fails.
    """
    seen: set[tuple[int, int]] = set()  # of folders, and of files with several names
    kernels = _kernels()
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        steps = waiting.pop()
        with faults(where):
            try:
                handle = open_below(root, steps)
            except PermissionError:
                yield Part("/".join((*steps, "")), unread=DENIED)
                continue
            except (FileNotFoundError, NotADirectoryError):  # it went, or gave way to something else, since it was listed
                continue
        try:
            why = _shunned(os.fstat(handle), seen, kernels if steps else {})
            if why:
                yield Part("/".join((*steps, "")), unread=why)
                continue
            inner: list[str] = []
            yield from _files(root, steps, handle, where, seen, inner)
        finally:
            os.close(handle)
        waiting += [(*steps, name) for name in reversed(inner)]


def _shunned(status: os.stat_result, seen: set[tuple[int, int]], kernels: Mapping[int, str]) -> str:
    """Why a folder isn't entered, or ``""``."""
    if status.st_dev in kernels:
        return SPECIAL
    if (status.st_dev, status.st_ino) in seen:  # a folder has one place, unless it is mounted again below
        return LOOP
    seen.add((status.st_dev, status.st_ino))
    return ""


def _files(root: Path, steps: tuple[str, ...], handle: int, where: str, seen: set[tuple[int, int]], inner: list[str]) -> Iterator[Part]:
    """The folder's own parts; the names of its folders go to ``inner``."""
    with faults(where):
        names = sorted(os.listdir(handle))
    for name in names:
        path = "/".join((*steps, name))
        with faults(where):
            try:
                status = os.stat(name, dir_fd=handle, follow_symlinks=False)
            except FileNotFoundError:  # it went while we were listing: then it is not there
                continue
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            inner.append(name)
        elif kind == stat.S_IFLNK:
            why = _unfollowed(root, path)
            if why:
                yield Part(path, unread=why)
        elif kind != stat.S_IFREG:
            yield Part(path, unread=SPECIAL)
        elif status.st_nlink == 1 or (status.st_dev, status.st_ino) not in seen:
            if status.st_nlink > 1:
                seen.add((status.st_dev, status.st_ino))
            may = os.access(name, os.R_OK, dir_fd=handle, effective_ids=True)
            yield Part(path, size=status.st_size, unread="" if may else DENIED)


def _unfollowed(root: Path, path: str) -> str:
    """Why what a link leads to is not read; ``""`` where it lies in the folder, and so is read by itself."""
    link = root / path
    try:
        link.stat()
    except OSError as fault:
        return LOOP if fault.errno == errno.ELOOP else DENIED if fault.errno == errno.EACCES else UNREACHABLE
    return "" if Path(os.path.realpath(link)).is_relative_to(root) else SPECIAL


def _kernels() -> dict[int, str]:
    """The devices of the kernel's own file systems, where the system tells."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not a Linux: there the names are others, and few mount them below what is scanned
        return {}
    found = {}
    for line in lines:
        mount, _, system = line.partition(" - ")
        kind = system.split(" ", 1)[0]
        if kind in NOT_CONTENT:
            major, minor = mount.split(" ")[2].split(":")
            found[os.makedev(int(major), int(minor))] = kind
    return found
