"""Log files with one JSON value a line, plain or gzip; lines go by rewriting their file atomically.

A collection is a glob under the store's folder. A record is a line; its address is its file and a digest of its bytes, so it stays the
same while neighbours go, and is found again in another file if the log was rotated meanwhile. Lines that are no JSON (a torn last line
is normal) are kept byte for byte and never located; ``verify`` searches them as text, and what it finds there it tells as live.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import cast

from expunge.errors import Drift, UnknownStore
from expunge.stores.base import CollectionLayout
from expunge.stores.disk import reach, spell
from expunge.stores.jsonl_files import Files, lines, pieces
from expunge.stores.jsonl_match import UNREADABLE, Conditions, Get, carried, getter, leaf_getter, parse, text_in
from expunge.stores.jsonl_rewrite import Change, rewrite, sweep
from expunge.stores.jsonl_scan import Leaf, outermost, plain, scan
from expunge.stores.jsonl_shape import every_path, is_absent, shape_of
from expunge.terms import Json, Located, Method, Reclaimed, Record, Residue, Selector, Shape, Step, Value, text_of

PAGE = 1000  # addresses in a batch of ``locate``
DIGEST = 16  # bytes: a chance meeting of two lines among 1e12 has odds of 1e-15
BOM = b"\xef\xbb\xbf"


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
    """The store. It implements ``base.Store``, ``base.Reader`` and ``base.Lister``."""

    def __init__(self, name: str, root: Path, collections: Sequence[CollectionLayout]) -> None:
        """Nothing is read yet.

        Raises:
            Drift: a collection's path is missing or leads outside.
        """
        self._name = name
        self._root = root
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
        files, conditions = self._conditions(selector, carry)
        if selector.nothing():
            return
        unseen = {*conditions.asked, *selector.present}
        held, any_line = frozenset(map(_key, selector.minus)), False
        for path in files.listed():
            page: list[tuple[str, tuple[Value | None, ...]]] = []
            for address, get in self._records(files, path):
                any_line = True
                unseen -= {name for name in unseen if next(get(name), UNREADABLE) is not UNREADABLE}
                if conditions.hold(get) and _key(address()) not in held:
                    page.append((address(), tuple(carried(get(name)) for name in carry)))
                if len(page) == PAGE:
                    yield _located(page, carry)
                    page = []
            if page:
                yield _located(page, carry)
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
        held = set(map(_key, step.selector.minus))
        listed = {spell(path): path for path in files.listed()} if step.addresses else {}
        moved: dict[str, set[str]] | None = None
        for file, group in groupby(step.addresses, key=lambda address: _key(address)[0]):
            addresses = list(group)
            reach(self._root, files.where)
            wanted = {digest for _, digest in {*map(_key, addresses)} - held}
            if file in listed:
                wanted -= self._rewrite(files, listed[file], step, wanted)
            if wanted:
                # Done already, or the log was rotated: then the lines lie in another file now. One look over all files tells for the step.
                every = {_key(address)[1] for address in step.addresses} - {digest for _, digest in held}
                moved = self._holders(files, every) if moved is None else moved
                for other, digests in moved.items():
                    if here := digests & wanted:
                        self._rewrite(files, other, step, here)
            yield len(addresses)

    def reclaim(self, selector: Selector) -> Reclaimed:
        """Remove what killed rewrites of the collection's files left behind.

        Raises:
            UnknownStore, Drift: no such collection or field.
        """
        files, _ = self._conditions(selector)
        swept = sweep(files.leftovers(), files.where)
        return Reclaimed("remove unfinished rewrites", f"{swept} removed" if swept else "")

    def verify(self, selector: Selector) -> Residue:
        """Read every file with another reader than ``locate``'s, and search what is no JSON as text.

        Raises:
            UnknownStore, Drift: as ``locate``, but a field that no line has is no error here: the lines that had it may be gone.
        """
        files, conditions = self._conditions(selector)
        held = frozenset(map(_key, selector.minus))
        scanned = live = torn = 0
        for path in files.walked():
            for piece in pieces(self._root / path, files.where):
                if not piece.strip():
                    continue
                scanned += 1
                if selector.nothing() or not conditions.perhaps(piece):
                    continue
                leaves, whole = scan(text := text_in(piece))
                torn += not whole
                meant = conditions.hold(leaf_getter(leaves)) or (not whole and conditions.named_in(text))
                live += meant and (spell(path), _digest(piece)) not in held
        leftovers = len(files.leftovers())
        note = "every line was looked at; what the file system keeps below was not"
        if torn:
            note += f"; {torn} lines are no JSON and were searched as text"
        return Residue(scanned, live, leftovers, note=f"{note}; {leftovers} unfinished rewrites lie there" if leftovers else note)

    def read(self, collection: str, addresses: Iterable[str]) -> Iterator[Record]:
        """The addressed lines' values.

        Raises:
            UnknownStore: no such collection.
        """
        files = self._collection(collection)
        listed = {spell(path): path for path in files.listed()}
        for file, group in groupby(addresses, key=lambda address: _key(address)[0]):
            wanted = list(group)
            digests = {_key(address)[1] for address in wanted}
            found: dict[str, Mapping[str, Json]] = {}
            for line in lines(self._root / listed[file], files.where) if file in listed else ():
                if (digest := _digest(line)) in digests:
                    value = parse(line)
                    found[digest] = cast("Mapping[str, Json]", value) if isinstance(value, dict) else {"line": cast("Json", value)}
            yield from (Record(one, found[digest]) for one in wanted if (digest := _key(one)[1]) in found)

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
            for _, get in self._records(files, path):
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

    def _conditions(self, selector: Selector, carry: Sequence[str] = ()) -> tuple[Files, Conditions]:
        files = self._collection(selector.collection)
        self._declared(selector.collection, [*selector.any_of, *selector.within, *selector.present, *carry])
        return files, Conditions.of(selector, files.where)

    def _records(self, files: Files, path: str) -> Iterator[tuple[Callable[[], str], Get]]:
        """Each line that is JSON: how to make its address, and how to read its fields.

        Raises:
            Drift: the file has lines, and none of them is JSON.
        """
        copies: Counter[str] = Counter()
        good = bad = 0
        for line in lines(self._root / path, files.where):
            if not line.strip():
                continue
            record = parse(line)
            if record is UNREADABLE:
                bad += 1
                continue
            good += 1
            yield _addresser(path, line, copies), getter(record)
        # One line alone may be the torn beginning of a log.
        if bad > 1 and not good:
            raise Drift("a file has no line that is JSON", where=files.where)

    def _holders(self, files: Files, digests: set[str]) -> dict[str, set[str]]:
        """Which files have lines of these digests."""
        found = {path: digests.intersection(map(_digest, lines(self._root / path, files.where))) for path in files.listed()}
        return {path: held for path, held in found.items() if held}

    def _rewrite(self, files: Files, path: str, step: Step, digests: set[str]) -> set[str]:
        """Rewrite one file; the digests that were found in it."""
        seen: set[str] = set()
        change = _changer(step)

        def choose(line: bytes) -> bytes | None:
            digest = _digest(line)
            if digest not in digests:
                return line
            seen.add(digest)
            return change(line)

        rewrite(self._root / path, choose, files.where)
        return seen


def _changer(step: Step) -> Change:
    """What the step does to a line."""
    if step.method is Method.DELETE:
        return lambda _: None
    puts: dict[str, Value | None] = dict.fromkeys(map(plain, step.fields))
    puts |= {plain(name): value for name, value in step.repoint.items()} if step.method is Method.DECORRELATE else {}

    def change(line: bytes) -> bytes:
        text = text_in(line)
        parts, at = [], 0
        for leaf in outermost(scan(text)[0], puts):
            if leaf.value is not None:
                parts += [text[at : leaf.start], _spelled(puts[leaf.path], leaf)]
                at = leaf.end
        if not parts:
            return line
        mark = BOM if line.startswith(BOM) else b""
        return mark + "".join([*parts, text[at:]]).encode(errors="surrogateescape")

    return change


def _spelled(value: Value | None, leaf: Leaf) -> str:
    """A value as JSON, in the type that stood there where that was text."""
    if value is None:
        return "null"
    if isinstance(value, str | bool | int | float) and not isinstance(leaf.value, str):
        return json.dumps(value)
    return json.dumps(text_of(value))


def _addresser(path: str, line: bytes, copies: Counter[str]) -> Callable[[], str]:
    """Makes the line's address when it is asked for: most lines are nobody's whom we look for, and digests cost."""
    made: list[str] = []

    def address() -> str:
        if not made:
            digest = _digest(line)
            copies[digest] += 1
            made.append(f"{spell(path)}#{digest}" + (f".{copies[digest]}" if copies[digest] > 1 else ""))
        return made[0]

    return address


def _digest(line: bytes) -> str:
    return hashlib.blake2b(line, digest_size=DIGEST).hexdigest()


def _key(address: str) -> tuple[str, str]:
    """The file and the digest of an address. All copies of one line in a file share their fate."""
    file, _, digest = address.rpartition("#")
    return file, digest.partition(".")[0]


def _located(page: Sequence[tuple[str, tuple[Value | None, ...]]], carry: Sequence[str]) -> Located:
    return Located(
        tuple(address for address, _ in page),
        {name: tuple(values[column] for _, values in page) for column, name in enumerate(carry)},
    )
