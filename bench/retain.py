"""What a sweep costs, beside ``DELETE … WHERE captured_at < …`` by hand on an equal table in the same run.

    python bench/retain.py [--quick] [--rows N] [--rounds N] [--store postgresql,sqlite] [--json]

The rows are of a hundred days, as many a day, and are kept for 99: each round the clock goes on by a day and one row in a hundred is due.
The ratio is *Located -> Erased* (every erasing step, journal and seals included) to the statement by hand with its commit. What the
statement does not do (counting what is due, sealing it, counting before and after by another path, removing history, receipts) stands
beside it, each phase by itself.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import psycopg
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

import expunge
from expunge.app import sweeps
from expunge.app.library import Expunge
from expunge.terms import Json
from expunge.testing import services
from expunge.testing.clock import FakeClock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `bench` itself, when this file is run as a script

from bench.erase import PHASES, SETTINGS, Meter, Spent
from bench.peak import peak_mb, reset_peak

ROWS, QUICK_ROWS = 10_000_000, 300_000
ROUNDS, QUICK_ROUNDS = 3, 3
DAYS = 100
FIRST = datetime(2026, 1, 1, tzinfo=UTC)

POLICY = """\
expunge: 1
controller: {name: Shop, contact: privacy@shop.example}
subjects: {child: {key: profile_id, minor: true}}
stores:
  shop: {kind: sql, url: "${SHOP_URL}", datasets: [shop.yml]}
control: {journal: "sqlite:///state/journal.db", keys: "sqlite:///state/keys.db", roots: state/roots, evidence: state/evidence}
purposes: {answer: {use: essential.service, basis: contract}}
retention: {sweep: 1 day}
terms:
  - {of: child, category: user, for: answer, keep: 99 days, need: let the parent listen to it}
  - {of: child, category: user.name, for: answer, keep: 10 years, need: greet the child}
"""

DATASET = """\
dataset:
  - fides_key: shop
    collections:
      - name: profiles
        meta: {expunge: {captured_at: made_at}}
        fields:
          - {name: id, data_categories: [user.unique_id], fides_meta: {identity: profile_id, primary_key: true}}
          - {name: name, data_categories: [user.name]}
          - {name: made_at}
      - name: clips
        meta: {expunge: {captured_at: captured_at}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: profile_id, fides_meta: {references: [{dataset: shop, field: profiles.id, direction: from}]}}
          - {name: said, data_categories: [user.content]}
          - {name: captured_at}
