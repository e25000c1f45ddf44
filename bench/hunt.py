"""What the hunt finds in an estate in which copies were planted in every format and transformation, and how fast.

    python bench/hunt.py [--quick] [--size BYTES] [--needles N] [--only TEXT] [--workers N] [--folder DIR] [--json] [--write PAGE]

One file holds one copy of one person's; it counts as recognised if the hunt tells that file and means that person. What is aimed at is
printed beside it; transformations without an aim are beyond what the hunt promises and are listed with what they reach.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `bench` itself, when this file is run as a script

from bench import hunt_estate, hunt_estate_page, hunt_estate_speed
from bench.hunt_estate import Estate
from bench.hunt_estate_scan import Seen, hunt, paths, take
from expunge.hunt.prints import Tier
from expunge.hunt.scanning import Source
from expunge.runtime.fleet import InProcess, Processes
from expunge.terms import Json

SIZE, QUICK_SIZE = 2_000_000_000, 24_000_000
NEEDLES = 100_000
MILLION = 1_000_000


@dataclass(slots=True)
class Reached:
    """Of one transformation: how many copies were planted, stood by themselves, were given to look at, or were missed."""

    name: str
    group: str
    aim: float | None
    n: int = 0
    found: int = 0
    review: int = 0
    missed: list[str] = field(default_factory=list[str])

    @property
    def recall(self) -> float:
        """Of both tiers together."""
        return (self.found + self.review) / self.n

    def row(self) -> dict[str, Json]:
        """A line of JSON."""
        tier = "found" if self.found else "review" if self.review else "none"
        counted: dict[str, Json] = {"found": self.found, "review": self.review, "missed": len(self.missed)}
        return {
            "name": self.name,
            "group": self.group,
            "recall": round(self.recall, 4),
            "n": self.n,
            "tier": tier,
            **counted,
            "aim": self.aim,
        }


def reached(estate: Estate, seen: Seen) -> list[Reached]:
    """What became of every planted copy, by transformation."""
    certain: dict[str, bool] = {}
    for path, find in paths(seen.finds):
        certain[path] = certain.get(path, False) or find.certain
    whose: dict[str, set[int]] = {}
    for group in seen.scanned.groups.values():
        whose.setdefault(group.place.path, set()).update(group.subjects)
    found: dict[str, Reached] = {}
    for plant in estate.plants:
        one = found.setdefault(plant.name, Reached(plant.name, plant.group, plant.aim))
        one.n += 1
        if plant.path not in certain or plant.subject not in whose.get(plant.path, ()):
            one.missed.append(plant.path)
        elif certain[plant.path]:
            one.found += 1
        else:
            one.review += 1
    return list(found.values())


def false_alarms(estate: Estate, seen: Seen) -> dict[str, Json]:
    """What was recognised in clean content, by tier and kind, for each million lines and rows; and wrong people in planted files."""
    alarms: Counter[Tier] = Counter()
    kinds: Counter[str] = Counter()
    meant = {plant.path: plant.subject for plant in estate.plants}
    others = 0
    for group in seen.scanned.groups.values():
        if group.place.path.startswith("clean/"):
            alarms[group.tier] += group.count
            kinds[f"{group.tier.value} {group.kind.value}"] += group.count
        elif group.tier is Tier.FOUND and group.place.path in meant:
            others += bool(group.subjects - {meant[group.place.path]})
    of = (estate.lines + estate.files) / MILLION
    told: dict[str, Json] = {"name": "false-alarms", "lines_and_files": estate.lines + estate.files}
    told |= {f"{tier.value}_per_million": round(alarms[tier] / of, 3) for tier in (Tier.FOUND, Tier.REVIEW)}
    return told | {"by_kind": dict(kinds), "files_that_also_name_somebody_else": others}


def told(estate: Estate, seen: Seen) -> dict[str, Json]:
    """Whether everything that can't be read stands in the account."""
    mentioned = {one.place.path.rstrip("/") for one in seen.scanned.account.unread}
    silent = [path for path in estate.unreadable if path not in mentioned]
    seen_through = {path for path, one in paths(seen.finds) if path in estate.unreadable}
    why = {
        one.place.path.removeprefix("closed/"): one.why.value for one in seen.scanned.account.unread if one.place.path.startswith("closed/")
    }
    counted: dict[str, Json] = {
        "n": len(estate.unreadable),
        "recall": 1 - len(silent) / len(estate.unreadable),
        "unmentioned": list(silent),
    }
    return {"name": "unreadable-told", **counted, "recognised_all_the_same": len(seen_through), "why": why}


