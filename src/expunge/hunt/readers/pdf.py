"""PDF: the text of each page, what the document says of itself, forms, notes, embedded files, pictures, and what older revisions held.

``pypdf`` knows how glyphs map to characters; it is slow and a page can't be interrupted, so that time is looked at between pages and a
page whose drawing is unreasonably long is only looked at as bytes. A PDF that is saved again keeps what was deleted, compressed and no
longer listed: therefore every compressed stream in the file is also opened without asking the document's own tables (ISO 32000, 7.5.6).
"""

from __future__ import annotations

import io
import logging
import re
import zlib
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import BinaryIO

from pypdf import PdfReader
from pypdf.errors import DependencyError, PyPdfError
from pypdf.generic import ArrayObject, ContentStream, DictionaryObject, IndirectObject, StreamObject, TextStringObject

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.readers.arrays_views import poured
from expunge.hunt.reading import Format, Nested, Opened, Reading

logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)  # its warnings quote what it reads

_FAULTS = (
    PyPdfError, ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NotImplementedError, OSError, RecursionError,
    TypeError, ValueError, zlib.error,
)  # fmt: skip
"""What pypdf raises on damaged documents, as far as fuzzing has shown; a fault costs one page or object, not the document."""

_DRAWING = 8 << 20  # bytes of a page's drawing; a full page of text has some ten thousand
_PAGES = 100_000
_OBJECTS = 1_000_000
_TEXTS = 64 << 20  # bytes of texts outside pages
_STREAM = 256 << 20  # bytes of an unlisted stream, decompressed
_BLOCK = 1 << 20
_DEFLATE = 8  # the number of the method
_BEGIN = re.compile(rb"stream\r?\n")
_SHOWN = re.compile(rb"\)\s*+-?\d*+\.?\d*+\s*+\(")
"""The joint of two strings that are shown as one, moved by a little: ``[(Ma)-20(ya)] TJ``."""


def read(opened: Opened) -> Reading:
    """Everything in a document; what can't be read by its own rules is looked for without them."""
    deadline = monotonic() + opened.limits.seconds / 2
    try:
        reader = PdfReader(opened.file, strict=False)
        locked = reader.is_encrypted and not reader.decrypt("")
    except DependencyError:
        opened.account.unread.append(Unread(opened.place, Why.ENCRYPTED, opened.size))
        return
    except _FAULTS:
        opened.account.unread.append(Unread(opened.place, Why.BROKEN, opened.size, "its tables can't be read"))
        yield from _unlisted(opened)
        return
    if locked:
        opened.account.unread.append(Unread(opened.place, Why.ENCRYPTED, opened.size))
        return
    yield from _pages(opened, reader, deadline)
    yield from _objects(opened, reader, deadline)
    if not reader.is_encrypted:
        yield from _unlisted(opened)


def _pages(opened: Opened, reader: PdfReader, deadline: float) -> Iterator[Nested]:
    broken = 0
    try:
        count = min(len(reader.pages), _PAGES)
    except _FAULTS:
        count, broken = 0, 1
    for number in range(count):
        if monotonic() > deadline:
            opened.account.unread.append(Unread(opened.place, Why.TOO_SLOW, None, f"pages from {number + 1:,} on"))
            return
        try:
            text = _page(reader, number)
        except _FAULTS:
            broken += 1
            continue
        if text:
            yield _nested(opened, f"page{number + 1}", text.encode("utf-8", "replace"), plain=True)
    if broken:
        opened.account.unread.append(Unread(opened.place, Why.BROKEN, None, f"the text of {broken:,} pages"))


def _page(reader: PdfReader, number: int) -> str:
    """A page's text; nothing if its drawing is too long, which then is given as a stream like every other."""
    page = reader.pages[number]
    contents: ContentStream | None = page.get_contents()
    if contents is None or len(contents.get_data()) > _DRAWING:
        return ""
    return str(page.extract_text())


