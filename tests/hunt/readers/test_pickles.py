"""Pickles: everything that Python can write is found again, and nothing that a pickle names is ever run."""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import decimal
import io
import os
import pickle
import struct
import tracemalloc
import uuid
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.hunt.pieces import Account, Numbers, Place, Rows, Texts, Vectors, Why
from expunge.hunt.readers import pickles
from expunge.hunt.readers.arrays import Damaged
from expunge.hunt.reading import Limits, Nested, Opened, Reading

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Found:
    """What a reader gave: rows by column, and streams by member."""

    def __init__(self, raw: bytes, name: str = "x.pkl", limits: Limits | None = None) -> None:
        self.account = Account()
        box = Opened(Place("share", name), io.BytesIO(raw), len(raw), seekable=True, limits=limits or Limits(), account=self.account)
        self.take(pickles.read(box))

    @classmethod
    def of(cls, reading: Reading) -> Found:
        self = cls.__new__(cls)
        self.take(reading)
        return self

    def take(self, reading: Reading) -> None:
        self.rows: list[Rows] = []
        self.streams: dict[str, bytes] = {}
        for piece in reading:
            if isinstance(piece, Nested):
                self.streams[piece.place.members[-1]] = piece.file.read()
            elif isinstance(piece, Rows):
                self.rows.append(piece)
                for column in piece.columns.values():
                    assert piece.rows == (len(column.offsets) - 1 if isinstance(column, Texts) else len(column.values))

    def column(self, name: str) -> list[Any]:
        return [value for piece in self.rows if name in piece.columns for value in plain(piece.columns[name])]

    def table(self, *names: str) -> Rows:
        (one,) = [piece for piece in self.rows if set(names) <= set(piece.columns)]
        return one

    def everything(self) -> bytes:
        texts = [str(value).encode() if not isinstance(value, bytes) else value for piece in self.rows for column in piece.columns.values()
                 for value in plain(column)]  # fmt: skip
        return b"\n".join([*texts, *self.streams.values()])


def plain(column: object) -> list[Any]:
    if isinstance(column, Texts):
        return [column.buffer[a:b].tobytes() for a, b in zip(column.offsets, column.offsets[1:], strict=False)]
    assert isinstance(column, Numbers | Vectors)
    return list(column.values.tolist())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_list_of_records_is_a_table(protocol: int) -> None:
    users = [{"profile_id": number, "email": f"u{number}@example.com", "pos": (52.0 + number, 4.3)} for number in range(3)]
    found = Found(pickle.dumps({"users": users, "note": None}, protocol))
    table = found.table("profile_id", "email", "pos.0", "pos.1")
    assert plain(table.columns["profile_id"]) == [0, 1, 2]
    assert plain(table.columns["email"]) == [b"u0@example.com", b"u1@example.com", b"u2@example.com"]
    assert plain(table.columns["pos.0"]) == [52.0, 53.0, 54.0]


class Clip:
    def __init__(self) -> None:
        self.speaker = "maya"
        self.transcript = "sing me the dragon song"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_attributes_and_their_kin_have_names(protocol: int) -> None:
    key = uuid.UUID("12345678-1234-5678-1234-567812345678")
    held = {"clip": Clip(), "when": dt.datetime(2024, 2, 3, 4, 5, 6, 7, tzinfo=dt.UTC), "day": dt.date(2024, 2, 3), "key": key,
            "sum": decimal.Decimal("1.50"), "ordered": collections.OrderedDict(serial="SN-1"), "score": np.float64(0.5)}  # fmt: skip
    found = Found(pickle.dumps(held, protocol))
    assert found.column("speaker") == [b"maya"]
    assert found.column("when") == [b"2024-02-03T04:05:06.000007"]
    assert found.column("day") == [b"2024-02-03"]
    assert str(key).encode() in found.column("key")
    assert found.column("sum") == [b"1.50"]
    assert found.column("serial") == [b"SN-1"]
    assert found.column("score") == [0.5]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_are_recognised(protocol: int) -> None:
    record = np.array([(7, "maya")], dtype=[("id", ">i4"), ("who", "U5")])
    held = {
        "emb": np.arange(48, dtype=">f4").reshape(3, 16),
        "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "record": record,
        "objects": np.array(["a", None, "c"], dtype=object),
        "when": np.array(["2024-01-01"], dtype="M8[s]"),
        "large": np.arange(40_000),
    }
    found = Found(pickle.dumps(held, protocol))
    assert found.column("emb") == np.arange(48.0).reshape(3, 16).tolist()
    assert found.column("turned.1") == [1.0, 4.0]
    assert b"maya" in found.column("who")
    assert found.column("objects") == [b"a", b"c"]
    assert found.column("when") == [1_704_067_200]
    assert found.column("large") == list(range(40_000))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bytes_are_streams_of_their_own(protocol: int) -> None:
    clip = b"RIFF" + bytes(range(256)) * 400
    found = Found(pickle.dumps({"audio": clip, "short": b"abc", "text": "tell me a story " * 9_000}, protocol))
    assert clip in found.streams.values()
    assert ("tell me a story " * 9_000).encode() in found.streams.values()
    assert any(member.startswith("audio@") for member in found.streams)
    assert b"abc" in found.everything()


