"""Durations and shares as people write them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.policy.quantities import UNITS, duration, length, share


@pytest.mark.parametrize(
    ("written", "days"),
    [("30 days", 30), ("1 day", 1), ("2 weeks", 14), ("18 months", 540), ("1 year", 365), ("P30D", 30), ("P1Y2M3W4D", 365 + 60 + 21 + 4)],
)
def test_days(written: str, days: int) -> None:
    assert duration(written) == timedelta(days=days)


@pytest.mark.parametrize(
    ("written", "seconds"), [("PT5M", 300), ("P1DT1H", 90_000), ("30 seconds", 30), ("0 days", 0), ("24 hours", 86_400)]
)
def test_seconds(written: str, seconds: int) -> None:
    assert duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written",
    ["", "30", 30, None, True, "30  days", "-1 days", "1.5 days", "days", "P", "PT", "P1", "P1D2Y", "a month", "1e3 days", "๓ days"],
)
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match=r"duration is meant|hundred years"):
        duration(written)


def test_a_hundred_years_is_the_longest() -> None:
    assert duration("100 years") == timedelta(days=36_500)
    with pytest.raises(ValueError, match="write indefinite"):
        duration("101 years")
    with pytest.raises(ValueError, match="write indefinite"):
        duration("999999999 years")


def test_indefinite() -> None:
    assert length("indefinite") is None
    assert length("30 days") == timedelta(days=30)


@settings(deadline=None, derandomize=True)
@given(count=st.integers(0, 1000), unit=st.sampled_from([one for one in UNITS if one != "year"]), plural=st.booleans())
def test_words_multiply(count: int, unit: str, plural: bool) -> None:  # noqa: FBT001 - a drawn value
    assert duration(f"{count} {unit}{'s' * plural}").total_seconds() == count * UNITS[unit]


@pytest.mark.parametrize(("written", "fraction"), [("0.1 %", "0.001"), ("100%", "1"), ("0 %", "0"), ("12.5 %", "0.125")])
def test_shares(written: str, fraction: str) -> None:
    assert share(written) == Decimal(fraction)


@pytest.mark.parametrize("written", [0.1, "0.1", "101 %", "-1 %", ".5 %", "1e1 %", "", None])
def test_what_is_no_share(written: object) -> None:
    with pytest.raises(ValueError, match="percentage from 0 % to 100 %"):
        share(written)
