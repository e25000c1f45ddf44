"""What is kept of an embedding: its direction, as 16-bit numbers; and how those of one length are searched all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from expunge.hunt import chunks_pages as pages
from expunge.hunt.chunks_native import kernel
from expunge.hunt.prints import Role, Trace

FEWEST, MOST = 16, 16_384
"""Dimensions. With fewer, strangers are alike by chance; of more, no embedding is known, and bytes of more are a recording's."""

FOUND, REVIEW = 0.999, 0.98
"""Cosines. Conversion to 16 bits, to 8 bits, and rounding to 3 decimals leave .9999 and more; another utterance reaches .95 at most."""

CLOSE, NEAR = 0.01, 0.05
"""The distance (1 - cosine) of what is found, and of what is for review, is at most this share of two needles' usual one: there are models
that give everything a cosine of .99."""

CLOUD, SAMPLE = 16, 4_096
"""Needles from which that usual distance is taken: at least, and about at most; as many are worked on at once."""

COMMON = 4
"""A vector that so many people of one run have is of something that many say: it is for review only."""

WINDOWS, WIDTH = 12, 24
"""Patterns per needle and bits in each. One flipped bit spoils one pattern: at a cosine of .999 a pattern of 24 survives in 7 of 10."""

TELLING = 3
"""Components that a vector rests on at least (its participation ratio): a one-hot one rests on one."""

SCALE = 32_767


def normalised(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int16] | None:
    """A vector's direction, its largest component 32,767; ``None`` if it says too little (few dimensions, or few components not zero)."""
    if not FEWEST <= values.size <= MOST or not np.isfinite(values).all():
        return None
    largest = np.abs(values).max()
    if largest < 1e-30 or np.unique(values).size < FEWEST // 2:  # noqa: PLR2004 - what 32-bit floats can square
        return None
    unit = values / largest
    weight = unit**2 / (unit**2).sum()
    if 1 / (weight**2).sum() < TELLING:
        return None
    direction: npt.NDArray[np.int16] = np.round(unit * SCALE).astype(np.int16)
    return direction


def of_bytes(raw: bytes) -> npt.NDArray[np.float64] | None:
    """The floats that these bytes are: little-endian, of 4, 8 or 2 bytes; ``None`` if they look like something else."""
    for kind in ("<f4", "<f8", "<f2"):
        size = np.dtype(kind).itemsize
        if len(raw) % size or not FEWEST <= len(raw) // size <= MOST:
            continue
        with np.errstate(all="ignore"):  # most bytes are no floats, and some are signalling NaNs
            values = np.frombuffer(raw, kind).astype(np.float64)
            likely = (values == 0) | ((np.abs(values) > 1e-7) & (np.abs(values) < 1e3))  # noqa: PLR2004 - components of embeddings
        if likely.all() and np.count_nonzero(values) > values.size // 4:
            return values
    return None


def draw(traces: Iterable[Trace]) -> Iterator[bytes]:
    """Pages of the prints of all vectors among the traces, those of one length together."""
    waiting: dict[int, tuple[list[int], list[npt.NDArray[np.int16]]]] = {}
    for trace in traces:
        if trace.role is not Role.VECTOR:
            continue
        needle = _needle(trace)
        if needle is None:
            continue
        subjects, needles = waiting.setdefault(needle.size, ([], []))
        subjects.append(trace.subject)
        needles.append(needle)
        if len(needles) * needle.nbytes >= pages.PAGE:
            yield _page(subjects, needles)
            del waiting[needle.size]
    for _, (subjects, needles) in sorted(waiting.items()):
        yield _page(subjects, needles)


def _needle(trace: Trace) -> npt.NDArray[np.int16] | None:
    if isinstance(trace.value, bytes):
        values = of_bytes(trace.value)
        return None if values is None else normalised(values)
    if isinstance(trace.value, Sequence) and not isinstance(trace.value, str) and len(trace.value) >= FEWEST:
        return normalised(np.array(trace.value, np.float64))
    return None


def _page(subjects: Sequence[int], needles: Sequence[npt.NDArray[np.int16]]) -> bytes:
    return pages.pack({"subject": np.array(subjects, np.uint32), "needles": np.stack(needles)})


class Patterns(NamedTuple):
    """The patterns of many vectors: where in a vector each begins, their bits (and in the lowest byte which it is) in order, and whose."""

    starts: npt.NDArray[np.int64]
    width: int
    sieve: npt.NDArray[np.uint8]
    keys: npt.NDArray[np.uint64]
    owners: npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True, repr=False)
