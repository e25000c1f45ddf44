"""The archive of ``pg_dump``: its header and table of contents, and the blocks of data behind them.

PostgreSQL documents the format by its source alone (``pg_backup_archiver.c``, ``pg_backup_custom.c``). Versions 1.10 (PostgreSQL 8.0) to
1.16 (PostgreSQL 17) are known. Everything is read from front to back, so that an archive that came through a pipe can be read, and so can
one whose offsets lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = b"PGDMP"

OLDEST, NEWEST = (1, 10), (1, 16)

CUSTOM = 1
"""The format that has data behind its table of contents; the others (tar, directory) have files beside it."""

_TEXT = 64 << 20
"""Bytes of a text in the table of contents: a definition, a comment."""

_CHUNK = 1 << 30
"""Bytes of a chunk of data: some KiB, but without compression one row, which is 1 GiB at most."""

_STEP = 1 << 20

_INTEGERS = (4, 8)
_ALGORITHMS = ("none", "gzip", "lz4", "zstd")


class Damaged(Exception):
    """Not an archive, or cut short."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the table of contents: ``texts`` are all that is written in it, ``copy`` the statement before its rows."""

    number: int
    tag: str
    kind: str
    schema: str
    copy: bytes
    texts: tuple[bytes, ...]


class Archive:
    """An archive that is read once, from its beginning."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the header.

        Raises:
            Damaged: it isn't one.
        """
        self._file = file
        self._integer = self._offset = 1
        if self._take(len(MAGIC)) != MAGIC:
            raise Damaged
        self.version = (self._byte(), self._byte())
        self._byte()  # the revision
        self._integer, self._offset, self.format = self._byte(), self._byte(), self._byte()
        if self._integer not in _INTEGERS or self._offset not in _INTEGERS:
            raise Damaged

    @property
    def known(self) -> bool:
        """Whether this version's table of contents can be read."""
        return OLDEST <= self.version <= NEWEST

    def header(self) -> str:
        """The rest of the header; how the data is compressed: ``none``, ``gzip``, ``lz4``, ``zstd``.

        Raises:
            Damaged: cut short, or compressed in a way that isn't known.
        """
        algorithm = self._byte() if self.version >= (1, 15) else int(self.integer() != 0)
        for _ in ("second", "minute", "hour", "day", "month", "year", "daylight saving"):
            self.integer()
        for _ in ("database", "server's version", "pg_dump's version"):
            self._text()
        if algorithm >= len(_ALGORITHMS):
            raise Damaged
        return _ALGORITHMS[algorithm]

    def contents(self) -> Iterator[Entry]:
        """The table of contents.

        Raises:
            Damaged: cut short.
        """
        for _ in range(self.integer()):
            yield self._entry()

    def _entry(self) -> Entry:
        number = self.integer()
        self.integer()  # whether it had data
        self._text()  # the table's oid
        self._text()  # its own
        tag, kind = self._text(), self._text()
        if self.version >= (1, 11):
            self.integer()  # the section
        definition, drop, copy, schema, tablespace = (self._text() for _ in range(5))
        access = self._text() if self.version >= (1, 14) else b""
        if self.version >= (1, 16):
            self.integer()  # the relation's kind
        owner = self._text()
        self._text()  # whether it had oids
        while self._text() is not None:  # what it depends on
            pass
        if self.format == CUSTOM:
            self._take(1 + self._offset)
        else:
            self._text()  # the file beside
        texts = tuple(one for one in (tag, schema, owner, tablespace, access, definition, drop, copy) if one)
        return Entry(number, _readable(tag), _readable(kind), _readable(schema), copy or b"", texts)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """What kind of block follows (1: rows, 3: large objects) and the number of its entry; the block is read before the next."""
        while kind := self._file.read(1):
            yield kind[0], self.integer()

    def chunks(self) -> Iterator[bytes]:
        """The chunks of one stream of data, as they are compressed.

        Raises:
            Damaged: cut short.
        """
        while size := self.integer():
            if not 0 < size <= _CHUNK:
                raise Damaged
            yield self._take(size)

    def integer(self) -> int:
        """A number: its sign, then its bytes from the least.

        Raises:
            Damaged: cut short.
        """
        negative = self._byte() != 0
        value = int.from_bytes(self._take(self._integer), "little")
        return -value if negative else value

    def _text(self) -> bytes | None:
        size = self.integer()
        if size > _TEXT:
            raise Damaged
        return None if size < 0 else self._take(size)

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, size: int) -> bytes:
        parts = list[bytes]()
        left = size
        while left:
            part = self._file.read(min(left, _STEP))  # a claimed size is not asked for at once
            if not part:
                raise Damaged
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


def _readable(text: bytes | None) -> str:
    return (text or b"").decode("utf-8", "surrogateescape")
