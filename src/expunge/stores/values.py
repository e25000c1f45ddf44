"""How values of differently typed fields are compared across stores: keys by one text, times by one moment."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from expunge.terms import Value, text_of

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
_UUID_LENGTHS = (32, 36)

LATEST_SECONDS = 10**11
"""Seconds since 1970 of the year 5138: what is larger counts milliseconds."""


def key_text(value: Value) -> str:
    """The text by which values of owner fields are matched in memory, whatever type a store gave them.

    A whole number is one whether it comes as integer, float or decimal (2, 2.0, 2.00); a UUID is one with or without dashes, in either
    case.
    """
    if type(value) is int:  # nine of ten keys, and every value of every edge comes through here
        return str(value)
    if isinstance(value, float | Decimal) and math.isfinite(value) and value % 1 == 0:
        return str(int(value))
    text = text_of(value)
    return text.replace("-", "").lower() if len(text) in _UUID_LENGTHS and _UUID.fullmatch(text) else text


def spelled(values: Iterable[str]) -> frozenset[Value]:
    """The texts by which stores may hold these keys: a UUID with and without dashes, in lower and upper case; all others as they are."""
    found: set[Value] = set()
    for text in values:
        found.add(text)
        if len(text) in _UUID_LENGTHS and _UUID.fullmatch(text):
            dashed = str(UUID(text))
            found |= {dashed, dashed.upper(), dashed.replace("-", ""), dashed.replace("-", "").upper()}
    return frozenset(found)


def moment(value: Value | None) -> datetime | None:
    """A stored time as an aware datetime in UTC; text is read as ISO 8601, a number as seconds (a large one: milliseconds) since 1970."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / 1000 if abs(value) > LATEST_SECONDS else value, UTC)
        except (OverflowError, ValueError, OSError):
            return None
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            return None
        return read if read.tzinfo else read.replace(tzinfo=UTC)
    return None
