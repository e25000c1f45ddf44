"""One reading of the ways in which databases write a moment.

SQLite has no type for times, and columns of seconds are common everywhere: text in ISO 8601 (``T`` or a blank, with or without fraction,
``Z``, offset), whole or fractional seconds since 1970, and milli-, micro- and nanoseconds, told apart by their size. A text without an
offset is UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from expunge.terms import Span

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SECONDS_END = 10**11  # as seconds the year 5138, as milliseconds March 1973: no clock that we meet writes between
MILLIS_END = 10**14  # as milliseconds the year 5138
MICROS_END = 10**17  # as microseconds the year 5138; above are nanoseconds
SCALES = ((SECONDS_END, 1), (MILLIS_END, 10**3), (MICROS_END, 10**6), (10**20, 10**9))
"""Up to which size a number counts in which parts of a second."""

_NAIVE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{6})?", re.ASCII)
"""What drivers write."""

BASIC_DATE = 8  # digits of YYYYMMDD; longer runs of digits are seconds


def instant(value: object) -> datetime | None:
    """The moment that a stored value means, aware and in UTC, or ``None`` if it means none."""
    try:
        if isinstance(value, str):
            return _from_text(value)
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return _from_number(value)
    except (ValueError, OverflowError):
        return None
    return None


def _from_text(text: str) -> datetime:
    if _NAIVE.fullmatch(text):  # nearly every text; a third of the time of giving the zone afterwards
        return datetime.fromisoformat(f"{text}+00:00")
    digits = text.split(".", 1)[0]
    if digits.isdigit() and len(digits) > BASIC_DATE:
        return _from_number(Decimal(text))
    when = datetime.fromisoformat(text.removesuffix(" UTC"))
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def _from_number(number: float | Decimal) -> datetime:
    parts = next((parts for end, parts in SCALES if number < end), SCALES[-1][1])
    if isinstance(number, float):
        return EPOCH + timedelta(seconds=number / parts)
    return EPOCH + timedelta(microseconds=int(number * 10**6 // parts))


def seconds(when: datetime) -> Decimal:
    """Exact seconds since 1970."""
    return Decimal((when - EPOCH) // timedelta(microseconds=1)).scaleb(-6)


def number_ranges(span: Span) -> list[tuple[Decimal | None, Decimal | None]]:
    """The half-open ranges of numbers that mean a moment in the span, one per scale; an index can answer them."""
    ranges: list[tuple[Decimal | None, Decimal | None]] = []
    begin: Decimal | None = None
    for end, parts in SCALES:
        low = max(filter(None, (begin, seconds(span.start) * parts if span.start else None)), default=None)
        high = min(Decimal(end), seconds(span.end) * parts) if span.end else Decimal(end)
        if low is None or low < high:
            ranges.append((low, high))
        begin = Decimal(end)
    return ranges


def date_edge(when: datetime) -> date:
    """The first date whose midnight (UTC) is not before ``when``."""
    midnight = datetime(when.year, when.month, when.day, tzinfo=UTC)
    return when.date() if when.astimezone(UTC) == midnight else (when + timedelta(days=1)).date()
