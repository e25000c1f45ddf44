"""What is particular to Delta tables: a log that quotes values, partitions, marked rows, other writers, and being interrupted."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from expunge.errors import Drift, Refused
from expunge.stores.delta_log import snapshot
from expunge.stores.delta_place import place
from expunge.stores.delta_reclaim import DEFAULTS
from expunge.stores.registry import open_store
from expunge.terms import Method, Selector, Shape, Step
from tests.stores.lake_delta import everywhere, log_since, opened, put, rows
from tests.stores.lakes import MARK, Placed, addresses, erase, vector, whose


def test_no_commit_quotes_an_identifier(tmp_path: Path) -> None:
    put(tmp_path, {"id": ["a", MARK, "z"], "body": ["x", f"said {MARK}", "y"], "n": [1, 2, 3]})
    store, selector = opened(tmp_path), whose(MARK)
    for version, work in enumerate(
        (
            {"method": Method.REDACT, "fields": ["body"]},
            {"method": Method.DECORRELATE, "body": "b"},
            {"method": Method.DELETE},
        )
    ):
        assert erase(store, selector, **work) == [1]  # type: ignore[arg-type]  # three forms of one call
        operations = [json.loads(line).get("commitInfo") for line in log_since(tmp_path, version).splitlines()]
        assert MARK not in str(operations)
        assert "numRecords" in log_since(tmp_path, version)
    assert MARK not in log_since(tmp_path, 2)
    assert [row["id"] for row in rows(tmp_path)] == ["a", "z"]


def test_statistics_of_new_files_serve_readers_and_never_lie(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "id": ["a", "b", "c" * 40],
            "n": pa.array([5, 1, 9], pa.int32()),
            "f": [0.5, float("inf"), 1.5],
            "d": [date(2026, 1, 1), date(2026, 1, 3), None],
            "t": [datetime(2026, 1, 1, tzinfo=UTC)] * 3,
            "b": [True, False, None],
        },
    )
    erase(opened(tmp_path), whose("a"))
    (told,) = pa.table(DeltaTable(tmp_path).get_add_actions(flatten=True)).to_pylist()
    assert told["num_records"] == 2
    assert (told["min.n"], told["max.n"], told["null_count.d"]) == (1, 9, 1)
    assert (told["min.d"], told["max.d"]) == (date(2026, 1, 3), date(2026, 1, 3))
    assert told.get("max.id") is None
    assert told.get("max.f") is None
    assert rows(tmp_path)[0]["n"] == 9 or rows(tmp_path)[1]["n"] == 9


def test_partitions_of_every_type_and_awkward_texts(tmp_path: Path) -> None:
    columns = {
        "id": ["a b/c%=#é", MARK, None, "7"],
        "n": pa.array([1, 2, None, 4], pa.int32()),
        "d": [date(2026, 1, 1)] * 4,
        "t": [datetime(2026, 1, 1, 1, 2, 3, 4, tzinfo=UTC)] * 4,
        "k": pa.array([Decimal("1.50")] * 4, pa.decimal128(10, 2)),
        "x": [1, 2, 3, 4],
    }
    two = {**columns, "x": [5, 6, 7, 8]}
    put(tmp_path, columns, two, partition=["id", "n", "d", "t", "k"])
    store = opened(tmp_path)
    for selector, truth in (
        (whose("a b/c%=#é"), {1, 5}),
        (whose(7), {4, 8}),
        (whose("2", field="n"), {2, 6}),
        (whose(datetime(2026, 1, 1, 1, 2, 3, 4, tzinfo=UTC), field="t"), set(range(1, 9))),
        (whose("1.5", field="k"), set(range(1, 9))),
        (Selector("notes", any_of={"d": frozenset({"2026-01-01"}), "x": frozenset({3, 4})}), {3, 4}),
    ):
        batches = list(store.locate(selector, ("x", "t")))
        assert {one for batch in batches for one in batch.carried["x"]} == truth
        assert {one for batch in batches for one in batch.carried["t"]} == set(columns["t"])
        assert store.verify(selector).live == len(truth)
    assert sum(erase(store, Selector("notes", any_of={"id": frozenset({"a b/c%=#é"}), "x": frozenset({1})}))) == 1
    assert sum(erase(store, whose(3, field="x"))) == 1
    assert sum(erase(store, whose(MARK))) == 2
    assert sorted(row["x"] for row in rows(tmp_path)) == [4, 5, 7, 8]
    assert sum(erase(store, whose("a b/c%=#é"), Method.DECORRELATE, x=0)) == 1
    with pytest.raises(Refused):
        erase(store, whose("7"), Method.REDACT, ["id"])
    assert store.reclaim(whose(MARK)).how
    assert MARK.encode() not in everywhere(tmp_path)
    assert (store.verify(whose(MARK)).history, store.verify(whose("7")).live) == (0, 2)
    assert sorted(row["x"] for row in rows(tmp_path)) == [0, 4, 7, 8]


def test_rows_that_differ_only_where_nothing_compares_are_told_apart(tmp_path: Path) -> None:
    put(tmp_path, {"id": ["a"] * 4, "l": [[1], [2], [2], None]}, {"id": ["a", "b"], "l": [[2], [2]]})
    store = opened(tmp_path, batch=1)
    found = addresses(store, whose("a"))
    assert len(set(found)) == store.verify(whose("a")).live == 5
    contents = {record.address: record.fields["l"] for record in store.read("notes", found)}  # type: ignore[attr-defined]  # a Reader
    twos = [address for address in found if contents[address] == [2]]
    assert len(twos) == 3
    assert sum(store.erase(Step("notes", Method.DELETE, whose("a"), tuple(twos[1:2])))) == 1, "twins share their fate"
    assert [row["l"] for row in rows(tmp_path) if row["id"] == "a"] == [None, [1]]


def marked(tmp_path: Path) -> Path:
    """A table of three files; in the first, Mark's row is marked as deleted, in the third every row is."""
    put(tmp_path, {"id": ["a", MARK, "z"], "n": [1, 2, 3]}, enableDeletionVectors="true")
    put(tmp_path, {"id": [MARK, "b"], "n": [4, 5]}, {"id": [MARK], "n": [6]})
    names = {len(pq.ParquetFile(one).read()): one.name for one in tmp_path.glob("*.parquet")}
    vector(tmp_path, names[3], [1])
    vector(tmp_path, names[1], [0])
    return tmp_path


