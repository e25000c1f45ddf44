"""The bound holds: whatever is there and however it is spread, it is too low in no more than one case of twenty. Computed, not sampled."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.hunt.bound import Stratum, fewer_than

CONFIDENCE = 0.95


def pmf(size: int, there: int, drawn: int, seen: int) -> float:
    return math.comb(there, seen) * math.comb(size - there, drawn - seen) / math.comb(size, drawn)


def coverage(sizes: list[tuple[int, int]], there: tuple[int, ...]) -> float:
    """The probability that the bound is above what is there, over all samples."""
    held = 0.0
    for seen in product(*(range(min(drawn, hidden) + 1) for (_, drawn), hidden in zip(sizes, there, strict=True))):
        chance = math.prod(pmf(size, hidden, drawn, hit) for (size, drawn), hidden, hit in zip(sizes, there, seen, strict=True))
        if chance and sum(there) < fewer_than([Stratum(*one, hit) for one, hit in zip(sizes, seen, strict=True)], CONFIDENCE):
            held += chance
    return held


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.lists(st.integers(1, 7).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size))), min_size=1, max_size=3))
def test_it_holds_for_every_way_in_which_hits_can_lie(sizes: list[tuple[int, int]]) -> None:
    for there in product(*(range(size + 1) for size, _ in sizes)):
        assert coverage(sizes, there) >= CONFIDENCE - 1e-9


@pytest.mark.parametrize(("size", "drawn"), [(50, 10), (400, 59), (400, 399), (1000, 1)])
def test_one_stratum_is_exact(size: int, drawn: int) -> None:
    """It holds, and one less would not."""
    for hits in range(min(drawn, 4) + 1):
        bound = fewer_than([Stratum(size, drawn, hits)], CONFIDENCE)
        few = [sum(pmf(size, there, drawn, seen) for seen in range(hits + 1)) for there in (bound - 1, bound) if there <= size]
        assert few[0] > 0.05 * (1 - 2e-4) or bound == hits + 1
        assert len(few) == 1 or few[1] <= 0.05 + 1e-12


def test_estates_that_are_drawn_at_random_are_bounded_nineteen_times_in_twenty() -> None:
    """Three strata as a patrol has them: many small objects, some large, a few that are beyond the budget."""
    chance = np.random.default_rng(7)
    for there in ((0, 0, 3), (20, 1, 0), (400, 0, 0), (25, 25, 3), (5, 60, 0)):
        sizes = ((20_000, 400), (600, 12), (3, 0))
        held = 0
        for _ in range(200):
            seen = [
                int(chance.hypergeometric(hidden, size - hidden, drawn)) if drawn else 0
                for (size, drawn), hidden in zip(sizes, there, strict=True)
            ]
            held += sum(there) < fewer_than([Stratum(*one, hit) for one, hit in zip(sizes, seen, strict=True)], CONFIDENCE)
        assert held >= 0.95 * 200


def test_all_of_it_is_known_and_none_of_it_is_not() -> None:
    assert fewer_than([Stratum(10, 10), Stratum(7, 7)]) == 1
    assert fewer_than([Stratum(10, 10, 4), Stratum(7, 7)]) == 5
    assert fewer_than([Stratum(10, 0), Stratum(7, 0)]) == 18
    assert fewer_than([Stratum(10, 10, 4), Stratum(7, 0)]) == 12
    assert fewer_than([]) == 1


def test_nothing_in_many_is_the_rule_of_three() -> None:
    assert fewer_than([Stratum(10**9, 10_000)]) == pytest.approx(3 * 10**9 / 10_000, rel=0.01)
    assert fewer_than([Stratum(10**9, 10_000), Stratum(10**8, 1_000)]) == pytest.approx(3 * 10**9 / 10_000, rel=0.01)
    assert fewer_than([Stratum(10**6, 1_000), Stratum(10**6, 1_000)]) == pytest.approx(3 * 10**6 / 1_000, rel=0.01)


def test_more_hits_more_drawn_and_more_confidence_move_it_as_they_should() -> None:
    strata = [[Stratum(10_000, 500, hits), Stratum(500, 20)] for hits in range(12)]
    bounds = [fewer_than(one) for one in strata]
    assert bounds == sorted(bounds)
    assert bounds[1] < 1.25 * fewer_than([Stratum(10_500, 420, 1)])  # what Chernoff costs
    assert fewer_than(strata[3], 0.99) > fewer_than(strata[3], 0.95) > fewer_than(strata[3], 0.8)
    assert fewer_than([Stratum(10_000, 5_000), Stratum(500, 250)]) < fewer_than([Stratum(10_000, 500), Stratum(500, 25)])


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95])
def test_a_confidence_is_a_probability(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        fewer_than([Stratum(10, 1)], confidence)


@pytest.mark.parametrize("figures", [(5, 6, 0), (5, 2, 3), (5, 2, -1), (-1, -1, -1)])
def test_a_sample_is_part_of_what_it_was_drawn_from(figures: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="drawn"):
        Stratum(*figures)
