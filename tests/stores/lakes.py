"""What the tests of both lake stores share."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import pyarrow as pa

from expunge.stores.base import Store
from expunge.terms import Method, Selector, Step, Value

MARK = "qzv7k2mw94xj"
"""A person's key, looked for in the bytes."""

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        ("owner", pa.string()),
        ("number", pa.int32()),
        ("body", pa.string()),
        ("at", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True)
class Placed:
    """A collection's layout, as the policy would give it."""

    name: str
    path: str
    field_names: tuple[str, ...] = ()

    @property
    def layout(self) -> dict[str, object]:
        return {"path": self.path}


def vector(table: Path, name: str, rows: Iterable[int]) -> None:
    """Mark rows of a data file as deleted by a deletion vector, as other engines do; ``deltalake`` reads them and writes none."""
    log = sorted(table.glob("_delta_log/*.json"))
    adds = [json.loads(line)["add"] for commit in log for line in commit.read_text().splitlines() if '"add"' in line]
    add = next(one for one in reversed(adds) if one["path"] == name)
    dead = sorted(rows)
    held, number = _bitmap(dead), uuid4()
    (table / f"deletion_vector_{number}.bin").write_bytes(b"\x01" + struct.pack(">I", len(held)) + held + struct.pack(">I", crc32(held)))
    marked = {
        "storageType": "u",
        "pathOrInlineDv": _z85(number.bytes),
        "offset": 1,
        "sizeInBytes": len(held),
        "cardinality": len(dead),
    }
    gone = {key: add[key] for key in ("path", "partitionValues", "size")} | {"deletionTimestamp": 0, "dataChange": True}
    loose = add | {"stats": json.dumps({**json.loads(add["stats"]), "tightBounds": False}), "deletionVector": marked}
    lines = [{"commitInfo": {"operation": "DELETE"}}, {"remove": gone}, {"add": loose}]
    (table / f"_delta_log/{int(log[-1].stem) + 1:020}.json").write_text("\n".join(map(json.dumps, lines)))


def _bitmap(rows: list[int]) -> bytes:
    """A 64-bit Roaring bitmap of one array container (rows below 65,536), in the protocol's framing."""
    inner = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + struct.pack(f"<{len(rows)}H", *rows)
    return struct.pack("<IQI", 1681511377, 1, 0) + inner


def _z85(held: bytes) -> str:
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    numbers = struct.unpack(f">{len(held) // 4}I", held)
    return "".join(alphabet[number // 85**power % 85] for number in numbers for power in range(4, -1, -1))


def whose(*values: Value, field: str = "id", **more: Any) -> Selector:
    return Selector("notes", any_of={field: frozenset(values)}, **more)


def addresses(store: Store, selector: Selector) -> tuple[str, ...]:
    return tuple(one for batch in store.locate(selector) for one in batch.addresses)


def erase(store: Store, selector: Selector, method: Method = Method.DELETE, fields: Sequence[str] = (), **repoint: Value) -> list[int]:
    return list(store.erase(Step("notes", method, selector, addresses(store, selector), tuple(fields), repoint)))
