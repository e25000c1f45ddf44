"""safetensors and TFRecord, written by hand after their formats."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest

from expunge.hunt.pieces import Account, Place, Rows, Why
from expunge.hunt.readers import arrays_models, arrays_signs
from expunge.hunt.readers.arrays import Damaged
from expunge.hunt.reading import Limits, Nested, Opened, Reading
from tests.hunt.readers.test_pickles import plain


def opened(raw: bytes) -> Opened:
    return Opened(Place("share", "x"), io.BytesIO(raw), len(raw), seekable=True, limits=Limits(), account=Account())


def split(reading: Reading) -> tuple[list[Rows], dict[str, bytes]]:
    rows, streams = [], {}
    for one in reading:
        if isinstance(one, Nested):
            streams[one.place.members[-1]] = one.file.read()
        elif isinstance(one, Rows):
            rows.append(one)
    return rows, streams


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"trained_on": "clips of Maya"}}
    body = b""
    for name, (kind, shape, held) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + len(held)]}
        body += held
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + body


def test_safetensors_are_vectors() -> None:
    values = np.arange(48, dtype="<f4").reshape(3, 16)
    halves = (values.view("<u4") >> 16).astype("<u2")
    raw = safetensors(
        {"emb": ("F32", [3, 16], values.tobytes()), "half": ("BF16", [3, 16], halves.tobytes()), "odd": ("F8_E4M3", [4], b"maya")}
    )
    assert arrays_signs.is_safetensors(raw, "x")
    rows, streams = split(arrays_models.read_safetensors(opened(raw)))
    assert {one.place.table: plain(one.columns[one.place.table or ""]) for one in rows} == {"emb": values.tolist(), "half": values.tolist()}
    assert streams["odd"] == b"maya"
    assert b"Maya" in streams["header.json"]


def test_a_tensor_outside_the_file_is_told() -> None:
    box = opened(safetensors({"emb": ("F32", [4], bytes(16))})[:-4])
    split(arrays_models.read_safetensors(box))
    assert [one.why for one in box.account.unread] == [Why.BROKEN]


def message(*fields: tuple[int, bytes]) -> bytes:
    return b"".join(bytes([number << 3 | 2]) + varint(len(held)) + held for number, held in fields)


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + struct.pack("<I", arrays_signs.masked(length)) + content + bytes(4)


def example(**features: bytes) -> bytes:
    return message((1, message(*((1, message((1, name.encode()), (2, held))) for name, held in features.items()))))


def test_examples_are_rows() -> None:
    clip = b"RIFF" + bytes(200)
    raws = [
        example(
            audio=message((1, message((1, clip)))),
            speaker=message((1, message((1, b"maya")))),
            age=message((3, message((1, varint(number) + varint(-7))))),
            emb=message((2, message((1, np.full(16, number, "<f4").tobytes())))),
        )
        for number in range(3)
    ]
    raw = b"".join(map(record, raws))
    assert arrays_signs.is_records(raw, "train-00000-of-00004")
    rows, streams = split(arrays_models.read_records(opened(raw)))
    assert streams["record1/audio"] == clip
    (table,) = [one for one in rows if one.place.table == "records"]
    assert plain(table.columns["speaker"]) == [b"maya"] * 3
    assert plain(table.columns["age.0"]) == [0, 1, 2]
    assert plain(table.columns["age.1"]) == [-7] * 3
    assert [plain(one.columns["emb"])[0][0] for one in rows if one.place.table == "emb"] == [0, 1, 2]


def test_other_records_are_as_they_are() -> None:
    rows, streams = split(arrays_models.read_records(opened(record(b"maya") + record(b"tom " * 40))))
    assert plain(rows[0].columns["record"]) == [b"maya"]
    assert streams["record1"] == b"tom " * 40


def test_a_wrong_checksum_ends_it() -> None:
    with pytest.raises(Damaged):
        split(arrays_models.read_records(opened(record(b"maya") + b"\0" * 40)))


def test_the_checksum_is_castagnolis() -> None:
    # The check value of CRC-32C, masked as TensorFlow does.
    value = 0xE3069283
    assert arrays_signs.masked(b"123456789") == ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF
