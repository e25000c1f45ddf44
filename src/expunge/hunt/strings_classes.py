"""What each block of 64 bytes shows beside plain text: escapes, hexadecimal, base64, UTF-16, binary. Costs 0.2 ns a byte."""

# ruff: noqa: PLR2004 - numbers are bytes, bits and offsets; a kernel takes no keywords
from __future__ import annotations

from typing import Any

import numpy as np

from expunge.hunt.strings_compile import (
    base64_at,
    binary_at,
    compiled,
    count_bits,
    escapes_at,
    hex_at,
    inlined,
    leading,
    lowest,
    signed,
    upper_at,
    zeros_at,
)
from expunge.hunt.strings_layout import BASE64, BINARY, ESCAPED, HEX, PAD, WIDE

HEX_RUN, BASE64_RUN = 20, 16
"""Shortest runs of digits and letters that are decoded: ten bytes and twelve. Shorter ones are words and numbers."""

_U = np.uint64
_ONE, _TWO, _FOUR, _EIGHT = _U(1), _U(2), _U(4), _U(8)
_ALL = _U(0xFFFFFFFFFFFFFFFF)
_EVEN, _ODD = _U(0x5555555555555555), _U(0xAAAAAAAAAAAAAAAA)


@inlined
def has_run(mask: Any, extra: int) -> Any:
    """Where a run of 16 + extra (0 or 4) set bits begins."""
    run = mask & (mask >> _ONE)
    run &= run >> _TWO
    run &= run >> _FOUR
    run &= run >> _EIGHT
    return run & (run >> _FOUR) if extra else run


@inlined
def _spread(run: Any) -> Any:
    run |= run << _ONE
    run |= run << _TWO
    run |= run << _FOUR
    return run | (run << _EIGHT)


@inlined
def _hex_digit(byte: Any) -> Any:
    return 48 <= byte <= 57 or 97 <= (byte | 32) <= 102


@inlined
def _letter(byte: Any) -> Any:
    return 97 <= (byte | 32) <= 122


@inlined
def _ends(pad: Any, at: int) -> bool:
    for end in range(at + 3, at + 10):  # noqa: SIM110 - Numba has no generators here
        if pad[end] == 59:
            return True
    return False


@inlined
def _is_quoted(pad: Any, at: int) -> Any:
    """``=2E``, ``=C3`` or a soft line break; ``=40`` only inside a word, since it is more often a value."""
    after, second = pad[at + 1], pad[at + 2]
    coded = 50 <= after <= 55 and 65 <= second <= 70
    upper = 65 <= after <= 70 and _hex_digit(second) and second <= 70
    return after in (10, 13) or coded or upper or (after == 52 and second == 48 and _letter(pad[at + 3]))


@inlined
def is_escape(pad: Any, at: int) -> Any:
    """Whether an escape begins here that hides or adds word characters, or a tag."""
    byte, after = pad[at], pad[at + 1]
    if byte == 37:  # %40
        return _hex_digit(after) and _hex_digit(pad[at + 2])
    if byte == 92:  # \u0040 \x40 \n \r \t \b \f \/ \\
        return after in (117, 120, 110, 114, 116, 98, 102, 47, 92)
    if byte == 38:  # &#64; &commat;
        return (after == 35 or _letter(after)) and _ends(pad, at)
    if byte == 61:
        return _is_quoted(pad, at)
    return after in (33, 47) or _letter(after)  # </b> <b> <!--


@compiled
def classify(pad: Any, size: int, flags: Any) -> None:
    """What each block of 64 bytes shows beside plain text."""
    hexes = letters = 0
    for block in range((size + 63) >> 6):
        base = PAD + (block << 6)
        seen = 0
        mask = base64_at(pad, base)
        run = has_run(mask, 0)
        lead = signed(lowest(~mask))
        if run != 0 or letters + lead >= BASE64_RUN:
            spread = _spread(run)
            if letters + lead >= BASE64_RUN:
                spread |= _ALL if lead == 64 else (_ONE << _U(lead)) - _ONE
            if count_bits(spread & upper_at(pad, base)) >= 2:
                seen |= BASE64
        letters = letters + 64 if lead == 64 else signed(leading(~mask))
        mask = hex_at(pad, base)
        lead = signed(lowest(~mask))
        if hexes + lead >= HEX_RUN or has_run(mask, HEX_RUN - 16) != 0:
            seen |= HEX
        hexes = hexes + 64 if lead == 64 else signed(leading(~mask))
        mask = escapes_at(pad, base)
        while mask != 0:
            if is_escape(pad, base + signed(lowest(mask))):
                seen |= ESCAPED
                break
            mask &= mask - _ONE
        mask = binary_at(pad, base)
        if mask != 0 and count_bits(mask) >= 2:
            seen |= BINARY
            zeros = zeros_at(pad, base)
            even, odd = count_bits(zeros & _EVEN), count_bits(zeros & _ODD)
            if (even >= 6 and even > odd * _FOUR) or (odd >= 6 and odd > even * _FOUR):
                seen |= WIDE
        flags[block] = seen
