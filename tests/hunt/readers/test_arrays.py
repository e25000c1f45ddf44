"""Arrays on disk: every type and shape that NumPy writes, read back as rows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from expunge.hunt.pieces import Account, Blob, Media, Numbers, Place, Rows, Texts, Vectors, Why
from expunge.hunt.readers import arrays
from expunge.hunt.reading import Limits, Nested, Opened


def opened(raw: bytes, name: str = "x.npy") -> Opened:
    return Opened(Place("share", name), io.BytesIO(raw), len(raw), seekable=True, limits=Limits(), account=Account())


def saved(values: npt.NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def rows_of(raw: bytes) -> list[Rows]:
    return [one for one in arrays.read_npy(opened(raw)) if isinstance(one, Rows)]


def texts(column: object) -> list[bytes]:
    assert isinstance(column, Texts)
    return [column.buffer[a:b].tobytes() for a, b in zip(column.offsets, column.offsets[1:], strict=False)]


def numbers(column: object) -> npt.NDArray[Any]:
    assert isinstance(column, Numbers)
    return column.values


def vectors(pieces: list[Rows], name: str = "value") -> npt.NDArray[np.float32]:
    held = [one.columns[name] for one in pieces]
    return np.concatenate([one.values for one in held if isinstance(one, Vectors)])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", ">i2"])
def test_a_wide_matrix_is_vectors(dtype: str, order: Any) -> None:
    values = np.array(np.random.default_rng(1).integers(-9, 9, (5, 40)), dtype=dtype, order=order)
    assert np.array_equal(vectors(rows_of(saved(values))), values.astype(np.float32))


def test_large_matrices_come_in_batches_that_join() -> None:
    values = np.arange(30_000 * 64, dtype=np.float32).reshape(30_000, 64)
    pieces = rows_of(saved(values))
    assert len(pieces) > 1
    assert [one.first for one in pieces] == [0, *np.cumsum([one.rows for one in pieces])[:-1]]
    assert np.array_equal(vectors(pieces), values)


def test_a_track_of_two_columns_is_a_table() -> None:
    (piece,) = rows_of(saved(np.array([[52.1, 4.3], [52.2, 4.4]])))
    assert list(piece.columns) == ["value.0", "value.1"]
    assert numbers(piece.columns["value.1"]).tolist() == [4.3, 4.4]


def test_records_are_columns() -> None:
    record = np.dtype([("id", ">i8"), ("name", "U9"), ("fix", "f4", (2,)), ("deep", [("when", "M8[s]")])])
    values = np.zeros(3, dtype=record)
    values["id"], values["name"] = [7, 8, 9], ["maya", "töm", ""]
    values["deep"]["when"] = np.array(["2024-01-01", "NaT", "2024-01-02"], dtype="M8[s]")
    (piece,) = rows_of(saved(values))
    assert numbers(piece.columns["id"]).tolist() == [7, 8, 9]
    assert texts(piece.columns["name"]) == [b"maya", "töm".encode(), b""]
    assert set(piece.columns) == {"id", "name", "fix.0", "fix.1", "when"}
    when = piece.columns["when"]
    assert isinstance(when, Numbers)
    assert when.missing is not None
    assert when.missing.tolist() == [False, True, False]


def test_numbers_beyond_float32_are_no_fault() -> None:
    assert np.isinf(vectors(rows_of(saved(np.full((2, 8), 1e300))))).all()


def test_objects_are_handed_on_as_a_pickle() -> None:
    (nested,) = arrays.read_npy(opened(saved(np.array(["a", None], dtype=object))))
    assert isinstance(nested, Nested)
    assert nested.file.read(2) == b"\x80\x04"


def test_bytes_are_a_stream() -> None:
    (nested,) = arrays.read_npy(opened(saved(np.frombuffer(b"RIFF....WAVE", dtype=np.uint8))))
    assert isinstance(nested, Nested)
    assert nested.file.read() == b"RIFF....WAVE"


def test_a_cut_array_is_told_and_what_is_there_is_given() -> None:
    box = opened(saved(np.arange(100, dtype=np.int64))[:-100])
    (piece,) = arrays.read_npy(box)
    assert isinstance(piece, Rows)
    assert piece.rows == 87
    assert [one.why for one in box.account.unread] == [Why.BROKEN]


@pytest.mark.parametrize("shape", ["(-1,)", "(1 << 70,)", "'x'", "(9" * 50])
def test_an_impossible_header_is_refused(shape: str) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
    with pytest.raises((ValueError, SyntaxError)):
        list(arrays.read_npy(opened(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)))


def test_a_claimed_size_costs_nothing() -> None:
    text = b"{'descr': '<f8', 'fortran_order': True, 'shape': (1000000000, 100000)}"
    box = opened(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(80))
    assert sum(one.rows for one in arrays.read_npy(box) if isinstance(one, Rows)) == 10
    assert box.account.unread[0].why is Why.BROKEN


def test_npz_columns_of_one_length_are_one_table() -> None:
    out = io.BytesIO()
    np.savez_compressed(
        out, lat=np.array([52.1, 52.2]), lon=np.array([4.3, 4.4]), emb=np.ones((2, 16), np.float32), names=np.array(["a", "b"])
    )
    pieces = list(arrays.read_npz(opened(out.getvalue(), "x.npz")))
    (nested,) = [one for one in pieces if isinstance(one, Nested)]
    assert nested.place.members == ("emb.npy",)
    (table,) = [one for one in pieces if isinstance(one, Rows)]
    assert set(table.columns) == {"lat", "lon", "names"}


@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(max_dims=3, max_side=20), fill=st.nothing()))
@settings(deadline=None, max_examples=150, derandomize=True)
def test_any_array_is_given_whole(values: npt.NDArray[Any]) -> None:
    pieces: Iterator[Any] = iter(arrays.read_npy(opened(saved(values))))
    for piece in pieces:
        if isinstance(piece, Rows):
            for column in piece.columns.values():
                assert len(column.offsets) - 1 == piece.rows if isinstance(column, Texts) else len(column.values) == piece.rows
        assert not isinstance(piece, Blob | Media)


@given(st.lists(st.text(max_size=6), min_size=1))
@settings(deadline=None, derandomize=True)
def test_texts_are_as_they_were(words: list[str]) -> None:
    values = np.array([word.rstrip("\0").encode(errors="ignore").decode() for word in words])
    (piece,) = rows_of(saved(values))
    assert texts(piece.columns["value"]) == [str(one).encode() for one in values]
