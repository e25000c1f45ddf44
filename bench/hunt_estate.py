"""The estate: clean content as companies have it, a file of its own for every planted copy, and what can't be read."""

from __future__ import annotations

import gzip
import itertools
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import zstandard

from bench import (
    hunt_forms_media,
    hunt_forms_numbers,
    hunt_forms_rows,
    hunt_forms_text,
    hunt_forms_wraps,
    hunt_forms_written,
    hunt_plant_unreadable,
)
from bench.hunt_corpus import Corpus
from bench.hunt_plant import Clean, Hand, Maker, Plant, Way
from bench.media_copies import SPEECH_RATE, load_sound, save_sound
from expunge.hunt.prints import Role, Trace

MEDIA = Path(__file__).resolve().parent.parent / "examples" / "home" / "media"

CYCLED = ("voice", "clip", "word", "film", "vector", "track")
"""Kinds of which there are few: the same recording is planted in many ways, each in a file of its own."""

FILE = 16 << 20
"""Bytes of clean content in a file."""

VECTORS, WALKS = 200, 24


@dataclass(frozen=True, slots=True)
class Estate:
    """What was built. ``lines`` counts clean lines and rows, ``files`` clean files, ``size`` clean bytes before compression."""

    root: Path
    needles: Sequence[Trace]
    plants: Sequence[Plant]
    unreadable: Sequence[str]
    lines: int
    files: int
    size: int


@dataclass(slots=True)
class _Counted:
    lines: int = 0
    files: int = 0
    size: int = 0


def ways() -> list[Way]:
    """Every transformation."""
    modules = (hunt_forms_written, hunt_forms_text, hunt_forms_rows, hunt_forms_wraps, hunt_forms_media, hunt_forms_numbers)
    return [way for module in modules for way in module.ways()]


def recordings() -> dict[str, list[bytes]]:
    """Real recordings: spoken commands, single words, utterances put together of several words of one speaker, a doorway camera."""
    spoken = sorted((MEDIA / "commands").glob("*.flac"))
    words = {path.stem: path.read_bytes() for path in sorted((MEDIA / "digits").glob("*.wav"))}
    utterances = []
    for speaker, first in itertools.product(("george", "lucas"), (0, 3, 6)):  # no two share a recording
        parts = [load_sound(words[f"{digit}_{speaker}_0"]) for digit in range(first, first + 3)]
        utterances.append(save_sound(np.concatenate(parts), SPEECH_RATE))
    films = [path.read_bytes() for path in sorted((MEDIA / "doorbell").glob("*.mp4"))]
    return {
        "voice": [path.read_bytes() for path in spoken],
        "clip": utterances,
        "word": [body for name, body in words.items() if "theo" in name],
        "film": films,
    }


