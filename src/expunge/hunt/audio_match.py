"""Finds segments in a chunk of sound: words vote for (segment, delay), phases decide.

All clips are looked up at once. What a chunk costs is bounded, however many are sought: words that many segments share are not asked (they
tell nothing), and only so many candidates are weighed per second of sound. 5,000 clips cost four times as much as ten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from expunge.hunt.audio_prints import Shelf
from expunge.hunt.audio_spectrum import HOP, PAD, PHASES, RATE, STEP, Sound, Spoken, Waves, spoken, turned, waves

_Ints = npt.NDArray[np.int64]
_Reals = npt.NDArray[np.float32]

COMMON = 64
"""Segments' words that share one value at most: above it the value is a steady vowel or an onset that everybody's speech has."""

STRIDE = 2
"""Each second word of the scanned sound is asked (20 ms); segments hold all of theirs."""

WEAKEST = 3
"""Bits nearest to zero that are tried both ways: eight values are asked per word."""

BIN = 4
"""Delays are counted in bins of 40 ms, twice, half a bin apart: a voice that is 4 % faster drifts by one bin a second."""

VOTES = 2
PER_SECOND = 25
"""Words that must agree on a delay, and candidates weighed per second of sound, those with most votes first."""

STRONG, SPEEDS_EACH = 6, 10
"""Votes from which other speeds are tried, for one segment in so many seconds of sound, and for three at least."""

NEAR = 8
"""Phase steps (4 ms) tried on either side of a candidate's delay: the bin's half, and the patch's own uncertainty."""

_MOMENTS = 6
"""Of those that voted for a candidate, from the first to the last: the one where the segment is loudest is looked at."""

_GLANCE = 125
"""Phases (0.5 s) by which a candidate is first weighed."""

_WORTH = 0.42
"""Agreement of a glance from which the whole overlap is looked at; strangers have 0.2-0.4."""

_SUB, _BLOCK = 50, 250
"""Phases in a part of the run that is sought (0.2 s), and over which agreement is coherent (1 s; clocks may differ by 0.01 %)."""

LEAST = 0.12
"""Seconds that must be heard in a run."""

_ELSEWHERE = range(15, 76, 2)
"""Phases between a stretch and its rivals: 60 to 300 ms, beyond a vowel's pitch, within a word."""

_RUN = 0.5
"""Agreement of 0.2 s that lengthens a run; strangers have 0.3-0.5, copies at 8 kbit/s 0.6-0.8."""


CHANCE = 0.22
"""What agreement falls by per root of a second heard: short stretches agree by chance."""

FOUND, REVIEW = 0.31, 0.15
"""Agreement less chance. Of 430,000 pairs of different recordings, of few people who say the same, none reached 0.26, 14 reached 0.15."""


@dataclass(frozen=True, slots=True)
class Match:
    """A segment seen in a chunk. ``agreement`` is 0 to 1, over ``heard`` seconds (in effect); ``at`` is where in the chunk, in seconds.

    ``rival`` is the agreement of the same stretch 60-300 ms further on or back, ``speed`` how much faster the copy plays.
    """

    segment: int
    agreement: float
    heard: float
    at: float
    rival: float
    speed: float = 1.0

    @property
    def certainty(self) -> float:
        """Agreement less what chance gives to so short a stretch."""
        return float(self.agreement - CHANCE / self.heard**0.5)


@dataclass(frozen=True, slots=True, repr=False)
class Candidates:
    """Per candidate: segment, delay in words (scan minus segment), votes, and the moment to look at first, in words of the scan."""

    segment: _Ints
    delay: _Ints
    votes: _Ints
    middle: _Ints


