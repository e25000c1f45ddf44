"""Finds pairs of numbers that may be places near somebody's track, in text, bytes and columns, whatever plane they are written in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_native import kernel
from expunge.hunt.pieces import Column, Numbers, Texts
from expunge.hunt.tracks_planes import PLANES, Degrees, Plane, utm, utm_range
from expunge.hunt.tracks_prints import Index

Bytes8 = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

BLOCK = 512
"""Bytes that are passed over together if they don't show two numbers such as coordinates are."""

FEW, FEW_MIXED = 2, 14
"""Of what looks like a coordinate in a block; and of digits beside letters: five geohashes have 16, random bytes 8."""

APART = 64
"""Bytes that may lie between the two numbers of a place: ``" lon="``, ``,\\n        "longitude": ``."""

_BETWEEN = np.full(2 * APART + 1, 32, np.uint8)
"""What keeps numbers apart that don't stand near each other."""

SHORTEST = 5
"""Digits of a whole number that can be a coordinate."""

POLYLINE = 24
"""Characters of the shortest encoded polyline: eight fixes of three characters."""

FEWEST_ROWS = 4
"""Rows of a batch that must come near somebody's latitudes for a column to be one."""


class Points(NamedTuple):
    """Points near somebody's track: degrees, where each stands (bytes or rows), and how they were written."""

    latitude: Degrees
    longitude: Degrees
    at: Places
    form: str

    def of(self, chosen: npt.NDArray[np.bool_]) -> Points:
        """Some of them."""
        return Points(self.latitude[chosen], self.longitude[chosen], self.at[chosen], self.form)


class _Meant(NamedTuple):
    """A column of numbers, and the planes in which each may be a latitude or a longitude."""

    values: Degrees
    north: npt.NDArray[np.uint32]
    east: npt.NDArray[np.uint32]


