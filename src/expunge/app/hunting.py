"""Puts the hunt together: which sources a policy means, how a shard is scanned in whatever process, and the matchers each process keeps."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from expunge.hunt.families import Matchers
from expunge.hunt.hunting import Hunt, Watch, prints, unwatched
from expunge.hunt.reading import Limits
from expunge.hunt.scanning import Shard, Source, scan_shard
from expunge.journal import Journal
from expunge.policy.catalog import StoreNote
from expunge.policy.model import Hunt as HuntOptions
from expunge.policy.model import Policy
from expunge.ports import Fleet
from expunge.stores.base import Scan
from expunge.stores.scan_rate import LimitedScan, Rate, ease
from expunge.stores.scan_registry import open_scan, scheme_of

PASSED = ("endpoint_url", "region", "profile", "connect_timeout")
"""Options of stores that opening the same place for a scan understands."""

OWN_TABLES = ("journal_", "key_")
"""How the names of the control databases' tables begin, where they live in a database that is scanned."""

Loader = Callable[[str], Mapping[str, list[bytes]]]
"""The prints of a run, by family, unsealed."""


@dataclass(frozen=True, slots=True)
class Job:
    """One shard for one run. ``load`` is for a process in which the policy was not opened; it can be pickled."""

    run_id: str
    shard: Shard
    rate: int | None
    nice: int | None
    policy: Path
    load: Loader

    def __repr__(self) -> str:
        """Neither the environment nor a URL: both may hold passwords."""
        return f"Job({self.run_id!r}, {self.shard.source.name!r})"


_MATCHERS: dict[str, Matchers] = {}
"""The matchers of the run that this process is hunting for: one run at a time, since they are large."""

_LOADERS: dict[Path, Loader] = {}
"""How this process reads prints, by policy; set when a policy is opened in it."""


def hunt_of(policy: Policy, path: Path, fleet: Fleet, journal: Journal, elsewhere: Loader, watch: Watch = unwatched) -> Hunt:
    """The policy's hunt. ``journal`` holds a run's prints for this process, ``elsewhere`` (to be pickled) reads them in others."""
    asked = policy.hunt or HuntOptions()
    _LOADERS[path] = partial(prints_of, journal)

    def job(run_id: str, shard: Shard) -> object:
        return Job(run_id, shard, asked.rate, asked.nice, path, elsewhere)

    return Hunt(policy.catalog, sources(policy), opened, fleet, job, cast("Callable[[object], bytes]", scan), watch)


def scan(job: Job) -> bytes:
    """Scan one shard; a module-level function, so that any process can do it.

    Raises:
        StoreError: the source is away.
        KeyDestroyed: the run is closed.
    """
    if job.nice is not None and (short := job.nice - os.nice(0)) > 0:
        ease(short)
    if job.run_id not in _MATCHERS:
        _MATCHERS.clear()
        _MATCHERS[job.run_id] = Matchers(_LOADERS.get(job.policy, job.load)(job.run_id))
    with closing(opened(job.shard.source)) as source:
        reading = source if job.rate is None else LimitedScan(source, Rate(job.rate))
        return scan_shard(job.shard, reading, _MATCHERS[job.run_id], Limits()).as_bytes()


def forget(run_id: str) -> None:
    """Let go of a run's matchers."""
    _MATCHERS.pop(run_id, None)


def opened(source: Source) -> Scan:
    """A source, opened for scanning.

    Raises:
        StoreError, PolicyError: as the place says.
    """
    return open_scan(source.url, options=source.options)


def sources(policy: Policy) -> tuple[Source, ...]:
    """Every store of the policy, and every further place, each place once: one that lies in another is scanned under its own name."""
    found: dict[str, Source] = {}
    for note in policy.catalog.stores.values():
        url = str(note.options.get("url") or note.options.get("path"))
        found.setdefault(url, Source(note.name, url, _options(note), store=note.name))
    hunting = policy.hunt
    for place in hunting.places.values() if hunting is not None else ():
        # A place that was adopted keeps its name: a find that comes back must be the same incident.
        known = found.get(place.url)
        found[place.url] = Source(place.name, place.url, dict(place.options), store=known.store if known else None)
    held = list(found.values())
    return tuple(replace(one, own=_own(policy, one), elsewhere=_elsewhere(one, held)) for one in held)


def _options(note: StoreNote) -> dict[str, object]:
    return {name: note.options[name] for name in PASSED if note.options.get(name) is not None}


def _own(policy: Policy, source: Source) -> tuple[str, ...]:
    control = policy.control
    if scheme_of(source.url) not in ("", "file"):
        return OWN_TABLES if source.url in (control.journal, control.keys) else ()
    places = [*(url.removeprefix("sqlite:///") for url in (control.journal, control.keys) if url.startswith("sqlite:///"))]
    return _below(source, [*places, str(control.roots), str(control.evidence)])


def _elsewhere(source: Source, others: list[Source]) -> tuple[str, ...]:
    """Folders in this one that are sources of their own."""
    if scheme_of(source.url) not in ("", "file"):
        return ()
    return tuple(f"{name}/" for name in _below(source, [one.url for one in others if scheme_of(one.url) == "" and one.url != source.url]))


def _below(source: Source, paths: list[str]) -> tuple[str, ...]:
    """Those of ``paths`` that lie in a folder source, as the source names them."""
    root = os.path.realpath(source.url.removeprefix("file://"))
    found = []
    for path in paths:
        real = os.path.realpath(path)
        if real != root and os.path.commonpath([root, real]) == root:
            found.append(os.path.relpath(real, root))
    return tuple(found)


def prints_of(journal: Journal, run_id: str) -> dict[str, list[bytes]]:
    """A run's prints by family, page by page.

    Raises:
        KeyDestroyed: the run is closed.
    """
    held = prints(journal.target_names(run_id))
    return {family: [page for name in names for page in journal.targets(run_id, name)] for family, names in held.items()}
