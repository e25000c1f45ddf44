"""Keys of spans, raw bytes and words: the only place in which they are made, for needles and for what is looked through.

Spans are folded twice: their grams crudely, by one instruction, their whole exactly: what the first confuses the second tells apart.
"""

# ruff: noqa: FBT001, FBT003 - a kernel takes no keywords
from __future__ import annotations

from typing import Any

import numpy as np

from expunge.hunt.strings_compile import beyond_at, compiled, inlined, load8, lowest, punctuation_at, signed, words_at
from expunge.hunt.strings_layout import (
    BEFORE,
    BEGUN,
    CHOSEN,
    FOUND,
    GRAM,
    INSIDE,
    KNOWN,
    NAMES,
    PAD,
    RAW_STRIDE,
    SHORTEST,
    STRIDE,
    WORDS,
    start_of,
    told_of,
)

_U = np.uint64
FOLD = _U(0x2020202020202020)
"""Makes ASCII letters small, and so by its encoding Latin-1's; confuses some other bytes."""
K1, K2, K3 = _U(0x9E3779B97F4A7C15), _U(0xC2B2AE3D27D4EB4F), _U(0x165667B19E3779F9)
"""Odd multipliers whose products' upper bits are well mixed: 2**64 over the golden ratio, and two primes of xxHash64 (Collet)."""
_ONE, _TWO, _THREE, _EIGHT, _LOW6 = _U(1), _U(2), _U(3), _U(8), _U(63)
_B21, _B43, _B42, _B22, _B32, _B29, _B56, _B59 = (_U(n) for n in (21, 43, 42, 22, 32, 29, 56, 59))
AT = 64
_ALL = _U(0xFFFFFFFFFFFFFFFF)
_HIGH, _A, _Z, _LOW7 = _U(0x8080808080808080), _U(0x3F3F3F3F3F3F3F3F), _U(0x2525252525252525), _U(0x7F7F7F7F7F7F7F7F)


@inlined
def lower8(value: Any) -> Any:
    """Eight bytes with A to Z made small; others stay."""
    heptets = value & _LOW7
    capitals = ((heptets + _A) ^ (heptets + _Z)) & _HIGH & ~value
    return value | (capitals >> _TWO)


@inlined
def hash_span(pad: Any, start: int, length: int, fold: bool) -> Any:
    """64 bits of the bytes from ``start``, folded or as they are; the two never agree."""
    state = _U(length) * K3 + (K2 if fold else K1)
    for at in range(0, length, 8):
        value = load8(pad, start + at)
        if at + 8 > length:
            value &= _ALL >> (_U(8 - (length - at)) << _THREE)
        if fold:
            value = lower8(value)
        state = (state ^ value) * K1
        state ^= state >> _B29
    state *= K2
    return state ^ (state >> _B32)


@inlined
def span_gram(pad: Any, at: int) -> Any:
    """The key of the eight bytes at ``at``, crudely folded (what differs is told apart by the whole span's hash)."""
    return (load8(pad, at) | FOLD) * K1


@inlined
def raw_gram(pad: Any, at: int) -> Any:
    """The key of the eight bytes at ``at``."""
    value = (load8(pad, at) ^ K3) * K2
    return (value ^ (value >> _B32)) * K1


@inlined
def check_of(pad: Any, start: int, length: int) -> int:
    """A number below 32 from a span's first and last bytes: spares most whole hashes where many spans share a gram (``@example``)."""
    ends = (load8(pad, start) | FOLD) ^ ((load8(pad, start + length - 8) | FOLD) * K2)
    return signed((ends * K1) >> _B59)


