"""Machine code that decodes hexadecimal as tools print it: in groups with blanks between, with or without offsets and letters."""

from __future__ import annotations

# ruff: noqa: PLR2004  # bytes and lengths as the tools write them
import numpy as np

from expunge.hunt.chunks_compile import compiled
from expunge.hunt.readers.encodings_kernel import BLOCK, DUMPED, Bytes

_FEWEST, _LEAST = 4, 8
"""Bytes of the first line, and of all lines, below which it is some numbers in a row."""

_BACK, _LINE = 96, 240
"""Bytes before a marked block in which its line may begin, and of a line: ``xxd -c 32`` prints 122, ``hexdump -C`` 78."""

_FOUR = np.full(256, 255, dtype=np.uint8)
for _value, _character in enumerate(b"0123456789abcdef"):
    _FOUR[_character] = _FOUR[bytes([_character]).upper()[0]] = _value


@compiled
def _digits(data: Bytes, at: int) -> int:
    """How many hex digits stand at ``at``, up to 17."""
    count = 0
    while count < 17 and at + count < data.size and _FOUR[data[at + count]] != 255:
        count += 1
    return count


@compiled
def _blanks(data: Bytes, at: int) -> int:
    count = 0
    while at + count < data.size and data[at + count] == 0x20:
        count += 1
    return count


@compiled
def _content(data: Bytes, at: int) -> int:
    """Where the groups of a line begin that begins at ``at``: behind an indent, and an offset with a colon or two blanks."""
    at += min(_blanks(data, at), 8)
    count = _digits(data, at)
    if 6 <= count <= 16 and at + count < data.size:
        behind = at + count
        if data[behind] == 0x3A:
            return behind + 1 + _blanks(data, behind + 1)
        if _blanks(data, behind) >= 2:
            return behind + _blanks(data, behind)
    return at


@compiled
def _ends(data: Bytes, at: int) -> bool:
    """Whether a group may end here: not inside a word or a number with decimals."""
    if at >= data.size:
        return True
    one = data[at]
    return not (0x30 <= one <= 0x39 or 0x41 <= (one & 0xDF) <= 0x5A or one in (0x2E, 0x2D, 0x5F, 0x3A) or one >= 0x80)


@compiled
def _groups(data: Bytes, at: int, into: Bytes, to: int) -> tuple[int, int]:
    """Decode the groups of a line: where they end, and how many bytes they are.

    All are as long as the first (2 or 4 digits), but the last may be shorter; one blank stands between two, and two behind the
    eighth byte, as ``hexdump -C`` prints it.
    """
    width = count = 0
    while True:
        digits = _digits(data, at)
        if digits == 0 or digits % 2 or digits > 4 or (width and digits > width) or not _ends(data, at + digits):
            return at, count
        for place in range(at, at + digits, 2):
            into[to + count] = _FOUR[data[place]] * 16 + _FOUR[data[place + 1]]
            count += 1
        width = width or digits
        at += digits
        gap = _blanks(data, at)
        if digits < width or not (gap == 1 or (gap == 2 and width == 2 and count == 8)):
            return at, count
        at += gap


@compiled
def _next_line(data: Bytes, at: int) -> int:
    """Where the line behind this one begins; the end of the data if this one is too long for a dump's."""
    for place in range(at, min(at + _LINE, data.size)):
        if data[place] == 0x0A:
            return place + 1
    return data.size


@compiled
def _first(data: Bytes, begin: int, end: int, into: Bytes, to: int) -> int:
    """Where, before ``end``, groups begin of which there are enough; -1 if nowhere."""
    at = begin
    while at < end:
        content = _content(data, at)
        if _groups(data, content, into, to)[1] >= _FEWEST:
            return content
        at += max(1, _digits(data, at))
        while at < end and _FOUR[data[at]] == 255:
            at += 1
    return -1


@compiled
def undump(data: Bytes, marks: Bytes, start: int, into: Bytes) -> int:
    """Decode the dumps in which marked blocks lie, each as a line; the bytes written. ``start`` is where the first block lies."""
    to = 0
    past = 0
    for block in range(marks.size):
        base = start + BLOCK * block
        if marks[block] & DUMPED == 0 or base + BLOCK <= past:
            continue
        begin = max(base, past)
        while begin > past and base - begin < _BACK and (_FOUR[data[begin - 1]] != 255 or data[begin - 1] in (0x20, 0x3A)):
            begin -= 1
        at = _first(data, begin, min(base + BLOCK, data.size), into, to)
        mark = to
        while 0 <= at < data.size:
            at, count = _groups(data, at, into, to)
            to += count
            past = at
            if count == 0:
                break
            at = _content(data, _next_line(data, at))
        if to - mark >= _LEAST:
            into[to] = 0x0A
            to += 1
        else:
            to = mark
    return to
