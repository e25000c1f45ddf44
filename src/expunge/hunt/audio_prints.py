"""Pages of audio prints: the words and phases of every clip of a batch, cut into segments, and how they are laid into bytes.

A segment is at most ``SEGMENT`` seconds, so that a long recording is recognised by any part of it and scanning needs no more context.
A page is an ``.npz`` file without pickles; segments of one clip share its print number.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from expunge.hunt.audio_spectrum import PAD, RATE, STEP, Sound, Words, loudness, quadrants, spoken, waves

SEGMENT = 8
"""Seconds. Twice the median clip of the voice corpora measured; a chunk of the scan overlaps the next by this much."""

SHORTEST = 0.12
"""Seconds that must be heard in a segment; below it phases can't tell recordings apart."""

PAGE = 2 << 20
"""Bytes of a page, about; some 25 minutes of sound."""


@dataclass(frozen=True, slots=True, repr=False)
class Segment:
    """A part of a clip. ``start`` is its first sample in the clip; words and phases as ``audio_spectrum`` makes them of the part alone."""

    subject: int
    print: int
    start: int
    words: Words
    told: npt.NDArray[np.bool_]
    phases: Words
    heard: npt.NDArray[np.bool_]


def segments(sound: Sound, subject: int, number: int) -> Iterator[Segment]:
    """The segments of a clip that hold enough sound to be recognised; what is loud is measured over the whole clip."""
    step = SEGMENT * RATE
    starts = range(0, max(len(sound) - PAD, 1), step)
    parts = [sound[start : start + step + (PAD if len(sound) - start - step <= PAD else 0)] for start in starts]
    wave = [waves(part) for part in parts]
    loud = max(map(loudness, wave))
    for start, part, ours in zip(starts, parts, wave, strict=True):
        phases, heard = quadrants(ours, loud)
        word = spoken(part)
        if heard.sum() * STEP >= SHORTEST * RATE and word.told.any() and loud > 0:
            yield Segment(subject, number, start, word.words, word.told, phases, heard)


def pages(every: Iterable[Segment]) -> Iterator[bytes]:
    """Lay segments into pages."""
    batch: list[Segment] = []
    size = 0
    for one in every:
        batch.append(one)
        size += 5 * len(one.words) + 5 * len(one.phases)
        if size >= PAGE:
            yield _page(batch)
            batch, size = [], 0
    if batch:
        yield _page(batch)


def _page(batch: list[Segment]) -> bytes:
    out = io.BytesIO()
    rows = [(one.subject, one.print, one.start, len(one.words), len(one.phases)) for one in batch]
    np.savez(
        out,
        rows=np.array(rows, np.int64),
        words=np.concatenate([one.words for one in batch]),
        told=np.packbits(np.concatenate([one.told for one in batch])),
        phases=np.concatenate([one.phases for one in batch]),
        heard=np.packbits(np.concatenate([one.heard for one in batch])),
    )
    return out.getvalue()


@dataclass(frozen=True, slots=True, repr=False)
class Shelf:
    """Segments of many pages, end to end. Segment ``i`` has ``words[word_at[i]:word_at[i + 1]]`` and ``phases[phase_at[i]:…]``."""

    subjects: npt.NDArray[np.int64]
    prints: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    words: Words
    told: npt.NDArray[np.bool_]
    word_at: npt.NDArray[np.int64]
    phases: Words
    heard: npt.NDArray[np.bool_]
    phase_at: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """How many segments."""
        return len(self.subjects)


def shelf(every: Iterable[bytes]) -> Shelf:
    """The segments of all pages."""
    rows, words, told, phases, heard = [np.zeros((0, 5), np.int64)], [np.zeros(0, np.uint32)], [], [np.zeros(0, np.uint32)], []
    for page in every:
        with np.load(io.BytesIO(page), allow_pickle=False) as held:
            rows.append(held["rows"])
            words.append(held["words"])
            told.append(np.unpackbits(held["told"], count=len(words[-1])).astype(np.bool_))
            phases.append(held["phases"])
            heard.append(np.unpackbits(held["heard"], count=len(phases[-1])).astype(np.bool_))
    row = np.concatenate(rows)
    none = np.zeros(0, np.bool_)
    return Shelf(
        row[:, 0],
        row[:, 1],
        row[:, 2],
        np.concatenate(words),
        np.concatenate([none, *told]),
        np.concatenate([[0], np.cumsum(row[:, 3])]),
        np.concatenate(phases),
        np.concatenate([none, *heard]),
        np.concatenate([[0], np.cumsum(row[:, 4])]),
    )