def test_marked_rows_are_history_and_go(tmp_path: Path) -> None:
    store = opened(marked(tmp_path))
    assert [row["n"] for row in rows(tmp_path)] == [1, 5, 4, 3]
    residue = store.verify(whose(MARK))
    assert (residue.scanned, residue.live) == (4, 1)
    assert residue.history is not None
    assert residue.history >= 2
    assert len(addresses(store, whose(MARK))) == 1
    assert erase(store, whose(MARK)) == [1]
    store.reclaim(whose(MARK))
    assert MARK.encode() not in everywhere(tmp_path)
    assert (store.verify(whose(MARK)).live, store.verify(whose(MARK)).history) == (0, 0)
    assert [row["n"] for row in rows(tmp_path)] == [1, 5, 3]


def test_a_living_row_beside_a_marked_one_is_erased(tmp_path: Path) -> None:
    store = opened(marked(tmp_path))
    assert erase(store, whose("z")) == [1]
    assert [row["n"] for row in rows(tmp_path)] == [1, 5, 4]
    assert store.verify(whose("a")).live == 1
    assert addresses(opened(tmp_path), whose(MARK, "z")) == addresses(store, whose(MARK))


def test_marked_rows_of_nobody_concerned_stay_marked(tmp_path: Path) -> None:
    """And the marks survive: a full vacuum by the library would take them, and with them the table."""
    store = opened(marked(tmp_path))
    erase(store, whose("b"))
    store.reclaim(whose("b"))
    assert len(pa.table(DeltaTable(tmp_path).deletion_vectors())) == 2
    assert len(list(tmp_path.glob("*.parquet"))) == 3
    assert store.verify(whose("b")).history == 0
    assert len(addresses(store, whose(MARK))) == 1


def test_change_data_goes_with_full_reclaim(tmp_path: Path) -> None:
    put(tmp_path, {"id": ["a", MARK]}, enableChangeDataFeed="true")
    DeltaTable(tmp_path).delete(f"id = '{MARK}'")
    assert list(tmp_path.glob("_change_data/*.parquet"))
    store = opened(tmp_path)
    residue = store.verify(whose(MARK))
    assert residue.live == 0
    assert residue.history == 1 + 1 + 2, "the old file, the change, and both commits that speak of the old file"
    store.reclaim(whose(MARK))
    assert MARK.encode() not in everywhere(tmp_path)
    assert store.verify(whose(MARK)).history == 0


def test_our_log_reader_follows_checkpoints(tmp_path: Path) -> None:
    put(tmp_path, *({"id": [str(number)], "day": [f"d {number % 2}"]} for number in range(4)), partition=["day"])
    DeltaTable(tmp_path).create_checkpoint()
    put(tmp_path, {"id": ["4"], "day": ["d 0"]})
    erase(opened(tmp_path), whose("1"))
    told = snapshot(place(str(tmp_path), "", {}), "")
    assert (told.version, told.checkpoint, len(told.live)) == (5, 3, 4)
    assert {one.partition["day"] for one in told.live} == {"d 0", "d 1"}
    assert len(told.stale) == 3, "the commit that added the file, the checkpoint that lists it, and the one that removed it"
    for early in range(3):
        (tmp_path / f"_delta_log/{early:020}.json").unlink()
    assert opened(tmp_path).verify(whose("0")).live == 1
    (tmp_path / f"_delta_log/{4:020}.json").unlink()
    with pytest.raises(Drift, match="commit is missing"):
        snapshot(place(str(tmp_path), "", {}), "")


