"""Which places the policy lists: after an erasure they were searched and verified, so what is still recognised there is somebody else's.

That makes them the hunt's control group: a sentence that is also found in listed, verified places is one that many people say.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType

from expunge.hunt.pieces import Place
from expunge.policy.catalog import Catalog, CollectionNote

NOTHING: Mapping[str, str] = MappingProxyType({})
_OLD = ".versions/"
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


class Listed:
    """The policy's collections, by the places in which they lie. ``kept``: of which the policy keeps records of those erased.

    ``stores`` gives the store that lies in a source of another name: a place that was adopted keeps the name under which it was found.
    """

    def __init__(self, catalog: Catalog, kept: Collection[str], stores: Mapping[str, str] = NOTHING) -> None:
        """Read the catalog."""
        self._kept = frozenset(kept)
        self._stores = stores
        self._tables: dict[tuple[str, str], CollectionNote] = {}
        self._files: dict[str, list[tuple[re.Pattern[str], CollectionNote]]] = {}
        for note in catalog.collections.values():
            if catalog.stores[note.store].kind == "sql":
                self._tables[note.store, note.name] = note
            else:
                self._files.setdefault(note.store, []).append((_pattern(note), note))

    def collection(self, place: Place) -> CollectionNote | None:
        """The collection that a place is part of, whether or not the very column is declared."""
        store = self._stores.get(place.source, place.source)
        if place.table is not None and not place.path:
            return self._tables.get((store, place.table))
        path = place.path.partition("?versionId=")[0]
        if path.startswith(_OLD):  # a folder's old versions: ``.versions/KEY/N``
            path = path.removeprefix(_OLD).rpartition("/")[0]
        return next((note for pattern, note in self._files.get(store, ()) if pattern.match(path)), None)

    def verified(self, place: Place) -> bool:
        """Whether the place was searched and verified: a declared column of a listed table, or a listed file."""
        note = self.collection(place)
        if note is None or note.by_content:
            return False
        return place.column is None or bool(place.path) or place.column in note.fields

    def keeps(self, place: Place) -> bool:
        """Whether records of those erased stay there by the policy."""
        note = self.collection(place)
        return note is not None and note.address in self._kept


def _pattern(note: CollectionNote) -> re.Pattern[str]:
    """Paths of a collection's files: a key template's placeholders stand for one segment; a path is a pattern, or a folder."""
    template = note.layout.get("objects")
    if isinstance(template, str):
        parts = _PLACEHOLDER.split(template)
        return re.compile("[^/]+".join(map(re.escape, parts)) + r"\Z")
    path = str(note.layout.get("path", note.name)).strip("/")
    return re.compile(_glob(path) + r"(/.*)?\Z")


def _glob(path: str) -> str:
    """A path with ``*`` and ``?`` inside segments, as a regular expression."""
    return "".join("[^/]*" if one == "*" else "[^/]" if one == "?" else re.escape(one) for one in path)
