"""A rate is kept over any stretch of time, by streams and tables together."""

from __future__ import annotations

import io
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expunge.stores.scan_rate import BURST, LimitedScan, Rate, ease
from expunge.stores.scan_registry import open_scan
from expunge.stores.scan_streams import Sparse
from tests.stores.scan.reading import bytes_of, readable, rows_of


class Watch:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@given(st.lists(st.tuples(st.integers(0, 10**7), st.floats(0, 10)), max_size=50), st.floats(1, 10**6))
def test_never_faster_than_the_rate(reads: list[tuple[int, float]], rate: float) -> None:
    watch = Watch()
    limit = Rate(rate, watch.read, watch.sleep)
    begun = watch.now
    spent = 0
    for count, pause in reads:
        limit.spend(count)
        spent += count
        assert spent <= (watch.now - begun + BURST) * rate * (1 + 1e-6) + 1
        watch.now += pause


def test_not_much_slower_either() -> None:
    watch = Watch()
    limit = Rate(1000, watch.read, watch.sleep)
    for _ in range(100):
        limit.spend(500)
    assert watch.now - 100 == pytest.approx(50 - BURST)


def test_a_limited_place_is_the_same_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(300_000))
    with (tmp_path / "b").open("wb") as file:
        file.truncate(1 << 30)
    with closing(sqlite3.connect(tmp_path / "c.db")) as session, session:
        session.execute("CREATE TABLE t (a)")
        session.executemany("INSERT INTO t VALUES (?)", (("x" * 1000,) for _ in range(100)))
    watch = Watch()
    rate = Rate(100_000, watch.read, watch.sleep)
    scan = LimitedScan(open_scan(str(tmp_path)), rate)
    plain = open_scan(str(tmp_path))
    assert list(scan.parts()) == list(plain.parts())
    parts = {part.name: part for part in readable(scan)}
    assert bytes_of(scan, parts["a"]) == bytes_of(plain, parts["a"])
    assert 2 < watch.now - 100 < 4
    with scan.stream(parts["b"]) as file:
        assert isinstance(file, Sparse)
        assert file.next_data(0) == 1 << 30
        assert file.seek(-1, io.SEEK_END) == (1 << 30) - 1
        assert file.read() == b"\0"
    before = watch.now
    table = LimitedScan(open_scan(f"sqlite:///{tmp_path}/c.db"), rate)
    assert sum(rows_of(table, readable(table)[:2])["t"].values()) == 100
    assert 0.5 < watch.now - before < 2
    scan.close()
    table.close()


def test_a_rate_is_above_zero() -> None:
    with pytest.raises(ValueError, match="above zero"):
        Rate(0)


def test_niceness_only_grows() -> None:
    assert ease(0) == os.nice(0)
