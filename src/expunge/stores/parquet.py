"""Plain Parquet files in a folder, Hive partitions included.

A record's address is its file and a digest of its values, so it outlives the rewriting of its neighbours. To erase is to write each file
that holds addressed rows once more without them, beside itself, and to put it in its place; readers see the old file or the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from expunge.errors import Drift, UnknownStore
from expunge.ports import Fleet
from expunge.stores.arrow import Node, field_type, fields, nodes, union
from expunge.stores.arrow_faults import faults
from expunge.stores.arrow_file import Part, contents, distinct
from expunge.stores.arrow_int96 import opened
from expunge.stores.arrow_rows import by_prefix, check, parsed
from expunge.stores.arrow_verify import Tally
from expunge.stores.base import CollectionLayout
from expunge.stores.disk import reach
from expunge.stores.parquet_folder import Pattern, partition_of, tables, walk
from expunge.stores.parquet_history import clear, history, stale
from expunge.stores.parquet_work import Look, Rewrite, count, find, redo
from expunge.stores.shares import Crew, size_of
from expunge.terms import Field, FieldType, Located, Reclaimed, Record, Residue, Selector, Shape, Step, Value

UNLISTED = "(unlisted)"


def open_store(name: str, options: Mapping[str, object], collections: Sequence[CollectionLayout]) -> ParquetStore:
    """Open the folder ``path``; a collection's ``path`` is a pattern in it (``points/**/*.parquet``), a folder or a file.

    Raises:
        Drift: a path is missing, or leads out of the folder.
    """
    path = options.get("path")
    if not isinstance(path, str) or not path:
        raise Drift("a Parquet store needs a path: its folder", where=name)
    return ParquetStore(name, Path(path), {one.name: _layout(name, one) for one in collections})


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a collection lies, and the fields that were declared, for when there is no file to ask."""

    pattern: Pattern
    declared: tuple[str, ...]


def _layout(store: str, collection: CollectionLayout) -> Layout:
    path = collection.layout.get("path")
    if not isinstance(path, str) or not path.strip("/") or path.startswith("/") or ".." in path.split("/"):
        raise Drift("the collection needs a path inside the store's folder", where=f"{store}.{collection.name}")
    return Layout(Pattern(path), tuple(collection.field_names))


