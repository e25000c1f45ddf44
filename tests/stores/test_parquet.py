"""Parquet folders: the laws, and what is particular to files of columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expunge.stores.base import Store
from expunge.stores.registry import open_store
from expunge.testing.conformance import FIELDS, Harness, Row, StoreLaws
from tests.stores.lakes import SCHEMA, Placed


def opened(root: Path, path: str = "points/**/*.parquet") -> Store:
    return open_store("parquet", "lake", {"path": str(root)}, [Placed("notes", path)])


class FolderHarness(Harness):
    """Four files of two row groups each, uncompressed so that a grep means something."""

    bulk = 40
    parts = 4

    def __init__(self, root: Path) -> None:
        self.true = root / "true"
        self.link = root / "lake"
        self.files = self.true / "points" / "deep"
        self.files.mkdir(parents=True)
        self.link.symlink_to(self.true)

    def open(self) -> Store:
        return opened(self.link)

    def seed(self, rows: Iterable[Row]) -> None:
        for old in self.files.glob("*.parquet"):
            old.unlink()
        rows = list(rows)
        for part in range(self.parts):
            chosen = [dict(zip(FIELDS, astuple(one), strict=True)) for one in rows[part :: self.parts]]
            self.write(pa.Table.from_pylist(chosen, SCHEMA), part)

    def write(self, table: pa.Table, part: int) -> None:
        size = max(1, table.num_rows // 2)
        pq.write_table(table, self.files / f"part-{part}.parquet", row_group_size=size, compression="none", write_page_index=True)

    def bury(self, rows: Iterable[Row]) -> bool:
        """What a rewrite left that was killed."""
        table = pa.Table.from_pylist([dict(zip(FIELDS, astuple(one), strict=True)) for one in rows], SCHEMA)
        pq.write_table(table, self.files / ".0123456789abcdef.expunge", compression="none")
        return True

    def dump(self) -> list[Row]:
        tables = [pq.ParquetFile(one).read() for one in sorted(self.files.glob("*.parquet"))]
        return [Row(**row) for table in tables for row in table.to_pylist()]

    def raw(self) -> Iterator[tuple[str, bytes]]:
        for one in self.true.rglob("*"):
            if one.is_file():
                yield one.name, one.read_bytes()

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
        before = {one: one.read_bytes() for one in self.files.glob("*.parquet")}
        for one in before:
            table = pq.ParquetFile(one).read()
            pq.write_table(table.rename_columns(["id", "proprietor", "number", "body", "at"]), one)
        try:
            yield
        finally:
            for one, held in before.items():
                one.write_bytes(held)


class CategoricalHarness(FolderHarness):
    """Texts as categories, zones that aren't UTC, and a reader's sidecar."""

    def write(self, table: pa.Table, part: int) -> None:
        schema = pa.schema(
            [
                SCHEMA.field("id"),
                ("owner", pa.dictionary(pa.int16(), pa.string())),
                SCHEMA.field("number"),
                ("body", pa.dictionary(pa.int32(), pa.large_string())),
                ("at", pa.timestamp("ns", "Europe/Berlin")),
            ]
        )
        super().write(table.cast(schema), part)

    def dump(self) -> list[Row]:
        tables = [pq.ParquetFile(one).read() for one in sorted(self.files.glob("*.parquet"))]
        plain = [table.cast(pa.schema([one.with_type(SCHEMA.field(one.name).type) for one in table.schema])) for table in tables]
        return [Row(**row) for table in plain for row in table.to_pylist()]


@pytest.fixture(params=[FolderHarness, CategoricalHarness], ids=["plain", "categorical"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    return request.param(tmp_path)  # type: ignore[no-any-return]  # one of the two classes above


class TestParquetLaws(StoreLaws):
    pass
