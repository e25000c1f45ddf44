"""What is particular to folders of Parquet files: layouts, partitions, sidecars, dictionaries, and being interrupted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.stores.lakes import Placed

from expunge.errors import Conflict, Drift, Refused, Unavailable, UnknownStore
from expunge.stores import arrow_file, parquet
from expunge.stores.base import Store
from expunge.stores.parquet_folder import LEFTOVER, Pattern, partition_of
from expunge.stores.registry import open_store
from expunge.terms import Field, FieldType, Method, Selector, Step, Value

MARK = "qzv7k2mw94xj"
ONE = UUID("c0beaabf-dc81-4b3f-8b64-036d39e39131")


def opened(root: Path, path: str = "**/*.parquet", *others: Placed) -> Store:
    return open_store("parquet", "lake", {"path": str(root)}, [Placed("notes", path, ("id",)), *others])


def put(root: Path, name: str, columns: dict[str, Any] | pa.Table, **options: Any) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(table, path, **{"compression": "none", **options})
    return path


def whose(*values: Value, field: str = "id", **more: Any) -> Selector:
    return Selector("notes", any_of={field: frozenset(values)}, **more)


def addresses(store: Store, selector: Selector) -> tuple[str, ...]:
    return tuple(one for batch in store.locate(selector) for one in batch.addresses)


def erase(store: Store, selector: Selector, method: Method = Method.DELETE, fields: Sequence[str] = (), **repoint: Value) -> list[int]:
    return list(store.erase(Step("notes", method, selector, addresses(store, selector), tuple(fields), repoint)))


def rows(path: Path) -> list[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        return file.read().to_pylist()  # type: ignore[no-any-return]  # of dictionaries, by its contract


def everywhere(root: Path) -> bytes:
    return b"".join(str(one).encode() + (one.read_bytes() if one.is_file() else b"") for one in sorted(root.rglob("*")))


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


def test_an_empty_partition_folder_is_history(tmp_path: Path) -> None:
    (tmp_path / f"person={MARK}").mkdir()
    put(tmp_path, "person=other/a.parquet", {"id": ["a"]})
    store = opened(tmp_path)
    assert store.verify(whose("a")).history == 1
    store.reclaim(whose("a"))
    assert store.verify(whose("a")).history == 0
    assert MARK.encode() not in everywhere(tmp_path)


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


def test_what_others_left_in_dictionary_pages_is_history(tmp_path: Path) -> None:
    table = pa.table({"id": pa.array(["a", MARK, "b"]).dictionary_encode(), "n": [1, 2, 3]})
    path = put(tmp_path, "a.parquet", table.filter(pa.array([True, False, True])), row_group_size=1)
    assert MARK.encode() in path.read_bytes()
    store = opened(tmp_path)
    residue = store.verify(whose(MARK))
    assert (residue.live, residue.history) == (0, 1)
    store.reclaim(whose(MARK))
    assert store.verify(whose(MARK)).history == 0
    assert MARK.encode() not in path.read_bytes()
    assert rows(path) == [{"id": "a", "n": 1}, {"id": "b", "n": 3}]


def test_nested_dictionaries_are_made_plain(tmp_path: Path) -> None:
    kind = pa.struct([("id", pa.dictionary(pa.int32(), pa.string()))])
    held = pa.StructArray.from_arrays([pa.array([MARK, "b"]).dictionary_encode()], fields=list(kind))
    path = put(tmp_path, "a.parquet", {"who": held})
    assert erase(opened(tmp_path), whose(MARK, field="who.id")) == [1]
    assert MARK.encode() not in path.read_bytes()
    assert rows(path) == [{"who": {"id": "b"}}]


def test_sidecars_with_statistics_go_others_stay(tmp_path: Path) -> None:
    collected: list[pq.FileMetaData] = []
    for name, owner in (("a", MARK), ("b", "bob")):
        put(tmp_path, f"points/{name}.parquet", {"id": [owner, "z"]}, metadata_collector=collected)
        collected[-1].set_file_path(f"{name}.parquet")
    schema = pq.read_schema(tmp_path / "points/a.parquet")
    pq.write_metadata(schema, tmp_path / "points/_metadata", metadata_collector=collected)
    pq.write_metadata(schema, tmp_path / "points/_common_metadata")
    store = opened(tmp_path, "points/*.parquet")
    assert store.verify(whose(MARK)).history == 0, "it tells the truth yet"
    erase(store, whose(MARK))
    assert MARK.encode() not in everywhere(tmp_path)
    assert [one.name for one in sorted((tmp_path / "points").iterdir())] == ["_common_metadata", "a.parquet", "b.parquet"]


def test_a_sidecar_that_lies_is_history(tmp_path: Path) -> None:
    collected: list[pq.FileMetaData] = []
    put(tmp_path, "points/a.parquet", {"id": [MARK, "z"]}, metadata_collector=collected)
    collected[-1].set_file_path("a.parquet")
    pq.write_metadata(pq.read_schema(tmp_path / "points/a.parquet"), tmp_path / "points/_metadata", metadata_collector=collected)
    put(tmp_path, "points/a.parquet", {"id": ["z"]})
    store = opened(tmp_path, "points/*.parquet")
    assert store.verify(whose(MARK)).history == 1
    store.reclaim(whose(MARK))
    assert MARK.encode() not in everywhere(tmp_path)
    assert store.verify(whose(MARK)).history == 0


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


def test_five_kinds_of_nothing(tmp_path: Path) -> None:
    """Missing, misspelt, damaged, elsewhere and empty are different answers."""
    with pytest.raises(Drift, match="no such folder"):
        opened(tmp_path / "missing").verify(whose("a"))
    with pytest.raises(Drift, match="folder is missing"):
        opened(tmp_path, "pionts/*.parquet").verify(whose("a"))
    put(tmp_path, "points/a.parquet", {"id": ["a"]})
    with pytest.raises(Drift, match="takes no file"):
        opened(tmp_path, "points/*.parqet").verify(whose("a"))
    (tmp_path / "points/b.parquet").write_bytes(b"PAR1 no footer PAR1")
    with pytest.raises(Drift, match="not the Parquet"):
        opened(tmp_path).verify(whose("a"))
    (tmp_path / "lost").symlink_to(tmp_path / "unmounted")
    with pytest.raises(Unavailable):
        opened(tmp_path / "lost").verify(whose("a"))
    (tmp_path / "empty").mkdir()
    assert opened(tmp_path, "empty/*.parquet", Placed("points", "points/*.parquet")).verify(whose("a")).scanned == 0
    with pytest.raises(Drift):
        opened(tmp_path, "../elsewhere/*.parquet")


@pytest.mark.parametrize("log", ["_delta_log/00000000000000000000.json", "metadata/v1.metadata.json", ".hoodie/hoodie.properties"])
def test_a_table_s_files_are_left_to_its_own_store(tmp_path: Path, log: str) -> None:
    path = put(tmp_path, "table/day=1/a.parquet", {"id": ["a"]})
    put(tmp_path, "tables/a.parquet", {"id": ["a"]})
    (tmp_path / "table" / log).parent.mkdir()
    (tmp_path / "table" / log).write_text("{}")
    for pattern in ("**/*.parquet", "table"):
        with pytest.raises(Drift, match="table's"):
            erase(opened(tmp_path, pattern), whose("a"))
    assert rows(path) == [{"id": "a"}]
    assert erase(opened(tmp_path, "tables/*.parquet"), whose("a")) == [1]
    assert [shape.name for shape in opened(tmp_path, "tables/*.parquet").describe()] == ["notes"]


def test_two_columns_of_one_name_are_drift(tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["id", "id"]))
    with pytest.raises(Drift):
        addresses(opened(tmp_path), whose("a"))


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


def test_links(tmp_path: Path) -> None:
    """A link to a file stays one, and what it leads to is rewritten; a folder elsewhere is not silently left out."""
    lake, outside = tmp_path / "lake", tmp_path / "outside"
    target = put(outside, "real.parquet", {"id": ["a", "b"]})
    lake.mkdir()
    (lake / "a.parquet").symlink_to(target)
    put(lake, "day=1/b.parquet", {"id": ["c"]})
    (lake / "latest").symlink_to(lake / "day=1")
    assert erase(opened(lake), whose("a", "c")) == [1, 1]
    assert (lake / "a.parquet").is_symlink()
    assert rows(target) == [{"id": "b"}]
    (lake / "more").symlink_to(outside)
    with pytest.raises(Drift, match="link"):
        addresses(opened(lake), whose("a"))


def test_a_file_that_changes_meanwhile_is_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, "a.parquet", {"id": ["a", "b"]})
    rewrite = arrow_file.rewrite

    def interrupted(*args: Any) -> tuple[int, int]:
        put(tmp_path, "a.parquet", {"id": ["a", "b", "c"]})
        return rewrite(*args)

    monkeypatch.setattr(parquet, "rewrite", interrupted)
    with pytest.raises(Conflict):
        erase(opened(tmp_path), whose("a"))
    monkeypatch.undo()
    assert [row["id"] for row in rows(path)] == ["a", "b", "c"]
    assert [one.name for one in tmp_path.iterdir()] == ["a.parquet"]
    assert erase(opened(tmp_path), whose("a")) == [1]
    assert [row["id"] for row in rows(path)] == ["b", "c"]


def test_two_rewriters_of_one_file_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, "a.parquet", {"id": ["a", "b", "c"]})
    rewrite = arrow_file.rewrite

    def both(*args: Any) -> tuple[int, int]:
        monkeypatch.undo()
        with pytest.raises(Conflict):
            erase(opened(tmp_path), whose("b"))
        return rewrite(*args)

    monkeypatch.setattr(parquet, "rewrite", both)
    assert erase(opened(tmp_path), whose("a")) == [1]
    assert [row["id"] for row in rows(path)] == ["b", "c"]


KILLED = """
import os, signal, sys
from expunge.stores import parquet_folder
from expunge.stores.registry import open_store
from expunge.terms import Method, Selector, Step
from tests.stores.lakes import Placed

