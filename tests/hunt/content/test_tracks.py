"""Tracks without names are found again in every plane and form; companions, commuters and the roads themselves are not."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.hunt import tracks_planes, tracks_points
from expunge.hunt.chunks_native import kernel
from expunge.hunt.pieces import OVERLAP, Blob, Column, Numbers, Place, Rows, Texts
from expunge.hunt.prints import Fix, Kind, Matcher, Role, Sighting, Tier, Trace
from expunge.hunt.tracks import TrackMatcher, Tracks
from tests.hunt.content.town import Track, drive, route

PLACE = Place("lake", table="t")
PEOPLE = 24
MEDIA = Path(__file__).resolve().parents[3] / "examples/home/media/tracks"


def _ways() -> tuple[list[Track], list[Track]]:
    random = np.random.default_rng(11)
    ways = [route(random, 36 + person % 5) for person in range(PEOPLE)]
    return ways, [
        drive(way, random, speed=(1.4, 12, 25)[person % 3], every=(20, 5, 10)[person % 3])[:120] for person, way in enumerate(ways)
    ]


WAYS, TRACKS = _ways()


def matcher(tracks: Sequence[Track], seconds: Sequence[Sequence[float]] | None = None) -> Matcher:
    family = Tracks()
    traces = []
    for person, track in enumerate(tracks):
        times = seconds[person] if seconds else [None] * len(track)
        fixes = [Fix(north, east, when) for (north, east), when in zip(track.tolist(), times, strict=True)]
        traces.append(Trace(person, Role.TRACK, "places.fixes", "track", fixes))
    return family.matcher(list(family.take(traces)))


LOOK = matcher(TRACKS)


def scan(content: bytes, window: int = 1 << 20, look: Matcher = LOOK) -> list[Sighting]:
    seen: list[Sighting] = []
    for start in range(0, len(content), window):
        first = max(0, start - OVERLAP)
        seen += look.look(Blob(PLACE, first, content[first : start + window], start - first, last=start + window >= len(content)))
    return [*seen, *look.close(PLACE)]


def table(columns: dict[str, Column], rows: int, look: Matcher = LOOK) -> list[Sighting]:
    return [*look.look(Rows(PLACE, columns, rows)), *look.close(PLACE)]


def numbers(track: Track, look: Matcher = LOOK) -> list[Sighting]:
    """As a table with an id, a speed and, somewhere, two coordinates."""
    random = np.random.default_rng(1)
    speed = Numbers(random.normal(10, 3, len(track)))
    columns: dict[str, Column] = {
        "id": Numbers(np.arange(len(track))),
        "p": Numbers(track[:, 0]),
        "speed": speed,
        "q": Numbers(track[:, 1]),
    }
    return table(columns, len(track), look)


def texts(cells: Sequence[bytes]) -> Texts:
    return Texts(np.frombuffer(b"".join(cells), np.uint8), np.cumsum([0, *map(len, cells)]).astype(np.int64))


def recall(copy: Callable[[Track], list[Sighting]], tier: Tier | None = Tier.FOUND) -> float:
    """Share of people whose copy is seen; that anybody else's is found is a failure."""
    met = 0
    for person, track in enumerate(TRACKS):
        seen = copy(track)
        assert all(one.kind is Kind.TRACK for one in seen)
        assert not [one for one in seen if one.subject != person and one.tier is Tier.FOUND]
        met += any(one.subject == person and tier in (None, one.tier) for one in seen)
    return met / len(TRACKS)


def mercator(track: Track) -> Track:
    north = 6_378_137 * np.arcsinh(np.tan(np.radians(track[:, 0])))
    return np.stack((np.radians(track[:, 1]) * 6_378_137, north), axis=1)


def utm(track: Track, zone: int) -> Track:
    """By the forward series of Snyder, *Map Projections*, USGS 1395 (1987), 8-9 to 8-13: another one than the hunt's inverse."""
    north, east = np.radians(track[:, 0]), np.radians(track[:, 1] - (zone * 6 - 183))
    square = 2 / 298.257223563 - 1 / 298.257223563**2
    prime = square / (1 - square)
    radius = 6_378_137 / np.sqrt(1 - square * np.sin(north) ** 2)
    t, c, a = np.tan(north) ** 2, prime * np.cos(north) ** 2, np.cos(north) * east
    arc = 6_378_137 * (
        (1 - square / 4 - 3 * square**2 / 64 - 5 * square**3 / 256) * north
        - (3 * square / 8 + 3 * square**2 / 32 + 45 * square**3 / 1024) * np.sin(2 * north)
        + (15 * square**2 / 256 + 45 * square**3 / 1024) * np.sin(4 * north)
        - 35 * square**3 / 3072 * np.sin(6 * north)
    )
    x = a + (1 - t + c) * a**3 / 6 + (5 - 18 * t + t**2 + 72 * c - 58 * prime) * a**5 / 120
    y = a**2 / 2 + (5 - t + 9 * c + 4 * c**2) * a**4 / 24 + (61 - 58 * t + t**2 + 600 * c - 330 * prime) * a**6 / 720
    return np.stack((0.9996 * radius * x + 500_000, 0.9996 * (arc + radius * np.tan(north) * y)), axis=1)


