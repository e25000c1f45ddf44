"""Lays one film over another: which part of the one is seen in the other, and how well their motion agrees there.

A copy may show a part (cropped anywhere, by up to a quarter of each side) or have bars around it. Width and height are sought one after
the other, from the same share cut off both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from expunge.hunt.video_motion import HEIGHT, WIDTH, Volume, beyond

SHARES = (0.05, 0.1, 0.15, 0.2, 0.25)
"""Of a side that may be missing."""

_PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)
_BARS = (1 / 9, 1 / 4, 1 / 3)
"""Of the original's side that bars add up to: 16:10 in 16:9, 4:3 in 16:9 (a quarter of 16:9's width: a third of 4:3's)."""

_ENOUGH = 0.88
"""Agreement at which no other part is sought."""

Lens: TypeAlias = npt.NDArray[np.float32]

Seen: TypeAlias = tuple[int, Volume]
"""The first step of what is sought that is seen, and what lies over it and those that follow."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a film lies over another. ``steps`` of them agree, ``begin`` the first (of the overlap), with ``moving`` cells that moved."""

    agreement: float
    moving: int
    begin: int
    steps: int
    down: int
    across: int

    @property
    def cut(self) -> bool:
        """Whether a part is seen, and not the whole."""
        return bool(self.down or self.across)

    @property
    def sum(self) -> float:
        """Agreement, weighed by how much agrees: to choose between fits of one film over another."""
        return float(self.agreement * self.moving**0.5)


def _lens(cells: int, of: int, share: float, place: float) -> Lens:
    """Shape (cells, of): cells of the part that is left when ``share`` is cut off, ``place`` of it in front, as means of the whole's."""
    step = (1 - share) * of / cells
    low = share * place * of + np.arange(cells)[:, None] * step
    whole = np.arange(of)
    lens: Lens = (np.clip(np.minimum(low + step, whole + 1) - np.maximum(low, whole), 0, None) / step).astype(np.float32)
    return lens


def lenses(cells: int, of: int) -> list[Lens]:
    """For a side of so many cells, ``of`` so many: the whole, the parts that may be left of it, and bars around it."""
    cuts = [(share, place) for share in SHARES for place in _PLACES]
    return [_lens(cells, of, share, place) for share, place in [(0.0, 0.5), *cuts, *((-bar, 0.5) for bar in _BARS)]]


