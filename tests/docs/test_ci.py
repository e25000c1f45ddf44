"""``.ci/run`` runs everything in order, and fails if anything fails."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from docs.generate import ROOT

TARGETS = ["lint", "test", "test-slow"]


@pytest.mark.parametrize("failing", ["", *TARGETS])
def test_all_three_run_and_any_failure_is_told(failing: str, tmp_path: Path) -> None:
    make, ran = tmp_path / "make", tmp_path / "ran"
    make.write_text(f'#!/bin/sh\necho "$1" >>{ran}\ntest "$1" != "{failing}"\n', encoding="utf-8")
    make.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([ROOT / ".ci/run"], env=environment, capture_output=True, text=True, check=False)
    assert ran.read_text(encoding="utf-8").split() == TARGETS
    assert (done.returncode == 0) == (failing == "")
    headings = [line for line in done.stdout.splitlines() if "make" in line and "FAILED" not in line]
    assert headings == [f"=== make {one} ===" for one in TARGETS]
