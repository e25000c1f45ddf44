"""Machine code for keys: SipHash-2-4 of them, and the table that leads from a hash to a subject's number.

SipHash (Aumasson and Bernstein, INDOCRYPT 2012) is a pseudorandom function: who lacks the key learns nothing of a key text from its hash.
A keyed BLAKE2b or HMAC would say no more and takes 0.8 µs a key, this 0.02 µs.

The table is open addressing with linear probing. A slot holds the hash's low bits and the number in one 64-bit word; the place is given
by the hash's high half, so that place and word together keep nearly all 64 bits. An empty slot is 0, and no subject has the number 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from expunge.gate.compiling import compiled

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

_V0, _V1, _V2, _V3 = (np.uint64(one) for one in (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573))
_FINAL = np.uint64(0xFF)
_1, _2, _3, _4, _5, _6, _7 = (np.uint64(one) for one in range(1, 8))
_8, _13, _16, _17, _21, _24, _32, _40, _56 = (np.uint64(one) for one in (8, 13, 16, 17, 21, 24, 32, 40, 56))
_LEFT = tuple(np.uint64(64) - one for one in (_13, _16, _17, _21))
_51, _48, _47, _43 = _LEFT
_LOW = np.uint64(0xFF)
_WORD = 8
_BLOCK = 256
"""Hashes whose slots are fetched together: more than a core has loads under way, and few enough for its nearest cache."""


@compiled
def _round(v0: np.uint64, v1: np.uint64, v2: np.uint64, v3: np.uint64) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    v0 = v0 + v1
    v1 = (v1 << _13) | (v1 >> _51)
    v1 = v1 ^ v0
    v0 = (v0 << _32) | (v0 >> _32)
    v2 = v2 + v3
    v3 = (v3 << _16) | (v3 >> _48)
    v3 = v3 ^ v2
    v0 = v0 + v3
    v3 = (v3 << _21) | (v3 >> _43)
    v3 = v3 ^ v0
    v2 = v2 + v1
    v1 = (v1 << _17) | (v1 >> _47)
    v1 = v1 ^ v2
    v2 = (v2 << _32) | (v2 >> _32)
    return v0, v1, v2, v3


@compiled
def _take(v0: np.uint64, v1: np.uint64, v2: np.uint64, v3: np.uint64, word: np.uint64) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    v3 = v3 ^ word
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ word, v1, v2, v3


@compiled
def _end(v0: np.uint64, v1: np.uint64, v2: np.uint64, v3: np.uint64) -> np.uint64:
    v2 = v2 ^ _FINAL
    for _ in range(4):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@compiled
def _word(content: Bytes, at: int) -> np.uint64:
    """Eight bytes. Unsigned places, written out, so that the compiler makes one load of them (a signed one may count from the end)."""
    place = np.uint64(at)
    low = np.uint64(content[place]) | np.uint64(content[place + _1]) << _8
    low |= np.uint64(content[place + _2]) << _16 | np.uint64(content[place + _3]) << _24
    low |= np.uint64(content[place + _4]) << _32 | np.uint64(content[place + _5]) << _40
    return low | np.uint64(content[place + _6]) << _48 | np.uint64(content[place + _7]) << _56


@compiled
def _tail(content: Bytes, start: int, count: int) -> np.uint64:
    word = np.uint64(0)
    for place in range(count):
        word |= np.uint64(content[start + place]) << (_8 * np.uint64(place))
    return word


@compiled
def _hash(k0: np.uint64, k1: np.uint64, content: Bytes, start: int, end: int) -> np.uint64:
    v0, v1, v2, v3 = k0 ^ _V0, k1 ^ _V1, k0 ^ _V2, k1 ^ _V3
    length = end - start
    whole = start + length // _WORD * _WORD
    for at in range(start, whole, _WORD):
        v0, v1, v2, v3 = _take(v0, v1, v2, v3, _word(content, at))
    last = (np.uint64(length) & _LOW) << _56
    v0, v1, v2, v3 = _take(v0, v1, v2, v3, last | _tail(content, whole, end - whole))
    return _end(v0, v1, v2, v3)


@compiled
def hash_texts(k0: np.uint64, k1: np.uint64, content: Bytes, offsets: npt.NDArray[np.int64], out: Words) -> None:
    """SipHash-2-4 of each text: text ``i`` is ``content[offsets[i]:offsets[i + 1]]``. One that equals the text before costs a comparison.

    Samples of one person often lie side by side, so that most comparisons pay.
    """
    before = 0
    for place in range(out.size):
        start, end = offsets[place], offsets[place + 1]
        same = place > 0 and start - before == end - start
        if same:
            for step in range(end - start - 1, -1, -1):  # keys that are alike differ at the end
                if content[before + step] != content[start + step]:
                    same = False
                    break
        out[place] = out[place - 1] if same else _hash(k0, k1, content, start, end)
        before = start


@compiled
def hash_integers(k0: np.uint64, k1: np.uint64, values: Words, out: Words) -> None:
    """SipHash-2-4 of each value's eight bytes, least significant first."""
    length = np.uint64(_WORD) << _56
    for place in range(out.size):
        v0, v1, v2, v3 = k0 ^ _V0, k1 ^ _V1, k0 ^ _V2, k1 ^ _V3
        v0, v1, v2, v3 = _take(v0, v1, v2, v3, values[place])
        v0, v1, v2, v3 = _take(v0, v1, v2, v3, length)
        out[place] = _end(v0, v1, v2, v3)


@compiled
def fill(slots: Words, bits: np.uint64, hashes: Words, numbers: Words, owners: npt.NDArray[np.uint32]) -> int:
    """Put subjects into an empty table; of one key that comes twice, the later number counts. How many twins there are.

    Twins are different hashes that a look-up could not tell apart: their slot leads to nobody, so that neither is taken for the other.
    ``owners`` is scratch, one place per slot.
    """
    twins = 0
    size = np.uint64(slots.size)
    for row in range(hashes.size):
        word = hashes[row] << bits
        place = ((hashes[row] >> _32) * size) >> _32
        while slots[place] != 0 and (slots[place] >> bits) << bits != word:
            place += np.uint64(1)
            if place == size:
                place = np.uint64(0)
        if slots[place] != 0 and hashes[owners[place]] != hashes[row]:
            slots[place] = word
            twins += 1
            continue
        slots[place] = word | numbers[row]
        owners[place] = row
    return twins


@compiled
def find(slots: Words, bits: np.uint64, hashes: Words, out: npt.NDArray[np.uint32]) -> None:
    """The number of each hash's subject; 0 for a hash that the table does not know.

    First slots are fetched for a block of hashes before any is looked at: nothing then waits for one fetch after the other, and at 100
    million people each comes from memory.
    """
    size = np.uint64(slots.size)
    low = (np.uint64(1) << bits) - np.uint64(1)
    first = np.empty(_BLOCK, np.uint64)
    for start in range(0, hashes.size, _BLOCK):
        end = min(start + _BLOCK, hashes.size)
        for row in range(start, end):
            first[row - start] = slots[((hashes[row] >> _32) * size) >> _32]
        for row in range(start, end):
            word = hashes[row] << bits
            slot = first[row - start]
            place = ((hashes[row] >> _32) * size) >> _32
            while slot != 0 and (slot & ~low) != word:
                place += _1
                if place == size:
                    place = np.uint64(0)
                slot = slots[place]
            out[row] = slot & low
