"""Memory does not grow with a store: erasing one person from four times as much takes about as much of it.

Each store looks, erases, reclaims and looks again in a process of its own, which tells its peak. No content fits into what may be added.
"""

from __future__ import annotations

import gzip
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")

MB = 1 << 20
MOST, MOST_ARROW = 32, 128
"""MB that the larger store may take more: allocators keep some of what is given back, Arrow's most. The contents grow by 60 to 420."""

BODY = 200
"""Letters of a record's text, of which a few thousand differ: what is kept packed is kept so by columns' pages, not by this test."""

Filled = tuple[str, Mapping[str, object], Mapping[str, object]]
"""A store's kind, its options, its collection's layout."""


def _bodies() -> list[str]:
    chance = random.Random(7)
    return ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz ", k=BODY)) for _ in range(4_000)]


BODIES = _bodies()


def _owner(number: int, count: int) -> str:
    """Ann's are three, one of them the last."""
    return "ann-1" if number in (count // 7, count // 2, count - 1) else f"bob-{number % 50_000}"


def _table(start: int, end: int, count: int) -> pa.Table:
    places = range(start, end)
    return pa.table(
        {
            "id": pa.array(places, pa.int64()),
            "owner": pa.array([_owner(one, count) for one in places], pa.string()),
            "body": pa.array([f"{BODIES[one % len(BODIES)]}{one}" for one in places], pa.string()),
        }
    )


def _parquet(folder: Path, size: int) -> Filled:
    """One file of one row group, as a writer makes it that is given everything at once."""
    count = size // (BODY + 30)
    table = pa.concat_tables(_table(start, min(start + 100_000, count), count) for start in range(0, count, 100_000))
    pq.write_table(table, folder / "notes.parquet", row_group_size=count, use_dictionary=["owner"])
    return "parquet", {"path": str(folder)}, {"path": "*.parquet"}


def _delta(folder: Path, size: int) -> Filled:
    """A table of one file and one row group."""
    _parquet(folder, size)
    table = pq.read_table(folder / "notes.parquet")
    write_deltalake(folder / "notes", table, target_file_size=1 << 40)
    return "delta", {"path": str(folder)}, {"path": "notes"}


def _lines(size: int) -> Iterator[str]:
    count = size // (BODY + 60)
    for number in range(count):
        yield json.dumps({"id": number, "owner": _owner(number, count), "body": BODIES[number % len(BODIES)]}) + "\n"


def _jsonl(folder: Path, size: int) -> Filled:
    with (folder / "notes.jsonl").open("w", encoding="ascii") as file:
        file.writelines(_lines(size))
    return "jsonl", {"path": str(folder)}, {"path": "*.jsonl"}


def _packed(folder: Path, size: int) -> Filled:
    """One gzip member that shrinks to a hundredth: every piece of it unpacks to a hundred times as much."""
    count = size // 330
    blank = " " * 300
    with gzip.open(folder / "notes.jsonl.gz", "wt", compresslevel=9, encoding="ascii") as file:
        for number in range(count):
            owner = "ann-1" if number in (0, count - 1) else "bob-7"
            file.write(f'{{"owner": "{owner}", "body": "{blank}"}}\n')
    return "jsonl", {"path": str(folder)}, {"path": "*.jsonl.gz"}


def _sqlite(folder: Path, size: int) -> Filled:
    count = size // (BODY + 40)
    with closing(sqlite3.connect(folder / "notes.db")) as session:
        session.execute("PRAGMA journal_mode=WAL")
        session.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, owner TEXT, body TEXT)")
        rows = ((number, _owner(number, count), BODIES[number % len(BODIES)]) for number in range(count))
        session.executemany("INSERT INTO notes VALUES (?, ?, ?)", rows)
        session.execute("CREATE INDEX notes_owner ON notes (owner)")
        session.commit()
    return "sql", {"url": f"sqlite:///{folder / 'notes.db'}"}, {}


def _peak(folder: Path, fill: Callable[[Path, int], Filled], size: int) -> int:
    folder.mkdir()
    kind, options, layout = fill(folder, size)
    script = Path(__file__).with_name("footprint.py")
    words = [sys.executable, str(script), kind, json.dumps(options), json.dumps(layout)]
    told = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    assert told["gone"] in (2, 3)
    return int(told["peak"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fill", "size", "most"),
    [(_sqlite, 80, MOST), (_jsonl, 20, MOST), (_packed, 40, MOST), (_parquet, 140, MOST_ARROW), (_delta, 140, MOST_ARROW)],
    ids=["sqlite", "jsonl", "packed", "parquet", "delta"],
)
def test_memory_does_not_grow_with_the_store(tmp_path: Path, fill: Callable[[Path, int], Filled], size: int, most: int) -> None:
    small = _peak(tmp_path / "small", fill, size * MB)
    large = _peak(tmp_path / "large", fill, 4 * size * MB)
    assert large < small + most, (small, large)
