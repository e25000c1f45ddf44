"""Delta tables, local or wherever ``deltalake`` reaches.

A record's address is a digest of its values: files come and go in a Delta table, also by others' hands. To erase is to rewrite the files
that hold addressed rows and to commit that. Time travel, change data and the log's statistics still hold what is gone until ``reclaim``
ends them; that ends time travel for everyone, so a policy may choose to keep the log until its own retention has passed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace as with_values
from datetime import timedelta
from functools import partial
from os import walk
from pathlib import Path

from expunge.errors import Drift, Refused, UnknownStore
from expunge.ports import Fleet
from expunge.stores.arrow import fields, nodes
from expunge.stores.arrow_file import Part, contents, distinct, hits
from expunge.stores.arrow_rows import by_prefix, check, digests, located, parsed
from expunge.stores.arrow_verify import Tally
from expunge.stores.base import CollectionLayout
from expunge.stores.delta_commit import Holder, check_changes, replace
from expunge.stores.delta_log import Snapshot, snapshot
from expunge.stores.delta_place import LOG, Place, place
from expunge.stores.delta_reclaim import DEFAULTS, empty_folders, forget, materialise, vacuum
from expunge.stores.delta_table import Version, current
from expunge.stores.delta_work import Look, count, count_dead
from expunge.stores.disk import reach
from expunge.stores.parquet_folder import partition_of
from expunge.stores.shares import Crew
from expunge.terms import Json, Located, Reclaimed, Record, Residue, Selector, Shape, Step, Value

UNLISTED = "(unlisted)"
BATCH = 32  # files per commit: 3 GB at the usual 100 MB, so that a conflict or crash costs minutes, not hours
_INTERVAL = re.compile(r"interval (\d+) (second|minute|hour|day|week)s?")


def open_store(name: str, options: Mapping[str, object], collections: Sequence[CollectionLayout]) -> DeltaStore:
    """Open ``path`` (a folder) or ``url`` (with ``storage_options``): a table, or the folder of tables that collections' ``path`` name.

    ``reclaim``: ``full`` (default) or ``vacuum``, which keeps the log; ``batch``: files per commit.

    Raises:
        Drift: no path, or one that leads elsewhere.
    """
    address = options.get("path") or options.get("url")
    if not isinstance(address, str):
        raise Drift("a Delta store needs a path or a url", where=name)
    passed = options.get("storage_options") or {}
    batch = options.get("batch", BATCH)
    assert isinstance(passed, Mapping), "the policy's options are typed"
    assert isinstance(batch, int), "the policy's options are typed"
    paths = {one.name: _path(name, one) for one in collections}
    return DeltaStore(
        name, {one: place(address, path, passed) for one, path in paths.items()}, address, batch, full=options.get("reclaim") != "vacuum"
    )


def _path(store: str, collection: CollectionLayout) -> str:
    path = collection.layout.get("path", "")
    if not isinstance(path, str) or path.startswith("/") or ".." in path.split("/"):
        raise Drift("the collection's path is a folder inside the store's", where=f"{store}.{collection.name}")
    return path


class DeltaStore:
    """The store. It implements ``base.Store``, ``base.Reader``, ``base.Lister`` and ``base.Splits``."""

    def __init__(self, name: str, places: Mapping[str, Place], address: str, batch: int, *, full: bool) -> None:
        """``places`` of the tables by collection; ``batch`` files per commit; ``full`` whether reclaim ends the log's memory."""
        self._name = name
        self._places = places
        self._address = address
        self._batch = batch
        self._full = full
        self._crew = Crew()

    def describe(self) -> tuple[Shape, ...]:
        """Every table; local ones that no collection names as ``(unlisted)``.

        Raises:
            Drift, Unavailable, Refused: as the contract says.
        """
        listed = [self._shape(name, where) for name, where in self._places.items()]
        return (*listed, *(self._glance(f"{UNLISTED} {path}", place(self._address, path, {})) for path in self._unlisted()))

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """Matching rows, in the order of the files that hold them.

        Raises:
            UnknownStore, Drift, Unavailable, Refused, Conflict: as the contract says.
        """
        at, where = self._at(selector.collection)
        with at.faults(where):
            version = current(at, where)
            _require(version, (*_asked(selector), *carry), where)
            held, seen = by_prefix(selector.minus).get("", set()), Counter[bytes]()
            for part in version.parts:
                with part.open() as file:
                    found = hits(file, part, selector, where)
                    yield from located(found, part.partition, "", held=held, seen=seen, carry=carry)

    def erase(self, step: Step) -> Iterator[int]:
        """Rewrite the files that hold addressed rows, a few per commit.

        Raises:
            Conflict: another writer changed a file meanwhile.
            Refused: the table is append-only, or a rule reads a field that would change.
            UnknownStore, Drift, Unavailable, Full: as the contract says.
        """
        at, where = self._at(step.collection)
        with at.faults(where):
            version = current(at, where)
            _require(version, (*_asked(step.selector), *step.fields, *step.repoint), where)
            check_changes(version, step, where)
            known = {name: node for name, node in nodes(version.schema).items() if name not in version.partitioned}
            check(step, known, version.partitioned, where)
            wanted = by_prefix(step.addresses).get("", set())
            holders = _holders(version, step, wanted, where)
            if marked := [part for part, _ in holders if part.alive is not None]:
                materialise(at, version, marked, where)
                version = current(at, where)
                holders = _holders(version, step, wanted, where)
            yield from self._commits(at, version, step, holders, where)

    def _commits(self, at: Place, version: Version, step: Step, holders: Sequence[Holder], where: str) -> Iterator[int]:
        """Commit by commit, how many addresses from the front have none of their rows left in a file still to come."""
        waiting = Counter(digest for _, held in holders for digest in held)
        begin = 0
        for first in range(0, len(holders), self._batch):
            group = holders[first : first + self._batch]
            if at.root is not None:
                reach(at.root, where)
            replace(at, version, group, step, where)
            for _, held in group:
                waiting.subtract(held)
            done = next((count for count, one in enumerate(step.addresses[begin:]) if _waits(one, waiting)), len(step.addresses) - begin)
            begin += done
            yield done
        if begin < len(step.addresses):
            yield len(step.addresses) - begin

    def reclaim(self, selector: Selector) -> Reclaimed:
        """Rewrite files in which matching rows are only marked as deleted, vacuum everything, and (``full``) end the log's memory.

        Raises:
            UnknownStore, Drift, Unavailable, Refused, Conflict, Full: as the contract says.
        """
        at, where = self._at(selector.collection)
        with at.faults(where):
            version = current(at, where)
            marked = [part for part in version.parts if part.alive is not None and count([Look(at, part, selector, where)])[0].dead]
            if marked:
                materialise(at, version, marked, where)
            vacuum(at, current(at, where))
            if not self._full:
                return Reclaimed(
                    "rewrite deletion vectors, vacuum", note="the log and its statistics stay until their retention has passed"
                )
            forget(at, where)
        return Reclaimed("rewrite deletion vectors, vacuum, checkpoint, clean the log", note="time travel begins anew")

    def verify(self, selector: Selector) -> Residue:
        """Read the log by a reader of our own, then every row of every living file, and every file that the table no longer needs.

        Raises:
            UnknownStore, Drift, Unavailable, Refused, Conflict: as the contract says.
        """
        at, where = self._at(selector.collection)
        with at.faults(where):
            version = current(at, where)
            _require(version, _asked(selector), where)
            told = snapshot(at, where)
            vectors = {part.name: part.alive for part in version.parts}
            sums, left = Tally(), 0
            living = [
                Part(one.name, partial(at.open, one.name), one.partition, vectors.get(one.name), threads=at.root is not None)
                for one in told.live
            ]
            sizes = version.sizes
            for found in self._crew.read(
                count, [Look(at, part, selector, where) for part in living], lambda one: sizes.get(one.part.name, 0)
            ):
                sums.add(found)
            for rows in self._crew.read(count_dead, _dead(at, told, selector, where), lambda one: at.size(one.part.name)):
                left += rows
        history = sums.dead + left + len(told.stale) + len(empty_folders(at))
        unknown = at.root is None and not history
        clears_at = None if self._full or not told.stale else max(one.modified for one in told.stale) + _retention(told)
        note = (
            f"{len(told.live)} files of version {told.version} read whole; history: {sums.dead} rows marked as deleted, "
            f"{left} in files of older versions, {len(told.stale)} files of the log about such files"
        )
        note += "" if at.root is not None else "; old versions that the bucket itself may keep are not looked at"
        return Residue(sums.scanned, sums.live, history=None if unknown else history, clears_at=clears_at, note=note)

    def read(self, collection: str, addresses: Iterable[str]) -> Iterator[Record]:
        """The rows' fields, partition values among them; the table is read until all are found.

        Raises:
            UnknownStore, Drift, Unavailable, Refused, Conflict: as the contract says.
        """
        at, where = self._at(collection)
        with at.faults(where):
            order = list(addresses)
            found = _found(current(at, where), by_prefix(order).get("", set()))
            for one in order:
                read = parsed(one)
                if read is not None and read[1] in found:
                    yield Record(one, found[read[1]])

    def distinct(self, collection: str, field: str) -> Iterator[tuple[Value, ...]]:
        """The field's values in the current version, batch of rows by batch of rows; one may come again in a later batch.

        Raises:
            UnknownStore, Drift, Unavailable, Refused, Conflict: as the contract says.
        """
        at, where = self._at(collection)
        with at.faults(where):
            version = current(at, where)
            _require(version, (field,), where)
            for part in version.parts:
                with part.open() as file:
                    yield from distinct(file, part, field, where)

    def use(self, fleet: Fleet, width: int) -> None:
        """See ``Splits``: a verification's files are read by the fleet; commits are one at a time."""
        self._crew = with_values(self._crew, fleet=fleet, width=width)

    def close(self) -> None:
        """Nothing is held open."""

    def _at(self, collection: str) -> tuple[Place, str]:
        if collection not in self._places:
            raise UnknownStore(f"the store has no collection {collection!r}", where=self._name)
        return self._places[collection], f"{self._name}.{collection}"

    def _shape(self, name: str, at: Place) -> Shape:
        where = f"{self._name}.{name}"
        with at.faults(where):
            version = current(at, where)
            known = tuple(with_values(one, checked=version.ruled(one.name.split(".")[0])) for one in fields(version.schema))
            return Shape(name, known, about=version.table.count())

    def _glance(self, name: str, at: Place) -> Shape:
        """The shape of a table that nobody listed; one that can't be read is told all the same, without fields."""
        try:
            return self._shape(name, at)
        except (Refused, Drift):
            return Shape(name, ())

    def _unlisted(self) -> list[str]:
        at = place(self._address, "", {})
        if at.folder is None:
            return []
        found = [Path(folder).relative_to(at.folder).as_posix() for folder, inner, _ in walk(at.folder) if LOG in inner]
        listed = {one.folder for one in self._places.values()}
        return [path for path in sorted(found) if at.folder / path not in listed]


