"""What is kept of sound, and what sound is compared by: *words* to find candidates, *phases* to be sure.

A word (24 bits, each 10 ms) holds signs of a cosine transform of 320 ms of a 24-band log spectrogram: coarse, it survives 8 kbit/s and
noise, and two people saying one word can share it. After Haitsma and Kalker (ISMIR 2002), whose 32 bits of neighbouring differences break
more easily: of words compared, 25-90 % were equal but for one bit through opus 8k to MP3 64k.

A phase (32 bits, each 4 ms) is the quadrant of the sound's phase in 16 bands of 250-2,125 Hz. It tells recordings apart, not people: phases
of a copy agree, those of any other recording, of the same person saying the same too, are a matter of chance. Neither can be played.
Sizes: 400 + 1,000 bytes per second of sound, and a bit per phase that says whether there was any.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

RATE = 8_000
"""Samples per second of all sound here."""

HOP, STEP = 80, 32
"""Samples between words (10 ms) and between phases (4 ms)."""

Sound: TypeAlias = npt.NDArray[np.float32]
Words: TypeAlias = npt.NDArray[np.uint32]
Waves: TypeAlias = npt.NDArray[np.complex64]

PAD = 1_600
"""Samples of silence put before and after: patches that hang over an edge are those of a clip cut short there."""

_WINDOW, _BANDS, _PATCH = 512, 24, 32
_LOWEST, _HIGHEST, _LINEAR = 150.0, 3_400.0, 200.0
"""Hz of the spectrogram's ends, and up to where bands are equally wide: what telephones and narrow-band codecs pass on."""

_FLOOR = 0.03
"""Added to each band, as a share of the level within half a second: below it (-15 dB) only noise would speak. Of 0.01, 0.03, 0.1 the one
with fewest wrong bits over codecs and noise together."""

_LEVEL_FRAMES = 50
_BAND_ORDERS, _TIME_ORDERS = range(6), range(1, 5)
"""Slow first: order 0 in time would be the microphone's colour, higher ones break in low bit rates."""

BITS = len(_BAND_ORDERS) * len(_TIME_ORDERS)
TOLD = 8.0
"""A patch counts if its coefficients' norm reaches this: white noise has 3-7, silence 0, speech 12-75."""

_SHORT, _BINS = 128, np.arange(4, 36, 2)
"""Samples in a phase's window (16 ms), and its bins: 16, 125 Hz apart."""

PHASES = len(_BINS)
TURN: npt.NDArray[np.float64] = 2 * np.pi * _BINS / _SHORT
"""Radians by which each band's phase goes on in one sample."""

_QUIET = 0.01
"""-20 dB below the loud parts: phases there are noise's."""


def _cosines(length: int, orders: range) -> npt.NDArray[np.float32]:
    angle = (np.arange(length) + 0.5) / length * np.pi
    curves: npt.NDArray[np.float32] = (np.stack([np.cos(order * angle) for order in orders], 1) * np.sqrt(2 / length)).astype(np.float32)
    return curves


def _filters() -> npt.NDArray[np.float32]:
    """Triangles of equal area, shape (frequencies, bands)."""
    edges = np.geomspace(_LOWEST + _LINEAR, _HIGHEST + _LINEAR, _BANDS + 2) - _LINEAR
    hertz = np.fft.rfftfreq(_WINDOW, 1 / RATE)[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    shape = np.clip(np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)), 0, None)
    equal: npt.NDArray[np.float32] = (shape / shape.sum(0)).astype(np.float32)
    return equal