def middles() -> list[int]:
    """Which of ``lenses`` are the whole, and what is left when both ends lose the same."""
    return [0, *(1 + len(_PLACES) * rank + len(_PLACES) // 2 for rank in range(len(SHARES)))]


def corners() -> list[int]:
    """Which of ``lenses`` are the whole, and what is left when 15 % go at the front, in the middle, or at the end."""
    return [0, *(1 + len(_PLACES) * SHARES.index(0.15) + place for place in (0, len(_PLACES) // 2, len(_PLACES) - 1))]


_ACROSS, _DOWN = lenses(WIDTH, 2 * WIDTH), lenses(HEIGHT, 2 * HEIGHT)

_STARTS = [0, *(1 + len(_PLACES) * SHARES.index(share) + place for share in (0.1, 0.2) for place in range(len(_PLACES)))]
"""The parts that are tried first, of width and height each: a person at a door is two or three cells wide, and is not met from a part that
lies two cells beside the right one. With only the middle and the ends of 15 %, one in five copies that lost a fifth was missed."""

_ACROSS_STARTS, _DOWN_STARTS = np.stack([_ACROSS[one] for one in _STARTS]), np.stack([_DOWN[one] for one in _STARTS])

_BUSIEST, _GLANCE = 30, 20
"""Steps, those with most motion, by which a part is sought: six and four seconds' worth."""


def _ratio(one: Volume, other: Volume) -> float:
    return float((one * other).sum() / max(float(np.sqrt((one * one).sum() * (other * other).sum())), 1e-6))


def _through(down: int, across: int, sought: Volume) -> Volume:
    return beyond((_DOWN[down] @ sought @ _ACROSS[across].T).astype(np.float32, copy=False))


def glance(sought: Volume, pairs: list[Seen], most: int = _GLANCE) -> list[tuple[float, int, int]]:
    """For each of some ways to lay films over each other in time: which of ``_STARTS`` agrees best, how well, down and across.

    ``sought`` are changes as kept; the pairs say which of its steps lie over which picture changes beyond noise. Noise is taken off before
    the part is cut out, and not after: so all parts are a few products of matrices, and not each a film of its own.
    """
    first, last = min(low for low, _ in pairs), max(low + len(there) for low, there in pairs)
    busy = first + np.argsort(-np.abs(sought[first:last]).sum((1, 2)), kind="stable")[:most]
    rows = np.matmul(_DOWN_STARTS[:, None], beyond(sought[busy])[None])
    power = np.einsum(
        "acx,dxz,acz->da", _ACROSS_STARTS, np.einsum("dtyx,dtyz->dxz", rows, rows, optimize=True), _ACROSS_STARTS, optimize=True
    )
    return [_best_part(rows, power, busy, low, there) for low, there in pairs]


def _best_part(rows: Volume, power: Volume, busy: npt.NDArray[np.int64], low: int, there: Volume) -> tuple[float, int, int]:
    inside = (busy >= low) & (busy < low + len(there))
    if not inside.any():
        return 0.0, 0, 0
    theirs = there[busy[inside] - low]
    both = np.einsum("acx,tyc,dtyx->da", _ACROSS_STARTS, theirs, rows[:, inside], optimize=True)
    ratio = both / np.sqrt(power * float((theirs * theirs).sum()) + 1e-6)
    down, across = divmod(int(np.argmax(ratio)), len(_STARTS))
    return float(ratio[down, across]), _STARTS[down], _STARTS[across]


def register(sought: Volume, there: Volume) -> Fit:
    """How ``sought`` (changes as kept) lies over ``there`` (changes beyond noise), of the same length; agreement 1 is the same motion."""
    across = down = 0
    if _ratio(_through(0, 0, sought), there) < _ENOUGH:
        busy = np.argsort(-(there * there).sum((1, 2)), kind="stable")[:_BUSIEST]
        few, theirs = sought[busy], there[busy]

        def agreement(down: int, across: int) -> float:
            return _ratio(_through(down, across, few), theirs)

        ((_, down, across),) = glance(few, [(0, theirs)], _BUSIEST)
        for _ in range(2):
            across = max(range(len(_ACROSS)), key=lambda one: agreement(down, one))
            down = max(range(len(_DOWN)), key=lambda one: agreement(one, across))
    return lay(sought, there, down, across)


def lay(sought: Volume, there: Volume, down: int, across: int) -> Fit:
    """How the part of ``sought`` seen through these of ``lenses`` lies over ``there``."""
    ours = _through(down, across, sought)
    begin, end = _run(ours, there)
    one, other = ours[begin:end], there[begin:end]
    moving = min(int((np.abs(one) > 1).sum()), int((np.abs(other) > 1).sum()))
    return Fit(_ratio(one, other), moving, begin, end - begin, down, across)


_TRUE = 0.6
"""Agreement that lengthens a run; different clips of one door stay below."""


def _run(sought: Volume, there: Volume) -> tuple[int, int]:
    """The stretch whose agreement exceeds ``_TRUE`` by most in sum."""
    ours, theirs = (sought * sought).sum((1, 2)), (there * there).sum((1, 2))
    scale = float(np.sqrt(ours.sum() / max(float(theirs.sum()), 1e-6)))
    gain = (sought * there).sum((1, 2)) * scale - _TRUE * (ours + theirs * scale**2) / 2
    total = np.concatenate([[0.0], np.cumsum(gain)])
    end = int(np.argmax(total[1:] - np.minimum.accumulate(total)[:-1])) + 1
    return int(np.argmin(total[:end])), end
