"""Listing a field's values: what each medium adds to the laws."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from deltalake import write_deltalake

from expunge.errors import Drift
from expunge.stores.base import Lister
from expunge.stores.registry import open_store
from expunge.terms import Value
from expunge.testing.services import PostgreSQL
from tests.stores.lakes import Placed, vector

MARKS = {"delta.enableDeletionVectors": "true"}


def listed(store: object, collection: str, field: str) -> list[Value]:
    assert isinstance(store, Lister)
    return [value for batch in store.distinct(collection, field) for value in batch]


def test_a_collation_that_folds_hides_nobody_in_sqlite(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "app.db") as session:
        session.execute("create table people (name text collate nocase, code)")
        session.execute("create index people_name on people (name)")
        session.executemany("insert into people values (?, ?)", [("ann", 1), ("ANN", "1"), ("Ann ", 1.5), (None, None), ("ann", 1)])
    session.close()
    store = open_store("sql", "app", {"url": f"sqlite:///{tmp_path}/app.db"}, ())
    assert sorted(map(str, listed(store, "people", "name"))) == ["ANN", "Ann ", "ann"]
    assert sorted(map(str, listed(store, "people", "code"))) == ["1", "1.5"], "a column without a type is text"
    store.close()


def test_postgresql_lists_each_value_once(postgresql_server: PostgreSQL) -> None:
    url = postgresql_server.database()
    engine = sa.create_engine(url)
    with engine.begin() as session:
        session.exec_driver_sql("create table people (name varchar(9), key uuid, doc jsonb)")
        session.exec_driver_sql("insert into people select 'ann', md5('a')::uuid, '{}' from generate_series(1, 25000)")
        session.exec_driver_sql("insert into people values ('ANN', null, null), (null, null, null)")
    engine.dispose()
    store = open_store("sql", "app", {"url": url}, ())
    assert sorted(map(str, listed(store, "people", "name"))) == ["ANN", "ann"]
    assert listed(store, "people", "key") == [UUID("0cc175b9-c0f1-b6a8-31c3-99e269772661")]
    with pytest.raises(Drift, match="can't be selected by"):
        listed(store, "people", "doc")
    store.close()


def test_statements_do_not_grow_with_values(tmp_path: Path) -> None:
    counts = []
    for size in (10, 30_000):
        path = tmp_path / f"{size}.db"
        with sqlite3.connect(path) as session:
            session.execute("create table people (id integer primary key)")
            session.executemany("insert into people values (?)", ((number,) for number in range(size)))
        session.close()
        store = open_store("sql", "app", {"url": f"sqlite:///{path}"}, ())
        assert len(listed(store, "people", "id")) == size
        counts.append(store.statements)  # type: ignore[attr-defined]  # the SQL store is a Counter
        store.close()
    assert counts[0] == counts[1]


class Keyed(Placed):
    """A collection of objects."""

    @property
    def layout(self) -> dict[str, object]:
        return {"objects": self.path}


def test_old_versions_are_listed(tmp_path: Path) -> None:
    for name in ("voice/7/a.wav", ".versions/voice/8/b.wav/1"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    store = open_store("objects", "media", {"url": str(tmp_path), "versions": "folder"}, [Keyed("voice", "voice/{who}/{clip}.wav")])
    assert sorted(map(str, listed(store, "voice", "who"))) == ["7", "8"]
    assert sorted(map(str, listed(store, "voice", "key"))) == ["voice/7/a.wav", "voice/8/b.wav"]
    for field in ("last_modified", "body", "whom"):
        with pytest.raises(Drift):
            listed(store, "voice", field)


def test_logs_list_every_value_of_a_list_and_of_every_type(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"who": [{"id": 7}, {"id": "x"}]}\n{"who": {"id": true}}\n{"who": {"id": 1}}\n{"torn\n{"who": null}\n'
    )
    store = open_store("jsonl", "logs", {"path": str(tmp_path)}, [Placed("lines", "*.jsonl", ("who[].id",))])
    assert {repr(one) for one in listed(store, "lines", "who[].id")} == {"7", "'x'", "True", "1"}


def table(rows: Iterable[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows))


def test_lakes_list_nested_fields_partitions_and_living_rows(tmp_path: Path) -> None:
    (tmp_path / "flat" / "kid=9").mkdir(parents=True)
    pq.write_table(table([{"who": {"id": 1}}, {"who": None}, {"who": {"id": 2}}]), tmp_path / "flat" / "kid=9" / "a.parquet")
    flat = open_store("parquet", "lake", {"path": str(tmp_path / "flat")}, [Placed("points", "**/*.parquet")])
    assert listed(flat, "points", "who.id") == [1, 2]
    assert listed(flat, "points", "kid") in ([9], ["9"])
    with pytest.raises(Drift):
        listed(flat, "points", "whom")
    write_deltalake(
        tmp_path / "lake" / "points", table([{"who": 1, "at": [1]}, {"who": 2, "at": [2]}, {"who": 2, "at": [3]}]), configuration=MARKS
    )
    (name,) = (one.name for one in (tmp_path / "lake" / "points").glob("*.parquet"))
    vector(tmp_path / "lake" / "points", name, [0])
    deep = open_store("delta", "lake", {"path": str(tmp_path / "lake")}, [Placed("points", "points")])
    assert listed(deep, "points", "who") == [2]
    with pytest.raises(Drift):
        listed(deep, "points", "at")