def test_a_dictionary_by_person_is_keys_and_values() -> None:
    found = Found(pickle.dumps({f"user {number}@example.com": {"age": number} for number in range(300)}))
    assert found.column("key")[7] == b"user 7@example.com"
    assert found.column("age") == list(range(300))


def test_several_pickles_in_one_file_and_what_follows() -> None:
    found = Found(pickle.dumps({"a": 1}) + pickle.dumps({"b": "two"}) + b"\x00\x01the rest of it")
    assert found.column("a") == [1]
    assert found.column("b") == [b"two"]
    assert list(found.streams.values()) == [b"\x00\x01the rest of it"]


def test_arrow_tables_are_read_from_their_buffers() -> None:
    words = ["maya", None, "töm", "x" * 100] * 30_000
    found = Found(pickle.dumps(pa.table({"who": words, "n": list(range(len(words)))}).slice(1, 100_000), 5))
    assert found.column("value")[:4] == [b"", "töm".encode(), b"x" * 100, b"maya"]
    numbers = next(one for one in found.rows if one.place.table == "arrow2")
    assert plain(numbers.columns["value"])[:2] == [1, 2]


class _Frame:
    """Writes what pandas writes: the names of its calls, without pandas."""

    def __init__(self, call: str, *args: object) -> None:
        self.call = call
        self.args = args


_PICKLER: Any = pickle.__dict__["_Pickler"]
"""Python's own pickler in Python: the only one that can be made to write names of what isn't there; untyped, because it is private."""


def written(value: object, protocol: int = 4) -> bytes:
    """A pickle in which each ``_Frame`` stands for a call, by a pickler that writes names without importing them."""
    named: dict[object, str] = {}

    class Writer(_PICKLER):  # type: ignore[misc] # Any: see there
        def save_global(self, obj: object, name: str | None = None) -> None:
            if id(obj) in self.memo:
                self.write(self.get(self.memo[id(obj)][0]))
                return
            if obj not in named:
                super().save_global(obj, name)
                return
            module, _, plain_name = named[obj].rpartition(".")
            self.write(b"c" + module.encode() + b"\n" + plain_name.encode() + b"\n")
            self.memoize(obj)

        def persistent_id(self, obj: object) -> object:
            return obj if isinstance(obj, tuple) and obj and isinstance(obj[0], str) and obj[0] == "storage" else None

        def save(self, obj: object, save_persistent_id: object = 1) -> None:
            if callable(obj) and obj in named:
                self.save_global(obj)
                return
            if isinstance(obj, _Frame):
                if isinstance(obj, _Plain):
                    self.save_global(obj_of(obj.call))
                    return
                self.save_reduce(obj_of(obj.call), tuple(obj.args), obj=obj)
                return
            super().save(obj, save_persistent_id)

    made: dict[str, object] = {}

    def obj_of(name: str) -> object:
        if name not in made:
            made[name] = lambda: None
            named[made[name]] = name
        return made[name]

    out = io.BytesIO()
    writer = Writer(out, protocol)
    for kind in (np.ndarray, np.dtype, np._core.multiarray._reconstruct):  # type: ignore[attr-defined] # where NumPy's pickles point
        named[kind] = {np.ndarray: "numpy.ndarray", np.dtype: "numpy.dtype"}.get(kind, "numpy.core.multiarray._reconstruct")
    writer.dump(value)
    return out.getvalue()


class _Plain(_Frame):
    """The name alone."""


def index(labels: np.ndarray[Any, Any]) -> _Frame:
    return _Frame("pandas.core.indexes.base._new_Index", _Plain("pandas.core.indexes.base.Index"), {"data": labels, "name": None})


