"""What the tests of both lake stores share."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

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
