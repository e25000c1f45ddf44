"""The benchmark of recordings runs as its page says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.hunt.media.recordings import HOME

ROOT = HOME.parents[2]


def test_the_page_names_every_option() -> None:
    page = (ROOT / "docs/bench-hunt-media.md").read_text(encoding="utf-8")
    shown = subprocess.run(
        [sys.executable, "bench/hunt_media.py", "--help"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    )
    options = {word.strip("[],") for word in shown.stdout.split() if word.strip("[],").startswith("--")}
    assert {one for one in options if one not in page} <= {"--help"}


@pytest.mark.slow
def test_the_quick_form_gives_a_line_for_every_way_of_copying() -> None:
    ran = subprocess.run(
        [sys.executable, "bench/hunt_media.py", "--quick", "--json"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=500
    )
    rows = {row["name"]: row for row in map(json.loads, ran.stdout.splitlines())}
    assert {name.split(":")[0] for name in rows} == {"audio", "video", "still-of-clip", "snapshot"}
    whole = [row for name, row in rows.items() if name.startswith("audio:") and "recall" in row and "trim" not in name]
    assert len(whole) > 20
    assert min(row["recall"] for row in whole) >= 0.95
    assert all(row["others_found"] == 0 for row in rows.values() if "others_found" in row)
    assert rows["audio:other-recordings"]["found"] == rows["video:other-clips"]["found"] == 0
