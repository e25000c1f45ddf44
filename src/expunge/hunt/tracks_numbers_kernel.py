"""Machine code that reads decimal numbers out of text, for vectors and tracks alike.

It knows what systems print: sign, digits, point, exponent. No locale's decimal comma: ``46,43`` is two numbers to it, as it is to JSON.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_compile import compiled

DIGITS = 18
"""Digits of a mantissa that are read: more than a double holds, and what fits into 63 bits."""

MOST_POWER = 40
TENS = np.array([10.0**power for power in range(-MOST_POWER, MOST_POWER + 1)])
"""Powers of ten; what is smaller or larger is no coordinate and no component, and is read as these."""

TAB, ZERO, NINE, POINT, MINUS, PLUS, SPACE, QUOTE, SMALL_E, LARGE_E = b'\t09.-+ "eE'

BETWEEN = np.array([byte <= SPACE or byte in b"+-,;|" for byte in range(256)])
"""What may stand between two numbers of one list: blanks, signs, comma, semicolon, bar."""


@compiled
def _exponent(text: npt.NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """The exponent that begins at ``at`` (0 if none does), and where it ends."""
    if at + 1 >= end or (text[at] != SMALL_E and text[at] != LARGE_E):
        return 0, at
    signed = text[at + 1] == MINUS or text[at + 1] == PLUS
    ahead = at + 2 if signed else at + 1
    if ahead >= end or not ZERO <= text[ahead] <= NINE:
        return 0, at
    power = 0
    while ahead < end and ZERO <= text[ahead] <= NINE:
        power = min(MOST_POWER, power * 10 + int(text[ahead] - ZERO))
        ahead += 1
    return (-power if text[at + 1] == MINUS else power), ahead


@compiled
def _number(text: npt.NDArray[np.uint8], at: int, end: int) -> tuple[int, float, int, int]:
    """The number whose first digit is at ``at``: where it ends, its value, its digits before and after the point."""
    mantissa, before, after = np.int64(0), 0, 0
    while at < end and ZERO <= text[at] <= NINE:
        if before < DIGITS:
            mantissa = mantissa * 10 + np.int64(text[at] - ZERO)
        before += 1
        at += 1
    if before > DIGITS:
        return at, np.nan, before, 0
    if at + 1 < end and text[at] == POINT and ZERO <= text[at + 1] <= NINE:
        at += 1
        while at < end and ZERO <= text[at] <= NINE:
            if before + after < DIGITS:
                mantissa = mantissa * 10 + np.int64(text[at] - ZERO)
                after += 1
            at += 1
    power, at = _exponent(text, at, end)
    return at, float(mantissa) * TENS[min(2 * MOST_POWER, max(0, MOST_POWER + power - after))], before, after


@compiled
def dense(text: npt.NDArray[np.uint8], block: int) -> npt.NDArray[np.int64]:
    """How many bytes of every block are of the kind that lists of numbers consist of: digits, signs, points, blanks, commas."""
    counts = np.zeros(text.size // block, np.int64)
    for number in range(counts.size):
        count = np.int64(0)
        for byte in text[number * block : (number + 1) * block]:
            count += np.uint8(byte - np.uint8(TAB)) <= np.uint8(NINE - TAB)
        counts[number] = count
    return counts


@compiled
def numbers(
    text: npt.NDArray[np.uint8], least: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.int8]]:
    """Values, starts, ends, whether nothing but a separator lies between a number and the one before, and digits after the point.

    Whole numbers of fewer than ``least`` digits are passed over.
    """
    most = text.size // 2 + 1  # pages that aren't written to are never given to the process
    values, starts, ends = np.empty(most), np.empty(most, np.int64), np.empty(most, np.int64)
    joined, decimals = np.empty(most, np.bool_), np.empty(most, np.int8)
    count, at, size, clean = 0, 0, text.size, False
    while at < size:
        byte = text[at]
        if byte < ZERO or byte > NINE:
            at += 1
            clean = clean and bool(BETWEEN[byte])
            continue
        start = at
        if start > 0 and (text[start - 1] == MINUS or text[start - 1] == PLUS):
            start -= 1
        at, value, before, after = _number(text, at, size)
        if after == 0 and before < least:
            clean = False
            continue
        values[count] = -value if text[start] == MINUS else value
        starts[count], ends[count], joined[count], decimals[count] = start, at, clean, min(after, 100)
        count += 1
        clean = True
    return values[:count], starts[:count], ends[:count], joined[:count], decimals[:count]


@compiled
def cells(buffer: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The number that each cell is, blanks and quotes around it aside; NaN where it is none."""
    values = np.full(offsets.size - 1, np.nan)
    for row in range(values.size):
        start, end = offsets[row], offsets[row + 1]
        while start < end and (buffer[start] <= SPACE or buffer[start] == QUOTE):
            start += 1
        while start < end and (buffer[end - 1] <= SPACE or buffer[end - 1] == QUOTE):
            end -= 1
        negative = start < end and buffer[start] == MINUS
        if negative or (start < end and buffer[start] == PLUS):
            start += 1
        if start < end and ZERO <= buffer[start] <= NINE:
            stop, value, _, _ = _number(buffer, start, end)
            if stop == end:
                values[row] = -value if negative else value
    return values