def test_a_frame_has_its_columns_names() -> None:
    numbers = np.asfortranarray(np.array([[52.1, 52.2, 52.3], [4.1, 4.2, 4.3]]))
    texts = np.array([["maya", "tom", None]], dtype=object)
    blocks = (
        _Frame("pandas._libs.internals._unpickle_block", numbers, _Frame("builtins.slice", 0, 4, 2), 2),
        _Frame("pandas._libs.internals._unpickle_block", texts, np.array([1]), 2),
    )
    rows = _Frame("pandas.core.indexes.base._new_Index", _Plain("pandas.core.indexes.range.RangeIndex"), {"start": 0, "stop": 3, "step": 1})
    axes = [index(np.array(["lat", "who", "lon"], dtype=object)), rows]
    frame = _Frame("pandas.core.internals.managers.BlockManager", blocks, axes)
    found = Found(written(frame, 2))
    table = found.table("lat", "who", "lon")
    assert table.place.table is not None
    assert plain(table.columns["lat"]) == [52.1, 52.2, 52.3]
    assert plain(table.columns["lon"]) == [4.1, 4.2, 4.3]
    assert plain(table.columns["who"]) == [b"maya", b"tom", b""]


def tensor(key: str, kind: str, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> _Frame:
    return _Frame(
        "torch._utils._rebuild_tensor_v2", ("storage", _Plain(f"torch.{kind}Storage"), key, "cpu", 0), offset, size, stride, 0, {}
    )


def test_a_torch_zip_gives_its_tensors() -> None:
    values = np.arange(200, dtype="<f4")
    state = {"emb": tensor("0", "Float", 8, (3, 16), (16, 1)), "turned": tensor("0", "Float", 0, (16, 3), (1, 16)),
             "half": tensor("1", "BFloat16", 0, (2, 8), (8, 1)), "ids": tensor("2", "Long", 0, (5,), (1,)), "epoch": 3}  # fmt: skip
    halves = (np.arange(16, dtype="<f4").view("<u4") >> 16).astype("<u2")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("model/data.pkl", written(state, 2))
        archive.writestr("model/byteorder", "little")
        for key, held in (("0", values), ("1", halves), ("2", np.arange(5, dtype="<i8"))):
            archive.writestr(f"model/data/{key}", held.tobytes())
        archive.writestr("model/data/9", b"RIFF of nobody")
    account = Account()
    box = Opened(Place("share", "m.pt"), out, len(out.getvalue()), seekable=True, limits=Limits(), account=account)
    (torch,) = [one for one in pickles.FORMATS if one.name == "torch"]
    assert torch.knows(out.getvalue()[:65536], "m.pt")
    found = Found.of(torch.read(box))
    assert found.column("emb") == values[8:56].reshape(3, 16).tolist()
    assert found.column("turned.1") == values[16:32].tolist()
    assert found.column("half") == np.arange(16.0).reshape(2, 8).tolist()
    assert found.column("ids") == list(range(5))
    assert found.column("epoch") == [3]
    assert found.streams["model/data/9"] == b"RIFF of nobody"
    assert not account.unread


def test_the_older_torch_form_gives_its_tensors() -> None:
    values = np.arange(64, dtype="<f8")
    content = written({"emb": tensor("94500", "Double", 0, (4, 16), (16, 1)), "who": "maya"}, 2)
    head = b"".join(pickle.dumps(one, 2) for one in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    found = Found(head + content + pickle.dumps(["94500"], 2) + struct.pack("<q", 64) + values.tobytes())
    assert found.column("emb") == values.reshape(4, 16).tolist()
    assert b"maya" in found.column("who")


def test_a_billion_laughs_are_told_once() -> None:
    levels = (b"(" + (b"h" + bytes([level])) * 10 + b"tq" + bytes([level + 1]) for level in range(90))
    bomb = b"\x80\x02](X\x03\x00\x00\x00hahe\x85q\x00" + b"".join(levels) + b"."
    assert Found(bomb).everything().count(b"hah") <= 2


@pytest.mark.parametrize(
    "claim",
    [
        b"\x80\x04\x8b\xff\xff\xff\x7f",
        b"\x80\x04\x8d" + b"\xff" * 8,
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40),
        b"\x80\x04B\xff\xff\xff\xff",
        b"\x80\x04\x96" + struct.pack("<Q", 1 << 60),
        b"\x80\x02}q\x00h\x00h\x00s.",
        b"\x80\x02t.",
        b"\x80\x02e.",
        b"\x80\x02(u.",
        b"\x80\x02R.",
        b"\x80\x02b.",
        b"\x80\x02(o.",
        b"\x80\x02\x93.",
        b"\x80\x04\x95" + b"\xff" * 8,
        b"I" + b"9" * 9_000_000 + b"\n.",
        b"(" * 2_000_000 + b"l.",
        b"\x80\x02" + b"(K\x01" * 30 + b".",
        b"\x80\x02]q\x00h\x00a.",
        b"\x80\x02q\x00.",
        b"F\xff\n.",
        b"Pmaya@example.com\n.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00zz\x85R.",
        b"\x80\x02c__builtin__\nslice\n(tR.",
        b"\x80\x04\x97.",
        b"g999999999999\n.",
        b"S'\n.",
    ],
)
def test_hostile_pickles_end_in_bounded_memory(claim: bytes) -> None:
    tracemalloc.start()
    with contextlib.suppress(Damaged):
        Found(claim)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 250 << 20


def test_nothing_is_ever_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Bomb:
        def __init__(self, call: Any, *args: object) -> None:
            self.made = (call, args)

        def __reduce__(self) -> Any:
            return self.made

    command = f"touch {canary}"
    for protocol in PROTOCOLS:
        for call, args in ((os.system, (command,)), (eval, (f"open({str(canary)!r}, 'w')",)), (exec, (f"open({str(canary)!r}, 'w')",))):
            found = Found(pickle.dumps({"x": Bomb(call, *args)}, protocol))
            assert str(canary).encode() in found.everything()
    Found(f"cos\nsystem\n(S'{command}'\ntR.".encode())
    Found(f"(S'{command}'\nios\nsystem\n.".encode())
    assert not canary.exists()


def test_a_pickle_that_breaks_off_gives_what_came_before() -> None:
    raw = pickle.dumps([{"email": f"u{number}@example.com"} for number in range(5_000)])
    box = Opened(Place("share", "x.pkl"), io.BytesIO(raw[:-500]), None, seekable=True, limits=Limits(), account=Account())
    reading, rows = pickles.read(box), 0

    def all_of_it() -> None:
        nonlocal rows
        for piece in reading:
            rows += piece.rows if isinstance(piece, Rows) and "email" in piece.columns else 0

    with pytest.raises(Damaged):
        all_of_it()
    assert rows > 4_900


def test_time_is_bounded_and_told() -> None:
    found = Found(pickle.dumps(list(range(3_000_000))), limits=Limits(seconds=0.0))
    assert [one.why for one in found.account.unread] == [Why.TOO_SLOW]


def test_out_of_band_buffers_are_told() -> None:
    found = Found(pickle.dumps({"a": np.arange(5_000)}, protocol=5, buffer_callback=lambda _held: False))
    assert [one.why for one in found.account.unread] == [Why.UNSUPPORTED]


def joblib_file(arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """What joblib writes: a wrapper that describes an array, bytes that align, and the array's bytes inside the pickle's stream."""
    out = io.BytesIO()
    out.write(b"\x80\x03}(")
    for name, values in arrays.items():
        out.write(b"X" + struct.pack("<I", len(name)) + name.encode())
        out.write(b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(X\x05\x00\x00\x00shape")
        out.write(pickle.dumps(values.shape, 2)[2:-1].replace(b"q\x00", b"") + b"X\x05\x00\x00\x00orderX\x01\x00\x00\x00C")
        kind = values.dtype.str[1:].encode()
        out.write(
            b"X\x05\x00\x00\x00dtypecnumpy\ndtype\nX"
            + struct.pack("<I", len(kind))
            + kind
            + b"\x89\x88\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        )
        out.write(b"X\x1b\x00\x00\x00numpy_array_alignment_bytesK\x10ub")
        pad = 16 - (out.tell() + 1) % 16
        out.write(bytes([pad]) + b"\xff" * pad + (pickle.dumps(values, 2) if values.dtype.hasobject else values.tobytes()))
    out.write(b"u.")
    return out.getvalue()


def test_joblib_arrays_lie_in_the_stream() -> None:
    values = np.arange(64, dtype="<f4").reshape(4, 16)
    found = Found(joblib_file({"emb": values, "ids": np.arange(9, dtype="<i8")}), "x.joblib")
    assert found.column("emb") == values.tolist()
    assert found.column("ids") == list(range(9))


LEAVES = st.one_of(st.text(max_size=90), st.integers(-(2**70), 2**70), st.binary(max_size=90), st.booleans(), st.none())
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(max_size=9), st.integers(0, 99), st.sampled_from(["profile_id", "email"])), inner, max_size=4),
        st.frozensets(LEAVES, max_size=4),
    ),
    max_leaves=12,
)


def leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for pair in value.items() for one in pair for leaf in leaves(one)]
    if isinstance(value, list | tuple | frozenset):
        return [leaf for one in value for leaf in leaves(one)]
    return [value]


@given(TREES, st.sampled_from(list(PROTOCOLS)))
@settings(deadline=None, max_examples=400, derandomize=True)
def test_every_leaf_of_anything_is_given(value: object, protocol: int) -> None:
    given_back = Found(pickle.dumps(value, protocol)).everything()
    for leaf in leaves(value):
        if isinstance(leaf, str):
            assert leaf.encode("utf-8", "surrogatepass") in given_back
        elif isinstance(leaf, bytes):
            assert leaf in given_back
        elif isinstance(leaf, int) and not isinstance(leaf, bool):
            assert str(leaf).encode() in given_back or str(float(leaf)).encode() in given_back
