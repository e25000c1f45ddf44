"""Files that somebody broke, or made to break us."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.media_copies import save_film, save_sound
from expunge.errors import MissingExtra
from expunge.hunt.audio import Audio
from expunge.hunt.media_forms import demuxer
from expunge.hunt.pieces import Media
from expunge.hunt.video import Video
from tests.hunt.media.recordings import PLACE, bodies, commands, traces, visits

SOUND = commands()[0][:16_000]
FILM = visits()[0][0][:8]
WHOLE = [
    *(save_sound(SOUND, 16_000, codec, container) for codec, container in (("pcm_s16le", "wav"), ("flac", "flac"), ("aac", "mp4"))),
    save_sound(SOUND, 16_000, "libopus", "ogg", 16_000),
    save_sound(SOUND, 16_000, "libmp3lame", "mp3", 64_000),
    save_film(FILM, 10),
    save_film(FILM, 10, "mpeg4", "avi"),
    save_film(FILM, 10, "gif", "gif", pixels="rgb8"),
    bodies("doorbell", "jpg")[0],
]
HEARS = Audio().matcher(Audio().take(traces([save_sound(SOUND, 16_000)])))
SEES = Video().matcher(Video().take(traces(bodies("doorbell", "mp4")[:1])))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, len(WHOLE) - 1), st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=12), st.floats(0, 1)
)
def test_any_damage_is_survived(which: int, edits: list[tuple[float, bytes]], cut: float) -> None:
    body = bytearray(WHOLE[which])
    for where, new in edits:
        at = int(where * (len(body) - len(new)))
        body[at : at + len(new)] = new
    damaged = bytes(body[: max(1, int(len(body) * (1 - cut / 3)))])
    for matcher in (HEARS, SEES):
        list(matcher.look(Media(PLACE, "audio", lambda: io.BytesIO(damaged), len(damaged))))
        matcher.unread.clear()
    list(Audio().take(traces([damaged])))
    list(Video().take(traces([damaged])))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=600))
def test_any_head_is_judged(head: bytes) -> None:
    name = demuxer(head)
    assert name is None or name.isascii()


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (WHOLE[0], "wav"),
        (WHOLE[1], "flac"),
        (WHOLE[2], "mov"),
        (WHOLE[3], "ogg"),
        (WHOLE[4], "mp3"),
        (WHOLE[5], "mov"),
        (WHOLE[6], "avi"),
        (WHOLE[7], "gif"),
        (WHOLE[8], "jpeg_pipe"),
        (b"\x1a\x45\xdf\xa3....", "matroska"),
        (b"\xff\xf1\x50\x80....", "aac"),
        (b"\xff\xfb\x90\x64....", "mp3"),
        (b"\0\0\0\x01\x67....", "h264"),
        (b"\0\0\x01\x40....", "hevc"),
        ((b"G" + bytes(187)) * 4, "mpegts"),
        ((bytes(4) + b"G" + bytes(187)) * 4, "mpegts"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "bmp_pipe"),
        (b"\xff\xff\xff\xff\xff", None),
        (b"#EXTM3U", None),
        (b"", None),
    ],
)
def test_demuxers_are_named_by_their_first_bytes(head: bytes, name: str | None) -> None:
    assert demuxer(head[:4096]) == name


@pytest.mark.parametrize("family", [Audio(), Video()])
def test_without_the_library_it_is_said(family: Audio | Video, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "expunge.hunt.media_decode", None)
    with pytest.raises(MissingExtra, match=r"expunge\[hunt\]"):
        family.matcher([])
    with pytest.raises(MissingExtra):
        list(family.take(traces([WHOLE[5]])))
    assert list(family.take(traces([b"only a text"]))) == []
