"""Columns of plain Python values as what matchers take: texts in one buffer, numbers in one array.

What a row holds is kept as a copy of it would be written: texts as UTF-8, bytes as they are, times and dates in ISO 8601, UUIDs with
dashes. Whole numbers stay numbers, so that a small key is compared as a number and not looked for as two digits in everything. Decimals
become numbers where nothing is lost: coordinates are mostly held as ``numeric(9, 6)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from expunge.hunt.pieces import Column, Numbers, Texts
from expunge.terms import Value, text_of

_EXACT = 2**53
"""Whole numbers up to here are exact as float64 (IEEE 754, 53 bits of significand)."""

_DIGITS = 15
"""Decimal digits that float64 always keeps."""


def column_of(values: Sequence[Value | None]) -> Column:
    """The values of one column, in order; ``None`` is missing.

    Whole numbers and booleans give ``Numbers`` (int64, uint8), floats float64; numbers too long for that, and columns of several types,
    give ``Texts``, each value in its one text form (``terms.text_of``) except for bytes, which stay as they are.
    """
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if kinds == {str}:
        return _texts_of_strings([one or "" for one in values])  # type: ignore[misc] # all are text, as just seen
    if kinds == {bytes}:
        return texts_of([one or b"" for one in values])  # type: ignore[misc] # all are bytes, as just seen
    numbers = _numbers_of(values, kinds) if kinds else None
    return numbers if numbers is not None else texts_of([_bytes_of(one) for one in values])


def texts_of(values: Sequence[bytes]) -> Texts:
    """Byte strings, one a row, in one buffer."""
    offsets = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, values), dtype=np.int64, count=len(values)), out=offsets[1:])
    return Texts(np.frombuffer(b"".join(values), dtype=np.uint8), offsets)


def _texts_of_strings(values: Sequence[str]) -> Texts:
    joined = "".join(values)
    if not joined.isascii():
        return texts_of([encoded(one) for one in values])
    offsets = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, values), dtype=np.int64, count=len(values)), out=offsets[1:])
    return Texts(np.frombuffer(joined.encode(), dtype=np.uint8), offsets)


def encoded(text: str) -> bytes:
    """UTF-8 of a text; bytes that a driver could not decode come back as they were, lone surrogates in their three-byte form."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")


def _bytes_of(value: Value | None) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return encoded(text_of(value))


def _numbers_of(values: Sequence[Value | None], kinds: set[type]) -> Numbers | None:
    """The column as numbers, or ``None`` if it isn't one or would lose digits."""
    if kinds == {bool}:
        return _whole(values, np.uint8)
    if kinds <= {int, bool}:
        return _whole(values, np.int64)
    if kinds == {float}:
        return Numbers(np.array(values, dtype=np.float64))  # numpy reads None as NaN
    if kinds <= {int, float, Decimal}:
        return _decimals(values)
    return None


def _whole(values: Sequence[Value | None], dtype: type[np.integer]) -> Numbers | None:
    missing = np.fromiter((one is None for one in values), dtype=np.bool_, count=len(values))
    try:
        if not missing.any():
            return Numbers(np.array(values, dtype=dtype))
        return Numbers(np.array([0 if one is None else one for one in values], dtype=dtype), missing)
    except OverflowError:  # beyond 64 bits
        return None


def _decimals(values: Sequence[Value | None]) -> Numbers | None:
    held = [one for one in values if one is not None]
    if all(_is_whole(one) for one in held):
        return _whole([None if one is None else int(one) for one in values], np.int64)  # type: ignore[arg-type] # numbers, as just seen
    if not all(_fits(one) for one in held):
        return None
    return Numbers(np.array([np.nan if one is None else float(one) for one in values], dtype=np.float64))  # type: ignore[arg-type] # numbers


def _is_whole(value: Value) -> bool:
    return isinstance(value, int) or (isinstance(value, Decimal) and value.is_finite() and value.as_tuple().exponent == 0)


def _fits(value: Value) -> bool:
    if isinstance(value, int):
        return abs(value) <= _EXACT
    if isinstance(value, Decimal):
        return not value.is_finite() or len(value.as_tuple().digits) <= _DIGITS
    return isinstance(value, float)
