"""What is generated is current: run ``make docs`` when one of these fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generate import ROOT, facts, generated
from docs.store_table import ROWS, grade
from expunge.errors import Drift
from expunge.runtime.settings import SETTINGS
from expunge.stores.registry import KINDS


@pytest.mark.parametrize(("path", "text"), [pytest.param(path, text, id=path.name) for path, text in generated()])
def test_the_file_is_current(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run `make docs`"


def test_every_kind_of_store_has_a_row_and_its_test_file() -> None:
    assert {row.kind for row in ROWS} == set(KINDS)
    assert all((ROOT / "tests/stores" / row.test).is_file() for row in ROWS)


def test_a_stand_in_is_worth_no_more_than_bronze() -> None:
    grades = {row.medium: grade(row) for row in ROWS}
    assert grades["S3 bucket"] == "bronze"
    assert grades["PostgreSQL"] in ("silver", "gold")
    assert "none" not in grades.values()


def test_a_page_tells_what_the_program_knows() -> None:
    assert "| `Drift` | `store` | 44 | 502 | no |" in facts(Drift)


def test_every_variable_that_the_source_names_is_a_setting_and_is_told() -> None:
    told = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    named = {name for path in (ROOT / "src").rglob("*.py") for name in re.findall(r"\bEXPUNGE_[A-Z_]+\b", path.read_text("utf-8"))}
    named.discard("EXPUNGE_")
    assert named <= {one.name for one in SETTINGS}
    assert all(f"`{name}`" in told for name in named)
