"""What can go wrong with a Delta table: other writers, its own rules, a damaged log, being killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from expunge.errors import Conflict, Drift, Refused, Unavailable
from expunge.stores import delta_commit
from expunge.stores.delta_log import snapshot
from expunge.stores.delta_place import place
from expunge.terms import Field, FieldType, Method, Step
from tests.stores.lake_delta import everywhere, opened, put, rows
from tests.stores.lakes import MARK, addresses, erase, whose


def test_a_log_of_another_form_is_drift(tmp_path: Path) -> None:
    put(tmp_path, {"id": ["a"]})
    (tmp_path / f"_delta_log/{1:020}.json").write_text('{"add": ["not", "an", "action"]}\n')
    with pytest.raises(Drift):
        opened(tmp_path).verify(whose("a"))
    with pytest.raises(Drift):
        snapshot(place(str(tmp_path), "", {}), "")


def test_a_commit_in_between_is_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"id": ["a", "b"]})
    commit = delta_commit._commit

    def late(*args: Any) -> None:
        DeltaTable(tmp_path).delete("id = 'b'")
        commit(*args)

    monkeypatch.setattr(delta_commit, "_commit", late)
    with pytest.raises(Conflict):
        erase(opened(tmp_path), whose("a"))
    monkeypatch.undo()
    assert rows(tmp_path) == [{"id": "a"}]
    assert len(list(tmp_path.glob("*.parquet"))) == 2, "our file is gone again"
    assert erase(opened(tmp_path), whose("a")) == [1]


def test_an_append_in_between_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"id": ["a", "b"]})
    commit = delta_commit._commit

    def late(*args: Any) -> None:
        put(tmp_path, {"id": ["a", "c"]})
        commit(*args)

    monkeypatch.setattr(delta_commit, "_commit", late)
    assert erase(opened(tmp_path), whose("a")) == [1]
    assert [row["id"] for row in rows(tmp_path)] == ["a", "b", "c"], "what came later was not addressed"


def test_rules_of_the_table_are_kept(tmp_path: Path) -> None:
    put(tmp_path, {"id": ["a", "b"], "n": [1, 2], "m": [1, 2]})
    DeltaTable(tmp_path).alter.add_constraint({"positive": "n > 0"})
    store = opened(tmp_path)
    assert [(one.name, one.checked) for one in store.describe()[0].fields] == [("id", False), ("n", True), ("m", False)]
    with pytest.raises(Refused, match="constraint"):
        erase(store, whose("a"), Method.REDACT, ["n"])
    assert erase(store, whose("a"), Method.REDACT, ["m"]) == [1]
    DeltaTable(tmp_path).alter.set_table_properties({"delta.appendOnly": "true"})
    with pytest.raises(Refused, match="append-only"):
        erase(store, whose("a"))


def test_required_fields_are_refused(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("n", pa.int64())])
    write_deltalake(tmp_path, pa.table({"id": ["a"], "n": [1]}, schema=schema))
    store = opened(tmp_path)
    assert store.describe()[0].field("id") == Field("id", FieldType.TEXT, nullable=False)
    with pytest.raises(Refused, match="null"):
        erase(store, whose("a"), Method.REDACT, ["id"])


def test_five_kinds_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(Drift):
        opened(tmp_path / "missing").verify(whose("a"))
    with pytest.raises(Drift):
        opened(tmp_path, "nowhere").verify(whose("a"))
    put(tmp_path / "notes", {"id": ["a"]})
    (tmp_path / "lost").symlink_to(tmp_path / "unmounted")
    with pytest.raises(Unavailable):
        opened(tmp_path / "lost", "notes").verify(whose("a"))
    erase(opened(tmp_path, "notes"), whose("a"))
    residue = opened(tmp_path, "notes").verify(whose("a"))
    assert (residue.scanned, residue.live) == (0, 0)
    with pytest.raises(Drift):
        opened(tmp_path, "../elsewhere")


ROOT = Path(__file__).parents[2]

KILLED = """
import os, signal, sys
from expunge.stores import {module} as module
from expunge.stores.registry import open_store
from expunge.terms import Method, Selector, Step
from tests.stores.lakes import Placed

store = open_store("delta", "lake", {{"path": sys.argv[1], "batch": 1}}, [Placed("notes", "")])
selector = Selector("notes", any_of={{"id": frozenset({{"{mark}"}})}})
places = tuple(one for batch in store.locate(selector) for one in batch.addresses)
calls, real = 0, module.{name}
def counted(*args, **named):
    global calls
    calls += 1
    if calls == {moment}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **named)
module.{name} = counted
for done in store.erase(Step("notes", Method.DELETE, selector, places)):
    print(done, flush=True)
store.reclaim(selector)
"""
MOMENTS = [("delta_commit", "_commit", 1), ("delta_commit", "_commit", 2), ("delta", "vacuum", 1), ("delta", "forget", 1)]
MOMENTS += [("delta_reclaim", "_set", 1), ("delta_reclaim", "_sweep", 1), ("delta_reclaim", "_set", 2), ("delta_place.os", "fsync", 5)]


@pytest.mark.parametrize(("module", "name", "moment"), MOMENTS, ids=str)
def test_killed_in_the_middle_nothing_is_lost_or_half_done(tmp_path: Path, module: str, name: str, moment: int) -> None:
    put(tmp_path, *({"id": [MARK, "b"], "n": [number, number]} for number in range(3)), logRetentionDuration="interval 9 days")
    store, selector = opened(tmp_path, batch=1), whose(MARK)
    places = addresses(store, selector)
    importing, _, inner = module.partition(".")
    script = KILLED.format(module=importing, name=f"{inner}.{name}" if inner else name, moment=moment, mark=MARK)
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert killed.returncode == -9, killed.stderr
    announced = sum(map(int, killed.stdout.split()))
    assert not set(places[:announced]) & set(addresses(store, selector)), "announced, and still there"
    assert store.verify(whose("b")).live == 3
    assert sum(store.erase(Step("notes", Method.DELETE, selector, places[announced:]))) == len(places) - announced
    store.reclaim(selector)
    residue = store.verify(selector)
    assert (residue.scanned, residue.live, residue.history) == (3, 0, 0)
    assert MARK.encode() not in everywhere(tmp_path)
    assert DeltaTable(tmp_path).metadata().configuration["delta.logRetentionDuration"] == "interval 9 days"


def test_a_process_that_used_the_store_ends_in_peace(tmp_path: Path) -> None:
    """Readers that call back into Python from Arrow's threads abort every second process at its end."""
    put(tmp_path, *({"id": ["a", "b"]} for _ in range(3)))
    script = KILLED.format(module="delta", name="vacuum", moment=0, mark="a")
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr
