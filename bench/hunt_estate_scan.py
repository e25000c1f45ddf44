"""Scans an estate by the path of a run: prints of every family, shards, matchers in each process, judging; and keeps what was seen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from expunge.errors import MissingExtra
from expunge.hunt.families import FAMILIES, Matchers, family
from expunge.hunt.groups import Scanned
from expunge.hunt.judging import judge
from expunge.hunt.listed import Listed
from expunge.hunt.prints import Trace
from expunge.hunt.reading import Limits
from expunge.hunt.scanning import Shard, Source, scan_shard, shards
from expunge.hunt.traces import batches
from expunge.policy.catalog import Catalog
from expunge.ports import Fleet, Found
from expunge.stores.scan_registry import open_scan

NOTHING_LISTED = Catalog({}, {}, {})


@dataclass(frozen=True, slots=True)
class Job:
    """A shard, and the folder of prints; can be pickled."""

    prints: Path
    shard: Shard


@dataclass(slots=True)
class Seen:
    """A whole scan. ``seconds`` is of CPU, in all processes, without making matchers (``prepared``)."""

    scanned: Scanned = field(default_factory=Scanned)
    finds: Sequence[Found] = ()
    seconds: float = 0.0
    prepared: float = 0.0
    wall: float = 0.0
    peak: int = 0


_MATCHERS: dict[Path, Matchers] = {}


def take(traces: Sequence[Trace], folder: Path) -> dict[str, tuple[float, int]]:
    """Write every family's prints as a run seals them; CPU seconds and bytes by family. A family that isn't there is left out."""
    told: dict[str, tuple[float, int]] = {}
    for name in FAMILIES:
        begun = time.process_time()
        size = 0
        try:
            for batch_number, batch in enumerate(batches(traces)):
                for number, page in enumerate(family(name).take(batch)):
                    path = folder / f"{batch_number:05d}-{number:04d}.{name}"
                    path.write_bytes(page)
                    size += len(page)
        except (MissingExtra, ModuleNotFoundError):
            continue
        if size:
            told[name] = (time.process_time() - begun, size)
    return told


def read(folder: Path) -> Mapping[str, list[bytes]]:
    """Prints by family."""
    found: dict[str, list[bytes]] = {}
    for path in sorted(folder.iterdir()):
        found.setdefault(path.suffix[1:], []).append(path.read_bytes())
    return found


def scan(job: Job) -> tuple[bytes, float, float, int]:
    """Scan one shard, in whatever process: what was seen, CPU seconds for it and for making matchers, this process's peak in MB."""
    begun = time.process_time()
    if job.prints not in _MATCHERS:
        _MATCHERS.clear()
        _MATCHERS[job.prints] = Matchers(read(job.prints))
    ready = time.process_time()
    with closing(open_scan(job.shard.source.url)) as source:
        raw = scan_shard(job.shard, source, _MATCHERS[job.prints], Limits()).as_bytes()
    return raw, time.process_time() - ready, ready - begun, peak_mb()


def hunt(sources: Iterable[Source], prints: Path, fleet: Fleet) -> Seen:
    """Scan sources whole, and judge what was seen."""
    begun = time.perf_counter()
    seen = Seen()
    jobs = (Job(prints, shard) for source in sources for shard in _shards(source))
    for raw, seconds, prepared, peak in fleet.map(scan, jobs):
        seen.scanned.add(Scanned.from_bytes(raw))
        seen.seconds += seconds
        seen.prepared += prepared
        seen.peak = max(seen.peak, peak)
    seen.finds = judge(seen.scanned.groups.values(), Listed(NOTHING_LISTED, ()))[0]
    seen.wall = time.perf_counter() - begun
    return seen


def paths(finds: Iterable[Found]) -> Iterator[tuple[str, Found]]:
    """Finds with the path (or the table) in which each lies."""
    for one in finds:
        place = cast("Mapping[str, Mapping[str, str | None]]", one.detail)["place"]
        yield place["path"] or place["table"] or "", one


def peak_mb() -> int:
    """The most memory that this process has held, in MB; 0 where that can't be told."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    line = next(one for one in status.read_text(encoding="ascii").splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


def _shards(source: Source) -> list[Shard]:
    with closing(open_scan(source.url)) as scan_:
        return list(shards(scan_, source))
