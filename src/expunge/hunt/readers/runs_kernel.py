"""Machine code that decodes short runs of base64 and hex where they stand, many in a call."""

from __future__ import annotations

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them
import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_compile import compiled
from expunge.hunt.readers.encodings_kernel import Bytes

VARIED = 7
"""Different characters in a run, at least: rules of dashes have 1, hex has about 16 (of digits as text 9), base64 of sound about 40."""

_DIGEST = 64
"""Bytes of the longest common digest (SHA-512): hex of up to that size which is no text is one, and is looked for as such."""

_SAMPLE = 48

_SIX = np.full(256, 255, dtype=np.uint8)
for _value, _character in enumerate(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):
    _SIX[_character] = _value
_SIX[0x2D], _SIX[0x5F] = 62, 63

_FOUR = np.full(256, 255, dtype=np.uint8)
for _value, _character in enumerate(b"0123456789abcdef"):
    _FOUR[_character] = _FOUR[bytes([_character]).upper()[0]] = _value

_PLAIN = np.zeros(256, dtype=np.uint8)
_PLAIN[0x20:0x7F] = _PLAIN[0x80:] = 1
_PLAIN[[0x09, 0x0A, 0x0D]] = 1


@compiled
def _letters(data: Bytes, begin: int, end: int, into: Bytes) -> int:
    """The run's characters without line ends, indents and escapes; how many."""
    count = 0
    at = begin
    while at < end:
        one = data[at]
        if _SIX[one] != 255:
            into[count] = one
            count += 1
        elif one == 0x5C and at + 1 < end and data[at + 1] != 0x2F:
            at += 1
        at += 1
    return count


@compiled
def _text(content: Bytes) -> bool:
    """Whether a sample has no control characters, and not mostly bytes beyond ASCII."""
    beyond = 0
    for one in content:
        if _PLAIN[one] == 0:
            return False
        beyond += one >= 0x80
    return beyond * 2 <= content.size


@compiled
def _from_hex(letters: Bytes, skip: int, into: Bytes) -> int:
    """Decode pairs up to the first character that is no digit; the bytes written."""
    count = 0
    for at in range(skip, letters.size - 1, 2):
        high, low = _FOUR[letters[at]], _FOUR[letters[at + 1]]
        if high == 255 or low == 255:
            break
        into[count] = high * 16 + low
        count += 1
    return count


@compiled
def _from_base64(letters: Bytes, skip: int, into: Bytes) -> int:
    """Decode as much as is whole; the bytes written."""
    count = 0
    at = skip
    while at + 4 <= letters.size:
        word = _SIX[letters[at]] * 262144 + _SIX[letters[at + 1]] * 4096 + _SIX[letters[at + 2]] * 64 + _SIX[letters[at + 3]]
        into[count] = word >> 16
        into[count + 1] = word >> 8 & 255
        into[count + 2] = word & 255
        count += 3
        at += 4
    left = letters.size - at
    if left >= 2:
        word = _SIX[letters[at]] * 4096 + _SIX[letters[at + 1]] * 64
        if left == 3:
            word += _SIX[letters[at + 2]]
        into[count] = word >> 10
        count += 1
        if left == 3:
            into[count] = word >> 2 & 255
            count += 1
    return count


@compiled
def _hex_from(letters: Bytes) -> int:
    """Where hex begins in these letters, behind an ``x`` or ``0x``; -1 if they are none."""
    skip = 0
    if letters[0] | 0x20 == 0x78:
        skip = 1
    elif letters[0] == 0x30 and letters[1] | 0x20 == 0x78:
        skip = 2
    for at in range(skip, min(letters.size, 256)):
        if _FOUR[letters[at]] == 255:
            return -1
    return skip


@compiled
def _known(content: Bytes, begins: Bytes) -> bool:
    """Whether content begins with one of these pairs of bytes."""
    return content.size > 8 and begins[content[0] | content[1] << 8] != 0


@compiled
def _shift(letters: Bytes, begins: Bytes, into: Bytes) -> int:
    """How many characters stand before base64 itself: a run may begin with the end of something else (``key/AAAA``)."""
    for skip in range(4):
        size = _from_base64(letters[skip : skip + 4 * _SAMPLE // 3], 0, into)
        if _known(into[:size], begins) or _text(into[:size]):
            return skip
    return 0


@compiled
def shorts(data: Bytes, found: npt.NDArray[np.int64], begins: Bytes, letters: Bytes, into: Bytes, ends: npt.NDArray[np.int64]) -> int:
    """Decode runs (rows of ``found``: begin and end) one after the other into ``into``, each with a line's end behind it.

    ``ends`` gets, for each row, where its content begins, where it ends, and 1 if it is hex, 2 if it begins as one of the pairs
    ``begins`` (both: 3). A run that is none, or only a digest, has no content. The bytes written.
    """
    to = 0
    seen = np.zeros(256, dtype=np.uint8)
    for row in range(found.shape[0]):
        count = _letters(data, found[row, 0], found[row, 1], letters)
        run = letters[:count]
        seen[:] = 0
        varied = 0
        for one in run[:256]:
            varied += seen[one] == 0
            seen[one] = 1
        ends[row, 0] = ends[row, 1] = to
        ends[row, 2] = 0
        if varied < VARIED or count < 8:
            continue
        skip = _hex_from(run)
        if skip >= 0:
            size = _from_hex(run, skip, into[to:])
            ends[row, 2] = 1
            if size <= _DIGEST and not _text(into[to : to + size]):
                continue
        else:
            size = _from_base64(run, _shift(run, begins, into[to:]), into[to:])
        if _known(into[to : to + size], begins):
            ends[row, 2] += 2
        ends[row, 1] = to + size
        into[to + size] = 0x0A
        to += size + 1
    return to
