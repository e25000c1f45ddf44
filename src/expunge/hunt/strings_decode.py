"""What stands for other bytes, decoded, so that needles need no form for each escape.

``decode`` looks at the blocks in which ``strings_classes`` saw something and writes what is there meant behind one another into a second
pad, with the place from which each byte came. Percent, JSON and C escapes, HTML entities and quoted-printable are resolved and tags left
out in one text; hexadecimal is read in both phases, base64 (either alphabet, over line ends of mail and PEM) in all four, since a
run of its letters may begin before what was encoded; UTF-16 of either byte order becomes UTF-8.
"""

# ruff: noqa: PLR2004 - numbers are bytes and bits; a kernel takes no keywords
from __future__ import annotations

from typing import Any

import numpy as np

from expunge.hunt.strings_classes import BASE64_RUN, HEX_RUN, has_run, is_escape
from expunge.hunt.strings_compile import LANES, base64_at, compiled, hex_at, inlined, lowest, signed
from expunge.hunt.strings_layout import BASE64, ESCAPED, HEX, PAD, WIDE

GROWTH = 9
"""Most bytes out for one in: text once, hexadecimal half in two phases, base64 three quarters in four, UTF-16 three halves twice; gaps."""

MARGIN = 192
"""Bytes around a block that are decoded with it: a needle may begin before its first escape, or end after its last."""

WRAPPED = 60
"""Letters in a line of base64 after which a line end may stand inside a run: mail wraps at 76, PEM at 64."""

_NAMES = ("amp", "lt", "gt", "quot", "apos", "nbsp", "commat", "period", "lowbar", "plus", "num", "colon", "sol", "hyphen", "dash")
_MEANT = "&<>\"'\u00a0@._+#:/--"
_ENTITIES = np.array([sum(ord(letter) << (8 * at) for at, letter in enumerate(name[:7])) for name in _NAMES], dtype=np.uint64)
_ENTITY_VALUES = np.array([ord(letter) for letter in _MEANT], dtype=np.int32)

_SEXTETS = np.full(256, 255, dtype=np.uint8)
for _value, _letter in enumerate(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):
    _SEXTETS[_letter] = _value
_SEXTETS[ord("-")], _SEXTETS[ord("_")] = 62, 63

_DIGITS = np.full(256, 255, dtype=np.uint8)
for _value, _letter in enumerate(b"0123456789abcdef"):
    _DIGITS[_letter] = _DIGITS[ord(chr(_letter).upper())] = _value


@inlined
def _put(out: Any, source: Any, size: int, value: int, at: int) -> int:
    out[PAD + size] = value
    source[size] = at
    return size + 1


@inlined
def _put_point(out: Any, source: Any, size: int, point: int, at: int) -> int:
    """A character as UTF-8."""
    if point < 0x80:
        return _put(out, source, size, point, at)
    if point < 0x800:
        size = _put(out, source, size, 0xC0 | (point >> 6), at)
    else:
        if point < 0x10000:
            size = _put(out, source, size, 0xE0 | (point >> 12), at)
        else:
            size = _put(out, source, size, 0xF0 | ((point >> 18) & 7), at)
            size = _put(out, source, size, 0x80 | ((point >> 12) & 63), at)
        size = _put(out, source, size, 0x80 | ((point >> 6) & 63), at)
    return _put(out, source, size, 0x80 | (point & 63), at)


@inlined
def _number(pad: Any, at: int, digits: int) -> int:
    """A hexadecimal number of so many digits, or -1."""
    value = 0
    for place in range(at, at + digits):
        digit = _DIGITS[pad[place]]
        if digit == 255:
            return -1
        value = value * 16 + signed(digit)
    return value


@inlined
def _entity(pad: Any, at: int) -> tuple[int, int]:
    """The character and the length of ``&name;``, ``&#64;`` or ``&#x40;`` at ``at``; length 0 if it is none."""
    end = at + 1
    while end < at + 11 and pad[end] != 59:
        end += 1
    if pad[end] != 59:
        return 0, 0
    value = 0
    if pad[at + 1] == 35:
        hexadecimal = pad[at + 2] | 32 == 120
        for place in range(at + 3 if hexadecimal else at + 2, end):
            digit = signed(_DIGITS[pad[place]])
            if digit >= (16 if hexadecimal else 10):
                return 0, 0
            value = value * (16 if hexadecimal else 10) + digit
        return (value, end + 1 - at) if 0 < value < 0x110000 else (0, 0)
    key = np.uint64(0)
    for place in range(at + 1, min(end, at + 8)):
        key |= np.uint64(pad[place]) << np.uint64(8 * (place - at - 1))
    for place in range(len(_ENTITIES)):
        if _ENTITIES[place] == key:
            return signed(_ENTITY_VALUES[place]), end + 1 - at
    return 32, end + 1 - at


