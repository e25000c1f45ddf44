"""Every name that a policy and its datasets declare, read from the raw files, so that references can be checked whatever else is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from expunge.policy.catalog import Problem
from expunge.policy.dataset_files import DatasetFile
from expunge.policy.reading import Document, PathTo, dotted
from expunge.policy.taxonomy import default_categories
from expunge.policy.wording import advise


@dataclass(frozen=True, slots=True)
class Declared:
    """The names. ``collections`` maps ``store.collection`` to its fields, ``datasets`` a fides_key to its store."""

    policy: Document
    kinds: tuple[str, ...]
    identities: Mapping[str, PathTo]
    stores: Mapping[str, str]
    purposes: tuple[str, ...]
    categories: frozenset[str]
    collections: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    datasets: Mapping[str, str] = field(default_factory=dict[str, str])

    def split(self, address: str) -> tuple[str, str]:
        """``store.collection.field`` as (``store.collection``, field), by the longest declared collection; empty if there is none."""
        parts = address.split(".")
        heads = (".".join(parts[:count]) for count in range(len(parts) - 1, 1, -1))
        longest = next((head for head in heads if head in self.collections), "")
        return longest, address[len(longest) + 1 :] if longest else ""

    def addresses(self) -> list[str]:
        """Every ``store.collection.field``."""
        return [f"{collection}.{name}" for collection, names in self.collections.items() for name in names]


def declared(policy: Document, files: Sequence[DatasetFile]) -> Declared:
    """Read the names from the files."""
    identities = {text: path for key in ("identities", "key") for path, text in policy.texts("subjects", "*", key)}
    stores = {name: policy.at(("stores", name, "kind")) for name in _keys(policy, "stores")}
    collections: dict[str, tuple[str, ...]] = {}
    datasets: dict[str, str] = {}
    for file in files:
        for dataset in file.datasets():
            datasets.setdefault(file.key(dataset), file.store)
            for collection in file.collections(dataset):
                address = f"{file.store}.{collection.name}"
                fields = tuple(place.name for place in file.fields(collection.path))
                collections[address] = (*collections.get(address, ()), *fields)
    return Declared(
        policy=policy,
        kinds=tuple(_keys(policy, "subjects")),
        identities=identities,
        stores={name: kind if isinstance(kind, str) else "" for name, kind in stores.items()},
        purposes=tuple(_keys(policy, "purposes")),
        categories=default_categories() | {text for _, text in policy.texts("categories")},
        collections=collections,
        datasets=datasets,
    )


def _keys(policy: Document, section: str) -> Iterator[str]:
    return (path[-1] for path in policy.under((section,)) if isinstance(path[-1], str))


def dangling(document: Document, path: PathTo, what: str, name: str, known: Sequence[str] | frozenset[str]) -> Problem:
    """``name`` leads nowhere."""
    return Problem("dangling", dotted(path), f"there is no {what} {name}", advise(name, known), document.mark(path))


def wrong(document: Document, path: PathTo, message: str, fix: str = "") -> Problem:
    """A value that can't be meant."""
    return Problem("wrong-value", dotted(path), message, fix, document.mark(path))


def empty_below(document: Document, path: PathTo) -> Iterator[Problem]:
    """The keys below ``path`` that have no value: was it forgotten, or is nothing meant?"""
    for deeper in document.under(path):
        if document.at(deeper) is None:
            yield Problem("wrong-type", dotted(deeper), "the key has no value", "give it one or remove it", document.mark(deeper))
        yield from empty_below(document, deeper)