@compiled
def read_words(pad: Any, first: int, last: int, known: Any, found: Any, ends: Any, hashes: Any, texts: Any, names: Any) -> None:
    """Ends and hashes of the words that end in ``[first, last)``; both multiples of 64. ``found`` goes on where it was left.

    Words of ``known`` texts that follow one are listed in ``texts``, and those by which something is known in ``names``: without a branch,
    whether or not they are, since half of all guesses about words are wrong.
    """
    inside, begun, count = found[INSIDE], signed(found[BEGUN]), found[WORDS]
    text, name, before = found[CHOSEN], found[NAMES], found[BEFORE]
    for base in range(first, last, 64):
        mask = words_at(pad, base)
        if beyond_at(pad, base) != 0:
            mask &= ~punctuation_at(pad, base)
        shifted = (mask << _ONE) | inside
        left, starts = shifted & ~mask, mask & ~shifted
        if inside == 0:
            begun = base + signed(lowest(starts))
            starts &= starts - _ONE
        while left != 0:
            end = base + signed(lowest(left))
            left &= left - _ONE
            length = _U(end - begun)
            begun = base + signed(lowest(starts))
            starts &= starts - _ONE
            tail = (load8(pad, end - 8) | FOLD) >> ((_EIGHT - min(length, _EIGHT)) << _THREE)
            value = (tail ^ (length << _B56)) * K1
            key = (value ^ (value >> _B32)) * K3
            hashes[count] = key
            ends[count] = end
            told = told_of(known, key)
            texts[text], names[name] = count, count
            text += told & before
            name += told >> _ONE
            before = told & _ONE
            count += _ONE
        inside = mask >> _LOW6
    found[INSIDE], found[BEGUN], found[WORDS] = inside, begun, count
    found[CHOSEN], found[NAMES], found[BEFORE] = text, name, before


@inlined
def join(word: Any, before: Any, first: Any) -> Any:
    """The key of a word, the one before it, and one of the two before that."""
    return word ^ ((before << _B21) | (before >> _B43)) ^ ((first << _B42) | (first >> _B22))


def needle_words(pad: Any, size: int, ends: Any, hashes: Any) -> int:
    """Ends and hashes of all words, for those that make needles; how many there are."""
    found, nothing, listed = np.zeros(FOUND, np.uint64), np.zeros(KNOWN, np.uint8), np.zeros(1, np.int32)
    read_words(pad, PAD, PAD + ((size >> 6) + 1) * 64, nothing, found, ends, hashes, listed, listed)
    return int(found[WORDS])


@inlined
def _middle(pad: Any, start: int, length: int) -> int:
    """Where the window about the at sign begins, all of whose grams hold it: a mail address's words are in other texts. Else the middle."""
    for at in range(start, start + length):
        if pad[at] == AT:
            return min(max(at - start - GRAM + 1, 0), length - SHORTEST)
    return (length - SHORTEST) >> 1


@compiled
def needle_grams(pad: Any, starts: Any, lengths: Any, fold: bool, grams: Any, wholes: Any, checks: Any, middles: Any) -> None:
    """Per needle its hash, its check, and its grams at the first offsets and, for spans, in each window."""
    for i in range(len(starts)):
        start, length = starts[i], lengths[i]
        checks[i] = check_of(pad, start, length)
        wholes[i] = hash_span(pad, start, length, fold)
        if fold:
            middles[i] = _middle(pad, start, length)
            for step in range(STRIDE):
                grams[i, step] = span_gram(pad, start + step)
                grams[i, STRIDE + step] = span_gram(pad, start + middles[i] + step)
                grams[i, 2 * STRIDE + step] = span_gram(pad, start + length - SHORTEST + step)
        else:
            for step in range(RAW_STRIDE):
                grams[i, step] = raw_gram(pad, start + step)


@inlined
def hash_words(pad: Any, ends: Any, first: int, last: int) -> Any:
    """64 bits of the whole words that end at ``ends[first:last]``: a word's own hash knows only its last eight bytes."""
    state = K3
    for at in range(first, last):
        start = start_of(pad, ends[at])
        state = (state ^ hash_span(pad, start, ends[at] - start, True)) * K1
    return state


@compiled
def needle_wholes(pad: Any, ends: Any, behind: Any, wholes: Any) -> None:
    """The same for each needle of several words."""
    first = 0
    for i in range(len(behind)):
        wholes[i] = hash_words(pad, ends, first, behind[i])
        first = behind[i]
