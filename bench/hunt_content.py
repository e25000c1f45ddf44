"""What the families that know bodies, embeddings and tracks recognise by themselves, what they take for a copy wrongly, and how fast.

    python bench/hunt_content.py [--quick] [--json]

``bench/hunt.py`` measures the whole hunt, files and all; here matchers are given pieces directly. A line per transformation gives the
share of copies that are found and that are seen at all; lines named ``clean:`` give false alarms per million windows or rows, against
neighbours that are as alike as life makes them: the same codec's preamble, the same voice, the same car.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import pickle
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `bench` itself, when this file is run as a script

from bench.hunt_forms_numbers import walk
from expunge.hunt import pieces
from expunge.hunt.chunks import Bytes
from expunge.hunt.pieces import OVERLAP, WINDOW, Blob, Numbers, Place, Rows
from expunge.hunt.prints import Family, Fix, Matcher, Role, Sighting, Tier, Trace
from expunge.hunt.tracks import Tracks
from expunge.hunt.vectors import Vectors
from expunge.terms import Json, Value

PLACE = Place("bench", "x", table="t")
DIMENSIONS = 256
Floats = npt.NDArray[np.float64]
Line = dict[str, Json]


def matcher(family: Family, role: Role, values: Iterable[Value | Sequence[float] | Sequence[Fix]]) -> Matcher:
    """A matcher for one value per person."""
    return family.matcher(list(family.take(Trace(person, role, "a.b.c", "x", value) for person, value in enumerate(values))))


def scan(look: Matcher, content: bytes) -> list[Sighting]:
    """A stream of bytes, in windows."""
    seen: list[Sighting] = []
    for start in range(0, len(content), WINDOW):
        first = max(0, start - OVERLAP)
        seen += look.look(Blob(PLACE, first, content[first : start + WINDOW], start - first, last=start + WINDOW >= len(content)))
    return [*seen, *look.close(PLACE)]


def rows(look: Matcher, columns: dict[str, pieces.Column], count: int) -> list[Sighting]:
    """One batch of rows."""
    return [*look.look(Rows(PLACE, columns, count)), *look.close(PLACE)]


def reached(name: str, seen: Iterable[Sighting], people: int) -> Line:
    """How many people's copies were found, and how many seen at all."""
    listed = list(seen)
    found = {one.subject for one in listed if one.tier is Tier.FOUND}
    return {
        "name": name,
        "recall": round(len({one.subject for one in listed}) / people, 4),
        "found": round(len(found) / people, 4),
        "n": people,
    }


def alarms(name: str, seen: Iterable[Sighting], places: int) -> Line:
    """False alarms per million."""
    tiers = [one.tier for one in seen]
    told: Line = {"name": f"clean:{name}", "n": places}
    return told | {f"{tier.value}_per_million": round(tiers.count(tier) * 1e6 / places, 2) for tier in Tier}


def speed(name: str, work: Callable[[], object], size: float, unit: str) -> Line:
    """The best of three, per CPU-second."""
    work()
    taken = []
    for _ in range(3):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return {"name": f"speed:{name}", unit: round(size / min(taken), 3)}


def _clip(random: np.random.Generator) -> bytes:
    """About four seconds at 16 kHz, 16 bits, after 44 bytes of header."""
    noise = random.normal(0, 900, int(random.integers(40_000, 90_000)))
    return b"RIFF" + bytes(40) + (noise + np.roll(noise, 1)).astype("<i2").tobytes()


