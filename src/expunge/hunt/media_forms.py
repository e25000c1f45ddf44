"""Which demuxer opens a recording or picture, from its first bytes; and the door to the decoder, which needs an optional library.

The demuxer is always named by us and never guessed from content or file name: formats that refer to other files or to the network
(playlists, concatenations, descriptions of streams) are not in the table, so nothing outside the given bytes can be reached.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from expunge.errors import MissingExtra
from expunge.hunt.pieces import Why

HEAD = 4096
"""Bytes of a file's beginning that ``demuxer`` wants: MPEG transport streams show themselves by a byte in each 188 (or 192, 204)."""

_STARTS: tuple[tuple[bytes, int, str], ...] = (
    (b"fLaC", 0, "flac"),
    (b"OggS", 0, "ogg"),
    (b"ID3", 0, "mp3"),
    (b"#!AMR", 0, "amr"),
    (b"caff", 0, "caf"),
    (b"AIFF", 8, "aiff"),
    (b"AIFC", 8, "aiff"),
    (b".snd", 0, "au"),
    (b"RF64", 0, "wav"),
    (b"WAVE", 8, "wav"),
    (b"AVI ", 8, "avi"),
    (b"wvpk", 0, "wv"),
    (b"NIST_1A", 0, "nistsphere"),
    (b"ftyp", 4, "mov"),
    (b"moov", 4, "mov"),
    (b"mdat", 4, "mov"),
    (b"wide", 4, "mov"),
    (b"\x1a\x45\xdf\xa3", 0, "matroska"),
    (b"FLV\x01", 0, "flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, "asf"),
    (b"\x00\x00\x01\xba", 0, "mpeg"),
    (b"\x00\x00\x01\xb3", 0, "mpegvideo"),
    (b"DKIF", 0, "ivf"),
    (b"YUV4MPEG2", 0, "yuv4mpegpipe"),
    (b"GIF8", 0, "gif"),
    (b"\x89PNG\r\n\x1a\n", 0, "png_pipe"),
    (b"WEBP", 8, "webp_pipe"),
    (b"II*\x00", 0, "tiff_pipe"),
    (b"MM\x00*", 0, "tiff_pipe"),
)

PICTURES = frozenset({"png_pipe", "webp_pipe", "tiff_pipe", "bmp_pipe", "jpeg_pipe"})
"""Demuxers of single pictures. A JPEG file is read as one even where more follow (MJPEG): see ``demuxer``."""

SOUND = frozenset({"flac", "mp3", "amr", "caf", "aiff", "au", "wav", "wv", "nistsphere", "aac"})
"""Demuxers of containers that hold no moving pictures."""

_SYNC, _SYNC_MASK, _ADTS_MASK = 0xFFE0, 0xFFE0, 0xFFF6
_NAL_PARAMETERS = {0x67: "h264", 0x27: "h264", 0x40: "hevc", 0x42: "hevc"}
"""First byte of the parameter sets with which raw H.264 and HEVC streams begin."""


class Unplayable(Exception):
    """A recording can't be decoded, or only so far; ``why`` and ``note`` are in our words."""

    def __init__(self, why: Why, note: str = "") -> None:
        """Say why."""
        super().__init__(why.value)
        self.why = why
        self.note = note


def demuxer(head: bytes) -> str | None:
    """The name of the demuxer for a file that begins with ``head`` (``HEAD`` bytes); ``None`` if it is no known medium."""
    for magic, at, name in _STARTS:
        if head.startswith(magic, at):
            return name
    if head.startswith(b"\xff\xd8\xff"):
        return "mjpeg" if b"\xff\xd9\xff\xd8\xff" in head else "jpeg_pipe"
    if head.startswith(b"BM") and head[14:18] in (b"\x28\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0", b"\x0c\0\0\0"):
        return "bmp_pipe"
    return _raw(head)


def _raw(head: bytes) -> str | None:
    """Streams without a header of their own: MPEG audio, AAC, transport streams, H.264 and HEVC."""
    for size, skip in ((188, 0), (192, 4), (204, 0)):
        if len(head) > 3 * size + skip and all(head[skip + step * size] == 0x47 for step in range(3)):  # noqa: PLR2004 the sync byte
            return "mpegts"
    first = int.from_bytes(head[:2], "big")
    if first & _SYNC_MASK == _SYNC and len(head) > 3:  # noqa: PLR2004 a frame's header is four bytes
        return "aac" if first & _ADTS_MASK == 0xFFF0 else _mpeg_audio(head)  # noqa: PLR2004 ADTS: sync and layer 0
    start = 4 if head.startswith(b"\0\0\0\x01") else 3 if head.startswith(b"\0\0\x01") else 0
    return _NAL_PARAMETERS.get(head[start]) if 0 < start < len(head) else None


def _mpeg_audio(head: bytes) -> str | None:
    """An MPEG audio frame: a version, layer, bit rate and sampling rate that exist (otherwise any 0xFFE… would be a recording)."""
    second, third = head[1], head[2]
    wrong = second & 0x18 == 0x08 or second & 0x06 == 0 or third & 0xF0 in (0, 0xF0) or third & 0x0C == 0x0C  # noqa: PLR2004 reserved values
    return None if wrong else "mp3"


def decoder() -> ModuleType:
    """The module ``media_decode``.

    Raises:
        MissingExtra: PyAV is not installed.
    """
    try:
        return importlib.import_module("expunge.hunt.media_decode")
    except ImportError:
        raise MissingExtra("recordings and pictures need expunge[hunt]") from None
