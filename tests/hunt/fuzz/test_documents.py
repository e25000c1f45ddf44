"""Documents, models and arrays, damaged: nothing runs, nothing hangs, nothing escapes the engine, and memory stays bounded."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from expunge.hunt.pieces import Account, Blob, Media, Place, Rows
from expunge.hunt.reading import Limits
from expunge.hunt.unwrap import unwrap
from tests.hunt.readers.test_arrays_models import example as features
from tests.hunt.readers.test_arrays_models import record, safetensors
from tests.hunt.readers.test_notebooks import BOOK
from tests.hunt.readers.test_office import compound, workbook, zipped
from tests.hunt.readers.test_pdf import drawn

LIMITS = Limits(seconds=20.0, expansion_free=64 << 20)
RECORDS = [{"email": f"u{number}@example.com", "pos": (52.0, 4.0), "clip": bytes(80)} for number in range(40)]


def npy(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def npz() -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, lat=np.arange(9.0), emb=np.ones((3, 16), np.float32))
    return out.getvalue()


def torch() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps({"epoch": 3}, 2))
        archive.writestr("m/data/0", bytes(400))
    return out.getvalue()


SEEDS: dict[str, Callable[[], bytes]] = {
    "a.npy": lambda: npy(np.arange(200.0).reshape(20, 10)),
    "r.npy": lambda: npy(np.zeros(9, dtype=[("id", "<i4"), ("who", "U5")])),
    "o.npy": lambda: npy(np.array(["maya", None], dtype=object)),
    "a.npz": npz,
    "0.pkl": lambda: pickle.dumps({"rows": RECORDS, "arr": np.arange(9.0)}, 0),
    "2.pkl": lambda: pickle.dumps({"rows": RECORDS, "arr": np.ones((4, 16))}, 2),
    "5.pkl": lambda: pickle.dumps({"rows": RECORDS, "arr": np.array([(1, "x")], dtype="i4,U4")}, 5),
    "m.pt": torch,
    "m.safetensors": lambda: safetensors({"emb": ("F32", [3, 16], bytes(192))}),
    "x.tfrecord": lambda: record(features(who=b"\n\x06\n\x04maya")) * 5,
    "x.ipynb": lambda: json.dumps(BOOK).encode(),
    "x.pdf": lambda: drawn(b"BT /F 9 Tf [(Ma)-20(ya was here)] TJ ET"),
    "x.xlsx": lambda: workbook('<row r="1"><c r="A1" t="s"><v>0</v></c><c><v>17</v></c></row>', "<si><t>maya</t></si>"),
    "x.docx": lambda: zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": "<w:p><w:t>maya</w:t></w:p>"}),
    "x.msg": lambda: compound({"WordDocument": b"maya" * 1_500, "__substg1.0_0037001F": "maya".encode("utf-16-le")}),
    "x.rtf": lambda: rb"{\rtf1\ansi\ansicpg932 {\b Ma}ya \'93\'8c \u-10179?\u-8704? \par}",
    "x.html": lambda: b"<!DOCTYPE html><p><b>Ma</b>ya <!-- x --> <script>1</script> <![CDATA[y]]> &amp;</p>" * 20,
    "x.svg": lambda: b"<?xml version='1.0'?><svg><text>maya</text></svg>",
}
RAW = {name: made() for name, made in SEEDS.items()}

EDITS = st.lists(
    st.tuples(st.sampled_from(["flip", "cut", "drop", "repeat", "grow", "splice"]), st.integers(0, 1 << 16), st.integers(0, 255)),
    max_size=6,
)


def damaged(raw: bytes, edits: list[tuple[str, int, int]]) -> bytes:
    """The file with some bytes changed, lost, repeated, made to claim much, or taken from another format."""
    held = bytearray(raw)
    others = list(RAW.values())
    for kind, where, what in edits:
        at = where % max(len(held), 1)
        if kind == "flip" and held:
            held[at] ^= what or 1
        elif kind == "cut":
            del held[at:]
        elif kind == "drop":
            del held[at : at + what]
        elif kind == "repeat":
            held[at:at] = bytes(held[at : at + what]) * 3
        elif kind == "grow":
            held[at : at + 4] = struct.pack("<I", 0xFFFFFFFF >> what % 24)
        else:
            held[at:at] = others[what % len(others)][:200]
    return bytes(held)


def consumed(raw: bytes, name: str, limits: Limits = LIMITS) -> Account:
    account = Account()
    for piece in unwrap(io.BytesIO(raw), Place("share", name), size=len(raw), limits=limits, account=account):
        if isinstance(piece, Media):
            with piece.open() as file:
                file.read(100)
        elif isinstance(piece, Rows):
            assert piece.rows >= 0
        elif isinstance(piece, Blob):
            assert len(piece.data) >= piece.overlap
    return account


@pytest.mark.parametrize("name", SEEDS)
def test_whole_files_are_read_without_a_complaint(name: str) -> None:
    account = consumed(RAW[name], name)
    assert [one.why.name for one in account.unread if one.why.name in {"BROKEN", "TOO_SLOW", "TOO_LARGE", "EXTRA"}] == []


@pytest.mark.parametrize("name", SEEDS)
@given(edits=EDITS)
@example(edits=[("grow", 30, 0)])
@settings(deadline=None, max_examples=25, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_damaged_files_end(name: str, edits: list[tuple[str, int, int]]) -> None:
    consumed(damaged(RAW[name], edits), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEDS)
@given(edits=EDITS)
@settings(deadline=None, max_examples=600, derandomize=True, suppress_health_check=list(HealthCheck))
def test_many_damaged_files_end(name: str, edits: list[tuple[str, int, int]]) -> None:
    consumed(damaged(RAW[name], edits), name)


OPCODES = bytes(code for code in range(256) if bytes([code]) in b"(.012FIJKLMNPQRSTUVXabcdeghijlopqrstu})]BC" or 0x80 <= code <= 0x98)


NAMED = [
    b"cos\nsystem\n",
    b"X\x04\x00\x00\x00maya",
    b"K\x01",
    b"q\x00",
    b"h\x00",
    b"\x94",
    b"cnumpy\ndtype\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
]
PARTS = st.one_of(st.sampled_from([bytes([code]) for code in OPCODES]), st.binary(max_size=3), st.sampled_from(NAMED))


@given(st.lists(PARTS, max_size=60))
@settings(deadline=None, max_examples=600, derandomize=True)
def test_any_opcodes_are_inert(parts: list[bytes]) -> None:
    consumed(b"\x80\x04" + b"".join(parts) + b".", "x.pkl")


@pytest.mark.parametrize("name", ["x.pkl", "x.npy", "x.html", "x.docx", "x.pdf"])
def test_memory_stays_bounded(name: str) -> None:
    hostile = {
        "x.pkl": b"\x80\x04" + b"]\x94(" * 20_000 + b"N" * 500_000,
        "x.npy": b"\x93NUMPY\x01\x00\x50\x00"
        + b"{'descr': '<f8', 'fortran_order': True, 'shape': (99999999, 99999)}".ljust(80)
        + bytes(999),
        "x.html": b"<html>" + b"<a><!--" * 100_000,
        "x.docx": zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": "<w:p>" + "<w:t>" * 100_000}),
        "x.pdf": drawn(b"BT /F 9 Tf " + b"(ma) Tj " * 3_000 + b"ET"),
    }
    raw = hostile[name]
    tracemalloc.start()
    consumed(raw, name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 400 << 20


def test_a_bomb_of_a_model_is_inert(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    body = f"cos\nsystem\n(S'touch {canary}'\ntR.".encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("m/data.pkl", body)
    objects = b"\x93NUMPY\x01\x00\x50\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}".ljust(80) + body
    for raw, name in ((body, "x.pkl"), (out.getvalue(), "x.pt"), (objects, "x.npy")):
        consumed(raw, name)
    assert not canary.exists()
