"""How systems write a place on Earth: what a pair of numbers may mean, and back to degrees (WGS 84).

A *plane* is one convention. Most are separable: one number is the latitude, whatever the other is. UTM is not, and is tried only in the
zones in which somebody's fixes lie.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Degrees: TypeAlias = npt.NDArray[np.float64]

EARTH = 6_378_137.0
"""The equator's radius in WGS 84, metres."""

FLATTENING = 1 / 298.257223563


@dataclass(frozen=True, slots=True)
class Plane:
    """A convention: ``latitude`` and ``longitude`` turn its numbers into degrees, ``north`` and ``east`` degrees into its numbers."""

    name: str
    latitude: Callable[[Degrees], Degrees]
    longitude: Callable[[Degrees], Degrees]
    north: Callable[[float], float]
    east: Callable[[float], float]

    def range(self, low: float, high: float, axis: int) -> tuple[float, float]:
        """The numbers in which it writes latitudes (axis 0) or longitudes (1) between these, in degrees."""
        ends = (self.north, self.east)[axis]
        first, last = sorted((ends(low), ends(high)))
        return first, last


def _scaled(name: str, units: float) -> Plane:
    return Plane(name, lambda v: v / units, lambda v: v / units, lambda d: d * units, lambda d: d * units)


def _minutes(name: str, north: int, east: int) -> Plane:
    """NMEA 0183: degrees and minutes in one number, ``4626.0989``; the hemisphere stands beside it as a letter."""

    def degrees(value: Degrees) -> Degrees:
        whole: Degrees = np.floor(value / 100)
        turned: Degrees = whole + (value - 100 * whole) / 60
        return turned

    def written(value: float) -> float:
        return math.floor(value) * 100 + (value % 1) * 60

    return Plane(name, lambda v: north * degrees(v), lambda v: east * degrees(v), lambda d: written(north * d), lambda d: written(east * d))


def _mercator_latitude(metres: Degrees) -> Degrees:
    latitude: Degrees = np.degrees(2 * np.arctan(np.exp(metres / EARTH)) - math.pi / 2)
    return latitude


def _mercator_north(degrees: float) -> float:
    return EARTH * math.asinh(math.tan(math.radians(max(-89.9, min(89.9, degrees)))))


PLANES = (
    _scaled("degrees", 1),
    _scaled("radians", math.pi / 180),
    _scaled("degrees / 1e5", 1e5),
    _scaled("degrees / 1e6", 1e6),
    _scaled("degrees / 1e7", 1e7),
    _scaled("semicircles", 2**31 / 180),  # Garmin FIT
    Plane("web mercator", _mercator_latitude, lambda v: np.degrees(v / EARTH), _mercator_north, lambda d: math.radians(d) * EARTH),
    *(_minutes(f"degrees and minutes {'S' if n < 0 else 'N'}{'W' if e < 0 else 'E'}", n, e) for n in (1, -1) for e in (1, -1)),
)
"""Separable conventions. EPSG:3857 is web mercator."""