class ParquetStore:
    """The store. It implements ``base.Store``, ``base.Reader``, ``base.Lister`` and ``base.Splits``."""

    def __init__(self, name: str, root: Path, layouts: Mapping[str, Layout]) -> None:
        """``layouts`` by collection."""
        self._name = name
        self._root = root
        self._layouts = layouts
        self._crew = Crew()

    def describe(self) -> tuple[Shape, ...]:
        """Every collection from its files' footers; files that no pattern takes as ``(unlisted)`` ones, by their uppermost folder.

        A collection without a file has its declared fields, as text.

        Raises:
            Unavailable, Drift, Refused: the folder can't be read.
        """
        with faults(self._name):
            reach(self._root, self._name)
            known = {name: self._parts(name) for name in self._layouts}
            shapes = [self._shape(name, parts) for name, parts in known.items()]
            return (*shapes, *(self._shape(name, parts) for name, parts in self._unlisted().items()))

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """Matching rows, file by file.

        Raises:
            UnknownStore, Drift, Unavailable, Refused, Conflict: as the contract says.
        """
        where = self._where(selector.collection)
        with faults(where):
            parts = self._reached(selector.collection, selector, carry)
            for found in self._crew.read(find, _looks(parts, selector, where, carry), self._size_of):
                yield from found

    def erase(self, step: Step) -> Iterator[int]:
        """Rewrite each file that holds addressed rows, once; a file without rows left is removed.

        Raises:
            Conflict: a file changed meanwhile.
            UnknownStore, Drift, Unavailable, Refused, Full: as the contract says.
        """
        where = self._where(step.collection)
        with faults(where):
            parts = {part.name: part for part in self._reached(step.collection, step.selector, (*step.fields, *step.repoint))}
            wanted = by_prefix(step.addresses)
            here = [parts[name] for name in wanted if name in parts]
            self._check(step, here, where)
            finished: set[str] = {name for name in wanted if name not in parts}
            begin = 0
            for wave in self._crew.write(redo, self._rewrites(step, here, wanted, where), sum(map(self._size, here))):
                faulty = [answer for _, answer in wave if answer is not None]
                finished |= {work.part.name for work, answer in wave if answer is None}
                done = _prefix(step.addresses, begin, finished)
                begin += done
                if done or not faulty:
                    yield done
                if faulty:
                    raise faulty[0] from None
            if begin < len(step.addresses):
                yield len(step.addresses) - begin

    def reclaim(self, selector: Selector) -> Reclaimed:
        """Remove unfinished rewrites, sidecars that lie, empty partition folders, and values that only a dictionary page still holds.

        Raises:
            UnknownStore, Drift, Unavailable, Refused, Conflict, Full: as the contract says.
        """
        where = self._where(selector.collection)
        with faults(where):
            left = [part for part in self._reached(selector.collection) if stale(part)]
            clear(self._root, history(self._root, self._base(selector.collection), left, where), where)
        return Reclaimed("rewrite dictionary pages, remove leftover files, sidecars and empty partition folders")

    def verify(self, selector: Selector) -> Residue:
        """Read every row of every file and compare as text; look for what rewrites leave behind.

        Raises:
            UnknownStore, Drift, Unavailable, Refused, Conflict: as the contract says.
        """
        where = self._where(selector.collection)
        with faults(where):
            parts = self._reached(selector.collection, selector)
            sums, old = Tally(), []
            told = self._crew.read(count, _looks(parts, selector, where), self._size_of)
            for part, (found, dictionary) in zip(parts, told, strict=True):
                sums.add(found)
                old += [part] if dictionary else []
            left = history(self._root, self._base(selector.collection), old, where)
        note = f"{len(parts)} files read whole; unfinished rewrites, sidecars, empty partition folders and dictionary pages looked at"
        return Residue(sums.scanned, sums.live, history=left.count, note=note)

    def read(self, collection: str, addresses: Iterable[str]) -> Iterator[Record]:
        """The rows' fields, partition values among them. Each run of one file's addresses reads that file once, whole.

        Raises:
            UnknownStore, Drift, Unavailable, Refused, Conflict: as the contract says.
        """
        with faults(self._where(collection)):
            parts = {part.name: part for part in self._reached(collection)}
            for name, run in groupby(addresses, key=lambda one: (parsed(one) or ("", b""))[0]):
                if name in parts:
                    yield from _records(parts[name], list(run))

    def distinct(self, collection: str, field: str) -> Iterator[tuple[Value, ...]]:
        """The field's values, batch of rows by batch of rows; one may come again in a later batch.

        Raises:
            UnknownStore, Drift, Unavailable, Refused, Conflict: as the contract says.
        """
        where = self._where(collection)
        with faults(where):
            for part in self._reached(collection, others=(field,)):
                with part.open() as file:
                    yield from distinct(file, part, field, where)

    def use(self, fleet: Fleet, width: int) -> None:
        """See ``Splits``."""
        self._crew = replace(self._crew, fleet=fleet, width=width)

    def close(self) -> None:
        """Nothing is held open."""

    def _where(self, collection: str) -> str:
        if collection not in self._layouts:
            raise UnknownStore(f"the store has no collection {collection!r}", where=self._name)
        return f"{self._name}.{collection}"

    def _base(self, collection: str) -> tuple[str, ...]:
        return self._layouts[collection].pattern.base

    def _reached(self, collection: str, selector: Selector | None = None, others: Iterable[str] = ()) -> list[Part]:
        """The collection's files, after a look at whether the folder is there and every field that will be asked for is in some file."""
        reach(self._root, self._name)
        parts = self._parts(collection)
        asked = {*others, *((*selector.any_of, *selector.within, *selector.present) if selector else ())}
        missing = set(asked)
        for part in parts:
            if not missing:
                break
            missing -= _known(part).keys() | part.partition.keys()
        if missing and parts:
            raise Drift(f"no file has a field {min(missing)!r}", where=self._where(collection))
        return parts

    def _parts(self, collection: str) -> list[Part]:
        pattern, where = self._layouts[collection].pattern, self._where(collection)
        names = [name for name, inner in walk(self._root, pattern.base, where) if not inner]
        taken = [name for name in names if pattern.takes(name)]
        strays = [name for name in names if name.endswith(".parquet") and not self._taken(name)]
        if not taken and (strays or pattern.single):
            raise Drift("the collection's path takes no file, though files are there" if strays else "the file is missing", where=where)
        if any(_lies_in(name, folder) for folder in tables(names) for name in taken):
            raise Drift("the files are a table's (Delta, Iceberg, Hudi), whose log must know of every change", where=where)
        return [Part(name, self._opener(name), partition_of(name)) for name in taken]

    def _taken(self, name: str) -> bool:
        return any(layout.pattern.takes(name) for layout in self._layouts.values())

    def _opener(self, name: str) -> Callable[[], AbstractContextManager[pq.ParquetFile]]:
        return partial(opened, partial(str, self._root / name))

    def _unlisted(self) -> dict[str, list[Part]]:
        everything = Pattern("**/*.parquet")
        names = [name for name, inner in walk(self._root, (), self._name) if not inner]
        managed = tables(names)
        found: dict[str, list[Part]] = {}
        for name in (one for one in names if everything.takes(one) and not self._taken(one)):
            if any(_lies_in(name, folder) for folder in managed):
                continue
            top, deeper, _ = name.partition("/")
            path = f"{top}/**/*.parquet" if deeper else name
            found.setdefault(f"{UNLISTED} {path}", []).append(Part(name, self._opener(name), partition_of(name)))
        return found

    def _shape(self, name: str, parts: list[Part]) -> Shape:
        if not parts:
            return Shape(name, tuple(Field(one, FieldType.TEXT) for one in self._layouts[name].declared), about=0)
        shapes, about = [], 0
        for part in parts:
            with part.open() as file:
                own = fields(file.schema_arrow)
                about += file.metadata.num_rows
            given = [Field(key, _kind(value)) for key, value in part.partition.items() if key not in {one.name for one in own}]
            shapes.append((*own, *given))
        return Shape(name, union(shapes), about=about)

    def _check(self, step: Step, parts: list[Part], where: str) -> None:
        for part in parts if step.fields or step.repoint else ():
            check(step, _known(part), part.partition.keys(), where)

    def _rewrites(self, step: Step, parts: Iterable[Part], wanted: Mapping[str, set[bytes]], where: str) -> Iterator[Rewrite]:
        """Each when it is its turn, after a look at whether the folder is still there."""
        single, bare = self._layouts[step.collection].pattern.single, replace(step, addresses=())
        for part in parts:
            reach(self._root, self._name)
            yield Rewrite(self._root, part, bare, frozenset(wanted[part.name]), where, single)

    def _size(self, part: Part) -> int:
        return size_of(self._root / part.name)

    def _size_of(self, look: Look) -> int:
        return self._size(look.part)


def _looks(parts: Iterable[Part], selector: Selector, where: str, carry: Sequence[str] = ()) -> list[Look]:
    minus = by_prefix(selector.minus)
    return [Look(part, selector, frozenset(minus.get(part.name, ())), where, tuple(carry)) for part in parts]


def _lies_in(name: str, folder: str) -> bool:
    return not folder or name.startswith(f"{folder}/")


def _known(part: Part) -> Mapping[str, Node]:
    with part.open() as file:
        return nodes(file.schema_arrow)


def _kind(value: Value | None) -> FieldType:
    return FieldType.TEXT if value is None else field_type(pa.scalar(value).type)


def _prefix(addresses: Sequence[str], begin: int, finished: Collection[str]) -> int:
    """How many addresses from ``begin`` on are of finished files, or are none of ours and so can't be of a record."""
    count = 0
    for one in addresses[begin:]:
        read = parsed(one)
        if read is not None and read[0] not in finished:
            break
        count += 1
    return count


def _records(part: Part, addresses: list[str]) -> Iterator[Record]:
    with part.open() as file:
        found = contents(file, part, by_prefix(addresses)[part.name])
    for one in addresses:
        read = parsed(one)
        if read is not None and read[1] in found:
            yield Record(one, found[read[1]])
