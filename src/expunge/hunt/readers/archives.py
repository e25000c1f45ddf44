"""Small archive formats that are plain sequences: ar (also .deb and static libraries) and cpio (also initramfs and RPM payloads)."""

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them

from __future__ import annotations

from typing import BinaryIO, cast

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.reading import Format, Nested, Opened, Reading
from expunge.hunt.spool import Limited, skip, take

_LONGEST = 1 << 16
"""Bytes of a name: a path has at most 4,096."""


def _broken(opened: Opened, note: str) -> None:
    opened.account.unread.append(Unread(opened.place, Why.BROKEN, opened.size, note))


def _member(opened: Opened, name: str, size: int) -> Reading:
    member = Limited(opened.file, size)
    if size:
        yield Nested(opened.place.inside(name), cast("BinaryIO", member), size)
        skip(opened.file, member.left)
    if member.missing:
        _broken(opened, "cut short")


def _ar(opened: Opened) -> Reading:
    """Headers of 60 bytes; long names are lengths into the content (BSD, ``#1/20``) or numbers into a table (GNU, ``/20``)."""
    take(opened.file, 8)
    while header := take(opened.file, 60):
        digits = header[48:58].strip()
        if len(header) < 60 or header[58:] != b"`\n" or not digits.isdigit():  # its length
            _broken(opened, "a header is damaged")
            return
        size, name = int(digits), header[:16].rstrip()
        pad = size % 2
        if name.startswith(b"#1/") and name[3:].isdigit():
            long = min(int(name[3:]), size, _LONGEST)
            name = take(opened.file, long).rstrip(b"\0")
            size -= long
        yield from _member(opened, name.removesuffix(b"/").decode("utf-8", "replace") or "table", size)
        skip(opened.file, pad)


def _cpio(opened: Opened) -> Reading:
    """The portable formats (cpio(5)): old (octal, 76 bytes) and new (hex, 110 bytes, each part padded to 4)."""
    while magic := take(opened.file, 6):
        new = magic in (b"070701", b"070702")
        if not magic.strip(b"\0"):
            continue
        header = take(opened.file, 104 if new else 70) if new or magic == b"070707" else b""
        sizes = _sizes(header, new=new)
        if sizes is None:
            _broken(opened, "a header is damaged")
            return
        named, size = sizes
        name = take(opened.file, named).rstrip(b"\0").decode("utf-8", "replace")
        skip(opened.file, -(110 + named) % 4 if new else 0)
        if name == "TRAILER!!!":
            continue
        yield from _member(opened, name, size)
        skip(opened.file, -size % 4 if new else 0)


def _sizes(header: bytes, *, new: bool) -> tuple[int, int] | None:
    """The lengths of the name and of the content."""
    fields = (header[88:96], header[48:56], 16) if new else (header[53:59], header[59:70], 8)
    try:
        named, size = int(fields[0], fields[2]), int(fields[1], fields[2])
    except ValueError:
        return None
    return (named, size) if 0 < named <= _LONGEST and size >= 0 and len(header) == (104 if new else 70) else None  # cpio(5)


FORMATS = (
    Format("ar", lambda head, _name: head.startswith(b"!<arch>\n"), _ar),
    Format("cpio", lambda head, _name: head.startswith((b"070701", b"070702", b"070707")), _cpio),
)
