"""What happens to a recording on its way into a forgotten folder: the ways of copying that ``hunt_media.py`` and the tests measure.

Sound is mono float32 with its rate in Hz; pictures are RGB frames, uint8 of shape (frames, height, width, 3), with a rate in frames per
second. Every function gives the bytes of a file.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt

Sound: TypeAlias = npt.NDArray[np.float32]
Film: TypeAlias = npt.NDArray[np.uint8]

SPEECH_RATE = 16_000
"""Clips are held at this rate, in Hz; most of the real ones were recorded at it."""


def load_sound(body: bytes, rate: int = SPEECH_RATE) -> Sound:
    """A file's first audio track, mono, at ``rate`` Hz."""
    blocks: list[Sound] = []
    with av.open(io.BytesIO(body)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        for frame in container.decode(audio=0):
            blocks += [one.to_ndarray()[0] for one in resampler.resample(frame)]
        blocks += [one.to_ndarray()[0] for one in resampler.resample(None)]
    return np.concatenate(blocks)


def resample(sound: Sound, rate: int, to: int) -> Sound:
    """The same sound at another rate, by the resampler that players use."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=to)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, :], dtype=np.float32), format="flt", layout="mono")
    frame.sample_rate = rate
    return np.concatenate([one.to_ndarray()[0] for part in (frame, None) for one in resampler.resample(part)])


def save_sound(sound: Sound, rate: int, codec: str = "pcm_s16le", container: str = "wav", bits: int = 0, channels: int = 1) -> bytes:
    """Encode; ``bits`` per second, 0 for the codec's own choice; two ``channels`` both hold the sound."""
    out = io.BytesIO()
    layout = "stereo" if channels == 2 else "mono"
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        if bits:
            stream.bit_rate = bits
        whole = np.repeat(np.clip(sound, -1, 1)[:, None] * 32767, channels, axis=1).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole.reshape(1, -1)), format="s16", layout=layout)
        frame.sample_rate = rate
        frame.pts = 0
        frame.time_base = Fraction(1, rate)
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    return out.getvalue()


def load_film(body: bytes, most: int = 10_000) -> tuple[Film, float]:
    """A file's first video track and its frames per second."""
    with av.open(io.BytesIO(body)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame, _ in zip(container.decode(stream), range(most), strict=False)]
        return np.stack(frames), float(stream.average_rate or 10)


def save_film(
    film: Film,
    rate: float,
    codec: str = "libx264",
    container: str = "mp4",
    *,
    options: Mapping[str, str] | None = None,
    bits: int = 0,
    pixels: str = "yuv420p",
) -> bytes:
    """Encode; sides are made even, as codecs want them."""
    out = io.BytesIO()
    film = film[:, : film.shape[1] // 2 * 2, : film.shape[2] // 2 * 2]
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=Fraction(rate).limit_denominator(1001), options=dict(options or {}))
        stream.height, stream.width, stream.pix_fmt = film.shape[1], film.shape[2], pixels
        if bits:
            stream.bit_rate = bits
        for picture in film:
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return out.getvalue()


def resize(film: Film, width: int, height: int) -> Film:
    """Shrink or grow, as players do."""
    return np.stack([av.VideoFrame.from_ndarray(one, format="rgb24").reformat(width, height).to_ndarray(format="rgb24") for one in film])


def crop(film: Film, share: float, where: tuple[float, float] = (0.5, 0.5)) -> Film:
    """Take away ``share`` of each side's length; ``where`` is what of it goes at the left and the top (0.5: the middle stays)."""
    height, width = film.shape[1:3]
    top, left = round(height * share * where[1]), round(width * share * where[0])
    return np.ascontiguousarray(film[:, top : top + round(height * (1 - share)), left : left + round(width * (1 - share))])
