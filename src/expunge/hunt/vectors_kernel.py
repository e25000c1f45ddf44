"""Machine code for vectors: ordinal patterns find candidates, a scalar product decides.

Whether each value is greater than the one before gives a bit; ``width`` bits in a row are a *pattern*. It stays the same when a vector is
scaled, normalised, shifted, converted to another type or rounded (but for values that were nearly equal), and it can be rolled along any
sequence of numbers, so that a vector is found in a headless dump without knowing where one begins.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_compile import compiled

TRIED = 64
"""Candidates that are verified for one pattern. More share it only where a model gives everybody nearly the same vector: there a copy may
be missed (measured, in sequences without a known beginning)."""

MOST_PER_ROW, PER_VALUES = 16, 4
"""Hits that are given at most: for every row, and in a sequence one for so many values. More are one vector that many people have."""

Hits = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]


@compiled
def likeness(values: npt.NDArray[np.float32], start: int, needle: npt.NDArray[np.int16], affine: int) -> float:
    """Cosine of ``values[start:start + needle.size]`` and the needle; if ``affine`` is 1, of both less their means (Pearson)."""
    product = left = right = left_sum = right_sum = np.float32(0)
    for index in range(needle.size):
        one, other = values[start + index], np.float32(needle[index])
        product += one * other
        left += one * one
        right += other * other
        left_sum += one
        right_sum += other
    if affine:
        product -= left_sum * right_sum / needle.size
        left -= left_sum * left_sum / needle.size
        right -= right_sum * right_sum / needle.size
    if left <= 0 or right <= 0:
        return 0.0
    return float(product / np.sqrt(left * right))


@compiled
def pattern(values: npt.NDArray[np.float32], start: int, width: int) -> np.uint64:
    """The pattern of the ``width + 1`` values from ``start``."""
    bits = np.uint64(0)
    for index in range(start, start + width):
        bits = (bits << np.uint64(1)) | np.uint64(values[index + 1] > values[index])
    return bits


@compiled
def _holds(sieve: npt.NDArray[np.uint8], bits: np.uint64) -> bool:
    """Whether any needle has this pattern."""
    return bool((sieve[bits >> np.uint64(3)] >> np.uint8(bits & np.uint64(7))) & np.uint8(1))


@compiled
def _first(keys: npt.NDArray[np.uint64], key: np.uint64) -> int:
    low, high = 0, keys.size
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def in_rows(
    values: npt.NDArray[np.float32], shown: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int64], width: int, sieve: npt.NDArray[np.uint8],
    keys: npt.NDArray[np.uint64], owners: npt.NDArray[np.uint32], needles: npt.NDArray[np.int16], least: float, affine: int,
) -> Hits:  # fmt: skip
    """Rows (shape rows, dimensions), needles and cosines of at least ``least``; ``shown`` is what patterns are taken from."""
    room = MOST_PER_ROW * values.shape[0]
    places, found, cosines = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
    count = 0
    for row in range(values.shape[0]):
        began = count
        for window in range(starts.size):
            bits = pattern(shown[row], starts[window], width)
            if not _holds(sieve, bits):
                continue
            key = (bits << np.uint64(8)) | np.uint64(window)
            at = _first(keys, key)
            for turn in range(at, min(at + TRIED, keys.size)):
                if keys[turn] != key:
                    break
                owner = owners[turn]
                known = False
                for before in range(began, count):
                    known = known or found[before] == owner
                cosine = 0.0 if known else likeness(values[row], 0, needles[owner], affine)
                if cosine >= least and count < room:
                    places[count], found[count], cosines[count] = row, owner, cosine
                    count += 1
    return places[:count], found[:count], cosines[:count]


@compiled
def in_sequence(
    values: npt.NDArray[np.float32], starts: npt.NDArray[np.int64], width: int, sieve: npt.NDArray[np.uint8],
    keys: npt.NDArray[np.uint64], owners: npt.NDArray[np.uint32], needles: npt.NDArray[np.int16], least: float,
) -> Hits:  # fmt: skip
    """Where vectors begin in one sequence of numbers, needles, and cosines of at least ``least``."""
    room, size = values.size // PER_VALUES + MOST_PER_ROW, needles.shape[1]
    places, found, cosines = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
    count = 0
    bits, full = np.uint64(0), np.uint64((1 << width) - 1)
    for end in range(1, values.size):
        bits = ((bits << np.uint64(1)) | np.uint64(values[end] > values[end - 1])) & full
        if end < width or not _holds(sieve, bits):
            continue
        at = _first(keys, bits << np.uint64(8))
        for turn in range(at, min(at + TRIED, keys.size)):
            if keys[turn] >> np.uint64(8) != bits:
                break
            start = end - width - starts[np.int64(keys[turn] & np.uint64(255))]
            owner = owners[turn]
            if start < 0 or start + size > values.size:
                continue
            known = False
            for before in range(max(0, count - starts.size), count):
                known = known or (found[before] == owner and places[before] == start)
            cosine = 0.0 if known else likeness(values, start, needles[owner], 0)
            if cosine >= least and count < room:
                places[count], found[count], cosines[count] = start, owner, cosine
                count += 1
    return places[:count], found[:count], cosines[:count]


@compiled
def _fits(content: npt.NDArray[np.uint8], top: int, size: int, low: int, high: int) -> int:
    """Whether the number whose uppermost byte is at ``top`` may be a vector's: 1; 0 for zero, which says nothing; -1 if not."""
    if top < 0 or top >= content.size:
        return -1
    byte = content[top] & 127
    if low <= byte <= high:
        return 1
    if byte:
        return -1
    for index in range(max(0, top - size + 1), top):
        if content[index]:
            return -1
    return 0


@compiled
def _goes_on(content: npt.NDArray[np.uint8], top: int, step: int, size: int, low: int, high: int) -> bool:
    """Whether a run goes on at ``top``: with a number that fits, or after a single one that doesn't, with four that do."""
    if _fits(content, top, size, low, high) >= 0:
        return True
    fitting = 0
    for index in range(1, 5):
        fitting += _fits(content, top + index * step, size, low, high) >= 0
    return fitting == 4  # noqa: PLR2004 - all of them


@compiled
def float_runs(
    content: npt.NDArray[np.uint8], size: int, low: int, high: int, sample: int, step: int, least: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Runs of at least ``least`` floats of ``size`` bytes: where the uppermost byte of the first is, and how many there are.

    Content is looked at every ``step`` bytes only: ``sample`` numbers in a row whose uppermost byte, less the sign, is from ``low`` to
    ``high`` (a range of exponents) begin a run, which is then followed both ways. A run bears single numbers that don't fit.
    """
    tops, counts = (
        np.empty(content.size // (size * least) * size + size, np.int64),
        np.empty(content.size // (size * least) * size + size, np.int64),
    )
    count = 0
    for lane in range(size):
        at = lane
        while at + sample * size <= content.size and count < tops.size:
            fitting = 0
            for index in range(sample):
                fit = _fits(content, at + index * size, size, low, high)
                if fit < 0:
                    fitting = -1
                    break
                fitting += fit
            if fitting < sample // 2:
                at += step
                continue
            first, last = at, at + (sample - 1) * size
            while _goes_on(content, first - size, -size, size, low, high):
                first -= size
            while _goes_on(content, last + size, size, size, low, high):
                last += size
            if (last - first) // size + 1 >= least:
                tops[count], counts[count] = first, (last - first) // size + 1
                count += 1
            at += ((last - at) // step + 1) * step
    return tops[:count], counts[:count]