class Index:
    """Words of all segments, sorted; those of too many places are left out."""

    def __init__(self, shelf: Shelf) -> None:
        """Sort once."""
        self.shelf = shelf
        held = np.flatnonzero(shelf.told)
        order = np.argsort(shelf.words[held], kind="stable")
        values, counts = np.unique(shelf.words[held][order], return_counts=True)
        rare = np.repeat(counts <= COMMON, counts)
        self._places = held[order][rare]
        self._values = values[counts <= COMMON]
        self._heard = np.concatenate([[0], np.cumsum(shelf.heard)])
        self._firsts = np.concatenate([[0], np.cumsum(counts[counts <= COMMON])])

    def scan(self, sound: Sound) -> tuple[list[Match], Candidates]:
        """The segments that sound in ``sound``, each at most once per delay; and what many words spoke for, but no phases."""
        if not len(self._places):
            return [], Candidates(*[np.zeros(0, np.int64)] * 4)
        found = self._candidates(spoken(sound))
        return self._weigh(found, waves(sound)) if len(found.segment) else ([], found)

    def best(self, segment: int, delay: int, wave: Waves) -> Match | None:
        """The segment's longest run at the best delay, in phases, within ``NEAR`` of the given one."""
        shelf = self.shelf
        only = slice(int(shelf.phase_at[segment]), int(shelf.phase_at[segment + 1]))
        sought = turned(shelf.phases[only], shelf.heard[only])
        there = _flat(wave)

        def agreement(at: int) -> float:
            low, high = max(0, -at), min(len(sought), len(there) - at)
            return _agreement(sought[low:high], there[low + at : high + at]) if high - low >= _SUB else 0.0

        return self.whole(segment, max(range(delay - NEAR, delay + NEAR + 1), key=agreement), wave)

    def _candidates(self, heard: Spoken) -> Candidates:
        times = np.flatnonzero(heard.told)
        times = times[times % STRIDE == 0]
        asked = _probes(heard.words[times], np.abs(heard.coefficients[times]))
        slot = np.minimum(np.searchsorted(self._values, asked), len(self._values) - 1)
        there = self._values[slot] == asked
        first, count = self._firsts[slot[there]], self._firsts[slot[there] + 1] - self._firsts[slot[there]]
        when = np.repeat(np.broadcast_to(times[:, None], asked.shape)[there], count)
        place = self._places[np.repeat(first - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(count.sum())]
        segment = np.searchsorted(self.shelf.word_at, place, side="right") - 1
        delay = when - (place - self.shelf.word_at[segment])
        elected, moments = _elect(segment, delay, when, PER_SECOND * len(heard.words) * HOP // RATE)
        return replace(elected, middle=self._loudest(elected, moments))

    def _loudest(self, found: Candidates, moments: _Ints) -> _Ints:
        """Of some moments that voted (words of the scan, shape (candidates, any)) that around which most of the segment is heard."""
        shelf = self.shelf
        low, high = shelf.phase_at[found.segment][:, None], shelf.phase_at[found.segment + 1][:, None]
        begin = low + _phase_of(moments - found.delay[:, None]) - _GLANCE // 2
        edges = np.clip(np.stack([begin, begin + _GLANCE]), low, high)
        most = np.argmax(self._heard[edges[1]] - self._heard[edges[0]], axis=1)
        best: _Ints = np.take_along_axis(moments, most[:, None], 1)[:, 0]
        return best

    def _weigh(self, found: Candidates, wave: Waves) -> tuple[list[Match], Candidates]:
        agreement, lag = self._glance(found, wave)
        worth = np.flatnonzero(agreement >= _WORTH)
        seen: dict[tuple[int, int], Match] = {}
        for one in worth[np.argsort(-agreement[worth])]:
            segment, delay = int(found.segment[one]), int(lag[one])
            if not any((segment, near) in seen for near in range(delay - NEAR, delay + NEAR + 1)):
                match = self.whole(segment, delay, wave)
                if match is not None:
                    seen[segment, delay] = match
        known = {segment for (segment, _), match in seen.items() if match.certainty >= FOUND}
        open_ = np.array([one not in known for one in found.segment.tolist()]) & (found.votes >= STRONG)
        _, first = np.unique(np.where(open_, found.segment, -1), return_index=True)  # candidates are in the order of their votes
        first = np.sort(first[open_[first]])[: max(3, len(wave) * STEP // RATE // SPEEDS_EACH)]
        return list(seen.values()), Candidates(found.segment[first], found.delay[first], found.votes[first], found.middle[first])

    def _glance(self, found: Candidates, wave: Waves) -> tuple[_Reals, _Ints]:
        """Agreement of half a second around what voted, and the delay in phases at which it is best."""
        shelf = self.shelf
        delay = np.round(found.delay * HOP / STEP).astype(np.int64)
        middle = _phase_of(found.middle) - delay
        length = shelf.phase_at[found.segment + 1] - shelf.phase_at[found.segment]
        begin = np.clip(middle - _GLANCE // 2, 0, np.maximum(length - _GLANCE, 0))
        index = begin[:, None] + np.arange(_GLANCE)
        inside = index < length[:, None]
        place = shelf.phase_at[found.segment][:, None] + np.where(inside, index, 0)
        sought = turned(shelf.phases[place], shelf.heard[place] & inside)
        best, at = np.zeros(len(delay), np.float32), delay.copy()
        padded, pull = _padded(wave)
        rows = np.clip(index + delay[:, None] + pull - NEAR, 0, len(padded) - 2 * NEAR - 1)
        for near in range(2 * NEAR + 1):
            there = padded[rows + near]
            agree = np.abs((sought * there).sum(1)).sum(1) / (np.abs(there) * (sought != 0)).sum((1, 2)).clip(1e-9)
            better = agree > best
            best[better], at[better] = agree[better], delay[better] + near - NEAR
        return best, at

    def whole(self, segment: int, delay: int, wave: Waves) -> Match | None:
        """The longest run of the segment that agrees, at this delay in phases."""
        shelf = self.shelf
        first, last = int(shelf.phase_at[segment]), int(shelf.phase_at[segment + 1])
        low, high = max(0, -delay), min(last - first, len(wave) - delay)
        if high - low < _SUB // 2:
            return None
        sought = turned(shelf.phases[first + low : first + high], shelf.heard[first + low : first + high])
        there = _flat(wave[low + delay : high + delay])
        begin, end = _run(sought * there, np.abs(there) * (sought != 0))
        sought = sought[begin:end]
        heard = _effective(np.abs(there[begin:end]).sum(1) * (sought[:, 0] != 0)) * STEP / RATE
        if heard < LEAST:
            return None
        place = low + delay + begin
        return Match(segment, _agreement(sought, there[begin:end]), heard, place * STEP / RATE, _rival(sought, _flat(wave), place))


def _effective(weight: _Reals) -> float:
    """How many phases of equal weight would say as much: a click in silence says little, however long the silence is."""
    return float(weight.sum() ** 2 / max(float((weight * weight).sum()), 1e-12))


def _agreement(sought: Waves, there: Waves) -> float:
    """Length of the mean product, coherent over about a second and in each band by itself, to what it could be."""
    parts = np.linspace(0, len(sought), max(1, round(len(sought) / _BLOCK)) + 1).astype(np.int64)[:-1]
    total = np.abs(np.add.reduceat(sought * there, parts)).sum()
    return float(total / max(float((np.abs(there) * (sought != 0)).sum()), 1e-9))


def _rival(sought: Waves, there: Waves, place: int) -> float:
    """The best agreement of the same stretch elsewhere nearby: high for hum, tones and idle devices, which repeat themselves."""
    sought = sought[: 2 * _BLOCK]
    starts = [place + way * shift for shift in _ELSEWHERE for way in (-1, 1)]
    return max((_agreement(sought, there[at : at + len(sought)]) for at in starts if 0 <= at <= len(there) - len(sought)), default=0.0)


def _probes(words: npt.NDArray[np.uint32], strength: _Reals) -> npt.NDArray[np.uint32]:
    """The words, and with their weakest bits turned in every way; shape (words, 2 ** WEAKEST)."""
    if not len(words):
        return np.zeros((0, 1 << WEAKEST), np.uint32)
    weak = np.argpartition(strength, WEAKEST, axis=1)[:, :WEAKEST]
    ways = (np.arange(1 << WEAKEST)[:, None] >> np.arange(WEAKEST)) & 1
    flips = (ways[None] << weak[:, None, :]).sum(2).astype(np.uint32)
    probes: npt.NDArray[np.uint32] = words[:, None] ^ flips
    return probes


def _phase_of(word: _Ints) -> _Ints:
    """The phase in the middle of a word's patch."""
    phase: _Ints = np.round((word * HOP - PAD + 15.5 * HOP) / STEP).astype(np.int64)
    return phase


def _elect(segment: _Ints, delay: _Ints, when: _Ints, most: int) -> tuple[Candidates, _Ints]:
    """Candidates with most votes, and for each ``_MOMENTS`` that voted, in order; a moment of the scan has one vote per bin."""
    shift, span = 1 << 20, 1 << 22  # delays and moments are below a million words (three hours): a chunk is a minute
    held = []
    for half in (0, BIN // 2):
        box = segment * span + (delay + shift + half) // BIN
        vote = np.unique(box * shift + when)
        boxes, first, votes = np.unique(vote // shift, return_index=True, return_counts=True)
        enough = votes >= VOTES
        boxes, first, votes = boxes[enough], first[enough], votes[enough]
        spread = vote[first[:, None] + (votes - 1)[:, None] * np.arange(_MOMENTS) // (_MOMENTS - 1)] % shift
        held.append((boxes // span, (boxes % span) * BIN + BIN // 2 - half - shift, votes, spread))
    columns = [np.concatenate(column) for column in zip(*held, strict=True)]
    best = np.argsort(-columns[2], kind="stable")[:most]
    segment, delay, votes, moments = (column[best] for column in columns)
    return Candidates(segment, delay, votes, moments[:, 0]), moments


def _flat(wave: Waves) -> Waves:
    """Loudness compressed to its root: all of a recording has a say, not its loudest vowel alone."""
    return (wave / np.sqrt(np.abs(wave) + np.float32(1e-12))).astype(np.complex64)


def _padded(wave: Waves) -> tuple[Waves, int]:
    """The flattened wave with silence on both sides, and how many phases were put before."""
    edge = np.zeros((_GLANCE + 2 * NEAR, PHASES), np.complex64)
    return np.concatenate([edge, _flat(wave), edge]), len(edge)


def _run(product: Waves, weight: _Reals) -> tuple[int, int]:
    """The stretch, in whole parts of 0.2 s, whose agreement exceeds ``_RUN`` by most in sum."""
    count = max(1, len(product) // _SUB)
    edges = np.linspace(0, len(product), count + 1).astype(np.int64)
    mass = np.add.reduceat(weight, edges[:-1]).sum(1)
    gain = np.abs(np.add.reduceat(product, edges[:-1])).sum(1) - _RUN * mass
    total = np.concatenate([[0.0], np.cumsum(gain)])
    low = np.minimum.accumulate(total)
    end = int(np.argmax(total[1:] - low[:-1])) + 1
    begin = int(np.argmin(total[:end]))
    return int(edges[begin]), int(edges[end])
