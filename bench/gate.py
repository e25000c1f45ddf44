"""What the training gate costs a loader that reads Parquet into arrays, and what an admission set of 100 million people takes.

    python bench/gate.py [--quick] [--people N] [--at DIR] [--json]

The loader reads record batches, shuffles the rows of each, and makes float32 matrices of a training step's size. With and without the gate
it goes through the same batches in turns, in one process, several times; of every batch the least CPU time of each form counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from expunge import gate
from expunge.evidence.signing import Signer
from expunge.gate.building import Facts, People, Stoned, build
from expunge.gate.columns import hashes_of
from expunge.gate.epoch import Term
from expunge.gate.gate import Gate
from expunge.gate.keys import KEY_BYTES, Pass, halves
from expunge.terms import Json

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `bench`, when this file is run as a script

from bench.peak import peak_mb, reset_peak

PEOPLE, QUICK_PEOPLE = 100_000_000, 1_000_000
ROWS, QUICK_ROWS = 200_000, 20_480
ROUNDS, QUICK_ROUNDS = 9, 9
FEATURES = 2_000
"""Numbers in a sample: a second of speech as 40 log-mel bands, 50 times a second, two bytes each."""
BATCH, STEP = 1_024, 256
"""Rows that are read, and shuffled, together; rows of one training step."""
DRAWN, MATRIX = np.empty((STEP, FEATURES), np.int16), np.empty((STEP, FEATURES), np.float32)
"""Where a step's samples are put, as loaders with pinned memory do: made anew, steps of differing size cost more than the gate."""
ERASED = 100
"""One in so many people is erased."""
KEY = bytes(range(KEY_BYTES))
LOOK_UPS = 20_000_000


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(description="The training gate: overhead of a loader, and a large admission set.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PEOPLE:,} people, {QUICK_ROWS:,} samples: half a minute")
    parser.add_argument("--people", type=int, help=f"how many ({PEOPLE:,}); these take 2 minutes and 5 GB to make")
    parser.add_argument("--at", type=Path, help="where epochs and samples are written, and stay")
    parser.add_argument("--json", action="store_true", help="a JSON line for each row instead of a table")
    chosen = parser.parse_args()
    people = chosen.people or (QUICK_PEOPLE if chosen.quick else PEOPLE)
    rows, rounds = (QUICK_ROWS, QUICK_ROUNDS) if chosen.quick else (ROWS, ROUNDS)
    with tempfile.TemporaryDirectory(prefix="expunge-bench-") as spare:
        for row in measure(chosen.at or Path(spare), people, rows, rounds):
            print(json.dumps(row) if chosen.json else "  ".join(f"{name} {told}" for name, told in row.items()))


def measure(at: Path, people: int, rows: int, rounds: int) -> Iterator[dict[str, Json]]:
    """Publish, load, look up, and run the loaders; a row for each."""
    at.mkdir(parents=True, exist_ok=True)
    (at / "pass.json").write_bytes(Pass(KEY, Signer("bench.example/gate", bytes(32)).key).to_json())
    reset_peak()
    began = time.perf_counter()
    publish(at / "epochs", people)
    made = {"seconds": round(time.perf_counter() - began, 1), "peak_mb": peak_mb()}
    size = sum(path.stat().st_size for path in (at / "epochs" / "files").iterdir())
    yield {"name": "publish", "people": people, "files_mb": size >> 20, **made}
    yield from opened(at, people)
    samples = at / f"samples-{rows}.parquet"
    write_samples(samples, people, rows)
    for name, column, asked in (
        ("dense-loader", "number", {"dense": True}),
        ("integer-loader", "child_id", {"kind": "child"}),
        ("string-loader", "person_id", {"kind": "person"}),
        ("string-loader-grouped", "household_id", {"kind": "person"}),
    ):
        yield overhead(name, samples, column, open_gate(at, **asked), rows, rounds)


