"""HTML and XML: beside their bytes a view of their text, with tags taken out and entities decoded.

``<b>Ma</b>ya`` is one word, ``<td>Maya</td><td>7</td>`` are two. Which tags join and which part depends on what it is: in HTML and in
XML at large all part but those for a few letters, in office documents (OOXML) all join but those of paragraphs and cells, because every
change of a letter's look begins a new element. The markup itself, attributes and comments are looked at as plain bytes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from expunge.hunt.readers.arrays_views import poured
from expunge.hunt.readers.markup_tables import Tables
from expunge.hunt.reading import Format, Nested, Opened, Reading

_BLOCK = 1 << 20
_TAG = 1 << 16  # bytes that a tag may have to be carried whole into the next block; a longer one holds a picture and parts like text
_HEAD = 4_096  # bytes in which a part of an office document names its namespace

_INLINE = (
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|del|dfn|em|emphasis|font|i|ins|kbd|mark|nobr|q|rb|ruby|s|samp|small|span|strike|strong|sub|sup|tspan|tt|u"
    "|var|wbr"
)
_JOIN = re.compile(rb"</?(?:[\w-]{1,32}+:)?(?:" + _INLINE.encode() + rb")(?=[\s/>])[^<>]*+>", re.IGNORECASE)
_CELL = re.compile(
    rb"</?(?:[\w-]{1,32}+:)?(?:td|th|table-cell|c|tc)(?=[\s/>])[^<>]*+>|<[\w-]{1,32}+:(?:tab|s)(?=[\s/>])[^<>]*+>",
    re.IGNORECASE,
)
_ANY = re.compile(rb"<[!/?A-Za-z][^<>]*+>")
_OFFICE = re.compile(rb"</?(?:[\w-]{1,32}+:)?(?:p|br|cr|tr|si|sp|row|comment|footnote|endnote|sdt|f|v|is)(?=[\s/>])[^<>]*+>")
_NAMESPACE = re.compile(rb"schemas\.openxmlformats\.org/|purl\.oclc\.org/ooxml/")

_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*+<(?:[A-Za-z][\w:.-]*+[\s/>]|\?xml|!--|!\[CDATA|!DOCTYPE)", re.IGNORECASE)
_HTML = re.compile(
    rb"<(?:!doctype\s++html|html|head|body|meta|title|div|table|p|h1|script|style|span|audio|video|img|svg\s[^>]*+>\s*+<html)[\s>]",
    re.IGNORECASE,
)
_HTML_NAMES = (".html", ".htm", ".xhtml", ".shtml", ".mht")
_XML_NAMES = (".xml", ".svg", ".gpx", ".kml", ".tcx", ".rels", ".rss", ".atom", ".plist", ".xsd", ".fb2", ".fodt", ".fods", ".opf", ".ncx")


def knows_html(head: bytes, name: str) -> bool:
    """Text that begins with a tag of HTML, or is called so and has tags."""
    if name.endswith(_HTML_NAMES):
        return _ANY.search(head[:_HEAD]) is not None
    return _START.match(head[:_HEAD]) is not None and _HTML.search(head[:1024]) is not None


def knows_xml(head: bytes, name: str) -> bool:
    """Text that begins with a tag or a declaration of XML."""
    return _START.match(head[:_HEAD]) is not None or (name.endswith(_XML_NAMES) and _ANY.search(head[:_HEAD]) is not None)


def read(opened: Opened) -> Reading:
    """The text without its markup, as UTF-8, beside the bytes as they are."""
    yield Nested(opened.place.inside("text"), poured(_texts(opened.file)), plain=True)


def read_html(opened: Opened) -> Reading:
    """As ``read``, and then the numbers of tables by the names of their columns."""
    tables = Tables()
    yield Nested(opened.place.inside("text"), poured(_texts(opened.file, tables.add)), plain=True)
    yield from tables.rows(opened)


def _texts(file: BinaryIO, look: Callable[[bytes], object] = len) -> Iterator[bytes]:
    """The text block by block; a tag is never cut. ``look`` is shown the blocks before."""
    block = file.read(_BLOCK)
    office = _NAMESPACE.search(block[:_HEAD]) is not None
    while block:
        more = file.read(_BLOCK)
        cut = _cut(block) if more else len(block)
        look(block[:cut])
        yield text_of(block[:cut], office=office)
        block = block[cut:] + more


def _cut(block: bytes) -> int:
    """Where a block can be cut: before a tag that is not closed in it."""
    start = block.rfind(b"<")
    return start if len(block) - start < _TAG and block.find(b">", start) < 0 and start > 0 else len(block)


def text_of(block: bytes, *, office: bool = False) -> bytes:
    """A piece of markup as text."""
    for start, end in ((b"<!--", b"-->"), (b"<script", b"</script>"), (b"<style", b"</style>")):
        block = _without(block, start, end)
    block = _without(block, b"<![CDATA[", b"]]>", keep=True)
    block = _CELL.sub(b"\t", block)
    block = _ANY.sub(b"", _OFFICE.sub(b"\n", block)) if office else _ANY.sub(b"\n", _JOIN.sub(b"", block))
    return html.unescape(block.decode("utf-8", "replace")).encode("utf-8", "replace") if b"&" in block else block


def _without(block: bytes, start: bytes, end: bytes, *, keep: bool = False) -> bytes:
    """Leave out what stands between two marks, or only the marks; linear, also where many begin and none ends."""
    at = block.find(start)
    if at < 0:
        return block
    parts, past = [], 0
    while at >= 0:
        close = block.find(end, at + len(start))
        if close < 0:
            break
        parts.append(block[past:at])
        if keep:
            parts.append(html.escape(block[at + len(start) : close].decode("utf-8", "replace")).encode())
        past = close + len(end)
        at = block.find(start, past)
    return b"".join((*parts, block[past:]))


FORMATS: tuple[Format, ...] = (
    Format("html", knows_html, read_html, raw="plain"),
    Format("xml", knows_xml, read, raw="plain"),
)
