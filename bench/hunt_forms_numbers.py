"""Embeddings and tracks, as they are stored and as they are passed on without their names."""

from __future__ import annotations

import base64
import io
import json
import math
import pickle
import sqlite3
import struct
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from bench.hunt_plant import Maker, Way
from expunge.hunt.prints import Fix, Trace

Floats = npt.NDArray[np.float32]
Store = Callable[[Floats], bytes]
Points = npt.NDArray[np.float64]
Tell = Callable[[Points], bytes]

DIMENSIONS = 192
"""Of a speaker's embedding (x-vectors and ECAPA have 512 and 192)."""

OTHERS = 40


def _npy(values: npt.NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, values, allow_pickle=False)
    return out.getvalue()


def _as(kind: str) -> Store:
    return lambda every: _npy(every.astype(kind))


def _unit(every: Floats) -> Floats:
    return cast("Floats", every / np.linalg.norm(every, axis=1, keepdims=True))


def _printed(every: Floats, digits: int) -> bytes:
    return "\n".join(
        json.dumps({"id": place, "embedding": [round(float(x), digits) for x in one]}) for place, one in enumerate(every)
    ).encode()


def _brackets(every: Floats) -> bytes:
    """As pgvector's type is dumped."""
    lines = ["COPY public.voices (id, embedding) FROM stdin;"]
    lines += [f"{place}\t[{','.join(f'{x:.6g}' for x in one)}]" for place, one in enumerate(every)]
    return "\n".join([*lines, "\\.\n"]).encode()


def _parquet(every: Floats) -> bytes:
    out = io.BytesIO()
    held = pa.FixedSizeListArray.from_arrays(pa.array(every.reshape(-1)), every.shape[1])
    pyarrow.parquet.write_table(pa.table({"id": range(len(every)), "embedding": held}), out)
    return out.getvalue()


def _cells(every: Floats) -> bytes:
    with tempfile.TemporaryDirectory(prefix="expunge-bench-") as folder:
        path = Path(folder, "x.db")
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE voices (id INTEGER, embedding BLOB)")
        database.executemany("INSERT INTO voices VALUES (?, ?)", [(place, one.astype("<f4").tobytes()) for place, one in enumerate(every)])
        database.commit()
        database.close()
        return path.read_bytes()


def _tensors(every: Floats) -> bytes:
    raw = every.astype("<f4").tobytes()
    head = json.dumps({"voices": {"dtype": "F32", "shape": list(every.shape), "data_offsets": [0, len(raw)]}}).encode()
    return struct.pack("<Q", len(head)) + head + raw


def _bytes8(every: Floats) -> bytes:
    scale = np.abs(every).max(axis=1, keepdims=True) / 127
    return _npy(np.round(every / scale).astype(np.int8))


STORES: tuple[tuple[str, str, Store, float | None], ...] = (
    ("npy, float32", ".npy", _as("<f4"), 0.99),
    ("npy, float16", ".npy", _as("<f2"), 0.99),
    ("npy, float64", ".npy", _as("<f8"), 0.99),
    ("npy, big-endian", ".npy", _as(">f4"), 0.99),
    ("npy, by column", ".npy", lambda every: _npy(np.asfortranarray(every)), 0.99),
    ("npy, 8 bits", ".npy", _bytes8, None),
    ("scaled to unit length", ".npy", lambda every: _npy(_unit(every)), 0.99),
    ("unit length, six digits, JSON lines", ".jsonl", lambda every: _printed(_unit(every), 6), 0.99),
    ("three digits, JSON lines", ".jsonl", lambda every: _printed(every, 3), 0.99),
    ("pgvector in a dump", ".sql", _brackets, 0.99),
    ("CSV", ".csv", lambda every: "\n".join(",".join(f"{x:.7g}" for x in one) for one in every).encode(), 0.99),
    ("Parquet lists", ".parquet", _parquet, 0.99),
    ("SQLite cells", ".db", _cells, 0.99),
    ("pickled array", ".pkl", lambda every: pickle.dumps({"voices": every}), 0.99),
    ("pickled lists", ".pkl", lambda every: pickle.dumps(every.tolist()), 0.99),
    ("safetensors", ".safetensors", _tensors, 0.99),
    (
        "raw floats behind a head",
        ".index",
        lambda every: b"IxFI" + struct.pack("<IQ", every.shape[1], len(every)) + every.astype("<f4").tobytes(),
        0.99,
    ),
    (
        "base64 in JSON",
        ".json",
        lambda every: json.dumps([{"embedding": base64.b64encode(one.tobytes()).decode()} for one in every]).encode(),
        0.99,
    ),
)