@inlined
def _backslash(pad: Any, at: int) -> tuple[int, int]:
    r"""The character and the length of ``\u0040`` (with its second half), ``\x40``, ``\n``, ``\/`` …; control characters become blanks."""
    after = pad[at + 1]
    if after in (117, 120):
        digits = 4 if after == 117 else 2
        point = _number(pad, at + 2, digits)
        if point < 0:
            return 0, 0
        if 0xD800 <= point < 0xDC00 and pad[at + 6] == 92 and pad[at + 7] == 117:
            low = _number(pad, at + 8, 4)
            if 0xDC00 <= low < 0xE000:
                return 0x10000 + ((point - 0xD800) << 10) + low - 0xDC00, 12
        return point, 2 + digits
    return (32 if 97 <= after <= 122 else signed(after)), 2


@inlined
def _tag(pad: Any, at: int, last: int) -> int:
    """The length of a tag; 0 if it doesn't end within 200 bytes."""
    for end in range(at + 1, min(at + 200, last)):
        if pad[end] == 62:
            return end + 1 - at
        if pad[end] == 60:
            return 0
    return 0


@compiled
def _unescape(pad: Any, first: int, last: int, out: Any, source: Any, size: int) -> int:
    at = first
    while at < last:
        byte = pad[at]
        if byte not in (37, 38, 60, 61, 92) or not is_escape(pad, at):
            size = _put(out, source, size, byte, at)
            at += 1
        elif byte == 37:
            size = _put(out, source, size, _number(pad, at + 1, 2), at)
            at += 3
        elif byte == 61:
            if pad[at + 1] in (10, 13):
                at += 3 if pad[at + 1] == 13 else 2
            else:
                size = _put(out, source, size, max(_number(pad, at + 1, 2), 0), at)
                at += 3
        elif byte == 60:
            length = _tag(pad, at, last)
            size = _put(out, source, size, 60 if length == 0 else 32, at)
            at += max(length, 1)
        else:
            point, length = _entity(pad, at) if byte == 38 else _backslash(pad, at)
            size = _put(out, source, size, byte, at) if length == 0 else _put_point(out, source, size, point, at)
            at += max(length, 1)
    return size


@compiled
def _hexadecimal(pad: Any, first: int, last: int, out: Any, source: Any, size: int) -> int:
    for phase in range(2):
        at = first + phase
        while at + 1 < last:
            size = _put(out, source, size, (_DIGITS[pad[at]] << 4) | _DIGITS[pad[at + 1]], at)
            at += 2
        size = _gap(out, source, size, last)
        if (last - first) & 1 == 0:
            break  # an even run was written by itself
    return size


@inlined
def _gap(out: Any, source: Any, size: int, at: int) -> int:
    return _put(out, source, _put(out, source, size, 10, at), 10, at)


@inlined
def _run_begin(pad: Any, at: int, last: int, what: int) -> int:
    """Where the next run of digits or letters begins that is long enough; ``last`` if there is none before it."""
    while at < last:
        runs = has_run(hex_at(pad, at), HEX_RUN - 16) if what == HEX else has_run(base64_at(pad, at), BASE64_RUN - 16)
        if runs != 0:
            return min(at + signed(lowest(runs)), last)
        at += LANES + 1 - (HEX_RUN if what == HEX else BASE64_RUN)
    return last


@inlined
def _run_end(pad: Any, at: int, last: int, what: int) -> int:
    """Where the run ends in which ``at`` is, at most ``last``."""
    while at < last:
        others = ~(hex_at(pad, at) if what == HEX else base64_at(pad, at))
        if others != 0:
            return min(at + signed(lowest(others)), last)
        at += LANES
    return last


