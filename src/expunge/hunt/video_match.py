"""Finds segments in a chunk of film: outlines of the motion of 1.2 s vote for (segment, delay), then the film is laid over the segment.

Outlines of all segments are compared with the film's by one matrix product: 72 numbers for each 0.4 s kept. With 5,000 clips of ten
seconds that is a tenth of what decoding costs; what is weighed after that is bounded by the chunk's length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from expunge.hunt.video_motion import FINE, HEIGHT, RATE, WIDTH, Volume, beyond, unpacked
from expunge.hunt.video_prints import Shelf
from expunge.hunt.video_register import Fit, Seen, corners, glance, lay, lenses, register

_Ints = npt.NDArray[np.int64]

LENGTH, HOP = 6, 2
"""Steps (0.2 s) of an outline, and between two that are kept; the scan has one at each step."""

_POOL = 6
_MOVING = 10
"""Cells that must have moved in an outline's 1.2 s."""

_BEST, _ALIKE, _CHANCE = 24, 0.5, 0.4
"""Kept outlines that a scanned one votes for, from which likeness, and what of it is chance."""

_BIN = 4
"""Fine steps (0.1 s) of delay in a bin, counted twice, half a bin apart."""

_EACH, _MORE = 1.0, 8
"""Candidates that are laid over, per second of film and besides."""

_SHIFTS, _NEXT, _SETTLED = range(-4, 5), (-2, -1, 1, 2), 0.95
"""Fine steps tried around a candidate's delay, and again, once the part is known, unless it agrees already."""

_SHORTEST = 3
"""Steps that must overlap."""

_HOPEFUL = 0.35
"""Agreement of the best evenly cut part from which sides are sought one by one: uneven cuts of a fifth keep at least so much."""


_DOWN, _ACROSS = lenses(HEIGHT, 2 * HEIGHT), lenses(WIDTH, 2 * WIDTH)
_PARTS = [(_DOWN[0], _ACROSS[0]), *((_DOWN[down], _ACROSS[across]) for down in corners()[1::2] for across in corners()[1::2])]
"""What outlines are drawn of: the whole, and four parts from which 15 % went at two sides; others are like enough to one of the five."""


@dataclass(frozen=True, slots=True)
class Match:
    """A segment seen in a chunk, at this second of it."""

    segment: int
    fit: Fit
    at: float


