"""A town whose people go the same ways: roads on a grid, receivers that err, companions in one car."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Metres = npt.NDArray[np.float64]
Track = npt.NDArray[np.float64]

CENTRE = (47.37, 8.54)
BLOCK = 150.0


def route(random: np.random.Generator, turns: int = 20) -> Metres:
    """Corners of a way along the roads, shape (turns + 1, 2), metres east and north of the centre."""
    corners = [random.integers(-20, 20, 2) * BLOCK]
    heading = int(random.integers(4))
    for _ in range(turns):
        heading = (heading + int(random.choice([0, 1, 3]))) % 4
        step = [(1, 0), (0, 1), (-1, 0), (0, -1)][heading]
        corners.append(corners[-1] + np.array(step) * BLOCK * random.integers(1, 5))
    return np.array(corners, np.float64)


def drive(
    way: Metres,
    random: np.random.Generator,
    *,
    speed: float = 12.0,
    every: float = 5.0,
    late: float = 0.0,
    error: float = 3.0,
    keeps: float = 0.98,
) -> Track:
    """Fixes along a way, shape (fixes, 2), degrees to the seventh decimal: one ``every`` seconds, the first ``late``; errors of ``error``
    metres that ``keep`` that share of themselves each second.
    """
    legs = np.hypot(*np.diff(way, axis=0).T)
    gone = np.append(0, legs.cumsum())
    at = np.arange(late, gone[-1] / speed, every) * speed
    east, north = (np.interp(at, gone, way[:, axis]) for axis in (0, 1))
    keep = keeps**every
    noise = random.normal(0, error, (at.size, 2))
    for index in range(1, at.size):
        noise[index] = keep * noise[index - 1] + math.sqrt(1 - keep**2) * noise[index]
    latitude = CENTRE[0] + (north + noise[:, 1]) / 111_195
    longitude = CENTRE[1] + (east + noise[:, 0]) / (111_195 * math.cos(math.radians(CENTRE[0])))
    fixes: Track = np.stack((latitude, longitude), axis=1).round(7)
    return fixes
