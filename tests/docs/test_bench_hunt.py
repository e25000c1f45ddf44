"""The hunt's benchmark runs as its page says: every option is named, and copies are found in a small estate."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _ran(*options: str) -> str:
    command = [sys.executable, "bench/hunt.py", *options]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=900).stdout


def test_the_page_names_every_option() -> None:
    page = (ROOT / "docs/bench-hunt.md").read_text(encoding="utf-8")
    options = {word.strip("[],") for word in _ran("--help").split() if word.strip("[],").startswith("--")}
    assert {one for one in options if one not in page} <= {"--help"}


@pytest.mark.slow
def test_the_quick_form_finds_what_it_says() -> None:
    lines = {line["name"]: line for line in map(json.loads, _ran("--quick", "--json").splitlines())}
    assert lines["false-alarms"]["found_per_million"] < 1
    assert lines["unreadable-told"]["unmentioned"] == []
    assert lines["text-100k"]["gb_per_cpu_s"] > 0
    for group, least in (("identifier", 0.99), ("text", 0.99), ("edited text", 0.95), ("in files", 0.99), ("bytes", 0.99), ("audio", 0.95)):
        assert lines[f"all: {group}"]["recall"] >= least, group
