"""What fields the lines of a log collection have, told from its first lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from expunge.stores.base import CollectionLayout
from expunge.stores.jsonl_files import Files, pieces
from expunge.stores.jsonl_match import moment, text_in
from expunge.stores.jsonl_scan import CONTAINER, Leaf, plain, scan
from expunge.terms import Field, FieldType, Shape

SAMPLE = 10_000  # lines: about a second
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*")


def shape_of(layout: CollectionLayout, files: Files) -> Shape:
    """The collection's fields by the first 10,000 lines; declared ones are listed unseen only where more lines follow, or none is there.

    Raises:
        Drift, Conflict, Refused, Unavailable: as reading the files says.
    """
    leaves = _leaves(files)
    types: dict[str, set[FieldType]] = {}
    written = {plain(name): name for name in layout.field_names}
    count = 0
    for found in islice(leaves, SAMPLE):
        count += 1
        for leaf in found:
            # A container is its leaves, unless it was declared as a field itself.
            if leaf.path and (leaf.value is not CONTAINER or leaf.path in written):
                types.setdefault(leaf.path, set()).update(_types(leaf.value))
    more = next(leaves, None) is not None
    if more or not count:
        for name in layout.field_names:
            types.setdefault(plain(name), set())
    fields = tuple(Field(written.get(path, path), _one(types[path])) for path in sorted(types))
    return Shape(layout.name, fields, about=None if more else count)


def _leaves(files: Files) -> Iterator[list[Leaf]]:
    for path in files.walked():
        for line in pieces(files.root / path, files.where):
            if line.strip():
                yield scan(text_in(line))[0]


def _types(value: object) -> set[FieldType]:
    if value is None:
        return set()
    if value is CONTAINER:
        return {FieldType.JSON}
    if isinstance(value, bool):
        return {FieldType.BOOLEAN}
    if isinstance(value, str):
        return {FieldType.TIME if _MOMENT.fullmatch(value) and moment(value) else FieldType.TEXT}
    return {FieldType.INTEGER if isinstance(value, int) else FieldType.REAL}


def _one(types: set[FieldType]) -> FieldType:
    """The type that holds them all; what never had a value may be any text."""
    types = types - {FieldType.JSON} or types  # a list's elements are what it is selected by
    if types == {FieldType.INTEGER, FieldType.REAL}:
        return FieldType.REAL
    return next(iter(types)) if len(types) == 1 else FieldType.TEXT
