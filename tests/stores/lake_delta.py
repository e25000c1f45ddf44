"""How the tests make and read Delta by other means than the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, WriterProperties, write_deltalake

from expunge.stores.base import Store
from expunge.stores.registry import open_store
from tests.stores.lakes import Placed

PLAIN = WriterProperties(compression="UNCOMPRESSED")


def opened(root: Path, path: str = "", **options: Any) -> Store:
    return open_store("delta", "lake", {"path": str(root), **options}, [Placed("notes", path)])


def put(root: Path, *commits: dict[str, Any], partition: list[str] | None = None, **configuration: str) -> Path:
    for columns in commits:
        write_deltalake(
            root,
            pa.table(columns),
            mode="append",
            partition_by=partition,
            configuration={f"delta.{name}": value for name, value in configuration.items()},
            writer_properties=PLAIN,
        )
    return root


def rows(root: Path) -> list[dict[str, Any]]:
    found = pa.table(DeltaTable(root).scan()).to_pylist()
    return sorted(found, key=lambda row: str(row.get("id")) + str(row))


def everywhere(root: Path) -> bytes:
    """Names, bytes, and what checkpoints and data files hold once decompressed."""
    held = b""
    for one in sorted(root.rglob("*")):
        held += str(one.relative_to(root)).encode()
        if one.is_file():
            held += one.read_bytes()
            held += str(pq.ParquetFile(one).read().to_pylist()).encode() if one.suffix == ".parquet" else b""
    return held


def log_since(root: Path, version: int) -> str:
    return "".join(one.read_text() for one in sorted(root.glob("_delta_log/*.json")) if int(one.stem) > version)
