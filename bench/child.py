"""What it takes to erase one child among all households of the example's estate: seconds, CPU seconds and peak memory, stage by stage.

    python bench/child.py [--quick] [--households N] [--at DIR] [--json]

The estate is SQLite, folders, a Delta table, Parquet files and logs (``examples/home``); one that lies in ``DIR`` already is used as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import expunge
from expunge.app.library import Lease
from expunge.terms import Json

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `bench` and `examples`, when this file is run as a script

from bench.peak import peak_mb, reset_peak
from examples.home.estate import build
from examples.home.where import Amounts, Where

HOUSEHOLDS, QUICK_HOUSEHOLDS = 25_000, 500


class Stages:
    """Seconds, CPU seconds and peak memory of each kind of step, in the order in which they came."""

    def __init__(self) -> None:
        """Begin now."""
        self.rows: dict[str, dict[str, float]] = {}
        self._begin()

    def _begin(self) -> None:
        reset_peak()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def charge(self, stage: str) -> None:
        """Charge what happened since the last call."""
        row = self.rows.setdefault(stage, {"seconds": 0.0, "cpu": 0.0, "peak_mb": 0})
        row["seconds"] = round(row["seconds"] + time.perf_counter() - self._wall, 3)
        row["cpu"] = round(row["cpu"] + time.process_time() - self._cpu, 3)
        row["peak_mb"] = max(row["peak_mb"], peak_mb() or 0)
        self._begin()

    def watch(self, lease: Lease, event: str, _result: Json) -> None:
        """The library's watcher.

        Raises:
            RuntimeError: a step failed.
        """
        if event == "done":
            self.charge(f"reclaim {lease.store}" if lease.kind == "reclaim" else lease.kind)
        elif event != "started":
            msg = f"step {lease.name} ended {event}: a benchmark of what failed says nothing"
            raise RuntimeError(msg)


def measure(folder: Path) -> dict[str, Json]:
    """Erase the first child of the middle household of the estate in ``folder``."""
    with closing(sqlite3.connect(folder / "data" / "app.db")) as session:
        households = session.execute("SELECT count(*) FROM households").fetchone()[0]
        middle = "SELECT id FROM profiles WHERE household_id >= ? ORDER BY id LIMIT 1"
        child = session.execute(middle, (households * 2 // 5,)).fetchone()[0]
    held = sum(path.stat().st_size for path in (folder / "data").rglob("*") if path.is_file())
    os.chdir(folder)
    with expunge.open("expunge.yaml") as library:
        stages = Stages()
        run = library.request([f"child:{child}"], by="bench").runs[0]
        stages.charge("request")
        library.work(run.id, watch=stages.watch)
    row: dict[str, Json] = {"name": "child", "batch": 1, "ratio": None, "households": households, "estate_mb": held >> 20}
    row["peak_mb"] = max(one["peak_mb"] for one in stages.rows.values())
    for what in ("seconds", "cpu"):
        row[what] = round(sum(one[what] for one in stages.rows.values()), 2)
    return row | {"stages": {stage: dict(one) for stage, one in stages.rows.items()}}


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(description="Erasing one child among all households.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_HOUSEHOLDS} households: under a minute")
    parser.add_argument("--households", type=int, help=f"how many ({HOUSEHOLDS:,}); a thousand take 3 s and 12 MB")
    parser.add_argument("--at", type=Path, help="where the estate lies or is to be built, and stays; what is measured erases from it")
    parser.add_argument("--json", action="store_true", help="a JSON line instead of a table")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="expunge-bench-") as spare:
        folder = (chosen.at or Path(spare, "estate")).resolve()
        if not (folder / "expunge.yaml").exists():
            count = chosen.households or (QUICK_HOUSEHOLDS if chosen.quick else HOUSEHOLDS)
            build(Where(folder), count, 1, lambda _done, _asked: None, Amounts())
        row = measure(folder)
    if chosen.json:
        print(json.dumps(row))
        return
    print(f"{row['households']:,} households, {row['estate_mb']:,} MB: {row['seconds']} s, {row['cpu']} CPU s, peak {row['peak_mb']} MB")
    stages = row["stages"]
    assert isinstance(stages, dict)
    for stage, one in stages.items():
        assert isinstance(one, dict)
        print(f"{stage:20}{one['seconds']:>10} s{one['cpu']:>10} CPU s{one['peak_mb']:>8} MB")


if __name__ == "__main__":
    main()