@inlined
def _base64_end(pad: Any, first: int, last: int) -> int:
    """Where a run ends, over the line ends of wrapped ones."""
    line, at = first, _run_end(pad, first, last, BASE64)
    while at < last:
        after = at + 1 if pad[at] == 10 else at + 2 if pad[at] == 13 and pad[at + 1] == 10 else 0
        if after == 0 or at - line < WRAPPED or _SEXTETS[pad[after]] == 255:
            break
        line, at = after, _run_end(pad, after, last, BASE64)
    return at


@inlined
def _looks_base64(pad: Any, first: int, last: int) -> bool:
    """Capitals and small letters, as in nearly all of it, and not just a name in capitals and small letters: at least two each."""
    capitals = small = 0
    for at in range(first, min(last, first + 256)):
        capitals += 65 <= pad[at] <= 90
        small += 97 <= pad[at] <= 122
    return last - first >= BASE64_RUN and capitals >= 2 and small >= 1


@compiled
def _base64(pad: Any, first: int, last: int, out: Any, source: Any, size: int) -> int:
    for phase in range(4):
        bits = held = skipped = 0
        for at in range(first, last):
            value = _SEXTETS[pad[at]]
            if value == 255:
                continue
            if skipped < phase:
                skipped += 1
                continue
            bits = (bits << 6) | signed(value)
            held += 6
            if held >= 8:
                held -= 8
                size = _put(out, source, size, (bits >> held) & 255, at)
                bits &= (1 << held) - 1
        size = _gap(out, source, size, last)
    return size


@compiled
def _wide(pad: Any, first: int, last: int, out: Any, source: Any, size: int) -> int:
    """UTF-16, read in both byte orders with the high bytes where zeros are commonest: which comes first can't be told in the middle."""
    odd = 0
    for at in range(first, last):
        odd += (2 * (at & 1) - 1) * (pad[at] == 0)
    high = 1 if odd > 0 else 0  # the parity of high bytes
    for little in range(2):
        at = first + ((first & 1) ^ high ^ little)
        while at + 1 < last:
            point = signed(pad[at]) | signed(pad[at + 1]) << 8 if little else signed(pad[at + 1]) | signed(pad[at]) << 8
            size = _put_point(out, source, size, point, at)
            at += 2
        size = _gap(out, source, size, last)
    return size


@inlined
def _runs(pad: Any, first: int, last: int, limit: int, what: int, out: Any, source: Any, size: int) -> tuple[int, int]:
    """All runs that begin in ``[first, last)``; they may end later. The size, and where the last one ended."""
    at, end = _run_begin(pad, first, last, what), last
    while at < last:
        if what == HEX:
            end = _run_end(pad, at, limit, HEX)
            if end - at >= HEX_RUN:  # what lies behind the limit is none of it
                size = _hexadecimal(pad, at, end, out, source, size)
        else:
            end = _base64_end(pad, at, limit)
            if _looks_base64(pad, at, end):
                size = _base64(pad, at, end, out, source, size)
        at = _run_begin(pad, end, last, what)
    return size, end


@compiled
def decode(pad: Any, length: int, flags: Any, out: Any, source: Any) -> int:
    """Everything in ``length`` bytes that stands for something else; bytes written to ``out``, and ``source`` in the pad's positions."""
    blocks, limit = (length + 63) >> 6, PAD + length
    size = shown = 0
    for block in range(blocks):
        shown |= flags[block]
    for what in (ESCAPED, HEX, BASE64, WIDE):
        if not shown & what:
            continue
        reached = PAD
        block = 0
        while block < blocks:
            if not flags[block] & what:
                block += 1
                continue
            begin = PAD + (block << 6)
            gap = 2 * MARGIN >> 6 if what in (ESCAPED, WIDE) else 1
            quiet = 0
            while block < blocks and quiet <= gap:
                quiet = 0 if flags[block] & what else quiet + 1
                block += 1
            end = PAD + ((block - quiet) << 6)
            if what == ESCAPED:
                size = _unescape(pad, max(begin - MARGIN, PAD), min(end + MARGIN, limit), out, source, size)
                size = _gap(out, source, size, min(end + MARGIN, limit))
            elif what == WIDE:
                size = _wide(pad, max(begin - MARGIN, PAD), min(end + MARGIN, limit), out, source, size)
            else:
                size, reached = _runs(pad, max(begin - 64, reached), min(end, limit), limit, what, out, source, size)
    return size
