"""What the first bytes of a stream say: text or not, a recording or a picture, something that can be opened."""

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them

from __future__ import annotations

import codecs
import posixpath

from expunge.hunt.pieces import Place

HEAD = 1 << 16
"""Bytes of a stream's beginning by which it is recognised."""

_TEXT = bytes(character for character in range(256) if character >= 0x20 and character != 0x7F) + b"\t\n\r\f\v\x1b\b"

_CONTROLS = 0.02
"""The largest share of control characters in text: logs have a few, bytes at random 11 %."""

_OPENED = (
    b"\x1f\x8b\x08",
    b"PK\x03\x04",
    b"BZh",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"SQLite format 3\0",
    b"%PDF-",
    b"\x93NUMPY",
    b"PAR1",
    b"ARROW1",
    b"Obj\x01",
    b"\xd0\xcf\x11\xe0",
    b"\x80\x02",
    b"\x80\x03",
    b"\x80\x04\x95",
    b"\x80\x05\x95",
    b"7z\xbc\xaf",
    b"Rar!",
)

_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"\0\0\x01\0\x01\0", b"8BPS", b"\xff\x0a", b"\0\0\0\x0cJXL ")
_AUDIO = (b"fLaC", b"ID3", b"FORM", b"caff", b"#!AMR", b".snd", b"wvpk", b"MAC ", b"#!SILK", b"TTA1", b"DSD ")
_VIDEO = (b"FLV\x01", b"\0\0\x01\xba", b"\0\0\x01\xb3", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"\0\0\0\x01\x67", b"\0\0\0\x01\x09", b"DKIF")
_RIFF = {b"WAVE": "audio", b"AVI ": "video", b"RMID": ""}
_BRANDS = {b"M4A ": "audio", b"M4B ": "audio", b"heic": "image", b"heix": "image", b"mif1": "image", b"avif": "image", b"avis": "video"}


_AROUND = {"gzip", "bzip2", "xz", "lzma", "zstd", "lz4", "zlib", "compress"}
_SHORT = {".tgz": ".tar", ".tbz": ".tar", ".tbz2": ".tar", ".txz": ".tar", ".tzst": ".tar", ".svgz": ".svg"}
_VIEWS = {"utf-16", "utf-32", "utf-8"}


def name_of(place: Place) -> str:
    """The name by which a stream may be recognised, in lower case: ``a.csv`` for what is in ``a.csv.gz``."""
    names = [place.path, *place.members]
    peeled = 0
    while len(names) > 1 and (names[-1] in _AROUND or names[-1] in _VIEWS):
        peeled += names.pop() in _AROUND
    name = names[-1].lower()
    for _ in range(peeled):
        stem, ending = posixpath.splitext(name)
        name = stem + _SHORT.get(ending, "")
    return name


def textlike(content: bytes) -> bool:
    """Whether this is the beginning of a text, in whatever 8-bit encoding: hardly any control characters, no NUL."""
    controls = len(content.translate(None, _TEXT))
    return bool(content) and b"\0" not in content and controls <= len(content) * _CONTROLS


def is_utf8(head: bytes) -> bool:
    """Whether a beginning, which may end inside a character, is UTF-8."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


PAIRS = frozenset(
    one[:2] for one in (*_OPENED, *_IMAGES, *_AUDIO, *_VIDEO, b"RIFF", b"OggS", b"\x1a\x45", b"GIF8", b"BM", b"\0\0\0\x18ftyp")
)
"""The first two bytes of what ``known_binary`` knows."""


def known_binary(content: bytes) -> bool:
    """Whether decoded bytes begin like something that can be opened or played."""
    return content.startswith(_OPENED) or media_kind(content, "") != ""


def media_kind(head: bytes, name: str) -> str:
    """``audio``, ``video``, ``image``, or nothing."""
    if head.startswith(_IMAGES):
        return "image"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "video" if b"NETSCAPE2.0" in head or head.count(b"\x21\xf9\x04") > 1 else "image"
    if head.startswith(b"FORM") and head[8:12] not in (b"AIFF", b"AIFC", b"8SVX"):
        return ""
    if head.startswith(_AUDIO):
        return "audio"
    if head.startswith(_VIDEO):
        return "video"
    return _boxed(head) or _framed(head, name)


def _boxed(head: bytes) -> str:
    """Containers that say inside what they hold."""
    if head[:4] in (b"RIFF", b"RF64", b"RIFX"):
        if head[8:12] == b"WEBP":
            return "video" if b"ANIM" in head[:64] else "image"
        return _RIFF.get(head[8:12], "")
    if head.startswith((b"OggS", b"\x1a\x45\xdf\xa3")):
        return "audio" if head[0] == 0x4F and b"theora" not in head[:128] and b"OVP80" not in head[:128] else "video"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"moof", b"styp", b"wide"):
        return _BRANDS.get(head[8:12], "video")
    return "image" if _bitmap(head) else ""


def _bitmap(head: bytes) -> bool:
    """Two letters, two reserved fields, and one of the lengths that the second header has."""
    return head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and head[14:18] in (b"\x28\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0")


def _framed(head: bytes, name: str) -> str:
    """Streams of frames without a header: MPEG audio, ADTS, MPEG-TS; two frames in a row, since one is two bytes by chance."""
    if head[:1] == b"\x47" and len(head) > 376 and head[188] == head[376] == 0x47:
        return "video"
    if head[:1] != b"\xff" or len(head) < 8:
        return ""
    if head[1] & 0xF6 == 0xF0:
        size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        return "audio" if size > 7 and head[size : size + 2] == head[:2] else ""
    size = _mpeg_frame(head)
    if size and ((head[size : size + 1] == b"\xff" and head[size + 1 : size + 2] == head[1:2]) or name.endswith((".mp3", ".mp2"))):
        return "audio"
    return ""


_RATES = {
    (3, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (3, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (2, 1): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _mpeg_frame(head: bytes) -> int:
    """The length of the MPEG audio frame (layers II and III) that ``head`` begins with, or 0 (ISO/IEC 11172-3, 2.4.1.3)."""
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    rate, sample = head[2] >> 4, head[2] >> 2 & 3
    if head[1] & 0xE0 != 0xE0 or version == 1 or layer not in (1, 2) or rate in (0, 15) or sample == 3:
        return 0
    bits = _RATES[(3, layer) if version == 3 else (2, 1)][rate] * 1000
    return (144 if version == 3 or layer == 2 else 72) * bits // _SAMPLES[version][sample] + (head[2] >> 1 & 1)
