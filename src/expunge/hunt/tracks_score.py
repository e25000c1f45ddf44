"""Decides whether points are a copy of a track, or somebody else who went the same way.

Two people in one car, on one road, or in one house have tracks that lie a few metres apart: receivers err independently, and take their
fixes at different moments. A copy's points lie *on* the original's fixes, up to what the transformation has taken away. So, for every
precision that a copy may have, the points that come near the track are counted, and those among them that hit a fix; how many would hit
one by chance is known from how densely the fixes lie. The surprise is that of a binomial tail (Chernoff's bound), in nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_native import kernel
from expunge.hunt.prints import Tier
from expunge.hunt.tracks_planes import Degrees
from expunge.hunt.tracks_prints import FEWEST, REACH, UNIT, Index

PRECISIONS = (0.05, 0.2, 1.0, 4.0, 8.0, 13.0, 24.0, 80.0, 110.0)
"""Metres: seven, six, five decimals, a geohash of nine, four decimals, noise, a geohash of eight, three decimals, a geohash of seven."""

GRIDS = (6, 5, 4, 3)
"""Decimals to which a copy's coordinates may be rounded or cut."""

ERROR = 4.0
"""Metres, standard deviation, between two receivers in one place: phones err by 3 to 5 m under open sky (van Diggelen and Enge, 2015), and
two in one car in part alike."""

PERSISTS = 200.0
"""Seconds in which a receiver's error forgets itself: two that happen to agree go on to agree for a while. Longer than most: with 50, one
in 300 companions whose errors persisted for longer was taken for a copy."""

ROUNDED_SHARE = 0.93
"""Of a rounded copy every point near is a hit, but for strangers' points among them; of a companion's, rounded alike, up to .85 are."""

LEAVES = 2.89
"""A walk in the plane leaves a circle at this rate, times its variance by the circle's radius squared: half the first zero of the Bessel
function J0, squared."""

SPEED = 15.0
"""Metres a second, a car's in town: how long lies between two fixes, where only their distance is known."""

AROUND = 10.0
"""Metres within which fixes compete for a stranger's point: two and a half ``ERROR``."""

SURPRISE = 25.0
"""Nats from which a copy is beyond doubt, e^-25 = 1e-11: a scan compares perhaps a million parts in a dozen ways."""

FEWEST_HITS, FOUND_HITS = 4, 6
"""Fixes hit: for anybody to look at, and to be found. A home, a school and a shop are the same few places for a whole family."""

ORDERED, ANYHOW = 0.7, 60.0
"""Share of steps that go the same way along the track; without an order the surprise must be this."""

EXTENT = 50.0
"""Metres that the hits must span: phones in one home are given the same few places."""

REVIEW_SHARE, REVIEW_EXTENT, REVIEW_PART, REVIEW_HITS = 0.7, 100.0, 0.5, 20
"""Somebody went the same way: most points near are hits, over 100 m, and half of the track, or many of them; at least ``FEWEST``."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What points are to a part: how sure, share of the points near it that hit a fix, metres of precision, first and last hit."""

    tier: Tier
    share: float
    precision: float
    surprise: float
    first: int
    last: int
    hits: int


@dataclass(frozen=True, slots=True, repr=False)
class _Near:
    """Points within reach of a part, in their order, each place once: the nearest fix of each, and its distance in metres."""

    at: npt.NDArray[np.int64]
    latitude: Degrees
    longitude: Degrees
    fix: npt.NDArray[np.int64]
    distance: Degrees


@dataclass(frozen=True, slots=True, repr=False)
class _Part:
    """A part's fixes in their order (degrees); metres to the neighbours; how many lie around each.

    ``beside`` and ``stays`` make a stranger's chance to hit at a precision of p metres: max(1 - exp(-beside p^2), exp(-stays / p^2)).
    """

    latitude: Degrees
    longitude: Degrees
    spacing: Degrees
    around: npt.NDArray[np.int64]
    beside: Degrees
    stays: Degrees
    shared: npt.NDArray[np.bool_]
    erratic: bool
    floor: float


def judge(index: Index, part: int, latitude: Degrees, longitude: Degrees) -> Verdict | None:
    """What the points, in the order of their place, are to a part of a track."""
    held = _part(index, part)
    near = _near(held, latitude, longitude)
    near = _of(near, ~held.shared[near.fix])
    if near.at.size < FEWEST_HITS:
        return None
    tries = [_by_distance(held, near, precision) for precision in _promising(held, near)]
    tries += [_by_grid(held, near, decimals) for decimals in GRIDS if _on_grid(near, decimals)]
    verdicts = [one for one in tries if one is not None]
    return max(verdicts, key=lambda one: (one.tier is Tier.FOUND, one.surprise, one.share)) if verdicts else None