def of_bytes(count: int, size: int) -> Iterator[Line]:
    """Recordings in containers, and parts of them."""
    random = np.random.default_rng(1)
    clips = [_clip(random) for _ in range(count)]
    look = matcher(Bytes(), Role.BODY, clips)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for number, clip in enumerate(clips):
            member = tarfile.TarInfo(f"{number}.wav")
            member.size = len(clip)
            archive.addfile(member, io.BytesIO(clip))
    pages = b"".join(clip[at : at + 4_084] + b"\0\0\0\1" + random.bytes(8) for clip in clips for at in range(0, len(clip), 4_084))
    copies = {
        "tar": tar.getvalue(),
        "pickle": pickle.dumps(clips),
        "pages of 4 KiB": pages,
        "no header": b"".join(clip[44:] for clip in clips),
    }
    for share in (2, 4, 10, 20):
        copies[f"1/{share} from the middle"] = b"--".join(clip[len(clip) // 3 :][: len(clip) // share] for clip in clips)
    for name, content in copies.items():
        yield reached(f"bytes:{name}", scan(look, content), count)
    clean = b"".join(_clip(random) for _ in range(max(1, size // 130_000)))
    noise = random.bytes(size)
    yield alarms("other recordings, windows of 4 KiB", scan(look, clean), len(clean) // 4_096)
    yield speed("bytes, GB per CPU-second", lambda: scan(look, noise), size / 1e9, "gb_per_cpu_s")


def of_vectors(count: int, checked: int) -> Iterator[Line]:
    """Embeddings in columns and dumps, and other utterances of the same voices."""
    random = np.random.default_rng(2)
    voices = random.normal(0, 1, (count // 5, DIMENSIONS))
    needles = np.repeat(voices, 5, axis=0) + 0.3 * random.normal(0, 1, (len(voices) * 5, DIMENSIONS))  # a cosine of .92 within a voice
    look, people = matcher(Vectors(), Role.VECTOR, needles.tolist()), len(needles)
    unit = needles / np.linalg.norm(needles, axis=1, keepdims=True)
    columns = {"unit length": unit, "int8": np.round(unit / np.abs(unit).max(axis=1, keepdims=True) * 127), "three decimals": unit.round(3)}
    for name, copy in (columns | {"float16": unit.astype(np.float16)}).items():
        yield reached(f"vector:{name}", rows(look, {"e": pieces.Vectors(copy.astype(np.float32))}, people), people)
    for kind in ("<f4", ">f4", "<f8", "<f2"):
        yield reached(f"vector:headless {kind}", scan(look, b"x" + needles.astype(kind).tobytes()), people)
    part = needles[:500]
    yield reached("vector:printed", scan(look, json.dumps(part.round(5).tolist()).encode()), len(part))
    others = (voices[random.integers(0, len(voices), checked)] + 0.3 * random.normal(0, 1, (checked, DIMENSIONS))).astype(np.float32)
    batches = [others[at : at + 4_096] for at in range(0, checked, 4_096)]

    def work() -> list[Sighting]:
        return [one for batch in batches for one in rows(look, {"e": pieces.Vectors(batch)}, len(batch))]

    yield alarms("other utterances of the same voices, rows", work(), checked)
    yield speed(f"vectors, {people:,} needles, rows per CPU-second", work, checked, "rows_per_cpu_s")


def _array(fixes: Sequence[Fix]) -> Floats:
    return np.array([(fix.latitude, fix.longitude) for fix in fixes])


def _companion(track: Floats, random: np.random.Generator) -> Floats:
    """Somebody in the same car: in between the same fixes, with errors that last."""
    late = random.random()
    between = track[:-1] * (1 - late) + track[1:] * late
    error = np.zeros_like(between)
    for index in range(1, len(error)):
        error[index] = 0.9 * error[index - 1] + math.sqrt(1 - 0.81) * random.normal(0, 4, 2)
    return between + error / 111_195


def of_tracks(count: int, size: int) -> Iterator[Line]:
    """Tracks in other planes and coarser, and companions."""
    random = np.random.default_rng(3)
    tracks = [walk(seed, 150) for seed in range(count)]
    look = matcher(Tracks(), Role.TRACK, tracks)
    copies: dict[str, Callable[[Floats], npt.NDArray[np.generic]]] = {
        "as it is": lambda track: track,
        "longitude first": lambda track: track[:, ::-1],
        "mercator": lambda track: np.stack((np.radians(track[:, 1]), np.arcsinh(np.tan(np.radians(track[:, 0]))))).T * 6_378_137,
        "1e6": lambda track: np.round(track * 1e6).astype(np.int32),
        "every fifth": lambda track: track[::5],
        "every tenth": lambda track: track[::10],
        "backwards": lambda track: track[::-1],
        "a fifth of it": lambda track: track[60:90],
        "30 fixes, every third": lambda track: track[:90:3],
        "noise of 3 m": lambda track: track + random.normal(0, 3 / 111_195, track.shape),
    }
    copies |= {f"{digits} decimals": lambda track, digits=digits: track.round(digits) for digits in (6, 5, 4, 3)}  # type: ignore[misc] # a default binds
    for name, copy in copies.items():
        seen = [one for person, track in enumerate(tracks) for one in _table(look, copy(_array(track))) if one.subject == person]
        yield reached(f"track:{name}", seen, count)
    for digits in (3, 4, 5, 7):
        companions = [one for track in tracks for one in _table(look, _companion(_array(track), random).round(digits))]
        yield alarms(f"companions, {digits} decimals, tracks", companions, count)
    strangers = [one for seed in range(count) for one in _table(look, _array(walk(10_000 + seed, 150)))]
    yield alarms("strangers in the same town, tracks", strangers, count)
    text = b'Turn left at the "old mill", 3 of 7 said so at 12:30; nobody else had seen it. ' * (size // 79)
    yield speed("tracks in text, GB per CPU-second", lambda: scan(look, text), len(text) / 1e9, "gb_per_cpu_s")


def _table(look: Matcher, track: npt.NDArray[np.generic]) -> list[Sighting]:
    return rows(look, {"id": Numbers(np.arange(len(track))), "p": Numbers(track[:, 0]), "q": Numbers(track[:, 1])}, len(track))


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(description="Bodies, embeddings and tracks: recall, false alarms, speed.")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything: under two minutes")
    parser.add_argument("--json", action="store_true", help="a JSON line per row instead of a table")
    chosen = parser.parse_args()
    times = 1 if chosen.quick else 10
    table = Table("name", "recall", "found", "n", "other figures")
    for line in (*of_bytes(100 * times, times << 24), *of_vectors(10_000 * times, 20_000 * times), *of_tracks(100 * times, times << 24)):
        if chosen.json:
            print(json.dumps(line), flush=True)
        rest = {key: value for key, value in line.items() if key not in ("name", "recall", "found", "n")}
        table.add_row(*(str(line.get(key, "")) for key in ("name", "recall", "found", "n")), json.dumps(rest) if rest else "")
    if not chosen.json:
        Console(width=160).print(table)


if __name__ == "__main__":
    main()
