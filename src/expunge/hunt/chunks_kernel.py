"""Machine code for chunks: where content anchors itself, whatever lies before it.

A gear hash (Xia et al., *FastCDC*, USENIX ATC 2016) of the last 64 bytes runs over the content; where its upper bits are zero lies an
*anchor*. Unlike FastCDC no minimum length is enforced: an anchor then depends on 64 bytes and on nothing else, so that windows need no
state, four stretches of one window are hashed side by side (1.6 GB/s against 1.1 in one stretch), and a copy anchors where the original
did from its 64th byte on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_compile import compiled

REACH = 64
"""Bytes that an anchor depends on: the hash is shifted by one bit a byte."""

GEAR = np.random.Generator(np.random.PCG64(20230531)).integers(0, 2**64, 256, dtype=np.uint64)
"""The gear table. Any fixed one does; it is part of the prints' format."""

MIX = np.uint64(0x9E3779B97F4A7C15)
"""2^64 / golden ratio (Fibonacci hashing, Knuth 6.4): spreads keys over the filter."""


GRAM = 4
"""Bytes of a sequence that counts as new or seen."""


@compiled
def _lane(content: npt.NDArray[np.uint8], at: int) -> np.uint64:
    """The hash of the bytes before ``at``."""
    state = np.uint64(0)
    for index in range(max(0, at - REACH), at):
        state = (state << np.uint64(1)) + GEAR[content[index]]
    return state


@compiled
def _holds(state: np.uint64, sieve: npt.NDArray[np.uint8], shift: np.uint64) -> bool:
    """Whether the filter may hold this hash."""
    bit = (state * MIX) >> shift
    return bool((sieve[bit >> np.uint64(3)] >> np.uint8(bit & np.uint64(7))) & np.uint8(1))


@compiled
def anchors(
    content: npt.NDArray[np.uint8], mask: np.uint64, sieve: npt.NDArray[np.uint8], shift: np.uint64
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Ends (one past the last byte, not in order) and hashes of the anchors that the filter may hold.

    At most one in 16 bytes are given: only content that repeats itself within 16 bytes has more, and prints never rest on such.
    """
    most = content.size // 16 + 16
    ends = np.empty(most, np.int64)
    keys = np.empty(most, np.uint64)
    count = 0
    one, zero = np.uint64(1), np.uint64(0)
    quarter = content.size // 4
    first, second = _lane(content, 0), _lane(content, quarter)
    third, fourth = _lane(content, 2 * quarter), _lane(content, 3 * quarter)
    for index in range(quarter):
        first = (first << one) + GEAR[content[index]]
        second = (second << one) + GEAR[content[index + quarter]]
        third = (third << one) + GEAR[content[index + 2 * quarter]]
        fourth = (fourth << one) + GEAR[content[index + 3 * quarter]]
        if (first & mask == zero) | (second & mask == zero) | (third & mask == zero) | (fourth & mask == zero):
            for lane, state in enumerate((first, second, third, fourth)):
                if state & mask == zero and count < most and _holds(state, sieve, shift):
                    ends[count] = index + lane * quarter + 1
                    keys[count] = state
                    count += 1
    for index in range(4 * quarter, content.size):
        fourth = (fourth << one) + GEAR[content[index]]
        if fourth & mask == zero and count < most and _holds(fourth, sieve, shift):
            ends[count] = index + 1
            keys[count] = fourth
            count += 1
    return ends[:count], keys[:count]


@compiled
def novelty(content: npt.NDArray[np.uint8]) -> int:
    """About how many different sequences of four bytes there are: 1 in silence, a period's length in a pattern, nearly all in speech."""
    seen = np.zeros(8192, np.uint8)
    state = np.uint64(0)
    for index in range(content.size):
        state = ((state << np.uint64(8)) | np.uint64(content[index])) & np.uint64(0xFFFFFFFF)
        if index + 1 >= GRAM:
            seen[(state * MIX) >> np.uint64(51)] = 1
    return int(seen.sum())


@compiled
def edges(buffer: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """A hash of every cell's length, first and last eight bytes: enough to pass by a cell that is no needle, without reading it."""
    keys = np.empty(starts.size, np.uint64)
    for row in range(keys.size):
        start, end = starts[row], ends[row]
        state = np.uint64(end - start)
        for index in range(start, min(start + 8, end)):
            state = (state << np.uint64(5)) * MIX + GEAR[buffer[index]]
        for index in range(max(start, end - 8), end):
            state = (state << np.uint64(5)) * MIX + GEAR[buffer[index]]
        keys[row] = state * MIX
    return keys
