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

_PREFIX = 64
"""Letters in which a separator is looked for that ends something else."""

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
def _evident(letters: Bytes, begins: Bytes, into: Bytes) -> int:
    """From which of the first four letters on the content begins as a known one does, or is text; -1 if from none."""
    for skip in range(4):
        size = _from_base64(letters[skip : skip + 4 * _SAMPLE // 3], 0, into)
        if _known(into[:size], begins) or _text(into[:size]):
            return skip
    return -1


@compiled
def _prefixed(letters: Bytes) -> bool:
    """Whether a word (capitals, small letters, digits, in order) and a separator begin the run: ``models/``, ``sha512-``, ``maya_``."""
    rank = 0
    for at in range(min(letters.size, _PREFIX)):
        one = letters[at]
        kind = 0 if 0x41 <= one <= 0x5A else 1 if 0x61 <= one <= 0x7A else 2 if 0x30 <= one <= 0x39 else 3
        if kind == 3:
            return at > 0
        if kind < rank:
            return False
        rank = kind
    return False


@compiled
def _padding(data: Bytes, end: int) -> int:
    """How many signs of padding follow, 1 or 2; 0 where there is none, or what follows it says that it is something else."""
    count = 0
    while count < 3 and end + count < data.size and data[end + count] == 0x3D:
        count += 1
    return count if count < 3 and (end + count >= data.size or _SIX[data[end + count]] == 255) else 0


@compiled
def shifts(data: Bytes, begin: int, end: int, letters: Bytes, begins: Bytes, into: Bytes) -> int:
    r"""From which of a run's first four letters base64 may begin, a bit for each.

    A run may begin with the end of something else: of an escape (``\nAAAA``, ``%2FAAAA``) or of a path (``key/AAAA``). Padding tells it
    exactly. Without any, what begins like text or a file tells it mostly, but content at random does so once in 500 times in a wrong
    place: so all four are tried where the run doesn't stand by itself, and the first one besides the evident one where it does.
    """
    by_itself = (begin == 0 or (data[begin - 1] != 0x5C and data[begin - 1] != 0x25)) and not _prefixed(letters)
    padding = _padding(data, end)
    exact = (letters.size + padding) % 4 if padding else -1
    evident = _evident(letters, begins, into)
    if exact == 0 and by_itself:
        return 1
    if exact >= 0:
        return 1 << exact | (1 << evident if evident >= 0 else 0) | by_itself
    if by_itself:
        return 1 | (1 << evident if evident >= 0 else 0)
    return 15


@compiled
def shorts(data: Bytes, found: npt.NDArray[np.int64], begins: Bytes, letters: Bytes, into: Bytes, ends: npt.NDArray[np.int64]) -> int:
    """Decode runs (rows of ``found``: begin and end) one after the other into ``into``, each with a line's end behind it.

    ``ends``, of four rows for each run, gets where its content begins, where it ends, 1 if it is hex, 2 if it begins as one of the pairs
    ``begins`` (both: 3), and the run: a row for each letter from which base64 may begin. A run that is none, or only a digest, has no row.
    ``into`` has room for three bytes a character, and four a run. How many rows.
    """
    to = 0
    rows = 0
    seen = np.zeros(256, dtype=np.uint8)
    for row in range(found.shape[0]):
        count = _letters(data, found[row, 0], found[row, 1], letters)
        run = letters[:count]
        seen[:] = 0
        varied = 0
        for one in run[:256]:
            varied += seen[one] == 0
            seen[one] = 1
        if varied < VARIED or count < 8:
            continue
        skip = _hex_from(run)
        tried = 1 if skip >= 0 else shifts(data, found[row, 0], found[row, 1], run, begins, into[to:])
        for shift in range(4):
            if tried >> shift & 1 == 0:
                continue
            size = _from_hex(run, skip, into[to:]) if skip >= 0 else _from_base64(run, shift, into[to:])
            if skip >= 0 and size <= _DIGEST and not _text(into[to : to + size]):
                continue
            ends[rows, 0] = to
            ends[rows, 1] = to + size
            ends[rows, 2] = (skip >= 0) + 2 * _known(into[to : to + size], begins)
            ends[rows, 3] = row
            into[to + size] = 0x0A
            to += size + 1
            rows += 1
    return rows
