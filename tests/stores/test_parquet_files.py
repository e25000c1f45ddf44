"""What is particular to folders of Parquet files: layouts, partitions, sidecars, dictionaries, and being interrupted."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expunge.errors import Drift, Refused, UnknownStore
from expunge.stores import arrow_file
from expunge.stores.parquet_folder import Pattern, partition_of
from expunge.terms import Field, FieldType, Method, Selector, Step
from tests.stores.lake_parquet import everywhere, opened, put, rows
from tests.stores.lakes import MARK, addresses, erase, whose

ONE = UUID("c0beaabf-dc81-4b3f-8b64-036d39e39131")


def test_the_layout_of_a_file_stays(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            pa.field("id", pa.string(), nullable=False, metadata={"PARQUET:field_id": "7"}),
            pa.field("n", pa.int64(), metadata={"PARQUET:field_id": "8"}),
            pa.field("f", pa.float64()),
            pa.field("s", pa.struct([pa.field("x", pa.string())])),
        ],
        metadata={"owner": "geo", "pandas": "{}"},
    )
    table = pa.Table.from_pylist([{"id": f"p{n % 5}", "n": n, "f": n / 2, "s": {"x": str(n)}} for n in range(100)], schema)
    path = put(
        tmp_path,
        "a.parquet",
        table,
        row_group_size=30,
        compression={"id": "zstd", "n": "snappy", "f": "none", "s.x": "gzip"},
        use_dictionary=["id"],
        column_encoding={"n": "DELTA_BINARY_PACKED", "f": "BYTE_STREAM_SPLIT"},
        write_page_index=True,
        write_statistics=["id", "n"],
        bloom_filter_options={"id": {"ndv": 10}},
        sorting_columns=[pq.SortingColumn(1)],
    )
    path.chmod(0o640)
    before = pq.read_metadata(path)
    assert sum(erase(opened(tmp_path), whose("p3"))) == 20
    after = pq.read_metadata(path)
    assert rows(path) == [row for row in table.to_pylist() if row["id"] != "p3"]
    assert pq.read_schema(path).equals(schema, check_metadata=True)
    assert after.metadata.keys() == before.metadata.keys()
    assert [after.row_group(group).num_rows for group in range(4)] == [24, 24, 24, 8]
    assert path.stat().st_mode & 0o777 == 0o640
    for column in range(4):
        old, new = (meta.row_group(0).column(column) for meta in (before, after))
        for name in ("compression", "encodings", "is_stats_set", "has_column_index", "has_offset_index", "physical_type"):
            assert getattr(old, name) == getattr(new, name), (column, name)
        assert (old.bloom_filter_offset is None) == (new.bloom_filter_offset is None)
    assert after.row_group(0).sorting_columns == before.row_group(0).sorting_columns


def test_a_row_group_that_is_too_large_for_memory_becomes_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"id": [f"p{n % 50}" for n in range(1_000)], "clip": [bytes([n % 251]) * 1_000 for n in range(1_000)]}
    path = put(tmp_path, "a.parquet", content, use_dictionary=False)
    monkeypatch.setattr(arrow_file, "BATCH", 20_000)
    monkeypatch.setattr(arrow_file, "GROUP", 100_000)
    with pq.ParquetFile(path) as file:
        assert 10 < arrow_file.rows_at_once(file, [0]) < 20
    store = opened(tmp_path)
    assert store.verify(whose("p3")).live == sum(erase(store, whose("p3"))) == 20
    assert [(row["id"], row["clip"]) for row in rows(path)] == [one for one in zip(*content.values(), strict=True) if one[0] != "p3"]
    assert 7 < pq.read_metadata(path).num_row_groups < 13


def test_a_file_without_arrow_s_schema_gets_none(tmp_path: Path) -> None:
    path = put(tmp_path, "a.parquet", {"id": ["a", "b"]}, store_schema=False, version="1.0")
    erase(opened(tmp_path), whose("a"))
    assert b"ARROW:schema" not in (pq.read_metadata(path).metadata or {})
    assert rows(path) == [{"id": "b"}]


IDENTIFIED: list[tuple[dict[str, Any], Selector]] = [
    ({"a": [1, 1, 2], "b": ["x", "y", "x"]}, Selector("notes", any_of={"a": frozenset({"1"}), "b": frozenset({"x"})})),
    ({"id": pa.array([Decimal("7.50"), None], pa.decimal128(9, 2))}, whose("7.5")),
    ({"id": pa.array([ONE.bytes, b"\0" * 16], pa.binary(16))}, whose(str(ONE))),
    ({"id": pa.array([ONE, None], pa.uuid())}, whose(ONE)),
    ({"who": [{"id": "Ann", "n": 1}, {"id": "ann", "n": 2}, None]}, whose("Ann", field="who.id")),
    ({"who": [{"in": {"id": 7}}, {"in": None}]}, whose("7", field="who.in.id")),
    ({"a.b": ["x", "y"]}, whose("x", field="a.b")),
    ({"id": pa.array(["x", "y"], pa.string_view()), "l": [[1], None]}, whose("x")),
    ({"id": ["x", "y"], "m": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64()))}, whose("x")),
]


@pytest.mark.parametrize(("columns", "selector"), IDENTIFIED, ids=lambda one: ",".join(one) if isinstance(one, dict) else "")
def test_the_first_row_and_only_it_goes(tmp_path: Path, columns: dict[str, Any], selector: Selector) -> None:
    path = put(tmp_path, "a.parquet", columns)
    before, schema, store = rows(path), pq.read_schema(path), opened(tmp_path)
    assert store.verify(selector).live == len(addresses(store, selector)) == 1
    assert erase(store, selector) == [1]
    assert rows(path) == before[1:]
    assert pq.read_schema(path).equals(schema)


def test_hive_folders_are_fields(tmp_path: Path) -> None:
    for day in ("2026-01-01", "2026-01-02"):
        for person in ("7", "07", "ann%20b", "__HIVE_DEFAULT_PARTITION__"):
            put(tmp_path, f"day={day}/person={person}/a.parquet", {"n": [1, 2]})
    store = opened(tmp_path)
    described = next(shape for shape in store.describe() if shape.name == "notes")
    assert described.fields == (Field("n", FieldType.INTEGER), Field("day", FieldType.DATE), Field("person", FieldType.TEXT))
    selector = Selector("notes", any_of={"person": frozenset({7, "ann b"}), "day": frozenset({date(2026, 1, 1)})})
    batches = list(store.locate(selector, ("person", "day", "n")))
    assert {one for batch in batches for one in batch.carried["person"]} == {7, "ann b"}
    assert store.verify(selector).live == 4
    assert sum(erase(store, selector)) == 4
    assert not (tmp_path / "day=2026-01-01" / "person=7").exists()
    assert (tmp_path / "day=2026-01-01" / "person=07" / "a.parquet").exists()
    assert store.verify(selector).live == store.verify(selector).history == 0
    assert store.verify(Selector("notes", any_of={"n": frozenset({1})})).live == 6
    with pytest.raises(Refused):
        erase(store, whose("07", field="person"), Method.REDACT, ["person"])


def test_a_partition_s_rows_go_with_file_and_folders(tmp_path: Path) -> None:
    put(tmp_path, f"points/person={MARK}/day=1/a.parquet", {"n": [1]})
    put(tmp_path, f"points/person={MARK}/day=2/a.parquet", {"n": [2]})
    put(tmp_path, "points/person=other/day=1/a.parquet", {"n": [3]})
    store = opened(tmp_path, "points/**/*.parquet")
    assert erase(store, whose(MARK, field="person")) == [1, 1]
    assert MARK.encode() not in everywhere(tmp_path)
    assert erase(store, whose("other", field="person")) == [1]
    assert list((tmp_path / "points").iterdir()) == []
    assert store.verify(whose("other", field="person")).scanned == 0, "an empty folder is a true zero"
    assert store.describe()[0].fields == (Field("id", FieldType.TEXT),), "without a file there is only what was declared"


def test_a_single_file_stays_even_empty(tmp_path: Path) -> None:
    path = put(tmp_path, "all.parquet", {"id": ["a"]})
    store = opened(tmp_path, "all.parquet")
    assert erase(store, whose("a")) == [1]
    assert rows(path) == []
    assert store.verify(whose("a")).scanned == 0
    path.unlink()
    with pytest.raises(Drift):
        store.verify(whose("a"))


def test_twins_are_counted_apart_and_share_their_fate(tmp_path: Path) -> None:
    path = put(tmp_path, "a.parquet", {"id": ["a", "a", "b", "a"]}, row_group_size=2)
    store, selector = opened(tmp_path), whose("a")
    found = addresses(store, selector)
    assert len(set(found)) == store.verify(selector).live == 3
    held = whose("a", minus=frozenset(found[:1]))
    assert addresses(store, held) == ()
    assert store.verify(held).live == 0
    assert list(store.erase(Step("notes", Method.DELETE, selector, found[1:2]))) == [1]
    assert rows(path) == [{"id": "b"}]
    assert list(store.erase(Step("notes", Method.DELETE, selector, found))) == [3]


def test_nested_dictionaries_are_made_plain(tmp_path: Path) -> None:
    kind = pa.struct([("id", pa.dictionary(pa.int32(), pa.string()))])
    held = pa.StructArray.from_arrays([pa.array([MARK, "b"]).dictionary_encode()], fields=list(kind))
    path = put(tmp_path, "a.parquet", {"who": held})
    assert erase(opened(tmp_path), whose(MARK, field="who.id")) == [1]
    assert MARK.encode() not in path.read_bytes()
    assert rows(path) == [{"who": {"id": "b"}}]


def test_redact_and_decorrelate_inside_structs(tmp_path: Path) -> None:
    who = pa.struct([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])
    path = put(tmp_path, "a.parquet", {"who": pa.array([{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}, None], who), "n": [1, 2, 3]})
    store = opened(tmp_path)
    erase(store, whose(1, field="who.id"), Method.REDACT, ["who.name"])
    assert rows(path)[0] == {"who": {"id": 1, "name": None}, "n": 1}
    erase(store, whose(1, field="who.id"), Method.DECORRELATE, **{"who.id": "0"})
    assert [row["who"] for row in rows(path)] == [{"id": 0, "name": None}, {"id": 2, "name": "Bob"}, None]
    with pytest.raises(Refused):
        erase(store, whose(2, field="who.id"), Method.REDACT, ["who.id"])
    with pytest.raises(Drift):
        erase(store, whose(2, field="who.id"), Method.DECORRELATE, **{"who.id": "nobody"})
    assert rows(path)[1] == {"who": {"id": 2, "name": "Bob"}, "n": 2}


def test_redact_of_every_type(tmp_path: Path) -> None:
    columns = {
        "id": ["a", "b"],
        "u": pa.array([ONE, ONE], pa.uuid()),
        "d": pa.array(["x", "y"]).dictionary_encode(),
        "l": [[1], [2]],
        "t": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("ns", "UTC")),
        "v": pa.array(["x", "y"], pa.string_view()),
    }
    path = put(tmp_path, "a.parquet", columns)
    before, store = rows(path), opened(tmp_path)
    erase(store, whose("a"), Method.REDACT, [name for name in columns if name != "id"])
    assert rows(path) == [{**dict.fromkeys(columns), "id": "a"}, before[1]]
    erase(store, whose("b"), Method.DECORRELATE, u=str(UUID(int=0)), d="z", v="z")
    assert rows(path)[1] == {**before[1], "u": UUID(int=0), "d": "z", "v": "z"}


def test_far_times_of_the_old_type_survive(tmp_path: Path) -> None:
    """INT96 spans more than nanoseconds in 64 bits do: a "no end" in 9999 must not come back as 1816."""
    ends = [datetime(9999, 12, 31, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]
    columns = {"id": ["a", "b", "c"], "end": pa.array([ends[0], *ends], pa.timestamp("us"))}
    path = put(tmp_path, "far.parquet", columns, use_deprecated_int96_timestamps=True)
    fine = put(
        tmp_path, "near.parquet", {"id": ["a", "b"], "end": pa.array([1, 3], pa.timestamp("ns"))}, use_deprecated_int96_timestamps=True
    )
    erase(opened(tmp_path), whose("a"))
    assert pq.read_metadata(path).row_group(0).column(1).physical_type == "INT96"
    kept = pq.read_table(path, coerce_int96_timestamp_unit="us")["end"].cast(pa.timestamp("us", "UTC")).to_pylist()
    assert kept == ends
    assert pq.ParquetFile(fine).read()["end"].cast(pa.int64()).to_pylist() == [3]


def test_files_of_different_columns(tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", {"id": pa.array([7, 8], pa.int32()), "old": ["x", "y"]})
    put(tmp_path, "b.parquet", {"id": ["7", "9"]})
    store = opened(tmp_path)
    assert next(iter(store.describe())).fields == (Field("id", FieldType.TEXT), Field("old", FieldType.TEXT))
    assert len(addresses(store, whose("7"))) == store.verify(whose("7")).live == 2
    both = Selector("notes", any_of={"id": frozenset({"7"}), "old": frozenset({"x"})})
    assert len(addresses(store, both)) == store.verify(both).live == 1
    assert erase(store, whose("7"), Method.REDACT, ["old"]) == [1, 1]
    with pytest.raises(Drift):
        addresses(store, whose("7", field="new"))


def test_what_no_pattern_takes_is_told(tmp_path: Path) -> None:
    put(tmp_path, "points/a.parquet", {"id": ["a"]})
    put(tmp_path, "points/b.parq", {"id": ["a"]})
    put(tmp_path, "other/deep/c.parquet", {"who": [1, 2]})
    shapes = {shape.name: shape for shape in opened(tmp_path, "points").describe()}
    assert list(shapes) == ["notes", "(unlisted) other/**/*.parquet"]
    assert shapes["(unlisted) other/**/*.parquet"].about == 2
    with pytest.raises(UnknownStore):
        addresses(opened(tmp_path), Selector("(unlisted) other/**/*.parquet", any_of={"who": frozenset({1})}))


def test_rare_types_beside_are_kept_or_refused(tmp_path: Path) -> None:
    half = pa.array([0.5, 1.5], pa.float16())
    path = put(tmp_path, "half.parquet", {"id": ["a", "b"], "h": half, "m": pa.array([Decimal("1.5"), None], pa.decimal256(50, 1))})
    assert erase(opened(tmp_path), whose("a")) == [1]
    assert rows(path) == [{"id": "b", "h": 1.5, "m": None}]
    nested = pa.array([{"v": "x"}, {"v": "y"}], pa.struct([("v", pa.string_view())]))
    path = put(tmp_path, "nested.parquet", {"id": ["a", "b"], "s": nested})
    with pytest.raises(Refused):
        erase(opened(tmp_path), whose("a"))
    assert len(rows(path)) == 2


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        ("points/**/*.parquet", ["points/a.parquet", "points/x/y/a.parquet"], ["a.parquet", "points/a.csv", "pointsx/a.parquet"]),
        ("points", ["points/a.parquet", "points/x/a.parquet"], ["points/_metadata", "points/a.parquet.bak"]),
        ("*.parquet", ["a.parquet"], ["x/a.parquet", ".0a1b.expunge"]),
        ("a?[12].parquet", ["ab1.parquet"], ["a/1.parquet", "ab3.parquet"]),
        ("a[!1]*", ["a2x"], ["a1x", "a2/x"]),
        ("x/*/b", ["x/1/b"], ["x/b", "x/1/2/b"]),
        ("./a(b)+.parquet", ["a(b)+.parquet"], ["ab.parquet"]),
    ],
)
def test_patterns(pattern: str, taken: list[str], left: list[str]) -> None:
    assert [name for name in (*taken, *left) if Pattern(pattern).takes(name)] == taken


def test_partition_values_are_read_without_loss() -> None:
    name = "a=7/b=007/c=-1/d=2026-02-30/e=2026-02-28/f=99999999999999999999/g=x%3Dy/h=/i=__HIVE_DEFAULT_PARTITION__/x.parquet"
    assert partition_of(name) == {
        "a": 7,
        "b": "007",
        "c": -1,
        "d": "2026-02-30",
        "e": date(2026, 2, 28),
        "f": "9" * 20,
        "g": "x=y",
        "h": "",
        "i": None,
    }
