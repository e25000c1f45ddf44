"""What a sample allows to be said of everything: one-sided exact upper bounds for finite populations, without any model.

A *stratum* has ``size`` objects, of which ``drawn`` were drawn at random without replacement and ``hits`` of these held something; the
number of hits in the sample is hypergeometric. The bound is the smallest number that the observation refutes: the smallest N so that, were
there N or more, so few hits would be seen with at most ``1 - confidence`` probability (Clopper and Pearson 1934, for finite populations:
Buonaccorsi 1987, The American Statistician 41:215). Where nothing is hit in a small share of many objects it is the rule of three.

Several strata are combined without assuming how what is left is spread over them, by one statistic, the hits in all of them together:

- A stratum that was looked at whole is known; it adds its hits.
- Of all ways in which N objects can lie in the others, the one that is seen least likely counts. Where nothing was hit its
  probability is a product, and since each further object in a stratum is more likely to be drawn than the one before it, the greatest
  product is found by taking the least likely object again and again: exact.
- With hits, P(X <= k) <= z**-k E[z**X] for every 0 < z <= 1 (Chernoff), and E[z**X] of the hypergeometric is at most that of the binomial
  (Hoeffding 1963, theorem 4), which is linear in N: again the least drawn strata come first. The bound is then somewhat too high, never
  too low (about 20 % with one hit, 10 % with ten).

Both refute only what is refuted by P(X <= k) itself, for one and the same X, so that choosing between them by k costs no confidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EXACT = 5_000_000
"""Objects up to which the product is taken object by object (40 MB); above it the binomial's, which differs only by the share drawn."""

ROUNDING = 1e-4
"""Share of the error probability given to the logarithms of factorials, whose rounding in a thousand million objects is a tenth of it."""

ZS = tuple(0.5 ** (step / 8) for step in range(1, 161))
"""The z that are tried: the best one is hits / expected hits; a ratio of 1.09 between two costs less than 1 % of the bound."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """So many objects, so many of them drawn, so many of these hit."""

    size: int
    drawn: int
    hits: int = 0

    def __post_init__(self) -> None:
        """A sample is part of what it was drawn from."""
        if not 0 <= self.hits <= self.drawn <= self.size:
            msg = "0 <= hits <= drawn <= size"
            raise ValueError(msg)


def fewer_than(strata: Sequence[Stratum], confidence: float = 0.95) -> int:
    """The N of "with this confidence fewer than N objects are hits"; one more than all of them, where nothing can be said.

    Raises:
        ValueError: the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        msg = "a confidence is between 0 and 1"
        raise ValueError(msg)
    known = sum(one.hits for one in strata if one.drawn == one.size)
    rest = [one for one in strata if one.drawn < one.size]
    hits = sum(one.hits for one in rest)
    threshold = math.log((1 - confidence) * (1 - ROUNDING))
    if not rest:
        return known + 1
    if len(rest) == 1:
        return known + _of_one(rest[0], threshold)
    return known + (_with_hits(rest, hits, threshold) if hits else _without(rest, threshold))


def _of_one(one: Stratum, threshold: float) -> int:
    """Exact, by bisection: the more there are, the less likely it is to see so few."""
    low, high = one.hits, one.size - one.drawn + one.hits + 1  # more than ``high - 1`` would have shown more hits for certain
    while high - low > 1:
        middle = (low + high) // 2
        if _few(one, middle) <= threshold:
            high = middle
        else:
            low = middle
    return high


def _few(one: Stratum, there: int) -> float:
    """The logarithm of the probability of at most ``hits`` hits in the sample, if there are so many."""
    terms = [_log_pmf(one.size, there, one.drawn, seen) for seen in range(max(0, one.drawn - one.size + there), one.hits + 1)]
    if not terms:
        return -math.inf
    top = max(terms)
    return top + math.log(math.fsum(math.exp(term - top) for term in terms))


def _log_pmf(size: int, there: int, drawn: int, seen: int) -> float:
    return _log_choose(there, seen) + _log_choose(size - there, drawn - seen) - _log_choose(size, drawn)


def _log_choose(count: int, of: int) -> float:
    return math.lgamma(count + 1) - math.lgamma(of + 1) - math.lgamma(count - of + 1)


def _without(strata: Sequence[Stratum], threshold: float) -> int:
    """Nothing was hit: the objects that are least likely to be drawn come first."""
    total = sum(one.size for one in strata)
    if total > EXACT:
        return _linear([(one.size, math.log1p(-one.drawn / one.size)) for one in strata], threshold, total)
    gains = []
    for one in strata:
        left = one.size - np.arange(one.size - one.drawn, dtype=np.float64)  # objects among which the next one lies
        gains.append(np.log1p(-one.drawn / left, where=left > one.drawn, out=np.full(len(left), -np.inf)))
    ordered = np.sort(np.concatenate(gains))[::-1]
    refuted = np.cumsum(ordered) <= threshold
    # Beyond these objects one would have been drawn for certain.
    return int(np.argmax(refuted)) + 1 if refuted.any() else len(ordered) + 1


def _with_hits(strata: Sequence[Stratum], hits: int, threshold: float) -> int:
    """The least that any z refutes."""
    total = sum(one.size for one in strata)
    unseen = total - sum(one.drawn for one in strata) + hits + 1
    bounds = [
        _linear([(one.size, math.log1p(-one.drawn / one.size * (1 - z))) for one in strata], threshold + hits * math.log(z), total)
        for z in ZS
    ]
    return max(hits + 1, min(unseen, *bounds))


def _linear(strata: Sequence[tuple[int, float]], threshold: float, total: int) -> int:
    """The fewest objects whose logarithms, the least first, add up to the threshold."""
    left = threshold
    count = 0
    for size, each in sorted(strata, key=lambda one: -one[1]):
        if each < 0 and size * each <= left:
            return count + max(1, math.ceil(left / each))
        left -= size * each
        count += size
    return total + 1
