"""How the tests make and read Parquet files by other means than the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from expunge.stores.base import Store
from expunge.stores.registry import open_store
from tests.stores.lakes import Placed


def opened(root: Path, path: str = "**/*.parquet", *others: Placed) -> Store:
    return open_store("parquet", "lake", {"path": str(root)}, [Placed("notes", path, ("id",)), *others])


def put(root: Path, name: str, columns: dict[str, Any] | pa.Table, **options: Any) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(table, path, **{"compression": "none", **options})
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        return file.read().to_pylist()  # type: ignore[no-any-return]  # of dictionaries, by its contract


def everywhere(root: Path) -> bytes:
    return b"".join(str(one).encode() + (one.read_bytes() if one.is_file() else b"") for one in sorted(root.rglob("*")))
