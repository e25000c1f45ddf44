"""Compressed streams: whole, several, cut short, damaged, with something behind."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import zlib
from collections.abc import Callable

import pyarrow as pa
import pytest
import zstandard

from expunge.hunt.pieces import Why
from tests.hunt.readers.looked import look

# More than one block of bzip2 (900 kB) and more than one step of xz, so that a part of each survives damage.
LINES = b"".join(b"%d what is the weather like today, asked maya@example.com\n" % (line * 7919 % 100_003) for line in range(20_000))


def lz4(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "lz4") as out:
        out.write(content)
    return bytes(sink.getvalue())


def lzma_alone(content: bytes) -> bytes:
    return lzma.compress(content, format=lzma.FORMAT_ALONE)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lzma_alone,
    "zlib": zlib.compress,
    "zstd": zstandard.compress,
    "lz4": lz4,
}


@pytest.mark.parametrize("pipe", [False, True])
@pytest.mark.parametrize("name", PACKERS)
def test_content_comes_out(name: str, *, pipe: bool) -> None:
    packed = PACKERS[name](LINES)
    looked = look(packed, pipe=pipe)
    assert looked.plain[name] == LINES
    assert looked.opaque[""] == packed
    assert not looked.account.unread
    assert looked.account.unwrapped == len(LINES)


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_several_in_a_row_are_one(name: str) -> None:
    packed = PACKERS[name](LINES) + PACKERS[name](LINES[:100])
    assert look(packed).plain[name] == LINES + LINES[:100]


def test_frames_that_are_to_be_skipped_are() -> None:
    skipped = b"\x53\x2a\x4d\x18\x04\0\0\0abcd"
    packed = skipped + zstandard.compress(LINES) + skipped + zstandard.compress(b"maya")
    looked = look(packed)
    assert looked.plain["zstd"] == LINES + b"maya"
    assert not looked.account.unread


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "lzma", "zlib", "zstd", "lz4"])
def test_what_is_cut_short_is_looked_at_and_told(name: str) -> None:
    packed = PACKERS[name](LINES)
    cut = packed[: len(packed) * 3 // 4]
    looked = look(cut)
    came = looked.plain.get(name, b"")
    assert LINES.startswith(came)
    assert len(came) > len(LINES) // 4
    assert looked.told()[""] is Why.BROKEN


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zlib", "zstd"])
def test_what_is_damaged_in_the_middle_is_told(name: str) -> None:
    packed = bytearray(PACKERS[name](LINES))
    middle = len(packed) // 2
    packed[middle : middle + 64] = random.Random(3).randbytes(64)  # no secret
    looked = look(bytes(packed))
    assert Why.BROKEN in looked.told().values()
    assert looked.plain.get(name, b"")[:50] == LINES[:50] or name == "bzip2"  # whose blocks hold 900 kB


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zlib", "zstd", "lz4"])
def test_what_follows_is_looked_at_as_a_stream_of_its_own(name: str) -> None:
    looked = look(PACKERS[name](LINES) + b"and more of maya behind it " * 4)
    assert looked.plain[name] == LINES
    assert looked.plain["rest"] == b"and more of maya behind it " * 4


def test_padding_is_nothing() -> None:
    looked = look(gzip.compress(LINES) + bytes(5000))
    assert set(looked.plain) == {"gzip"}
    assert not looked.account.unread


def test_the_name_in_the_header_is_text() -> None:
    packed = bytearray(gzip.compress(b"content"))
    packed[3] |= 8
    packed[10:10] = b"maya-export.csv\0"
    looked = look(bytes(packed))
    assert looked.plain["header"] == b"maya-export.csv"
    assert looked.plain["gzip"] == b"content"


def test_a_name_without_its_suffix_recognises_what_is_inside() -> None:
    assert look(gzip.compress(b"From: a@example.com\nX-Y: z\n\nbody"), "one.eml.gz").plain["gzip!part1"] == b"body"


def test_a_window_larger_than_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packer.compress(b"a" * 100) + packer.flush()
    assert look(packed).told() == {"": Why.TOO_LARGE}
