"""Still pictures: a snapshot of somebody, or a thumbnail taken out of their clip, encoded anew, resized, brightened or cropped.

Two snapshots of one fixed camera are alike wherever nobody stands, so likeness as a whole says nothing. A still that comes from a clip is
kept with the clip's *background* (its median picture): what stands before it must agree, and it is for review only. A snapshot without a
clip must agree in every block of the picture alike: where one differs the copy is another moment, or something was drawn over it, and it
is for review at most. A scene that is empty and still, taken twice in one light, can't be told from a copy; it shows in listed stores too,
and is demoted there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from expunge.hunt.video_register import Lens, lenses, middles

WIDTH, HEIGHT = 48, 36
"""Cells of a still, whatever the picture's shape."""

CONTRAST = 8.0
"""Standard deviation, in grey levels of 255, below which a picture shows nothing (dark, fog, one colour)."""

PER_CLIP = 12
"""Stills kept of a clip: those in which most stands before the background, not two within a quarter of a second."""

FRONT = 12.0
"""Grey levels by which something before the background differs from it; its shadow and the codec stay below."""

STANDS = 20
"""Cells (of 1,728) that must differ from the background; a person at a door covers some hundred."""

_POOL = 4
_AT_ONCE = 1_000
"""Stills shrunk in one go: 7 MB as floats."""

_ALIKE = 0.75
"""Correlation on 12 by 9 from which a still is weighed, and how many at most."""
_WEIGHED = 8

_SETTLED = 0.98
"""Correlation at which no other part is sought."""

_BLOCK = 6
_SAME, _NEAR = 0.25, 0.35
"""Residue in a block, as a share of the picture's contrast: 0.02-0.2 in copies; where somebody stands in one of two 0.5 and more."""

_LITTLE, _EVEN = 0.1, 4.5
"""A copy's residue is even: its worst block differs by no more than a tenth of the contrast, or 4.5 times as much as half of the blocks.
(Copies: 0.01-0.1, 1.5-4.6 times. Two snapshots of one door in which hardly anything differs: 0.23-0.39, 15-28 times.)"""

_FRONT = 0.9
"""Agreement of what stands before the background, for review. Another person at the same spot of one door reaches as much now and then, on
cells so coarse: a thumbnail out of a clip never stands by itself."""

_LITTLE, _EVEN = 0.1, 4.5
"""A copy's residue is even: its worst block differs by no more than a tenth of the contrast, or 4.5 times as much as half of the blocks.
(Copies: 0.01-0.1, 1.5-4.6 times. Two snapshots of one door in which hardly anything differs: 0.23-0.39, 15-28 times.)"""

_FRONT_FOUND, _FRONT_REVIEW = 0.9, 0.9
"""Agreement of what stands before the background. Another person at the same spot of one door reaches 0.9 too: to be found, every
block must be the same besides."""

_REVIEW_BLOCKS = 0.85
"""Share of the blocks that must agree for review: a logo or a clock covers less than the rest."""

Grey: TypeAlias = npt.NDArray[np.float32]
"""Shape (HEIGHT, WIDTH), 0 to 255."""

_ACROSS, _DOWN, _MIDDLES = np.stack(lenses(WIDTH, WIDTH)), np.stack(lenses(HEIGHT, HEIGHT)), middles()[::2]


@dataclass(frozen=True, slots=True, repr=False)
class Still:
    """A picture of a subject; ``back`` is its clip's background, ``None`` for a snapshot."""

    subject: int
    print: int
    picture: npt.NDArray[np.uint8]
    back: npt.NDArray[np.uint8] | None = None

    @property
    def size(self) -> int:
        """Bytes, about."""
        return 2 * self.picture.nbytes


