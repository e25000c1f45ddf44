"""How long erasing takes, beside hand-written SQL that erases as many other, equal customers of the same shop in the same run.

    python bench/erase.py [--quick] [--customers N] [--batches 1,10,…] [--taps N] [--json] [--chart FILE.svg]

The ratio is *Located -> Erased* (every erasing step, journal and seals included) to the floor's time. What the floor does not do at all
(finding, counting before, destroying keys, removing history, counting after, receipts) stands beside it, each phase by itself.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import psycopg
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

import expunge
from expunge.app.library import Expunge, Lease
from expunge.stores.base import Counter
from expunge.terms import Json
from expunge.testing import services

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `bench` itself, when this file is run as a script

from bench import chart, shop
from bench.peak import peak_mb, reset_peak

PHASES = ("request", "locate", "before", "erase", "keys", "reclaim", "after", "receipt", "close")
"""In this order, one after the other; together they are the whole run."""

BATCHES, QUICK_BATCHES = (1, 10, 100, 1_000, 10_000), (1, 1_000)
CUSTOMERS, QUICK_CUSTOMERS = 100_000, 20_000
TAPS, QUICK_TAPS = 50, 2
ROUNDS, QUICK_ROUNDS = 3, 3

MOST_ERASED = 0.7
"""Rounds are left out before more than this share of the shop is gone: at the end it should still be a shop of about that size."""

FLOOR_EVERY = 5
"""One tap in so many is measured beside the SQL by hand that reaches as far: it rewrites every table, too."""

SETTINGS = {
    "fsync": "on",  # as in earnest: the floor's commits and ours wait for the disk alike
    "autovacuum": "off",  # or it would come into some rounds and not into others
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
}


@dataclass
class Spent:
    """What one phase took: seconds of wall clock and of this process, statements to the store and to the control databases."""

    seconds: float = 0.0
    cpu: float = 0.0
    store: int = 0
    control: int = 0


@dataclass
class Meter:
    """Charges everything that happens to the phase that ends next, so that the phases add up to the run."""

    library: Expunge
    phases: dict[str, Spent] = field(default_factory=dict[str, Spent])
    all_statements: int = 0

    def __post_init__(self) -> None:
        """Count every statement of every engine in this process; the store's own count tells them apart."""
        sa.event.listen(sa.Engine, "before_cursor_execute", self._count)
        self._last = self._now()

    def _count(self, *_: object) -> None:
        self.all_statements += 1

    def _now(self) -> tuple[float, float, int, int]:
        store = self.library.rooms.stores["shop"]
        assert isinstance(store, Counter)
        return time.perf_counter(), time.process_time(), store.statements, self.all_statements

    def start(self) -> None:
        """Begin a run's account."""
        self.phases = {name: Spent() for name in PHASES}
        self._last = self._now()

    def charge(self, phase: str) -> None:
        """Charge what happened since the last call to this phase."""
        now = self._now()
        seconds, cpu, store, every = (one - before for one, before in zip(now, self._last, strict=True))
        spent = self.phases[phase]
        spent.seconds += seconds
        spent.cpu += cpu
        spent.store += int(store)
        spent.control += int(every - store)
        self._last = now

    def watch(self, lease: Lease, event: str, _result: Json) -> None:
        """The library's watcher: a step that ended is charged."""
        if event == "done":
            self.charge(lease.kind)
        elif event != "started":
            msg = f"step {lease.name} ended {event}: a benchmark of what failed says nothing"
            raise RuntimeError(msg)


@dataclass(frozen=True)
class Bench:
    """The shop, both ways to erase from it, and customers to be erased, each once."""

    library: Expunge
    meter: Meter
    hand: psycopg.Connection
    customers: Iterator[int]

    def take(self, count: int) -> list[int]:
        """The next customers; a random choice, made once."""
        return [next(self.customers) for _ in range(count)]

    def ours(self, count: int) -> dict[str, Spent]:
        """Erase so many by a request each, served by one run; what each phase took."""
        people = [f"customer:{number}" for number in self.take(count)]
        self.meter.start()
        started = self.library.request(people, by="bench")
        self.meter.charge("request")
        self.library.work(started.runs[0].id, watch=self.meter.watch)
        _as_many(self.library, started.runs[0].id, count)
        return self.meter.phases

    def floor(self, count: int) -> float:
        """Erase so many by hand; seconds."""
        people = self.take(count)
        begun = time.perf_counter()
        _agree(shop.erase_by_hand(self.hand, people), count)
        return time.perf_counter() - begun

    def tap(self) -> dict[str, float]:
        """One request alone; seconds from the call until every door refuses, until it is erased, and until it is physically absent."""
        person = [f"customer:{self.take(1)[0]}"]
        self.meter.start()
        begun = datetime.now(UTC)
        started = self.library.request(person, by="bench")
        self.meter.charge("request")
        self.library.work(started.runs[0].id, watch=self.meter.watch)
        refused = (started.runs[0].started_at - begun).total_seconds()  # tombstones are laid just before a run is started
        took = [self.meter.phases[name].seconds for name in PHASES]
        ends = {name: sum(took[: place + 1]) for place, name in enumerate(PHASES)}
        return {"refused": refused, "erased": ends["erase"], "absent": ends["reclaim"], "receipt": ends["receipt"]}

    def floor_tap(self) -> float:
        """By hand: one customer deleted, and all tables rewritten."""
        person = self.take(1)
        begun = time.perf_counter()
        _agree(shop.erase_by_hand(self.hand, person), 1)
        shop.rewrite_by_hand(self.hand)
        return time.perf_counter() - begun


