"""Machine code that reads the numbers out of the rows of ``INSERT`` statements, without making anything of the other cells."""

from __future__ import annotations

# ruff: noqa: PLR2004  # bytes as SQL writes them
import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_compile import compiled
from expunge.hunt.readers.encodings_kernel import Bytes

NEITHER, WHOLE, REAL = 0, 1, 2
"""What a cell is: no number, or one without or with decimals."""

MORE, ENDED, FULL, BROKEN = 0, 1, 2, 3
"""Why ``rows`` stopped: the bytes ended, the statement ended, there is no room for more rows, or what follows is no row."""

_DIGITS = 18
"""Digits that an int64 always holds, and of which a key has fewer."""

_DECIMALS = 10.0 ** np.arange(_DIGITS + 1)


@compiled
def _blank(one: int) -> bool:
    return one in (0x20, 0x09, 0x0A, 0x0D)


@compiled
def _behind(text: Bytes, at: int, escapes: bool) -> int:  # noqa: FBT001 - called by position, as machine code is
    """Where the quoted text that begins at ``at`` is over; a doubled quote is one quote. The bytes' length if it isn't."""
    quote = text[at]
    at += 1
    while at < text.size:
        if text[at] == 0x5C and escapes:
            at += 2
        elif text[at] != quote:
            at += 1
        elif at + 1 < text.size and text[at + 1] == quote:
            at += 2
        else:
            return at + 1
    return text.size


@compiled
def _cell(text: Bytes, at: int, escapes: bool) -> int:  # noqa: FBT001 - called by position, as machine code is
    """Where the cell that begins at ``at`` ends: at the comma or bracket behind it. The bytes' length if it isn't whole."""
    deep = 0
    first = at
    while at < text.size:
        one = text[at]
        if one in (0x27, 0x22, 0x60):
            standard = at > first and text[at - 1] | 0x20 == 0x65  # E'…' has escapes whatever the dialect
            at = _behind(text, at, escapes or standard)
            continue
        if one == 0x28:
            deep += 1
        elif one == 0x29:
            if deep == 0:
                return at
            deep -= 1
        elif one == 0x2C and deep == 0:
            return at
        at += 1
    return text.size


@compiled
def _number(text: Bytes, first: int, last: int, whole: npt.NDArray[np.int64], real: npt.NDArray[np.float64]) -> int:
    """The number that a cell consists of, in quotes or not, into ``whole[0]`` and ``real[0]``; what it is. ``007`` is none."""
    while first < last and _blank(text[first]):
        first += 1
    while last > first and _blank(text[last - 1]):
        last -= 1
    if last - first > 2 and text[first] == 0x27 and text[last - 1] == 0x27:
        first += 1
        last -= 1
    negative = first < last and text[first] == 0x2D
    first += negative
    value, digits, point = 0, 0, -1
    for at in range(first, last):
        one = text[at]
        if one == 0x2E and point < 0 < digits:
            point = digits
        elif 0x30 <= one <= 0x39 and digits < _DIGITS:
            value = value * 10 + one - 0x30
            digits += 1
        else:
            return NEITHER
    if digits in (0, point) or (text[first] == 0x30 and digits > 1 and point != 1):
        return NEITHER
    value = -value if negative else value
    whole[0] = value
    real[0] = value if point < 0 else value / _DECIMALS[digits - point]
    return WHOLE if point < 0 else REAL


@compiled
def _again(text: Bytes, at: int, head: Bytes) -> int:
    """Where the rows of the next statement begin if it has the same ``head``; -1 if another follows, -2 if that can't be told yet."""
    while at < text.size and _blank(text[at]):
        at += 1
    if at + head.size > text.size:
        return -2
    for place in range(head.size):
        if text[at + place] != head[place]:
            return -1
    return at + head.size


@compiled
def rows(
    text: Bytes,
    begin: int,
    head: Bytes,
    escapes: bool,  # noqa: FBT001 - called by position, as machine code is
    whole: npt.NDArray[np.int64],
    real: npt.NDArray[np.float64],
    kinds: npt.NDArray[np.uint8],
) -> tuple[int, int, int]:
    """Read ``(…), (…), …;`` from ``begin`` on, and statements behind it that begin with the same ``head``.

    ``whole``, ``real`` and ``kinds`` have a row for each row, and as many columns as the table; a row with another number of cells is
    passed over. How many rows, where the last one that is whole ended, and why it stopped.
    """
    count, at, done = 0, begin, begin
    while count < kinds.shape[0]:
        while at < text.size and (_blank(text[at]) or text[at] == 0x2C):
            at += 1
        if at >= text.size:
            return count, done, MORE
        if text[at] != 0x28:
            if text[at] != 0x3B:
                return count, at, ENDED if text[at] | 0x20 == 0x6F else BROKEN  # ON CONFLICT, ON DUPLICATE KEY
            following = _again(text, at + 1, head)
            if following < 0:
                return count, at, ENDED if following == -1 else MORE
            at = following
            continue
        column = 0
        while at < text.size and (column == 0 or text[at] == 0x2C):
            end = _cell(text, at + 1, escapes)
            if end < text.size and column < kinds.shape[1]:
                kinds[count, column] = _number(text, at + 1, end, whole[count, column:], real[count, column:])
            column += 1
            at = end
        if at >= text.size:
            return count, done, MORE
        at += 1
        done = at
        count += column == kinds.shape[1]
    return count, done, FULL