def _promising(held: _Part, near: _Near) -> list[float]:
    """The precisions at which the points may be anything: most of them hit, or more than a stranger's by far."""
    precisions = np.array([one for one in PRECISIONS if one >= held.floor])
    totals, hits, chances = kernel("tracks_kernel").tally(near.fix, near.distance, held.spacing, held.beside, held.stays, precisions)
    chosen = []
    for precision, total, hit, chance in zip(precisions.tolist(), totals.tolist(), hits.tolist(), chances.tolist(), strict=True):
        if hit >= FEWEST_HITS and (
            hit >= REVIEW_SHARE * total or held.erratic or _evidence(total, hit / total, chance / total) >= SURPRISE / 2
        ):
            chosen.append(precision)
    return chosen


def _part(index: Index, part: int) -> _Part:
    fixes = index.fixes[index.edges[part] : index.edges[part + 1]]
    latitude, longitude = (fixes / UNIT).T
    east = np.abs(np.diff(longitude))
    gaps = np.hypot(np.diff(latitude), np.minimum(east, 360 - east) * np.cos(np.radians(latitude[1:]))) * kernel("tracks_kernel").DEGREE
    spacing = (np.append(gaps, gaps[-1]) + np.append(gaps[0], gaps)) / 2
    order = np.argsort(latitude, kind="stable")
    around = np.empty(len(fixes), np.int64)
    around[order] = kernel("tracks_kernel").crowd(latitude[order], longitude[order], AROUND)
    spacing = np.maximum(spacing, 0.1)
    stays = LEAVES * ERROR**2 * -np.expm1(-2 * np.clip(spacing / SPEED, 1, 60) / PERSISTS)
    shared, erratic = index.shared[index.edges[part] : index.edges[part + 1]], bool(index.erratic[index.track[part]])
    return _Part(latitude, longitude, spacing, around, around / (2 * ERROR**2), stays, shared, erratic, _floor(fixes))


def _floor(fixes: npt.NDArray[np.int32]) -> float:
    """Metres within which two receivers that round alike agree for nothing: the half diagonal of the grid that the fixes lie on."""
    for step in (100_000, 10_000, 1_000, 100, 10):
        if not (fixes % step).any():
            return step / UNIT * 111_195 * math.sqrt(0.5)
    return 0.0


def _near(held: _Part, latitude: Degrees, longitude: Degrees) -> _Near:
    order = np.argsort(held.latitude, kind="stable")
    which, distance = kernel("tracks_kernel").nearest(latitude, longitude, held.latitude[order], held.longitude[order], REACH)
    at = np.flatnonzero(distance <= REACH)
    place = np.round(latitude[at] * UNIT).astype(np.int64) * (1 << 33) + np.round(longitude[at] * UNIT).astype(np.int64)
    _, once = np.unique(place, return_index=True)
    at = at[np.sort(once)]
    return _Near(at, latitude[at], longitude[at], order[which[at]], distance[at])


def _of(near: _Near, chosen: npt.NDArray[np.bool_]) -> _Near:
    return _Near(near.at[chosen], near.latitude[chosen], near.longitude[chosen], near.fix[chosen], near.distance[chosen])


def _by_distance(held: _Part, near: _Near, precision: float) -> Verdict | None:
    """Points hit a fix if they lie within ``precision`` metres of it."""
    corridor = _of(near, near.distance <= np.maximum(max(4 * precision, 15.0), held.spacing[near.fix]))
    if corridor.at.size < FEWEST_HITS:
        return None
    fix = corridor.fix
    chance = np.maximum(-np.expm1(-held.beside[fix] * precision**2), np.exp(-held.stays[fix] / precision**2))
    return _verdict(held, corridor, corridor.distance <= precision, chance, precision)


def _on_grid(near: _Near, decimals: int) -> bool:
    """Whether all points have so many decimals; a few tell, mostly."""
    for few in (slice(0, 16), slice(None)):
        points = np.stack((near.latitude[few], near.longitude[few])) * 10.0**decimals
        if np.abs(points - np.round(points)).max() > 1e-3:  # noqa: PLR2004 - what floats of seven digits leave of a rounded number
            return False
    return True


