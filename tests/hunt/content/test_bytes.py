"""Bodies are found again by their bytes, whole or in part, in whatever holds them; what many have in common is not."""

from __future__ import annotations

import io
import pickle
import sqlite3
import struct
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.errors import MissingExtra
from expunge.hunt import chunks_native
from expunge.hunt.chunks import Bytes
from expunge.hunt.chunks_prints import content_start
from expunge.hunt.pieces import OVERLAP, Blob, Place, Rows, Texts
from expunge.hunt.prints import Kind, Matcher, Role, Sighting, Tier, Trace
from expunge.terms import FieldType

PLACE = Place("share", "dump.bin")


def clip(seed: int, samples: int) -> bytes:
    """A recording: noise that a filter has made less than noise, as 16-bit samples after a WAV header."""
    noise = np.random.default_rng(seed).normal(0, 800, samples)
    sound = (noise + np.roll(noise, 1) + np.roll(noise, 2)).astype("<i2").tobytes()
    return b"RIFF" + struct.pack("<I", len(sound) + 36) + b"WAVEfmt " + bytes(24) + b"data" + struct.pack("<I", len(sound)) + sound


CLIPS = [clip(seed, 600 + 400 * seed) for seed in range(40)]


def matcher(bodies: Sequence[bytes], subjects: Sequence[int] | None = None) -> Matcher:
    subjects = subjects or range(len(bodies))
    family = Bytes()
    traces = [Trace(one, Role.BODY, "media.clips.body", "body", body, FieldType.BYTES) for one, body in zip(subjects, bodies, strict=True)]
    return family.matcher(list(family.take(traces)))


def scan(look: Matcher, content: bytes, window: int = 1 << 20) -> list[Sighting]:
    """As the engine does it: windows that overlap, then the end of the place."""
    seen: list[Sighting] = []
    for start in range(0, max(1, len(content)), window):
        first = max(0, start - OVERLAP)
        piece = Blob(PLACE, first, content[first : start + window], start - first, last=start + window >= len(content))
        seen += look.look(piece)
    return [*seen, *look.close(PLACE)]


def found(seen: Sequence[Sighting]) -> set[int]:
    return {one.subject for one in seen if one.tier is Tier.FOUND}


