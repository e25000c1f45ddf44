"""What can go wrong with a folder of Parquet files: leftovers, other writers, missing and damaged files, being killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expunge.errors import Conflict, Drift, Unavailable
from expunge.stores import arrow_file, parquet_work
from expunge.stores.parquet_folder import LEFTOVER
from expunge.terms import Method, Step
from tests.stores.lake_parquet import everywhere, opened, put, rows
from tests.stores.lakes import MARK, Placed, addresses, erase, whose


def test_an_empty_partition_folder_is_history(tmp_path: Path) -> None:
    (tmp_path / f"person={MARK}").mkdir()
    put(tmp_path, "person=other/a.parquet", {"id": ["a"]})
    store = opened(tmp_path)
    assert store.verify(whose("a")).history == 1
    store.reclaim(whose("a"))
    assert store.verify(whose("a")).history == 0
    assert MARK.encode() not in everywhere(tmp_path)


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

    monkeypatch.setattr(parquet_work, "rewrite", interrupted)
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

    monkeypatch.setattr(parquet_work, "rewrite", both)
    assert erase(opened(tmp_path), whose("a")) == [1]
    assert [row["id"] for row in rows(path)] == ["b", "c"]


ROOT = Path(__file__).parents[2]

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
        [sys.executable, "-c", KILLED, str(tmp_path), str(moment)], capture_output=True, text=True, check=False, cwd=ROOT
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