def _objects(opened: Opened, reader: PdfReader, deadline: float) -> Iterator[Nested]:
    """All listed objects: texts of notes, forms and metadata together, embedded files and pictures each for itself."""
    texts, length = [], 0
    for number in range(1, min(int(reader.trailer.get("/Size", 0)), _OBJECTS)):
        if monotonic() > deadline:
            opened.account.unread.append(Unread(opened.place, Why.TOO_SLOW, None, f"objects from {number:,} on"))
            break
        try:
            held = reader.get_object(IndirectObject(number, 0, reader))
            if isinstance(held, StreamObject):
                yield from _stream(opened, number, held)
            for text in _texts(held):
                length += len(text)
                texts += [text] if length < _TEXTS else []
        except _FAULTS:
            continue
    if texts:
        yield _nested(opened, "objects", "\n".join(texts).encode("utf-8", "replace"), plain=True)


def _stream(opened: Opened, number: int, held: StreamObject) -> Iterator[Nested]:
    """Pictures as the files that they are, embedded files and metadata decoded; drawings and fonts are not given twice."""
    filters = held.get("/Filter", ())
    last = str(filters[-1] if isinstance(filters, ArrayObject) and filters else filters)
    if last in {"/DCTDecode", "/JPXDecode"}:
        raw = held._data  # noqa: SLF001 # pypdf would decode the picture
        yield _nested(
            opened,
            f"image{number}" + (".jpg" if last == "/DCTDecode" else ".jp2"),
            raw if isinstance(raw, bytes) else raw.encode("latin-1"),
        )
    elif held.get("/Type") in {"/EmbeddedFile", "/Metadata"}:
        yield _nested(opened, f"file{number}", held.get_data())


def _texts(held: object, depth: int = 0) -> Iterator[str]:
    """The texts in an object, not following references: every object is looked at by itself."""
    if isinstance(held, TextStringObject):
        yield str(held)
    elif isinstance(held, Mapping | DictionaryObject) and depth < 16:  # noqa: PLR2004 # dictionaries in dictionaries
        for one in held.values():
            yield from _texts(one, depth + 1)
    elif isinstance(held, ArrayObject) and depth < 16:  # noqa: PLR2004 # the same
        for one in held:
            yield from _texts(one, depth + 1)


def _unlisted(opened: Opened) -> Iterator[Nested]:
    """Every compressed stream, by the word before it: also what no table lists any more."""
    for offset in _begins(opened.file):
        opened.file.seek(offset)
        if not _deflated(opened.file.read(2)):
            continue
        opened.file.seek(offset)
        yield Nested(opened.place.inside(f"stream@{offset}"), poured(_inflated(opened.file, offset)), plain=False, guess=True)


def _deflated(head: bytes) -> bool:
    """Whether zlib could have begun so (RFC 1950, 2.2)."""
    return len(head) > 1 and head[0] & 15 == _DEFLATE and int.from_bytes(head, "big") % 31 == 0


def _begins(file: BinaryIO) -> Iterator[int]:
    base, held = 0, b""
    while True:
        file.seek(base + len(held))
        block = file.read(_BLOCK)
        held += block
        if not block:
            return
        for found in _BEGIN.finditer(held):
            yield base + found.end()
        kept = len(held) - min(len(held), len(b"stream\r\n"))
        base, held = base + kept, held[kept:]


def _inflated(file: BinaryIO, offset: int) -> Iterator[bytes]:
    """A stream's content as far as it can be decompressed; strings that are shown as one are joined."""
    packer, given = zlib.decompressobj(), 0
    while not packer.eof and given < _STREAM:
        file.seek(offset)
        block = packer.unconsumed_tail or file.read(1 << 16)
        offset += 0 if packer.unconsumed_tail else len(block)
        if not block:
            return
        try:
            text = packer.decompress(block, _BLOCK)
        except zlib.error:
            return
        given += len(text)
        yield _SHOWN.sub(b"", text) if b" TJ" in text or b"]TJ" in text else text


def _nested(opened: Opened, name: str, content: bytes, *, plain: bool = False) -> Nested:
    return Nested(opened.place.inside(name), io.BytesIO(content), len(content), seekable=True, plain=plain)


FORMATS: tuple[Format, ...] = (Format("pdf", lambda head, _name: b"%PDF-" in head[:1024], read, seeks=True, raw="plain"),)
