"""Embeddings are found again however they were stored; another recording of the same voice is not."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.hunt import chunks_native, pieces
from expunge.hunt.pieces import OVERLAP, Blob, Column, Numbers, Place, Rows, Texts
from expunge.hunt.prints import Kind, Matcher, Role, Sighting, Tier, Trace
from expunge.hunt.vectors import Vectors
from expunge.terms import FieldType

PLACE = Place("lake", table="t")
DIMENSIONS = 256
Floats = npt.NDArray[np.float64]


def unit(values: Floats) -> Floats:
    scaled: Floats = values / np.linalg.norm(values, axis=1, keepdims=True)
    return scaled


NEEDLES = unit(np.random.default_rng(1).normal(0, 1, (300, DIMENSIONS)))


def matcher(needles: Floats, each: int = 1) -> Matcher:
    family = Vectors()
    traces = [Trace(number // each, Role.VECTOR, "app.voices.embedding", "embedding", row) for number, row in enumerate(needles.tolist())]
    return family.matcher(list(family.take(traces)))


LOOK = matcher(NEEDLES)


def table(columns: dict[str, Column], rows: int) -> list[Sighting]:
    return list(LOOK.look(Rows(PLACE, columns, rows, first=10)))


def scan(content: bytes, window: int = 1 << 20) -> list[Sighting]:
    seen: list[Sighting] = []
    for start in range(0, len(content), window):
        first = max(0, start - OVERLAP)
        seen += LOOK.look(Blob(PLACE, first, content[first : start + window], start - first, last=start + window >= len(content)))
    return [*seen, *LOOK.close(PLACE)]


def texts(cells: Sequence[bytes]) -> Texts:
    return Texts(np.frombuffer(b"".join(cells), np.uint8), np.cumsum([0, *map(len, cells)]).astype(np.int64))


def found(seen: Sequence[Sighting]) -> set[int]:
    assert all(one.kind is Kind.VECTOR for one in seen)
    return {one.subject for one in seen if one.tier is Tier.FOUND}


ALL = set(range(len(NEEDLES)))
STEPS = np.round(NEEDLES / np.abs(NEEDLES).max(axis=1, keepdims=True) * 127)


@pytest.mark.parametrize(
    "copy", [NEEDLES, NEEDLES * 37, NEEDLES.astype(np.float16), NEEDLES.round(3), NEEDLES.round(4), STEPS], ids=lambda copy: str(copy.dtype)
)
def test_a_column_of_vectors(copy: Floats) -> None:
    turned = np.random.default_rng(2).permutation(len(copy))
    seen = table({"e": pieces.Vectors(copy[turned].astype(np.float32))}, len(copy))
    assert found(seen) == ALL
    assert {(one.subject, one.row) for one in seen} == {(int(needle), str(10 + row)) for row, needle in enumerate(turned)}


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2"])
def test_headless_floats(kind: str) -> None:
    content = b"header!" + NEEDLES.astype(kind).tobytes() + b"trailer"
    for window in (1 << 20, 30_011):
        seen = scan(content, window)
        assert len(found(seen)) >= 0.99 * len(ALL)
    size = np.dtype(kind).itemsize * DIMENSIONS
    assert all(one.offset == 7 + size * one.subject for one in seen if one.tier is Tier.FOUND)


def test_floats_between_other_bytes() -> None:
    noise = np.random.default_rng(3)
    content = b"".join(noise.bytes(int(noise.integers(1, 400))) + row.astype("<f4").tobytes() for row in NEEDLES)
    assert len(found(scan(content))) >= 0.99 * len(ALL)
    assert found(scan(pickle.dumps([row.astype(np.float32) for row in NEEDLES]))) == ALL
    halves = (NEEDLES.astype("<f4").view("<u4") >> 16).astype("<u2")
    assert len(found(scan(halves.tobytes()))) >= 0.99 * len(ALL)


@pytest.mark.parametrize("digits", [4, 8, 17])
def test_printed_lists(digits: int) -> None:
    lists = NEEDLES.round(digits).tolist()
    for content in (json.dumps(lists), json.dumps(lists, indent=2), "\n".join(" ".join(f"{one:.7e}" for one in row) for row in lists)):
        assert found(scan(b'{"vectors": ' + content.encode())) == ALL


def test_cells_that_hold_vectors() -> None:
    for cells in (
        [row.astype("<f4").tobytes() for row in NEEDLES],
        [b"\0\1\0\0" + row.astype(">f4").tobytes() for row in NEEDLES],  # pgvector's own form
        [("[" + ",".join(f"{one:g}" for one in row) + "]").encode() for row in NEEDLES],
        [row.astype(np.int8).tobytes() for row in STEPS],
        [(row - row.min()).astype(np.uint8).tobytes() for row in STEPS],
    ):
        seen = table({"id": texts([b"x"] * len(cells)), "e": texts(cells)}, len(cells))
        assert len(found(seen)) >= 0.99 * len(ALL)
        assert all(one.row == str(10 + one.subject) and one.place.column == "e" for one in seen if one.tier is Tier.FOUND)


def test_a_column_for_each_component() -> None:
    columns: dict[str, Column] = {"id": Numbers(np.arange(len(NEEDLES)))}
    printed: dict[str, Column] = {"name": texts([b"Ada"] * len(NEEDLES))}
    for index in range(DIMENSIONS):
        columns[f"e{index}"] = Numbers(NEEDLES[:, index], np.zeros(len(NEEDLES), np.bool_))
        printed[f"e{index}"] = texts([f" {one:.5f}".encode() for one in NEEDLES[:, index]])
    assert found(table(columns, len(NEEDLES))) == ALL
    assert found(table(printed, len(NEEDLES))) == ALL
    flat = NEEDLES.astype(np.float32).ravel()
    assert found(table({"value": Numbers(flat)}, flat.size)) == ALL


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.integers(24, 600), st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_any_length_and_scale(size: int, scale: float, seed: int) -> None:
    needles = np.random.default_rng(seed).normal(0, 1, (3, size))
    (row,) = {one.row for one in matcher(needles).look(Rows(PLACE, {"e": pieces.Vectors((needles[1:2] * scale).astype(np.float32))}, 1))}
    assert row == "0"


def test_another_utterance_of_the_same_voice_is_not_a_copy() -> None:
    random = np.random.default_rng(5)
    voices = random.normal(0, 1, (400, DIMENSIONS))
    for spread in (0.42, 0.23):  # cosines of .85 and .95 within a voice
        look = matcher(np.repeat(voices, 5, axis=0) + spread * random.normal(0, 1, (2_000, DIMENSIONS)), each=5)
        others = np.repeat(voices, 50, axis=0) + spread * random.normal(0, 1, (20_000, DIMENSIONS))
        assert not list(look.look(Rows(PLACE, {"e": pieces.Vectors(others.astype(np.float32))}, len(others))))


def test_a_model_that_gives_everybody_nearly_the_same_vector() -> None:
    random = np.random.default_rng(6)
    bias = 4 * random.normal(0, 1, DIMENSIONS)
    mine, others = (bias + random.normal(0, 0.5, (2_000, DIMENSIONS)) for _ in range(2))
    look = matcher(mine)
    assert not list(look.look(Rows(PLACE, {"e": pieces.Vectors(others.astype(np.float32))}, len(others))))
    copies = list(look.look(Rows(PLACE, {"e": pieces.Vectors(mine.astype(np.float16).astype(np.float32))}, len(mine))))
    assert len(found(copies)) >= 0.99 * len(mine)


def test_what_many_people_have_is_for_review() -> None:
    look = matcher(np.concatenate([np.repeat(NEEDLES[:1], 5, axis=0), NEEDLES[1:]]))
    seen = list(look.look(Rows(PLACE, {"e": pieces.Vectors(NEEDLES[:2].astype(np.float32))}, 2)))
    assert {one.tier for one in seen if one.row == "0"} == {Tier.REVIEW}
    assert [(one.subject, one.tier) for one in seen if one.row == "1"] == [(5, Tier.FOUND)]


def test_what_is_no_embedding_has_no_print() -> None:
    one_hot = np.eye(64)[:3].tolist()
    sound = np.random.default_rng(8).normal(0, 3_000, 4_000).astype("<i2").tobytes()
    values: list[Sequence[float] | bytes] = [
        [1.0] * 100,
        [0.0] * 100,
        [0.1, 0.2],
        [float("nan")] * 64,
        *one_hot,
        sound,
        b"not floats at all" * 16,
    ]
    traces = [Trace(0, Role.VECTOR, "a.b.c", "e", value, FieldType.BYTES) for value in values]
    assert not list(Vectors().take(traces))
    kept = [Trace(0, Role.VECTOR, "a.b.c", "e", NEEDLES[0].astype(kind).tobytes(), FieldType.BYTES) for kind in ("<f4", "<f8", "<f2")]
    for trace in kept:
        look = Vectors().matcher(list(Vectors().take([trace])))
        seen = list(look.look(Rows(PLACE, {"e": pieces.Vectors(NEEDLES[:1].astype(np.float32))}, 1)))
        assert found(seen) == {0}


def test_clean_content_shows_nothing() -> None:
    random = np.random.default_rng(9)
    text = b'{"time": "12:30:01.123456", "lat": 52.520008, "said": "play the next song"}\n' * 20_000
    floats = random.normal(0, 0.1, 1 << 18)
    for content in (random.bytes(4 << 20), text, floats.astype("<f4").tobytes(), json.dumps(floats.tolist()).encode()):
        assert not scan(content)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=40))
def test_numbers_are_read_as_json_prints_them(values: list[float]) -> None:
    text = np.frombuffer(json.dumps(values).encode(), np.uint8)
    read, starts, _, joined, _ = chunks_native.kernel("tracks_numbers_kernel").numbers(text, 1)
    small = [value for value in values if value == 0 or 1e-20 < abs(value) < 1e15]
    if len(small) == len(values):
        assert np.allclose(read, values, rtol=1e-12, atol=0)
        assert joined.tolist() == [False] + [True] * (len(values) - 1)
        assert starts.tolist() == sorted(starts.tolist())