def summed(rows: Iterable[Reached]) -> list[dict[str, Json]]:
    """A line for each group, of what is aimed at."""
    groups: dict[str, Reached] = {}
    for row in rows:
        if row.aim is not None:
            one = groups.setdefault(row.group, Reached(f"all: {row.group}", row.group, row.aim))
            one.n, one.found, one.review = one.n + row.n, one.found + row.found, one.review + row.review
            one.missed += row.missed
    return [one.row() for one in groups.values()]


def cost(estate: Estate, seen: Seen, taken: Mapping[str, tuple[float, int]]) -> dict[str, Json]:
    """What the scan took, of everything in the estate together, recordings included."""
    account = seen.scanned.account
    counted: dict[str, Json] = {
        "needles": len(estate.needles),
        "bytes": account.bytes,
        "unwrapped": account.unwrapped,
        "streams": account.streams,
    }
    timed: dict[str, Json] = {"cpu_s": round(seen.seconds, 1), "wall_s": round(seen.wall, 1), "matchers_cpu_s": round(seen.prepared, 1)}
    prints: dict[str, Json] = {name: {"cpu_s": round(seconds, 2), "bytes": size} for name, (seconds, size) in taken.items()}
    return {"name": "estate", **counted, **timed, "peak_mb": seen.peak, "prints": prints}


def alike(one: Seen, other: Seen) -> bool:
    """Whether two scans saw the same."""
    first, second = ({(key, group.count) for key, group in seen.scanned.groups.items()} for seen in (one, other))
    return first == second


@contextmanager
def built(options: argparse.Namespace) -> Iterator[tuple[Estate, Path]]:
    """An estate, and a folder for prints; taken away at the end."""
    with tempfile.TemporaryDirectory(prefix="expunge-bench-", dir=options.folder) as folder:
        size = options.size if options.size is not None else QUICK_SIZE if options.quick else SIZE
        prints = Path(folder, "prints")
        prints.mkdir()
        yield hunt_estate.build(Path(folder, "estate"), options.needles, size, only=options.only), prints


def measure(options: argparse.Namespace) -> tuple[list[dict[str, Json]], list[Reached]]:
    """Every line, and the transformations by themselves."""
    with built(options) as (estate, prints):
        taken = take(estate.needles, prints)
        sources = [Source("share", str(estate.root / "share"))]
        if options.workers > 1:
            with Processes(options.workers) as fleet:
                seen = hunt(sources, prints, fleet)
        else:
            seen = hunt(sources, prints, InProcess())
        rows = reached(estate, seen)
        lines = [row.row() for row in rows]
        lines += [*summed(rows), false_alarms(estate, seen), told(estate, seen), cost(estate, seen, taken)]
        lines += hunt_estate_speed.measure(estate.root / "speed", prints)
        if options.twice:
            lines.append({"name": "one-process-sees-the-same", "same": alike(seen, hunt(sources, prints, InProcess()))})
        return lines, rows


def show(lines: Sequence[Mapping[str, Json]], rows: Sequence[Reached]) -> None:
    """The tables for people."""
    console = Console(width=140)
    table = Table(title="copies planted, by transformation")
    for name in ("group", "transformation", "planted", "found", "review", "missed", "recall", "aim"):
        table.add_column(name, justify="left" if name in ("group", "transformation") else "right")
    for row in rows:
        style = "red" if row.aim is not None and row.recall < row.aim else "yellow" if row.missed else ""
        counted = [str(one) for one in (row.n, row.found, row.review, len(row.missed))]
        table.add_row(row.group, row.name, *counted, f"{row.recall:.2f}", f"{row.aim:.2f}" if row.aim is not None else "-", style=style)
    console.print(table)
    for line in lines[len(rows) :]:
        console.print_json(json.dumps(line))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="24 MB of clean content beside the copies")
    parser.add_argument("--size", type=int, help="bytes of clean content; 2 GB unless told")
    parser.add_argument("--needles", type=int, default=NEEDLES, help="identifiers and texts that are looked for")
    parser.add_argument("--only", default="", help="only transformations whose name holds this")
    parser.add_argument("--workers", type=int, default=2, help="processes that scan")
    parser.add_argument("--twice", action="store_true", help="scan once more in one process, and compare")
    parser.add_argument("--folder", type=Path, help="where the estate is built; the system's temporary folder unless told")
    parser.add_argument("--json", action="store_true", help="a JSON line per transformation and figure")
    parser.add_argument("--write", type=Path, help="write the page with these figures")
    options = parser.parse_args()
    begun = time.perf_counter()
    lines, rows = measure(options)
    if options.json:
        for line in lines:
            print(json.dumps(line))
    else:
        show(lines, rows)
        print(f"{time.perf_counter() - begun:.0f} s in all")
    if options.write is not None:
        hunt_estate_page.write(options.write, lines, [row.row() for row in rows])


if __name__ == "__main__":
    main()
