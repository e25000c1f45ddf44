"""A hunt over real folders: what is resumed, what is divided, and what ends the process that looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from expunge.hunt.families import Matchers
from expunge.hunt.hunting import Hunt
from expunge.hunt.reading import Limits
from expunge.hunt.scanning import Shard, Source, scan_shard
from expunge.policy.catalog import Catalog
from expunge.runtime.fleet import InProcess
from expunge.stores.base import Scan
from expunge.stores.scan_registry import open_scan

DEADLY = "deadly.bin"


@dataclass
class Shelf:
    """Pages by name, in memory."""

    held: dict[str, list[bytes]] = field(default_factory=dict)

    def names(self) -> Sequence[str]:
        return sorted(self.held)

    def pages(self, name: str) -> Iterator[bytes]:
        return iter(self.held[name])

    def put(self, name: str, pages: Iterable[bytes]) -> None:
        self.held[name] = list(pages)


class KilledError(Exception):
    """Stands for the end of the process."""


def opened(source: Source) -> Scan:
    return open_scan(source.url)


def hunt(folder: Path, scanned: list[str], kill: Callable[[Shard], bool]) -> Hunt:
    def scan(job: object) -> bytes:
        assert isinstance(job, Shard)
        scanned.extend(part.name for part in job.parts)
        if kill(job):
            raise KilledError
        return scan_shard(job, opened(job.source), Matchers({}), Limits()).as_bytes()

    source = Source("share", str(folder))
    return Hunt(Catalog({}, {}, {}), (source,), opened, InProcess(), lambda _run, shard: shard, scan)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.txt", DEADLY, "z.txt"):
        (tmp_path / name).write_text("nothing of anybody\n")
    return tmp_path


def deadly(shard: Shard) -> bool:
    return any(part.name == DEADLY for part in shard.parts)


def test_what_ends_the_process_is_found_and_told_and_the_rest_is_scanned(folder: Path) -> None:
    shelf, scanned = Shelf(), list[str]()
    for _ in range(4):
        with pytest.raises(KilledError):
            hunt(folder, scanned, deadly).hunt("run", shelf, (), 0)
    del scanned[:]
    account = hunt(folder, scanned, deadly).hunt("run", shelf, (), 0).account
    assert DEADLY not in scanned
    assert account["sources"]["share"]["not_scanned"] == {"damaged or cut short": 1}  # type: ignore[call-overload, index] # our own JSON
    assert account["sources"]["share"]["streams"] == 2  # type: ignore[call-overload, index] # our own JSON


def test_a_shard_that_ended_is_not_scanned_again_in_its_round(folder: Path) -> None:
    shelf, scanned = Shelf(), list[str]()
    first = hunt(folder, scanned, lambda _: False).hunt("run", shelf, (), 0)
    assert hunt(folder, scanned, lambda _: False).hunt("run", shelf, (), 0) == first
    assert len(scanned) == 3
    hunt(folder, scanned, lambda _: False).hunt("run", shelf, (), 1)
    assert len(scanned) == 6


def test_a_file_that_changed_is_scanned_again(folder: Path) -> None:
    shelf, scanned = Shelf(), list[str]()
    hunt(folder, scanned, lambda _: False).hunt("run", shelf, (), 0)
    (folder / "z.txt").write_text("longer than it was before")
    hunt(folder, scanned, lambda _: False).hunt("run", shelf, (), 0)
    assert len(scanned) == 6