def _by_grid(held: _Part, near: _Near, decimals: int) -> Verdict | None:
    """Points, themselves on a grid, hit a fix if it becomes the same when it is rounded, or cut."""
    scale = 10.0**decimals
    points = np.stack((near.latitude, near.longitude)) * scale
    fixes = np.stack((held.latitude, held.longitude)) * scale
    best: Verdict | None = None
    side = 111_195 / scale * math.sqrt(math.cos(math.radians(float(held.latitude[0]))))
    for rounded in (np.round(fixes), np.trunc(fixes)):
        visited = np.unique(_code(rounded))
        hit = np.isin(_code(np.round(points)), visited)
        beside = np.minimum(held.around[near.fix], 1 + 2 * AROUND / side * 2)  # cells within AROUND that the track can have visited
        chance = 1 - (1 - (side / (side + 1.5 * ERROR)) ** 2) ** beside
        judged = _verdict(held, near, hit, chance, side / 2)
        if judged is not None and judged.tier is Tier.FOUND and judged.share < ROUNDED_SHARE:
            judged = replace(judged, tier=Tier.REVIEW)
        if judged is not None and (best is None or judged.surprise > best.surprise):
            best = judged
    return best


def _code(cells: Degrees) -> npt.NDArray[np.int64]:
    whole = cells.astype(np.int64)
    code: npt.NDArray[np.int64] = whole[0] * (1 << 32) + whole[1]
    return code


def _verdict(held: _Part, near: _Near, hit: npt.NDArray[np.bool_], chance: Degrees, precision: float) -> Verdict | None:
    _, once = np.unique(near.fix[hit], return_index=True)
    hits = np.flatnonzero(hit)[np.sort(once)]
    if hits.size < FEWEST_HITS:
        return None
    share = hits.size / near.at.size
    surprise = _surprise(held, near, chance, share, precision)
    tier = _tier(held, _of(near, np.isin(np.arange(near.at.size), hits)), share, surprise, precision)
    if tier is None:
        return None
    return Verdict(tier, share, precision, surprise, int(near.at[hits].min()), int(near.at[hits].max()), int(hits.size))


def _surprise(held: _Part, near: _Near, chance: Degrees, share: float, precision: float) -> float:
    """How unlikely it is that so many of a stranger's points hit.

    That a stranger's fix is taken where ours was, and not between two of ours, counts for every point only if both the times and the
    distances between our fixes are erratic; two regular receivers agree everywhere if they agree once.
    """
    aligned = np.minimum(1, np.maximum(2 * AROUND, 2 * precision) / held.spacing[near.fix])
    if held.erratic:
        chance = chance * aligned
    surprise = _evidence(near.at.size, share, float(chance.mean()))
    once = 0.0 if held.erratic or share < REVIEW_SHARE or not surprise else -math.log(float(aligned.mean()))
    return surprise + once


def _evidence(total: int, share: float, expected: float) -> float:
    """Nats by which this share of hits among so many points speaks against the expected one; 0 if it is no more."""
    expected = min(0.999, max(1e-6, expected))
    return total * _divergence(share, expected) if share > expected else 0.0


def _tier(held: _Part, hits: _Near, share: float, surprise: float, precision: float) -> Tier | None:
    """What hits, in their order, amount to."""
    steps = np.diff(hits.fix)
    ordered = max((steps > 0).mean(), (steps < 0).mean())
    east = np.ptp(hits.longitude) * math.cos(math.radians(held.latitude[0]))
    extent = math.hypot(np.ptp(hits.latitude), min(east, 360 - east)) * 111_195
    if surprise >= SURPRISE and extent >= EXTENT and (ordered >= ORDERED or surprise >= ANYHOW):
        return Tier.FOUND if hits.at.size >= FOUND_HITS else Tier.REVIEW
    if share < REVIEW_SHARE or ordered < ORDERED or extent < max(REVIEW_EXTENT, 4 * precision) or hits.at.size < FEWEST:
        return None
    most = np.ptp(hits.fix) >= REVIEW_PART * held.latitude.size
    return Tier.REVIEW if most or hits.at.size >= REVIEW_HITS else None


def _divergence(share: float, expected: float) -> float:
    """Kullback and Leibler's divergence of two coins, nats."""
    rest = 0.0 if share >= 1 else (1 - share) * math.log((1 - share) / (1 - expected))
    return share * math.log(share / expected) + rest
