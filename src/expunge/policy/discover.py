"""Proposes annotations for what a store holds and the policy does not mention. Pure: shapes in, text out; a person reads and decides.

The proposal is a dataset file. Keys and references come from the schema; data categories and soft references are guesses, and each has
its reason in a comment beside it. A soft reference is proposed as a comment: to take a wrong one for true would erase the wrong person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from expunge.policy.catalog import Catalog
from expunge.policy.drift import drift
from expunge.policy.guesses import guess
from expunge.policy.soft import Samples, SoftReference, by_collection, soft_references
from expunge.terms import Field, ForeignKey, Shape

__all__ = ["Proposal", "Samples", "SoftReference", "drift", "propose"]

_HEAD = """\
# Proposed by `expunge discover {store}` from the live schema. Read every line: the categories are guesses from names and types, and
# soft references (in comments) have no constraint behind them. Then list this file under the store's datasets.
"""
_RESOLVER = yaml.resolver.Resolver()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What ``discover`` found in one store.

    ``text`` is a dataset file for ``collections`` (names inside the store), empty if none is new. ``soft`` are the soft references of
    all collections, declared ones too.
    """

    text: str
    collections: tuple[str, ...]
    soft: tuple[SoftReference, ...]


def propose(shapes: Sequence[Shape], catalog: Catalog, store: str, samples: Samples | None = None) -> Proposal:
    """Annotations for the collections of ``store`` that the catalog does not declare; ``samples`` gives values to compare."""
    soft = tuple(soft_references(catalog, store, shapes, samples))
    new = [shape for shape in shapes if f"{store}.{shape.name}" not in catalog.collections and shape.hangs_on is None and not shape.outside]
    if not new:
        return Proposal("", (), soft)
    datasets = {note.name: note.dataset for note in catalog.in_store(store)}
    key = _fresh(store, {note.dataset for note in catalog.collections.values()})
    datasets |= {shape.name: key for shape in new}
    writing = _Writing(datasets, by_collection(soft))
    lines = [_HEAD.format(store=store) + "dataset:", f"  - fides_key: {_word(key)}", "    collections:"]
    for shape in new:
        lines += writing.collection(shape)
    return Proposal("\n".join(lines) + "\n", tuple(shape.name for shape in new), soft)


def _fresh(store: str, taken: set[str]) -> str:
    names = (store, f"{store}_discovered", *(f"{store}_discovered_{count}" for count in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


@dataclass(frozen=True, slots=True)
class _Writing:
    datasets: Mapping[str, str]  # collection: the fides_key by which references name it
    soft: Mapping[str, Mapping[str, SoftReference]]

    def collection(self, shape: Shape) -> Iterator[str]:
        count = "" if shape.about is None else f"  # about {shape.about} records"
        yield f"      - name: {_word(shape.name)}{count}"
        for key in shape.foreign_keys:
            if len(key.fields) > 1:
                joined = ", ".join(key.fields)
                yield _comment(f"        # a key of several fields, {joined}, references {key.to}: annotate the one that decides")
            elif key.to not in self.datasets:
                yield _comment(f"        # {key.fields[0]} references {key.to}, which is not a collection of its own")
        yield "        fields:" if shape.fields else "        fields: []"
        for field in shape.fields:
            yield from self._field(shape, field)

    def _field(self, shape: Shape, field: Field) -> Iterator[str]:
        yield f"          - name: {_word(field.name)}"
        pointing = {name for key in shape.foreign_keys for name in key.fields}
        if field.name not in pointing and (found := guess(field, shape.name)):
            yield _comment(f"            data_categories: [{found.category}]  # {found.why}")
        meta = ["primary_key: true"] if shape.primary_key == (field.name,) else []
        references = [self._reference(key) for key in shape.foreign_keys if key.fields == (field.name,) and key.to in self.datasets]
        if references:
            meta.append(f"references: [{', '.join(references)}]")
        if meta:
            yield "            fides_meta:"
            yield from (f"              {line}" for line in meta)
        soft = self.soft.get(shape.name, {}).get(field.name)
        if soft and not references:
            yield from _softly(soft)

    def _reference(self, key: ForeignKey) -> str:
        target = _word(f"{key.to}.{key.to_fields[0]}")
        return f"{{dataset: {_word(self.datasets[key.to])}, field: {target}, direction: from}}"


def _softly(soft: SoftReference) -> Iterator[str]:
    target = _word(f"{soft.key.collection.split('.', 1)[1]}.{soft.key.field}")
    yield _comment(f"            # soft reference ({soft.key.kind}): {soft.why}. If it is one:")
    line = f"fides_meta: {{references: [{{dataset: {_word(soft.key.dataset)}, field: {target}, direction: from}}]}}"
    yield _comment(f"            # {line}")


def _comment(line: str) -> str:
    """A line with a comment in it: a name of the schema may hold a line break, which would end the comment."""
    return "".join(one if one.isprintable() else " " for one in line)


def _word(name: str) -> str:
    """A name as YAML text: plain where YAML reads it as the same text, else in double quotes."""
    plain = name.replace("_", "a").replace(".", "a").replace("-", "a")
    resolved = _RESOLVER.resolve(yaml.ScalarNode, name, (True, False))  # type: ignore[no-untyped-call]  # PyYAML's stubs
    if resolved == "tag:yaml.org,2002:str" and plain.isascii() and plain.isalnum() and name[0].isalpha():
        return name
    return '"' + "".join(one if one.isprintable() and one not in '"\\' else f"\\U{ord(one):08x}" for one in name) + '"'
