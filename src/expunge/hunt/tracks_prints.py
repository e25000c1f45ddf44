"""What is kept of a track: its fixes, to a centimetre, in their order; and how the tracks of a run are searched all at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt

from expunge.hunt import chunks_pages as pages
from expunge.hunt.prints import Fix, Role, Trace
from expunge.hunt.tracks_planes import Degrees, kinds, zones

UNIT = 10_000_000
"""Parts of a degree in which fixes are kept: a centimetre, which 32 bits hold for every longitude."""

FEWEST = 8
"""Different fixes of a track; a shorter one is a few places, which many people visit."""

PART = 2_048
"""Fixes that are compared together: a copy of some hours of a month then stands against a day or two, not against the month."""

MOST_FIXES = 16_000_000
"""Fixes held, 8 bytes each; with more, every track is thinned alike."""

CELL = 0.002
"""Degrees of a cell of the index, 222 metres north to south."""

REACH = 115.0
"""Metres by which a copied fix may lie off: half the diagonal of a geohash of seven characters, or three decimals."""

RHYTHM = 0.2
"""Share by which a gap may differ from the usual one and still keep the rhythm."""

_COLUMNS = 1 << 18  # cells around the Earth, rounded up to a power of two

_PARTS = 27  # bits of a part's number beside a cell's 35

MIX = np.uint64(0x9E3779B97F4A7C15)


def draw(traces: Iterable[Trace]) -> Iterator[bytes]:
    """Pages of the tracks among the traces. A track is a print; it may lie on several pages, and its number says which it is."""
    drawn: list[_Drawn] = []
    for trace in traces:
        if trace.role is Role.TRACK and _is_track(trace.value):
            fixes, erratic = _kept(trace.value)
            if np.unique(fixes.astype(np.int64) @ (1 << 32, 1)).size >= FEWEST:
                drawn.append(_Drawn(trace.subject, fixes, erratic))
        if sum(one.fixes.nbytes for one in drawn) >= pages.PAGE:
            yield _page(drawn)
            drawn = []
    if drawn:
        yield _page(drawn)


class _Drawn(NamedTuple):
    """A track under way to a page: fixes (shape fixes, 2), and whether neither their times nor their distances are regular."""

    subject: int
    fixes: npt.NDArray[np.int32]
    erratic: bool


def _is_track(value: object) -> TypeGuard[Sequence[Fix]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(value) >= FEWEST and isinstance(value[0], tuple)


def _kept(track: Sequence[Fix]) -> tuple[npt.NDArray[np.int32], bool]:
    """Latitudes and longitudes without impossible ones, the null island, and repetitions; and whether they were taken at no rhythm."""
    places = np.array([(fix.latitude, fix.longitude) for fix in track], np.float64)
    seconds = np.array([math.nan if fix.seconds is None else fix.seconds for fix in track], np.float64)
    valid = np.isfinite(places).all(axis=1) & (np.abs(places) <= (90, 180)).all(axis=1) & (np.abs(places) > 1e-6).any(axis=1)  # noqa: PLR2004 - 10 cm
    fixes, seconds = np.round(places[valid] * UNIT).astype(np.int32), seconds[valid]
    moved = np.ones(len(fixes), np.bool_)
    moved[1:] = (np.diff(fixes, axis=0) != 0).any(axis=1)
    apart = np.hypot(*np.diff(fixes[moved].astype(np.float64), axis=0).T)
    return fixes[moved], not _regular(np.diff(seconds[moved])) and not _regular(apart)


def _regular(gaps: npt.NDArray[np.float64]) -> bool:
    """Whether most gaps are about equal; unknown ones are taken to be."""
    if not gaps.size or not np.isfinite(gaps).all():
        return True
    usual = float(np.median(gaps))
    return bool((np.abs(gaps - usual) <= RHYTHM * usual).mean() >= 0.5)  # noqa: PLR2004 - most


def _page(drawn: Sequence[_Drawn]) -> bytes:
    arrays = {
        "subject": np.array([one.subject for one in drawn], np.uint32),
        "length": np.array([len(one.fixes) for one in drawn], np.uint32),
    }
    erratic = np.array([one.erratic for one in drawn], np.bool_)
    return pages.pack(arrays | {"erratic": erratic, "fixes": np.concatenate([one.fixes for one in drawn])})


@dataclass(frozen=True, slots=True, repr=False)
class Index:
    """Tracks in parts, and the parts that come near each cell.

    ``fixes`` has shape (fixes, 2), in 1e-7 degrees; part ``i`` is ``fixes[edges[i]:edges[i + 1]]`` of print ``track[i]``. ``shared`` are
    fixes that somebody else of the run has to the metre: a place that both were given, not where both were. ``owners`` are the parts near
    each cell, in the order of the cells; ``part_cells`` the cells (by their places in ``cells``) near each part.
    """

    tracks: int
    subject: npt.NDArray[np.uint32]
    erratic: npt.NDArray[np.bool_]
    track: npt.NDArray[np.int64]
    edges: npt.NDArray[np.int64]
    fixes: npt.NDArray[np.int32]
    shared: npt.NDArray[np.bool_]
    cells: npt.NDArray[np.int64]
    cell_edges: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int32]
    part_edges: npt.NDArray[np.int64]
    part_cells: npt.NDArray[np.int32]
    sieve: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.bool_]
    columns: npt.NDArray[np.bool_]
    box: tuple[float, float, float, float]  # south, north, west, east: all fixes, and what lies within reach
    zones: list[tuple[int, bool]]
    regions: npt.NDArray[np.bool_]  # by the first 20 bits of a geohash
    kinds: npt.NDArray[np.uint32]  # how numbers begin that may be coordinates near these

    def near(self, latitude: Degrees, longitude: Degrees) -> npt.NDArray[np.bool_]:
        """Which points may lie near somebody's track."""
        row, column = _row(latitude), _column(longitude)
        likely = self.rows[row] & self.columns[column]
        likely[likely] = self.sieve[_bit(row[likely] * _COLUMNS + column[likely])]
        return likely

    def parts(self, latitude: Degrees, longitude: Degrees, fewest: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """Every part that at least ``fewest`` of the points come near, and which they are, in order.

        Pairs of points and parts are never held all at once: in one town there may be a hundred million.
        """
        cell = np.searchsorted(self.cells, _row(latitude) * _COLUMNS + _column(longitude))
        order = np.argsort(cell, kind="stable")
        present, first, count = np.unique(cell[order], return_index=True, return_counts=True)
        visits = np.zeros(self.track.size, np.int64)
        for one, times in zip(present.tolist(), count.tolist(), strict=True):
            visits[self.owners[self.cell_edges[one] : self.cell_edges[one + 1]]] += times
        place = np.full(self.cells.size + 1, -1, np.int64)
        place[present] = np.arange(present.size)
        for part in np.flatnonzero(visits >= fewest).tolist():
            mine = place[self.part_cells[self.part_edges[part] : self.part_edges[part + 1]]]
            mine = mine[mine >= 0]
            points = [order[start : start + size] for start, size in zip(first[mine].tolist(), count[mine].tolist(), strict=True)]
            yield part, np.sort(np.concatenate(points))


def _row(latitude: Degrees) -> npt.NDArray[np.int64]:
    row: npt.NDArray[np.int64] = ((np.clip(latitude, -90, 90) + 90) / CELL).astype(np.int64)
    return row


def _column(longitude: Degrees) -> npt.NDArray[np.int64]:
    column: npt.NDArray[np.int64] = (((longitude + 180) % 360) / CELL).astype(np.int64)
    return column


def _bit(cell: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where a cell stands in the sieve of 2^22 places."""
    bit: npt.NDArray[np.int64] = ((cell.astype(np.uint64) * MIX) >> np.uint64(42)).astype(np.int64)
    return bit


def read(sealed: Iterable[bytes]) -> Index:
    """The index of these pages."""
    read_pages = pages.unpack(sealed, ("subject", "length", "erratic", "fixes"))
    subject, length = pages.joined(read_pages, "subject", np.uint32), pages.joined(read_pages, "length", np.int64)
    fixes = pages.joined(read_pages, "fixes", np.int32).reshape(-1, 2)
    track = np.repeat(np.arange(subject.size), length)
    if len(fixes) > MOST_FIXES:
        kept = np.arange(0, len(fixes), math.ceil(len(fixes) / MOST_FIXES))
        fixes, track = fixes[kept], track[kept]
    edges, owner = _parts(track)
    both = _cells(fixes, np.repeat(np.arange(owner.size), np.diff(edges)))
    cells, cell_edges, owners, part_edges, part_cells = _turned(both, owner.size)
    sieve = np.zeros(1 << 22, np.bool_)
    sieve[_bit(cells)] = True
    rows, columns = np.zeros(_COLUMNS, np.bool_), np.zeros(_COLUMNS, np.bool_)
    rows[cells // _COLUMNS] = True
    columns[cells % _COLUMNS] = True
    degrees = fixes[:: max(1, len(fixes) // 100_000)] / UNIT
    margin = 0.1
    low, high = (fixes.min(axis=0) / UNIT - margin, fixes.max(axis=0) / UNIT + margin) if len(fixes) else (np.zeros(2), np.zeros(2))
    box = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
    zoned = zones((latitude, longitude) for latitude, longitude in np.unique(np.round(degrees), axis=0).tolist())
    shared = _shared(fixes, subject[track])
    erratic = pages.joined(read_pages, "erratic", np.bool_)
    return Index(
        tracks=subject.size,
        subject=subject,
        erratic=erratic,
        track=owner,
        edges=edges,
        fixes=fixes,
        shared=shared,
        cells=cells,
        cell_edges=cell_edges,
        owners=owners,
        part_edges=part_edges,
        part_cells=part_cells,
        sieve=sieve,
        rows=rows,
        columns=columns,
        box=box,
        zones=zoned,
        regions=_regions(fixes),
        kinds=kinds(fixes / UNIT, box),
    )


def _parts(track: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where parts begin, and whose they are."""
    starts = np.flatnonzero(np.diff(track, prepend=-1))
    sizes = np.diff(np.append(starts, track.size))
    firsts = [start + step for start, size in zip(starts.tolist(), sizes.tolist(), strict=True) for step in range(0, size, PART)]
    first = np.array(firsts, np.int64)
    return np.append(first, track.size), track[first] if first.size else track


def _cells(fixes: npt.NDArray[np.int32], part: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Cells, in order, and (in the lowest bits) the parts that come within ``REACH`` of each."""
    found: list[npt.NDArray[np.int64]] = []
    for begin in range(0, len(fixes), 1 << 20):
        latitude, longitude = (fixes[begin : begin + (1 << 20)] / UNIT).T
        owner = part[begin : begin + (1 << 20)]
        north = REACH / 111_195
        east = north / np.maximum(0.02, np.cos(np.radians(latitude)))
        steps = [(up, right) for up in (-1, 0, 1) for right in (-1, -0.5, 0, 0.5, 1)]
        cells = [_row(latitude + up * north) * _COLUMNS + _column(longitude + right * east) for up, right in steps]
        found.append(np.unique(np.concatenate([(cell << _PARTS) + owner for cell in cells])))
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)


_Turned: TypeAlias = tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int32]
]


def _turned(both: npt.NDArray[np.int64], parts: int) -> _Turned:
    """Cells, where each one's parts begin, the parts; where each part's cells begin, and the cells."""
    cell, owner = both >> _PARTS, (both & ((1 << _PARTS) - 1)).astype(np.int32)
    cells, first = np.unique(cell, return_index=True)
    number = np.repeat(np.arange(cells.size, dtype=np.int32), np.diff(np.append(first, cell.size)))
    part_edges = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=parts))))
    return cells, np.append(first, cell.size), owner, part_edges, number[np.argsort(owner, kind="stable")]


def _regions(fixes: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Which geohashes of four characters fixes lie in: ten bits of longitude and ten of latitude by turns, longitude first."""
    north, east = ((fixes.astype(np.int64) + np.array((90, 180)) * UNIT) * 1024 // (np.array((180, 360)) * UNIT)).T
    code = np.zeros(len(fixes), np.int64)
    for bit in range(9, -1, -1):
        code = code << 2 | (east >> bit & 1) << 1 | north >> bit & 1
    regions = np.zeros(1 << 20, np.bool_)
    regions[code] = True
    return regions


def _shared(fixes: npt.NDArray[np.int32], subject: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Fixes that are in two people's tracks, to the fifth decimal."""
    coarse = np.round(fixes.astype(np.int64) / 100).astype(np.int64)
    place = coarse[:, 0] * (1 << 27) + coarse[:, 1]
    order = np.lexsort((subject, place))
    same = (np.diff(place[order]) == 0) & (np.diff(subject[order].astype(np.int64)) != 0)
    return np.isin(place, place[order][1:][same])
