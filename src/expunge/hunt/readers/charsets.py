"""Text that is not UTF-8, as UTF-8: UTF-16 and UTF-32 with or without a byte order mark, and 8-bit text of western systems.

The transcoded stream is recognised anew, so that a CSV in UTF-16 is read as a CSV.
"""

# ruff: noqa: PLR2004  # bytes and lengths as the formats' specifications write them

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import BinaryIO, cast

from expunge.hunt.readers.signs import is_utf8, textlike
from expunge.hunt.reading import Format, Nested, Opened, Reading
from expunge.hunt.spool import BLOCK, Stream

_MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_SAMPLE = 4096
_LETTERS = 0.9
"""The share of letters, digits, blanks and common signs that decoded text has at least; sound and tables of numbers stay far below."""

_PAGES = 5
"""Blocks of 256 characters that text in one alphabet, with its signs, comes from; pairs of bytes of anything else come from more."""

_SEQUENCE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")


def _western(fault: UnicodeError) -> tuple[str, int]:
    """A byte that is no UTF-8, as Windows-1252 has it (which has no character for five of them)."""
    if not isinstance(fault, UnicodeDecodeError):
        raise fault
    return (fault.object[fault.start : fault.start + 1].decode("cp1252", "replace"), fault.start + 1)


codecs.register_error("expunge-western", _western)


class Transcoded(Stream):
    """A stream of text in UTF-8, whatever it was in; what can't be decoded becomes the replacement character."""

    def __init__(self, file: BinaryIO, decode: Callable[[bytes, bool], str]) -> None:
        """``decode`` turns the next bytes into text, told whether they are the last."""
        super().__init__()
        self._file = file
        self._decode = decode
        self._text = memoryview(b"")
        self._ended = False

    def _into(self, into: memoryview) -> int:
        while not len(self._text):
            if self._ended:
                return 0
            block = self._file.read(BLOCK)
            self._ended = not block
            self._text = memoryview(self._decode(block, self._ended).encode("utf-8", "replace"))
        count = min(len(into), len(self._text))
        into[:count] = self._text[:count]
        self._text = self._text[count:]
        return count


def wide(head: bytes) -> str:
    """``utf-16`` or ``utf-32``, with their byte order where there is no mark for it; nothing if it is neither."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name if len(head) > len(mark) else ""
    sample = head[: min(len(head), _SAMPLE) // 4 * 4]
    if b"\0" not in sample or len(sample) < 16:  # too little to tell
        return ""
    zeros = [sample[place::4].count(0) for place in range(4)]
    most = len(sample) // 4
    if zeros[2] == zeros[3] == most or zeros[0] == zeros[1] == most:
        name = "utf-32-le" if zeros[3] == most else "utf-32-be"
    elif abs(zeros[1] + zeros[3] - zeros[0] - zeros[2]) * 10 >= most:
        name = "utf-16-le" if zeros[1] + zeros[3] > zeros[0] + zeros[2] else "utf-16-be"
    else:
        return ""
    return name if _readable(sample, name) else ""


def _readable(sample: bytes, name: str) -> bool:
    try:
        text = codecs.getincrementaldecoder(name)().decode(sample)
    except UnicodeDecodeError:
        return False
    if len({ord(one) >> 8 for one in text}) > _PAGES:
        return False
    usual = sum(one.isalnum() or one.isspace() or one in "\"'()[]{}<>,.;:!?-_/@=&%+#*|\\$~^`" for one in text)
    return "\0" not in text and usual >= len(text) * _LETTERS


def _read_wide(opened: Opened) -> Reading:
    head = opened.file.peek(_SAMPLE) if hasattr(opened.file, "peek") else b""
    name = wide(head)
    decoder = codecs.getincrementaldecoder(name)("replace")
    content = Transcoded(opened.file, decoder.decode)
    yield Nested(opened.place.inside(name[:6]), cast("BinaryIO", content))


def _read_western(opened: Opened) -> Reading:
    rest = b""

    def decode(block: bytes, last: bool) -> str:  # noqa: FBT001  # a codec's own signature
        nonlocal rest
        block, rest = rest + block, b""
        if not _SEQUENCE.search(block):
            return block.decode("cp1252", "replace")
        if not last:  # what may be the beginning of a character waits for its end
            cut = next((len(block) - back for back in (1, 2, 3) if block[-back] >= 0xC0), len(block))  # a leading byte
            block, rest = block[:cut], block[cut:]
        return block.decode("utf-8", "expunge-western")

    yield Nested(opened.place.inside("utf-8"), cast("BinaryIO", Transcoded(opened.file, decode)))


FORMATS = (
    Format("utf-16", lambda head, _name: bool(wide(head)), _read_wide),
    Format("western", lambda head, _name: not head.isascii() and textlike(head) and not is_utf8(head), _read_western),
)
