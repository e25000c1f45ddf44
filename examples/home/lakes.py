"""Writes the lake: a Delta table of points, partitioned by month, and plain Parquet files of roll-ups beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from examples.home.families import Row
from examples.home.outdoors import POINTS, ROLLUPS

POINT_TYPES = pa.schema(
    [
        ("person_id", pa.int64()),
        ("profile_id", pa.int64()),
        ("lat", pa.float64()),
        ("lon", pa.float64()),
        ("accuracy", pa.float64()),
        ("at", pa.timestamp("us", "UTC")),
        ("month", pa.string()),
    ]
)
ROLLUP_TYPES = pa.schema(
    [("who", pa.string()), ("kid", pa.int64()), ("geohash", pa.string()), ("week", pa.timestamp("us", "UTC")), ("visits", pa.int64())]
)

_MOST = 250_000
"""Points per commit at most: some 10 MB of Parquet, in memory as Python tuples about 100 MB."""


class LakeWriter:
    """Both tables being filled. ``expected`` is about how many points will come: a small estate too gets more than one commit."""

    def __init__(self, folder: Path, expected: int) -> None:
        """Make the folders."""
        self._table = folder / "locations"
        self._files = folder / "secondary" / "rollups"
        self._files.mkdir(parents=True)
        self._least = max(1, min(_MOST, expected // 3))
        self._points: list[Row] = []
        self._rollups: list[Row] = []
        self._parts = 0

    def write(self, points: Sequence[Row], rollups: Sequence[Row]) -> None:
        """Take rows in the order of ``outdoors.POINTS`` and ``outdoors.ROLLUPS``."""
        self._points += points
        self._rollups += rollups
        if len(self._points) >= self._least:
            self._flush()

    def finish(self) -> None:
        """Write what is left."""
        if self._points or not self._parts:
            self._flush()

    def _flush(self) -> None:
        write_deltalake(self._table, _arrow(self._points, POINTS, POINT_TYPES), mode="append", partition_by=["month"])
        rollups = _arrow(self._rollups, ROLLUPS, ROLLUP_TYPES)
        pq.write_table(rollups, self._files / f"part-{self._parts:05d}.parquet", row_group_size=50_000)
        self._parts += 1
        self._points, self._rollups = [], []


def _arrow(rows: Sequence[Row], names: Sequence[str], types: Any) -> Any:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table({name: pa.array(column, types.field(name).type) for name, column in zip(names, columns, strict=True)}, schema=types)
