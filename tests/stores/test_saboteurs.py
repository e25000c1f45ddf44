"""The laws bite: every lie that can be told on a store breaks a law, and the honest store breaks none."""

from __future__ import annotations

import pytest

from expunge.testing.conformance import Harness, laws
from expunge.testing.saboteurs import SABOTEURS, Sabotaged, Saboteur, breaks

HISTORY = [saboteur for saboteur in SABOTEURS if any(law.endswith("_then_gone") for law in saboteur.caught_by)]


@pytest.mark.parametrize("saboteur", SABOTEURS)
def test_memory_saboteurs_are_caught_by_each_law_named(saboteur: type[Saboteur], memory_harness: Harness) -> None:
    for law in saboteur.caught_by:
        assert breaks(law, Sabotaged(memory_harness, saboteur)), law


@pytest.mark.parametrize("saboteur", [one for one in SABOTEURS if one not in HISTORY])
def test_sqlite_saboteurs_are_caught(saboteur: type[Saboteur], sqlite_harness: Harness) -> None:
    assert any(breaks(law, Sabotaged(sqlite_harness, saboteur)) for law in saboteur.caught_by)


@pytest.mark.parametrize("saboteur", HISTORY)
def test_sqlite_saboteurs_of_history_are_caught(saboteur: type[Saboteur], sqlite_wal_harness: Harness) -> None:
    assert any(breaks(law, Sabotaged(sqlite_wal_harness, saboteur)) for law in saboteur.caught_by)


def test_the_honest_sqlite_store_breaks_no_law(sqlite_harness: Harness, sqlite_wal_harness: Harness) -> None:
    """The control: without it a store that can't even be opened would look as if it were caught."""
    assert not [law for law in laws() if breaks(law, Sabotaged(sqlite_harness, Saboteur))]
    history = {law for saboteur in HISTORY for law in saboteur.caught_by}
    assert not [law for law in history if breaks(law, Sabotaged(sqlite_wal_harness, Saboteur))]


def test_the_honest_store_breaks_no_law(memory_harness: Harness) -> None:
    assert not [law for law in laws() if breaks(law, Sabotaged(memory_harness, Saboteur))]


def test_there_are_enough_lies() -> None:
    assert len({saboteur.__name__ for saboteur in SABOTEURS}) == len(SABOTEURS) >= 14
    assert {law for saboteur in SABOTEURS for law in saboteur.caught_by} <= set(laws())
