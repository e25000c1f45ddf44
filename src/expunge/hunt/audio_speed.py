"""Copies that play a little faster or slower than what was erased, pitch and all: for strong candidates only, for it costs.

Words still vote at up to 5 % (a band of the spectrogram is 12 % wide, a patch drifts by 16 ms), phases don't: the sound is put back to its
own speed, in small steps, until they agree. A change of tempo that keeps the pitch makes new phases, and stays unseen here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from expunge.hunt.audio_match import Index, Match
from expunge.hunt.audio_spectrum import HOP, PAD, RATE, STEP, Sound, Waves, turned, waves

FURTHEST = 0.05
"""Of the speed, either way: sampling rates mistaken, tape, film at 25 for 24 frames (4.3 %)."""

_COARSE, _FINE = 0.002, 0.0005
"""Steps of the speed: over 0.3 s and over 1 s phases at 1 kHz are then off by less than half a turn."""

_LOOK = 75
"""Phases (0.3 s) that are compared while the speed is sought."""

_NEAR = 8
_AGREES = 0.5
"""Agreement over 0.3 s worth a second look: the best of 51 speeds and 17 delays reaches 0.45 by chance."""


def respeed(sound: Sound, speed: float) -> Sound:
    """The sound, played at ``speed`` times its own (interpolated: what is compared lies below 2.1 of 4 kHz)."""
    at = np.arange(0, len(sound) - 1, speed)
    slowed: Sound = np.interp(at, np.arange(len(sound)), sound).astype(np.float32)
    return slowed


def at_speeds(index: Index, segment: int, delay: int, middle: int, sound: Sound) -> Match | None:
    """The segment at the speed at which it agrees best; ``delay`` and ``middle`` in words of the scan, as it voted."""
    there = max(0, round(middle * HOP - PAD + 15.5 * HOP))
    sought, before = _sought(index, segment, (there - delay * HOP) // STEP)
    if not sought.any():
        return None
    reach = (_LOOK // 2 + _NEAR) * STEP
    cut = sound[max(0, there - 2 * reach) : there + 2 * reach]
    centre = min(there, 2 * reach)
    steps = np.arange(-FURTHEST, FURTHEST + _COARSE / 2, _COARSE) + 1
    tried = [_look(sought, waves(respeed(cut, speed)), round(centre / speed / STEP) - _LOOK // 2) for speed in steps]
    best = int(np.argmax(tried))
    if tried[best] < _AGREES:
        return None
    anchor = before + _LOOK // 2  # of the segment, in phases: what lies at ``there``
    matches = [_whole(index, segment, anchor, there, float(speed), sound) for speed in steps[best] + np.arange(-4, 5) * _FINE]
    return max((one for one in matches if one is not None), key=lambda one: one.agreement * one.heard, default=None)


def _sought(index: Index, segment: int, middle: int) -> tuple[Waves, int]:
    """0.3 s of the segment around a phase, and the number of its first phase in the segment."""
    shelf = index.shelf
    first, last = int(shelf.phase_at[segment]), int(shelf.phase_at[segment + 1])
    begin = int(np.clip(middle - _LOOK // 2, 0, max(0, last - first - _LOOK)))
    cut = slice(first + begin, min(first + begin + _LOOK, last))
    return turned(shelf.phases[cut], shelf.heard[cut]), begin


def _look(sought: Waves, wave: Waves, at: int) -> float:
    """Best agreement within ``_NEAR`` phases of where it should be."""
    flat = wave / np.sqrt(np.abs(wave) + np.float32(1e-12))
    starts = np.clip(np.arange(at - _NEAR, at + _NEAR + 1), 0, max(0, len(flat) - len(sought)))
    if len(flat) < len(sought):
        return 0.0
    there: npt.NDArray[np.complex64] = flat[np.unique(starts)[:, None] + np.arange(len(sought))]
    total = np.abs((there * sought).sum(1)).sum(1)
    return float((total / (np.abs(there) * (sought != 0)).sum((1, 2)).clip(1e-9)).max())


def _whole(index: Index, segment: int, anchor: int, there: int, speed: float, sound: Sound) -> Match | None:
    """The longest run at this speed, at the best delay near the anchor."""
    first, last = int(index.shelf.phase_at[segment]), int(index.shelf.phase_at[segment + 1])
    margin = 2 * _NEAR
    begin = max(0, there - round((anchor + margin) * STEP * speed))
    cut = respeed(sound[begin : there + round((last - first - anchor + margin) * STEP * speed)], speed)
    delay = round((there - begin) / speed / STEP) - anchor
    match = index.best(segment, delay, waves(cut))
    if match is None:
        return None
    return Match(match.segment, match.agreement, match.heard, begin / RATE + match.at * speed, match.rival, 1 / speed)
