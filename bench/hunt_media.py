"""How well copies of recordings, films and pictures are recognised: one line for each way of copying, false alarms, and what it costs.

    python bench/hunt_media.py [--quick] [--json] [--clips FOLDER] [--most N]

By default on the recordings that the example ships. ``--clips`` names a folder of others: all sound, films and pictures in it, clips of a
second and more; what is in both halves of a false-alarm test is left to chance.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `bench` itself, when this file is run as a script

from bench.media_copies import SPEECH_RATE as RATE
from bench.media_copies import Film, Sound, crop, load_film, load_sound, resample, resize, save_film, save_sound
from expunge.hunt.audio import Audio, AudioMatcher
from expunge.hunt.media_forms import HEAD, PICTURES, SOUND, demuxer
from expunge.hunt.pieces import Media, Place
from expunge.hunt.prints import Role, Sighting, Tier, Trace
from expunge.hunt.video import Video, VideoMatcher
from expunge.terms import Json

SHIPPED = Path(__file__).resolve().parent.parent / "examples" / "home" / "media"
PART = 5.0
"""Seconds into which long films are cut, as a doorbell would have recorded them; half a second apart."""

FEW_CLIPS, MANY_CLIPS = 10, 5_000
"""Clips sought at once, where the cost of a scanned second is compared."""

Row = dict[str, Json]


@dataclass
class Corpus:
    """Sounds at ``RATE``, films of at most half a thousand pixels a side with their rates, and snapshots."""

    sounds: list[Sound]
    films: list[tuple[Film, float]]


def read(folder: Path, most: int) -> Corpus:
    """All recordings of a second and more below a folder, at most ``most`` of each kind, evenly chosen."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    forms = [(path, demuxer(path.read_bytes()[:HEAD])) for path in paths]
    heard = [path for path, form in forms if form in SOUND]
    seen = [path for path, form in forms if form is not None and form not in SOUND | PICTURES]
    sounds = [one for path in heard if len(one := load_sound(path.read_bytes())) >= RATE]
    films = [part for path in seen for part in parts(path.read_bytes())]
    return Corpus(sounds[:: -(-len(sounds) // most) or 1], films[:: -(-len(films) // most) or 1])


def parts(body: bytes) -> Iterator[tuple[Film, float]]:
    """A film in parts of ``PART`` seconds, shrunk."""
    film, rate = load_film(body, 2_000)
    shrink = max(1, round(film.shape[2] / 384))
    film = resize(film, film.shape[2] // shrink // 2 * 2, film.shape[1] // shrink // 2 * 2)
    length = round(PART * rate)
    for start in range(0, max(1, len(film) - length // 2), length + round(rate / 2)):
        yield film[start : start + length], rate


def noisy(sound: Sound, decibel: float, random: np.random.Generator) -> Sound:
    """White noise, so far below."""
    loud = np.float32(np.sqrt((sound**2).mean() / 10 ** (decibel / 10)))
    return sound + random.normal(size=len(sound)).astype(np.float32) * loud


def trimmed(sound: Sound, share: float, random: np.random.Generator) -> Sound:
    """A random part that is left when ``share`` is gone."""
    length = round(len(sound) * (1 - share))
    start = int(random.integers(0, len(sound) - length + 1))
    return sound[start : start + length]


def among(sound: Sound, others: Sequence[Sound], random: np.random.Generator, *, noise: bool = False) -> Sound:
    """In the middle of 16 s of other speech, or of noise."""
    around = np.concatenate([others[one] for one in random.integers(0, len(others), 24)])
    around = np.resize(around, max(16 * RATE, len(sound) + RATE)).copy()
    if noise:
        around = random.normal(size=len(around)).astype(np.float32) * np.float32(np.abs(sound).mean() / 3)
    start = int(random.integers(0, len(around) - len(sound)))
    around[start : start + len(sound)] = sound
    return around


def sound_copies(others: Sequence[Sound]) -> dict[str, Callable[[Sound, np.random.Generator], bytes]]:
    """The ways in which sound is copied; ``others`` are what it is put among, played backwards: speech that nobody seeks."""

    def coded(codec: str, container: str, bits: int = 0, rate: int = RATE) -> Callable[[Sound, np.random.Generator], bytes]:
        return lambda one, _: save_sound(resample(one, RATE, rate), rate, codec, container, bits)

    def changed(change: Callable[[Sound, np.random.Generator], Sound]) -> Callable[[Sound, np.random.Generator], bytes]:
        return lambda one, random: save_sound(change(one, random), RATE)

    return {
        "mp3-64k": coded("libmp3lame", "mp3", 64_000),
        "mp3-32k": coded("libmp3lame", "mp3", 32_000),
        "mulaw-8khz": coded("pcm_mulaw", "wav", rate=8_000),
        "opus-16k": coded("libopus", "ogg", 16_000),
        "opus-8k": coded("libopus", "ogg", 8_000),
        "aac-32k": coded("aac", "mp4", 32_000),
        "amr-12.2k": coded("libopencore_amrnb", "amr", 12_200, 8_000),
        "amr-4.75k": coded("libopencore_amrnb", "amr", 4_750, 8_000),
        "flac": coded("flac", "flac"),
        **{f"wav-{rate / 1000:g}khz": coded("pcm_s16le", "wav", rate=rate) for rate in (8_000, 11_025, 22_050, 44_100, 48_000)},
        "gain-12db": changed(lambda one, _: one * np.float32(0.25)),
        "gain+12db-clipped": changed(lambda one, _: np.clip(one * np.float32(4), -1, 1).astype(np.float32)),
        "dc-offset": changed(lambda one, _: one * np.float32(0.5) + np.float32(0.3)),
        "noise-20db": changed(lambda one, random: noisy(one, 20, random)),
        "noise-10db": changed(lambda one, random: noisy(one, 10, random)),
        "trim-10%": changed(lambda one, random: trimmed(one, 0.1, random)),
        "trim-30%": changed(lambda one, random: trimmed(one, 0.3, random)),
        "trim-50%": changed(lambda one, random: trimmed(one, 0.5, random)),
        "trim-50%-opus-8k": lambda one, random: save_sound(trimmed(one, 0.5, random), RATE, "libopus", "ogg", 8_000),
        "in-16s-of-speech": changed(lambda one, random: among(one, others, random)),
        "in-16s-of-noise": changed(lambda one, random: among(one, others, random, noise=True)),
        "in-16s-of-speech-opus-16k": lambda one, random: save_sound(among(one, others, random), RATE, "libopus", "ogg", 16_000),
        "silence-around": changed(lambda one, _: np.concatenate([np.zeros(2 * RATE, np.float32), one, np.zeros(RATE, np.float32)])),
        "stereo-mp3": lambda one, _: save_sound(one, RATE, "libmp3lame", "mp3", 64_000, channels=2),
        "speed+4%": changed(lambda one, _: resample(one, RATE, round(RATE * 0.96))),
        "speed-4%": changed(lambda one, _: resample(one, RATE, round(RATE * 1.04))),
        "speed+1%": changed(lambda one, _: resample(one, RATE, round(RATE * 0.99))),
    }


def stamped(film: Film) -> Film:
    """A clock in the corner, whose picture changes each ten frames."""
    film = film.copy()
    for number, picture in enumerate(film):
        picture[4:14, 4:60] = np.random.default_rng(number // 10).integers(0, 2, (10, 56, 1)) * 255
    return film


def film_copies() -> dict[str, Callable[[Film, float, np.random.Generator], bytes]]:
    """The ways in which films are copied."""

    def shown(
        change: Callable[[Film, np.random.Generator], Film], faster: float = 1.0
    ) -> Callable[[Film, float, np.random.Generator], bytes]:
        return lambda one, rate, random: save_film(change(one, random), rate * faster)

    def coded(
        codec: str, container: str, pixels: str = "yuv420p", bits: int = 0, **options: str
    ) -> Callable[[Film, float, np.random.Generator], bytes]:
        named = {name.replace("_", "-"): value for name, value in options.items()}
        return lambda one, rate, _: save_film(one, rate, codec, container, options=named, bits=bits, pixels=pixels)

    return {
        "x264-low": coded("libx264", "mp4", crf="36"),
        "x265-low": coded("libx265", "matroska", crf="32", x265_params="log-level=none"),
        "vp9-150k": coded("libvpx-vp9", "webm", bits=150_000, cpu_used="8", deadline="realtime"),
        "mpeg4-200k": coded("mpeg4", "avi", bits=200_000),
        "mjpeg": coded("mjpeg", "mov", "yuvj420p"),
        "mpegts": coded("mpeg4", "mpegts", bits=400_000),
        "gif-half-size": lambda one, rate, _: save_film(
            resize(one, one.shape[2] // 4 * 2, one.shape[1] // 4 * 2), rate, "gif", "gif", pixels="rgb8"
        ),
        "half-size": shown(lambda one, _: resize(one, one.shape[2] // 4 * 2, one.shape[1] // 4 * 2)),
        "crop-5%": shown(lambda one, _: crop(one, 0.05)),
        "crop-10%": shown(lambda one, _: crop(one, 0.10)),
        "crop-20%": shown(lambda one, _: crop(one, 0.20)),
        "crop-10%-anywhere": shown(lambda one, random: crop(one, 0.10, (random.random(), random.random()))),
        "crop-20%-anywhere": shown(lambda one, random: crop(one, 0.20, (random.random(), random.random()))),
        "brighter": shown(lambda one, _: np.clip(one * 1.2 + 20, 0, 255).astype(np.uint8)),
        "darker": shown(lambda one, _: (one * 0.7).astype(np.uint8)),
        "half-rate": lambda one, rate, _: save_film(one[::2], rate / 2),
        "stamped": shown(lambda one, _: stamped(one)),
        "trim-2s": lambda one, rate, random: save_film(_two_seconds(one, rate, random), rate),
    }


def _two_seconds(film: Film, rate: float, random: np.random.Generator) -> Film:
    length = min(len(film), round(2 * rate))
    start = int(random.integers(0, len(film) - length + 1))
    return film[start : start + length]


def jpeg(picture: Film, coarse: int = 8) -> bytes:
    """A picture as JPEG."""
    return save_film(picture[None], 10, "mjpeg", "mjpeg", pixels="yuvj420p", options={"qmin": str(coarse), "qmax": str(coarse)})


STILLS: dict[str, Callable[[Film], Film]] = {
    "jpeg": lambda one: one,
    "half-size": lambda one: resize(one[None], one.shape[1] // 4 * 2, one.shape[0] // 4 * 2)[0],
    "brighter": lambda one: np.clip(one * 1.2 + 20, 0, 255).astype(np.uint8),
    "crop-10%": lambda one: crop(one[None], 0.1)[0],
}


def front(film: Film) -> Film:
    """The picture in which most stands before the background."""
    grey = film.mean(3)
    picture: Film = film[int(np.argmax((np.abs(grey - np.median(grey, 0)) > 15).sum((1, 2))))]
    return picture


def look(matcher: AudioMatcher | VideoMatcher, body: bytes) -> list[Sighting]:
    """What a file shows."""
    seen = list(matcher.look(Media(Place("bench"), "video", lambda: io.BytesIO(body), len(body))))
    matcher.unread.clear()
    return seen


def traces(bodies: Sequence[bytes]) -> list[Trace]:
    """Each body as another person's."""
    return [Trace(subject, Role.BODY, "bench.clips.body", "body", body) for subject, body in enumerate(bodies)]


def recall(name: str, matcher: AudioMatcher | VideoMatcher, copies: Iterator[tuple[int, bytes]], seconds: float) -> Row:
    """A line: the share of copies seen, and found; how many others were, too; seconds of medium per CPU-second."""
    found = seen = others = count = 0
    spent = 0.0
    for subject, body in copies:
        begun = time.process_time()
        sightings = look(matcher, body)
        spent += time.process_time() - begun
        count += 1
        own = [one.tier for one in sightings if one.subject == subject]
        seen += bool(own)
        found += Tier.FOUND in own
        others += any(one.tier is Tier.FOUND and one.subject != subject for one in sightings)
    return {
        "name": name, "recall": round(seen / max(1, count), 3), "found": round(found / max(1, count), 3),
        "review": round((seen - found) / max(1, count), 3), "n": count, "others_found": others,
        "seconds_per_cpu_s": round(seconds / max(spent, 1e-9), 1),
    }  # fmt: skip


def false_alarms(name: str, matcher: AudioMatcher | VideoMatcher, bodies: Sequence[bytes], needles: int) -> Row:
    """A line: sightings in files none of which holds what is sought."""
    sightings = [one for body in bodies for one in look(matcher, body)]
    found = sum(one.tier is Tier.FOUND for one in sightings)
    return {"name": name, "found": found, "review": len(sightings) - found, "n": len(bodies), "pairs": len(bodies) * needles}


def bench_sound(corpus: Corpus, many: int) -> Iterator[Row]:
    """Everything about sound."""
    bodies = [save_sound(one, RATE, "flac", "flac") for one in corpus.sounds]
    begun = time.process_time()
    pages = list(Audio().take(traces(bodies)))
    spent = time.process_time() - begun
    seconds = sum(map(len, corpus.sounds)) / RATE
    yield {
        "name": "audio:take",
        "n": len(bodies),
        "clips_per_cpu_s": round(len(bodies) / spent, 1),
        "bytes_per_s": round(sum(map(len, pages)) / seconds),
    }
    matcher = Audio().matcher(pages)
    for name, copy in sound_copies([one[::-1] for one in corpus.sounds]).items():
        random = np.random.default_rng(1)
        yield recall(f"audio:{name}", matcher, ((number, copy(one, random)) for number, one in enumerate(corpus.sounds)), seconds)
    half = Audio().matcher(Audio().take(traces(bodies[::2])))
    yield false_alarms("audio:other-recordings", half, bodies[1::2], len(bodies[::2]))
    yield from many_sounds(corpus, FEW_CLIPS, many)


def many_sounds(corpus: Corpus, *wanted: int) -> Iterator[Row]:
    """What a scanned second costs with few and with thousands of clips of three seconds sought: the corpus, played 8-30 % slower."""
    scanned = [save_sound(one, RATE) for one in corpus.sounds[:20]]
    seconds = sum(len(one) for one in corpus.sounds[:20]) / RATE
    for count in wanted:
        random = np.random.default_rng(2)
        chosen = ((random.integers(len(corpus.sounds)), random.uniform(1.08, 1.3), random.random()) for _ in range(count))
        slowed = (resample(_three_seconds(corpus.sounds[one], at), RATE, round(RATE * slower)) for one, slower, at in chosen)
        needles = (Trace(subject, Role.BODY, "bench.clips.body", "body", save_sound(one, RATE)) for subject, one in enumerate(slowed))
        matcher = Audio().matcher(Audio().take(needles))
        spent = min(_seconds_to_look(matcher, scanned) for _ in range(2))
        yield {"name": f"audio:speed-{count}-clips", "seconds_per_cpu_s": round(seconds / spent, 1), "n": count}


def _three_seconds(sound: Sound, at: float) -> Sound:
    start = int(at * max(0, len(sound) - 3 * RATE))
    return sound[start : start + 3 * RATE]


def _seconds_to_look(matcher: AudioMatcher | VideoMatcher, bodies: Sequence[bytes]) -> float:
    begun = time.process_time()
    for body in bodies:
        look(matcher, body)
    return time.process_time() - begun


def bench_film(corpus: Corpus) -> Iterator[Row]:
    """Everything about films and stills."""
    bodies = [save_film(one, rate) for one, rate in corpus.films]
    seconds = sum(len(one) / rate for one, rate in corpus.films)
    family = Video()
    begun = time.process_time()
    pages = list(family.take(traces(bodies)))
    spent = time.process_time() - begun
    yield {
        "name": "video:take", "n": len(bodies), "nothing_moves": family.unprinted.get("nothing moves", 0),
        "seconds_per_cpu_s": round(seconds / spent, 1), "bytes_per_s": round(sum(map(len, pages)) / seconds),
    }  # fmt: skip
    matcher = family.matcher(pages)
    for name, copy in film_copies().items():
        random = np.random.default_rng(1)
        yield recall(f"video:{name}", matcher, ((at, copy(one, rate, random)) for at, (one, rate) in enumerate(corpus.films)), seconds)
    for name, change in STILLS.items():
        yield recall(f"still-of-clip:{name}", matcher, ((at, jpeg(change(front(one)))) for at, (one, _) in enumerate(corpus.films)), 0)
    snapshots = [front(one) for one, _ in corpus.films]
    gallery = Video().matcher(Video().take(traces([jpeg(one, 3) for one in snapshots])))
    for name, change in STILLS.items():
        yield recall(f"snapshot:{name}", gallery, ((at, jpeg(change(one))) for at, one in enumerate(snapshots)), 0)
    half = Video().matcher(Video().take(traces(bodies[::2])))
    yield false_alarms("video:other-clips", half, bodies[1::2], len(bodies[::2]))


def show(rows: Sequence[Row]) -> None:
    """A table for people."""
    columns = ("name", "recall", "found", "review", "n", "others_found", "seconds_per_cpu_s")
    table = Table(*columns)
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in columns))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="Recall of copies of recordings, and false alarms.")
    parser.add_argument("--quick", action="store_true", help="some clips of each kind only")
    parser.add_argument("--json", action="store_true", help="one JSON line per way of copying")
    parser.add_argument("--clips", type=Path, default=SHIPPED, help="a folder of recordings (default: those the example ships)")
    parser.add_argument("--most", type=int, default=400, help="clips of each kind at most")
    asked = parser.parse_args()
    corpus = read(asked.clips, 8 if asked.quick else asked.most)
    rows: list[Row] = []
    for row in chain(
        bench_sound(corpus, 500 if asked.quick else MANY_CLIPS) if corpus.sounds else (), bench_film(corpus) if corpus.films else ()
    ):
        rows.append(row)
        if asked.json:
            print(json.dumps(row), flush=True)
    if not asked.json:
        show(rows)


if __name__ == "__main__":
    main()
