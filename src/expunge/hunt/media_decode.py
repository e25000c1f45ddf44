"""Decodes sound and pictures with PyAV, from bytes that anybody may have made: bounded, offline, and never louder than ``Unplayable``.

The demuxer is given (``media_forms``), protocols are none, references to other files are refused, pictures above ``PIXELS`` are not
decoded, a damaged packet is skipped and told at the end. FFmpeg's own texts may quote a file's tags: none leaves this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NoReturn

import av
import numpy as np
import numpy.typing as npt

from expunge.hunt.media_forms import Unplayable
from expunge.hunt.pieces import Why

RATE = 8_000
"""Samples per second of decoded sound: all that telephone and 8 kbit/s codecs leave (4 kHz) and what is compared (up to 3.4 kHz)."""

PIXELS = 64_000_000
"""Pixels of the largest picture that is decoded: 8K video is 33 million; ten bytes each while it is converted."""

TRACKS = 8
"""Tracks of one kind that are looked at; cameras write one or two."""

SECONDS = 6 * 3600.0
"""Of one track; a night of a baby monitor. The rest is told as not scanned."""

DENSEST = 1 / 65
"""Seconds between two pictures at least: 60 a second are looked at, of 120 every second one."""

DAMAGED = 200
"""Damaged packets in a row after which a track is given up."""

_LOGGED = av.logging.PANIC
av.logging.set_level(_LOGGED)  # FFmpeg's messages quote metadata, which may name a person


def _refuse(_url: str, _flags: int, _options: dict[str, str]) -> NoReturn:
    raise PermissionError


@contextmanager
def _opened(file: BinaryIO, name: str) -> Iterator[av.container.InputContainer]:
    """The container, closed at the end.

    Raises:
        Unplayable: it can't be opened, or breaks.
    """
    try:
        options = {"protocol_whitelist": "", "max_pixels": str(PIXELS)}
        with av.open(file, format=name, options=options, io_open=_refuse, metadata_errors="ignore") as container:
            yield container
    except (
        av.FFmpegError,
        ValueError,
        PermissionError,
        OverflowError,
        ZeroDivisionError,
    ):  # PyAV passes some of FFmpeg's faults on as these
        raise Unplayable(Why.BROKEN) from None
    except MemoryError:
        raise Unplayable(Why.TOO_LARGE) from None


def tracks(file: BinaryIO, name: str) -> tuple[int, int]:
    """How many tracks of sound and of pictures the file has, at most ``TRACKS`` of each.

    Raises:
        Unplayable: the file can't be opened, or holds none.
    """
    with _opened(file, name) as container:
        sounds, films = len(container.streams.audio), len(container.streams.video)
    if not sounds and not films:
        raise Unplayable(Why.BROKEN, "no track of sound or pictures")
    return min(sounds, TRACKS), min(films, TRACKS)


def _packets(container: av.container.InputContainer, stream: av.stream.Stream) -> Iterator[av.frame.Frame]:
    """The track's frames; damaged packets are skipped.

    Raises:
        Unplayable: after the last frame, if packets were damaged.
    """
    damaged = row = 0
    demuxed = container.demux(stream)
    while row < DAMAGED:
        try:
            packet = next(demuxed, None)
            if packet is None:
                break
            yield from packet.decode()
            row = 0
        except av.EOFError:
            break
        except av.FFmpegError:
            damaged, row = damaged + 1, row + 1
    if damaged:
        raise Unplayable(Why.BROKEN, f"{damaged} packets damaged")


def sound(file: BinaryIO, name: str, track: int) -> Iterator[npt.NDArray[np.float32]]:
    """The track's sound in blocks of shape (channels, samples), one or two channels, at ``RATE``; full scale is ±1.

    Raises:
        Unplayable: after the last block, if it was damaged or longer than ``SECONDS``; or at once.
    """
    left = int(SECONDS * RATE)
    with _opened(file, name) as container:
        stream = container.streams.audio[track]
        resampler: av.AudioResampler | None = None
        shape: tuple[str, str, int] | None = None
        channels = 1
        for frame in _packets(container, stream):
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if (
                resampler is None or now != shape
            ):  # hostile or chained streams change their format on the way; the first one's channels stay
                channels = channels if resampler else min(frame.layout.nb_channels, 2)
                resampler, shape = av.AudioResampler(format="fltp", layout="mono" if channels == 1 else "stereo", rate=RATE), now
            frame.pts = None  # gaps and jumps in time stamps are of no interest; what is there is taken as it comes
            for part in resampler.resample(frame):
                block = np.nan_to_num(part.to_ndarray(), copy=False, posinf=0, neginf=0)
                left -= block.shape[1]
                yield block
            if left < 0:
                raise Unplayable(Why.TOO_LARGE, f"sound after the first {SECONDS / 3600:g} hours")
        for part in resampler.resample(None) if resampler else ():
            yield np.nan_to_num(part.to_ndarray(), copy=False, posinf=0, neginf=0)


def pictures(file: BinaryIO, name: str, track: int, width: int, height: int) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
    """The track's pictures as (seconds from its first, grey of shape (height, width)), in the order shown, shrunk by area.

    Raises:
        Unplayable: after the last picture, if it was damaged or longer than ``SECONDS``; or at once.
    """
    with _opened(file, name) as container:
        stream = container.streams.video[track]
        stream.thread_type = "NONE"  # workers share the cores already
        rate = float(stream.average_rate or stream.guessed_rate or 10)
        shaper = av.video.reformatter.VideoReformatter()
        first, last = None, -1.0
        for count, frame in enumerate(_packets(container, stream)):
            when = frame.time if frame.time is not None else count / rate
            first = when if first is None else first
            if when - first < last + DENSEST:
                continue  # time that stands still or goes back, and more pictures than are worth anything
            last = when - first
            if last > SECONDS:
                raise Unplayable(Why.TOO_LARGE, f"pictures after the first {SECONDS / 3600:g} hours")
            small = shaper.reformat(frame, width=width, height=height, format="gray", interpolation="AREA")
            yield last, small.to_ndarray()