def _as_many(library: Expunge, run_id: str, count: int) -> None:
    standing = library.status(run_id)
    located = next(step.result for step in standing.steps if step.kind == "locate")
    assert standing.complete
    assert isinstance(located, dict)
    _agree(sum(located["located"].values()), count)


def _agree(rows: int, count: int) -> None:
    if rows != count * shop.ROWS_EACH:
        msg = f"{rows} rows went for {count} customers of {shop.ROWS_EACH} rows each"
        raise RuntimeError(msg)


@contextmanager
def open_bench(customers: int) -> Iterator[Bench]:
    """Start PostgreSQL, fill it, open the library on it, and warm both ways up."""
    with services.postgresql(SETTINGS) as server, tempfile.TemporaryDirectory(prefix="expunge-bench-") as folder:
        url = server.database()
        shop.seed(url, customers)
        path = shop.write_policy(Path(folder))
        with expunge.open(path, env={"SHOP_URL": url}) as library, shop.connect(url) as hand:
            chosen = iter(random.Random(20).sample(range(1, customers + 1), customers))  # noqa: S311 - a fixed choice, no secret
            bench = Bench(library, Meter(library), hand, chosen)
            bench.ours(1)
            bench.floor(1)
            yield bench


def measure_batch(bench: Bench, batch: int, rounds: int) -> dict[str, Json]:
    """One row: medians over rounds in which ours and the floor take turns at going first."""
    ours: list[dict[str, Spent]] = []
    floors: list[float] = []
    reset_peak()
    for round_ in range(rounds):
        if round_ % 2:
            floors.append(bench.floor(batch))
        ours.append(bench.ours(batch))
        if not round_ % 2:
            floors.append(bench.floor(batch))
    return _row(batch, ours, median(floors))


def _row(batch: int, ours: Sequence[dict[str, Spent]], floor: float) -> dict[str, Json]:
    erase = median(one["erase"].seconds for one in ours)
    rows = batch * shop.ROWS_EACH
    store = sum(one.store for one in ours[-1].values())
    control = sum(one.control for one in ours[-1].values())
    return {
        "name": "erase",
        "batch": batch,
        "ratio": round(erase / floor, 3),
        "rows": rows,
        "rounds": len(ours),
        "erase_s": round(erase, 4),
        "floor_s": round(floor, 4),
        "rows_per_s": round(rows / erase),
        "floor_rows_per_s": round(rows / floor),
        "phases_s": {name: round(median(one[name].seconds for one in ours), 4) for name in PHASES},
        "total_s": round(median(sum(spent.seconds for spent in one.values()) for one in ours), 4),
        "cpu_s": round(median(sum(spent.cpu for spent in one.values()) for one in ours), 4),
        "statements_store": store,
        "statements_store_per_request": round(store / batch, 3),
        "statements_control": control,
        "statements_control_per_request": round(control / batch, 3),
        "statements_by_phase": {name: [spent.store, spent.control] for name, spent in ours[-1].items()},
        "peak_rss_mb": peak_mb(),
    }


def measure_taps(bench: Bench, taps: int) -> dict[str, Json]:
    """One row: percentiles over single requests, one after the other."""
    found: list[dict[str, float]] = []
    floors: list[float] = []
    for place in range(taps):
        found.append(bench.tap())
        if place % FLOOR_EVERY == 0:
            floors.append(bench.floor_tap())
    row: dict[str, Json] = {"name": "tap", "batch": 1, "taps": taps}
    row["ratio"] = round(median(one["absent"] for one in found) / median(floors), 3)
    row["floor_absent_s"] = round(median(floors), 4)
    for what in found[0]:
        values = [one[what] for one in found]
        row[f"{what}_p50_s"] = round(median(values), 4)
        row[f"{what}_p99_s"] = round(_p99(values), 4)
    return row


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else values[0]


