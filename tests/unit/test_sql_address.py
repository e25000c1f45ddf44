"""Addresses of SQL records: read many at once as one by one, and never two torn ones as two others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.errors import Drift
from expunge.stores.sql_address import addresses, columns_of, key_of

PARTS = st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[PARTS] * width), min_size=1)))
@settings(deadline=None)
def test_many_are_read_as_one_by_one(keys: list[tuple[str | int | float | bytes, ...]]) -> None:
    batch = addresses(keys, table="t", where="s")
    read = columns_of(batch, width=len(keys[0]), where="s")
    assert list(zip(*read, strict=True)) == [key_of(one, width=len(keys[0]), where="s") for one in batch] == keys


@pytest.mark.parametrize(
    "batch",
    [
        ["[1"],
        ["[1,2]"],
        ["[1],[2]"],
        ["[1", "2],[3]"],
        ["[[1]", "[2]]"],
        ["[null]"],
        ['[{"x":1}]'],
        ["7"],
        [""],
        ["[1]", "(2)"],
        ["[1]2", "3]"],
        ["[1", "]2]"],
    ],
)
def test_what_is_no_address_is_refused(batch: list[str]) -> None:
    with pytest.raises(Drift):
        columns_of(batch, width=1, where="s")
