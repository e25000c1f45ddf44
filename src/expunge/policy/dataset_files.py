"""Where the datasets, collections and fields stand in a dataset file, whether or not the rest of it is right.

Working on the raw tree lets every check run although another place is wrong, so that all problems are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from expunge.policy.reading import Document, PathTo

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


@dataclass(frozen=True, slots=True)
class Place:
    """A collection or field of a file: its name (nested fields dotted) and where it stands. A placeholder stands at its template."""

    name: str
    path: PathTo


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """One dataset file and the store that lists it."""

    store: str
    document: Document

    def datasets(self) -> Iterator[PathTo]:
        """Where each dataset stands: in a list under ``dataset``, one mapping under it, or the whole file."""
        held = self.document.at(("dataset",))
        if isinstance(held, list):
            yield from (path for path in self.document.under(("dataset",)) if isinstance(self.document.at(path), Mapping))
        elif isinstance(held, Mapping):
            yield ("dataset",)
        elif "fides_key" in self.document.content:
            yield ()

    def key(self, dataset: PathTo) -> str:
        """A dataset's fides_key, empty if it has none."""
        return self.text((*dataset, "fides_key"))

    def text(self, path: PathTo) -> str:
        """The text at a path, empty if there is none."""
        held = self.document.at(path)
        return held if isinstance(held, str) else ""

    def collections(self, dataset: PathTo) -> Iterator[Place]:
        """A dataset's collections."""
        for path in self.document.under((*dataset, "collections")):
            if name := self.text((*path, "name")):
                yield Place(name, path)

    def fields(self, collection: PathTo) -> Iterator[Place]:
        """A collection's fields, depth first, then the placeholders of its key template that are no declared field."""
        declared: set[str] = set()
        for place in self._fields((*collection, "fields"), ""):
            declared.add(place.name)
            yield place
        template = (*collection, "meta", "expunge", "objects")
        for name in dict.fromkeys(_PLACEHOLDER.findall(self.text(template))):
            if name not in declared:
                yield Place(name, template)

    def _fields(self, listed: PathTo, prefix: str) -> Iterator[Place]:
        for path in self.document.under(listed):
            if name := self.text((*path, "name")):
                yield Place(f"{prefix}{name}", path)
                yield from self._fields((*path, "fields"), f"{prefix}{name}.")

    def meta(self, path: PathTo) -> PathTo:
        """Where the ``fides_meta`` of a dataset, collection or field stands, under its older name too."""
        older = (*path, "fidesops_meta")
        return older if self.document.at((*path, "fides_meta")) is None and self.document.at(older) is not None else (*path, "fides_meta")