def zone_of(longitude: float) -> int:
    """The UTM zone of a longitude, 1 to 60; exceptions in Norway and Svalbard lie within one zone of it."""
    return int((longitude + 180) // 6) % 60 + 1


def utm(easting: Degrees, northing: Degrees, zone: int, *, south: bool) -> tuple[Degrees, Degrees]:
    """Latitudes and longitudes of UTM coordinates (metres).

    Krueger's series to the third order in the third flattening (as in Karney, *Transverse Mercator with an accuracy of a few nanometers*,
    J. Geodesy 85, 2011): below a millimetre within a zone.
    """
    n = FLATTENING / (2 - FLATTENING)
    radius = EARTH / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    beta = (n / 2 - 2 * n**2 / 3 + 37 * n**3 / 96, n**2 / 48 + n**3 / 15, 17 * n**3 / 480)
    delta = (2 * n - 2 * n**2 / 3 - 2 * n**3, 7 * n**2 / 3 - 8 * n**3 / 5, 56 * n**3 / 15)
    xi = (northing - (10_000_000 if south else 0)) / (0.9996 * radius)
    eta = (easting - 500_000) / (0.9996 * radius)
    xi_, eta_ = xi.copy(), eta.copy()
    for order, term in enumerate(beta, 1):
        xi_ -= term * np.sin(2 * order * xi) * np.cosh(2 * order * eta)
        eta_ -= term * np.cos(2 * order * xi) * np.sinh(2 * order * eta)
    chi = np.arcsin(np.clip(np.sin(xi_) / np.cosh(eta_), -1, 1))
    latitude = chi.copy()
    for order, term in enumerate(delta, 1):
        latitude += term * np.sin(2 * order * chi)
    longitude = np.degrees(np.arctan2(np.sinh(eta_), np.cos(xi_))) + zone * 6 - 183
    return np.degrees(latitude), longitude


def utm_range(box: tuple[float, float, float, float], axis: int) -> tuple[float, float]:
    """Northings (0) or eastings (1) that fixes within the box (south, north, west, east, in degrees) can have, with something to spare."""
    if axis == 1:
        return -200_000.0, 1_200_000.0  # whole countries are written in one zone
    metres = [edge * degree for edge in box[:2] for degree in (110_000, 112_500)]  # of a degree, with what a zone's edge adds
    low, high = min(metres) - 20_000, max(metres) + 20_000
    return (0.0, 1e7) if box[0] < 0 < box[1] else (low + 1e7 * (low < 0), high + 1e7 * (low < 0))


def zones(fixes: Iterable[tuple[float, float]]) -> list[tuple[int, bool]]:
    """Zones and hemispheres in which these fixes (latitude, longitude) may be written: their own and the neighbours, which maps extend."""
    found = {(zone_of(longitude), latitude < 0) for latitude, longitude in fixes}
    return sorted({((zone - 1 + step) % 60 + 1, south) for zone, south in found for step in (-1, 0, 1)})


LEADS, LENGTHS = 1000, 20
"""By how many digits stand before its point, and by its first three, is told whether a number can be a coordinate."""


def kinds(fixes: Degrees, box: tuple[float, float, float, float]) -> npt.NDArray[np.uint32]:
    """How numbers begin that are places near one of the fixes (shape (fixes, 2), degrees), or in UTM in the box.

    Of shape (``LENGTHS``, ``LEADS``): for how many digits stand before the point, zeros in front aside, and the first three digits (of what
    is less than 1, the first three behind the point), a bit for each plane in which it may be a latitude, and from bit 16 on for each in
    which it may be a longitude; the last plane is UTM.
    """
    found = np.zeros((LENGTHS, LEADS), np.uint32)
    for axis in (0, 1):
        bands = _bands(fixes[:, axis])
        for number, plane in enumerate(PLANES):
            for low, high in bands:
                _begin(found, *plane.range(low, high, axis), number + 16 * axis)
        _begin(found, *utm_range(box, axis), len(PLANES) + 16 * axis)
    return found


def _bands(degrees: Degrees) -> list[tuple[float, float]]:
    """Stretches of tenths of a degree in which some lie, a tenth wider at both ends than they are."""
    tenths = np.unique(np.floor(degrees * 10))
    ends = np.flatnonzero(np.diff(tenths) > 2)  # noqa: PLR2004 - what lies between two stretches that are both made wider
    return (
        [(low / 10 - 0.1, high / 10 + 0.2) for low, high in zip(tenths[[0, *(ends + 1)]], tenths[[*ends, -1]], strict=True)]
        if tenths.size
        else []
    )


def _begin(found: npt.NDArray[np.uint32], low: float, high: float, bit: int) -> None:
    """Set a bit for the beginnings of all numbers between these, whatever their sign."""
    least, most = (0.0 if low < 0 < high else min(abs(low), abs(high))), max(abs(low), abs(high))
    for length in range(LENGTHS):
        begin, end = max(least, 10.0 ** (length - 1) if length else 0.0), min(most, 10.0**length * (1 - 1e-9))
        unit = 10.0 ** (length - 3)
        if begin <= end:
            found[length, max(0, int(begin / unit - 1e-6)) : int(end / unit + 1e-6) + 1] |= np.uint32(1 << bit)