def publish(at: Path, people: int) -> None:
    """An epoch of children with 64-bit keys and, with the same numbers, persons with keys of 36 letters."""
    numbers = np.arange(1, people + 1, dtype=np.uint32)
    known = {}
    for kind, integers in (("child", True), ("person", False)):
        hashes = np.empty(people, np.uint64)
        for start in range(0, people, 1_000_000):
            some = numbers[start : start + 1_000_000]
            hashes[start : start + some.size] = hashes_of(
                keys(some, integers=integers), halves(KEY, f"kind/{kind}"), integers=integers, name=kind
            )
        known[kind] = People(f"{kind}_id", integers, hashes, numbers)
    erased = range(ERASED, people + 1, max(ERASED, people // 10_000))  # as many as a large epoch has that still have rows somewhere
    stones = [Stoned(number, (), None) for number in erased]
    hidden = numbers[ERASED - 1 :: ERASED]
    terms = tuple(Term(kind, "improve", "user", None) for kind in known)
    facts = Facts(
        datetime.now(UTC), "bench", 0, 0, people, known, {"improve": numbers}, {"improve": numbers}, hidden, hidden[:0], terms, (), stones
    )
    build(at, None, facts, Signer("bench.example/gate", bytes(32)))


def keys(numbers: npt.NDArray[np.uint32], *, integers: bool) -> Any:
    """The keys of these people: the odd 64-bit products of a multiplication, or 36 letters of them."""
    spread = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    if integers:
        return pa.array(spread.view(np.int64))
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    shifts = np.arange(0, 64, 4, dtype=np.uint64)
    text = digits[((spread[:, None] >> shifts) & np.uint64(15)).astype(np.intp)]
    whole = np.full((numbers.size, 36), ord("-"), np.uint8)
    whole[:, :16], whole[:, 20:] = text, text[:, ::-1]
    offsets = np.arange(0, 36 * (numbers.size + 1), 36, dtype=np.int32)
    return pa.StringArray.from_buffers(numbers.size, pa.py_buffer(offsets), pa.py_buffer(whole.tobytes()))


def write_samples(path: Path, people: int, rows: int) -> None:
    """Samples of random people, with each sort of key; ``household_id`` is a person's key for 20 samples in a row."""
    if path.exists():
        return
    random = np.random.default_rng(1)
    with pq.ParquetWriter(path, _schema(), compression="zstd") as writer:
        for start in range(0, rows, BATCH):
            count = min(BATCH, rows - start)
            whose = random.integers(1, people + 1, count, dtype=np.uint32)
            grouped = np.repeat(whose[: count // 20 + 1], 20)[:count]
            features = (random.standard_normal(count * FEATURES, dtype=np.float32) * 300).astype(np.int16)
            columns = [
                pa.array(whose),
                keys(whose, integers=True),
                keys(whose, integers=False),
                keys(grouped, integers=False),
                pa.FixedSizeListArray.from_arrays(pa.array(features), FEATURES),
            ]
            writer.write_batch(pa.record_batch(columns, schema=_schema()))


def _schema() -> Any:
    listed = pa.list_(pa.int16(), FEATURES)
    names = [("number", pa.uint32()), ("child_id", pa.int64()), ("person_id", pa.string()), ("household_id", pa.string())]
    return pa.schema([*names, pa.field("features", listed)])


def open_gate(at: Path, **asked: Any) -> Gate:
    """A gate on what ``publish`` made, however long that took."""
    asked = {"kind": "child", **asked}
    return gate.open("improve", at / "epochs", pass_file=at / "pass.json", stale_after=timedelta(days=1), **asked)


def opened(at: Path, people: int) -> Iterator[dict[str, Json]]:
    """How long a gate takes to open, in how much memory, and how many people it looks up per second."""
    random = np.random.default_rng(2)
    for kind, dense in (("child", True), ("child", False), ("person", False)):
        open_gate(at, kind=kind, dense=dense)  # compiled, and in the page cache
        reset_peak()
        before, began = peak_mb() or 0, time.perf_counter()
        held = open_gate(at, kind=kind, dense=dense)
        load = time.perf_counter() - began
        name = "dense" if dense else "integer" if kind == "child" else "string"
        best = 0.0
        for _ in range(5):
            whose = random.integers(1, people + 1, min(LOOK_UPS, people), dtype=np.uint32)[:2_000_000]
            table = pa.table({"key": pa.array(whose) if dense else keys(whose, integers=kind == "child")})
            began = time.process_time()
            held.mask(table, subject="key")
            best = max(best, whose.size / (time.process_time() - began))
        grown = (peak_mb() or 0) - before
        yield {"name": f"{name}-set", "people": people, "load_s": round(load, 2), "checks_per_s": round(best), "grown_mb": grown}


def load(batch: Any, places: npt.NDArray[np.intp], random: np.random.Generator) -> int:
    """The training loader: rows in random order, as float32 matrices of a step's size; how many."""
    random.shuffle(places)
    features = batch.column("features").flatten().to_numpy(zero_copy_only=False).reshape(-1, FEATURES)
    for start in range(0, places.size, STEP):
        drawn = places[start : start + STEP]
        np.take(features, drawn, axis=0, out=DRAWN[: drawn.size], mode="clip")  # "raise" would buffer the output
        np.multiply(DRAWN[: drawn.size], np.float32(1 / 32_768), out=MATRIX[: drawn.size])
    return places.size


def overhead(name: str, samples: Path, column: str, held: Gate, rows: int, rounds: int) -> dict[str, Json]:
    """The loader without the gate against one that draws from ``places``, and one that goes through ``batches``, which copies rows."""
    plain, gated, refused = compare("gated", samples, column, held, rounds)
    also_plain, filtered, _ = compare("filtered", samples, column, held, rounds)
    return {
        "name": name,
        "overhead": round(gated / plain - 1, 4),
        "overhead_filtered": round(filtered / also_plain - 1, 4),
        "rows": rows,
        "refused": refused,
        "rows_per_s": round(rows / plain),
        "rows_per_s_gated": round(rows / gated),
    }


def compare(gated: str, samples: Path, column: str, held: Gate, rounds: int) -> tuple[float, float, int]:
    """CPU seconds without and with the gate, and how many rows it refused. Both read the key's column.

    The two go through the same batches, and who is first is drawn for each: caches favour whoever comes second, by more than is measured.
    """
    forms = ["plain", gated]
    order = np.random.default_rng(4)
    best: dict[str, dict[int, float]] = {form: {} for form in forms}
    left = dict.fromkeys(forms, 0)
    for _ in range(rounds):
        with ExitStack() as files:
            opened = {form: files.enter_context(pq.ParquetFile(samples)) for form in forms}
            source = {form: one.iter_batches(BATCH, columns=[column, "features"], use_threads=False) for form, one in opened.items()}
            passing = source | ({"filtered": held.batches(source["filtered"], subject=column)} if gated == "filtered" else {})
            for place in range(-(-opened["plain"].metadata.num_rows // BATCH)):
                for form in order.permutation(forms):
                    began = time.process_time()
                    batch = next(passing[form])
                    places = held.places(batch, subject=column) if form == "gated" else np.arange(batch.num_rows)
                    left[form] += load(batch, places, np.random.default_rng(place))
                    took = time.process_time() - began
                    best[form][place] = min(took, best[form].get(place, took))
    return sum(best["plain"].values()), sum(best[gated].values()), (left["plain"] - left[gated]) // rounds


if __name__ == "__main__":
    main()
