"""Durations and shares as people write them.

A month counts 30 days and a year 365: a term must mean the same number of days for everybody, and the shorter reading never keeps
data longer than promised over a year.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800, "month": 30 * 86_400, "year": 365 * 86_400}
LONGEST = timedelta(days=36_500)  # a hundred years: longer is "indefinite", and must be written so
INDEFINITE = "indefinite"

_WORDS = re.compile(rf"([0-9]{{1,9}}) ?({'|'.join(UNITS)})s?")
_ISO = re.compile(
    r"P(?=\d|T\d)(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?",
    re.ASCII,
)
_ISO_UNITS = ("year", "month", "week", "day", "hour", "minute", "second")
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")
_SCHEMA_WORDS = rf"^(\d{{1,9}} ?({'|'.join(UNITS)})s?|P[0-9YMWDTHS]+)$"


def duration(written: object) -> timedelta:
    """``30 days``, ``18 months``, ``1 year`` or ISO 8601's ``P30D``, up to a hundred years.

    Raises:
        ValueError: it is none of these; the message says what is.
    """
    advice = 'a duration is meant: "30 days", "18 months", "P30D"'
    if not isinstance(written, str):
        raise ValueError(advice)  # noqa: TRY004 - pydantic collects ValueErrors; a TypeError would end the whole reading
    words = _WORDS.fullmatch(written)
    iso = _ISO.fullmatch(written)
    if words:
        seconds = int(words[1]) * UNITS[words[2]]
    elif iso:
        seconds = sum(int(count) * UNITS[unit] for count, unit in zip(iso.groups(), _ISO_UNITS, strict=True) if count)
    else:
        raise ValueError(advice)
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"longer than a hundred years; write {INDEFINITE} if that is meant")
    return timedelta(seconds=seconds)


def length(written: object) -> timedelta | None:
    """A duration, or ``None`` for ``indefinite``.

    Raises:
        ValueError: as ``duration``.
    """
    return None if written == INDEFINITE else duration(written)


def share(written: object) -> Decimal:
    """``0.1 %`` as the fraction 0.001, exactly.

    Raises:
        ValueError: it isn't a percentage from 0 to 100.
    """
    found = _SHARE.fullmatch(written) if isinstance(written, str) else None
    fraction = Decimal(found[1]) / 100 if found else None
    if fraction is None or fraction > 1:
        raise ValueError('a percentage from 0 % to 100 % is meant: "0.1 %"')
    return fraction


Duration = Annotated[
    timedelta, PlainValidator(duration), WithJsonSchema({"type": "string", "pattern": _SCHEMA_WORDS, "examples": ["30 days", "P30D"]})
]
Length = Annotated[
    timedelta | None,
    PlainValidator(length),
    WithJsonSchema({"anyOf": [{"const": INDEFINITE}, {"type": "string", "pattern": _SCHEMA_WORDS}], "examples": ["30 days", INDEFINITE]}),
]
Share = Annotated[Decimal, PlainValidator(share), WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? ?%$", "examples": ["0.1 %"]})]
