"""RTF: the text without control words. Microsoft's Rich Text Format specification 1.9.1."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from expunge.hunt.readers.arrays_views import poured
from expunge.hunt.reading import Nested, Opened, Reading

_BLOCK = 1 << 20
_WORD = 1 << 12  # bytes that are carried into the next block, so that no control word is cut
_HEAD = 1 << 12
_PAGE = re.compile(rb"\\ansicpg(\d{3,5})")
_TOKEN = re.compile(
    rb"((?:\\'[0-9a-fA-F]{2})++)"  # bytes in the code page
    rb"|\\u(-?\d{1,6}+) ?(?:\\'[0-9a-fA-F]{2}|[^\\{}\r\n])?"  # a character of UTF-16, and what stands for it in older readers
    rb"|\\(par|line|row|sect|page|pard)(?![a-z])-?\d*+ ?"
    rb"|\\(cell|tab|emspace|enspace)(?![a-z])-?\d*+ ?"
    rb"|\\[a-zA-Z]{1,32}+-?\d{0,10}+ ?"
    rb"|\\([\\{}~_-])"
    rb"|\\\*|[{}\r\n]"
)


def read(opened: Opened) -> Reading:
    """The document's text, beside its bytes."""
    yield Nested(opened.place.inside("text"), poured(_texts(opened.file)), plain=True)


def _texts(file: BinaryIO) -> Iterator[bytes]:
    block = file.read(_BLOCK)
    found = _PAGE.search(block[:_HEAD])
    page = _codec(f"cp{int(found[1])}" if found else "cp1252")
    while block:
        more = file.read(_BLOCK)
        cut = block.rfind(b"\\", max(0, len(block) - _WORD)) if more else -1
        cut = cut if cut > 0 else len(block)
        yield _text(block[:cut], page)
        block = block[cut:] + more


def _codec(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        return "cp1252"
    return name


def _text(block: bytes, page: str) -> bytes:
    def put(found: re.Match[bytes]) -> bytes:
        coded, number, line, gap, escaped = found.groups()
        if coded:
            return bytes.fromhex(coded.replace(b"\\'", b"").decode()).decode(page, "replace").encode()
        if number:
            return (int(number) & 0xFFFF).to_bytes(2, "little").decode("utf-16-le", "surrogatepass").encode("utf-8", "surrogatepass")
        if line or gap:
            return b"\n" if line else b"\t"
        return b"" if escaped is None else b" " if escaped == b"~" else escaped

    text = _TOKEN.sub(put, block)
    if b"\xed" in text:  # halves of characters beyond the first 65,536
        return (
            text.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
            if _valid(text)
            else text
        )
    return text


def _valid(text: bytes) -> bool:
    try:
        text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True
