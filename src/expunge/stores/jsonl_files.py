"""Which files a log collection has, and their lines: twice, by calls that share nothing, for ``locate`` and for ``verify``.

A line ends at a line feed; a carriage return before it belongs to the ending. A file is gzip if it begins as gzip does, whatever its
name; several members after one another are one file, as log shippers append them.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, cast

from expunge.errors import Drift
from expunge.stores.disk import faults, leads_outside, reach

TEMPORARY = ".expunge-"  # begins the name of a rewrite that is not finished
MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20
_GZIP = zlib.MAX_WBITS | 16  # zlib: expect a gzip header
_DAMAGED = "a compressed file ends in the middle or is damaged"


@dataclass(frozen=True)
class Files:
    """The files under ``root`` that a glob (``logs/app-*.jsonl*``, ``**`` for any folders) takes."""

    where: str
    root: Path
    glob: str

    def __post_init__(self) -> None:
        """See that the glob stays inside.

        Raises:
            Drift: it doesn't, or says nothing.
        """
        parts = PurePosixPath(self.glob).parts
        if not parts or ".." in parts or self.glob.startswith("/"):
            raise Drift(f"the path {self.glob!r} is no pattern of files under the store's folder", where=self.where)

    def listed(self) -> list[str]:
        """Their paths under the root, sorted; of a link inside, the path of what it leads to.

        Raises:
            Drift: the root is missing, or a link leads out of it.
        """
        reach(self.root, self.where)
        pattern = _pattern(self.glob)
        with faults(self.where):
            return sorted({self._own(path) for path in self._scan(self.root, "") if pattern.fullmatch(path) and _ours(path)})

    def walked(self) -> list[str]:
        """The same, by ``os.walk`` and without regular expressions."""
        reach(self.root, self.where)
        with faults(self.where):
            return sorted({self._own(path) for path in self._walk() if _fits(path.split("/"), self.glob.split("/")) and _ours(path)})

    def leftovers(self) -> list[Path]:
        """What a rewrite of these files left when it was killed."""
        reach(self.root, self.where)
        with faults(self.where):
            found = (path for path in self._walk() if not _ours(path))
            return [self.root / path for path in found if _fits(_meant(path).split("/"), self.glob.split("/"))]

    def _scan(self, folder: Path, inside: str) -> Iterator[str]:
        with os.scandir(folder) as found:
            for one in found:
                if one.is_dir(follow_symlinks=False):
                    yield from self._scan(Path(one.path), f"{inside}{one.name}/")
                elif one.is_file():
                    yield f"{inside}{one.name}"
                elif one.is_symlink():
                    self._inside(Path(one.path))

    def _walk(self) -> Iterator[str]:
        for folder, inner, names in os.walk(self.root, onerror=_raise):
            for name in inner:
                if (path := Path(folder, name)).is_symlink():
                    self._inside(path)
            for name in names:
                if (path := Path(folder, name)).is_file():
                    yield path.relative_to(self.root).as_posix()

    def _own(self, path: str) -> str:
        """The path itself; for a link, that of the file it leads to."""
        if not (self.root / path).is_symlink():
            return path
        self._inside(self.root / path)
        return (self.root / path).resolve().relative_to(self.root.resolve()).as_posix()

    def _inside(self, link: Path) -> None:
        if leads_outside(link, self.root.resolve()):
            raise Drift(
                "a link leads out of the store's folder: what it points at would stay; list that place as a store", where=self.where
            )


def lines(path: Path, where: str) -> Iterator[bytes]:
    """The file's lines without their endings, blank ones included.

    Raises:
        Drift: a compressed file is damaged.
        Conflict, Refused, Unavailable: as the operating system says.
    """
    with faults(where), path.open("rb") as raw:
        try:
            for line in opened(raw):
                yield bare(line)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise Drift(_DAMAGED, where=where) from None


def opened(raw: IO[bytes]) -> IO[bytes]:
    """The file, decompressed if it begins as gzip does."""
    magic = raw.read(len(MAGIC))
    raw.seek(0)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=raw, mode="rb")) if magic == MAGIC else raw


def bare(line: bytes) -> bytes:
    """A line without its ending."""
    return line[:-2] if line.endswith(b"\r\n") else line[:-1] if line.endswith(b"\n") else line


def pieces(path: Path, where: str) -> Iterator[bytes]:
    """The same lines as ``lines``, by the operating system's reads and zlib.

    Raises:
        Drift, Conflict, Refused, Unavailable: as ``lines``.
    """
    begun: list[bytes] = []  # of the line that goes on in the next chunk: a long one is put together once, at its end
    for chunk in _inflated(path, where):
        first, *others = chunk.split(b"\n")
        begun.append(first)
        for other in others:
            yield b"".join(begun).removesuffix(b"\r")
            begun = [other]
    if rest := b"".join(begun):
        yield rest


def _inflated(path: Path, where: str) -> Iterator[bytes]:
    with faults(where):
        handle = os.open(path, os.O_RDONLY)
        try:
            chunk = os.read(handle, CHUNK)
            if not chunk.startswith(MAGIC):
                while chunk:
                    yield chunk
                    chunk = os.read(handle, CHUNK)
                return
            yield from _members(handle, chunk, where)
        finally:
            os.close(handle)


def _members(handle: int, chunk: bytes, where: str) -> Iterator[bytes]:
    member = zlib.decompressobj(_GZIP)
    try:
        while chunk:
            yield member.decompress(chunk, CHUNK)  # no more at once: repetitive lines unpack to a thousand times their size
            # Zeros after a member are padding, not another member.
            chunk = (member.unused_data.lstrip(b"\0") if member.eof else member.unconsumed_tail) or os.read(handle, CHUNK)
            if member.eof and chunk.strip(b"\0"):
                member = zlib.decompressobj(_GZIP)
    except zlib.error:
        raise Drift(_DAMAGED, where=where) from None
    if not member.eof:
        raise Drift(_DAMAGED, where=where)


def _pattern(glob: str) -> re.Pattern[str]:
    """The glob as a regular expression over whole paths."""
    segments = glob.split("/")
    folders = ["(?:[^/]+/)*" if part == "**" else f"{_segment(part)}/" for part in segments[:-1]]
    name = ".*" if segments[-1] == "**" else _segment(segments[-1])
    return re.compile("".join([*folders, name]), re.DOTALL)


def _segment(part: str) -> str:
    """One folder's or file's name in a glob; a bracket that doesn't close is an ordinary letter."""

    def put(found: re.Match[str]) -> str:
        if found["set"]:
            negated = found["set"].startswith("!")
            return f"(?!/)[{'^' if negated else ''}{re.escape(found['set'][negated:]).replace(chr(92) + '-', '-')}]"
        return {"*": "[^/]*", "?": "[^/]"}.get(found[0], re.escape(found[0]))

    return re.sub(r"\[(?P<set>!?\]?[^]]*)\]|[\s\S]", put, part)


def _fits(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return _fits(parts, patterns[1:]) or (bool(parts) and _fits(parts[1:], patterns))
    return bool(parts) and fnmatchcase(parts[0], patterns[0]) and _fits(parts[1:], patterns[1:])


def _ours(path: str) -> bool:
    """Whether a path is a log's, not an unfinished rewrite's."""
    return not path.rpartition("/")[2].startswith(TEMPORARY)


def _meant(path: str) -> str:
    """The path that an unfinished rewrite was to replace: its name is ``.expunge-<random>-<name>``."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.removeprefix(TEMPORARY).partition('-')[2]}"


def _raise(fault: OSError) -> None:
    raise fault