"""

PROFILES = 1_000

Delete = Callable[[datetime], int]
"""The statement by hand; how many rows went."""


class Swept:
    """One store, with the library on one table and a hand on its twin."""

    def __init__(self, library: Expunge, clock: FakeClock, by_hand: Delete, due: int) -> None:
        """``due`` rows come to their term every day."""
        self.library = library
        self.clock = clock
        self.by_hand = by_hand
        self.due = due
        self.meter = Meter(library)

    def round(self) -> tuple[dict[str, Spent], Spent]:
        """A day on: sweep, and delete by hand; what each took."""
        now = self.clock.tick(timedelta(days=1))
        self.meter.start()
        done = sweeps.sweep(self.library.rooms, by="bench")
        self.meter.charge("request")
        (run,) = done.started[0].runs
        self.library.work(run.id, watch=self.meter.watch)
        _agree(done.records, self.due)
        phases = self.meter.phases
        begun, cpu = time.perf_counter(), time.process_time()
        _agree(self.by_hand(now - timedelta(days=DAYS - 1)), self.due)
        return phases, Spent(time.perf_counter() - begun, time.process_time() - cpu)


def _agree(rows: int, due: int) -> None:
    if rows != due:
        msg = f"{rows} rows went where {due} were due"
        raise RuntimeError(msg)


@contextmanager
def on_postgresql(rows: int) -> Iterator[Swept]:
    """Two databases of one server, filled alike."""
    with services.postgresql(SETTINGS) as server, tempfile.TemporaryDirectory(prefix="expunge-bench-") as folder:
        ours, theirs = server.database(), server.database()
        for url in (ours, theirs):
            with _session(url) as session:
                for statement in _postgresql(rows):
                    session.execute(statement.encode())
                session.commit()
                session.autocommit = True
                session.execute("VACUUM (ANALYZE)")
                session.execute("CHECKPOINT")
        with _session(theirs) as hand, _library(Path(folder), ours) as (library, clock):

            def delete(before: datetime) -> int:
                gone = hand.execute("DELETE FROM clips WHERE captured_at < %s", (before,)).rowcount
                hand.commit()
                return gone

            yield Swept(library, clock, delete, rows // DAYS)


@contextmanager
def on_sqlite(rows: int) -> Iterator[Swept]:
    """Two files, filled alike."""
    with tempfile.TemporaryDirectory(prefix="expunge-bench-") as folder:
        ours, theirs = Path(folder, "ours.db"), Path(folder, "theirs.db")
        for path in (ours, theirs):
            connection = sqlite3.connect(path, isolation_level=None)
            for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF", *_sqlite(rows)):
                connection.execute(statement)
            connection.close()
        hand = sqlite3.connect(theirs, isolation_level=None)
        hand.execute("PRAGMA synchronous = FULL")
        with _library(Path(folder), f"sqlite:///{ours}") as (library, clock):
            yield Swept(
                library,
                clock,
                lambda before: hand.execute("DELETE FROM clips WHERE captured_at < ?", (_text(before),)).rowcount,
                rows // DAYS,
            )
        hand.close()


def _text(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}"


def _session(url: str) -> psycopg.Connection:
    return psycopg.connect(sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


def _postgresql(rows: int) -> Sequence[str]:
    """Equally many rows a day, in the order of their time, as an application writes them."""
    step = f"interval '{DAYS * 86_400 / rows} seconds'"
    return (
        "CREATE TABLE profiles (id bigint PRIMARY KEY, name text, made_at timestamptz)",
        f"INSERT INTO profiles SELECT n, 'profile ' || n, '{FIRST.isoformat()}' FROM generate_series(0, {PROFILES - 1}) n",
        "CREATE TABLE clips (id bigint, profile_id bigint, said text, captured_at timestamptz)",
        (
            f"INSERT INTO clips SELECT n, n % {PROFILES}, 'what was said in clip ' || n, "
            f"timestamptz '{FIRST.isoformat()}' + (n - 0.5) * {step} FROM generate_series(1, {rows}) n"
        ),
        "ALTER TABLE clips ADD PRIMARY KEY (id)",
        "ALTER TABLE clips ADD FOREIGN KEY (profile_id) REFERENCES profiles",
        "CREATE INDEX ON clips (profile_id)",
        "CREATE INDEX ON clips (captured_at)",
    )


def _sqlite(rows: int) -> Sequence[str]:
    seconds = DAYS * 86_400 / rows
    numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})"
    return (
        "CREATE TABLE profiles (id INTEGER PRIMARY KEY, name TEXT, made_at TEXT)",
        f"INSERT INTO profiles {numbers.replace(str(rows), str(PROFILES))} SELECT n - 1, 'profile ' || n, '{_text(FIRST)}' FROM numbers",
        "CREATE TABLE clips (id INTEGER PRIMARY KEY, profile_id INTEGER REFERENCES profiles, said TEXT, captured_at TIMESTAMP)",
        (
            f"INSERT INTO clips {numbers} SELECT n, n % {PROFILES}, 'what was said in clip ' || n, "
            f"datetime({FIRST.timestamp()} + (n - 0.5) * {seconds}, 'unixepoch') FROM numbers"
        ),
        "CREATE INDEX clips_profile ON clips (profile_id)",
        "CREATE INDEX clips_captured ON clips (captured_at)",
        "ANALYZE",
    )


@contextmanager
def _library(folder: Path, url: str) -> Iterator[tuple[Expunge, FakeClock]]:
    (folder / "state").mkdir()
    (folder / "shop.yml").write_text(DATASET, encoding="utf-8")
    (folder / "expunge.yaml").write_text(POLICY, encoding="utf-8")
    clock = FakeClock(FIRST + timedelta(days=DAYS - 1))
    with expunge.open(folder / "expunge.yaml", env={"SHOP_URL": url}, clock=clock) as library:
        sweeps.approve(library.rooms, by="officer")
        yield library, clock


def measure(store: str, rows: int, rounds: int) -> dict[str, Json]:
    """One row: medians over the rounds."""
    opened = on_postgresql if store == "postgresql" else on_sqlite
    with opened(rows) as bench:
        reset_peak()
        done = [bench.round() for _ in range(rounds)]
    erase = median(phases["erase"].seconds for phases, _ in done)
    floor = median(hand.seconds for _, hand in done)
    cpu = median(hand.cpu for _, hand in done)
    ours = median(phases["erase"].cpu for phases, _ in done)
    return {
        "name": "retain",
        "store": store,
        "rows": rows,
        "due": rows // DAYS,
        "rounds": rounds,
        "ratio": round(erase / floor, 3),
        "erase_s": round(erase, 4),
        "floor_s": round(floor, 4),
        "erase_rounds_s": [round(phases["erase"].seconds, 4) for phases, _ in done],
        "floor_rounds_s": [round(hand.seconds, 4) for _, hand in done],
        "best_ratio": round(min(phases["erase"].seconds for phases, _ in done) / min(hand.seconds for _, hand in done), 3),
        "cpu_ratio": round(ours / cpu, 3) if store == "sqlite" else None,  # a server's CPU is not this process's
        "erase_cpu_s": round(ours, 4),
        "floor_cpu_s": round(cpu, 4),
        "phases_s": {name: round(median(phases[name].seconds for phases, _ in done), 4) for name in PHASES if name != "keys"},
        "cpu_s": round(median(sum(spent.cpu for spent in phases.values()) for phases, _ in done), 4),
        "statements_store": sum(spent.store for spent in done[-1][0].values()),
        "peak_rss_mb": peak_mb(),
    }


def show(rows: Sequence[dict[str, Json]]) -> None:
    """The table for people."""
    names = [name for name in PHASES if name not in ("keys", "erase")]
    table = Table(title="sweeps; seconds are medians")
    for name in ("store", "rows", "due", "ratio", "erase", "by hand", *names, "CPU", "RSS MB"):
        table.add_column(name, justify="right")
    for row in rows:
        phases = row["phases_s"]
        assert isinstance(phases, dict)
        told = [
            str(row["store"]),
            f"{row['rows']:,}",
            f"{row['due']:,}",
            f"{row['ratio']:.2f}",
            f"{row['erase_s']:.3f}",
            f"{row['floor_s']:.3f}",
        ]
        table.add_row(*told, *(f"{phases[name]:.3f}" for name in names), f"{row['cpu_s']:.2f}", str(row["peak_rss_mb"]))
    Console(width=160).print(table)


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(description="Sweeping what has come to its term beside DELETE by hand.")
    parser.add_argument("--quick", action="store_true", help="300,000 rows: a minute or two")
    parser.add_argument("--rows", type=int, help=f"rows in the table ({ROWS:,}; quick {QUICK_ROWS:,})")
    parser.add_argument("--rounds", type=int, help=f"days that are swept ({ROUNDS}; quick {QUICK_ROUNDS})")
    parser.add_argument("--store", default="postgresql,sqlite", help="which stores, with commas")
    parser.add_argument("--json", action="store_true", help="a JSON line per store instead of a table")
    chosen = parser.parse_args()
    rows = chosen.rows or (QUICK_ROWS if chosen.quick else ROWS)
    rounds = chosen.rounds or (QUICK_ROUNDS if chosen.quick else ROUNDS)
    found = []
    for store in chosen.store.split(","):
        found.append(measure(store, rows, rounds))
        if chosen.json:
            print(json.dumps(found[-1]), flush=True)
    if not chosen.json:
        show(found)


if __name__ == "__main__":
    main()