@compiled
def _past(text: npt.NDArray[np.uint8], at: int) -> int:
    """Where the digits that begin at ``at`` end."""
    while at < text.size and np.uint8(text[at] - ZERO) <= 9:  # noqa: PLR2004 - digits
        at += 1
    return at


@compiled
def _begun(text: npt.NDArray[np.uint8], start: int, least: int, kinds: npt.NDArray[np.uint32]) -> tuple[int, np.uint32]:
    """Where the number that begins at ``start`` ends, and what it may be by its first digits; less than 0 if it is whole and short."""
    first = start
    while first < text.size and text[first] == ZERO:
        first += 1
    end = _past(text, first)
    length, lead = end - first, np.int64(0)
    for at in range(first, min(end, first + 3)):
        lead = 10 * lead + np.int64(text[at] - ZERO)
    tail = _past(text, end + 1) if end < text.size and text[end] == POINT else end
    if tail <= end + 1:
        return (-end if end - start < least else end), kinds[min(length, kinds.shape[0] - 1), lead] if length > 2 else np.uint32(0)  # noqa: PLR2004
    for at in range(end + 1, end + 4 - length):
        lead = 10 * lead + (np.int64(text[at] - ZERO) if at < tail else 0)
    if tail < text.size and text[tail] | 0x20 == SMALL_E:  # an exponent, which moves the point
        return tail, np.uint32(0xFFFFFFFF)
    return tail, kinds[min(length, kinds.shape[0] - 1), lead]


@compiled
def likely(text: npt.NDArray[np.uint8], least: int, kinds: npt.NDArray[np.uint32], apart: int, block: int) -> npt.NDArray[np.bool_]:
    """The blocks in which numbers stand that may be a place: one with one of the two before it, ``apart`` bytes away for each.

    ``kinds`` (of ``tracks_planes``) tells by a number's length and first digits in which planes it may be what. Whole numbers of fewer
    than ``least`` digits are passed over. It takes half of the time that reading the numbers does.
    """
    marked = np.zeros((text.size + block - 1) // block, np.bool_)
    none, shift = np.uint32(0), np.uint32(16)
    before, before_start, before_end = none, 0, -2 * apart
    older, older_start, older_end = none, 0, -2 * apart
    at = 0
    while at < text.size:
        if np.uint8(text[at] - ZERO) > 9:  # noqa: PLR2004 - digits
            at += 1
            continue
        start = at
        at, kind = _begun(text, start, least, kinds)
        if at < 0:
            at = -at
            continue
        if kind != none:
            turned = kind >> shift | kind << shift
            if turned & older and start - older_end <= 2 * apart:
                marked[older_start // block : (at - 1) // block + 1] = True
            elif turned & before and start - before_end <= apart:
                marked[before_start // block : (at - 1) // block + 1] = True
        older, older_start, older_end = before, before_start, before_end
        before, before_start, before_end = kind, start, at
    return marked