def test_vacuum_keeps_the_log_and_says_until_when(tmp_path: Path) -> None:
    put(tmp_path, {"id": ["a", MARK]}, logRetentionDuration="interval 2 weeks")
    store = opened(tmp_path, reclaim="vacuum")
    erase(store, whose(MARK))
    before = datetime.now(UTC)
    assert store.reclaim(whose(MARK)).note
    residue = store.verify(whose(MARK))
    assert residue.history == 2
    assert residue.clears_at is not None
    assert timedelta(0) < before + timedelta(weeks=2) - residue.clears_at < timedelta(minutes=5)
    assert len(list(tmp_path.glob("*.parquet"))) == 1
    assert opened(tmp_path).verify(whose(MARK)).clears_at is None, "where reclaim ends it, no time is waited for"


def test_the_table_s_own_retention_comes_back(tmp_path: Path) -> None:
    put(tmp_path, {"id": ["a", MARK]}, logRetentionDuration="interval 2 weeks", appendOnly="false")
    store = opened(tmp_path)
    erase(store, whose(MARK))
    store.reclaim(whose(MARK))
    told = DeltaTable(tmp_path).metadata().configuration
    assert told["delta.logRetentionDuration"] == "interval 2 weeks"
    assert told["delta.deletedFileRetentionDuration"] == DEFAULTS["delta.deletedFileRetentionDuration"]
    assert told["delta.appendOnly"] == "false"
    version = DeltaTable(tmp_path).version()
    store.reclaim(whose(MARK))
    assert DeltaTable(tmp_path).version() == version, "where nothing is left, nothing is committed"


def test_other_writers_leftovers_in_the_log_go(tmp_path: Path) -> None:
    put(tmp_path, {"id": ["a", MARK]})
    erase(opened(tmp_path), whose(MARK))
    old = json.dumps({"allFiles": [{"path": "gone.parquet", "stats": MARK}]})
    (tmp_path / f"_delta_log/{0:020}.crc").write_text(old)
    (tmp_path / f"_delta_log/{0:020}.{1:020}.compacted.json").write_text(json.dumps({"add": {"path": "gone.parquet", "stats": MARK}}))
    store = opened(tmp_path)
    assert store.verify(whose("a")).live == 1
    store.reclaim(whose(MARK))
    assert MARK.encode() not in everywhere(tmp_path)
    assert store.verify(whose(MARK)).history == 0


def test_columns_that_came_later(tmp_path: Path) -> None:
    put(tmp_path, {"id": ["a", "b"]})
    write_deltalake(tmp_path, pa.table({"id": ["a"], "who": [{"n": 1}]}), mode="append", schema_mode="merge")
    store = opened(tmp_path)
    assert len(addresses(store, whose("a"))) == 2
    assert len(addresses(store, whose("1", field="who.n"))) == store.verify(whose("1", field="who.n")).live == 1
    assert sum(erase(store, whose("a"), Method.REDACT, ["who.n"])) == 2
    assert rows(tmp_path)[0] == {"id": "a", "who": None}
    assert {"id": "a", "who": {"n": None}} in rows(tmp_path)


def test_tables_that_nobody_listed_are_told(tmp_path: Path) -> None:
    put(tmp_path / "notes", {"id": ["a"]})
    put(tmp_path / "deep/other", {"who": [1, 2]})
    shapes = {shape.name: shape for shape in opened(tmp_path, "notes").describe()}
    (tmp_path / "torn/_delta_log").mkdir(parents=True)
    assert list(shapes) == ["notes", "(unlisted) deep/other"]
    assert opened(tmp_path, "notes").describe()[-1] == Shape("(unlisted) torn", ())
    assert shapes["(unlisted) deep/other"].about == 2


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    put(tmp_path / "no tes", {"id": ["a"]})
    store = open_store("delta", "lake", {"url": (tmp_path / "no tes").as_uri()}, [Placed("notes", "")])
    assert len(addresses(store, whose("a"))) == 1


def test_local_files_alone_are_opened_by_the_system(tmp_path: Path) -> None:
    assert place(str(tmp_path), "x", {}).root == tmp_path
    assert place("s3://bucket/lake/", "x", {}).address == "s3://bucket/lake/x"
    assert place("s3://bucket/lake/", "x", {}).root is None
