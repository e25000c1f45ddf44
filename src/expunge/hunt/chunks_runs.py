"""From hits to sightings: spans of one body that lie in order and near each other are a copy of that stretch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_index import Index
from expunge.hunt.pieces import Place
from expunge.hunt.prints import Kind, Sighting, Tier

NEAR = 64 << 10
"""Bytes by which a copy may drift from one hit to the next: what a container puts between the parts of a content."""

ENOUGH = ((3.0, 2_048, 0.1), (2.0, 256, 0.5), (3.0, 8_192, 0.0))
"""A copy is *found* from so many spans of its own, so many bytes, and this share of the body's spans; one line must hold. A template or a
preamble (an office file's theme is 1.7 kB in all of them) is less of a body than that, most of the time."""

REVIEW_WEIGHT, REVIEW_BYTES = 1.0, 256

SCATTERED = 2.0
"""Runs that are too short each (a fragmented disk image) count together, but then need so many times as much."""


@dataclass(slots=True, repr=False)
class Hits:
    """Spans seen in one place, and where."""

    spans: list[npt.NDArray[np.int64]] = field(default_factory=list["npt.NDArray[np.int64]"])
    starts: list[npt.NDArray[np.int64]] = field(default_factory=list["npt.NDArray[np.int64]"])
    count: int = 0

    def add(self, spans: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> None:
        """Remember a window's hits; ``starts`` are bytes in the place's stream."""
        self.spans.append(spans)
        self.starts.append(starts)
        self.count += spans.size


def runs(index: Index, hits: Hits, place: Place, row: str | None = None) -> Iterator[Sighting]:
    """One sighting per stretch of a body that is there, for every person whose body it is."""
    spans, starts = np.concatenate(hits.spans), np.concatenate(hits.starts)
    order = np.lexsort((index.start[spans], starts, index.body[spans]))
    spans, starts = spans[order], starts[order]
    bodies = index.body[spans]
    edges = np.flatnonzero(np.diff(bodies)) + 1
    for mine, at in zip(np.split(spans, edges), np.split(starts, edges), strict=True):
        for tier, strength, form, offset, length in _copies(index, mine, at):
            for twin in index.twins[int(index.body[mine[0]])]:
                subject = int(index.subject[twin])
                yield Sighting(place, Kind.BYTES, tier, subject, twin, strength, form, offset, length, row)


def _copies(index: Index, spans: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> Iterator[tuple[Tier, float, str, int, int]]:
    """What the hits of one body, in the order of the stream, amount to."""
    drift = starts - index.start[spans]
    apart = (np.abs(np.diff(drift)) > NEAR) | (np.diff(index.start[spans]) < 0)
    edges = np.flatnonzero(apart) + 1
    left = np.ones(spans.size, np.bool_)
    for mine, at, rest in zip(np.split(spans, edges), np.split(starts, edges), np.split(left, edges), strict=True):
        judged = _judged(index, mine, at, 1.0)
        if judged is not None and (judged[0] is Tier.FOUND or not edges.size):
            rest[:] = False  # a view of ``left``
            yield judged
    if left.any():
        judged = _judged(index, spans[left], starts[left], SCATTERED if edges.size else 1.0)
        if judged is not None:
            yield judged


def _judged(
    index: Index, spans: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], times: float
) -> tuple[Tier, float, str, int, int] | None:
    body = int(index.body[spans[0]])
    size, kept = int(index.size[body]), int(index.kept[body])
    offset = int(starts.min())
    length = int((starts + index.length[spans]).max()) - offset
    once = np.unique(spans)
    entire = bool((index.length[once] == size).any())
    share = once.size / kept
    covered = size if entire else min(size, max(int(index.length[once].sum()), int(share * size)))
    weight = float(index.weight[once].sum())
    if entire:
        tier = Tier.REVIEW if index.common[body] else Tier.FOUND
        return tier, 1.0, "the whole content, inside something else", offset, size
    if any(weight >= own * times and covered >= most * times and share >= part for own, most, part in ENOUGH):
        return Tier.FOUND, share, f"{share:.0%} of the content's chunks", offset, length
    if weight >= REVIEW_WEIGHT * times and covered >= REVIEW_BYTES * times:
        return Tier.REVIEW, share, f"{share:.0%} of the content's chunks", offset, length
    return None