@dataclass(frozen=True, slots=True, repr=False)
class Stills:
    """Many stills, by column: shapes (n,) and (n, HEIGHT, WIDTH)."""

    subjects: npt.NDArray[np.int64]
    prints: npt.NDArray[np.int64]
    pictures: npt.NDArray[np.uint8]
    backs: npt.NDArray[np.uint8]
    backed: npt.NDArray[np.bool_]

    def columns(self) -> dict[str, npt.NDArray[np.generic]]:
        """For a page."""
        return {
            "still_rows": np.stack([self.subjects, self.prints, self.backed.astype(np.int64)], 1),
            "still_pictures": self.pictures,
            "still_backs": self.backs,
        }

    @classmethod
    def read(cls, page: Mapping[str, npt.NDArray[np.generic]]) -> Stills:
        """From a page."""
        rows = np.asarray(page["still_rows"], np.int64)
        pictures, backs = np.asarray(page["still_pictures"], np.uint8), np.asarray(page["still_backs"], np.uint8)
        return cls(rows[:, 0], rows[:, 1], pictures, backs, rows[:, 2] > 0)

    @classmethod
    def all_of(cls, every: Sequence[Stills]) -> Stills:
        """End to end."""
        return cls(
            np.concatenate([one.subjects for one in every]),
            np.concatenate([one.prints for one in every]),
            np.concatenate([one.pictures for one in every]),
            np.concatenate([one.backs for one in every]),
            np.concatenate([one.backed for one in every]),
        )


def stills_of_rows(rows: Sequence[Still]) -> Stills:
    """The stills, by column."""
    none = np.zeros((0, HEIGHT, WIDTH), np.uint8)
    backs = [np.zeros((HEIGHT, WIDTH), np.uint8) if one.back is None else one.back for one in rows]
    return Stills(
        np.array([one.subject for one in rows], np.int64),
        np.array([one.print for one in rows], np.int64),
        np.stack([one.picture for one in rows]) if rows else none,
        np.stack(backs) if rows else none,
        np.array([one.back is not None for one in rows], np.bool_),
    )


def of_clip(shots: Sequence[npt.NDArray[np.uint8]], every: int, subject: int, number: int) -> list[Still]:
    """The stills of a clip that show most before its background; ``every`` is the least number of pictures between two."""
    whole = np.stack(shots[:: max(1, every)])
    back = np.median(whole, axis=0).astype(np.uint8)
    front = (np.abs(whole.astype(np.float32) - back) > FRONT).sum((1, 2))
    best = np.argsort(-front, kind="stable")[:PER_CLIP]
    return [
        Still(subject, number, whole[one], back) for one in sorted(best.tolist()) if front[one] >= STANDS and whole[one].std() >= CONTRAST
    ]


@dataclass(frozen=True, slots=True)
class Likeness:
    """A still seen in a picture: its number among the stills, 0 to 1, and whether it stands by itself."""

    still: int
    strength: float
    sure: bool


