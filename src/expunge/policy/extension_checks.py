"""What ``meta.expunge`` of a collection says: its fields exist, its verb has what it needs, its layout fits the kind of store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from expunge.policy.catalog import Problem
from expunge.policy.dataset_files import DatasetFile, Place
from expunge.policy.declared import Declared, dangling, empty_below, wrong
from expunge.policy.options import LAYOUT, LAYOUT_KEYS, LAYOUT_NEEDED
from expunge.policy.reading import Document, PathTo, dotted

NEVER = "never"
_NEEDS = {"keep": "keep: {basis: …}", "decorrelate": "repoint: {field: value}"}
_GIVEN = {"keep": "keep", "decorrelate": "repoint"}


def check_extension(names: Declared, file: DatasetFile, collection: Place, here: tuple[str, ...]) -> Iterator[Problem]:
    """Every problem of one collection's ``meta.expunge``; ``here`` are its fields."""
    document, ours = file.document, (*collection.path, "meta", "expunge")
    if isinstance(document.at(ours), Mapping):
        yield from empty_below(document, ours)
        yield from _names(names, document, ours, here)
        yield from _verb(document, ours)
        yield from _traps(document, ours)
    yield from _layout(names, file, collection, ours)


def known_fields(document: Document, path: PathTo, here: tuple[str, ...]) -> Iterator[Problem]:
    """The text or texts at ``path`` name fields of this collection."""
    for place, name in document.texts(*path):
        if name not in here:
            yield dangling(document, place, "field in this collection named", name, here)


def known_address(names: Declared, document: Document, path: PathTo, address: str) -> Iterator[Problem]:
    """``store.collection.field`` leads to a declared field."""
    collection, name = names.split(address)
    if not collection:
        store, _, target = address.partition(".")
        known = [one.removeprefix(f"{store}.") for one in names.collections if one.startswith(f"{store}.")]
        yield dangling(document, path, f"collection in {store} named", target.rpartition(".")[0] or target, known)
    elif name not in names.collections[collection]:
        yield dangling(document, path, f"field in {collection} named", name, names.collections[collection])


def _names(names: Declared, document: Document, ours: PathTo, here: tuple[str, ...]) -> Iterator[Problem]:
    for key in ("owned_by", "redact", "sparse"):
        yield from known_fields(document, (*ours, key), here)
    for path in document.under((*ours, "repoint")):
        if path[-1] not in here:
            yield dangling(document, path, "field in this collection named", str(path[-1]), here)
    for key in ("derived_from", "manifest"):
        for path, address in document.texts(*ours, key):
            if address not in names.collections:
                yield dangling(document, path, "collection", address, list(names.collections))
    captured = document.at((*ours, "captured_at"))
    if isinstance(captured, str) and captured != NEVER and captured not in here:
        if captured.partition(".")[0] in names.stores:
            yield from known_address(names, document, (*ours, "captured_at"), captured)
        else:
            yield dangling(document, (*ours, "captured_at"), "field in this collection named", captured, (*here, NEVER))


def _verb(document: Document, ours: PathTo) -> Iterator[Problem]:
    verb = document.at((*ours, "verb"))
    if isinstance(verb, str) and verb in _NEEDS and document.at((*ours, _GIVEN[verb])) is None:
        yield wrong(document, (*ours, "verb"), f"{verb} says too little alone", f"add {_NEEDS[verb]}")
    if verb != "keep" and document.at((*ours, "keep")) is not None:
        yield wrong(document, (*ours, "keep"), "is read only with verb: keep", "add verb: keep or remove this")


def _traps(document: Document, ours: PathTo) -> Iterator[Problem]:
    for path, trap in document.traps.items():
        if path[: len(ours)] == ours:
            yield Problem("yaml-trap", dotted(path), trap, "quote it", document.mark(path))


def _layout(names: Declared, file: DatasetFile, collection: Place, ours: PathTo) -> Iterator[Problem]:
    kind = names.stores.get(file.store, "")
    if kind not in LAYOUT_KEYS:
        return
    document = file.document
    for key in LAYOUT:
        if key not in LAYOUT_KEYS[kind] and document.at((*ours, key)) is not None:
            yield wrong(document, (*ours, key), f"a collection of a {kind} store has no {key}", "remove it")
    needed = LAYOUT_NEEDED.get(kind)
    if needed and document.at((*ours, needed)) is None:
        message = f"a collection of the {kind} store {file.store} needs {needed}"
        fix = f"add meta: {{expunge: {{{needed}: …}}}}"
        yield Problem("missing-key", dotted(collection.path), message, fix, document.mark(collection.path))
