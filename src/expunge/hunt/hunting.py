"""The hunt itself, as a run uses it: prints from what goes, then every shard of every source through the fleet, then the verdict."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

from expunge.hunt.families import FAMILIES, family
from expunge.hunt.groups import Scanned
from expunge.hunt.judging import judge
from expunge.hunt.listed import Listed
from expunge.hunt.pieces import Account
from expunge.hunt.prints import Trace
from expunge.hunt.scanning import Shard, Source, shards
from expunge.hunt.traces import Tracks, batches, of_people, of_records
from expunge.policy.catalog import Catalog
from expunge.ports import Fleet, Gone, Hunted, Shelf
from expunge.stores.base import Scan
from expunge.terms import Identifier, Json

PRINTS = "prints:"
SHARDS = "hunt:"
"""How the shelf's names begin: prints by number and family, then what each shard of a round showed."""

Watch = Callable[[int, int, int], None]
"""Told after each shard: shards done, shards in all, bytes scanned."""


def unwatched(done: int, of: int, size: int) -> None:
    """The watch that looks away."""


@dataclass(frozen=True, slots=True)
class Hunt:
    """One policy's hunt. ``scan`` looks at a shard for a run, in whatever process, and gives ``Scanned.as_bytes``."""

    catalog: Catalog
    sources: Sequence[Source]
    open_scan: Callable[[Source], Scan]
    fleet: Fleet
    jobs: Callable[[str, Shard], object]
    scan: Callable[[object], bytes]
    watch: Watch = unwatched

    def take(self, people: Sequence[tuple[int, Identifier]], gone: Iterable[Gone]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Prints of what is about to go, a batch of traces at a time; names each once, in order."""
        tracks = Tracks()
        number = 0
        for batch in batches(chain(of_people(people), of_records(self.catalog, gone, tracks), _last(tracks))):
            for name in FAMILIES:
                pages = list(family(name).take(batch))
                if pages:
                    yield f"{PRINTS}{number:06}:{name}", iter(pages)
                    number += 1

    def hunt(self, run_id: str, shelf: Shelf, kept: Collection[str], round_: int) -> Hunted:
        """Look everywhere; as ``ports.Hunter`` says.

        Raises:
            StoreError: a place can't be listed or reached.
            MissingExtra, KeyDestroyed: as ``ports.Hunter`` says.
        """
        whole: dict[str, Scanned] = {source.name: Scanned() for source in self.sources}
        found = Scanned()
        for name, one in self._scanned(run_id, shelf, round_):
            whole[name].account.add(one.account)
            found.add(Scanned(one.groups))
        stores = {source.name: source.store for source in self.sources if source.store is not None}
        finds, aside = judge(found.groups.values(), Listed(self.catalog, kept, stores))
        return Hunted(tuple(finds), {"sources": {name: _account(one.account) for name, one in whole.items()}, "set_aside": dict(aside)})

    def _scanned(self, run_id: str, shelf: Shelf, round_: int) -> Iterator[tuple[str, Scanned]]:
        """What each shard showed; those that were done before a crash are read from the shelf."""
        todo: list[Shard] = []
        before = set(shelf.names())
        wanted = [shard for source in self.sources for shard in self._shards(source)]
        for shard in wanted:
            name = f"{SHARDS}{round_}:{shard.key}"
            if name in before:
                yield shard.source.name, Scanned.from_bytes(b"".join(shelf.pages(name)))
            else:
                todo.append(shard)
        scanned = 0
        raws = self.fleet.map(self.scan, (self.jobs(run_id, shard) for shard in todo))
        for done, (shard, raw) in enumerate(zip(todo, raws, strict=True), len(wanted) - len(todo) + 1):
            shelf.put(f"{SHARDS}{round_}:{shard.key}", [raw])
            scanned += sum(part.size or 0 for part in shard.parts)
            self.watch(done, len(wanted), scanned)
            yield shard.source.name, Scanned.from_bytes(raw)

    def _shards(self, source: Source) -> list[Shard]:
        with closing(self.open_scan(source)) as scan:
            return list(shards(scan, source))


def prints(names: Iterable[str]) -> Mapping[str, list[str]]:
    """The names of a run's prints on the shelf, by family, in order."""
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        if name.startswith(PRINTS):
            found.setdefault(name.rpartition(":")[2], []).append(name)
    return found


def _last(tracks: Tracks) -> Iterator[Trace]:
    """Tracks come when everything else was taken."""
    yield from tracks.traces()


def _account(one: Account) -> Json:
    """An account for a receipt: numbers, and reasons in our own words; no place, which may quote an identifier."""
    unread: dict[str, int] = {}
    for each in one.unread:
        unread[each.why.value] = unread.get(each.why.value, 0) + 1
    return {
        "streams": one.streams,
        "bytes": one.bytes,
        "unwrapped": one.unwrapped,
        "rows": one.rows,
        "formats": dict(sorted(one.formats.items())),
        "not_scanned": dict(sorted(unread.items())),
    }
