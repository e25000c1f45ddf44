"""Compound files (MS-CFB): the older Word, Excel and PowerPoint, and Outlook's messages.

A file of sectors with a table that chains them, as a FAT disk; every chain is followed at most as long as the file, so that one that
bites its tail ends. Streams are given as they are; an Outlook message's texts, which lie in streams named by their type, as UTF-8.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.readers.arrays import Damaged
from expunge.hunt.readers.arrays_views import poured, recoded, size_of
from expunge.hunt.reading import Nested, Opened, Reading

_END = 0xFFFFFFFA  # numbers from here on are no sectors but marks
_ENTRY = 128
_PIECE = 1 << 20
_STREAM, _ROOT = 2, 5
_SEALED = ("EncryptedPackage", "EncryptionInfo")


@dataclass(frozen=True, slots=True, repr=False)
class _Entry:
    """What the directory says of a stream or storage."""

    name: str
    kind: int
    left: int
    right: int
    child: int
    start: int
    size: int


class _Compound:
    """The sectors of a compound file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self._held: bytes | None = None
        header = file.read(512)
        if len(header) < 512:  # noqa: PLR2004 # the header
            raise Damaged("a compound file without a header")
        wide, narrow = struct.unpack_from("<HH", header, 30)
        if wide not in {9, 12} or narrow != 6:  # noqa: PLR2004 # what versions 3 and 4 allow
            raise Damaged("a compound file with impossible sectors")
        self.sector = 1 << wide
        self.small = 1 << narrow
        self.most = size // self.sector + 1
        directory, self.cutoff, mini, _, chain, _ = struct.unpack_from("<I4xIIIII", header, 48)
        self.fat = self._table(header, chain)
        self.entries = [_entry(raw) for raw in self._cut(self.chain(directory))]
        self.mini = np.frombuffer(b"".join(self.chain(mini))[: self.most * self.sector], dtype="<u4")
        root = self.entries[0] if self.entries else None
        self.root: tuple[int, int] = (root.start, root.size) if root is not None and root.kind == _ROOT else (_END, 0)

    def _at(self, sector: int, count: int = 1) -> bytes:
        self.file.seek((sector + 1) * self.sector)
        return self.file.read(count * self.sector)

    def _table(self, header: bytes, chain: int) -> npt.NDArray[np.uint32]:
        """The table that chains sectors: its own sectors are listed in the header, and in a chain of lists behind that."""
        listed = list(struct.unpack_from("<109I", header, 76))
        for _ in range(self.most):
            if chain >= _END or len(listed) > self.most:
                break
            block = np.frombuffer(self._at(chain).ljust(self.sector, b"\xff"), dtype="<u4")
            listed += block[:-1].tolist()
            chain = int(block[-1])
        found = [one for one in listed if one < min(_END, self.most)][: self.most * 4 // self.sector + 1]
        return np.frombuffer(b"".join(self._at(one).ljust(self.sector, b"\xff") for one in found), dtype="<u4")

    def chain(self, start: int) -> Iterator[bytes]:
        """A chain's sectors; those that follow each other are read at once."""
        seen, at = 0, start
        while at < len(self.fat) and seen < self.most:
            first, count = at, 1
            while (following := int(self.fat[at])) == at + 1 and count * self.sector < _PIECE and following < len(self.fat):
                at, count = following, count + 1
            seen += count
            held = self._at(first, count)
            if not held:
                return
            yield held
            at = int(self.fat[at])

    def _cut(self, parts: Iterator[bytes]) -> list[bytes]:
        raw = b"".join(parts)[: self.most * self.sector]
        return [raw[at : at + _ENTRY] for at in range(0, len(raw) - _ENTRY + 1, _ENTRY)]

    def content(self, entry: _Entry) -> Iterator[bytes]:
        """A stream's bytes."""
        left = min(entry.size, self.size)
        parts = self.chain(entry.start) if entry.size >= self.cutoff else self._small(entry)
        for part in parts:
            yield part[:left]
            left -= len(part[:left])
            if not left:
                return

    def _small(self, entry: _Entry) -> Iterator[bytes]:
        """A short stream lies in small sectors, which lie in the root's stream."""
        held = self.held()
        at = entry.start
        for _ in range(len(held) // self.small + 1):
            if at >= len(self.mini):
                return
            yield held[at * self.small : (at + 1) * self.small]
            at = int(self.mini[at])

    def held(self) -> bytes:
        """The root's stream."""
        if self._held is None:
            self._held = b"".join(self.chain(self.root[0]))[: self.root[1]]
        return self._held


def _entry(raw: bytes) -> _Entry:
    length, kind = struct.unpack_from("<HB", raw, 64)
    left, right, child = struct.unpack_from("<III", raw, 68)
    start, size = struct.unpack_from("<IQ", raw, 116)
    return _Entry(raw[: min(max(length - 2, 0), 64)].decode("utf-16-le", "replace"), kind, left, right, child, start, size)


def read(opened: Opened) -> Reading:
    """Every stream, by its path; what is encrypted is told."""
    file = _Compound(opened.file, size_of(opened.file))
    for path, entry in _paths(file.entries):
        place = opened.place.inside(path)
        if entry.name in _SEALED or _locked(file, entry):
            opened.account.unread.append(Unread(place, Why.ENCRYPTED, entry.size))
        if not entry.size:
            continue
        if entry.name.startswith("__substg1.0_") and entry.name.endswith(("001F", "001E")):
            codec = "utf-16-le" if entry.name.endswith("F") else "cp1252"
            yield Nested(place, _text(file, entry, codec))
            continue
        yield Nested(place, poured(file.content(entry)), entry.size)


def _text(file: _Compound, entry: _Entry, codec: str) -> BinaryIO:
    decoder = codecs.getincrementaldecoder(codec)("replace")

    def change(block: bytes, last: bool) -> bytes:  # noqa: FBT001 # as ``recoded`` asks for it
        return decoder.decode(block, last).encode("utf-8", "replace")

    return recoded(lambda: poured(file.content(entry)), change)


def _locked(file: _Compound, entry: _Entry) -> bool:
    """Word's flag in its first record (MS-DOC 2.5.2) and Excel's FILEPASS (MS-XLS 2.4.117) behind its first."""
    if entry.name not in {"WordDocument", "Workbook", "Book"}:
        return False
    head = next(file.content(entry), b"")
    if entry.name == "WordDocument":
        return len(head) > 11 and bool(head[11] & 1)  # noqa: PLR2004 # bit 8 of the flags at 10
    at = 4 + struct.unpack_from("<H", head, 2)[0] if len(head) > 4 else len(head)  # noqa: PLR2004 # a record's head
    return head[at : at + 2] == b"\x2f\x00"


def _paths(entries: list[_Entry]) -> Iterator[tuple[str, _Entry]]:
    """The streams with their paths; then those that hang on nothing, because somebody deleted them or broke the tree."""
    waiting: list[tuple[str, int]] = [("", entries[0].child)] if entries else []
    seen: set[int] = set()
    while waiting:
        parent, at = waiting.pop()
        if at in seen or at >= len(entries):
            continue
        seen.add(at)
        entry = entries[at]
        path = f"{parent}/{entry.name}".lstrip("/")
        waiting += [(parent, entry.left), (parent, entry.right), (path, entry.child)]
        if entry.kind == _STREAM:
            yield path, entry
    yield from ((f"unlisted/{at}", one) for at, one in enumerate(entries) if at not in seen and one.kind == _STREAM)
