"""How fast identifiers and texts are looked for: ours beside ripgrep, Aho-Corasick and DuckDB, on plain bytes and through containers.

    python -m bench.hunt_speed [--quick] [--json]

Needles are counted before their written forms. Ours sees every form, edited texts and encodings; the others look for the plain form only,
and ripgrep and Aho-Corasick in one spelling of letters. Seconds are of the processor, user and system, the best of some rounds; tables
are made before. ``text-100k`` is the row that counts; the rows behind it go through gzip, zstd and Parquet as the hunt does, and give the
decompressor's own speed beside.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import resource
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import ahocorasick_rs
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from rich.console import Console
from rich.table import Table

from bench.hunt_corpus import Corpus
from expunge.hunt.pieces import OVERLAP, WINDOW, Account, Blob, Place
from expunge.hunt.prints import Matcher, Trace
from expunge.hunt.reading import Limits
from expunge.hunt.strings import Strings
from expunge.hunt.unwrap import Ended, unwrap
from expunge.terms import Json

NEEDLES = 100_000
SIZE, QUICK_SIZE = 256 << 20, 24 << 20
SLICE, QUICK_SLICE = 8 << 20, 2 << 20
"""Bytes that the others get: they take some ten to fifty times as long."""
ROUNDS, QUICK_ROUNDS = 5, 3
PLACE = Place("bench", "plain")

Row = dict[str, Json]


def windows(content: bytes) -> Iterator[Blob]:
    """The content as a source gives it."""
    view = memoryview(content)
    for begin in range(0, len(content), WINDOW):
        first = max(begin - OVERLAP, 0)
        yield Blob(PLACE, first, view[first : begin + WINDOW], begin - first, last=begin + WINDOW >= len(content))


def spent(work: Callable[[], object], rounds: int) -> float:
    """Processor seconds of the best round, this process's and its children's."""
    best = float("inf")
    for _ in range(rounds):
        begun = _processor()
        work()
        best = min(best, _processor() - begun)
    return best


def _processor() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def scan(matcher: Matcher, content: bytes) -> int:
    """Look at everything; how much was seen."""
    seen = sum(1 for piece in windows(content) for _ in matcher.look(piece))
    return seen + sum(1 for _ in matcher.close(PLACE))


def measure_ours(traces: Sequence[Trace], content: bytes, rounds: int) -> tuple[Matcher, Row]:
    """The row that counts."""
    begun = time.process_time()
    pages = list(Strings().take(traces))
    taken = time.process_time()
    matcher = Strings().matcher(pages)
    built = time.process_time()
    seen = scan(matcher, content)
    seconds = spent(lambda: scan(matcher, content), rounds)
    row: Row = {
        "name": "text-100k" if len(traces) == NEEDLES else f"text-{len(traces)}",
        "gb_per_cpu_s": round(len(content) / seconds / 1e9, 3),
        "needles": len(traces),
        "mb": len(content) >> 20,
        "seen": seen,
        "take_s": round(taken - begun, 2),
        "build_s": round(built - taken, 2),
        "pages_mb": sum(map(len, pages)) >> 20,
        "peak_rss_mb": _peak(),
    }
    return matcher, row


def measure_others(needles: Sequence[str], content: bytes, rounds: int) -> Iterator[Row]:
    """The same needles, in their plain form only."""
    with tempfile.TemporaryDirectory(prefix="expunge-bench-") as folder:
        wanted, plain = Path(folder) / "needles", Path(folder) / "plain"
        wanted.write_text("\n".join(needles), encoding="utf-8")
        plain.write_bytes(content)
        ripgrep = Path(sysconfig.get_path("scripts")) / "rg"
        command = [str(ripgrep), "-c", "-a", "-j1", "-F", "-f", str(wanted), str(plain)]
        empty = [*command[:-1], "/dev/null"]
        table = spent(lambda: subprocess.run(empty, check=False, capture_output=True), rounds)  # noqa: S603 - our own command
        whole = spent(lambda: subprocess.run(command, check=False, capture_output=True), rounds)  # noqa: S603
        yield _other("ripgrep", content, max(whole - table, whole / 10), table)  # what is left by noise is no speed
    begun = time.process_time()
    automaton = ahocorasick_rs.BytesAhoCorasick([needle.encode() for needle in needles])
    built = time.process_time() - begun
    yield _other("ahocorasick-rs", content, spent(lambda: automaton.find_matches_as_indexes(content), rounds), built)
    yield _measure_duckdb(needles, content, rounds)


def _measure_duckdb(needles: Sequence[str], content: bytes, rounds: int) -> Row:
    """Lines that hold a needle as a whole word, by a join of their words: a search for 100,000 substrings takes DuckDB hours."""
    with duckdb.connect(config={"threads": 1}) as database:
        begun = time.process_time()
        held = pa.table({"needle": sorted({needle.lower() for needle in needles})})
        lines = pa.table({"line": content.decode().splitlines()})
        database.register("held", held)
        database.register("lines", lines)
        built = time.process_time() - begun
        query = (
            "SELECT count(*) FROM (SELECT unnest(string_split_regex(lower(line), '[\\s\",;=<>()]+')) AS word FROM lines) "
            "WHERE word IN (SELECT needle FROM held)"
        )
        return _other("duckdb", content, spent(lambda: database.execute(query).fetchall(), rounds), built)


def _other(name: str, content: bytes, seconds: float, built: float) -> Row:
    return {"name": name, "gb_per_cpu_s": round(len(content) / seconds / 1e9, 4), "mb": len(content) >> 20, "build_s": round(built, 2)}


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 6)


def _zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(3).compress(content)


def _parquet(content: bytes) -> bytes:
    out = io.BytesIO()
    lines = content.decode().splitlines()
    pq.write_table(pa.table({"line": lines, "number": list(range(len(lines)))}), out, compression="zstd", row_group_size=100_000)
    return out.getvalue()


def _read_parquet(packed: bytes) -> int:
    return sum(batch.num_rows for batch in pq.ParquetFile(io.BytesIO(packed)).iter_batches())


PACKED: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], object]]] = {
    "gzip": (_gzip, gzip.decompress),
    "zstd": (_zstd, lambda packed: zstandard.ZstdDecompressor().stream_reader(packed).read()),
    "parquet": (_parquet, _read_parquet),
}


def measure_packed(matcher: Matcher, content: bytes, plain: float, rounds: int) -> Iterator[Row]:
    """Through containers: what comes out per processor second, the decompressor's own, and the smaller of plain and 80 % of that."""
    for name, (pack, unpack) in PACKED.items():
        packed = pack(content)

        def through(name: str = name, packed: bytes = packed) -> None:
            place, account = Place("bench", f"packed.{name}"), Account()
            for piece in unwrap(io.BytesIO(packed), place, size=len(packed), limits=Limits(), account=account):
                for _ in matcher.close(piece.place) if isinstance(piece, Ended) else matcher.look(piece):
                    pass
            assert not account.unread

        alone = len(content) / spent(lambda: unpack(packed), rounds) / 1e9  # noqa: B023 - called at once
        speed = len(content) / spent(through, rounds) / 1e9
        yield {
            "name": f"text-100k-{name}",
            "gb_per_cpu_s": round(speed, 3),
            "decompressor_gb_per_cpu_s": round(alone, 3),
            "one_after_the_other": round(1 / (1 / alone + 1 / plain), 3),
            "mb": len(content) >> 20,
        }


