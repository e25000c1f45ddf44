"""Mail: mbox files, single messages, and uuencoded text (RFC 5322, 2045 to 2047, 4155; POSIX uuencode).

Own code rather than the standard library's parser, which keeps each line as an object and takes quadratic time on hostile nesting. A
message is split by its boundaries in one pass for each level; headers, decoded, are text; bodies come decoded, and in UTF-8.
"""

from __future__ import annotations

import binascii
import contextlib
import io
import itertools
import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from typing import BinaryIO, cast

from expunge.hunt.pieces import Place, Unread, Why
from expunge.hunt.reading import Format, Nested, Opened, Reading
from expunge.hunt.spool import BLOCK, Joined, take

_MOST = 64 << 20
"""Bytes of one message that are split; mail servers refuse more than about 50 MB. What is longer is looked at as text from there on."""

_HEADERS = 256 << 10
_LEVELS = 20
"""Parts in parts: real mail, forwarded over and over, has about 6."""

_FIELD = re.compile(
    rb"^(?:from|to|cc|subject|date|received|message-id|mime-version|return-path|delivered-to|content-type|reply-to|x-[a-z-]+|dkim-signature):",
    re.IGNORECASE | re.MULTILINE,
)
_LINES = re.compile(rb"(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*){2}")
_FROM = re.compile(rb"From \S+.{0,40}\d\d:\d\d.{0,40}\d{4}[^\n]*\n")
_BLANK = re.compile(rb"\r?\n\r?\n")
_BEGIN = re.compile(rb"^begin (?:-base64 )?[0-7]{3,4} ([^\r\n]{1,255})\r?\n", re.MULTILINE)
_FOLD = re.compile(rb"\r?\n[ \t]+")
_BETWEEN = re.compile(rb"(\?=)\s+(?==\?)")
_ENCODED = re.compile(rb"=\?[^?\s]{1,40}\?[bqBQ]\?[^?\s]{0,200}\?=")


def _parameter(field: bytes, name: bytes) -> bytes:
    found = re.search(rb"\b" + name + rb"\*?\s*=\s*(?:\"([^\"]{1,1000})\"|([^\s;\"]{1,1000}))", field, re.IGNORECASE)
    return (found[1] or found[2]) if found else b""


def _field(headers: bytes, name: bytes) -> bytes:
    found = re.search(rb"^" + name + rb":((?:[^\n]|\n[ \t])*)", headers, re.IGNORECASE | re.MULTILINE)
    return b" ".join(found[1].split()) if found else b""


def _decoded(word: re.Match[bytes]) -> bytes:
    try:
        words = decode_header(word[0].decode("ascii", "replace"))
        return "".join(part.decode(charset or "ascii", "replace") if isinstance(part, bytes) else part for part, charset in words).encode()
    except (HeaderParseError, LookupError, ValueError):
        return word[0]  # not an encoded word after all


def _words(headers: bytes) -> bytes:
    """Headers, and behind them the same unfolded and with their encoded words (RFC 2047) decoded, if there are any."""
    flat = _BETWEEN.sub(rb"\1", _FOLD.sub(b" ", headers))
    decoded = _ENCODED.sub(_decoded, flat)
    return headers if decoded == headers else headers + b"\n" + decoded