class Gallery:
    """All stills, to be compared with a picture at once."""

    def __init__(self, stills: Stills) -> None:
        """Shrink every still, whole and cut evenly, to what is compared first."""
        self.stills = stills
        parts = np.array_split(stills.pictures, len(stills.pictures) // _AT_ONCE + 1)
        cut = [_small(_DOWN[one] @ part.astype(np.float32) @ _ACROSS[one].T) for one in _MIDDLES for part in parts]
        self._first = np.concatenate(cut)

    def like(self, picture: npt.NDArray[np.uint8]) -> list[Likeness]:
        """The stills that the picture (HEIGHT by WIDTH) is a copy of, or may be."""
        grey = picture.astype(np.float32)
        if not len(self.stills.prints) or grey.std() < CONTRAST:
            return []
        alike = (self._first @ _small(grey[None])[0]).reshape(len(_MIDDLES), -1).max(0)
        best = np.argsort(-alike, kind="stable")[:_WEIGHED]
        seen = [self._compare(int(one), grey) for one in best if alike[one] >= _ALIKE]
        return [one for one in seen if one is not None]

    def _compare(self, still: int, grey: Grey) -> Likeness | None:
        whole = self.stills.pictures[still].astype(np.float32)
        down, across = _part(whole, grey)
        ours = down @ whole @ across.T
        gain, offset = _light(ours, grey)
        if gain <= 0:
            return None
        residue = _blocks((grey - gain * ours - offset) ** 2) ** 0.5 / grey.std()
        same = float((residue <= _SAME).mean())
        even = residue.max() <= min(_NEAR, max(_LITTLE, _EVEN * float(np.median(residue))))
        sure = bool(even and same > 1 - 2 / residue.size)
        if self.stills.backed[still]:
            front = _before(ours, down @ self.stills.backs[still].astype(np.float32) @ across.T, grey)
            return Likeness(still, front, sure=False) if front >= _FRONT else None
        return Likeness(still, same, sure) if sure or same >= _REVIEW_BLOCKS else None


def _before(ours: Grey, back: Grey, grey: Grey) -> float:
    """How far the same stands before the background; the light is fitted where the background is seen in both."""
    front = np.abs(ours - back) > FRONT
    if front.sum() < STANDS or front.all():
        return 0.0
    gain, offset = _light(back[~front], grey[~front])
    one, other = (ours - back) * gain, grey - gain * back - offset
    one, other = np.where(np.abs(one) > FRONT / 2, one, 0), np.where(np.abs(other) > FRONT / 2, other, 0)
    return float((one * other).sum() / max(float(np.sqrt((one * one).sum() * (other * other).sum())), 1e-6)) if gain > 0 else 0.0


def _part(ours: Grey, grey: Grey) -> tuple[Lens, Lens]:
    """The lenses (down, across) through which ``ours`` is most like ``grey``."""
    even = _alike((_DOWN[_MIDDLES] @ ours @ _ACROSS[_MIDDLES].transpose(0, 2, 1)).astype(np.float32, copy=False), grey)
    across = down = _MIDDLES[int(np.argmax(even))]
    for _ in range(2 if even.max() < _SETTLED else 0):
        across = int(np.argmax(_alike(((_DOWN[down] @ ours) @ _ACROSS.transpose(0, 2, 1)).astype(np.float32, copy=False), grey)))
        down = int(np.argmax(_alike(_DOWN @ (ours @ _ACROSS[across].T), grey)))
    return _DOWN[down], _ACROSS[across]


def _alike(many: npt.NDArray[np.float32], grey: Grey) -> npt.NDArray[np.float32]:
    """Correlation of each of many pictures with one."""
    many, grey = many - many.mean((1, 2), keepdims=True), grey - grey.mean()
    alike: npt.NDArray[np.float32] = (many * grey).sum((1, 2)) / np.sqrt((many * many).sum((1, 2)) * (grey * grey).sum() + 1e-6)
    return alike


def _light(ours: Grey, theirs: Grey) -> tuple[float, float]:
    """Gain and offset that make ``ours`` most like ``theirs``."""
    spread = float(((ours - ours.mean()) ** 2).sum())
    gain = float(((ours - ours.mean()) * (theirs - theirs.mean())).sum()) / spread if spread > 0 else 1.0
    return gain, float(theirs.mean() - gain * ours.mean())


def _blocks(cells: Grey) -> Grey:
    """Means of blocks of 6 by 6 cells."""
    means: Grey = cells.reshape(HEIGHT // _BLOCK, _BLOCK, WIDTH // _BLOCK, _BLOCK).mean((1, 3))
    return means


def _small(grey: Grey) -> npt.NDArray[np.float32]:
    """12 by 9 cells, mean 0, length 1; shape (pictures, 108)."""
    small = (
        grey.reshape(len(grey), HEIGHT // _POOL, _POOL, WIDTH // _POOL, _POOL).mean((2, 4)).reshape(len(grey), HEIGHT * WIDTH // _POOL**2)
    )
    small = small - small.mean(1, keepdims=True)
    unit: npt.NDArray[np.float32] = (small / np.linalg.norm(small, axis=1, keepdims=True).clip(1e-6)).astype(np.float32)
    return unit
