"""The in-memory store keeps every law, and fails as its script says."""

from __future__ import annotations

import pytest

from expunge.errors import Conflict, Full, StoreError, Unavailable
from expunge.stores.base import Counter, Reader
from expunge.terms import Field, FieldType, Method, Selector, Shape, Step
from expunge.testing.conformance import Harness, StoreLaws
from expunge.testing.memory import Medium, MemoryStore

SHAPE = Shape("people", (Field("id", FieldType.TEXT), Field("name", FieldType.TEXT)), primary_key=("id",))
EVERYBODY = Selector("people", any_of={"name": frozenset({"ann"})})


class TestMemory(StoreLaws):
    @pytest.fixture
    def harness(self, memory_harness: Harness) -> Harness:
        return memory_harness


def _medium(count: int, script: str) -> tuple[Medium, Step]:
    medium = Medium([SHAPE], script)
    medium.put("people", [{"id": str(number), "name": "ann"} for number in range(count)])
    addresses = tuple(address for batch in MemoryStore(medium).locate(EVERYBODY) for address in batch.addresses)
    return medium, Step("people", Method.DELETE, EVERYBODY, addresses)


def test_a_script_fails_before_and_after_a_batch() -> None:
    medium, step = _medium(5, ".Uc.F")
    done = 0
    announced = []
    failures = []
    while done < 5:
        batches = MemoryStore(medium, batch=2).erase(Step("people", Method.DELETE, EVERYBODY, step.addresses[done:]))
        try:
            for count in batches:
                done += count
                announced.append((done, 5 - len(medium.dump("people"))))
        except StoreError as error:
            failures.append(type(error))
    assert failures == [Unavailable, Conflict, Full]
    assert done == 5
    assert announced == [(2, 2), (4, 4), (5, 5)]
    assert medium.script == ""


def test_a_failure_after_a_batch_has_erased_what_it_did_not_announce() -> None:
    medium, step = _medium(2, "u")
    with pytest.raises(Unavailable):
        next(MemoryStore(medium).erase(step))
    assert medium.dump("people") == []
    assert sum(MemoryStore(medium).erase(step)) == 2


def test_it_counts_and_reads() -> None:
    medium, step = _medium(1, "")
    store = MemoryStore(medium)
    assert isinstance(store, Reader)
    assert isinstance(store, Counter)
    assert [record.fields for record in store.read("people", step.addresses)] == [{"id": "0", "name": "ann"}]
    assert store.statements > 0
