"""Work that is spread over processes: the laws with a fleet of two, and what is announced when one of several files can't be rewritten."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from expunge.errors import Conflict, Full
from expunge.runtime.fleet import Processes
from expunge.stores.base import Splits, Store
from expunge.stores.delta import DeltaStore
from expunge.stores.jsonl import JsonLines
from expunge.stores.parquet import ParquetStore
from expunge.stores.shares import SHARE, Crew, size_of
from expunge.terms import Method, Step
from expunge.testing.conformance import Harness, StoreLaws
from tests.stores import test_delta, test_jsonl, test_parquet
from tests.stores.lake_parquet import opened, put
from tests.stores.lakes import addresses, whose

TWO = 2


@pytest.fixture(scope="module")
def fleet() -> Iterator[Processes]:
    """Two processes, which the module's tests share."""
    with Processes(TWO) as fleet:
        yield fleet


def spread(store: Store, fleet: Processes) -> Store:
    """The store with the fleet, however small its files are."""
    assert isinstance(store, Splits)
    assert isinstance(store, ParquetStore | JsonLines | DeltaStore)
    store._crew = replace(store._crew, enough=0)
    store.use(fleet, TWO)
    return store


class SpreadLogs(test_jsonl.LogHarness):
    """Twenty lines to a file: the subject's take five waves of four files."""

    bulk = 320
    examples = 10

    def __init__(self, home: Path, fleet: Processes) -> None:
        super().__init__(home, packed=False)
        self.fleet = fleet

    def open(self) -> Store:
        return spread(super().open(), self.fleet)


class SpreadFolder(test_parquet.FolderHarness):
    """Sixteen files."""

    bulk = 80
    parts = 16
    examples = 5

    def __init__(self, root: Path, fleet: Processes) -> None:
        super().__init__(root)
        self.fleet = fleet

    def open(self) -> Store:
        return spread(super().open(), self.fleet)


class SpreadTable(test_delta.TableHarness):
    """A Delta table, verified by several."""

    examples = 5

    def __init__(self, root: Path, fleet: Processes) -> None:
        super().__init__(root, {}, None)
        self.fleet = fleet

    def open(self) -> Store:
        return spread(super().open(), self.fleet)


class TestLogsByTwo(StoreLaws):
    @pytest.fixture
    def harness(self, tmp_path: Path, fleet: Processes) -> Harness:
        return SpreadLogs(tmp_path, fleet)


class TestFolderByTwo(StoreLaws):
    @pytest.fixture
    def harness(self, tmp_path: Path, fleet: Processes) -> Harness:
        return SpreadFolder(tmp_path, fleet)


@pytest.mark.slow
class TestTableByTwo(StoreLaws):
    @pytest.fixture
    def harness(self, tmp_path: Path, fleet: Processes) -> Harness:
        return SpreadTable(tmp_path, fleet)


def halve(numbers: Sequence[int]) -> list[float]:
    if 0 in numbers:
        raise Full("there is no half of nothing")
    return [number / 2 for number in numbers]


def double(number: int) -> int:
    if number % 3 == 0:
        raise Full("not by three")
    return number * 2


@pytest.mark.parametrize("enough", [0, 10**9])
def test_answers_come_in_order_and_the_first_fault_is_raised(fleet: Processes, enough: int) -> None:
    crew = Crew(fleet, TWO, enough)
    assert list(crew.read(halve, range(1, 50), lambda _: SHARE // 3)) == [number / 2 for number in range(1, 50)]
    assert list(crew.read(halve, [], lambda _: 1)) == []
    with pytest.raises(Full) as caught:
        list(crew.read(halve, [1, 2, 0, 3], lambda _: SHARE))
    assert caught.value.__cause__ is None


def test_a_wave_has_ended_before_it_is_told(fleet: Processes) -> None:
    waves = list(Crew(fleet, TWO, 0).write(double, range(1, 10), 0))
    assert [[item for item, _ in wave] for wave in waves] == [[1, 2, 3, 4], [5, 6, 7, 8], [9]]
    assert [[isinstance(answer, Full) or answer for _, answer in wave] for wave in waves] == [[2, 4, True, 8], [10, True, 14, 16], [True]]
    alone = list(Crew().write(double, range(1, 4), 10**12))
    assert [len(wave) for wave in alone] == [1, 1, 1], "alone, each file is told of at once"


@pytest.mark.parametrize("by", ["one", "two"])
def test_files_before_one_that_is_held_are_announced(tmp_path: Path, fleet: Processes, by: str) -> None:
    for name in "abcdefgh":
        put(tmp_path, f"{name}.parquet", {"id": ["x", "y"]})
    store = opened(tmp_path)
    if by == "two":
        store = spread(store, fleet)
    places = addresses(store, whose("x"))
    step = Step("notes", Method.DELETE, whose("x"), places)
    with (tmp_path / "f.parquet").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        told: list[int] = []
        with pytest.raises(Conflict):
            told.extend(store.erase(step))
    assert sum(told) == 5
    counts = {path.stem: pq.read_metadata(path).num_rows for path in tmp_path.glob("*.parquet")}
    assert [counts[name] for name in "abcdef"] == [1, 1, 1, 1, 1, 2]
    assert counts["g"] == (2 if by == "one" else 1), "a wave's other files are done, and not announced"
    with closing(store):
        done = 5
        assert sum(store.erase(replace(step, addresses=places[done:]))) == len(places) - done
        assert store.verify(whose("x")).live == 0


def test_stopping_between_waves_leaves_nothing_in_flight(tmp_path: Path, fleet: Processes) -> None:
    for number in range(12):
        put(tmp_path, f"{number:02}.parquet", {"id": ["x", "y"]})
    store = spread(opened(tmp_path), fleet)
    places = addresses(store, whose("x"))
    batches: Any = store.erase(Step("notes", Method.DELETE, whose("x"), places))
    assert next(batches) == 4
    batches.close()
    assert store.verify(whose("x")).live == 8
    assert addresses(store, whose("x")) == places[4:]


def test_a_file_that_is_gone_has_no_size(tmp_path: Path) -> None:
    assert size_of(tmp_path / "none") == 0
