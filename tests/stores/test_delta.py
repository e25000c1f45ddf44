"""Delta tables: the laws, and what is particular to a format that keeps its past."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, WriterProperties, write_deltalake

from expunge.stores.base import Store
from expunge.stores.registry import open_store
from expunge.testing.conformance import FIELDS, Harness, Row, StoreLaws
from tests.stores.lakes import SCHEMA, Placed

PLAIN = WriterProperties(compression="UNCOMPRESSED")
CONFIGURATIONS: dict[str, dict[str, str | None]] = {"plain": {}, "change-data": {"delta.enableChangeDataFeed": "true"}}


def opened(root: Path, path: str = "notes", **options: object) -> Store:
    return open_store("delta", "lake", {"path": str(root), "batch": 1, **options}, [Placed("notes", path)])


class TableHarness(Harness):
    """A table of four commits, its files uncompressed so that a grep means something."""

    bulk = 40
    examples = 15

    def __init__(self, root: Path, configuration: dict[str, str | None], partition: list[str] | None) -> None:
        self.true = root / "true"
        self.link = root / "lake"
        self.table = self.true / "notes"
        self.true.mkdir()
        self.link.symlink_to(self.true)
        self.configuration = configuration
        self.partition = partition

    def open(self) -> Store:
        return opened(self.link)

    def seed(self, rows: Iterable[Row]) -> None:
        shutil.rmtree(self.table, ignore_errors=True)
        rows = list(rows)
        for part in range(4):
            chosen = pa.Table.from_pylist([dict(zip(FIELDS, astuple(one), strict=True)) for one in rows[part::4]], SCHEMA)
            write_deltalake(
                self.table,
                chosen,
                mode="append",
                partition_by=self.partition,
                configuration=self.configuration,
                writer_properties=PLAIN,
            )

    def bury(self, rows: Iterable[Row]) -> bool:
        """What a table's own delete leaves: the files of older versions, and its predicate in the log."""
        table = pa.Table.from_pylist([dict(zip(FIELDS, astuple(one), strict=True)) for one in rows], SCHEMA)
        write_deltalake(self.table, table, mode="append", writer_properties=PLAIN)
        DeltaTable(self.table).delete(f"owner = '{table['owner'][0]}'")
        return True

    def dump(self) -> list[Row]:
        files = pafs.SubTreeFileSystem(str(self.table), pafs.LocalFileSystem())
        table = DeltaTable(self.table).to_pyarrow_dataset(filesystem=files).to_table()
        return [Row(**row) for row in table.select(list(FIELDS)).to_pylist()]

    def raw(self) -> Iterator[tuple[str, bytes]]:
        for one in self.true.rglob("*"):
            yield one.name, one.name.encode()
            if one.is_file():
                yield one.name, one.read_bytes()
                if one.name.endswith(".parquet"):
                    yield one.name, str(pq.ParquetFile(one).read().to_pylist()).encode()

    @contextmanager
    def outage(self) -> Iterator[None]:
        away = self.true.with_name("away")
        self.true.rename(away)
        try:
            yield
        finally:
            away.rename(self.true)

    @contextmanager
    def drift(self) -> Iterator[None]:
        kept = self.table.with_name("kept")
        self.table.rename(kept)
        renamed = SCHEMA.set(1, pa.field("proprietor", pa.string()))
        write_deltalake(self.table, pa.Table.from_pylist([{"id": 1, "proprietor": "ann-7é"}], renamed))
        try:
            yield
        finally:
            shutil.rmtree(self.table)
            kept.rename(self.table)


@pytest.fixture(params=["plain", pytest.param("change-data", marks=pytest.mark.slow)])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    return TableHarness(tmp_path, CONFIGURATIONS[request.param], None)


class TestDeltaLaws(StoreLaws):
    pass
