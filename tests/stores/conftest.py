"""Media that several tests of the kit itself stand on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import cast

import pytest

from expunge.stores.base import Store
from expunge.terms import Field, FieldType, Shape
from expunge.testing.harness import Harness, Row
from expunge.testing.memory import Content, Medium, MemoryStore

RENAMED = {"id": "id", "owner": "who", "number": "number", "body": "said", "at": "at"}
TYPES = {
    "id": FieldType.INTEGER,
    "owner": FieldType.TEXT,
    "number": FieldType.INTEGER,
    "body": FieldType.TEXT,
    "at": FieldType.TIME,
}


class MemoryHarness(Harness):
    """The in-memory store's medium; two fields have another name than the population's, so that the laws prove to map them."""

    fields: Mapping[str, str] = RENAMED
    bulk = 330

    def __init__(self) -> None:
        self.shape = Shape("notes", tuple(Field(RENAMED[name], kind) for name, kind in TYPES.items()), primary_key=("id",))
        self.medium = Medium([self.shape])

    def open(self) -> Store:
        return MemoryStore(self.medium)

    def seed(self, rows: Iterable[Row]) -> None:
        self.medium.clear("notes")
        self.medium.put("notes", ({RENAMED[name]: getattr(row, name) for name in RENAMED} for row in rows))

    def dump(self) -> list[Row]:
        return [_row(record) for record in self.medium.dump("notes")]

    def raw(self) -> Iterator[tuple[str, bytes]]:
        return self.medium.raw()

    def outage(self) -> AbstractContextManager[None]:
        return self.medium.outage()

    @contextmanager
    def drift(self) -> Iterator[None]:
        fields = tuple(field for field in self.shape.fields if field.name != "who")
        self.medium.shapes["notes"] = Shape("notes", fields, primary_key=("id",))
        yield
        self.medium.shapes["notes"] = self.shape


def _row(record: Content) -> Row:
    return Row(
        id=cast("int", record["id"]),
        owner=cast("str | None", record["who"]),
        number=cast("int | None", record["number"]),
        body=cast("str | None", record["said"]),
        at=cast("datetime", record["at"]),
    )


@pytest.fixture
def memory_harness() -> MemoryHarness:
    """An empty medium in memory."""
    return MemoryHarness()
