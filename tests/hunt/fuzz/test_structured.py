"""Damaged and hostile databases, columns and dumps: no crash, no hang, bounded memory, and whatever can't be read is told."""

from __future__ import annotations

import io
import re
import sqlite3
import struct
import tempfile
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from functools import cache
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.orc as po
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.hunt.pieces import Account, Place, Rows, Texts
from expunge.hunt.reading import Limits
from expunge.hunt.unwrap import Ended, unwrap

LIMITS = Limits(expansion=100, expansion_free=4 << 20, seconds=20)
TABLE = pa.table(
    {
        "profile_id": [17, None, 4711],
        "text": ["Maya says hello", None, "x" * 300],
        "vector": [[0.5] * 8] * 3,
        "deep": [[{"a": "b", "n": [1, 2]}], None, []],
        "low": pa.array(["x", None, "y"]).dictionary_encode(),
        "tags": pa.array([[("k", "v")], None, []], pa.map_(pa.string(), pa.string())),
        "at": pa.array([1, None, 3], pa.timestamp("us")),
    }
)


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink, compression="zstd", write_page_index=True)
    return sink.getvalue()


def plain_parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink, compression="none", use_dictionary=False, data_page_version="2.0")
    return sink.getvalue()


def arrow() -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, TABLE.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(TABLE)
    return sink.getvalue()


def arrow_stream() -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return sink.getvalue()


def orc() -> bytes:
    sink = io.BytesIO()
    po.write_table(TABLE.select(["profile_id", "text", "deep"]), sink)
    return sink.getvalue()


def avro() -> bytes:
    fields = [
        {"name": "id", "type": "long"},
        {"name": "text", "type": ["null", "string"]},
        {"name": "list", "type": {"type": "array", "items": {"type": "map", "values": "double"}}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "money", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    ]
    schema = {"type": "record", "name": "R", "fields": fields}
    sink = io.BytesIO()
    records = [{"id": at, "text": f"Maya {at}", "list": [{"a": 1.5}], "at": at, "money": Decimal("1.25")} for at in range(30)]
    fastavro.writer(sink, schema, records, codec="deflate", sync_interval=200)
    return sink.getvalue()


def sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA page_size=512")
            connection.execute("CREATE TABLE asr (id INTEGER PRIMARY KEY, text TEXT, n REAL, b BLOB)")
            connection.execute("CREATE TABLE flat (a TEXT PRIMARY KEY, b) WITHOUT ROWID")
            connection.executemany("INSERT INTO asr VALUES (?, ?, ?, ?)", [(at, f"Maya says {at}", at / 2, bytes(at)) for at in range(60)])
            connection.execute("INSERT INTO asr VALUES (99, ?, 1, '')", ["long " * 700])
            connection.executemany("INSERT INTO flat VALUES (?, ?)", [(f"k{at}", at) for at in range(40)])
            connection.execute("DELETE FROM asr WHERE id % 5 = 0")
            connection.commit()
        return path.read_bytes()


def dump() -> bytes:
    rows = "".join(f"{at}\tMaya says {at}\\n\\\\N\t\\\\x6d61\n" for at in range(40))
    return f"--\n-- PostgreSQL database dump\n--\nSET x;\nCOPY public.asr (id, text, b) FROM stdin;\n{rows}\\.\n\nSELECT 1;\n".encode()


def custom() -> bytes:
    def integer(value: int) -> bytes:
        return bytes([value < 0]) + abs(value).to_bytes(4, "little")

    def text(value: str | None) -> bytes:
        return integer(-1) if value is None else integer(len(value)) + value.encode()

    head = b"PGDMP\x01\x0e\x00\x04\x08\x01" + integer(-1) + integer(1) * 7 + text("hearth") * 3
    entry = (
        integer(3411) + integer(1) + text("1259") + text("16391") + text("asr") + text("TABLE DATA") + integer(3) + text("") + text(None)
    )
    entry += text("COPY public.asr (id, said) FROM stdin;\n") + text("public") + text("") + text("heap") + text("erika") + text("false")
    entry += text(None) + b"\x02" + bytes(8)
    packed = zlib.compress(b"17\tMaya says hello\n" * 50)
    blob = zlib.compress(b"a note about Maya " * 20)
    objects = b"\x03" + integer(9) + integer(4711) + integer(len(blob)) + blob + integer(0) + integer(0)
    return head + integer(1) + entry + b"\x01" + integer(3411) + integer(len(packed)) + packed + integer(0) + objects


def csv() -> bytes:
    return b"id,said,lat\n" + b"".join(b'%d,"Maya, %d",52.%d\n' % (at, at, at) for at in range(60))


def json_lines() -> bytes:
    return b"".join(b'{"x": %d.5, "y": %d.5, "time": %d, "s": "Maya"}\n' % (5000 + at, 9000 + at, at) for at in range(60))


SAMPLES: list[Callable[[], bytes]] = [parquet, plain_parquet, arrow, arrow_stream, orc, avro, sqlite, dump, custom, csv, json_lines]


@cache
def sample(maker: Callable[[], bytes]) -> bytes:
    return maker()


def opened(raw: bytes, limits: Limits = LIMITS) -> tuple[Account, int, int]:
    """Open it as the hunt would; the account, bytes seen as rows, and the largest batch."""
    account, seen, largest = Account(), 0, 0
    for piece in unwrap(io.BytesIO(raw), Place("share", "x"), size=len(raw), limits=limits, account=account):
        if isinstance(piece, Ended) or not isinstance(piece, Rows):
            continue
        size = 0
        for column in piece.columns.values():
            if isinstance(column, Texts):
                assert len(column.offsets) == piece.rows + 1
                assert (column.offsets[1:] >= column.offsets[:-1]).all()
                assert column.offsets[0] == 0
                assert column.offsets[-1] == len(column.buffer)
            else:
                assert len(column.values) == piece.rows
            size += column.buffer.nbytes if isinstance(column, Texts) else column.values.nbytes
        assert piece.keys is None or len(piece.keys) == piece.rows
        seen += size
        largest = max(largest, size)
    return account, seen, largest


@pytest.mark.parametrize("maker", SAMPLES)
def test_the_samples_are_sound(maker: Callable[[], bytes]) -> None:
    account, seen, _ = opened(sample(maker))
    assert not account.unread
    assert seen


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 1 << 20), st.integers(1, 255)),
        st.tuples(st.just("cut"), st.integers(0, 1 << 20), st.integers(1, 600)),
        st.tuples(st.just("double"), st.integers(0, 1 << 20), st.integers(1, 600)),
        st.tuples(st.just("grow"), st.integers(0, 1 << 20), st.sampled_from([0x7F, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1])),
        st.tuples(st.just("end"), st.integers(0, 1 << 20), st.just(0)),
    ),
    min_size=1,
    max_size=6,
)