def rounds_for(batches: Sequence[int], customers: int, rounds: int) -> dict[int, int]:
    """How many rounds each batch gets before too much of the shop is gone; a batch that doesn't fit once is left out."""
    left = int(customers * MOST_ERASED)
    given = {}
    for batch in batches:
        given[batch] = min(rounds, left // (2 * batch))
        left -= given[batch] * 2 * batch
    return {batch: times for batch, times in given.items() if times}


def show(rows: Iterable[dict[str, Json]], customers: int) -> None:
    """The tables for people."""
    console = Console(width=160)
    batches = [row for row in rows if row["name"] == "erase"]
    table = Table(title=f"{customers:,} customers of {shop.ROWS_EACH} rows; seconds are medians")
    names = ("batch", "ratio", "erase", "floor", "rows/s", "floor", "| request", *PHASES[1:3], *PHASES[4:], "total", "CPU", "RSS MB")
    for name in names:
        table.add_column(name, justify="right")
    for row in batches:
        phases = row["phases_s"]
        assert isinstance(phases, dict)
        told = [f"{row['batch']:,}", f"{row['ratio']:.2f}", f"{row['erase_s']:.3f}", f"{row['floor_s']:.3f}", f"{row['rows_per_s']:,}"]
        told += [f"{row['floor_rows_per_s']:,}", *(f"{phases[name]:.3f}" for name in PHASES if name != "erase")]
        table.add_row(*told, f"{row['total_s']:.2f}", f"{row['cpu_s']:.2f}", str(row["peak_rss_mb"]))
    console.print(table)
    sent = Table(title="statements")
    for name in ("batch", "store per run", "per request", "control per run", "per request"):
        sent.add_column(name, justify="right")
    for row in batches:
        told = [str(row["statements_store"]), f"{row['statements_store_per_request']:,}", str(row["statements_control"])]
        sent.add_row(f"{row['batch']:,}", *told, f"{row['statements_control_per_request']:,}")
    console.print(sent)
    for row in rows:
        if row["name"] == "tap":
            until = ", ".join(
                f"{what} {row[f'{what}_p50_s']:.3f} / {row[f'{what}_p99_s']:.3f} s" for what in ("refused", "erased", "absent", "receipt")
            )
            console.print(f"from the tap, p50 / p99 of {row['taps']}: {until}; by hand absent {row['floor_absent_s']:.3f} s")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Erasing through the library beside hand-written SQL.")
    parser.add_argument("--quick", action="store_true", help="a small shop and few batches: under a minute")
    parser.add_argument("--json", action="store_true", help="a JSON line per row instead of tables")
    parser.add_argument("--chart", type=Path, help="draw rows/s and ratio by batch into this SVG or PNG file")
    parser.add_argument("--customers", type=int, help=f"customers in the shop ({CUSTOMERS:,}; quick {QUICK_CUSTOMERS:,})")
    parser.add_argument("--batches", type=lambda text: tuple(int(one) for one in text.split(",")), help="requests per run, with commas")
    parser.add_argument("--rounds", type=int, help=f"rounds per batch ({ROUNDS}; quick {QUICK_ROUNDS})")
    parser.add_argument("--taps", type=int, help=f"single requests for the percentiles ({TAPS}; quick {QUICK_TAPS})")
    chosen = parser.parse_args()
    quick = chosen.quick
    chosen.customers = chosen.customers or (QUICK_CUSTOMERS if quick else CUSTOMERS)
    chosen.batches = chosen.batches or (QUICK_BATCHES if quick else BATCHES)
    chosen.rounds = chosen.rounds or (QUICK_ROUNDS if quick else ROUNDS)
    chosen.taps = (QUICK_TAPS if quick else TAPS) if chosen.taps is None else chosen.taps
    return chosen


def main() -> None:
    """Measure what the arguments say."""
    chosen = _arguments()
    rows: list[dict[str, Json]] = []
    with open_bench(chosen.customers) as bench:
        for batch, rounds in rounds_for(chosen.batches, chosen.customers, chosen.rounds).items():
            rows.append(measure_batch(bench, batch, rounds))
            if chosen.json:
                print(json.dumps({"customers": chosen.customers, **rows[-1]}), flush=True)
        if chosen.taps:
            rows.append(measure_taps(bench, chosen.taps))
            if chosen.json:
                print(json.dumps({"customers": chosen.customers, **rows[-1]}), flush=True)
    if not chosen.json:
        show(rows, chosen.customers)
    if chosen.chart:
        chart.draw([row for row in rows if row["name"] == "erase"], chosen.chart)


if __name__ == "__main__":
    main()
