"""Parquet, Arrow and ORC show every value, however it is nested or encoded; hostile ones cost little."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.orc as po
import pyarrow.parquet as pq
import pytest

from expunge.hunt.pieces import Vectors, Why
from expunge.hunt.readers import columnar_batches
from expunge.hunt.readers.columnar_footer import TEXT, groups
from expunge.hunt.reading import Limits
from tests.hunt.readers.structured import format_of, read

WAV = b"RIFF" + struct.pack("<I", 200) + b"WAVEfmt " + bytes(190)


def parquet(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def stream(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def arrow(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def feather(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pf.write_feather(table, sink, compression="lz4")
    return sink.getvalue()


def orc(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    po.write_table(table, sink)
    return sink.getvalue()


WRITERS: list[tuple[str, Callable[[pa.Table], bytes]]] = [
    ("parquet", parquet),
    ("parquet", lambda table: parquet(table, compression="zstd", use_dictionary=False, row_group_size=7)),
    ("parquet", lambda table: parquet(table, compression="gzip", data_page_version="2.0", write_page_index=True)),
    ("arrow", arrow),
    ("arrow", lambda table: arrow(table, compression="zstd")),
    ("arrow", feather),
    ("arrow-stream", stream),
    ("orc", orc),
]


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_every_leaf_comes_out(name: str, write: Callable[[pa.Table], bytes]) -> None:
    table = pa.table(
        {
            "text": ["Maya says hello", None, "ümläut"] * 10,
            "profile_id": [17, None, 4711] * 10,
            "at": pa.array(
                [datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC), None, datetime(1999, 1, 2, tzinfo=UTC)] * 10, pa.timestamp("us", "UTC")
            ),
            "born": [date(2015, 3, 4), None, date(2016, 3, 4)] * 10,
            "lat": pa.array([Decimal("52.520008"), None, Decimal("-1.5")] * 10, pa.decimal128(9, 6)),
            "doc": [{"who": {"mail": "maya@example.org"}, "n": 5}, None, {"who": {"mail": None}, "n": None}] * 10,
            "words": [["turn", "on", None, "light"], None, []] * 10,
            "yes": [True, False, None] * 10,
        }
    )
    got = read(write(table), name)
    assert not got.account.unread
    assert got.values("text") == [b"Maya says hello", b"", "ümläut".encode()] * 10
    assert got.values("profile_id") == [17, None, 4711] * 10
    assert next(str(one)[2:21] for one in got.values("at")) == "2024-05-06T07:08:09"
    assert got.values("born")[0] == b"2015-03-04"
    assert got.values("lat")[::3] == [52.520008] * 10
    assert got.values("doc.who.mail")[0] == b"maya@example.org"
    assert got.values("doc.n")[:3] == [5, None, None]
    assert got.values("words")[:3] == [b"turn\non\n\nlight", b"", b""]
    assert next(rows.first for rows in got.rows if rows.place.table is None) == 0


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_embeddings_are_vectors_and_tracks_are_tables(name: str, write: Callable[[pa.Table], bytes]) -> None:
    table = pa.table(
        {
            "embedding": pa.array([[float(i + j) for j in range(16)] if i % 3 else None for i in range(9)], pa.list_(pa.float32())),
            "point": pa.array([[13.4, 52.5]] * 9, pa.list_(pa.float64())),
            "track": [[{"lat": 52.5 + i, "lon": 13.4, "note": "left"} for i in range(n)] for n in range(9)],
            "line": pa.array([[[13.4, 52.5 + i] for i in range(n)] for n in range(9)], pa.list_(pa.list_(pa.float64()))),
        }
    )
    got = read(write(table), name)
    assert not got.account.unread
    assert all(isinstance(rows.columns["embedding"], Vectors) for rows in got.rows if "embedding" in rows.columns)
    assert got.values("embedding")[4] == tuple(float(4 + j) for j in range(16))
    assert got.values("embedding")[3] == (0.0,) * 16
    assert got.values("point.0") == [13.4] * 9
    assert got.values("track.lat")[:3] == [52.5, 52.5, 53.5]
    assert got.values("line.1") == got.values("track.lat")
    assert got.values("track.note")[2] == b"left\nleft"
    assert [key for rows in got.rows if "track.lat" in rows.columns for key in rows.keys or ()][:3] == ["1", "2", "2"]


def test_maps_dictionaries_and_views() -> None:
    table = pa.table(
        {
            "tags": pa.array([[("profile_id", "17"), ("mail", "a@b.example")], None, []], pa.map_(pa.string(), pa.string())),
            "deep": pa.array([[("k", [1, 2, 3, 4, 5])], [], None], pa.map_(pa.string(), pa.list_(pa.int64()))),
            "low": pa.array(["x", None, "y"]).dictionary_encode(),
            "view": pa.array(["one", None, "a rather longer text than twelve bytes"], pa.string_view()),
            "large": pa.array(["one", None, "three"], pa.large_string()),
            "fixed": pa.array([b"0123456789abcdef", None, b"fedcba9876543210"], pa.binary(16)),
            "half": pa.array([1.5, None, 2.5], pa.float16()),
            "nothing": pa.array([None, None, None]),
        }
    )
    got = read(stream(table), "arrow-stream")
    assert not got.account.unread
    assert got.values("tags")[0] == b"profile_id=17\nmail=a@b.example"
    assert got.values("deep.value") == [1, 2, 3, 4, 5]
    assert got.values("low") == [b"x", b"", b"y"]
    assert got.values("view")[2].startswith(b"a rather longer")  # type: ignore[attr-defined]
    assert got.values("large") == [b"one", b"", b"three"]
    assert got.values("fixed")[0] == b"0123456789abcdef"
    assert got.values("half") == [1.5, None, 2.5]


def test_a_slice_of_a_table_gives_only_its_rows() -> None:
    table = pa.table({"a": ["x", "y", "z", None], "l": [["p"], ["q", "r"], [], ["s"]], "n": [[1], [2, 3], [], [4]]}).slice(1, 3)
    got = read(arrow(table), "arrow")
    assert got.values("a") == [b"y", b"z", b""]
    assert got.values("l") == [b"q\nr", b"", b"s"]
    assert got.values("n") == [2, 3, 4]


def test_a_clip_in_a_cell_is_a_stream() -> None:
    got = read(
        parquet(pa.table({"id": [1, 2], "audio": [{"bytes": WAV, "path": "a.wav"}, {"bytes": b"\0" * 300, "path": "b"}]})), "parquet"
    )
    assert got.nested["audio.bytes#0"] == WAV
    assert "audio.bytes#1" not in got.nested


def test_what_the_footer_keeps_is_shown() -> None:
    table = pa.table({"mail": ["maya@example.org", "zoe@example.org"], "profile_id": [17, 4711]}).replace_schema_metadata(
        {"owner": "erika"}
    )
    got = read(parquet(table, compression="zstd", write_page_index=True), "parquet")
    assert b"maya@example.org" in got.nested["footer"]
    assert b"erika" in got.nested["footer"]
    assert struct.pack("<q", 4711) in got.nested["footer"]


def test_rows_are_numbered_over_row_groups() -> None:
    got = read(parquet(pa.table({"n": list(range(100))}), row_group_size=13), "parquet")
    batches = [rows for rows in got.rows if rows.place.table is None]
    assert [rows.first for rows in batches] == list(range(0, 100, 13))
    assert got.values("n") == list(range(100))


def test_a_damaged_column_does_not_hide_the_others() -> None:
    table = pa.table({"a": [f"first {i}" for i in range(500)], "b": [f"second {i}" for i in range(500)]})
    raw = bytearray(parquet(table, compression="zstd", use_dictionary=False))
    at = pq.ParquetFile(io.BytesIO(raw)).metadata.row_group(0).column(1).data_page_offset
    raw[at + 40 : at + 60] = b"\xff" * 20
    got = read(bytes(raw), "parquet")
    assert got.values("a") == [f"first {i}".encode() for i in range(500)]
    assert [(one.place.column, one.why) for one in got.account.unread] == [("b", Why.BROKEN)]


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_a_cut_file_is_told(name: str, write: Callable[[pa.Table], bytes]) -> None:
    raw = write(pa.table({"a": [f"some text {i}" for i in range(3000)]}))
    got = read(raw[: len(raw) // 2], name)
    assert got.why() == [Why.BROKEN]


def test_an_arrow_file_without_its_end_is_read_up_to_there() -> None:
    table = pa.table({"a": [f"some text {i}" for i in range(3000)]})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        for batch in table.to_batches(1000):
            writer.write_batch(batch)
    got = read(sink.getvalue()[: len(sink.getvalue()) * 3 // 4], "arrow")
    assert got.values("a")[:2000] == [f"some text {i}".encode() for i in range(2000)]
    assert got.why() == [Why.BROKEN]


def test_an_encrypted_footer_is_told_as_such() -> None:
    got = read(b"PARE" + b"\1" * 100 + struct.pack("<I", 80) + b"PARE", "parquet")
    assert got.why() == [Why.ENCRYPTED]


def test_a_long_text_that_stands_once_and_is_meant_often_is_bounded() -> None:
    often = pa.DictionaryArray.from_arrays(pa.array([0] * 40_000, pa.int32()), pa.array(["m" * 100_000]))
    raw = parquet(pa.table({"a": often}), row_group_size=40_000)
    assert len(raw) < 10_000
    largest = 0
    from expunge.hunt.pieces import Account, Place, Rows
    from expunge.hunt.readers.columnar import FORMATS
    from expunge.hunt.reading import Limits, Opened

    reader = next(one for one in FORMATS if one.name == "parquet")
    opened = Opened(Place("share"), io.BytesIO(raw), len(raw), seekable=True, limits=Limits(), account=Account())
    for count, piece in enumerate(reader.read(opened)):
        if isinstance(piece, Rows) and "a" in piece.columns:
            largest = max(largest, piece.columns["a"].buffer.nbytes)  # type: ignore[union-attr]
        if count > 5:
            break
    assert 0 < largest <= 64 << 20


def test_a_batch_that_claims_too_much_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar_batches, "_WHOLE", 1 << 20)
    table = pa.table({"a": ["z" * 1000] * 5000})
    packed = read(stream(table, compression="zstd"), "arrow-stream")
    assert packed.why() == [Why.TOO_LARGE]
    assert not packed.rows
    unpacked = read(stream(table), "arrow-stream")
    assert unpacked.why() == [Why.TOO_LARGE]
    assert b"zzzz" in unpacked.everything()


def test_text_that_is_not_utf8_is_still_seen() -> None:
    odd = pa.array([b"maya\xff\xfe", b"ok"]).view(pa.string())
    assert read(stream(pa.table({"a": odd})), "arrow-stream").values("a") == [b"maya\xff\xfe", b"ok"]


def test_a_billion_rows_of_a_few_bytes_end() -> None:
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 3_000_000, pa.int8()), pa.array(["maya@example.org"]))
    raw = parquet(pa.table({"a": same}), row_group_size=3_000_000)
    got = read(raw, "parquet", limits=Limits(expansion_free=1 << 20, expansion=10))
    assert got.why() == [Why.TOO_LARGE]
    assert 0 < len(got.values("a")) < 1_000_000


def test_the_footer_is_read_as_arrow_reads_it() -> None:
    table = pa.table({"a.b": ["x"] * 100, "deep": [[{"c": 1, "d": "e"}]] * 100, "n": list(range(100))})
    raw = parquet(table, row_group_size=30, store_schema=False)
    metadata = pq.ParquetFile(io.BytesIO(raw)).metadata
    ours = groups(io.BytesIO(raw))
    assert [group.rows for group in ours] == [30, 30, 30, 10]
    for number, group in enumerate(ours):
        for at, chunk in enumerate(group.chunks):
            theirs = metadata.row_group(number).column(at)
            assert (chunk.path, chunk.values, chunk.unpacked) == (theirs.path_in_schema, theirs.num_values, theirs.total_uncompressed_size)
            assert chunk.end == (theirs.dictionary_page_offset or theirs.data_page_offset) + theirs.total_compressed_size
            assert (chunk.type == TEXT) == (theirs.physical_type == "BYTE_ARRAY")


@pytest.mark.parametrize("end", [b"", b"PAR1", b"\xff\xff\xff\xffPAR1", b"\x04\0\0\0PAR1", b"\x19\xfc\xff\xff\xff\x0f\x06\0\0\0PAR1"])
def test_a_footer_that_lies_is_damage(end: bytes) -> None:
    assert read(b"PAR1" + end, "parquet").why() == [Why.BROKEN]


def test_the_first_feather_is_told() -> None:
    assert format_of(b"FEA1" + bytes(100)) == "feather"
    assert read(b"FEA1" + bytes(100), "feather").why() == [Why.UNKNOWN]
