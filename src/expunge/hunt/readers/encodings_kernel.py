"""What every plain byte passes: machine code that finds encoded runs and escapes, and decodes the latter.

``survey`` looks at 8 bytes at a time (the bit tricks of Hacker's Delight, 2nd ed., section 6-1: a byte of a word is zero), at 14 GB/s on
one core where plain scanning has 0.5; the others only look at blocks that it has marked.
"""

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_compile import compiled

BLOCK = 32
"""Bytes that share a mark: half of the shortest run, so that each such run covers a whole block."""

RUN, ESCAPED, QUOTED, WIDE, DUMPED = 1, 2, 4, 8, 16
"""Marks: may be all base64 or hex · has a backslash, % or & · has = before a line's end · every second byte may be zero · may hold groups
of two or four hex digits."""

LINE = 40
"""The shortest line after which an encoded run may go on in the next: encoders wrap at 60 to 76, words are shorter."""

_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_ODD = np.uint64(0xFF00FF00FF00FF00)
_EVEN = np.uint64(0x00FF00FF00FF00FF)
_PLUS, _BACKSLASH, _PERCENT, _AND, _QUOTE, _EQUALS, _CONTROL = (
    np.uint64(character * 0x0101010101010101) for character in (0x2B, 0x5C, 0x25, 0x26, 0x22, 0x3D, 0x10)
)
_SPACE, _BEYOND = np.uint64(0x2020202020202020), np.uint64(0x1919191919191919)
"""Blanks, which also make letters small; and what makes 0x80 and more of every small letter behind ``f``."""

_PAIRS = tuple(np.uint64(sum(0x80 << 8 * place for place in places)) for places in ((2, 5), (1, 4, 7), (0, 3, 6)))
_FOURS = tuple(np.uint64(sum(0x80 << 8 * place for place in places)) for places in ((2, 7), (1, 6), (0, 5)))
"""Where in eight bytes blanks stand between groups of two digits, and of four."""

_BYTE, _NONE = np.uint64(8), np.uint64(0)

Bytes = npt.NDArray[np.uint8]


@compiled
def survey(words: npt.NDArray[np.uint64], marks: Bytes) -> int:
    """Mark each block of four words; all marks together."""
    every = 0
    for block in range(marks.size):
        escaped, quoted, ones, least, dumped = _NONE, _NONE, _NONE, _HIGH, False
        for place in range(4):
            word = words[4 * block + place]
            ones |= word
            least &= (word | _HIGH) - _PLUS
            gap = word ^ _QUOTE
            quotes = (gap - _ONES) & ~gap & _HIGH
            gap = word ^ _BACKSLASH
            escaped |= ((gap - _ONES) & ~gap & _HIGH) & ~(quotes >> _BYTE)
            gap = word ^ _PERCENT
            escaped |= (gap - _ONES) & ~gap & _HIGH
            gap = word ^ _AND
            escaped |= (gap - _ONES) & ~gap & _HIGH
            gap = word ^ _EQUALS
            quoted |= (((gap - _ONES) & ~gap & _HIGH) << _BYTE) & ((word - _CONTROL) & ~word & _HIGH)
            gap = word ^ _SPACE
            blanks = (gap - _ONES) & ~gap & _HIGH
            grouped = blanks == _PAIRS[0] or blanks == _PAIRS[1] or blanks == _PAIRS[2]
            grouped |= blanks == _FOURS[0] or blanks == _FOURS[1] or blanks == _FOURS[2]
            dumped |= grouped and (((((word | _SPACE) & ~_HIGH) + _BEYOND) | word) & _HIGH) == _NONE
        mark = 0
        if dumped:
            mark |= 16
        if (ones & _HIGH) == _NONE and (least & _HIGH) == _HIGH:
            mark |= 1
        if escaped != _NONE:
            mark |= 2
        if quoted != _NONE:
            mark |= 4
        if ones != _NONE and ((ones & _ODD) == _NONE or (ones & _EVEN) == _NONE):
            mark |= 8
        marks[block] = mark
        every |= mark
    return every


@compiled
def _over(data: Bytes, at: int) -> int:
    r"""What follows a line's end at ``at``, and an indent: CR and LF as such or as ``\r`` and ``\n``; ``at`` itself if there is none."""
    ahead = at
    for _ in range(2):
        if ahead < data.size and data[ahead] in (0x0A, 0x0D):
            ahead += 1
        elif ahead + 1 < data.size and data[ahead] == 0x5C and data[ahead + 1] in (0x6E, 0x72):
            ahead += 2
    while at < ahead < data.size and data[ahead] in (0x20, 0x09):
        ahead += 1
    return ahead


@compiled
def follow(data: Bytes, at: int, line: int, table: Bytes) -> tuple[int, int, bool]:
    """Where the run that ``at`` lies in ends, where its last line began, and whether it may go on behind the data.

    ``line`` is where its present line began (it may be negative). A run goes on over a line's end, written as such or as an escape.
    """
    size = data.size
    while at < size:
        if table[data[at]] != 0:
            at += 1
            continue
        if data[at] == 0x5C and at + 1 < size and data[at + 1] == 0x2F:  # a slash as JSON may write it
            at += 2
            continue
        ahead = _over(data, at) if at - line >= LINE else at
        cut = data[ahead] == 0x5C and ahead + 1 >= size if ahead < size else True
        if cut or ahead == at or table[data[ahead]] == 0:
            return (at, line, cut)
        at = line = ahead
    return (at, line, True)


@compiled
def runs(data: Bytes, marks: Bytes, start: int, floor: int, table: Bytes, found: npt.NDArray[np.int64]) -> int:
    """Runs of 64 or more characters of an encoding, at or behind ``floor``: begin, end, begin of the last line, and whether open.

    ``start`` is where the first block lies. As many as ``found`` has rows; how many there are.
    """
    count = 0
    past = floor
    for block in range(marks.size):
        at = start + BLOCK * block
        if marks[block] & 1 == 0 or at < past or at + BLOCK > data.size:
            continue
        whole = True
        for place in range(at, at + BLOCK):
            if table[data[place]] == 0:
                whole = False
                break
        if not whole:
            continue
        begin = at
        while begin > past and table[data[begin - 1]] != 0:
            begin -= 1
        end, line, more = follow(data, at, begin, table)
        past = end
        if end - begin >= 64 or more:
            found[count, 0] = begin
            found[count, 1] = end
            found[count, 2] = line
            found[count, 3] = 1 if more else 0
            count += 1
            if count == found.shape[0]:
                break
    return count