def in_text(index: Index, text: Bytes8) -> Iterator[Points]:
    """Pairs of printed numbers, and encoded polylines."""
    near = np.zeros((text.size + BLOCK - 1) // BLOCK, np.bool_)
    for start, end in _stretches(kernel("tracks_kernel").pointed(text, BLOCK) >= FEW, text.size):
        near[start // BLOCK : (end + BLOCK - 1) // BLOCK] = kernel("tracks_numbers_kernel").likely(
            text[start:end], SHORTEST, index.kinds, APART, BLOCK
        )
    if near.any():
        yield from _printed(index, text, [(max(0, start - 1), end) for start, end in _runs(near, text.size)])  # 1: a sign
    for start, end in _stretches(kernel("tracks_kernel").mixed(text, BLOCK) >= FEW_MIXED, text.size):
        yield from _hashes(index, text[start:end], start)
    yield from _polylines(index, text)


def _stretches(full: npt.NDArray[np.bool_], size: int) -> Iterator[tuple[int, int]]:
    """Where the blocks lie that are full, and those beside them."""
    wide = full.copy()
    wide[1:] |= full[:-1]
    wide[:-1] |= full[1:]
    yield from _runs(wide, size)


def _runs(full: npt.NDArray[np.bool_], size: int) -> Iterator[tuple[int, int]]:
    """Where the blocks lie that are full."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], full, [False])).astype(np.int8)))
    for first, last in edges.reshape(-1, 2).tolist():
        yield first * BLOCK, min(size, last * BLOCK)


def _printed(index: Index, text: Bytes8, stretches: Sequence[tuple[int, int]]) -> Iterator[Points]:
    """Pairs of numbers in these stretches, which are looked at as one text, far enough from each other."""
    parts = [part for start, end in stretches for part in (text[start:end], _BETWEEN)]
    values, starts, ends, _, _ = kernel("tracks_numbers_kernel").numbers(np.concatenate(parts), SHORTEST)
    if values.size < FEW:
        return
    sizes = np.array([end - start + _BETWEEN.size for start, end in stretches])
    moved = np.array([start for start, _ in stretches]) - np.append(0, np.cumsum(sizes)[:-1])
    at = ends + moved[np.searchsorted(np.cumsum(sizes), ends)]
    north, east = _meanings(index, values)
    order = np.arange(values.size)
    for step in (1, 2):
        likely = (north[:-step] & east[step:]) | (east[:-step] & north[step:])
        first = order[:-step][(starts[step:] - ends[:-step] <= step * APART) & (likely != 0)]
        for points in pairs(index, values[first], values[first + step], at[first + step]):
            yield points._replace(form=f"{points.form} in text" + ("" if step == 1 else ", every other number"))


def pairs(index: Index, first: Degrees, second: Degrees, at: Places) -> Iterator[Points]:
    """In every plane and order, the pairs that are near somebody's track."""
    if not first.size:
        return
    meant, other_meant = _meanings(index, first), _meanings(index, second)
    for one, other, turned in ((0, 1, ""), (1, 0, ", longitude first")):
        both = meant[one] & other_meant[other]
        present = int(np.bitwise_or.reduce(both))
        north, east = (first, second) if one == 0 else (second, first)
        for number in range(len(PLANES) + 1):
            if present >> number & 1:
                chosen = both >> np.uint32(number) & np.uint32(1) != 0
                yield from _on_plane(index, number, north[chosen], east[chosen], at[chosen], turned)


def _meanings(index: Index, values: Degrees) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """For every number, the planes in which it may be a latitude near somebody's track, and those in which it may be a longitude."""
    bits = []
    for axis in (0, 1):
        low, high = np.array([_range(plane, index, axis) for plane in PLANES] + [utm_range(index.box, axis)]).T.copy()
        bits.append(kernel("tracks_kernel").meanings(values, low, high))
    return bits[0], bits[1]


def _on_plane(index: Index, number: int, north: Degrees, east: Degrees, at: Places, turned: str) -> Iterator[Points]:
    """Points of the separable plane of that number, or, after the last of them, of UTM."""
    if number < len(PLANES):
        plane = PLANES[number]
        yield from _near(index, plane.latitude(north), plane.longitude(east), at, plane.name + turned)
        return
    for zone, south in index.zones:
        latitude, longitude = utm(east, north, zone, south=south)
        yield from _near(index, latitude, longitude, at, f"UTM {zone}{'S' if south else 'N'}{turned}")


def _near(index: Index, latitude: Degrees, longitude: Degrees, at: Places, form: str) -> Iterator[Points]:
    near = index.near(latitude, longitude)
    if near.any():
        yield Points(latitude[near], longitude[near], at[near], form)


def _range(plane: Plane, index: Index, axis: int) -> tuple[float, float]:
    """The numbers in which a plane writes the part of the Earth in which somebody's fixes lie."""
    return plane.range(index.box[2 * axis], index.box[2 * axis + 1], axis)


def _polylines(index: Index, text: Bytes8) -> Iterator[Points]:
    compiled = kernel("tracks_kernel")
    for start, end in zip(*(one.tolist() for one in compiled.polylines(text, POLYLINE, np.array(index.box))), strict=True):
        north, east = compiled.decoded(text[start:end])
        for digits in (5, 6):
            latitude, longitude = north / 10**digits, east / 10**digits
            good = int(np.argmin(np.append((np.abs(latitude) <= 90) & (np.abs(longitude) <= 180), False)))  # noqa: PLR2004 - degrees
            at = np.full(good, end, np.int64)
            yield from _near(index, latitude[:good], longitude[:good], at, f"encoded polyline, {digits} decimals")


def in_bytes(index: Index, content: Bytes8) -> Iterator[Points]:
    """Pairs of little-endian doubles, as in WKB and in arrays."""
    tops = np.zeros(1 << 16, np.uint8)
    for plane in PLANES[:1]:
        for axis in (0, 1):
            low, high = _range(plane, index, axis)
            edges = np.linspace(low, high, 4096).astype(">f8").view(np.uint8).reshape(-1, 8)
            tops[edges[:, 0].astype(np.int64) << 8 | edges[:, 1]] |= 1 << axis
    starts = kernel("tracks_kernel").doubles(content, tops, content.size // 16 + 1)
    if starts.size >= FEWEST_ROWS:
        both = content[starts[:, None] + np.arange(16)].copy().view("<f8")
        for points in pairs(index, both[:, 0], both[:, 1], starts + 16):
            yield points._replace(form=f"{points.form} in doubles")


def in_columns(index: Index, columns: Mapping[str, Column], rows: int) -> Iterator[tuple[str, Points]]:
    """By the name of the latitude's column: pairs of columns, of numbers or of texts that are numbers; geohashes; and what cells hold."""
    numbers: dict[str, Degrees] = {}
    for name, column in columns.items():
        if isinstance(column, Numbers):
            values = column.values.astype(np.float64)
            numbers[name] = np.where(column.missing, np.nan, values) if column.missing is not None else values
        elif isinstance(column, Texts) and column.buffer.size:
            yield from ((name, points) for points in _in_cells(index, column))
            cells = kernel("tracks_numbers_kernel").cells(column.buffer, column.offsets)
            if np.isfinite(cells).sum() >= FEWEST_ROWS:
                numbers[name] = cells
    at = np.arange(rows)
    meant = {name: _Meant(values, *_meanings(index, values)) for name, values in numbers.items()}
    norths = [name for name, one in meant.items() if np.count_nonzero(one.north) >= FEWEST_ROWS]
    easts = [name for name, one in meant.items() if np.count_nonzero(one.east) >= FEWEST_ROWS]
    for name, other in product(norths, easts):
        if name != other:
            yield from ((name, points) for points in _in_pair(index, meant[name], meant[other], at))
    for name, values in numbers.items():
        flat = _pairs_down(values)
        if flat is not None:
            yield from ((name, points) for points in pairs(index, *flat, at[1::2][: flat[0].size]))


def _pairs_down(values: Degrees) -> tuple[Degrees, Degrees] | None:
    half = values.size // 2
    return (values[: 2 * half : 2], values[1 : 2 * half : 2]) if half >= FEWEST_ROWS else None


def _in_pair(index: Index, first: _Meant, second: _Meant, at: Places) -> Iterator[Points]:
    """One column for latitudes and one for longitudes; the caller tries both orders."""
    both = first.north & second.east
    for number in range(len(PLANES) + 1):
        chosen = both >> np.uint32(number) & np.uint32(1) != 0
        if chosen.sum() >= FEWEST_ROWS:
            for points in _on_plane(index, number, first.values[chosen], second.values[chosen], at[chosen], ""):
                yield points._replace(form=f"{points.form} in columns")


def _in_cells(index: Index, column: Texts) -> Iterator[Points]:
    """What a column's cells hold by themselves: lines, lists, geohashes. ``at`` are rows."""
    row_of = column.offsets[1:]
    for points in (*in_text(index, column.buffer), *in_bytes(index, column.buffer)):
        yield points._replace(at=np.searchsorted(row_of, points.at - 1, side="right"))
    yield from _of_hashes(index, column.buffer, column.offsets[:-1], column.offsets[1:], np.arange(row_of.size))


def _hashes(index: Index, text: Bytes8, before: int) -> Iterator[Points]:
    starts, ends = kernel("tracks_kernel").tokens(text, _BASE32, index.regions)
    yield from _of_hashes(index, text, starts, ends, ends + before)


def _of_hashes(index: Index, text: Bytes8, starts: Places, ends: Places, at: Places) -> Iterator[Points]:
    latitude, longitude, length = kernel("tracks_kernel").geohashes(text, starts, ends, _BASE32)
    for size in np.unique(length[length > 0]).tolist():
        same = length == size
        if same.sum() >= FEWEST_ROWS:
            yield from _near(index, latitude[same], longitude[same], at[same], f"geohash of {size}")


_BASE32 = np.full(256, -2, np.int8)
for _letter in b"ailo_ABCDEFGHIJKLMNOPQRSTUVWXYZ":
    _BASE32[_letter] = -1
for _value, _letter in enumerate(b"0123456789bcdefghjkmnpqrstuvwxyz"):
    _BASE32[_letter] = _BASE32[_letter - 32 if _letter >= ord("a") else _letter] = _value
