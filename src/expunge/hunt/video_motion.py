"""What is kept of a film, and what films are compared by: where the picture changed, coarsely, and when.

Pictures of one fixed camera are nearly all alike, whoever walks through them; what differs is the motion. A *change* is what 0.4 s did to
the mean picture of 0.2 s, on a grid of 24 by 18 (48 by 36 where it is kept, so that parts can be cut out of it), five times a second;
below ``NOISE`` it is noise of sensor and codec. So the background is not in it, and brightness, size and rate of a copy hardly matter.

Of 560 fits of different clips of one door, each at its best, the most alike reached 0.81 (over 1.4 s); whole copies encoded anew, at half
the size or rate, 0.86 and more, over 2 s and longer: as long as something moves.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from expunge.hunt.media_forms import Unplayable

WIDTH, HEIGHT = 24, 18
"""Of the grid, whatever the picture's shape; pictures come at twice that, and so are changes kept."""

FINE, RATE = 10, 5
"""Steps per second of scanned volumes, and of kept ones: every second step of the scan meets a kept one at most 0.05 s apart."""

NOISE, MOST = 2.5, 20.0
"""Grey levels (of 255): changes below are nothing, above are all the same, so that a lamp or a white coat doesn't speak for all."""

_BIN, _LAG = 2, 4
"""Steps of 0.1 s: length of a mean picture, and between the two compared."""

_SCALE, _DEAD = 5, 1.0
"""Kept changes are whole fifths of a grey level (``NOISE`` and ``MOST`` together fill a signed byte), and 0 below one."""

Volume: TypeAlias = npt.NDArray[np.float32]
"""Shape (steps, height, width), grey levels."""

Shot: TypeAlias = tuple[float, npt.NDArray[np.uint8]]
"""A picture (2 HEIGHT by 2 WIDTH) and the second at which it is shown."""


def changes(shots: list[Shot]) -> Volume:
    """Changes at ``FINE`` steps per second, on the pictures' own grid; the last picture is shown as long as most are."""
    picture = _means(shots)
    if len(picture) <= _LAG:
        return np.zeros((0, *shots[0][1].shape), np.float32)
    change: Volume = picture[_LAG:] - picture[:-_LAG]
    return change


def beyond(change: Volume) -> Volume:
    """What of a change on the grid is more than noise."""
    more: Volume = np.sign(change) * np.clip(np.abs(change) - NOISE, 0, MOST)
    return more


def halved(fine: Volume) -> Volume:
    """Onto the grid: means of four cells."""
    coarse: Volume = fine.reshape(-1, HEIGHT, 2, WIDTH, 2).mean((2, 4))
    return coarse


def _means(shots: list[Shot]) -> Volume:
    """Mean pictures of 0.2 s beginning at each 0.1 s: pictures weigh by how long they are shown, so that rates don't matter."""
    starts = np.array([second for second, _ in shots]) - shots[0][0]
    grey = np.stack([picture for _, picture in shots]).astype(np.float64)
    usual = float(np.median(np.diff(starts))) if len(starts) > 1 else 1 / FINE
    edges = np.append(starts, starts[-1] + min(usual, 1.0))
    light = np.concatenate([np.zeros((1, *grey.shape[1:])), np.cumsum(grey * np.diff(edges)[:, None, None], 0)])
    at = np.arange(int(edges[-1] * FINE + 1e-6) + 1) / FINE
    shown = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, len(starts) - 1)
    until = light[shown] + grey[shown] * (at - edges[shown])[:, None, None]
    means: Volume = ((until[_BIN:] - until[:-_BIN]) * (FINE / _BIN)).astype(np.float32)
    return means


def chunks(shots: Iterable[Shot], seconds: float, overlap: float) -> Iterator[tuple[list[Shot], float]]:
    """Shots gathered into chunks of ``seconds`` and ``overlap`` of the next, with the second at which each begins.

    Raises:
        Unplayable: the film broke off; after the last chunk.
    """
    held: list[Shot] = []
    start, trouble = 0.0, None
    try:
        for shot in shots:
            while shot[0] >= start + seconds + overlap:
                if held:
                    yield held, held[0][0]
                start += seconds
                held = [one for one in held if one[0] >= start]
            held.append(shot)
    except Unplayable as broken:
        trouble = broken  # what came before is looked at first
    if held:
        yield held, held[0][0]
    if trouble is not None:
        raise trouble


def packed(fine: Volume) -> bytes:
    """Every second step of changes on the pictures' own grid, compressed: some 1-3 kB per second."""
    kept = fine[:: FINE // RATE]
    kept = np.where(np.abs(kept) < _DEAD, 0, kept)
    return zlib.compress(np.clip(np.round(kept * _SCALE), -127, 127).astype(np.int8).tobytes(), 1)


def unpacked(kept: bytes) -> Volume:
    """What was packed, shape (steps, 2 HEIGHT, 2 WIDTH)."""
    fine = np.frombuffer(zlib.decompress(kept), np.int8).reshape(-1, 2 * HEIGHT, 2 * WIDTH)
    return fine.astype(np.float32) / np.float32(_SCALE)
