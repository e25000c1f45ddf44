"""Hostile files: small valid ones of every format, changed at random; nothing may escape the engine, hang, or go on without end.

What is asked of every file: no fault comes out, the windows of each stream follow each other (``look`` checks it), the outermost stream's
bytes have all been given, and the number of pieces is bounded by the bytes.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import pyarrow as pa
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.hunt.reading import Limits
from tests.hunt.readers.looked import look

TEXT = b"what is the weather like today, asked maya@example.com\n" * 4
LIMITS = Limits(expansion_free=8 << 20, expansion=100, members=2000, spool=1 << 16, spooled=1 << 22, seconds=60.0)


def zipped(method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as out:
        out.writestr("a.txt", TEXT)
        out.writestr("in.gz", gzip.compress(TEXT))
        out.comment = b"of maya"
    return file.getvalue()


def tarred(kind: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as out:
        for name in ("a.txt", "long/" * 40 + "b.txt"):
            member = tarfile.TarInfo(name)
            member.size = len(TEXT)
            out.addfile(member, io.BytesIO(TEXT))
    return file.getvalue()


def lz4() -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "lz4") as out:
        out.write(TEXT)
    return bytes(sink.getvalue())


def mail() -> bytes:
    encoded = base64.encodebytes(gzip.compress(TEXT))
    return (
        b"From: a@example.com\nTo: b@example.com\nSubject: =?utf-8?q?M=C3=A4ya?=\n"
        b'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain; charset=latin-1\n\n' + TEXT + b"\n--b\n"
        b'Content-Transfer-Encoding: base64\nContent-Disposition: attachment; filename="a.gz"\n\n' + encoded + b"--b--\n"
    )


def uuencoded() -> bytes:
    return b"begin 644 a.txt\n" + b"".join(binascii.b2a_uu(TEXT[at : at + 45]) for at in range(0, len(TEXT), 45)) + b"`\nend\n"


SEEDS: dict[str, bytes] = {
    "gzip": gzip.compress(TEXT, mtime=0),
    "bzip2": bz2.compress(TEXT),
    "xz": lzma.compress(TEXT),
    "lzma": lzma.compress(TEXT, format=lzma.FORMAT_ALONE),
    "zlib": zlib.compress(TEXT),
    "zstd": zstandard.compress(TEXT) + b"\x50\x2a\x4d\x18\2\0\0\0ab" + zstandard.compress(TEXT),
    "lz4": lz4(),
    "zip-stored": zipped(zipfile.ZIP_STORED),
    "zip-deflated": zipped(zipfile.ZIP_DEFLATED),
    "zip-lzma": zipped(zipfile.ZIP_LZMA),
    "tar-gnu": tarred(tarfile.GNU_FORMAT),
    "tar-pax": tarred(tarfile.PAX_FORMAT),
    "ar": b"!<arch>\n%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (b"a.txt/", 0, 0, 0, b"100644", len(TEXT)) + TEXT,
    "cpio": b"070701" + b"%08x" % 1 * 6 + b"%08x" % len(TEXT) + b"0" * 32 + b"%08x" % 6 + b"0" * 8 + b"a.txt\0" + TEXT + b"\0\0\0",
    "mail": mail(),
    "mbox": b"From a@example.com Mon Jan  1 10:00:00 2024\n" + mail() + b"\nFrom a@example.com Mon Jan  1 10:00:00 2024\n" + mail(),
    "uuencode": uuencoded(),
    "utf-16": TEXT.decode().encode("utf-16"),
    "utf-32": TEXT.decode().encode("utf-32"),
    "western": "Grüße, Maya\n".encode("cp1252") * 9,
    "encodings": json.dumps({"a": base64.b64encode(gzip.compress(TEXT)).decode(), "b": TEXT.hex(), "c": "ü\n😀/&amp;%20"}).encode(),
    "raw": bytes(range(256)) * 3 + gzip.compress(TEXT, mtime=0) + bytes(99) + zipped(zipfile.ZIP_DEFLATED) + bytes(99),
    "wave": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0" + TEXT,
}

Change = Callable[[bytes], bytes]


def flip(at: float, mask: int) -> Change:
    return lambda one: one[: int(at * len(one))] + bytes([one[int(at * len(one))] ^ mask]) + one[int(at * len(one)) + 1 :] if one else one


def cut(start: float, end: float) -> Change:
    return lambda one: one[: int(start * len(one))] + one[int(max(start, end) * len(one)) :]


def splice(at: float, what: bytes) -> Change:
    return lambda one: one[: int(at * len(one))] + what + one[int(at * len(one)) :]


def grow(at: float, size: int) -> Change:
    """A field of 1, 2, 4 or 8 bytes becomes the largest of its length."""
    return lambda one: one[: int(at * len(one))] + b"\xff" * size + one[int(at * len(one)) + size :]


SHARES = st.floats(0, 1, exclude_max=True)
CHANGES = st.one_of(
    st.builds(flip, SHARES, st.integers(1, 255)),
    st.builds(cut, SHARES, SHARES),
    st.builds(splice, SHARES, st.one_of(st.binary(max_size=40), st.sampled_from(list(SEEDS.values())))),
    st.builds(grow, SHARES, st.sampled_from([1, 2, 4, 8])),
)


def hold(content: bytes, *, pipe: bool) -> None:
    looked = look(content, "file", limits=LIMITS, pipe=pipe)
    given_plain, given_opaque = looked.plain.get("", b""), looked.opaque.get("", b"")
    assert len(given_plain) + len(given_opaque) >= len(content), "all bytes have been given"
    assert looked.account.streams <= LIMITS.members + 1
    assert sum(map(len, looked.plain.values())) <= 64 << 20


@pytest.mark.parametrize("name", SEEDS)
@given(changes=st.lists(CHANGES, min_size=1, max_size=4), pipe=st.booleans())
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_changed_files(name: str, changes: list[Change], *, pipe: bool) -> None:
    content = SEEDS[name]
    for change in changes:
        content = change(content)
    hold(content, pipe=pipe)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEDS)
@given(changes=st.lists(CHANGES, min_size=1, max_size=6), pipe=st.booleans())
@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_changed_files_at_length(name: str, changes: list[Change], *, pipe: bool) -> None:
    content = SEEDS[name]
    for change in changes:
        content = change(content)
    hold(content, pipe=pipe)


@given(content=st.binary(max_size=3000), begin=st.sampled_from([one[:10] for one in SEEDS.values()]), pipe=st.booleans())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_known_beginning_and_anything_behind(content: bytes, begin: bytes, *, pipe: bool) -> None:
    hold(begin + content, pipe=pipe)


@pytest.mark.parametrize("name", SEEDS)
def test_every_cut(name: str) -> None:
    """Each seed cut at 40 places: what is cut short never raises, and never loops."""
    whole = SEEDS[name]
    for end in range(0, len(whole), max(len(whole) // 40, 1)):
        hold(whole[:end], pipe=bool(end % 2))
