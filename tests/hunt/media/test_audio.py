"""Copies of recordings are found, other recordings of the same people are not."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from bench.media_copies import SPEECH_RATE, Sound, resample, save_sound
from expunge.hunt.audio import Audio, AudioMatcher
from expunge.hunt.pieces import Blob, Unread, Why
from expunge.hunt.prints import Kind, Role, Tier, Trace
from tests.hunt.media.recordings import PLACE, bodies, commands, look, traces

RATE = SPEECH_RATE


def noisy(sound: Sound) -> Sound:
    noise = np.random.default_rng(7).normal(size=len(sound)).astype(np.float32)
    return sound + noise * np.float32(np.sqrt((sound**2).mean() / 100))


def embedded(sound: Sound) -> Sound:
    around = np.concatenate(commands()[-5:])
    return np.concatenate([around[: 7 * RATE], sound, around[7 * RATE : 13 * RATE]])


COPIES: dict[str, Callable[[Sound], bytes]] = {
    "mp3 64k": lambda one: save_sound(one, RATE, "libmp3lame", "mp3", 64_000),
    "opus 16k": lambda one: save_sound(one, RATE, "libopus", "ogg", 16_000),
    "opus 8k": lambda one: save_sound(one, RATE, "libopus", "ogg", 8_000),
    "aac, two channels": lambda one: save_sound(one, RATE, "aac", "mp4", 48_000, channels=2),
    "aac without a container": lambda one: save_sound(one, RATE, "aac", "adts", 32_000),
    "µ-law": lambda one: save_sound(resample(one, RATE, 8_000), 8_000, "pcm_mulaw", "wav"),
    "amr 12.2k": lambda one: save_sound(resample(one, RATE, 8_000), 8_000, "libopencore_amrnb", "amr", 12_200),
    "44.1 kHz, 12 dB down": lambda one: save_sound(resample(one, RATE, 44_100) * np.float32(0.25), 44_100, "flac", "flac"),
    "noise": lambda one: save_sound(noisy(one), RATE),
    "DC offset": lambda one: save_sound(one * np.float32(0.5) + np.float32(0.3), RATE),
    "upside down": lambda one: save_sound(-one, RATE),
    "half of it": lambda one: save_sound(one[len(one) // 4 : 3 * len(one) // 4], RATE),
    "silence around": lambda one: save_sound(np.concatenate([np.zeros(3 * RATE, np.float32), one, np.zeros(RATE, np.float32)]), RATE),
    "in other speech": lambda one: save_sound(embedded(one), RATE),
    "4 % faster": lambda one: save_sound(resample(one, RATE, round(RATE * 0.96)), RATE),
    "3 % slower": lambda one: save_sound(resample(one, RATE, round(RATE * 1.03)), RATE),
}


@pytest.fixture(scope="module")
def matcher() -> AudioMatcher:
    family = Audio()
    pages = list(family.take(traces(save_sound(one, RATE, "flac", "flac") for one in commands()[:10])))
    assert family.unprinted == {}
    return family.matcher(pages)


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_found(matcher: AudioMatcher, name: str) -> None:
    for subject in (0, 4, 8):
        seen = look(matcher, COPIES[name](commands()[subject]))
        assert [(one.subject, one.print, one.tier) for one in seen] == [(subject, subject, Tier.FOUND)]
        assert ("speed" in seen[0].form) is ("%" in name)
        assert seen[0].kind is Kind.AUDIO
        assert seen[0].place == PLACE
        assert 0 < seen[0].strength <= 1
        assert seen[0].context == b""
    assert matcher.unread == []


def test_other_recordings_are_not(matcher: AudioMatcher) -> None:
    for sound in commands()[10:]:
        assert look(matcher, save_sound(sound, RATE)) == []


def test_same_word_of_one_person_is_another_recording() -> None:
    clips = bodies("digits", "wav")
    family = Audio()
    matcher = family.matcher(family.take(traces(clips[::2])))
    for body in clips[1::2]:
        assert [one for one in look(matcher, body) if one.tier is Tier.FOUND] == []


def test_whole_digits_are_seen() -> None:
    clips = bodies("digits", "wav")
    family = Audio()
    matcher = family.matcher(family.take(traces(clips)))
    seen = [any(one.subject == subject for one in look(matcher, body)) for subject, body in enumerate(clips)]
    assert np.mean(seen) > 0.85  # 0.2-0.6 s each; the shortest hold too little sound


def test_all_clips_of_one_file_are_found(matcher: AudioMatcher) -> None:
    every = np.concatenate([np.concatenate([one, np.zeros(RATE // 2, np.float32)]) for one in commands()[:10]])
    seen = look(matcher, save_sound(every, RATE, "libmp3lame", "mp3", 64_000))
    assert {one.subject for one in seen if one.tier is Tier.FOUND} == set(range(10))


def test_late_in_a_long_recording(matcher: AudioMatcher) -> None:
    others = np.concatenate([*commands()[10:]] * 8)[: 62 * RATE]
    seen = look(matcher, save_sound(np.concatenate([others, commands()[4], others]), RATE, "libopus", "ogg", 24_000))
    assert [(one.subject, one.tier) for one in seen] == [(4, Tier.FOUND)]
    assert "from 1:0" in seen[0].form


def test_one_side_of_a_call(matcher: AudioMatcher) -> None:
    left, right = commands()[12][:40_000], commands()[2][:40_000]
    both = np.stack([left, right], 1).reshape(-1)
    out = save_sound(both, RATE)  # mono of twice the samples …
    header = bytearray(out)
    header[22:24], header[32:34] = (2).to_bytes(2, "little"), (4).to_bytes(2, "little")  # … told to be two channels
    header[28:32] = (RATE * 4).to_bytes(4, "little")
    seen = look(matcher, bytes(header))
    assert [(one.subject, one.tier) for one in seen] == [(2, Tier.FOUND)]


def test_sound_of_a_film_is_heard(matcher: AudioMatcher) -> None:
    body = save_sound(commands()[5], RATE, "aac", "matroska", 48_000)
    assert [one.subject for one in look(matcher, body, "video")] == [5]


def test_what_can_not_be_printed_is_counted() -> None:
    tone = np.sin(np.arange(2 * RATE) * 0.2).astype(np.float32)
    family = Audio()
    silent, broken = save_sound(tone * 0, RATE), save_sound(tone, RATE, "flac", "flac")[:60]
    written = [*traces([silent, broken, b"just a text of somebody", b""]), Trace(0, Role.TEXT, "a.b.c", "text", "hello")]
    assert list(family.take(written)) == []
    assert family.unprinted == {"too little sound": 1, Why.BROKEN.value: 1}


def test_hum_finds_no_other_hum() -> None:
    when = np.arange(5 * RATE) / RATE
    orders = np.arange(1, 40)[:, None]
    hum = (np.sin(2 * np.pi * 50 * orders * when + orders) / orders / 8).sum(0).astype(np.float32)
    beat = (np.sin(2 * np.pi * 3 * when) > 0).astype(np.float32)
    family = Audio()
    matcher = family.matcher(family.take(traces([save_sound(hum * beat, RATE)])))
    other = (np.sin(2 * np.pi * 50 * orders * when + 2 * orders) / orders / 8).sum(0).astype(np.float32)
    assert [one for one in look(matcher, save_sound(other * beat[::-1], RATE)) if one.tier is Tier.FOUND] == []


def test_cut_short_is_looked_at_and_told(matcher: AudioMatcher) -> None:
    body = save_sound(np.concatenate([commands()[1], *commands()[10:14]]), RATE, "libmp3lame", "mp3", 64_000)
    garbled = body[: len(body) // 3] + bytes(range(256)) * 40
    seen = look(matcher, garbled)
    assert [(one.subject, one.tier) for one in seen] == [(1, Tier.FOUND)]
    matcher.unread.clear()


@pytest.mark.parametrize("body", [b"", b"#EXTM3U\nhttp://127.0.0.1:9/x.ts\n", b"ffconcat version 1.0\nfile /etc/passwd\n", b"\0" * 9000])
def test_no_medium_is_told(matcher: AudioMatcher, body: bytes) -> None:
    assert look(matcher, body) == []
    assert matcher.unread == [Unread(PLACE, Why.UNSUPPORTED, len(body))]
    matcher.unread.clear()


def test_bytes_and_ends_give_nothing(matcher: AudioMatcher) -> None:
    assert list(matcher.look(Blob(PLACE, 0, b"RIFF"))) == []
    assert list(matcher.close(PLACE)) == []


def test_pages_are_small_plain_and_the_same() -> None:
    body = save_sound(commands()[0], RATE)
    one, two = list(Audio().take(traces([body]))), list(Audio().take(traces([body])))
    assert len(one) == len(two) == 1
    with np.load(io.BytesIO(one[0]), allow_pickle=False) as held, np.load(io.BytesIO(two[0]), allow_pickle=False) as again:
        assert all((held[name] == again[name]).all() for name in held.files)
    assert len(one[0]) < 3 * 1_700 + 2_000


def test_without_pages_nothing_is_found() -> None:
    assert look(Audio().matcher([]), save_sound(commands()[0], RATE)) == []


def test_speed_is_told_as_the_copy_plays(matcher: AudioMatcher) -> None:
    (seen,) = look(matcher, COPIES["4 % faster"](commands()[0]))
    assert "+4.2% in speed" in seen.form
