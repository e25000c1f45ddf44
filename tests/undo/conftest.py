"""The toy estate whose policy lets requests be undone."""

from __future__ import annotations

import pytest

from tests.erase.toy import toy
from tests.faults.killing import Place
from tests.holds.conftest import command

__all__ = ["command"]

UNDO = "expunge: 1\nundo: {window: 7 days, household: 30 days}"


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The toy estate."""
    return toy(tmp_path_factory.mktemp("toy") / "toy", top=UNDO)
