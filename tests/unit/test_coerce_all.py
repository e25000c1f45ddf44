"""Many values are brought to a field's type as each is alone."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.stores.base import coerce, coerce_all
from expunge.terms import FieldType, Value

VALUES: st.SearchStrategy[Value] = st.one_of(
    st.integers(-3, 3),
    st.booleans(),
    st.sampled_from(["1", "-2", "02", "true", "", "a", "\ud800", "2026-01-01"]),
    st.sampled_from([1.0, 2.5, Decimal("1.0"), Decimal(2), b"1"]),
    st.datetimes(timezones=st.just(UTC)),
)


@given(st.lists(VALUES), st.sampled_from(list(FieldType)))
@settings(deadline=None)
def test_many_are_as_each_alone(values: list[Value], to: FieldType) -> None:
    read = coerce_all(values, to)
    alone = {one for value in values if (one := coerce(value, to)) is not None}
    assert set(read) == alone
    assert len(read) == len(alone)
    assert {type(one) for one in read} == {type(one) for one in alone}
    assert read == coerce_all(reversed(values), to)