def polyline(track: Track, digits: int) -> bytes:
    out, before = bytearray(), np.zeros(2, np.int64)
    for place in np.round(track * 10**digits).astype(np.int64):
        for step in (place - before).tolist():
            value = ~(step << 1) if step < 0 else step << 1
            while value >= 32:
                out.append((32 | value & 31) + 63)
                value >>= 5
            out.append(value + 63)
        before = place
    return bytes(out)


def geohash(north: float, east: float, length: int) -> bytes:
    ranges, out = {0: [-180.0, 180.0], 1: [-90.0, 90.0]}, bytearray()
    for letter in range(length):
        value = 0
        for bit in range(5):
            axis = (5 * letter + bit) % 2
            middle, place = sum(ranges[axis]) / 2, (east, north)[axis]
            ranges[axis][0 if place >= middle else 1] = middle
            value = value * 2 + (place >= middle)
        out.append(b"0123456789bcdefghjkmnpqrstuvwxyz"[value])
    return bytes(out)


PLANES: dict[str, Callable[[Track], npt.NDArray[np.generic]]] = {
    "as they are": lambda track: track,
    "longitude first": lambda track: track[:, ::-1],
    "five decimals": lambda track: track.round(5),
    "mercator": mercator,
    "UTM": lambda track: utm(track, 32),
    "the neighbours' UTM": lambda track: utm(track, 31),
    "radians": np.radians,
    "1e5": lambda track: np.round(track * 1e5).astype(np.int32),
    "1e6": lambda track: np.round(track * 1e6).astype(np.int32),
    "1e7": lambda track: np.round(track * 1e7).astype(np.int64),
    "semicircles": lambda track: np.round(track * 2**31 / 180).astype(np.int32),
    "every third": lambda track: track[::3],
    "turned": lambda track: track[::-1],
    "a half": lambda track: track[: len(track) // 2],
}


@pytest.mark.parametrize("plane", PLANES.values(), ids=PLANES)
def test_columns_in_every_plane(plane: Callable[[Track], Track]) -> None:
    assert recall(lambda track: numbers(plane(track))) == 1.0


def _lines(form: str, turned: int = 1) -> Callable[[Track], list[Sighting]]:
    return lambda track: scan("".join(form % tuple(fix[::turned]) for fix in track.tolist()).encode())


def _minutes(track: Track) -> bytes:
    written = [(math.floor(place) * 100 + place % 1 * 60) for fix in track.tolist() for place in fix]
    rows = zip(written[::2], written[1::2], strict=True)
    return b"".join(b"$GPRMC,123519,A,%09.4f,N,%010.4f,E,022.4,084.4,230394,003.1,W*6A\r\n" % row for row in rows)


FORMS: dict[str, Callable[[Track], list[Sighting]]] = {
    "CSV": _lines("7,walk,%.6f,%.6f,12.1\n"),
    "CSV, six columns between": _lines("%.6f;a;b;c;d;e;%.6f\n"),
    "GPX": _lines('<trkpt lat="%.6f" lon="%.6f">\n<ele>1614.678</ele>\n<time>2020-05-03T11:20:45.207Z</time>\n</trkpt>'),
    "KML": _lines("%.6f,%.6f,410.5 ", -1),
    "logs": _lines("2026-01-02T10:00:00.123456Z INFO position latitude=%.7f longitude=%.7f accuracy=12.5 battery=0.81\n"),
    "WKT": lambda track: scan(b"SRID=4326;LINESTRING(" + b", ".join(b"%.6f %.6f" % (east, north) for north, east in track.tolist()) + b")"),
    "GeoJSON": lambda track: scan(
        json.dumps({"type": "LineString", "coordinates": [[east, north, 412.5] for north, east in track.tolist()]}).encode()
    ),
    "Takeout": lambda track: scan(
        json.dumps(
            [{"timestampMs": "1500000000000", "latitudeE7": int(n * 1e7), "longitudeE7": int(e * 1e7)} for n, e in track.tolist()], indent=2
        ).encode()
    ),
    "NMEA": lambda track: scan(_minutes(track)),
    "mercator in text": lambda track: _lines("%.1f %.1f\n")(mercator(track)),
    "WKB": lambda track: scan(b"xyz\1" + struct.pack("<II", 2, len(track)) + track[:, ::-1].astype("<f8").tobytes()),
    "WKB with heights": lambda track: scan(np.insert(track[:, ::-1], 2, 410.5, axis=1).astype("<f8").tobytes()),
    "polyline": lambda track: scan(b'{"route":"' + polyline(track, 5).replace(b"\\", b"\\\\") + b'"}'),
    "polyline of six decimals": lambda track: scan(b"{'r':'" + polyline(track, 6) + b"'}"),
    "texts in columns": lambda track: table(
        {name: texts([b"%.6f" % one for one in track[:, axis]]) for axis, name in enumerate("ab")}, len(track)
    ),
    "one below the other": lambda track: table({"value": Numbers(track.ravel())}, track.size),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form(form: Callable[[Track], list[Sighting]]) -> None:
    assert recall(form) == 1.0


COARSE: dict[str, Callable[[Track], list[Sighting]]] = {
    "four decimals": lambda track: numbers(track.round(4)),
    "three decimals": lambda track: numbers(track.round(3)),
    "every fifth": lambda track: numbers(track[::5]),
    "five metres of noise": lambda track: numbers(track + np.random.default_rng(2).normal(0, 5 / 111_195, track.shape)),
    "geohash of 9": lambda track: table({"g": texts([geohash(fix[0], fix[1], 9) for fix in track.tolist()])}, len(track)),
    "geohash of 8": lambda track: table({"g": texts([geohash(fix[0], fix[1], 8).upper() for fix in track.tolist()])}, len(track)),
    "geohashes in text": lambda track: scan(b"cell,count\n" + b"".join(geohash(fix[0], fix[1], 8) + b",1\n" for fix in track.tolist())),
    "geohash of 7": lambda track: table({"g": texts([geohash(fix[0], fix[1], 7) for fix in track.tolist()])}, len(track)),
}


@pytest.mark.parametrize("form", COARSE.values(), ids=COARSE)
def test_what_is_too_coarse_to_be_sure_is_for_review(form: Callable[[Track], list[Sighting]]) -> None:
    assert recall(form, None) >= 0.95


def test_a_copy_among_others_in_the_order_of_time() -> None:
    random = np.random.default_rng(5)
    others = [drive(route(random, 30), random)[:120] for _ in range(150)]
    mixed = [(index, person, *fix) for person, track in enumerate([*others, *TRACKS]) for index, fix in enumerate(track.tolist())]
    seen = numbers(np.array([row[2:] for row in sorted(mixed)]))
    assert {one.subject for one in seen if one.tier is Tier.FOUND} == set(range(PEOPLE))


def test_places_and_rows_are_told() -> None:
    track = TRACKS[1]
    before = b"x" * 5_000 + b"\n"
    text = "".join(f"{north:.6f},{east:.6f}\n" for north, east in track.tolist()).encode()
    (seen,) = [one for one in scan(before + text, window=3_000) if one.tier is Tier.FOUND]
    assert seen.offset is not None
    assert len(before) <= seen.offset <= len(before) + 60
    assert 0.9 * len(text) < seen.length <= len(text)
    rows = Rows(
        PLACE, {"lat": Numbers(track[:, 0]), "lon": Numbers(track[:, 1])}, len(track), keys=[f"k{row}" for row in range(len(track))]
    )
    (seen,) = [*LOOK.look(rows), *LOOK.close(PLACE)]
    assert (seen.row, seen.place.column, seen.print, seen.tier) == ("k0", "lat", 1, Tier.FOUND)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.9, 0.98, 0.995]),
    st.sampled_from([3, 4, 5, 7]),
    st.sampled_from([(1.4, 5.0), (12.0, 1.0), (12.0, 5.0), (25.0, 15.0)]),
)
def test_two_in_one_car_are_two(seed: int, keeps: float, digits: int, pace: tuple[float, float]) -> None:
    random = np.random.default_rng(seed)
    way = route(random, 25)
    speed, every = pace
    mine, theirs = (drive(way, random, speed=speed, every=every, late=late, keeps=keeps)[:200] for late in (0, random.uniform(0, every)))
    assert not [one for one in numbers(theirs.round(digits), matcher([mine])) if one.tier is Tier.FOUND]