class Index:
    """Outlines of all segments."""

    def __init__(self, shelf: Shelf) -> None:
        """Draw them once."""
        self.shelf = shelf
        parts = ((one, unpacked(kept)) for one, kept in enumerate(shelf.volumes))
        drawn = [(one, *_outlines(beyond(down @ whole @ across.T), HOP)) for one, whole in parts for down, across in _PARTS]
        self._outlines = np.concatenate([np.zeros((0, _size()), np.float32), *(lines for _, _, lines in drawn)])
        self._segment = np.concatenate([np.zeros(0, np.int64), *(np.full(len(at), one) for one, at, _ in drawn)])
        self._step = np.concatenate([np.zeros(0, np.int64), *(at for _, at, _ in drawn)])

    def scan(self, film: Volume) -> list[Match]:
        """The segments that are seen in ``film`` (changes on the grid, fine steps), each where it fits best."""
        film = beyond(film)
        at, lines = _outlines(film[:: FINE // RATE], 1)
        if not len(lines) or not len(self._outlines):
            return []
        best: dict[int, Match] = {}
        for segment, delay in self._candidates(at * (FINE // RATE), lines, round(_MORE + _EACH * len(film) / FINE)):
            match = self._lay(segment, delay, film)
            if match is not None and (segment not in best or best[segment].fit.agreement < match.fit.agreement):
                best[segment] = match
        return list(best.values())

    def _candidates(self, at: _Ints, lines: npt.NDArray[np.float32], most: int) -> list[tuple[int, int]]:
        """(segment, delay in fine steps) with most votes."""
        voters: list[_Ints] = []
        votes: list[npt.NDArray[np.float32]] = []
        whens: list[_Ints] = []
        for start in range(0, len(lines), 64):  # 64 outlines by 125,000 kept ones are 32 MB
            alike = lines[start : start + 64] @ self._outlines.T
            top = np.argpartition(-alike, min(_BEST, alike.shape[1] - 1), axis=1)[:, :_BEST]
            value = np.take_along_axis(alike, top, 1)
            row, column = np.nonzero(value >= _ALIKE)
            voters.append(top[row, column])
            votes.append((value[row, column] - _CHANCE).astype(np.float32))
            whens.append(at[start + row])
        voter, vote = np.concatenate(voters), np.concatenate(votes)
        segment, delay = self._segment[voter], np.concatenate(whens) - self._step[voter] * (FINE // RATE)
        return _elect(segment, delay, vote, most)

    def _lay(self, segment: int, delay: int, film: Volume) -> Match | None:
        """The segment laid over the film at the best delay near this one."""
        sought = unpacked(self.shelf.volumes[segment])
        pairs = {at: seen for shift in _SHIFTS if (seen := _overlap(len(sought), film, at := delay + shift)) is not None}
        if not pairs:
            return None
        tried = glance(sought, list(pairs.values()))
        delay, (most, _, _) = max(zip(pairs, tried, strict=True), key=lambda one: one[1][0])
        if most < _HOPEFUL:
            return None
        fit = register(*_cut(sought, pairs[delay]))
        if fit.agreement < _SETTLED:
            near = [at for shift in _NEXT if (at := delay + shift) in pairs]
            fits = [(at, lay(*_cut(sought, pairs[at]), fit.down, fit.across)) for at in near]
            delay, fit = max([(delay, fit), *fits], key=lambda one: one[1].sum)
        return Match(segment, fit, max(0, delay) / FINE + fit.begin / RATE)


def _size() -> int:
    return LENGTH * (HEIGHT // _POOL) * (WIDTH // _POOL)


def _outlines(steps: Volume, hop: int) -> tuple[_Ints, npt.NDArray[np.float32]]:
    """Where motion is, coarsely, in each 1.2 s: first steps, and outlines of mean 0 and length 1, of those in which something moves."""
    if not len(steps):
        return np.zeros(0, np.int64), np.zeros((0, _size()), np.float32)
    steps = np.concatenate([steps, np.zeros((max(0, LENGTH - len(steps)), HEIGHT, WIDTH), np.float32)])
    mass = np.abs(steps).reshape(len(steps), HEIGHT // _POOL, _POOL, WIDTH // _POOL, _POOL).sum((2, 4))
    moving = np.lib.stride_tricks.sliding_window_view((np.abs(steps) > 0).sum((1, 2)), LENGTH).sum(1)
    lines = np.lib.stride_tricks.sliding_window_view(np.sqrt(mass), LENGTH, axis=0)[::hop].reshape(-1, _size())
    first = np.arange(0, len(moving), hop)
    told = moving[::hop] >= _MOVING
    lines = lines[told] - lines[told].mean(1, keepdims=True)
    unit: npt.NDArray[np.float32] = (lines / np.linalg.norm(lines, axis=1, keepdims=True).clip(1e-6)).astype(np.float32)
    return first[told], unit


def _elect(segment: _Ints, delay: _Ints, vote: npt.NDArray[np.float32], most: int) -> list[tuple[int, int]]:
    shift, span = 1 << 20, 1 << 22
    held: list[tuple[float, int, int]] = []
    for half in (0, _BIN // 2):
        boxes, where = np.unique(segment * span + (delay + shift + half) // _BIN, return_inverse=True)
        total = np.bincount(where, weights=vote, minlength=len(boxes))
        for one in np.argsort(-total, kind="stable")[:most]:
            box = int(boxes[one])
            held.append((float(total[one]), box // span, (box % span) * _BIN + _BIN // 2 - half - shift))
    held.sort(reverse=True)
    return [(segment, delay) for _, segment, delay in held[:most]]


def _overlap(length: int, film: Volume, delay: int) -> Seen | None:
    """Which steps of a segment of this length are seen in the film, and what lies over them."""
    low = max(0, -(delay // (FINE // RATE)))
    there = film[low * (FINE // RATE) + delay :: FINE // RATE][: max(0, length - low)]
    return (low, there) if len(there) >= _SHORTEST else None


def _cut(sought: Volume, seen: Seen) -> tuple[Volume, Volume]:
    low, there = seen
    return sought[low : low + len(there)], there
