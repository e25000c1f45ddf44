"""What happens to a recording on its way into a forgotten folder: the ways of copying that ``hunt_media.py`` and the tests measure.

Sound is mono float32 with its rate in Hz; pictures are RGB frames, uint8 of shape (frames, height, width, 3), with a rate in frames per
second. Every function gives the bytes of a file.
"""

from __future__ import annotations

import io
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
