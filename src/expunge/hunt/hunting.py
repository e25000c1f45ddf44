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
from expunge.hunt.pieces import Account, Place, Unread, Why
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

TRIES = 2
"""How often a shard is begun before it is taken for what ends processes: once may be chance (a restart, no memory)."""

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
        begun = _Begun(shelf, f"{SHARDS}{round_}:")
        todo: list[Shard] = []
        wanted = [one for source in self.sources for shard in self._shards(source) for one in begun.divided(shard)]
        for shard in wanted:
            if begun.done(shard):
                yield shard.source.name, begun.result(shard)
            elif begun.deadly(shard):
                yield shard.source.name, _told(shard)
            else:
                todo.append(shard)
        scanned = 0
        raws = self.fleet.map(self.scan, (self.jobs(run_id, begun.begin(shard)) for shard in todo))
        for done, (shard, raw) in enumerate(zip(todo, raws, strict=True), len(wanted) - len(todo) + 1):
            begun.end(shard, raw)
            scanned += sum(part.size or 0 for part in shard.parts)
            self.watch(done, len(wanted), scanned)
            yield shard.source.name, Scanned.from_bytes(raw)

    def _shards(self, source: Source) -> list[Shard]:
        with closing(self.open_scan(source)) as scan:
            return list(shards(scan, source))


class _Begun:
    """What was begun and ended of a round's shards, on the shelf.

    Decoders are native code: a file may end the process that looks at it. A shard that was begun ``TRIES`` times without an end is divided
    into its parts; a part of which that is true too is told as not scanned, and the hunt goes on.
    """

    def __init__(self, shelf: Shelf, prefix: str) -> None:
        self._shelf = shelf
        self._prefix = prefix
        self._names = set(shelf.names())

    def done(self, shard: Shard) -> bool:
        return self._prefix + shard.key in self._names

    def result(self, shard: Shard) -> Scanned:
        return Scanned.from_bytes(b"".join(self._shelf.pages(self._prefix + shard.key)))

    def deadly(self, shard: Shard) -> bool:
        return self._tried(shard) >= TRIES

    def divided(self, shard: Shard) -> list[Shard]:
        if self.done(shard) or len(shard.parts) == 1 or not self.deadly(shard):
            return [shard]
        return [Shard(shard.source, (part,)) for part in shard.parts]

    def begin(self, shard: Shard) -> Shard:
        self._shelf.put(self._try(shard, self._tried(shard)), [b"begun"])
        return shard

    def end(self, shard: Shard, raw: bytes) -> None:
        self._shelf.put(self._prefix + shard.key, [raw])

    def _tried(self, shard: Shard) -> int:
        return next(number for number in range(TRIES + 1) if number == TRIES or self._try(shard, number) not in self._names)

    def _try(self, shard: Shard, number: int) -> str:
        return f"{self._prefix}{shard.key}:begun{number}"


def _told(shard: Shard) -> Scanned:
    """A part that ended the process which looked at it."""
    found = Scanned()
    for part in shard.parts:
        place = Place(shard.source.name, table=part.name) if part.table else Place(shard.source.name, part.name)
        found.account.unread.append(Unread(place, Why.BROKEN, part.size, "looking at it ended the process"))
    return found


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