root, moment = sys.argv[1], int(sys.argv[2])
store = open_store("parquet", "lake", {"path": root}, [Placed("notes", "*.parquet")])
selector = Selector("notes", any_of={"id": frozenset({"a"})})
places = tuple(one for batch in store.locate(selector) for one in batch.addresses)
calls = 0
def count(real):
    def counted(*args):
        global calls
        calls += 1
        if calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args)
    return counted
for name in ("fsync", "fchmod"):
    setattr(os, name, count(getattr(os, name)))
for done in store.erase(Step("notes", Method.DELETE, selector, places)):
    print(done, flush=True)
"""


@pytest.mark.parametrize("moment", range(1, 10))
def test_killed_in_the_middle_nothing_is_lost_or_half_done(tmp_path: Path, moment: int) -> None:
    for number in range(3):
        put(tmp_path, f"{number}.parquet", {"id": ["a", "b"], "n": [number, number]})
    store, selector = opened(tmp_path, "*.parquet"), whose("a")
    places = addresses(store, selector)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(moment)], capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    assert killed.returncode == -9, killed.stderr
    announced = sum(map(int, killed.stdout.split()))
    assert not set(places[:announced]) & set(addresses(store, selector)), "announced, and still there"
    assert store.verify(whose("b")).live == 3, "no file is half written"
    left = [one for one in tmp_path.iterdir() if one.name.endswith(LEFTOVER)]
    assert store.verify(selector).history == len(left)
    assert sum(store.erase(Step("notes", Method.DELETE, selector, places[announced:]))) == len(places) - announced
    store.reclaim(selector)
    residue = store.verify(selector)
    assert (residue.scanned, residue.live, residue.history) == (3, 0, 0)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["0.parquet", "1.parquet", "2.parquet"]


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
