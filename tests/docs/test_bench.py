"""The benchmark runs as its page says, and its lines are of the form that the page gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.postgresql
def test_the_quick_form_gives_a_line_for_every_row() -> None:
    ran = subprocess.run(
        [sys.executable, "bench/erase.py", "--quick", "--json"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=500
    )
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(row["name"], row["batch"]) for row in rows] == [("erase", 1), ("erase", 1_000), ("tap", 1)]
    assert all(isinstance(row["ratio"], float) and row["ratio"] > 0 for row in rows)
    one, many = (next(row for row in rows if row["name"] == "erase" and row["batch"] == batch) for batch in (1, 1_000))
    assert many["rows"] == 1_000 * one["rows"]
    assert many["statements_store_per_request"] < 1, "a statement for every person"
    # Only key batches may add statements: at 1,000 people a few for each table, and pages of targets in the control databases.
    assert many["statements_store"] < one["statements_store"] + 60
    assert many["statements_control"] < one["statements_control"] + 150
    assert rows[-1]["refused_p50_s"] <= rows[-1]["erased_p50_s"] <= rows[-1]["absent_p50_s"] <= rows[-1]["receipt_p50_s"]


@pytest.mark.slow
def test_one_child_is_measured_stage_by_stage() -> None:
    ran = subprocess.run(
        [sys.executable, "bench/child.py", "--quick", "--json"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=500
    )
    row = json.loads(ran.stdout)
    assert (row["name"], row["batch"], row["households"]) == ("child", 1, 500)
    assert {"request", "locate", "before", "erase", "keys", "after", "receipt"} <= row["stages"].keys()
    assert row["peak_mb"] == max(one["peak_mb"] for one in row["stages"].values()) > 0


@pytest.mark.parametrize("script", ["bench/erase.py", "bench/child.py", "bench/retain.py"])
def test_the_page_names_every_option(script: str) -> None:
    page = (ROOT / "docs/bench.md").read_text(encoding="utf-8")
    shown = subprocess.run([sys.executable, script, "--help"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    options = {word.rstrip(",") for word in shown.stdout.split() if word.startswith("--")}
    assert {one for one in options if one not in page} <= {"--help"}
