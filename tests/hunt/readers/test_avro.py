"""Avro shows every record; a damaged, recursive or boastful file is looked at as bytes and told."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import fastavro
import pytest

from expunge.hunt.pieces import Why
from expunge.hunt.readers.avro_schema import is_bounded
from tests.hunt.readers.structured import format_of, read

SCHEMA = {
    "type": "record",
    "name": "Heard",
    "namespace": "hearth",
    "doc": "what maya said",
    "fields": [
        {"name": "profile_id", "type": "long"},
        {"name": "text", "type": ["null", "string"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "key", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "lat", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 6}},
        {"name": "who", "type": {"type": "record", "name": "Who", "fields": [{"name": "mail", "type": "string"}]}},
        {"name": "words", "type": {"type": "array", "items": "string"}},
        {"name": "embedding", "type": {"type": "array", "items": "float"}},
        {"name": "tags", "type": {"type": "map", "values": "string"}},
        {"name": "either", "type": ["null", "long", "string"]},
        {"name": "audio", "type": "bytes"},
    ],
}
KEY = UUID("12345678-1234-5678-1234-567812345678")


def record(number: int) -> dict[str, object]:
    return {
        "profile_id": number,
        "text": f"Maya says {number}" if number % 2 else None,
        "at": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
        "key": str(KEY),
        "lat": Decimal("52.520008"),
        "who": {"mail": f"m{number}@example.org"},
        "words": ["turn", "on"],
        "embedding": [0.5 * at for at in range(8)],
        "tags": {"room": "kitchen"},
        "either": number if number % 2 else "seven",
        "audio": b"OggS" + bytes(100),
    }


def written(records: int = 100, codec: str = "null", **options: object) -> bytes:
    sink = io.BytesIO()
    fastavro.writer(sink, SCHEMA, [record(number) for number in range(records)], codec=codec, **options)
    return sink.getvalue()


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_every_field_comes_out(codec: str) -> None:
    raw = written(codec=codec, sync_interval=500)
    assert format_of(raw) == "avro"
    got = read(raw, "avro")
    assert not got.account.unread
    assert got.values("profile_id") == list(range(100))
    assert got.values("text")[:2] == [b"", b"Maya says 1"]
    assert got.values("at")[0] == b"2024-05-06T07:08:09+00:00"
    assert got.values("key")[0] == str(KEY).encode()
    assert got.values("lat")[0] == 52.520008
    assert got.values("who.mail")[99] == b"m99@example.org"
    assert got.values("words")[0] == b"turn\non"
    assert got.values("embedding")[7] == tuple(0.5 * at for at in range(8))
    assert b"kitchen" in got.everything()
    assert got.values("either")[:2] == [b"seven", b"1"]
    assert b"what maya said" in got.nested["header"]
    assert got.nested["audio#3"].startswith(b"OggS")


@pytest.mark.parametrize("codec", ["snappy", "zstandard"])
def test_codecs_that_the_library_lacks(codec: str) -> None:
    import pyarrow as pa
    import zstandard

    plain = written(codec="null")
    packers = {
        "snappy": lambda block: pa.compress(block, codec="snappy", asbytes=True) + b"\0\0\0\0",
        "zstandard": zstandard.ZstdCompressor().compress,
    }
    got = read(repacked(plain, codec, packers[codec]), "avro")
    assert not got.account.unread
    assert got.values("profile_id") == list(range(100))


def repacked(plain: bytes, codec: str, pack: object) -> bytes:
    from expunge.hunt.readers.avro import _string, _zigzag
    from expunge.hunt.readers.avro_container import MAGIC, Source, blocks, header

    source = Source(io.BytesIO(plain))
    head = header(source)
    out = (
        MAGIC + _zigzag(2) + _string(b"avro.schema") + _string(head.meta["avro.schema"]) + _string(b"avro.codec") + _string(codec.encode())
    )
    out += _zigzag(0) + head.sync
    for block in blocks(source, head):
        assert block is not None
        out += _zigzag(block.records) + _string(pack(block.packed)) + head.sync  # type: ignore[operator]
    return out


def test_an_unknown_codec_is_told() -> None:
    got = read(repacked(written(), "lzfse", bytes), "avro")
    assert got.why() == [Why.UNSUPPORTED]


def test_a_damaged_block_is_passed_over() -> None:
    raw = written(2000, codec="deflate", sync_interval=2000)
    sync = raw[-16:]
    second = raw.index(sync, raw.index(sync, raw.index(sync) + 16) + 16)
    broken = raw[: second - 60] + b"\xff" * 40 + raw[second - 20 :]
    got = read(broken, "avro")
    assert got.why() == [Why.BROKEN]
    assert 1800 < len(got.values("profile_id")) < 2000
    assert got.values("profile_id")[-1] == 1999


def test_a_cut_file_gives_its_whole_blocks() -> None:
    raw = written(2000, codec="deflate", sync_interval=2000)
    got = read(raw[: len(raw) // 2 + 50], "avro")
    assert got.why() == [Why.BROKEN]
    assert len(got.values("profile_id")) > 800


def test_a_length_of_a_quintillion_is_only_damage() -> None:
    raw = written(1)
    at = raw.index(raw[-16:]) + 16
    got = read(raw[:at] + b"\x02" + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x1f" + b"x" * 50, "avro")
    assert got.why() == [Why.BROKEN]


def test_a_block_that_expands_beyond_measure_is_told() -> None:
    from expunge.hunt.readers import avro_container

    bomb = repacked(
        written(1), "zstandard", lambda _block: __import__("zstandard").ZstdCompressor().compress(bytes(avro_container.BLOCK + 2))
    )
    assert len(bomb) < 100_000
    assert read(bomb, "avro").why() == [Why.BROKEN]


RECURSIVE = {"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}, {"name": "s", "type": "string"}]}


def test_a_schema_that_names_itself_is_looked_at_as_bytes() -> None:
    sink = io.BytesIO()
    fastavro.writer(sink, RECURSIVE, [{"n": {"n": None, "s": "maya@example.org"}, "s": "x"}])
    got = read(sink.getvalue(), "avro")
    assert b"maya@example.org" in got.nested["records@0"]
    assert got.why() == [Why.UNKNOWN]


@pytest.mark.parametrize(
    "schema",
    [
        RECURSIVE,
        {"type": "array", "items": "null"},
        {
            "type": "record",
            "name": "A",
            "fields": [
                {"name": "e", "type": {"type": "fixed", "name": "F", "size": 0}},
                {"name": "l", "type": {"type": "array", "items": "F"}},
            ],
        },
        {"type": "record", "name": "W", "fields": [{"name": f"f{at}", "type": "null"} for at in range(100)]},
        {"type": "array", "items": {"type": "record", "name": "E", "fields": []}},
        {"no": "type"},
        7,
    ],
)
def test_boastful_schemas_are_not_bounded(schema: object) -> None:
    assert not is_bounded(json.dumps(schema).encode())


def test_doubling_records_are_not_bounded() -> None:
    schema: dict[str, object] = {"type": "record", "name": "R0", "fields": [{"name": "a", "type": "null"}]}
    for level in range(1, 12):
        schema = {"type": "record", "name": f"R{level}", "fields": [{"name": "a", "type": schema}, {"name": "b", "type": f"R{level - 1}"}]}
    assert not is_bounded(json.dumps(schema).encode())


def test_ordinary_schemas_are_bounded() -> None:
    assert is_bounded(json.dumps(SCHEMA).encode())
