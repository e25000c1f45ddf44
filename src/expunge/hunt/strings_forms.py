"""The forms in which systems write an identifier, as far as the search doesn't fold or decode them itself.

Case, escapes, base64, hexadecimal and UTF-16 need no form here (``strings_hash`` folds, ``strings_decode`` decodes); separators, digests,
binary UUIDs and Unicode's spellings do.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from expunge.hunt.strings_bits import WEAK, identifier_bits
from expunge.hunt.strings_layout import RAW_SHORTEST, SHORTEST
from expunge.terms import FieldType, Value, text_of

LONGEST = 512
"""Bytes of an identifier that are compared; what is longer is known by its beginning."""

_WORD = re.compile(rb"[0-9A-Za-z\x80-\xff]+")
_PUNCTUATION = re.compile(rb"\xc2[\x80-\xbf]|\xe2[\x80\x81][\x80-\xbf]|\xe3\x80[\x80-\xbf]")


def words_of(content: bytes) -> Iterator[re.Match[bytes]]:
    """What the sweep calls words: letters and digits of ASCII and whatever is beyond, but for the general and CJK punctuation."""
    return _WORD.finditer(_PUNCTUATION.sub(lambda found: b" " * len(found.group()), content))


_SHORT, _LONG = 7, 64
"""Letters and digits of an identifier that may be written with other separators, or none."""
_UUID = (8, 4, 4, 4, 12)
_TELEPHONES = ((3, 3, 4), (3, 4), (3, 3, 3), (2, 2, 2, 2, 2), (2, 2, 2, 2), (4, 4), (5, 5), (5, 6), (4, 6), (4, 3, 3), (3, 8), (3, 7))
"""How the ends of telephone numbers are grouped; what is left before, up to a country's code, is one more group."""
_DIALLED, _COUNTRY = range(9, 14), 3


class Form(IntEnum):
    """How an identifier was written; ``words`` says it to people."""

    PLAIN = 0
    COMPACT = 1
    GROUPED = 2
    UNICODE = 3
    MD5 = 4
    SHA1 = 5
    SHA256 = 6
    BINARY = 7
    NUMBER = 8

    @property
    def words(self) -> str:
        """For a sighting."""
        return _WORDS[self]


