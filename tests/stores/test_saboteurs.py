"""The laws bite: every lie that can be told on a store breaks a law, and the honest store breaks none."""

from __future__ import annotations

import pytest

from expunge.testing.conformance import Harness, laws
from expunge.testing.saboteurs import SABOTEURS, Sabotaged, Saboteur, breaks


@pytest.mark.parametrize("saboteur", SABOTEURS)
def test_memory_saboteurs_are_caught_by_each_law_named(saboteur: type[Saboteur], memory_harness: Harness) -> None:
    for law in saboteur.caught_by:
        assert breaks(law, Sabotaged(memory_harness, saboteur)), law


def test_the_honest_store_breaks_no_law(memory_harness: Harness) -> None:
    assert not [law for law in laws() if breaks(law, Sabotaged(memory_harness, Saboteur))]


def test_there_are_enough_lies() -> None:
    assert len({saboteur.__name__ for saboteur in SABOTEURS}) == len(SABOTEURS) >= 14
    assert {law for saboteur in SABOTEURS for law in saboteur.caught_by} <= set(laws())
