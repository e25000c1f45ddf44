"""Tables and bitmaps of keys: what the sweep asks, made of the hashes of needles."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from expunge.hunt.strings_compile import compiled
from expunge.hunt.strings_layout import KNOWN, MORE, SHORTEST, STRIDE, WINDOWS, Filter, Table, put_all

Keys: TypeAlias = npt.NDArray[np.uint64]
Numbers: TypeAlias = npt.NDArray[Any]

BITS_EACH = 12
"""Bits of a bitmap for each key: with two bits set by each, one random key in 43 passes."""

SMALLEST, LARGEST = 1 << 10, 1 << 19
"""Words of a bitmap: 8 KiB to 4 MiB. Beyond the second-level cache a larger one costs more than it saves."""

FEW = 1 << 10
"""Places behind a table, to begin with: runs of full places are short, unless thousands of needles share a key."""


def table_of(keys: Keys, values: Numbers, *, spare: float = 1.0) -> Table:
    """Keys and values (below 2**32) with ``spare`` times as many places left free, and room behind for what the last places can't hold.

    Where most questions are for keys that aren't there, as many free places as keys make an answer take 2.5 places, twice as many 1.6.
    """
    room = np.uint64(int(len(keys) * (1 + spare)) + 1)
    behind = FEW
    while True:
        slots = np.zeros(int(room) + behind, np.uint64)
        if put_all(slots, room, keys, values):
            return Table(slots, room)
        behind *= 4


def filter_of(keys: Keys, low: int, high: int) -> Filter:
    """A bitmap of the keys, in which each sets the bits that are told by its own from ``low`` and from ``high``."""
    words = np.zeros(min(max(len(keys) * BITS_EACH // 64, SMALLEST), LARGEST), np.uint64)
    _fill(words, keys, np.uint64(len(words)), np.uint64(low), np.uint64(high))
    return Filter(words, np.uint64(len(words)))


@compiled
def _fill(words: Any, keys: Any, room: Any, low: Any, high: Any) -> None:
    one, six, half = np.uint64(1), np.uint64(63), np.uint64(32)
    for key in keys:
        words[((key >> half) * room) >> half] |= (one << ((key >> low) & six)) | (one << ((key >> high) & six))


def choose_window(grams: Keys, middles: Numbers, lengths: Numbers) -> tuple[Keys, Numbers, Numbers]:
    """Per span the five grams of the window in which the commonest is rarest: keys, the spans' rows, and the grams' places in them.

    ``device-0001`` begins like all others, ``anna@example.com`` ends like many, and few have what meets in the middle.
    """
    if not len(grams):
        nothing = np.empty(0, np.int64)
        return np.empty(0, np.uint64), nothing, nothing
    _, inverse, counts = np.unique(grams, return_inverse=True, return_counts=True)
    common = counts.astype(np.int32)[inverse.reshape(len(grams), WINDOWS, STRIDE)].max(axis=2)
    window = common.argmin(axis=1)
    steps = np.arange(STRIDE)[None, :]
    rows = np.repeat(np.arange(len(grams)), STRIDE)
    places = steps + np.choose(window, (np.zeros_like(lengths), middles, lengths - SHORTEST))[:, None]
    return grams[rows, (steps + window[:, None] * STRIDE).ravel()], rows, places.ravel()


def span_table(keys: Keys, at: Numbers, length: Numbers, check: Numbers) -> tuple[Table, npt.NDArray[np.int64]]:
    """Grams with each of the different places and lengths that needles have them at and of, and the checks of those needles."""
    shape = at.astype(np.int64) << 16 | length
    order = np.lexsort((shape, keys))
    keys, shape = keys[order], shape[order]
    if not len(keys):
        return table_of(keys, shape), shape
    other = keys[1:] != keys[:-1]
    fresh = np.append(True, other | (shape[1:] != shape[:-1]))
    checks = np.bitwise_or.reduceat(np.int64(1) << (check[order].astype(np.int64) + 32), np.flatnonzero(fresh))
    distinct, first = np.unique(keys[fresh], return_index=True)
    shapes = shape[fresh] | checks | MORE
    shapes[np.append(first[1:], len(shapes)) - 1] ^= MORE
    return table_of(distinct, first, spare=2), shapes


def raw_table(keys: Keys, at: Numbers, length: Numbers) -> Table:
    """Grams of raw bytes, each with the place and the length that a needle has it at and of."""
    shape = at.astype(np.int64) << 16 | length
    order = np.lexsort((shape, keys))
    keys, shape = keys[order], shape[order]
    fresh = np.ones(len(keys), np.bool_)
    fresh[1:] = (keys[1:] != keys[:-1]) | (shape[1:] != shape[:-1])
    return table_of(keys[fresh], shape[fresh])


def known_of(texts: Keys, names: Keys) -> npt.NDArray[np.uint8]:
    """Two bits for each word: whether it is in a text, and whether it names something."""
    known = np.zeros(KNOWN, np.uint8)
    for told, words in ((1, texts), (2, names)):
        slots = ((words >> np.uint64(45)) & np.uint64(3)).astype(np.uint8)
        np.bitwise_or.at(known, (words >> np.uint64(47)).astype(np.int64), np.uint8(told) << (slots << np.uint8(1)))
    return known
