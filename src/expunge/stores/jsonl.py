"""Log files with one JSON value a line, plain or gzip; lines go by rewriting their file atomically.

A collection is a glob under the store's folder. A record is a line; its address is its file and a digest of its bytes, so it stays the
same while neighbours go, and is found again in another file if the log was rotated meanwhile. Lines that are no JSON (a torn last line
is normal) are kept byte for byte and never located; ``verify`` searches them as text, and what it finds there it tells as live.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice, takewhile
from pathlib import Path
from typing import cast

from expunge.errors import Drift, StoreError, UnknownStore
from expunge.ports import Fleet
from expunge.stores.base import CollectionLayout
from expunge.stores.disk import reach, spell
from expunge.stores.jsonl_files import Files, lines
from expunge.stores.jsonl_match import carried, parse
from expunge.stores.jsonl_rewrite import sweep
from expunge.stores.jsonl_scan import plain
from expunge.stores.jsonl_shape import every_path, is_absent, shape_of
from expunge.stores.jsonl_work import PAGE, Look, Rewrite, count, digest_of, find, key_of, records, redo
from expunge.stores.shares import Crew, size_of
from expunge.terms import Json, Located, Reclaimed, Record, Residue, Selector, Shape, Step, Value

ENOUGH = 16 << 20  # bytes from which a fleet pays: lines are read at 19 MB a second, so that starting it (0.65 s) costs as much as 12 MB


def open_store(name: str, options: Mapping[str, object], collections: Sequence[CollectionLayout]) -> JsonLines:
    """Open the folder ``path``; each collection's layout has ``path``, a glob.

    Raises:
        Drift: a path is missing or leads outside.
    """
    path = options.get("path")
    if not isinstance(path, str) or not path:
        raise Drift("a jsonl store needs a path: the folder that its logs lie in", where=name)
    return JsonLines(name, Path(path), collections)


class JsonLines:
    """The store. It implements ``base.Store``, ``base.Reader``, ``base.Lister`` and ``base.Splits``."""

    def __init__(self, name: str, root: Path, collections: Sequence[CollectionLayout]) -> None:
        """Nothing is read yet.

        Raises:
            Drift: a collection's path is missing or leads outside.
        """
        self._name = name
        self._root = root
        self._crew = Crew(enough=ENOUGH)
        self._layouts = {one.name: one for one in collections}
        self._files = {one.name: Files(f"{name}.{one.name}", root, str(one.layout.get("path", ""))) for one in collections}

    def describe(self) -> tuple[Shape, ...]:
        """Every collection with the fields that its first lines have.

        Raises:
            Drift: the folder is missing.
        """
        return tuple(shape_of(self._layouts[name], files) for name, files in self._files.items())

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """Matching lines, file by file, in the order of the lines. A line that stands several times has as many addresses.

        Raises:
            UnknownStore: no such collection.
            Drift: no such field declared, or none in any line and perhaps under another name; no JSON in a file; a time that can't be read.
        """
        files = self._selectable(selector, carry)
        if selector.nothing():
            return
        unseen, any_line = {*selector.any_of, *selector.within, *selector.present}, False
        for found in self._crew.read(find, self._looks(files, files.listed(), selector, carry), self._size):
            any_line = any_line or found.any_line
            unseen -= found.seen
            yield from found.pages
        if any_line and unseen:
            self._explained(files, unseen, self._layouts[selector.collection].field_names)

    def erase(self, step: Step) -> Iterator[int]:
        """Rewrite each file once; a batch is done when its file is.

        Raises:
            UnknownStore, Drift: no such collection or field.
            Conflict, Refused, Full, Unavailable: as ``rewrite`` says.
        """
        files = self._collection(step.collection)
        self._declared(step.collection, [*step.fields, *step.repoint])
        wanted = _by_file(step)
        listed = {spell(path): path for path in files.listed()} if step.addresses else {}
        size = sum(size_of(self._root / listed[file]) for file in wanted if file in listed)
        finished: set[str] = set()
        moved: dict[str, set[str]] | None = None
        begin = 0
        for wave in self._crew.write(redo, self._rewrites(files, step, listed, wanted), size):
            faulty = [answer for _, answer in wave if isinstance(answer, StoreError)]
            for work, answer in wave:
                left = set() if isinstance(answer, StoreError) else work.digests - answer
                if left:
                    # Done already, or the log was rotated: the lines lie in another file now. One look over all files tells for the step.
                    moved = self._holders(files, set[str]().union(*wanted.values())) if moved is None else moved
                    self._follow(files, step, left, moved)
            finished |= {work.file for work, answer in wave if not isinstance(answer, StoreError)}
            done = _prefix(step.addresses, begin, finished)
            begin += done
            if done or not faulty:
                yield done
            if faulty:
                raise faulty[0] from None

    def reclaim(self, selector: Selector) -> Reclaimed:
        """Remove what killed rewrites of the collection's files left behind.

        Raises:
            UnknownStore, Drift: no such collection or field.
        """
        files = self._selectable(selector)
        swept = sweep(files.leftovers(), files.where)
        return Reclaimed("remove unfinished rewrites", f"{swept} removed" if swept else "")

    def verify(self, selector: Selector) -> Residue:
        """Read every file with another reader than ``locate``'s, and search what is no JSON as text.

        Raises:
            UnknownStore, Drift: as ``locate``, but a field that no line has is no error here: the lines that had it may be gone.
        """
        files = self._selectable(selector)
        told = list(self._crew.read(count, self._looks(files, files.walked(), selector), self._size))
        torn = sum(one.torn for one in told)
        leftovers = len(files.leftovers())
        note = "every line was looked at; what the file system keeps below was not"
        if torn:
            note += f"; {torn} lines are no JSON and were searched as text"
        scanned, live = sum(one.scanned for one in told), sum(one.live for one in told)
        return Residue(scanned, live, leftovers, note=f"{note}; {leftovers} unfinished rewrites lie there" if leftovers else note)

    def read(self, collection: str, addresses: Iterable[str]) -> Iterator[Record]:
        """The addressed lines' values.

        Raises:
            UnknownStore: no such collection.
        """
        files = self._collection(collection)
        listed = {spell(path): path for path in files.listed()}
        for file, group in groupby(addresses, key=lambda address: key_of(address)[0]):
            wanted = list(group)
            digests = {key_of(address)[1] for address in wanted}
            found: dict[str, Mapping[str, Json]] = {}
            for line in lines(self._root / listed[file], files.where) if file in listed else ():
                if (digest := digest_of(line)) in digests:
                    value = parse(line)
                    found[digest] = cast("Mapping[str, Json]", value) if isinstance(value, dict) else {"line": cast("Json", value)}
            yield from (Record(one, found[digest]) for one in wanted if (digest := key_of(one)[1]) in found)

    def distinct(self, collection: str, field: str) -> Iterator[tuple[Value, ...]]:
        """The field's values, all those of a list among them; one may come again in a later batch of 1,000.

        Raises:
            UnknownStore: no such collection.
            Drift: as ``locate``.
        """
        files = self._collection(collection)
        self._declared(collection, [field])
        unseen, any_line = {field}, False
        for path in files.listed():
            page: dict[tuple[type, Value], Value] = {}
            for _, get in records(self._root, path, files.where):
                any_line = True
                for value in get(field):
                    unseen.clear()
                    if (held := carried(iter([value]))) is not None:
                        page[type(held), held] = held
                if len(page) >= PAGE:
                    yield tuple(page.values())
                    page = {}
            if page:
                yield tuple(page.values())
        if any_line and unseen:
            self._explained(files, unseen, self._layouts[collection].field_names)

    def use(self, fleet: Fleet, width: int) -> None:
        """See ``Splits``."""
        self._crew = replace(self._crew, fleet=fleet, width=width)

    def close(self) -> None:
        """Nothing is held open."""

    def _collection(self, name: str) -> Files:
        if name not in self._files:
            raise UnknownStore(f"the store has no collection {name!r}", where=self._name)
        return self._files[name]

    def _explained(self, files: Files, unseen: Iterable[str], declared: Sequence[str]) -> None:
        """See that fields which no line has are absent, not misspelt or renamed: all that the lines have beside them is declared.

        Raises:
            Drift: something beside one of them is not declared and may be it, or there is nothing beside it.
        """
        paths = every_path(files)
        for name in sorted(unseen):
            if not is_absent(name, paths, declared):
                said = f"no line has a field {name!r}, and what the lines have beside it is not all declared: is it spelt so?"
                raise Drift(said, where=files.where)

    def _declared(self, collection: str, names: Iterable[str]) -> None:
        known = set(map(plain, self._layouts[collection].field_names))
        for name in sorted(set(names)):
            if plain(name) not in known:
                raise Drift(f"there is no field {name!r} declared", where=f"{self._name}.{collection}")

    def _selectable(self, selector: Selector, carry: Sequence[str] = ()) -> Files:
        files = self._collection(selector.collection)
        self._declared(selector.collection, [*selector.any_of, *selector.within, *selector.present, *carry])
        return files

    def _looks(self, files: Files, paths: Iterable[str], selector: Selector, carry: Sequence[str] = ()) -> list[Look]:
        held: dict[str, set[str]] = {}
        for file, digest in map(key_of, selector.minus):
            held.setdefault(file, set()).add(digest)
        return [Look(self._root, path, selector, frozenset(held.get(spell(path), ())), files.where, tuple(carry)) for path in paths]

    def _size(self, look: Look) -> int:
        return size_of(look.root / look.path)

    def _holders(self, files: Files, digests: set[str]) -> dict[str, set[str]]:
        """Which files have lines of these digests."""
        found = {path: digests.intersection(map(digest_of, lines(self._root / path, files.where))) for path in files.listed()}
        return {path: held for path, held in found.items() if held}

    def _rewrites(self, files: Files, step: Step, listed: Mapping[str, str], wanted: Mapping[str, frozenset[str]]) -> Iterator[Rewrite]:
        """Each when it is its turn, after a look at whether the folder is still there; of a file that is gone, nothing to find."""
        bare = replace(step, addresses=())
        for file, digests in wanted.items():
            reach(self._root, files.where)
            yield Rewrite(self._root, file, listed.get(file), bare, digests, files.where)

    def _follow(self, files: Files, step: Step, digests: Collection[str], moved: Mapping[str, set[str]]) -> None:
        """Do the step to lines that lie in another file now."""
        for other, held in moved.items():
            if here := held.intersection(digests):
                redo(Rewrite(self._root, spell(other), other, replace(step, addresses=()), frozenset(here), files.where))


def _by_file(step: Step) -> dict[str, frozenset[str]]:
    """Digests by file, held ones left out, files in the order of their first address."""
    held = {digest for _, digest in map(key_of, step.selector.minus)}
    wanted: dict[str, set[str]] = {}
    for file, digest in map(key_of, step.addresses):
        wanted.setdefault(file, set()).update({digest} - held)
    return {file: frozenset(digests) for file, digests in wanted.items()}


def _prefix(addresses: Sequence[str], begin: int, finished: Collection[str]) -> int:
    """How many addresses from ``begin`` on are of finished files."""
    return sum(1 for _ in takewhile(lambda address: key_of(address)[0] in finished, islice(addresses, begin, None)))
