"""Machine code that decodes what JSON, URLs, HTML and mail escape, and UTF-16 in the midst of bytes, around the blocks that were marked."""

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them

from __future__ import annotations

import numpy as np

from expunge.hunt.chunks_compile import compiled
from expunge.hunt.readers.encodings_kernel import BLOCK, Bytes

_SIMPLE = np.full(256, -1, dtype=np.int64)
for _letter_of, _meant in ((b"n", 0x0A), (b"r", 0x0D), (b"t", 0x09), (b"/", 0x2F)):
    _SIMPLE[_letter_of[0]] = _meant

_NAMES = np.array([int.from_bytes(name, "big") for name in (b"amp", b"lt", b"gt", b"quot", b"apos", b"nbsp")], dtype=np.int64)
_MEANT = np.frombuffer(b"&<>\"' ", dtype=np.uint8)


@compiled
def _digit(character: int) -> int:
    if 0x30 <= character <= 0x39:
        return character - 0x30
    lower = character | 0x20
    return lower - 0x57 if 0x61 <= lower <= 0x66 else -1


@compiled
def _number(data: Bytes, at: int, digits: int) -> int:
    """The value of so many hex digits, or -1."""
    if at + digits > data.size:
        return -1
    value = 0
    for place in range(at, at + digits):
        digit = _digit(data[place])
        if digit < 0:
            return -1
        value = value * 16 + digit
    return value


@compiled
def _utf8(point: int, into: Bytes, at: int) -> int:
    """Write a character; where the next one goes."""
    if point < 0x80:
        into[at] = point
        return at + 1
    if point < 0x800:
        into[at] = 0xC0 | point >> 6
        into[at + 1] = 0x80 | point & 63
        return at + 2
    if point < 0x10000:
        into[at] = 0xE0 | point >> 12
        into[at + 1] = 0x80 | point >> 6 & 63
        into[at + 2] = 0x80 | point & 63
        return at + 3
    into[at] = 0xF0 | point >> 18
    into[at + 1] = 0x80 | point >> 12 & 63
    into[at + 2] = 0x80 | point >> 6 & 63
    into[at + 3] = 0x80 | point & 63
    return at + 4


@compiled
def _low(data: Bytes, at: int) -> int:
    r"""The second half of a pair written as two ``\uXXXX``, or -1."""
    if at + 1 < data.size and data[at] == 0x5C and data[at + 1] == 0x75:
        low = _number(data, at + 2, 4)
        if 0xDC00 <= low < 0xE000:
            return int(low)
    return -1


@compiled
def _octal(data: Bytes, at: int) -> int:
    """The value of three octal digits, or -1."""
    if at + 3 > data.size or data[at] > 0x33:
        return -1
    value = 0
    for place in range(at, at + 3):
        if not 0x30 <= data[place] <= 0x37:
            return -1
        value = value * 8 + data[place] - 0x30
    return value


@compiled
def _backslash(data: Bytes, at: int, into: Bytes, to: int) -> tuple[int, int]:
    """Decode the escape that begins at ``at``: what follows it, and where the next character goes; nothing moves if it is none."""
    if at + 1 >= data.size:
        return (at, to)
    kind = data[at + 1]
    if kind == 0x75:
        point = _number(data, at + 2, 4)
        after = at + 6
        low = _low(data, after) if 0xD800 <= point < 0xDC00 else -1
        if low >= 0:
            point = 0x10000 + (point - 0xD800) * 1024 + low - 0xDC00
            after += 6
        return (after, _utf8(point, into, to)) if point >= 0 else (at, to)
    byte, length = int(_SIMPLE[kind]), 2
    if kind == 0x78:
        byte, length = _number(data, at + 2, 2), 4
    elif 0x30 <= kind <= 0x33:
        byte, length = _octal(data, at + 1), 4
    if byte < 0:
        return (at, to)
    into[to] = byte
    return (at + length, to + 1)


@compiled
def _numbered(data: Bytes, at: int, into: Bytes, to: int) -> tuple[int, int]:
    """As ``_backslash``, for ``&#8364;`` and ``&#x20AC;``."""
    place = at + 2
    base = 10
    if data[place] | 0x20 == 0x78:
        base = 16
        place += 1
    first = place
    point = 0
    while place < data.size and place - first < 8:
        digit = _digit(data[place])
        if digit < 0 or digit >= base:
            break
        point = point * base + digit
        place += 1
    if place == first or place >= data.size or data[place] != 0x3B or point >= 0x110000:
        return (at, to)
    return (place + 1, _utf8(point, into, to))


@compiled
def _entity(data: Bytes, at: int, into: Bytes, to: int) -> tuple[int, int]:
    """As ``_backslash``, for what HTML writes: numbers, the five names that XML knows, and ``&nbsp;``."""
    if at + 3 >= data.size:
        return (at, to)
    if data[at + 1] == 0x23:
        return _numbered(data, at, into, to)
    name = 0
    place = at + 1
    while place < data.size and place - at <= 5 and data[place] != 0x3B:
        name = name << 8 | data[place]
        place += 1
    for one in range(_NAMES.size):
        if name == _NAMES[one] and place < data.size and data[place] == 0x3B:
            into[to] = _MEANT[one]
            return (place + 1, to + 1)
    return (at, to)