_WORDS = ("as written", "without separators", "with separators", "another spelling", "md5", "sha1", "sha256", "binary", "number")
_TWO_DIGITS = re.compile("2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
"""Country codes of two digits (ITU-T E.164); 1 and 7 have one, the others three."""

_DIGESTS = ((Form.MD5, "md5"), (Form.SHA1, "sha1"), (Form.SHA256, "sha256"))


class Way(IntEnum):
    """By which of the search's tables a form is found."""

    SPAN = 0
    RAW = 1
    WORDS = 2
    WEAK = 3
    NUMBER = 4


class Written(NamedTuple):
    """One form: the bytes to hash (or, for a number, its decimal digits)."""

    way: Way
    form: Form
    content: bytes


def spellings(text: str) -> list[str]:
    """A text beyond ASCII as systems normalise it; first as it is. What differs in ASCII capitals only is folded by the search."""
    if text.isascii():
        return [text]
    composed = unicodedata.normalize("NFC", text)
    several = (
        text,
        composed,
        composed.casefold(),
        composed.upper(),
        unicodedata.normalize("NFD", text),
        unicodedata.normalize("NFKC", text),
    )
    return list(dict.fromkeys(several))


def written(value: Value, held: FieldType) -> Iterator[Written]:
    """Every form of one identifier."""
    text = " ".join(text_of(value).split())
    if not text:
        return
    weak = identifier_bits(text) < WEAK
    for place, spelling in enumerate(spellings(text)):
        yield from _plain(spelling, Form.UNICODE if place else Form.PLAIN, weak=weak)
    for number in (text, *_national(text)):
        for form, grouping in _groupings(number):
            yield from _plain(grouping, form, weak=weak)
    yield from _digests(text_of(value), text)
    yield from _binary(value, text, held)
    if re.fullmatch(r"-?\d{1,18}", text) and str(int(text)) == text:
        yield Written(Way.NUMBER, Form.NUMBER, text.encode())


def _plain(text: str, form: Form, *, weak: bool) -> Iterator[Written]:
    content = text.encode()[:LONGEST]
    if weak:
        yield Written(Way.WEAK, form, content)
        return
    words = sum(1 for _ in words_of(content))
    if len(content) >= SHORTEST:
        yield Written(Way.SPAN, form, content)
    if (len(content) < SHORTEST and words) or (words > 1 and "@" not in text):
        yield Written(Way.WORDS, form, content)


def _groupings(text: str) -> Iterator[tuple[Form, str]]:
    """Without separators, and grouped as telephone numbers, hardware addresses, UUIDs and serial numbers are."""
    compact = re.sub(r"[\s\-:./()+_]", "", text)
    if "@" in text or not compact.isascii() or not compact.isalnum() or not _SHORT <= len(compact) <= _LONG:
        return
    if compact != text and not text.isalpha() and any(letter.isdigit() for letter in compact):
        yield Form.COMPACT, compact
    for sizes in _sizes(compact):
        grouped = _cut(compact, sizes)
        if grouped != text:
            yield Form.GROUPED, grouped


def _national(text: str) -> Iterator[str]:
    """A telephone number of E.164 without its country's code, and with the zero that most countries put there."""
    digits = re.sub(r"[^\d+]", "", text)
    if not re.fullmatch(r"\+\d{10,15}", digits) or not re.fullmatch(r"[\d\s+().\-/]+", text):
        return
    size = 1 if digits[1] in "17" else 2 if _TWO_DIGITS.match(digits[1:3]) else 3
    national = digits[1 + size :]
    yield f" {national}"
    yield f" 0{national}"


def _sizes(compact: str) -> Iterator[tuple[int, ...]]:
    length = len(compact)
    hexadecimal = re.fullmatch(r"[0-9A-Fa-f]+", compact) is not None
    if length == sum(_UUID) and hexadecimal:
        yield _UUID
    elif compact.isdigit():
        for end in _TELEPHONES if length in _DIALLED else ():
            before = length - sum(end)
            if 0 <= before <= _COUNTRY:
                yield (before, *end) if before else end
    elif hexadecimal and length in {12, 16}:
        yield (2,) * (length // 2)
        yield (4,) * (length // 4)
    elif any(letter.isdigit() for letter in compact) and length in {12, 15, 16, 20}:
        yield (5,) * (length // 5) if length % 5 == 0 else (4,) * (length // 4)


def _cut(compact: str, sizes: tuple[int, ...]) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(compact[at : at + size])
        at += size
    return "-".join(parts)


def _digests(exact: str, trimmed: str) -> Iterator[Written]:
    """Digests as 16, 20 or 32 bytes: hexadecimal and base64 are decoded by the search. Addresses are usually hashed in small letters."""
    variants = dict.fromkeys((exact, trimmed, trimmed.lower(), trimmed.upper(), *(_uuid_texts(trimmed))))
    for variant in variants:
        for form, name in _DIGESTS:
            yield Written(Way.RAW, form, hashlib.new(name, variant.encode(), usedforsecurity=False).digest())


def _uuid_texts(text: str) -> tuple[str, ...]:
    found = _uuid(text)
    return (str(found), found.hex) if found else ()


def _uuid(text: str) -> UUID | None:
    bare = text.strip("{}").replace("-", "")
    return UUID(bare) if re.fullmatch(r"[0-9A-Fa-f]{32}", bare) else None


def _binary(value: Value, text: str, held: FieldType) -> Iterator[Written]:
    found = _uuid(text)
    if found is not None:
        yield Written(Way.RAW, Form.BINARY, found.bytes)
        yield Written(Way.RAW, Form.BINARY, found.bytes_le)
    elif isinstance(value, bytes) and len(value) >= RAW_SHORTEST:
        yield Written(Way.RAW, Form.BINARY, value[:LONGEST])
    elif held is FieldType.BYTES and re.fullmatch(r"(?:[0-9a-f]{2}){9,}", text):
        yield Written(Way.RAW, Form.BINARY, bytes.fromhex(text)[:LONGEST])
    elif re.fullmatch(r"[0-9A-Fa-f]{2}(?:[:-]?[0-9A-Fa-f]{2}){8,}", text):
        yield Written(Way.RAW, Form.BINARY, bytes.fromhex(re.sub("[:-]", "", text))[:LONGEST])