def _asked(selector: Selector) -> tuple[str, ...]:
    return (*selector.any_of, *selector.within, *selector.present)


def _require(version: Version, names: Iterable[str], where: str) -> None:
    missing = set(names) - nodes(version.schema).keys()
    if missing:
        raise Drift(f"the table has no field {min(missing)!r}", where=where)


def _holders(version: Version, step: Step, wanted: set[bytes], where: str) -> list[Holder]:
    """The files with matching rows of the wanted digests, and which."""
    found: list[Holder] = []
    for part in version.parts if wanted else ():
        with part.open() as file:
            here = {one for batch in hits(file, part, step.selector, where) for one in digests(batch, part.partition)} & wanted
        if here:
            found.append((part, here))
    return found


def _waits(address: str, waiting: Mapping[bytes, int]) -> bool:
    read = parsed(address)
    return read is not None and waiting.get(read[1], 0) > 0


def _dead(at: Place, told: Snapshot, selector: Selector, where: str) -> list[Look]:
    """The data files that the current version doesn't need."""
    living = {one.name for one in told.live}
    names = (one.name for one in at.files() if one.name.endswith(".parquet") and not one.name.startswith(f"{LOG}/"))
    gone = (name for name in names if name not in living)
    return [Look(at, Part(name, partial(at.open, name), partition_of(name), threads=at.root is not None), selector, where) for name in gone]


def _retention(told: Snapshot) -> timedelta:
    """How long the log is kept by the table's own setting."""
    name = "delta.logRetentionDuration"
    said = _INTERVAL.fullmatch(told.configuration.get(name, DEFAULTS[name]))
    return timedelta(**{f"{said[2]}s": int(said[1])}) if said else timedelta(days=30)


def _found(version: Version, wanted: set[bytes]) -> dict[bytes, Mapping[str, Json]]:
    found: dict[bytes, Mapping[str, Json]] = {}
    for part in version.parts:
        if found.keys() >= wanted:
            break
        with part.open() as file:
            found |= contents(file, part, wanted)
    return found