def measure(chosen: argparse.Namespace) -> Iterator[Row]:
    """All rows."""
    traces = list(Corpus(1).traces(chosen.needles))
    content = Corpus(2).plain(chosen.size)
    matcher, row = measure_ours(traces, content, chosen.rounds)
    yield row
    part = content[: content.index(b"\n", chosen.slice) + 1]
    yield from measure_others([str(trace.value) for trace in traces], part, chosen.rounds)
    speed = row["gb_per_cpu_s"]
    assert isinstance(speed, float)
    share = content[: content.index(b"\n", len(content) // 4) + 1]
    yield from measure_packed(matcher, share, speed, chosen.rounds)


def show(rows: Sequence[Row]) -> None:
    """A table for people."""
    table = Table(title="plain bytes that come by per processor second")
    for name in ("", "GB/s", "MiB", "tables s", "peak MiB", "decompressor GB/s", "one after the other"):
        table.add_column(name, justify="right")
    for row in rows:
        names = ("name", "gb_per_cpu_s", "mb", "build_s", "peak_rss_mb", "decompressor_gb_per_cpu_s", "one_after_the_other")
        table.add_row(*(str(row.get(name, "")) for name in names))
    Console(width=140).print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Looking for identifiers and texts, beside other tools.")
    parser.add_argument("--quick", action="store_true", help="a small text and few rounds: about a minute")
    parser.add_argument("--json", action="store_true", help="a JSON line per row instead of a table")
    parser.add_argument("--needles", type=int, default=NEEDLES, help=f"needles, before their written forms ({NEEDLES:,})")
    chosen = parser.parse_args()
    chosen.size = QUICK_SIZE if chosen.quick else SIZE
    chosen.slice = QUICK_SLICE if chosen.quick else SLICE
    chosen.rounds = QUICK_ROUNDS if chosen.quick else ROUNDS
    return chosen


def main() -> None:
    """Measure what the arguments say."""
    chosen = _arguments()
    rows: list[Row] = []
    for row in measure(chosen):
        rows.append(row)
        if chosen.json:
            print(json.dumps(row), flush=True)
    if not chosen.json:
        show(rows)


if __name__ == "__main__":
    main()