def in_tar(bodies: Sequence[bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for number, body in enumerate(bodies):
            member = tarfile.TarInfo(f"{number}.wav")
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return held.getvalue()


def in_zip(bodies: Sequence[bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as stored:
        for number, body in enumerate(bodies):
            stored.writestr(f"{number}.wav", body)
    return held.getvalue()


def in_sqlite(bodies: Sequence[bytes], folder: Path) -> bytes:
    database = sqlite3.connect(folder / "clips.db")
    database.execute("create table clips (id integer primary key, body blob)")
    database.executemany("insert into clips (body) values (?)", [(body,) for body in bodies])
    database.commit()
    database.close()
    return (folder / "clips.db").read_bytes()


def test_every_clip_is_found_in_containers_that_do_not_compress(tmp_path: Path) -> None:
    look = matcher(CLIPS)
    headless = b"".join(body[44:] for body in CLIPS)
    for held in (in_tar(CLIPS), in_zip(CLIPS), pickle.dumps(CLIPS), in_sqlite(CLIPS, tmp_path), headless):
        assert found(scan(look, held)) == set(range(len(CLIPS)))


def test_a_copy_is_placed_where_it_lies() -> None:
    body = CLIPS[30]
    (seen,) = scan(matcher([body]), bytes(10_000) + body + bytes(10_000))
    assert seen.kind is Kind.BYTES
    assert seen.offset is not None
    assert 10_000 <= seen.offset <= 10_000 + 4_096
    assert len(body) * 0.7 < seen.length <= len(body)


def test_small_windows_lose_nothing() -> None:
    held = in_tar(CLIPS)
    for window in (4_096, 10_007, 1 << 22):
        assert found(scan(matcher(CLIPS), held, window)) == set(range(len(CLIPS)))


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(20_000, 60_000), st.integers(0, 5_000), st.floats(0, 0.5), st.integers(1_000, 9_000))
def test_half_of_a_clip_is_found_wherever_it_is_cut(samples: int, before: int, cut: float, window: int) -> None:
    body = clip(samples, samples)
    start = int(len(body) * cut)
    held = np.random.default_rng(before).bytes(before) + body[start : start + len(body) // 2]
    assert found(scan(matcher([body]), held, window)) == {0}


def test_cells_are_found_by_row_whole_or_in_part() -> None:
    cells = [b"", CLIPS[3], b"x" * 500, CLIPS[20], b"head" + CLIPS[25][1_000:], b"GIF89a"]
    ends = np.cumsum([0, *map(len, cells)]).astype(np.int64)
    column = Texts(np.frombuffer(b"".join(cells), np.uint8), ends)
    place = Place("old", table="public.clips")
    seen = list(matcher(CLIPS).look(Rows(place, {"body": column}, len(cells), first=100)))
    assert {(one.subject, one.row, one.place.column) for one in seen} == {(3, "101", "body"), (20, "103", "body"), (25, "104", "body")}
    assert {one.form for one in seen if one.subject != 25} == {"the whole content"}


def test_a_body_of_less_than_a_window_is_found_inside_others() -> None:
    small = [np.random.default_rng(seed).bytes(400 + 60 * seed) for seed in range(40)]
    seen = scan(matcher(small), b"--".join([bytes(777), *small, bytes(5)]), window=5_000)
    assert len(found(seen)) >= 0.97 * len(small)
    assert all(one.strength == 1.0 and one.length == len(small[one.subject]) for one in seen if one.tier is Tier.FOUND)


def test_silence_padding_and_short_values_are_no_prints() -> None:
    dull = [b"", b"yes", bytes(40), bytes(50_000), b"\xff\xfe" * 9_000, b" " * 100]
    clean = bytes(100_000) + b"\xff\xfe" * 50_000 + b" " * 100_000
    assert not scan(matcher(dull), clean)
    assert all(one.tier is Tier.REVIEW for one in scan(matcher(dull), bytes(50_000)))


def test_what_everybody_has_is_for_review_only() -> None:
    hold_music = clip(99, 30_000)
    seen = scan(matcher([hold_music] * 5), hold_music)
    assert {one.tier for one in seen} == {Tier.REVIEW}
    two = scan(matcher([hold_music] * 2), hold_music)
    assert [one.subject for one in two if one.tier is Tier.FOUND] == [0, 1]


def test_a_preamble_that_bodies_share_is_not_found() -> None:
    preamble = np.random.default_rng(1).bytes(3_000)
    bodies = [preamble + clip(seed, 5_000) for seed in range(12)]
    assert not found(scan(matcher(bodies), preamble + clip(500, 20_000)))


def test_clean_bytes_show_nothing() -> None:
    clean = np.random.default_rng(7).bytes(8 << 20)
    assert not scan(matcher(CLIPS), clean)
    assert not scan(matcher(CLIPS), in_tar([clip(seed, 3_000) for seed in range(1_000, 1_100)]))


def test_a_jpeg_begins_at_its_scan() -> None:
    tables = b"\xff\xd8" + b"\xff\xe0\x00\x10" + bytes(14) + b"\xff\xdb\x00\x43" + bytes(65)
    assert content_start(tables + b"\xff\xda\x00\x08" + bytes(100)) == len(tables)
    assert content_start(tables) == 0
    assert content_start(b"RIFF") == 0


def test_pages_are_plain_arrays_and_the_same_each_time() -> None:
    traces = [Trace(0, Role.BODY, "a.b.c", "body", CLIPS[5], FieldType.BYTES), Trace(0, Role.TEXT, "a.b.c", "said", "play music")]
    pages = list(Bytes().take(traces))
    assert pages == list(Bytes().take(traces))
    assert CLIPS[5][200:260] not in b"".join(pages)
    assert not list(Bytes().take(traces[1:]))
    assert not scan(Bytes().matcher([]), CLIPS[5])


def test_without_a_compiler_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(name="numba")

    monkeypatch.setattr(chunks_native, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"expunge\[hunt\]"):
        chunks_native.kernel("chunks_kernel")