class _Message:
    """One message that is being taken apart."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._parts = 0
        self._headers = 0

    def read(self) -> Reading:
        """All parts, in order."""
        whole = take(self._opened.file, _MOST)
        yield from self._part(memoryview(whole), self._opened.place, 0)
        if len(whole) == _MOST and (more := take(self._opened.file, 1)):
            yield Nested(self._opened.place.inside("rest"), cast("BinaryIO", Joined(more, self._opened.file)), plain=True)

    def _part(self, content: memoryview, place: Place, level: int) -> Iterator[Nested]:
        begin = bytes(content[:_HEADERS])
        blank = _BLANK.search(begin) if begin[:1] not in (b"\n", b"\r") else None
        end = blank.end() if blank else (len(begin) - len(begin.lstrip(b"\r\n")))
        headers, body = begin[:end], content[end:]
        if headers.strip():
            self._headers += 1
            yield self._text(place.inside("headers" if self._headers == 1 else f"headers{self._headers}"), _words(headers))
        kind = _field(headers, b"content-type")
        boundary = _parameter(kind, b"boundary")
        if level >= _LEVELS:
            self._opened.account.unread.append(Unread(place, Why.TOO_DEEP, len(body)))
            yield self._text(place.inside("text"), bytes(body))
        elif boundary and kind.lower().startswith(b"multipart/"):
            yield from self._multipart(body, boundary, place, level)
        elif kind.lower().startswith(b"message/rfc822"):
            yield from self._part(body, place, level + 1)
        else:
            yield from self._leaf(headers, kind, body, place)

    def _multipart(self, body: memoryview, boundary: bytes, place: Place, level: int) -> Iterator[Nested]:
        whole = bytes(body)
        mark = b"--" + boundary
        starts = [one.start() for one in re.finditer(rb"^" + re.escape(mark), whole, re.MULTILINE)]
        edges = [*starts, len(whole)]
        outside = whole[: edges[0]]
        for start, end in itertools.pairwise(edges):
            line = whole.find(b"\n", start, end)
            after = whole[start + len(mark) : start + len(mark) + 2]
            if after == b"--" or line < 0:
                outside += whole[start + len(mark) : end]
                continue
            yield from self._part(memoryview(whole)[line + 1 : end], place, level + 1)
        if outside.strip(b"-\r\n "):
            yield self._text(place.inside("text"), outside)

    def _leaf(self, headers: bytes, kind: bytes, body: memoryview, place: Place) -> Iterator[Nested]:
        self._parts += 1
        encoding = _field(headers, b"content-transfer-encoding").lower()
        content = bytes(body)
        if encoding == b"base64":
            content = _base64(content)
        elif encoding == b"quoted-printable":
            content = binascii.a2b_qp(content)
        charset = _parameter(kind, b"charset").decode("ascii", "replace").lower()
        if charset not in ("", "utf-8", "utf8", "us-ascii", "ascii", "binary"):
            with contextlib.suppress(LookupError, ValueError):  # no charset of that name is known: the bytes are looked at
                content = content.decode(charset, "replace").encode()
        if not content.strip():
            return
        name = _parameter(_field(headers, b"content-disposition"), b"filename") or _parameter(kind, b"name")
        member = name.decode("utf-8", "replace") or f"part{self._parts}" + (".html" if b"html" in kind.lower() else "")
        yield Nested(place.inside(member), io.BytesIO(content), len(content), seekable=True)

    def _text(self, place: Place, text: bytes) -> Nested:
        return Nested(place, io.BytesIO(text), len(text), seekable=True, plain=True)


def _base64(content: bytes) -> bytes:
    try:
        return binascii.a2b_base64(content)
    except binascii.Error:  # padding is missing: decode what is whole
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", content)
        return binascii.a2b_base64(letters[: len(letters) // 4 * 4])


def _mail(opened: Opened) -> Reading:
    yield from _Message(opened).read()


def _mbox(opened: Opened) -> Reading:
    """Messages as they stand one after the other; each is recognised anew."""
    held = bytearray()
    number = 0
    while block := take(opened.file, BLOCK):
        looked = max(len(held) - 8, 0)
        held += block
        start = 0
        while (edge := held.find(b"\nFrom ", looked)) >= 0:
            looked = edge + 1
            if held[max(edge - 1, 0)] in b"\r\n":  # behind a blank line only
                yield _message(opened, number, bytes(held[start : edge + 1]))
                number, start = number + 1, edge + 1
        del held[:start]
        if len(held) > _MOST:
            yield _message(opened, number, bytes(held))
            number, held = number + 1, bytearray()
    if held:
        yield _message(opened, number, bytes(held))


def _message(opened: Opened, number: int, content: bytes) -> Nested:
    first = _FROM.match(content)
    content = content[first.end() :] if first else content
    return Nested(opened.place.inside(f"message{number}"), io.BytesIO(content), len(content), seekable=True)


def _uuencoded(opened: Opened) -> Reading:
    """Each ``begin`` to its ``end``, decoded; the text around is given by the engine."""
    whole = take(opened.file, _MOST)
    for begin in _BEGIN.finditer(whole):
        end = re.compile(rb"^end\s*$", re.MULTILINE).search(whole, begin.end())
        lines = whole[begin.end() : end.start() if end else len(whole)]
        content = b"".join(_uu(lines))
        if content:
            place = opened.place.inside(begin[1].decode("utf-8", "replace"))
            yield Nested(place, io.BytesIO(content), len(content), seekable=True, guess=True)


def _uu(lines: bytes) -> Iterator[bytes]:
    for line in lines.splitlines():
        try:
            yield binascii.a2b_uu(line)
        except binascii.Error:  # some writers get the last line's length wrong: as long as its first character says
            count = ((line[0] - 32 & 63) * 4 + 5) // 3
            try:
                yield binascii.a2b_uu(line[:count])
            except binascii.Error:
                return


def _knows_mail(head: bytes, name: str) -> bool:
    start = _FROM.match(head)
    begin = head[start.end() if start else 0 :][:16384]
    if not _LINES.match(begin):
        return False
    fields = len({one.lower() for one in _FIELD.findall(begin.partition(b"\n\n")[0].partition(b"\r\n\r\n")[0])})
    return fields >= (1 if name.endswith((".eml", ".mht", ".mhtml")) else 2)


FORMATS = (
    Format("mbox", lambda head, _name: bool(_FROM.match(head)), _mbox),
    Format("mail", _knows_mail, _mail),
    Format("uuencode", lambda head, _name: b"begin " in head and bool(_BEGIN.search(head)), _uuencoded, raw="plain"),
)
