"""Identifiers as systems write them: forms that are named in the hunt's promise, and some beyond it."""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import html
import json
import quopri
import urllib.parse
from collections.abc import Callable

from bench.hunt_plant import Maker, Way, said, uuid_of
from expunge.hunt.prints import Trace

STRINGS = ("email", "device_id", "serial")


def _percent(value: bytes) -> bytes:
    return b"".join(b"%%%02X" % one for one in value)


def _escaped(value: bytes) -> bytes:
    return b'"' + b"".join(b"\\u%04x" % one for one in value) + b'"'


def _entities(value: bytes) -> bytes:
    return b"".join(b"&#%d;" % one for one in value)


def _spaced(value: bytes) -> bytes:
    return value.hex(" ").encode()


def _url64(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def _json_row(value: bytes) -> bytes:
    return json.dumps({"iss": "hearth", "sub": value.decode(), "exp": 1_709_500_000}).encode()


def _jwt(value: bytes) -> bytes:
    return b".".join((_url64(b'{"alg":"HS256","typ":"JWT"}'), _url64(_json_row(value)), _url64(hashlib.sha256(value + b"k").digest())))


def _quoted(value: bytes) -> bytes:
    return quopri.encodestring(b"Antwort f\xc3\xbcr " + value, quotetabs=True)


def _hash(name: str) -> Callable[[bytes], bytes]:
    return lambda value: hashlib.new(name, value, usedforsecurity=False).hexdigest().encode()


def _dump(value: bytes) -> bytes:
    """As ``hexdump -C`` and ``xxd`` print it: sixteen bytes a line, offsets before them, letters behind."""
    whole = b"\x00\x11\x93 user: " + value + b"\x00\x00\xfe"
    lines = []
    for at in range(0, len(whole), 16):
        part = whole[at : at + 16]
        letters = bytes(one if 32 <= one < 127 else 46 for one in part)
        lines.append(b"%08x: %-48s |%s|" % (at, part.hex(" ").encode(), letters))
    return b"\n".join(lines)


FORMS: tuple[tuple[str, Callable[[bytes], bytes], float | None], ...] = (
    ("as it is", lambda value: value, 0.99),
    ("upper case", bytes.upper, 0.99),
    ("lower case", bytes.lower, 0.99),
    ("in quotes and brackets", lambda value: b'<"' + value + b'">', 0.99),
    ("blanks around it", lambda value: b"[  " + value + b"\t ]", 0.99),
    ("percent escapes where needed", lambda value: urllib.parse.quote(value, safe="").encode(), 0.99),
    ("percent escapes for all", _percent, 0.99),
    ("percent escapes twice", lambda value: urllib.parse.quote(_percent(value)).encode(), 0.99),
    ("JSON escapes for all", _escaped, 0.99),
    ("JSON in JSON", lambda value: json.dumps(json.dumps({"note": 'said "go"', "user": value.decode()})).encode(), 0.99),
    ("HTML entities", _entities, 0.99),
    ("HTML-escaped", lambda value: html.escape('<a title="' + value.decode() + '">').encode(), 0.99),
    ("quoted-printable", _quoted, 0.99),
    ("base64", base64.b64encode, 0.99),
    ("base64, URL alphabet, no padding", _url64, 0.99),
    ("base64 of a JSON object", lambda value: base64.b64encode(_json_row(value)), 0.99),
    ("base64 in base64", lambda value: base64.b64encode(base64.b64encode(b"user=" + value)), 0.99),
    ("base64 of gzip", lambda value: base64.b64encode(gzip.compress(_json_row(value), mtime=0)), 0.99),
    ("JSON web token", _jwt, 0.99),
    ("basic authorization", lambda value: b"Basic " + base64.b64encode(value + b":hunter2secret"), 0.99),
    ("hex", lambda value: value.hex().encode(), 0.99),
    ("hex, upper case", lambda value: value.hex().upper().encode(), 0.99),
    ("hex of bytea", lambda value: b"\\x" + value.hex().encode(), 0.99),
    ("hex, spaced", _spaced, None),
    ("hexdump with offsets", _dump, None),
    ("MD5", _hash("md5"), 0.99),
    ("SHA-1", _hash("sha1"), 0.99),
    ("SHA-256", _hash("sha256"), 0.99),
    ("SHA-256, upper case", lambda value: hashlib.sha256(value).hexdigest().upper().encode(), 0.99),
    ("SHA-256 of the lower-cased", lambda value: hashlib.sha256(value.lower()).hexdigest().encode(), 0.99),
    ("SHA-256, base64", lambda value: base64.b64encode(hashlib.sha256(value).digest()), None),
    ("SHA-512", _hash("sha512"), None),
    ("base32", base64.b32encode, None),
    ("Ascii85", base64.a85encode, None),
    ("C escapes (\\x61)", lambda value: b"".join(b"\\x%02x" % one for one in value), None),
    ("octal escapes", lambda value: b"".join(b"\\%03o" % one for one in value), None),
    ("a NUL after each letter, no mark", lambda value: value.decode().encode("utf-16-le"), None),
    ("reversed", lambda value: value[::-1], None),
    ("CRC-32 beside it only", lambda value: b"%08x" % binascii.crc32(value), None),
)
"""Name, how it is written, and the recall aimed at; the last ones are listed with what they reach, and some can't be found by anybody."""

HOPELESS = ("reversed", "CRC-32 beside it only")
"""Kept out of the estate: nothing promises them, and nobody writes them."""


def _in_a_log(write: Callable[[bytes], bytes]) -> Callable[[Maker, Trace], bytes]:
    return lambda maker, trace: maker.log(write(said(trace).encode()))


def _whole(encoding: str, mark: bytes = b"") -> Callable[[Maker, Trace], bytes]:
    return lambda maker, trace: mark + maker.log(said(trace).encode()).decode().encode(encoding)


def _alignment(shift: int) -> Callable[[Maker, Trace], bytes]:
    def make(maker: Maker, trace: Trace) -> bytes:
        return maker.log(base64.b64encode(b"x" * shift + maker.log(said(trace).encode())), b"payload")

    return make


def _uuid(write: Callable[[Trace], bytes]) -> Callable[[Maker, Trace], bytes]:
    return lambda maker, trace: maker.log(write(trace), b"device")


def _binary(write: Callable[[Trace], bytes]) -> Callable[[Maker, Trace], bytes]:
    def make(maker: Maker, trace: Trace) -> bytes:
        return b"\x07\x01" + maker.random.randbytes(4000) + write(trace) + maker.random.randbytes(4000)

    return make


def ways() -> list[Way]:
    """Identifiers in logs."""
    found = [Way(name, "identifier", STRINGS, _in_a_log(write), aim=aim) for name, write, aim in FORMS if name not in HOPELESS]
    found += [Way(f"base64 of a log, shifted by {shift}", "identifier", ("email",), _alignment(shift)) for shift in range(3)]
    found += [
        Way("UTF-16 with a mark", "identifier", STRINGS, _whole("utf-16-le", b"\xff\xfe"), ".txt"),
        Way("UTF-16, big-endian", "identifier", STRINGS, _whole("utf-16-be", b"\xfe\xff"), ".txt"),
        Way("UTF-16 without a mark", "identifier", STRINGS, _whole("utf-16-le"), ".txt"),
        Way("UTF-32", "identifier", ("email",), _whole("utf-32"), ".txt", None),
        Way("EBCDIC", "identifier", ("email",), _whole("cp500"), ".txt", None),
        Way("UUID without dashes", "identifier", ("device_id",) * 2, _uuid(lambda one: uuid_of(one).hex.encode())),
        Way(
            "UUID in braces, upper case",
            "identifier",
            ("device_id",) * 2,
            _uuid(lambda one: b"{" + str(uuid_of(one)).upper().encode() + b"}"),
        ),
        Way("UUID as URN", "identifier", ("device_id",) * 2, _uuid(lambda one: uuid_of(one).urn.encode())),
        Way("UUID as 16 bytes", "identifier", ("device_id",) * 2, _binary(lambda one: uuid_of(one).bytes), ".bin"),
        Way("UUID as 16 bytes, little-endian", "identifier", ("device_id",) * 2, _binary(lambda one: uuid_of(one).bytes_le), ".bin"),
        Way("UUID's bytes in base64", "identifier", ("device_id",) * 2, _uuid(lambda one: base64.b64encode(uuid_of(one).bytes)), aim=None),
        Way(
            "mail address, local part only",
            "identifier",
            ("email",),
            lambda maker, one: maker.log(said(one).split("@")[0].encode()),
            aim=None,
        ),
        Way(
            "mail address with a tag",
            "identifier",
            ("email",),
            lambda maker, one: maker.log(said(one).replace("@", "+news@").encode()),
            aim=None,
        ),
        Way(
            "mail address, (at) and (dot)",
            "identifier",
            ("email",),
            _in_a_log(lambda one: one.replace(b"@", b" (at) ").replace(b".", b" (dot) ")),
            aim=None,
        ),
        Way(
            "number under its field's name",
            "identifier",
            ("profile_id",) * 3,
            lambda maker, one: maker.log(said(one).encode(), b"profile_id"),
        ),
        Way(
            "number in a JSON log",
            "identifier",
            ("profile_id",) * 3,
            lambda maker, one: maker.lines(b'{"ts":1709500000,"profile_id":' + said(one).encode() + b"}"),
        ),
        Way(
            "number in a URL",
            "identifier",
            ("profile_id",) * 3,
            lambda maker, one: maker.log(b"/v1/profiles/" + said(one).encode() + b"/clips", b"path"),
        ),
        Way(
            "number with separators",
            "identifier",
            ("profile_id",),
            lambda maker, one: maker.log(f"{one.value:,}".encode(), b"profile_id"),
            aim=None,
        ),
    ]
    return found