_FILTERS = _filters()
_HANN = np.hanning(_WINDOW).astype(np.float32)
_ACROSS, _ALONG = _cosines(_BANDS, _BAND_ORDERS), _cosines(_PATCH, _TIME_ORDERS)
_WEIGHTS = (1 << np.arange(BITS, dtype=np.uint32)).astype(np.uint32)
_TURNS = np.outer(np.arange(_SHORT) - _SHORT // 2, TURN)
_SHORT_WAVES = (np.concatenate([np.cos(_TURNS), -np.sin(_TURNS)], 1) * np.hanning(_SHORT)[:, None]).astype(np.float32)
"""Real and imaginary parts side by side: a product of real matrices is ten times as fast as one of real by complex."""


_BACK = np.exp(-1j * np.outer(np.arange(_SHORT // STEP) * STEP, TURN)).astype(np.complex64)
"""What turns a phase back to the sound's beginning: bins are whole numbers, so it repeats with each window."""


class Spoken(NamedTuple):
    """Words of a sound: one each ``HOP`` samples from ``-PAD``; ``told`` says which are worth comparing; ``coefficients`` made them."""

    words: Words
    told: npt.NDArray[np.bool_]
    coefficients: npt.NDArray[np.float32]


def _framed(sound: Sound, window: int, hop: int) -> npt.NDArray[np.float32]:
    padded = np.concatenate([np.zeros(window // 2, np.float32), sound, np.zeros(window // 2, np.float32)])
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]


def _level(energy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean within half a second on either side."""
    near = _LEVEL_FRAMES
    total = np.cumsum(np.concatenate([[0.0], np.pad(energy.astype(np.float64), near, mode="edge")]))
    mean: npt.NDArray[np.float32] = ((total[2 * near + 1 :] - total[: -2 * near - 1]) / (2 * near + 1)).astype(np.float32)
    return mean


def spoken(sound: Sound) -> Spoken:
    """The words of a sound, silence put before and after it."""
    padded = np.concatenate([np.zeros(PAD, np.float32), sound, np.zeros(PAD, np.float32)])
    spectrum = np.fft.rfft(_framed(padded, _WINDOW, HOP) * _HANN, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) @ _FILTERS
    level = np.clip(_level(power.mean(1)), 0, None)
    loudness = np.log(power + _FLOOR * level[:, None] + 1e-6 * level.max(initial=0) + 1e-12)
    patches = np.lib.stride_tricks.sliding_window_view(loudness @ _ACROSS, _PATCH, axis=0)
    coefficients = (patches @ _ALONG).reshape(len(patches), BITS)
    words = ((coefficients > 0) * _WEIGHTS).sum(1, dtype=np.uint32)
    return Spoken(words, np.linalg.norm(coefficients, axis=1) >= TOLD, coefficients)


def waves(sound: Sound) -> Waves:
    """Each band's wave, shape (phases, ``PHASES``), one each ``STEP`` samples, as if all had begun at sample 0."""
    parts = np.ascontiguousarray(_framed(sound, _SHORT, STEP)) @ _SHORT_WAVES
    short = parts[:, :PHASES] + 1j * parts[:, PHASES:]
    back = _BACK[np.arange(len(short)) % len(_BACK)]
    wave: Waves = (short * back).astype(np.complex64)
    return wave


def loudness(wave: Waves) -> float:
    """Energy of a sound's loud parts."""
    return float(np.percentile((np.abs(wave) ** 2).sum(1), 95)) if len(wave) else 0.0


def quadrants(wave: Waves, loud: float) -> tuple[Words, npt.NDArray[np.bool_]]:
    """Phases as 32-bit words (16 signs of the real, 16 of the imaginary part), and where there was sound, ``loud`` parts having so much."""
    energy = (np.abs(wave) ** 2).sum(1)
    bits = np.concatenate([wave.real > 0, wave.imag > 0], axis=1)
    return (bits * (1 << np.arange(2 * PHASES, dtype=np.uint64))).sum(1, dtype=np.uint64).astype(np.uint32), energy > _QUIET * loud


def turned(phases: Words, heard: npt.NDArray[np.bool_]) -> Waves:
    """Unit waves, conjugate, of packed phases; 0 where nothing was heard. Adds an axis of ``PHASES`` at the end."""
    shifts = np.arange(PHASES, dtype=np.uint32)
    real = ((phases[..., None] >> shifts) & 1) * np.float32(2) - 1
    imaginary = ((phases[..., None] >> (shifts + PHASES)) & 1) * np.float32(2) - 1
    return ((real - 1j * imaginary) * heard[..., None] * np.float32(0.5**0.5)).astype(np.complex64)