def test_a_stranger_on_the_same_roads_is_not_even_for_review() -> None:
    random = np.random.default_rng(8)
    for _ in range(60):
        assert not [one for one in numbers(drive(route(random, 30), random)) if one.tier is Tier.FOUND]
    roads = np.array([(step * 150.0, line * 150.0) for line in range(-10, 10) for step in range(-20, 20)])
    nodes = drive(roads, random, speed=150, every=1, error=0)
    assert not [one for one in numbers(nodes) if one.tier is Tier.FOUND]


def test_places_that_two_people_were_given_are_nobodys() -> None:
    random = np.random.default_rng(9)
    given = drive(route(random, 20), random)
    look = matcher([given[:60], given[:60]])
    assert not numbers(given[:60], look)


def test_real_tracks_are_found_in_their_files() -> None:
    files = sorted(MEDIA.glob("*.gpx"))
    places = [re.findall(rb'<trkpt lat="([-.\d]+)" lon="([-.\d]+)"', file.read_bytes()) for file in files]
    tracks = [np.array(place, np.float64) for place in places if len(place) >= 30]
    look = matcher(tracks)
    for person, track in enumerate(tracks):
        content = b"".join(b"[%.5f,%.5f]," % (east, north) for north, east in track.tolist())
        assert {one.subject for one in scan(content, look=look) if one.tier is Tier.FOUND} == {person}
    assert {one.subject for file in files for one in scan(file.read_bytes(), look=look) if one.tier is Tier.FOUND} == set(
        range(len(tracks))
    )


