"""What becomes of recordings: encoded anew, resampled, louder, noisy, cut, in the middle of something else; films resized and cropped."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from bench.hunt_forms_wraps import tarred
from bench.hunt_plant import Maker, Way
from bench.media_copies import SPEECH_RATE, Film, Sound, crop, load_film, load_sound, resample, resize, save_film, save_sound
from expunge.hunt.prints import Trace

Hear = Callable[[Sound, np.random.Generator], bytes]
See = Callable[[Film, float], bytes]

QUIET_MOST = 1.0
"""Seconds: what is shorter is listed, and not aimed at."""


@cache
def sound_of(body: bytes) -> Sound:
    """A recording, decoded once."""
    return load_sound(body)


@cache
def film_of(body: bytes) -> tuple[Film, float]:
    """A film, decoded once."""
    return load_film(body)


def _cut(sound: Sound, keep: float) -> Sound:
    gone = int(len(sound) * (1 - keep) / 2)
    return sound[gone : len(sound) - gone]


def _noisy(sound: Sound, chance: np.random.Generator, decibels: float) -> Sound:
    power = float(np.sqrt(np.mean(sound**2))) * 10 ** (-decibels / 20)
    return (sound + chance.standard_normal(len(sound)) * power).astype(np.float32)


def _among(sound: Sound, chance: np.random.Generator) -> Sound:
    """In the middle of sixteen seconds of other sound: filtered noise that comes and goes, as speech does."""
    size = 16 * SPEECH_RATE
    noise = np.convolve(chance.standard_normal(size), np.ones(24) / 24, mode="same")
    around = (noise * (0.5 + 0.5 * np.sin(np.arange(size) * 2 * np.pi * 3 / SPEECH_RATE)) * 0.2).astype(np.float32)
    first = size // 3
    around[first : first + len(sound)] = sound
    return around


def _faster(sound: Sound, by: float) -> Sound:
    faster: Sound = np.interp(np.arange(0, len(sound) - 1, by), np.arange(len(sound)), sound).astype(np.float32)
    return faster


def _saved(codec: str, container: str, bits: int = 0, rate: int = SPEECH_RATE, channels: int = 1) -> Hear:
    def hear(sound: Sound, _chance: np.random.Generator) -> bytes:
        held = sound if rate == SPEECH_RATE else resample(sound, SPEECH_RATE, rate)
        return save_sound(held, rate, codec, container, bits, channels)

    return hear


def _opus(bits: int) -> Hear:
    return _saved("libopus", "ogg", bits, 48_000)


def _then(change: Callable[[Sound, np.random.Generator], Sound], hear: Hear) -> Hear:
    return lambda sound, chance: hear(change(sound, chance), chance)


MP3 = _saved("libmp3lame", "mp3", 64_000)
FLAC = _saved("flac", "flac")

SOUNDS: tuple[tuple[str, str, Hear, float | None], ...] = (
    ("WAV", ".wav", _saved("pcm_s16le", "wav"), 0.95),
    ("WAV, 8 bits", ".wav", _saved("pcm_u8", "wav"), 0.95),
    ("WAV, floats", ".wav", _saved("pcm_f32le", "wav"), 0.95),
    ("FLAC, 44.1 kHz, stereo", ".flac", _saved("flac", "flac", 0, 44_100, 2), 0.95),
    ("MP3, 64 kbit/s", ".mp3", MP3, 0.95),
    ("MP3, 24 kbit/s", ".mp3", _saved("libmp3lame", "mp3", 24_000), 0.95),
    ("AAC, 48 kbit/s", ".m4a", _saved("aac", "ipod", 48_000), 0.95),
    ("Opus, 24 kbit/s", ".opus", _opus(24_000), 0.95),
    ("Opus, 16 kbit/s", ".opus", _opus(16_000), 0.95),
    ("Opus, 8 kbit/s", ".opus", _opus(8_000), None),
    ("u-law, 8 kHz", ".wav", _saved("pcm_mulaw", "wav", 0, 8_000), 0.95),
    ("AC-3, 64 kbit/s", ".ac3", _saved("ac3", "ac3", 64_000, 32_000), None),
    ("WMA", ".wma", _saved("wmav2", "asf", 64_000, 22_050), None),
    ("G.722", ".wav", _saved("g722", "wav"), None),
    ("ADPCM", ".wav", _saved("adpcm_ima_wav", "wav"), 0.95),
    ("resampled to 8 kHz", ".wav", _saved("pcm_s16le", "wav", 0, 8_000), 0.95),
    ("resampled to 22.05 kHz, MP3", ".mp3", _saved("libmp3lame", "mp3", 48_000, 22_050), 0.95),
    ("resampled to 48 kHz", ".wav", _saved("pcm_s24le", "wav", 0, 48_000), 0.95),
    ("12 dB quieter, MP3", ".mp3", _then(lambda sound, _: sound * 0.25, MP3), 0.95),
    ("6 dB louder, clipped", ".wav", _then(lambda sound, _: np.clip(sound * 2, -1, 1), _saved("pcm_s16le", "wav")), 0.95),
    ("noise at 20 dB", ".flac", _then(lambda sound, chance: _noisy(sound, chance, 20), FLAC), 0.95),
    ("noise at 10 dB", ".flac", _then(lambda sound, chance: _noisy(sound, chance, 10), FLAC), None),
    ("a tenth cut, Opus", ".opus", _then(lambda sound, _: _cut(sound, 0.9), _opus(16_000)), 0.95),
    ("a third cut, MP3", ".mp3", _then(lambda sound, _: _cut(sound, 0.67), MP3), 0.95),
    ("two thirds cut, MP3", ".mp3", _then(lambda sound, _: _cut(sound, 0.33), MP3), None),
    ("inside 16 s of other sound, MP3", ".mp3", _then(_among, MP3), None),
    ("4 % faster", ".wav", _then(lambda sound, _: _faster(sound, 1.04), _saved("pcm_s16le", "wav")), None),
    ("4 % slower", ".wav", _then(lambda sound, _: _faster(sound, 0.96), _saved("pcm_s16le", "wav")), None),
    ("backwards", ".wav", _then(lambda sound, _: sound[::-1].copy(), _saved("pcm_s16le", "wav")), None),
    (
        "telephone band, AMR-like u-law twice",
        ".wav",
        lambda sound, chance: _saved("pcm_mulaw", "wav", 0, 8_000)(load_sound(_saved("pcm_mulaw", "wav", 0, 8_000)(sound, chance)), chance),
        None,
    ),
)


def _film(codec: str = "libx264", container: str = "mp4", quality: int = 28) -> See:
    return lambda film, rate: save_film(
        film, rate, codec, container, options={"crf": str(quality), "preset": "veryfast", "x265-params": "log-level=none"}
    )


def _resized(share: float) -> See:
    return lambda film, rate: _film()(resize(film, int(film.shape[2] * share) // 2 * 2, int(film.shape[1] * share) // 2 * 2), rate)


def _cropped(share: float, where: tuple[float, float] = (0.5, 0.5)) -> See:
    return lambda film, rate: _film()(crop(film, share, where), rate)


def _brighter(film: Film, rate: float) -> bytes:
    return _film()(np.clip(film.astype(np.int16) * 1.2 + 20, 0, 255).astype(np.uint8), rate)


def _marked(film: Film, rate: float) -> bytes:
    """With a clock in a corner and a bar at the bottom."""
    held = film.copy()
    held[:, : film.shape[1] // 10, : film.shape[2] // 3] = 255
    held[:, -film.shape[1] // 12 :] = 0
    return _film()(held, rate)


FILMS: tuple[tuple[str, str, See, float | None], ...] = (
    ("H.264, coarse", ".mp4", _film(quality=36), 0.95),
    ("H.264 in Matroska", ".mkv", _film(container="matroska"), 0.95),
    ("HEVC", ".mp4", _film("libx265"), 0.95),
    (
        "VP9 in WebM",
        ".webm",
        lambda film, rate: save_film(film, rate, "libvpx-vp9", "webm", options={"deadline": "realtime", "cpu-used": "8"}, bits=200_000),
        0.95,
    ),
    ("MPEG-4 in AVI", ".avi", lambda film, rate: save_film(film, rate, "mpeg4", "avi", bits=300_000), 0.95),
    ("motion JPEG", ".avi", lambda film, rate: save_film(film, rate, "mjpeg", "avi", bits=2_000_000, pixels="yuvj420p"), 0.95),
    ("half the size", ".mp4", _resized(0.5), 0.95),
    ("a quarter of the size", ".mp4", _resized(0.25), None),
    ("10 % cropped", ".mp4", _cropped(0.1), 0.95),
    ("20 % cropped at a corner", ".mp4", _cropped(0.2, (0.0, 1.0)), 0.95),
    ("brighter", ".mp4", _brighter, 0.95),
    ("clock and bar laid over", ".mp4", _marked, None),
    ("half the frames", ".mp4", lambda film, rate: _film()(film[::2], rate / 2), None),
    ("first two thirds", ".mp4", lambda film, rate: _film()(film[: len(film) * 2 // 3], rate), 0.95),
    ("two seconds", ".mp4", lambda film, rate: _film()(film[len(film) // 3 :][: int(2 * rate)], rate), None),
    ("grey", ".mp4", lambda film, rate: _film()(np.repeat(film.mean(axis=3, keepdims=True).astype(np.uint8), 3, axis=3), rate), 0.95),
    ("mirrored", ".mp4", lambda film, rate: _film()(film[:, :, ::-1], rate), None),
)


def _heard(hear: Hear) -> Callable[[Maker, Trace], bytes]:
    def make(maker: Maker, trace: Trace) -> bytes:
        assert isinstance(trace.value, bytes)
        return hear(sound_of(trace.value), np.random.default_rng(maker.random.randrange(1 << 30)))

    return make


def _seen(see: See) -> Callable[[Maker, Trace], bytes]:
    def make(_maker: Maker, trace: Trace) -> bytes:
        assert isinstance(trace.value, bytes)
        return see(*film_of(trace.value))

    return make


def _inside(make: Callable[[Maker, Trace], bytes]) -> Callable[[Maker, Trace], bytes]:
    return lambda maker, trace: tarred(make(maker, trace), maker, "w:gz")


def ways() -> list[Way]:
    """Utterances of 1 to 5 s, shorter ones, and films of a fixed camera."""
    found = [
        Way(f"audio as {name}", "audio", ("voice",) * 3 + ("clip",) * 3, _heard(hear), suffix, aim) for name, suffix, hear, aim in SOUNDS
    ]
    found.append(Way("audio as MP3 in tar.gz", "audio", ("voice",) * 3 + ("clip",) * 3, _inside(_heard(MP3)), ".tgz", 0.95))
    found.append(Way("audio as MP3, a word of half a second", "audio", ("word",) * 6, _heard(MP3), ".mp3", None))
    found += [Way(f"video as {name}", "video", ("film",) * 2, _seen(see), suffix, aim) for name, suffix, see, aim in FILMS]
    return found