def needles(count: int) -> list[Trace]:
    """So many identifiers and texts, and recordings, embeddings and tracks with them."""
    found = list(Corpus(1).traces(count))
    subjects = itertools.count(count)
    chance = np.random.default_rng(3)
    for kind, bodies in recordings().items():
        kept = bodies[: len(bodies) * 2 // 3] if kind != "film" else bodies
        found += [Trace(next(subjects), Role.BODY, f"media.{kind}s.body", kind, body) for body in kept]
    for _ in range(VECTORS):
        found.append(
            Trace(
                next(subjects),
                Role.VECTOR,
                "app.voices.embedding",
                "vector",
                chance.standard_normal(hunt_forms_numbers.DIMENSIONS).tolist(),
            )
        )
    found += [Trace(next(subjects), Role.TRACK, "places.fixes", "track", hunt_forms_numbers.walk(seed)) for seed in range(WALKS)]
    return found


def build(root: Path, count: int, size: int, *, only: str = "") -> Estate:
    """Build an estate below ``root``: ``count`` needles, about ``size`` bytes of clean content. ``only`` keeps ways whose name holds it."""
    every = needles(count)
    avoid = frozenset(one.value for one in every[:count] if isinstance(one.value, str | int))
    maker = Maker(Clean(2, avoid))
    dealt = _deal(every)
    plants: list[Plant] = []
    for way in ways():
        if only in f"{way.group}: {way.name}":
            plants += _plant(root / "share" / "planted", way, maker, dealt, len(plants))
    value = next(one for one in reversed(every[:count]) if one.type == "email").value
    names = hunt_plant_unreadable.plant(root / "share" / "closed", maker, str(value).encode())
    counted = _clean(root / "share" / "clean", Clean(4, avoid), size)
    return Estate(root, every, plants, [f"closed/{name}" for name in names], counted.lines, counted.files, counted.size)


def _deal(every: Sequence[Trace]) -> dict[str, Iterator[Trace]]:
    hand = Hand([one for one in every if one.type not in CYCLED])
    dealt: dict[str, Iterator[Trace]] = {kind: itertools.cycle([one for one in every if one.type == kind]) for kind in CYCLED}
    for kind in ("email", "device_id", "serial", "text", "profile_id"):
        dealt[kind] = iter(lambda kind=kind: hand.next(kind), None)  # type: ignore[misc]  # a needle is never None
    return dealt


def _plant(folder: Path, way: Way, maker: Maker, dealt: dict[str, Iterator[Trace]], first: int) -> list[Plant]:
    found = []
    for number, kind in enumerate(way.kinds, first):
        trace = next(dealt[kind])
        path = folder / f"{number // 100:02d}" / f"{number:04d}{way.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(way.make(maker, trace))
        found.append(Plant(way.name, way.group, str(path.relative_to(folder.parent)), trace.subject, way.aim))
    return found


def _clean(folder: Path, clean: Clean, size: int) -> _Counted:
    """Clean files by turns in eight forms, until there is enough; then recordings, vectors and tracks that nobody looks for."""
    counted = _Counted()
    folder.mkdir(parents=True)
    maker = Maker(clean)
    for number in itertools.count():
        if counted.size >= size:
            break
        wanted = min(FILE, size - counted.size)
        form = ("log", "jsonl.gz", "log", "csv", "log.zst", "db", "parquet", "rows.json")[number % 8]
        path = folder / f"{number:04d}.{form}"
        lines, held = _texts(path, clean, wanted) if form in ("log", "jsonl.gz", "log.zst") else _rows(path, maker, wanted)
        counted.lines, counted.files, counted.size = counted.lines + lines, counted.files + 1, counted.size + held
    counted.files += _others(folder, maker)
    return counted


def _texts(path: Path, clean: Clean, size: int) -> tuple[int, int]:
    raw = clean.plain(size)
    packed = gzip.compress(raw, 5, mtime=0) if path.suffix == ".gz" else zstandard.compress(raw) if path.suffix == ".zst" else raw
    path.write_bytes(packed)
    return raw.count(b"\n"), len(raw)


def _rows(path: Path, maker: Maker, size: int) -> tuple[int, int]:
    rows = maker.rows(None, size // 260)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path, compression="zstd")
    elif path.suffix == ".db":
        with sqlite3.connect(path) as database:
            database.execute(f"CREATE TABLE events ({', '.join(rows[0])})")
            database.executemany(f"INSERT INTO events VALUES ({', '.join('?' * len(rows[0]))})", [tuple(row.values()) for row in rows])
        database.close()
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
        path.write_text("\n".join(lines), encoding="utf-8")
    return len(rows), len(rows) * 260


def _others(folder: Path, maker: Maker) -> int:
    """Recordings, vectors and tracks of people who are not looked for: the same speakers, the same town."""
    held = recordings()
    bodies = [body for kind in ("voice", "clip", "word") for body in held[kind][len(held[kind]) * 2 // 3 :]]
    for number, body in enumerate(bodies):
        (folder / f"recording-{number}.bin").write_bytes(body)
    walks = 40
    for number in range(walks):
        trace = Trace(0, Role.TRACK, "", "track", hunt_forms_numbers.walk(10_000 + number))
        (folder / f"walk-{number}.csv").write_bytes(hunt_forms_numbers.TELLS[0][2](hunt_forms_numbers.points_of(trace)))
    chance = np.random.default_rng(99)
    np.save(folder / "voices.npy", chance.standard_normal((5_000, hunt_forms_numbers.DIMENSIONS)).astype(np.float32))
    (folder / "noise.bin").write_bytes(maker.random.randbytes(1 << 20))
    return len(bodies) + walks + 2