def test_what_is_no_track_has_no_print() -> None:
    home = [Fix(47.37, 8.54, 60.0 * minute) for minute in range(100)]
    impossible = [Fix(99.0, 500.0, None), Fix(0.0, 0.0, None), Fix(math.nan, 1.0, None)] * 10
    traces = [Trace(0, Role.TRACK, "a.b", "track", fixes) for fixes in (home, impossible, [])]
    assert not list(Tracks().take([*traces, Trace(0, Role.TEXT, "a.b.c", "said", "play music")]))
    assert not scan(b"47.37,8.54\n" * 100, look=Tracks().matcher([]))


def test_clean_content_shows_nothing() -> None:
    random = np.random.default_rng(10)
    prices = "\n".join(f"{one:.2f},{other:.4f}" for one, other in random.uniform(0, 100, (20_000, 2)))
    nearby = "\n".join(f"{one:.6f},{other:.6f}" for one, other in random.normal((47.37, 8.54), 0.01, (2_000, 2)))
    for content in (random.bytes(1 << 20), prices.encode(), nearby.encode(), b"The quick brown fox at 12:30:01.123456. " * 20_000):
        assert not [one for one in scan(content) if one.tier is Tier.FOUND]


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.floats(-80, 80), st.floats(-179, 179))
def test_planes_lead_back_to_degrees(north: float, east: float) -> None:
    zone = tracks_planes.zone_of(east)
    place = utm(np.array([[north, east]]), zone)
    south = north < 0
    latitude, longitude = tracks_planes.utm(place[:, 0], place[:, 1] + (10_000_000 if south else 0), zone, south=south)
    assert abs(latitude[0] - north) < 1e-7
    assert abs(longitude[0] - east) < 1e-6
    for plane in tracks_planes.PLANES[:7]:
        assert abs(plane.latitude(np.array([plane.north(north)]))[0] - north) < 1e-9
        assert abs(plane.longitude(np.array([plane.east(east)]))[0] - east) < 1e-9


NUMBER = st.one_of(
    st.floats(-200, 200).map(lambda one: f"{one:.6f}"),
    st.sampled_from(TRACKS)
    .flatmap(lambda track: st.sampled_from(track.ravel().tolist()))
    .flatmap(
        lambda one: st.sampled_from(
            [f"{one:.7f}", f"{one:08.4f}", f"{one * 1e7:.0f}", f"{one * 1e6:.0f}", f"{math.radians(one):.8f}", f"{one:.5e}"]
        )
    ),
    st.integers(0, 10**9).map(str),
)


@given(
    st.lists(
        st.tuples(NUMBER, st.sampled_from([",", " ", ", ", "\t", "x" * 70, " " * 600, "e", '","lon":"', "0", "-"])), min_size=2, max_size=60
    )
)
@settings(max_examples=150, deadline=None)
def test_what_is_passed_over_unread_is_no_place(words: list[tuple[str, str]]) -> None:
    """The oracle: all numbers read."""
    assert isinstance(LOOK, TrackMatcher)
    text = np.frombuffer("".join(number + between for number, between in words).encode(), np.uint8)
    every = {
        (points.form, *one)
        for points in tracks_points._printed(LOOK.index, text, [(0, text.size)])
        for one in zip(*points[:3], strict=True)
    }
    seen = {(points.form, *one) for points in tracks_points.in_text(LOOK.index, text) for one in zip(*points[:3], strict=True)}
    pointed = bool((kernel("tracks_kernel").pointed(text, tracks_points.BLOCK) >= tracks_points.FEW).all())
    assert every <= seen or not pointed


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.binary(max_size=3_000), st.integers(0, 3))
def test_no_bytes_break_it(content: bytes, times: int) -> None:
    scan(content * (times + 1), window=1_000)
