"""Copies of films and pictures are found, other visits at the same door are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench.media_copies import Film, crop, resize, save_film, save_sound
from expunge.hunt.pieces import Why
from expunge.hunt.prints import Kind, Tier
from expunge.hunt.video import Video, VideoMatcher
from tests.hunt.media.recordings import PLACE, bodies, look, traces, visits


def stamped(film: Film) -> Film:
    """A clock in the corner that changes each second."""
    film = film.copy()
    for number, picture in enumerate(film):
        picture[4:14, 4:60] = np.random.default_rng(number // 10).integers(0, 2, (10, 56, 1)) * 255
    return film


COPIES: dict[str, Callable[[Film, float], bytes]] = {
    "itself": lambda film, rate: save_film(film, rate, options={"crf": "18"}),
    "x264, low rate": lambda film, rate: save_film(film, rate, options={"crf": "36"}),
    "HEVC": lambda film, rate: save_film(film, rate, "libx265", "matroska", options={"crf": "30", "x265-params": "log-level=none"}),
    "VP9": lambda film, rate: save_film(film, rate, "libvpx-vp9", "webm", options={"cpu-used": "8", "deadline": "realtime"}, bits=150_000),
    "MPEG-4": lambda film, rate: save_film(film, rate, "mpeg4", "avi", bits=200_000),
    "MJPEG": lambda film, rate: save_film(film, rate, "mjpeg", "mov", pixels="yuvj420p"),
    "transport stream": lambda film, rate: save_film(film, rate, "mpeg4", "mpegts", bits=400_000),
    "GIF": lambda film, rate: save_film(resize(film, 192, 108), rate, "gif", "gif", pixels="rgb8"),
    "half the size": lambda film, rate: save_film(resize(film, 192, 108), rate),
    "brighter": lambda film, rate: save_film(np.clip(film * 1.2 + 20, 0, 255).astype(np.uint8), rate),
    "half the rate": lambda film, rate: save_film(film[::2], rate / 2),
    "cropped by 5 %": lambda film, rate: save_film(crop(film, 0.05), rate),
    "cropped by 10 %": lambda film, rate: save_film(crop(film, 0.10), rate),
    "cropped by 20 %": lambda film, rate: save_film(crop(film, 0.20), rate),
    "cropped by 10 % at the upper left": lambda film, rate: save_film(crop(film, 0.10, (1.0, 1.0)), rate),
    "cropped by 20 % at the lower left": lambda film, rate: save_film(crop(film, 0.20, (1.0, 0.0)), rate),
    "cropped by 20 % at the upper right": lambda film, rate: save_film(crop(film, 0.20, (0.0, 1.0)), rate),
    "stamped": lambda film, rate: save_film(stamped(film), rate),
    "between others": lambda film, rate: save_film(np.concatenate([film[:1].repeat(30, 0), film, film[-1:].repeat(30, 0)]), rate),
}


@pytest.fixture(scope="module")
def matcher() -> VideoMatcher:
    family = Video()
    pages = list(family.take(traces(bodies("doorbell", "mp4"))))
    assert family.unprinted == {}
    return family.matcher(pages)


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_found(matcher: VideoMatcher, name: str) -> None:
    for subject, (film, rate) in enumerate(visits()):
        seen = look(matcher, COPIES[name](film, rate), "video")
        assert [(one.subject, one.print) for one in seen] == [(subject, subject)]
        assert seen[0].tier is Tier.FOUND or name == "stamped"  # the clock moves as much as somebody far away
        assert seen[0].kind is Kind.VIDEO
        assert seen[0].form.startswith("film")
    assert matcher.unread == []


@pytest.mark.parametrize("away", range(3))
def test_other_visits_are_not_found(away: int) -> None:
    clips = bodies("doorbell", "mp4")
    family = Video()
    matcher = family.matcher(family.take(traces(clip for number, clip in enumerate(clips) if number != away)))
    film, rate = visits()[away]
    for body in (clips[away], save_film(crop(film, 0.1), rate), save_film(film[5:25], rate)):
        assert [one for one in look(matcher, body, "video") if one.tier is Tier.FOUND] == []


def test_two_visits_in_one_film(matcher: VideoMatcher) -> None:
    (first, rate), (second, _), _ = visits()
    seen = look(matcher, save_film(np.concatenate([second, first]), rate), "video")
    assert {one.subject for one in seen if one.tier is Tier.FOUND} == {0, 1}


def jpeg(picture: Film, *, coarse: int = 8) -> bytes:
    return save_film(picture[None], 10, "mjpeg", "mjpeg", pixels="yuvj420p", options={"qmin": str(coarse), "qmax": str(coarse)})


def test_snapshots_are_found_and_others_are_not() -> None:
    shots = [film[len(film) // 2] for film, _ in visits()]
    family = Video()
    matcher = family.matcher(family.take(traces(bodies("doorbell", "jpg"))))
    for body in bodies("doorbell", "jpg"):
        seen = look(matcher, body, "image")
        assert sum(one.tier is Tier.FOUND for one in seen) == 1
    own = Video().matcher(Video().take(traces(jpeg(one) for one in shots)))
    for subject, shot in enumerate(shots):
        for copy in (jpeg(shot, coarse=14), jpeg(resize(shot[None], 192, 108)[0])):
            assert [(one.subject, one.tier, one.form) for one in look(own, copy, "image")] == [(subject, Tier.FOUND, "still")]
        assert subject in {one.subject for one in look(own, jpeg(crop(shot[None], 0.1)[0]), "image")}


def test_thumbnail_of_another_visit_is_not_found(matcher: VideoMatcher) -> None:
    for subject, (film, _) in enumerate(visits()):
        for picture in film[::8]:
            found = [one.subject for one in look(matcher, jpeg(picture), "image") if one.tier is Tier.FOUND]
            assert found in ([], [subject])


def test_what_can_not_be_printed_is_counted() -> None:
    film, rate = visits()[0]
    still = save_film(film[:1].repeat(40, 0) * 0, rate)
    family = Video()
    list(
        family.take(
            traces([still, jpeg(film[0] * 0), bodies("doorbell", "mp4")[0][:300], save_sound(np.zeros(9, np.float32), 8_000), b"text"])
        )
    )
    assert family.unprinted == {"nothing moves": 1, "a still picture of little contrast": 1, Why.BROKEN.value: 1}


def test_cut_short_is_looked_at_and_told(matcher: VideoMatcher) -> None:
    film, rate = visits()[0]
    body = save_film(film, rate, "mpeg4", "mpegts", bits=300_000)
    garbled = body[: len(body) * 3 // 4] + bytes(range(256)) * 200
    seen = look(matcher, garbled, "video")
    assert [(one.subject, one.tier) for one in seen] == [(0, Tier.FOUND)]
    matcher.unread.clear()
    assert look(matcher, bodies("doorbell", "mp4")[0][:500], "video") == []
    assert [(one.place, one.why) for one in matcher.unread] == [(PLACE, Why.BROKEN)]
    matcher.unread.clear()


def test_a_bomb_of_pixels_is_refused(matcher: VideoMatcher) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes.fromhex("0000000d49484452000186a0000186a00802000000") + bytes(40)
    assert look(matcher, png, "image") == []
    matcher.unread.clear()


def test_without_pages_nothing_is_found() -> None:
    assert look(Video().matcher([]), bodies("doorbell", "mp4")[0], "video") == []
    assert look(Video().matcher([]), bodies("doorbell", "jpg")[0], "image") == []
