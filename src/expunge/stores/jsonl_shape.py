"""What fields the lines of a log collection have."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import islice

from expunge.stores.base import CollectionLayout
from expunge.stores.jsonl_files import Files, pieces
from expunge.stores.jsonl_match import moment, text_in
from expunge.stores.jsonl_scan import CONTAINER, Leaf, plain, scan
from expunge.terms import Field, FieldType, Shape

SAMPLE = 10_000  # lines: about a second
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*")


def shape_of(layout: CollectionLayout, files: Files) -> Shape:
    """The collection's fields by its first 10,000 lines.

    A declared field that was not seen is listed where more lines follow, where there is no line, and where it is absent for certain.

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
    seen = set(types)
    for name in layout.field_names:
        if more or not count or is_absent(name, seen, layout.field_names):
            types.setdefault(plain(name), set())
    fields = tuple(Field(written.get(path, path), _one(types[path])) for path in sorted(types))
    return Shape(layout.name, fields, about=None if more else count)


def every_path(files: Files) -> set[str]:
    """Every path at which any line has a value that is no container.

    Raises:
        Drift, Conflict, Refused, Unavailable: as reading the files says.
    """
    return {leaf.path for found in _leaves(files) for leaf in found if leaf.value is not CONTAINER}


def is_absent(name: str, paths: Collection[str], declared: Collection[str]) -> bool:
    """Whether a declared field that no line has is absent for certain: all that the lines have beside it is declared as well.

    If something beside it isn't, that may be the field under another name; if nothing is beside it, its place is not there.
    """
    around = plain(name).rpartition(".")[0]
    beside = {path for path in paths if path.startswith(f"{around}." if around else "")}
    return bool(beside) and beside <= set(map(plain, declared))


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
