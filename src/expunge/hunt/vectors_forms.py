"""Sequences of numbers in bytes: raw floats of every width and byte order, and lists printed as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_native import kernel

Bytes8 = npt.NDArray[np.uint8]


class Width(NamedTuple):
    """A float's bytes, and the range of its uppermost byte, less the sign, that components of embeddings have."""

    size: int
    low: int
    high: int
    sample: int  # numbers in a row that must fit before a run is followed
    words: str


WIDTHS = (
    Width(4, 0x34, 0x44, 4, "float32"),  # 2^-23 to 2^9 (IEEE 754 binary32: 8 bits of exponent)
    Width(8, 0x3D, 0x40, 4, "float64"),  # 2^-47 to 2^16: the uppermost byte holds 7 of 11 bits
    Width(2, 0x04, 0x4B, 16, "float16"),  # 2^-14 to 2^3; a range so wide that more must fit
    Width(2, 0x34, 0x44, 8, "bfloat16"),  # binary32, cut in half
)

WILD = 1e6
"""Beyond any component: read as 0."""

LISTED = 0.85
"""Share of a block's bytes that digits, signs, points, blanks and commas are in a list of numbers; in log lines up to .75."""


class Sequence(NamedTuple):
    """Numbers in a row, where each begins in the content (bytes), and how it was written."""

    values: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int64]
    form: str


def raw(content: Bytes8, fewest: int) -> Iterator[Sequence]:
    """Runs of at least ``fewest`` floats, each read in both byte orders."""
    runs = kernel("vectors_kernel").float_runs
    for width in WIDTHS:
        if content.size < fewest * width.size:
            continue
        tops, counts = runs(content, width.size, width.low, width.high, width.sample, _step(width, fewest), fewest)
        for top, count in zip(tops.tolist(), counts.tolist(), strict=True):
            for order in "<>":
                first = top - (width.size - 1) if order == "<" else top
                first += width.size if first < 0 else 0  # the first number was cut by the window's edge
                number = min(count, (content.size - first) // width.size)
                if number >= fewest:
                    values = _floats(content[first : first + number * width.size], width, order)
                    yield Sequence(values, first + width.size * np.arange(number, dtype=np.int64), width.words)


def _step(width: Width, fewest: int) -> int:
    """Bytes between looks: two looks in the shortest run."""
    return width.size * max(1, (fewest - width.sample) // 2)


def _floats(content: Bytes8, width: Width, order: str) -> npt.NDArray[np.float32]:
    with np.errstate(all="ignore"):  # what isn't a float in this byte order may be anything
        if width.words == "bfloat16":
            whole = np.ascontiguousarray(content).view(f"{order}u2").astype(np.uint32) << np.uint32(16)
            values = whole.view(np.float32)
        else:
            values = np.ascontiguousarray(content).view(f"{order}f{width.size}").astype(np.float32)
        wild = ~(np.abs(values) < WILD)  # or NaN
    return np.where(wild, np.float32(0), values)


def printed(content: Bytes8, fewest: int) -> Iterator[Sequence]:
    """Lists of at least ``fewest`` numbers with nothing but separators between them."""
    for start, end in _lists(content, 2 * fewest):
        yield from _printed(content[start:end], start, fewest)


def _lists(content: Bytes8, block: int) -> Iterator[tuple[int, int]]:
    """Stretches that may be lists of numbers: ``block`` bytes are so few that a list fills one, wherever it begins."""
    full = kernel("tracks_numbers_kernel").dense(content, block) >= block * LISTED
    wide = np.zeros(full.size + 4, np.bool_)  # two blocks on either side are looked at, too
    for shift in range(5):
        wide[shift : shift + full.size] |= full
    edges = np.flatnonzero(np.diff(np.concatenate(([False], wide, [False])).astype(np.int8)))
    for first, last in edges.reshape(-1, 2).tolist():
        yield max(0, (first - 2) * block), min(content.size, (last - 1) * block)


def _printed(content: Bytes8, before: int, fewest: int) -> Iterator[Sequence]:
    values, starts, _, joined, _ = kernel("tracks_numbers_kernel").numbers(content, 1)
    breaks = np.flatnonzero(~joined)
    lengths = np.diff(np.append(breaks, values.size))
    for first, count in zip(breaks[lengths >= fewest].tolist(), lengths[lengths >= fewest].tolist(), strict=True):
        part = values[first : first + count]
        part = np.where(np.abs(part) < WILD, part, 0).astype(np.float32)
        yield Sequence(part, before + starts[first : first + count], "printed numbers")
