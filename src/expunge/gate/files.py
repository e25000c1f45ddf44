"""The folder of epochs, as it is written and read: files named by their digest, one note that is replaced in one step.

::

    FOLDER/epoch.note             the newest epoch: replaced by a rename, the last thing that a publishing does
    FOLDER/epochs/NUMBER.note     every epoch that may still be in use
    FOLDER/files/SHA256           what the notes name; never changed, shared by the epochs that agree on it

What a killed publishing leaves is files that no note names; the next one deletes them when they are old enough.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from expunge.durable import make_folder, sync_folder, write_synced
from expunge.errors_gate import EpochUntrusted, GateClosed
from expunge.gate.epoch import Epoch, File

NOTE = "epoch.note"
KEPT = timedelta(hours=25)
"""How long the files of an epoch stay: a batch job that declares a day's bound must find its own."""

_PUBLIC = 0o644


def folder_of(at: str | Path) -> Path:
    """The folder that a path or a ``file://`` address names.

    Raises:
        GateClosed: another kind of address; mount or copy the bucket, the files are plain.
    """
    text = str(at)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    if "://" in text:
        raise GateClosed("epochs are read from a folder: mount the bucket, or copy it beside the job, and name the folder", where=text)
    return Path(text)


def read_note(folder: Path) -> str:
    """The newest epoch's note, unverified.

    Raises:
        GateClosed: there is none, or it can't be read.
    """
    try:
        return (folder / NOTE).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise GateClosed("there is no epoch here: `expunge gate publish` writes one", where=str(folder)) from None
    except (OSError, UnicodeDecodeError):
        raise GateClosed("the epoch's note can't be read", where=str(folder)) from None


def map_file(folder: Path, epoch: Epoch, name: str) -> memoryview:
    """A file of the epoch in memory that processes share, verified against its digest.

    Raises:
        GateClosed: it is not there; a newer epoch may have taken its place.
        EpochUntrusted: it is not what was signed.
    """
    told = epoch.files[name]
    try:
        with (folder / "files" / told.sha256).open("rb") as file:
            held = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) if told.size else memoryview(b"")
    except (OSError, ValueError):  # an empty file can't be mapped
        raise GateClosed(f"a file of epoch {epoch.number} can't be read", where=str(folder)) from None
    if len(held) != told.size or hashlib.sha256(held).hexdigest() != told.sha256:
        raise EpochUntrusted(f"a file of epoch {epoch.number} is not what was signed", where=str(folder))
    return held


def keep_file(folder: Path, named: File) -> bool:
    """Whether a file is there; it is in use again, and stays as long as a new one."""
    path = folder / "files" / named.sha256
    if not path.exists() or path.stat().st_size != named.size:
        return False
    os.utime(path)
    return True


def put_file(folder: Path, content: memoryview | bytes) -> File:
    """Make a file durable under its digest, unless it is there.

    Raises:
        OSError: the medium refuses.
    """
    named = File(hashlib.sha256(content).hexdigest(), len(content))
    if not keep_file(folder, named):
        path = folder / "files" / named.sha256
        make_folder(path.parent)
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        write_synced(beside, content, mode=_PUBLIC)
        beside.replace(path)
    return named


def announce(folder: Path, number: int, note: str) -> None:
    """Make a note the newest epoch, durably and in one step; the files that it names are there already.

    Raises:
        OSError: the medium refuses; the epoch before stays the newest.
    """
    make_folder(folder / "epochs")
    sync_folder(folder / "files")
    for path in (folder / "epochs" / f"{number:012}.note", folder / NOTE):
        beside = path.with_name(f".{path.name}.part")
        write_synced(beside, note.encode(), mode=_PUBLIC)
        beside.replace(path)
        sync_folder(path.parent)


def sweep(folder: Path, now: float, named: Iterable[Mapping[str, File]]) -> int:
    """Delete notes and files that are older than ``KEPT`` and that none of the epochs ``named`` names; how many. ``now`` is POSIX time."""
    old = now - KEPT.total_seconds()
    kept = {one.sha256 for files in named for one in files.values()}
    gone = [path for path in (folder / "epochs").glob("*.note") if path.stat().st_mtime < old]
    gone += [path for path in (folder / "files").iterdir() if path.name not in kept and path.stat().st_mtime < old]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)
