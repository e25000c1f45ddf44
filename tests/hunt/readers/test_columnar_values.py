"""Values of rows become columns without losing what a copy of them would be recognised by."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.hunt.pieces import Numbers, Texts
from expunge.hunt.readers.columns import column_of
from expunge.terms import Value, text_of


def cells(column: Texts) -> list[bytes]:
    raw = column.buffer.tobytes()
    return [raw[start:end] for start, end in zip(column.offsets[:-1], column.offsets[1:], strict=True)]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.none() | st.text()))
def test_texts_come_back_byte_for_byte(values: list[str | None]) -> None:
    column = column_of(values)
    assert isinstance(column, Texts)
    assert column.offsets.dtype == np.int64
    assert cells(column) == [(one or "").encode(errors="surrogatepass") for one in values]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_whole_numbers_stay_numbers(values: list[int | None]) -> None:
    column = column_of(values)
    if all(one is None for one in values):
        assert isinstance(column, Texts)
        return
    assert isinstance(column, Numbers)
    missing = np.zeros(len(values), dtype=bool) if column.missing is None else column.missing
    assert [None if gone else int(one) for one, gone in zip(column.values, missing, strict=True)] == values


@pytest.mark.parametrize(
    "value",
    [
        datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
        date(2024, 5, 6),
        UUID("12345678-1234-5678-1234-567812345678"),
        2**80,
        Decimal("12345678901234567890.25"),
    ],
)
def test_what_is_no_number_is_its_one_text(value: Value) -> None:
    column = column_of([value, None])
    assert isinstance(column, Texts)
    assert cells(column) == [text_of(value).encode(), b""]


def test_coordinates_held_as_decimals_are_numbers() -> None:
    column = column_of([Decimal("52.520008"), None, Decimal(-13)])
    assert isinstance(column, Numbers)
    assert column.values.dtype == np.float64
    assert column.values[0] == 52.520008
    assert np.isnan(column.values[1])


def test_decimals_without_a_fraction_are_whole() -> None:
    column = column_of([Decimal(17), None])
    assert isinstance(column, Numbers)
    assert column.values.dtype == np.int64
    assert column.missing is not None
    assert column.missing.tolist() == [False, True]


def test_bytes_and_mixed_columns_keep_bytes_as_they_are() -> None:
    column = column_of([b"\x00\xff", "a", 1.5, True, None])
    assert isinstance(column, Texts)
    assert cells(column) == [b"\x00\xff", b"a", b"1.5", b"true", b""]


def test_text_that_no_encoding_holds_is_kept() -> None:
    column = column_of(["\ud800a", "\udcffb"])
    assert isinstance(column, Texts)
    assert cells(column) == [b"\xed\xa0\x80a", b"\xffb"]