@compiled
def _region(marks: Bytes, mark: int, block: int, gap: int) -> tuple[int, int]:
    """The next group of blocks with this mark, from ``block`` on, at most ``gap`` apart: the first and the one behind the last."""
    while block < marks.size and marks[block] & mark == 0:
        block += 1
    first = last = block
    while block < marks.size and block - last <= gap:
        if marks[block] & mark != 0:
            last = block
        block += 1
    return (first, last + 1)


@compiled
def _escape(data: Bytes, at: int, into: Bytes, to: int) -> tuple[int, int]:
    """As ``_backslash``, for all that JSON, URLs and HTML write."""
    here = data[at]
    if here == 0x5C:
        return _backslash(data, at, into, to)
    if here == 0x26:
        return _entity(data, at, into, to)
    if here == 0x25:
        point = _number(data, at + 1, 2)
        if point >= 0:
            into[to] = point
            return (at + 3, to + 1)
    return (at, to)


@compiled
def _any_escape(data: Bytes, marks: Bytes, start: int, first: int, behind: int, into: Bytes, to: int) -> bool:
    """Whether any of the marked blocks has one: in an address's ``&page=2`` there is none, and its surroundings need no copy."""
    for block in range(first, behind):
        if marks[block] & 2 == 0:
            continue
        begin = start + BLOCK * block
        for at in range(begin, min(begin + BLOCK, data.size)):
            if data[at] in (0x25, 0x26, 0x5C) and _escape(data, at, into, to)[0] != at:
                return True
    return False


@compiled
def unescape(data: Bytes, marks: Bytes, start: int, into: Bytes) -> int:
    """Decode what JSON, URLs and HTML escape around marked blocks, each such region as a line; the bytes written.

    ``start`` is where the first block lies, ``into`` twice as long as the data and 1 KiB. Regions without an escape are left out.
    """
    to = 0
    block = 0
    past = 0
    while block < marks.size:
        first, block = _region(marks, 2, block, 4)
        if first >= marks.size:
            break
        if not _any_escape(data, marks, start, first, block, into, to):
            continue
        at = max(start + BLOCK * first - 64, past)
        past = min(start + BLOCK * block + 64, data.size)
        mark, changed = to, 0
        while at < past:
            after, then = _escape(data, at, into, to)
            if after == at:
                into[to] = data[at]
                after, then = at + 1, to + 1
            else:
                changed += 1
            at, to = after, then
        past = at
        if changed:
            into[to] = 0x0A
            to += 1
        else:
            to = mark
    return to


@compiled
def unquote(data: Bytes, marks: Bytes, start: int, into: Bytes) -> int:
    """As ``unescape``, for quoted-printable (RFC 2045 section 6.7): ``=XX``, and ``=`` at the end of a line that goes on."""
    to = 0
    block = 0
    past = 0
    while block < marks.size:
        first, block = _region(marks, 4, block, 8)
        if first >= marks.size:
            break
        at = max(start + BLOCK * first - 160, past)
        past = min(start + BLOCK * block + 160, data.size)
        mark, changed = to, 0
        while at < past:
            if data[at] == 0x3D:
                point = _number(data, at + 1, 2)
                if point >= 0:
                    into[to] = point
                    to += 1
                    at += 3
                    changed += 1
                    continue
                ahead = at + 1
                if ahead < data.size and data[ahead] == 0x0D:
                    ahead += 1
                if ahead < data.size and data[ahead] == 0x0A:
                    at = ahead + 1
                    changed += 1
                    continue
            into[to] = data[at]
            to += 1
            at += 1
        past = at
        if changed:
            into[to] = 0x0A
            to += 1
        else:
            to = mark
    return to


@compiled
def _letter(data: Bytes, at: int, step: int, order: int) -> int:
    """The character below U+0100 at ``at`` in UTF-16 or -32 (``step`` bytes, ``order`` 1 if the largest byte comes first), or -1."""
    if at < 0 or at + step > data.size:
        return -1
    where = at + step - 1 if order else at
    for place in range(at, at + step):
        if place != where and data[place] != 0:
            return -1
    letter = data[where]
    if 0x20 <= letter < 0x7F or letter >= 0xA0 or letter in (0x09, 0x0A, 0x0D):
        return int(letter)
    return -1


@compiled
def narrow(data: Bytes, marks: Bytes, start: int, into: Bytes) -> int:
    """As ``unescape``, for UTF-16 and UTF-32 in the midst of other bytes: runs of 8 or more characters below U+0100."""
    to = 0
    past = 0
    for block in range(marks.size):
        base = start + BLOCK * block
        if marks[block] & 8 == 0 or base < past:
            continue
        for way in range(4):
            step = 2 if way < 2 else 4
            order = way % 2
            at = base
            while at < base + step and _letter(data, at, step, order) < 0:
                at += 1
            if at == base + step:
                continue
            end = at
            while _letter(data, end, step, order) >= 0:
                end += step
            if end - at < 8 * step:
                continue
            while at - step >= past and _letter(data, at - step, step, order) >= 0:
                at -= step
            while at < end:
                to = _utf8(_letter(data, at, step, order), into, to)
                at += step
            into[to] = 0x0A
            to += 1
            past = end
            break
    return to
