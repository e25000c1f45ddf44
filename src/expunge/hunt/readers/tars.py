"""Tar archives as streams: v7, ustar, pax and GNU (POSIX.1-2017 ``pax``, GNU tar's manual), also several joined, sparse, or cut short.

Nothing is extracted and no link is followed: names are text. What the headers say beside names (owners, links, pax records) is given as
text of its own, for it may name a person. Sparse files are given condensed, without their holes.
"""

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.reading import Format, Nested, Opened, Reading
from expunge.hunt.spool import Joined, Limited, skip, take

_BLOCK = 512
_LONGEST = 1 << 20
"""Bytes of a name or of pax records that are read; longer ones are an attack."""

_NOTED = 1 << 20
"""Bytes of the headers' own text that are gathered before they are given."""


def _octal(field: bytes) -> int:
    """A number as tar writes it: octal digits, or binary with the highest bit set (GNU); -1 if it is neither."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x3F]) + field[1:], "big") if not field[0] & 0x40 else -1
    digits = field.strip(b" \0")
    if not digits:
        return 0
    return int(digits, 8) if all(0x30 <= one < 0x38 for one in digits) else -1  # octal digits


def valid(header: bytes) -> bool:
    """Whether a block is a header: its sum, of unsigned or (old writers) of signed bytes."""
    if len(header) < _BLOCK:
        return False
    claimed = _octal(header[148:156])
    blank = header[:148] + b" " * 8 + header[156:_BLOCK]
    total = sum(blank)
    return claimed > 0 and (claimed == total or claimed == total - 256 * sum(one > 127 for one in blank))


class _Tar:
    """One archive that is being read."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._file = opened.file
        self._notes: list[str] = []
        self._noted = 0
        self._name = ""
        self._size: int | None = None

    def read(self) -> Reading:
        """The members in order, then what stands in their headers."""
        while header := take(self._file, _BLOCK):
            if not header.strip(b"\0"):
                continue  # the end of an archive; another may be joined to it
            if not valid(header):
                yield from self._lost(header)
                break
            yield from self._entry(header)
            if self._noted > _NOTED:
                yield from self._given()
        yield from self._given()

    def _lost(self, header: bytes) -> Iterator[Nested]:
        self._broken("a header is damaged")
        rest = cast("BinaryIO", Joined(header, self._file))
        yield Nested(self._opened.place.inside("rest"), rest, guess=True)

    def _broken(self, note: str) -> None:
        self._opened.account.unread.append(Unread(self._opened.place, Why.BROKEN, self._opened.size, note))

    def _entry(self, header: bytes) -> Reading:
        kind = header[156:157]
        size = max(_octal(header[124:136]), 0)
        if kind in (b"L", b"K", b"x", b"g", b"X"):
            self._long(kind, size)
            return
        name = self._name or _name(header)
        size = size if self._size is None else self._size
        self._name, self._size = "", None
        if kind == b"S":
            self._extended(header)
        self._note(*(one for one in (_text(header[157:257]), _text(header[265:297]), _text(header[297:329])) if one))
        if kind in (b"1", b"2", b"3", b"4", b"5", b"6"):
            self._note(name)
            size = 0 if kind != b"1" else size
        if not size:
            return
        member = Limited(self._file, size)
        yield Nested(self._opened.place.inside(name), cast("BinaryIO", member), size)
        skip(self._file, member.left)
        if member.missing:
            self._broken("cut short")
        skip(self._file, -size % _BLOCK)

    def _long(self, kind: bytes, size: int) -> None:
        """A name too long for its field, or pax records, for the entry that follows."""
        content = take(self._file, min(size, _LONGEST))
        skip(self._file, size - len(content) + -size % _BLOCK)
        if size > _LONGEST:
            self._broken("a name longer than a name can be")
        if kind == b"L":
            self._name = _text(content)
        elif kind == b"K":
            self._note(_text(content))
        else:
            self._records(content)

    def _records(self, content: bytes) -> None:
        """Pax records: a length, a blank, ``KEY=VALUE``, and a line's end."""
        at = 0
        while at < len(content):
            blank = content.find(b" ", at, at + 20)
            length = int(content[at:blank]) if blank > at and content[at:blank].isdigit() else 0
            if length <= blank - at:
                break
            key, _, value = content[blank + 1 : at + length - 1].partition(b"=")
            if key in (b"path", b"GNU.sparse.name"):
                self._name = _text(value)
            elif key == b"size" and value.isdigit() and len(value) < 20:  # below 2**64
                self._size = int(value)
            else:
                self._note(f"{_text(key)}={_text(value)}")
            at += length

    def _extended(self, header: bytes) -> None:
        """Old GNU sparse files: more of the map stands in blocks of its own (``isextended``)."""
        more = header[482] != 0
        while more and len(block := take(self._file, _BLOCK)) == _BLOCK:
            more = block[504] != 0

    def _note(self, *texts: str) -> None:
        self._notes += texts
        self._noted += sum(map(len, texts))

    def _given(self) -> Iterator[Nested]:
        if not self._notes:
            return
        text = "\n".join(dict.fromkeys(self._notes)).encode()
        self._notes, self._noted = [], 0
        yield Nested(self._opened.place.inside("headers"), io.BytesIO(text), len(text), seekable=True, plain=True)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _knows(head: bytes, _name: str) -> bool:
    return len(head) >= _BLOCK and (head[257:262] == b"ustar" or head[148:154].strip(b" \0").isdigit()) and valid(head[:_BLOCK])


def _read(opened: Opened) -> Reading:
    yield from _Tar(opened).read()


FORMATS = (Format("tar", _knows, _read),)