def changed(raw: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    for how, where, what in changes:
        at = where % max(1, len(raw))
        if how == "flip":
            raw = raw[:at] + bytes([raw[at] ^ what]) + raw[at + 1 :] if raw else raw
        elif how == "cut":
            raw = raw[:at] + raw[at + what :]
        elif how == "double":
            raw = raw[: at + what] + raw[at:]
        elif how == "grow":
            raw = raw[:at] + struct.pack("<Q", what)[: 4 if what < 1 << 32 else 8] + raw[at + 4 :]
        else:
            raw = raw[:at]
    return raw


def hunted(maker: Callable[[], bytes], changes: list[tuple[str, int, int]]) -> None:
    raw = changed(sample(maker), changes)
    begun = time.process_time()
    _, seen, largest = opened(raw)
    assert seen <= max(LIMITS.expansion_free, LIMITS.expansion * len(raw)) + (80 << 20)
    assert largest <= 256 << 20
    assert time.process_time() - begun < 60  # it ends: not a measure of speed


@pytest.mark.parametrize("maker", SAMPLES)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES)
def test_damage_is_survived(maker: Callable[[], bytes], changes: list[tuple[str, int, int]]) -> None:
    hunted(maker, changes)


@pytest.mark.slow
@pytest.mark.parametrize("maker", SAMPLES)
@settings(max_examples=3000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES)
def test_much_damage_is_survived(maker: Callable[[], bytes], changes: list[tuple[str, int, int]]) -> None:
    hunted(maker, changes)


@pytest.mark.parametrize(
    "head", [b"PAR1", b"ARROW1\0\0", b"\xff\xff\xff\xff\x10\0\0\0\x10\0\0\0", b"ORC", b"Obj\x01", b"SQLite format 3\0", b"PGDMP", b"FEA1"]
)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(rest=st.binary(max_size=400))
def test_a_head_and_noise(head: bytes, rest: bytes) -> None:
    opened(head + rest)


def _largest() -> int:
    """KiB that this program has held at most: what ``getrusage`` tells may be that of the process that started it (getrusage(2))."""
    return int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))[0])


def test_memory_stays_bounded_whatever_the_files_claim() -> None:
    before = _largest()
    often = pa.DictionaryArray.from_arrays(pa.array([0] * 30_000, pa.int32()), pa.array(["m" * 200_000]))
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": often}), sink)
    account, _, largest = opened(sink.getvalue(), Limits(expansion_free=256 << 20, expansion=1))
    assert account.unread
    assert largest <= 64 << 20
    lists = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["m" * 100_000]))
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": pa.ListArray.from_arrays([0, 20_000], lists)}), sink)
    opened(sink.getvalue(), Limits(expansion_free=256 << 20, expansion=1))
    assert _largest() - before < 3 << 19  # KiB: 1.5 GiB


@pytest.mark.parametrize("maker", SAMPLES)
def test_each_place_ends_once(maker: Callable[[], bytes]) -> None:
    raw = sample(maker)
    pieces = list(unwrap(io.BytesIO(raw), Place("share", "x"), size=len(raw), limits=LIMITS, account=Account()))
    ended = [one.place for one in pieces if isinstance(one, Ended)]
    assert len(ended) == len(set(ended))
    assert {one.place for one in pieces if isinstance(one, Rows)} <= set(ended)