def _stored(store: Store) -> Callable[[Maker, Trace], bytes]:
    def make(maker: Maker, trace: Trace) -> bytes:
        chance = np.random.default_rng(maker.random.randrange(1 << 30))
        every = chance.standard_normal((OTHERS, DIMENSIONS)).astype(np.float32)
        every[OTHERS // 2] = np.array(trace.value, np.float32)
        return store(every)

    return make


# Tracks: arrays of (latitude, longitude, seconds).


def _table(points: Points, sign: str = ",", digits: int = 6, order: tuple[int, ...] = (0, 1, 2)) -> bytes:
    head = sign.join(("lat", "lon", "time")[place] for place in order)
    told = [sign.join(f"{one[place]:.{digits if place < 2 else 0}f}" for place in order) for one in points]
    return "\n".join([head, *told, ""]).encode()


def _nameless(points: Points) -> bytes:
    return "\n".join(f"{place};{one[1]:.5f};{one[0]:.5f}" for place, one in enumerate(points)).encode()


def _gpx(points: Points) -> bytes:
    told = "".join(
        f'<trkpt lat="{a:.6f}" lon="{o:.6f}"><time>{datetime.fromtimestamp(s, UTC).isoformat()}</time></trkpt>\n' for a, o, s in points
    )
    return f'<?xml version="1.0"?><gpx version="1.1"><trk><trkseg>{told}</trkseg></trk></gpx>'.encode()


def _kml(points: Points) -> bytes:
    told = " ".join(f"{o:.6f},{a:.6f},0" for a, o, _ in points)
    return f'<?xml version="1.0"?><kml><Document><LineString><coordinates>{told}</coordinates></LineString></Document></kml>'.encode()


def _geojson(points: Points) -> bytes:
    return json.dumps(
        {"type": "Feature", "geometry": {"type": "LineString", "coordinates": [[round(o, 6), round(a, 6)] for a, o, _ in points]}}
    ).encode()


def _wkt(points: Points) -> bytes:
    return ('id,shape\n7,"LINESTRING(' + ", ".join(f"{o:.6f} {a:.6f}" for a, o, _ in points) + ')"\n').encode()


def _wkb(points: Points) -> bytes:
    raw = struct.pack("<BII", 1, 2, len(points)) + np.ascontiguousarray(points[:, 1::-1]).astype("<f8").tobytes()
    return b"id,geom\n7," + raw.hex().upper().encode() + b"\n"


def _micro(points: Points) -> bytes:
    return "\n".join(json.dumps({"latE7": round(a * 1e7), "lngE7": round(o * 1e7), "t": int(s)}) for a, o, s in points).encode()


def _degrees_e6(points: Points) -> bytes:
    out = io.BytesIO()
    whole = np.round(points[:, :2] * 1e6).astype(np.int32)
    pyarrow.parquet.write_table(pa.table({"y": whole[:, 0], "x": whole[:, 1]}), out)
    return out.getvalue()


def _mercator(points: Points) -> bytes:
    """EPSG 3857, metres."""
    x = np.radians(points[:, 1]) * 6_378_137
    y = np.log(np.tan(np.pi / 4 + np.radians(points[:, 0]) / 2)) * 6_378_137
    return ("x,y\n" + "\n".join(f"{a:.2f},{b:.2f}" for a, b in zip(x, y, strict=True))).encode()


_LETTERS = "0123456789bcdefghjkmnpqrstuvwxyz"


def _geohash(latitude: float, longitude: float, size: int = 8) -> str:
    bounds = [[-180.0, 180.0], [-90.0, 90.0]]
    values, out = (longitude, latitude), 0
    for bit in range(size * 5):
        low, high = bounds[bit % 2]
        middle = (low + high) / 2
        out = out * 2 + (values[bit % 2] >= middle)
        bounds[bit % 2] = [middle, high] if values[bit % 2] >= middle else [low, middle]
    return "".join(_LETTERS[out >> 5 * place & 31] for place in reversed(range(size)))


def _hashes(points: Points) -> bytes:
    return ("cell,count\n" + "\n".join(f"{_geohash(a, o)},1" for a, o, _ in points)).encode()


def _polyline(points: Points) -> bytes:
    """Google's encoded polyline, in JSON."""
    out, last = [], (0, 0)
    for a, o, _ in points:
        now = (round(a * 1e5), round(o * 1e5))
        for value in (now[0] - last[0], now[1] - last[1]):
            number = ~(value << 1) if value < 0 else value << 1
            while number >= 32:
                out.append(chr((32 | number & 31) + 63))
                number >>= 5
            out.append(chr(number + 63))
        last = now
    return json.dumps({"route": {"polyline": "".join(out)}}).encode()


def _minutes(value: float, signs: str) -> str:
    whole = abs(value)
    return f"{int(whole):02d}{(whole % 1) * 60:07.4f},{signs[int(value < 0)]}"


def _nmea(points: Points) -> bytes:
    return "\r\n".join(f"$GPRMC,110207,A,{_minutes(a, 'NS')},{_minutes(o, 'EW')},0.1,84.4,040324,,*6A" for a, o, _ in points).encode()


def _rowid(points: Points) -> bytes:
    with tempfile.TemporaryDirectory(prefix="expunge-bench-") as folder:
        path = Path(folder, "x.db")
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE fixes (t INTEGER, lat REAL, lon REAL)")
        database.executemany("INSERT INTO fixes VALUES (?, ?, ?)", [(int(s), a, o) for a, o, s in points])
        database.commit()
        database.close()
        return path.read_bytes()


def _moved(points: Points, seconds: float) -> Points:
    moved: Points = points + np.array([0.0, 0.0, seconds])
    return moved


def _jittered(points: Points, metres: float) -> Points:
    chance = np.random.default_rng(5)
    return points + np.hstack([chance.standard_normal((len(points), 2)) * metres / 111_000, np.zeros((len(points), 1))])


TELLS: tuple[tuple[str, str, Tell, float | None], ...] = (
    ("CSV", ".csv", _table, 0.95),
    ("CSV, longitude first, no names, no times", ".txt", _nameless, 0.95),
    ("CSV, four digits", ".csv", lambda points: _table(points, digits=4), 0.95),
    ("CSV, three digits", ".csv", lambda points: _table(points, digits=3), None),
    ("every second point", ".csv", lambda points: _table(points[::2]), 0.95),
    ("every fourth point, four digits", ".csv", lambda points: _table(points[::4], digits=4), 0.95),
    ("shifted in time", ".tsv", lambda points: _table(_moved(points, 86_400 * 90 + 1_234), "\t"), 0.95),
    ("backwards", ".csv", lambda points: _table(points[::-1]), 0.95),
    ("half of it", ".csv", lambda points: _table(points[len(points) // 4 : len(points) * 3 // 4]), 0.95),
    ("noise of 3 m", ".csv", lambda points: _table(_jittered(points, 3)), None),
    ("GPX", ".gpx", _gpx, 0.95),
    ("KML", ".kml", _kml, 0.95),
    ("GeoJSON", ".geojson", _geojson, 0.95),
    ("WKT", ".csv", _wkt, 0.95),
    ("WKB in hex", ".csv", _wkb, 0.95),
    ("integers of 1e-7 degrees in JSON", ".jsonl", _micro, 0.95),
    ("integers of 1e-6 degrees in Parquet", ".parquet", _degrees_e6, 0.95),
    ("Web Mercator", ".csv", _mercator, 0.95),
    ("geohash", ".csv", _hashes, 0.95),
    ("encoded polyline", ".json", _polyline, None),
    ("NMEA", ".nmea", _nmea, None),
    ("SQLite", ".db", _rowid, 0.95),
    ("doubles, raw", ".bin", lambda points: np.ascontiguousarray(points[:, :2]).astype("<f8").tobytes(), None),
)


def points_of(trace: Trace) -> Points:
    """A track's fixes as (latitude, longitude, seconds)."""
    fixes = cast("Sequence[Fix]", trace.value)
    return np.array([(one.latitude, one.longitude, one.seconds or 0.0) for one in fixes], np.float64)


def walk(seed: int, steps: int = 400) -> list[Fix]:
    """Somebody's way through a town: straight for a while, then a turn; a fix every five seconds with a phone's error of some metres."""
    chance = np.random.default_rng(seed)
    latitude, longitude, heading, speed = 48.2 + chance.normal() * 0.03, 16.37 + chance.normal() * 0.05, chance.random() * 2 * math.pi, 1.4
    found = []
    for step in range(steps):
        if chance.random() < 0.06:
            heading += chance.choice([-1, 1]) * math.pi / 2 + chance.normal() * 0.1
            speed = chance.choice([1.4, 1.4, 4.0, 9.0])
        latitude += math.cos(heading) * speed * 5 / 111_000 + chance.normal() * 1.5 / 111_000
        longitude += math.sin(heading) * speed * 5 / 74_000 + chance.normal() * 1.5 / 74_000
        found.append(Fix(latitude, longitude, 1_709_500_000.0 + 5 * step))
    return found


def _told(tell: Tell) -> Callable[[Maker, Trace], bytes]:
    return lambda _maker, trace: tell(points_of(trace))


def ways() -> list[Way]:
    """Embeddings among others; tracks by themselves."""
    found = [Way(f"vector as {name}", "vectors", ("vector",) * 3, _stored(store), suffix, aim) for name, suffix, store, aim in STORES]
    found += [Way(f"track as {name}", "tracks", ("track",) * 4, _told(tell), suffix, aim) for name, suffix, tell, aim in TELLS]
    return found
