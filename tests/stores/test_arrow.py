"""What the lake stores share: which rows a selector means, for every type, by two paths that must agree with plain Python."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.errors import Drift
from expunge.stores.arrow import field_type, fields, jsons, nodes, union, values
from expunge.stores.arrow_file import Part, hits
from expunge.stores.arrow_match import mask
from expunge.stores.arrow_rows import digests
from expunge.stores.arrow_verify import matches, tally
from expunge.stores.base import coerce
from expunge.terms import Field, FieldType, Selector, Span, Value, text_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE = UUID("c0beaabf-dc81-4b3f-8b64-036d39e39131")
SELECTED: list[tuple[pa.DataType, list[object], Value, list[int]]] = [
    # type, values, wanted, which match
    (pa.string(), ["7", "07", "7 ", None], 7, [0]),
    (pa.large_string(), ["Ann", "ann", "ANN"], "ann", [1]),
    (pa.string_view(), ["Ann", "ann"], "ann", [1]),
    (pa.dictionary(pa.int8(), pa.string()), ["ann", None, "bob", "ann"], "ann", [0, 3]),
    (pa.int64(), [7, 70, None, -7], "7", [0]),
    (pa.int8(), [7, -1], 10**30, []),
    (pa.uint64(), [2**64 - 1, 1], str(2**64 - 1), [0]),
    (pa.float32(), [0.5, 1.5, float("nan")], "0.5", [0]),
    (pa.float64(), [0.1, 1.0], 1, [1]),
    (pa.bool_(), [True, False, None], "true", [0]),
    (pa.decimal128(10, 2), [Decimal("7.00"), Decimal("7.50")], "7", [0]),
    (pa.decimal128(10, 2), [Decimal("7.50")], Decimal("7.505"), []),
    (pa.decimal32(5, 1), [Decimal("7.5")], "7.5", [0]),
    (pa.date32(), [date(2026, 3, 1), date(2026, 3, 2)], "2026-03-01", [0]),
    (pa.date64(), [date(2026, 3, 1), None], date(2026, 3, 1), [0]),
    (pa.timestamp("s"), [datetime(2026, 3, 1, 12)], NOON, [0]),  # noqa: DTZ001 - a column without a zone is in UTC
    (pa.timestamp("s"), [datetime(2026, 3, 1, 12)], NOON + timedelta(milliseconds=1), []),  # noqa: DTZ001 - as above
    (pa.timestamp("ns", "Europe/Berlin"), [NOON, NOON + timedelta(microseconds=1)], "2026-03-01T13:00:00+01:00", [0]),
    (pa.uuid(), [ONE.bytes, None], str(ONE).upper(), [0]),
    (pa.binary(16), [ONE.bytes, b"\0" * 16], ONE, [0]),
    (pa.string(), [str(ONE), str(ONE).upper()], ONE, [0]),
    (pa.binary(), [b"\x01", b"\x02"], b"\x02", [1]),
    (pa.string(), ["a\ud7ff", "a"], "a\ud800", []),
]


def batch_of(kind: pa.DataType, held: list[object]) -> pa.RecordBatch:
    if isinstance(kind, pa.BaseExtensionType):
        column = pa.ExtensionArray.from_storage(kind, pa.array(held, kind.storage_type))
    else:
        column = pa.array(held, kind)
    return pa.record_batch({"x": column})


@pytest.mark.parametrize(("kind", "held", "wanted", "truth"), SELECTED, ids=lambda one: str(one)[:20])
def test_values_meet_columns_of_every_type(kind: pa.DataType, held: list[object], wanted: Value, truth: list[int]) -> None:
    selector = Selector("notes", any_of={"x": frozenset({wanted})})
    batch = batch_of(kind, held)
    for answer in (mask(batch, selector, ""), matches(batch, selector, "")):
        assert [place for place, yes in enumerate(answer.to_pylist()) if yes] == truth


MAKERS: dict[str, tuple[pa.DataType, Callable[[int], Any]]] = {
    "s": (pa.timestamp("s"), lambda tick: tick),
    "ns": (pa.timestamp("ns", "UTC"), lambda tick: tick * 1_000_000_000),
    "date": (pa.date32(), lambda tick: tick // 86_400),
    "text": (pa.string(), lambda tick: datetime.fromtimestamp(tick, UTC).isoformat()),
}


@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(
    kind=st.sampled_from(sorted(MAKERS)),
    ticks=st.lists(st.integers(-200_000, 200_000), min_size=1, max_size=8),
    edges=st.lists(st.integers(-200_000, 200_000), min_size=2, max_size=2, unique=True).map(sorted),
    fine=st.integers(0, 999_999),
)
def test_time_ranges_agree_with_python(kind: str, ticks: list[int], edges: list[int], fine: int) -> None:
    arrow, make = MAKERS[kind]
    batch = pa.record_batch({"x": pa.array([make(tick) for tick in ticks], arrow)})
    span = Span(*(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=edge, microseconds=fine) for edge in edges))
    whole = 86_400 if kind == "date" else 1
    truth = [span.holds(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=tick // whole * whole)) for tick in ticks]
    selector = Selector("notes", within={"x": span})
    assert mask(batch, selector, "").to_pylist() == truth
    assert matches(batch, selector, "").to_pylist() == truth


def test_a_range_beyond_the_column_s_reach_is_open() -> None:
    batch = pa.record_batch({"x": pa.array([0, None], pa.timestamp("ns", "UTC"))})
    selector = Selector("notes", within={"x": Span(None, datetime(9999, 1, 1, tzinfo=UTC))})
    assert mask(batch, selector, "").to_pylist() == [True, False]


@pytest.mark.parametrize("check", [mask, matches])
def test_what_can_not_be_compared_is_drift(check: Callable[..., object]) -> None:
    batch = pa.record_batch({"x": pa.array([[1]]), "word": ["soon"], "number": [1]})
    for selector in (
        Selector("notes", any_of={"x": frozenset({"1"})}),
        Selector("notes", within={"word": Span()}),
        Selector("notes", within={"number": Span()}),
    ):
        with pytest.raises(Drift):
            check(batch, selector, "lake.notes")


KINDS = [pa.int16(), pa.int64(), pa.string(), pa.decimal128(9, 2), pa.float64(), pa.bool_(), pa.date32(), pa.timestamp("ms")]
RAW = st.integers(-3, 3)


def _made(kind: pa.DataType, raw: int) -> object:
    makers: dict[FieldType, Callable[[], object]] = {
        FieldType.INTEGER: lambda: raw,
        FieldType.TEXT: lambda: str(raw),
        FieldType.NUMERIC: lambda: Decimal(raw) / 2,
        FieldType.REAL: lambda: raw / 2,
        FieldType.BOOLEAN: lambda: raw > 0,
        FieldType.DATE: lambda: date(2026, 1, 4 + raw),
        FieldType.TIME: lambda: datetime(2026, 1, 4 + raw, tzinfo=UTC),
    }
    return makers[field_type(kind)]()


@settings(deadline=None, derandomize=True, database=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3), data=st.data())
def test_two_paths_and_plain_python_agree(kinds: list[pa.DataType], data: st.DataObject, tmp_path: Path) -> None:
    """Any columns, any values, any selector: what ``locate`` finds and what ``verify`` counts is what ``coerce`` says."""
    raws = data.draw(st.lists(st.tuples(*(st.none() | RAW for _ in kinds)), min_size=1, max_size=12))
    rows = [{f"f{at}": None if raw is None else _made(kinds[at], raw) for at, raw in enumerate(row)} for row in raws]
    schema = pa.schema([(f"f{at}", kind) for at, kind in enumerate(kinds)])
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "x.parquet", row_group_size=3)
    chosen = data.draw(st.sets(st.sampled_from(schema.names), min_size=1))
    words = st.one_of(RAW, RAW.map(str), RAW.map(lambda raw: Decimal(raw) / 2), st.just("true"), st.just("2026-01-04"))
    selector = Selector("notes", any_of={name: frozenset[Value](data.draw(st.sets(words, max_size=4))) for name in chosen})
    part = Part("x.parquet", lambda: pq.ParquetFile(tmp_path / "x.parquet"))
    with part.open() as file:
        found = [row for batch in hits(file, part, selector, "") for row in batch.to_pylist()]
        counted = tally(file, part, selector, set(), "")
    truth = [row for row in rows if all(_holds(row[name], wanted, schema.field(name).type) for name, wanted in selector.any_of.items())]
    assert len(found) == counted.live == len(truth)
    assert counted.scanned == len(rows)


def _holds(value: object, wanted: frozenset[Value], kind: pa.DataType) -> bool:
    return value is not None and any(coerce(one, field_type(kind)) == value for one in wanted)


def test_digests_are_of_content_only() -> None:
    """Not of encoding, order of columns, unit of time, or columns that came later and are null."""
    when = datetime(2026, 3, 1, tzinfo=UTC)
    one = pa.record_batch({"a": ["x"], "t": pa.array([when], pa.timestamp("us", "UTC"))})
    other = pa.record_batch(
        {"t": pa.array([when], pa.timestamp("ns", "UTC")), "later": pa.nulls(1), "a": pa.array(["x"]).dictionary_encode()}
    )
    assert digests(one, {}) == digests(other, {})
    assert digests(one, {"day": 1}) == digests(one, {"day": 1})
    assert len({*digests(one, {}), *digests(one, {"day": 1}), *digests(one, {"day": 2})}) == 3


def test_digests_tell_close_values_apart() -> None:
    batches = [pa.record_batch({"a": held}) for held in (["1"], [1], [1.5], [True], [b"1"], [["1"]], [None], [""], ["None"])]
    assert len({one for batch in batches for one in digests(batch, {})}) == len(batches)
    nanos = pa.record_batch({"t": pa.array([1, 2], pa.timestamp("ns"))})
    assert len(set(digests(nanos, {}))) == 2


def test_nested_fields_have_dotted_names() -> None:
    who = pa.struct([pa.field("id", pa.int64(), nullable=False), ("names", pa.list_(pa.string()))])
    schema = pa.schema([("who", who), ("who.id", pa.string()), ("tags", pa.map_(pa.string(), pa.string()))])
    assert fields(schema) == (
        Field("who.id", FieldType.TEXT),
        Field("tags", FieldType.JSON),
        Field("who.names", FieldType.JSON),
    )
    assert nodes(schema)["who"].type == who
    inner = pa.record_batch({"who": pa.array([{"id": 1, "names": []}, None], who)})
    selector = Selector("notes", any_of={"who.id": frozenset({"1"})})
    assert mask(inner, selector, "").to_pylist() == matches(inner, selector, "").to_pylist() == [True, False]


def test_the_union_of_shapes_is_the_widest() -> None:
    first = (Field("id", FieldType.INTEGER, nullable=False), Field("old", FieldType.TEXT, nullable=False))
    second = (Field("id", FieldType.TEXT, nullable=False),)
    assert union([first, second]) == (Field("id", FieldType.TEXT, nullable=False), Field("old", FieldType.TEXT, nullable=True))


def test_values_are_terms_values() -> None:
    local = datetime(2026, 3, 1, 12)  # noqa: DTZ001 - a column without a zone is in UTC
    assert values(pa.array([local], pa.timestamp("ns"))) == (NOON,)
    assert values(pa.array([ONE.bytes], pa.binary(16))) == (ONE,)
    assert values(pa.array([{"a": [1]}, None])) == ('{"a": [1]}', None)
    assert jsons(pa.array([[datetime(2026, 3, 1, 12, tzinfo=UTC)]], pa.list_(pa.timestamp("ns", "UTC")))) == [[text_of(NOON)]]
    assert jsons(pa.array([Decimal("1.50"), None])) == ["1.50", None]
    assert jsons(pa.array([b"\x01"])) == ["01"]