class Group:
    """The needles of one length.

    ``number`` is each one's print, ``found`` the cosine from which a copy is beyond doubt, ``review`` that from which it is possible.
    ``centre`` is the mean of their directions: rows are compared without it, or a model's bias would give all of them the same patterns.
    """

    size: int
    subject: npt.NDArray[np.uint32]
    number: npt.NDArray[np.int64]
    needles: npt.NDArray[np.int16]
    common: npt.NDArray[np.bool_]
    found: float
    review: float
    centre: npt.NDArray[np.float32]
    plain: Patterns
    centred: Patterns

    def in_rows(self, values: npt.NDArray[np.float32], *, affine: bool = False) -> list[tuple[int, int, float]]:
        """Row, needle and cosine (``affine``: correlation) of what is like a needle; shape (rows, size)."""
        shown, patterns = (values, self.plain) if affine else (_unit(values) - self.centre, self.centred)
        search = kernel("vectors_kernel").in_rows
        hits = search(values, shown, *patterns, self.needles, self.review, int(affine))
        return list(zip(*(one.tolist() for one in hits), strict=True))

    def in_sequence(self, values: npt.NDArray[np.float32]) -> list[tuple[int, int, float]]:
        """Start, needle and cosine of what is like a needle anywhere in a sequence of numbers."""
        hits = kernel("vectors_kernel").in_sequence(values, *self.plain, self.needles, self.review)
        return list(zip(*(one.tolist() for one in hits), strict=True))


def read(sealed: Iterable[bytes]) -> list[Group]:
    """The groups of these pages, by length."""
    parts = pages.unpack(sealed, ("subject", "needles"))
    before, sizes = 0, dict[int, list[int]]()
    for index, part in enumerate(parts):
        part["number"] = before + np.arange(part["subject"].size)
        before += part["subject"].size
        sizes.setdefault(part["needles"].shape[1], []).append(index)
    return [_group([parts[index] for index in held]) for _, held in sorted(sizes.items())]


def _group(parts: list[dict[str, pages.Array]]) -> Group:
    needles = np.concatenate([part["needles"] for part in parts])
    subject, number = pages.joined(parts, "subject", np.uint32), pages.joined(parts, "number", np.int64)
    centre = _centre(needles)
    spread = float(1 - np.square(centre).sum())
    found, review = max(FOUND, 1 - CLOSE * spread), max(REVIEW, 1 - NEAR * spread)
    patterns = _patterns(needles, np.zeros_like(centre)), _patterns(needles, centre)
    unknown = np.zeros(len(needles), np.bool_)
    group = Group(needles.shape[1], subject, number, needles, unknown, found, review, centre, *patterns)
    return replace(group, common=_common(group))


def _unit(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Rows of length one; rows of zeros stay."""
    floats = values.astype(np.float32)
    length = np.linalg.norm(floats, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = (floats / np.where(length > 0, length, 1)).astype(np.float32)
    return unit


def _centre(needles: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """The mean of the needles' directions; zeros if there are too few to tell."""
    if len(needles) < CLOUD:
        return np.zeros(needles.shape[1], np.float32)
    mean: npt.NDArray[np.float32] = _unit(needles[:: max(1, len(needles) // SAMPLE)]).mean(axis=0)
    return mean


def _patterns(needles: npt.NDArray[np.int16], centre: npt.NDArray[np.float32]) -> Patterns:
    size = needles.shape[1]
    width = min(WIDTH, size - 1)
    starts = np.unique(np.linspace(0, size - 1 - width, WINDOWS).astype(np.int64))
    parts = (needles[first : first + SAMPLE] for first in range(0, len(needles), SAMPLE))
    keys = np.concatenate([_keys(_unit(part) - centre, starts, width) for part in parts])
    owners = np.repeat(np.arange(len(needles), dtype=np.uint32), starts.size)
    telling = _telling(keys >> np.uint64(8), width)
    keys, owners = keys[telling], owners[telling]
    order = np.argsort(keys, kind="stable")
    held = np.zeros(1 << width, np.bool_)
    held[(keys >> np.uint64(8)).astype(np.int64)] = True
    sieve = np.packbits(held, bitorder="little")  # 2 MiB, which a second-level cache holds; bytes would be 16
    return Patterns(starts, width, sieve, keys[order], owners[order])


def _keys(values: npt.NDArray[np.float32], starts: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.uint64]:
    """Every vector's patterns, one after the other, with the pattern's number in the lowest byte."""
    rising = (values[:, 1:] > values[:, :-1]).astype(np.uint64)
    places = np.arange(width - 1, -1, -1, dtype=np.uint64)
    bits = [(rising[:, start : start + width] << places).sum(axis=1, dtype=np.uint64) for start in starts.tolist()]
    keys: npt.NDArray[np.uint64] = np.stack(bits, axis=1) << np.uint64(8) | np.arange(starts.size, dtype=np.uint64)
    return keys.reshape(-1)


def _telling(patterns: npt.NDArray[np.uint64], width: int) -> npt.NDArray[np.bool_]:
    """Patterns that change direction often enough: a stretch of zeros, or of a slope, is nobody's."""
    turns = np.bitwise_count((patterns ^ (patterns >> np.uint64(1))) & np.uint64((1 << (width - 1)) - 1))
    few: npt.NDArray[np.bool_] = turns >= width // 4
    return few


def _common(group: Group) -> npt.NDArray[np.bool_]:
    """Which needles are the same in ``COMMON`` people."""
    common = np.zeros(len(group.needles), np.bool_)
    for first in range(0, len(group.needles), SAMPLE):
        same: dict[int, set[int]] = {}
        for row, needle, cosine in group.in_rows(group.needles[first : first + SAMPLE].astype(np.float32)):
            if cosine >= group.found:
                same.setdefault(row, set()).add(int(group.subject[needle]))
        for row, people in same.items():
            common[first + row] = len(people) >= COMMON
    return common
