"""How fast identifiers and texts are looked for: the path of a run with this one family, on plain bytes and inside compression."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import zstandard

from bench.hunt_corpus import Corpus
from bench.hunt_estate_scan import read
from expunge.hunt.families import Matchers
from expunge.hunt.reading import Limits
from expunge.hunt.scanning import Shard, Source, scan_shard
from expunge.stores.scan_registry import open_scan
from expunge.terms import Json

SIZE = 24 << 20
"""Bytes of logs, JSON, CSV and speech: several windows, and a second or less to look through."""

ROUNDS = 3
"""The best counts: the machine has other work."""

PLAIN = "text-100k"


def measure(folder: Path, prints: Path) -> list[dict[str, Json]]:
    """A line for each form, in GB of content for a CPU second, beside the decompressor alone."""
    folder.mkdir()
    raw = Corpus(11).plain(SIZE)
    openers = _written(folder, raw)
    source = Source("speed", str(folder))
    matchers = Matchers({"strings": read(prints)["strings"]})
    lines: list[dict[str, Json]] = []
    with closing(open_scan(source.url)) as scan:
        parts = {part.name: part for part in scan.parts()}
        for name, opener in openers.items():
            shard = Shard(source, (parts[name],))
            taken = _best(lambda shard=shard: scan_shard(shard, scan, matchers, Limits()))  # type: ignore[misc]  # bound at once
            line: dict[str, Json] = {
                "name": PLAIN if opener is None else f"{PLAIN} in {name}",
                "gb_per_cpu_s": round(len(raw) / taken / 1e9, 3),
            }
            lines.append(line if opener is None else line | {"decompressor_gb_per_cpu_s": round(len(raw) / _best(opener) / 1e9, 3)})
    return lines


def _written(folder: Path, raw: bytes) -> dict[str, Callable[[], object] | None]:
    """The content in its forms; by file, what only unpacks it."""
    (folder / "plain.log").write_bytes(raw)
    packed, zipped = zstandard.compress(raw), gzip.compress(raw, 6, mtime=0)
    (folder / "log.zst").write_bytes(packed)
    (folder / "log.gz").write_bytes(zipped)
    table = folder / "lines.parquet"
    pyarrow.parquet.write_table(pa.table({"line": raw.decode().splitlines()}), table, compression="zstd")
    return {
        "plain.log": None,
        "log.gz": lambda: gzip.decompress(zipped),
        "log.zst": lambda: zstandard.decompress(packed),
        "lines.parquet": lambda: pyarrow.parquet.read_table(table, use_threads=False),
    }


def _best(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    work()
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)
