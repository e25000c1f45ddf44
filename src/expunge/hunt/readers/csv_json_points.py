"""Points in JSON that plain bytes don't show to be any: millionths of a degree, metres, in members called so or in pairs.

Degrees in text are found in the bytes, and so are keys and vectors; so JSON is never parsed as a whole, however large or damaged a
document is. Only where the beginning of a block shows points of this kind are the members read out, with the times beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from expunge.hunt.pieces import Numbers, Rows
from expunge.hunt.reading import Opened, Reading

_BLOCK = 4 << 20
_SAMPLES, _SAMPLE = 256, 128
"""Where a block is looked at: a member or two every 16 KiB, so that the look costs less than a tenth of a nanosecond a byte."""

_HINTS = (b"lat", b"Lat", b"lon", b"Lon", b"lng", b"Lng", b"ast", b"orth", b'x"', b'X"')
"""Parts of the names of points; where none is seen, members are not looked at one by one."""

_FEWEST = 8
"""Points below which nothing is a track."""

_DEGREES = 180.0
_MEMBER = re.compile(rb'"([^"\\\x00-\x1f]{1,40})"\s*:\s*"?(-?\d{1,18}(?:\.\d{1,18})?)["\s,}\]]')
_PAIR = re.compile(rb"\[\s*(-?\d{4,10}(?:\.\d{1,12})?)\s*,\s*(-?\d{4,10}(?:\.\d{1,12})?)\s*[,\]]")
_POINT = re.compile(r"lat|lon|lng|east|north|^(?:pos|coord|geo|p)?[_.]?[xy]$", re.IGNORECASE)
_TIME = re.compile(r"time|date|^ts$|_ts$|_at$|epoch", re.IGNORECASE)


def points_in(opened: Opened) -> Reading:
    """The points of a document or of lines of documents, from where its file stands."""
    first = 0
    for block in _blocks(opened.file):
        sample = _sampled(block)
        for columns in (_members(block, _names(sample)), _pairs(block) if len(_PAIR.findall(sample)) > 1 else None):
            if columns:
                rows = len(next(iter(columns.values())).values)
                yield Rows(opened.place, columns, rows, first)
                first += rows


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """The stream in blocks that end with an object's end where there is one."""
    held = b""
    while more := file.read(_BLOCK):
        held += more
        cut = held.rfind(b"}") + 1
        if cut or len(held) > _BLOCK:
            yield held[: cut or len(held)]
            held = held[cut or len(held) :]
    if held:
        yield held


def _sampled(block: bytes) -> bytes:
    if len(block) <= _SAMPLES * _SAMPLE:
        return block
    step = len(block) // _SAMPLES
    return b"\n".join(block[at : at + _SAMPLE] for at in range(0, step * _SAMPLES, step))


def _names(sample: bytes) -> list[bytes]:
    """The members to read, in the order in which they come in an object: points that are no degrees, and times; none without points."""
    if not any(hint in sample for hint in _HINTS):
        return []
    names = dict[bytes, bool]()
    for name, value in _MEMBER.findall(sample):
        text = name.decode("utf-8", "replace")
        if _POINT.search(text) and abs(float(value)) > _DEGREES:
            names[name] = True
        elif _TIME.search(text):
            names.setdefault(name, False)
    return list(names) if sum(names.values()) > 1 else []


def _members(block: bytes, names: list[bytes]) -> dict[str, Numbers] | None:
    """Values of the members, one row for each time that the first of them comes up."""
    if not names:
        return None
    pattern = re.compile(rb'"(' + b"|".join(map(re.escape, names)) + rb')"\s*:\s*"?(-?\d{1,18}(?:\.\d{1,18})?)["\s,}\]]')
    found: dict[bytes, tuple[list[int], list[bytes]]] = {name: ([], []) for name in names}
    for match in pattern.finditer(block):
        at, values = found[match[1]]
        at.append(match.start())
        values.append(match[2])
    anchors = np.array(found[names[0]][0], dtype=np.int64)
    if len(anchors) < _FEWEST:
        return None
    return {name.decode("utf-8", "replace"): _aligned(anchors, *found[name]) for name in names}


def _aligned(anchors: npt.NDArray[np.int64], at: list[int], values: list[bytes]) -> Numbers:
    """The first value at or after each anchor and before the next."""
    places, numbers = np.array(at, dtype=np.int64), np.array(values, dtype=np.float64)
    index = np.searchsorted(places, anchors)
    ends = np.append(anchors[1:], np.iinfo(np.int64).max)
    held = index < len(places)
    held[held] = places[index[held]] < ends[held]
    column = np.full(len(anchors), np.nan)
    column[held] = numbers[index[held]]
    return Numbers(column)


def _pairs(block: bytes) -> dict[str, Numbers] | None:
    pairs = _PAIR.findall(block)
    if len(pairs) < _FEWEST:
        return None
    values = np.array(pairs, dtype=np.float64)
    return {"pair.0": Numbers(values[:, 0].copy()), "pair.1": Numbers(values[:, 1].copy())}
