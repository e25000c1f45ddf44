"""Pages of video prints: the volumes of every clip of a batch, cut into segments, and the stills of clips and pictures.

A page is a compressed ``.npz`` file without pickles; segments and stills of one clip share its print number.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from expunge.hunt.pictures import Still, Stills, stills_of_rows

SEGMENT = 20
"""Seconds; a chunk of the scan overlaps the next by this much."""

PAGE = 2 << 20
"""Bytes of a page, about; some twenty minutes of film."""


@dataclass(frozen=True, slots=True, repr=False)
class Segment:
    """A part of a clip: its volume as ``video_motion.packed``."""

    subject: int
    print: int
    volume: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Shelf:
    """Segments of many pages: subject, print and packed volume of each; and all stills."""

    subjects: npt.NDArray[np.int64]
    prints: npt.NDArray[np.int64]
    volumes: list[bytes]
    stills: Stills


def pages(every: Iterable[Segment | Still]) -> Iterator[bytes]:
    """Lay segments and stills into pages."""
    segments: list[Segment] = []
    stills: list[Still] = []
    size = 0
    for one in every:
        size += len(one.volume) if isinstance(one, Segment) else one.size
        if isinstance(one, Segment):
            segments.append(one)
        else:
            stills.append(one)
        if size >= PAGE:
            yield _page(segments, stills)
            segments, stills, size = [], [], 0
    if segments or stills:
        yield _page(segments, stills)


def _page(segments: list[Segment], stills: list[Still]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(
        out,
        rows=np.array([(one.subject, one.print, len(one.volume)) for one in segments], np.int64).reshape(-1, 3),
        volumes=np.frombuffer(b"".join(one.volume for one in segments), np.uint8),
        allow_pickle=False,
        **stills_of_rows(stills).columns(),
    )
    return out.getvalue()


def shelf(every: Iterable[bytes]) -> Shelf:
    """The segments and stills of all pages."""
    rows, stills = [np.zeros((0, 3), np.int64)], [stills_of_rows([])]
    volumes: list[bytes] = []
    for page in every:
        with np.load(io.BytesIO(page), allow_pickle=False) as held:
            rows.append(held["rows"])
            ends = np.cumsum(rows[-1][:, 2]).tolist()
            body = held["volumes"].tobytes()
            volumes += [body[end - length : end] for end, length in zip(ends, rows[-1][:, 2].tolist(), strict=True)]
            stills.append(Stills.read(held))
    row = np.concatenate(rows)
    return Shelf(row[:, 0], row[:, 1], volumes, Stills.all_of(stills))
