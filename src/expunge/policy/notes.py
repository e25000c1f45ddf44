"""From a checked dataset file to the catalog's notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from expunge.policy.annotations import AnnotatedCollection, AnnotatedDataset, AnnotatedField, CollectionExtension, FieldExtension
from expunge.policy.catalog import CollectionNote, FieldNote, Keep, Reference
from expunge.policy.dataset_files import DatasetFile
from expunge.policy.declared import Declared
from expunge.policy.options import LAYOUT
from expunge.policy.reading import PathTo
from expunge.terms import Verb


def notes(file: DatasetFile, dataset: PathTo, read: AnnotatedDataset, names: Declared) -> Iterator[CollectionNote]:
    """The collections of one dataset, in the order written. Data categories are inherited from dataset to collection to field."""
    for index, collection in enumerate(read.collections):
        path = (*dataset, "collections", index)
        inherited = _joined(read.data_categories, collection.data_categories)
        yield _collection(file, path, collection, inherited, names)


def _joined(*held: list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for some in held for one in some or ()))


def _collection(file: DatasetFile, path: PathTo, read: AnnotatedCollection, inherited: tuple[str, ...], names: Declared) -> CollectionNote:
    ours = (read.meta.expunge if read.meta else None) or CollectionExtension()
    fields = dict(_fields(file, (*path, "fields"), read.fields, inherited, names, ""))
    for place in file.fields(path):
        if place.name not in fields:
            fields[place.name] = FieldNote(place.name, inherited, mark=file.document.mark(place.path))
    return CollectionNote(
        store=file.store,
        name=read.name,
        fields=fields,
        owned_by=None if ours.owned_by is None else tuple(ours.owned_by),
        verb=Verb(ours.verb or Verb.DELETE),
        redact=None if ours.redact is None else tuple(ours.redact),
        repoint=dict(ours.repoint or {}),
        keep=Keep(ours.keep.basis, ours.keep.length) if ours.keep else None,
        by_content=ours.found_by == "content",
        captured_at=ours.captured_at,
        derived_from=tuple(ours.derived_from or ()),
        layout=_layout(ours),
        mark=file.document.mark((*path, "name")),
        dataset=file.key(path[:-2]),
    )


def _layout(ours: CollectionExtension) -> Mapping[str, object]:
    return {key: value for key in LAYOUT if (value := getattr(ours, key)) is not None}


def _fields(
    file: DatasetFile, path: PathTo, read: list[AnnotatedField], inherited: tuple[str, ...], names: Declared, prefix: str
) -> Iterator[tuple[str, FieldNote]]:
    for index, one in enumerate(read):
        place = (*path, index)
        name = f"{prefix}{one.name}"
        categories = _joined(inherited, one.data_categories)
        yield name, _field(file, place, one, FieldNote(name, categories, mark=file.document.mark((*place, "name"))), names)
        yield from _fields(file, (*place, "fields"), one.fields or [], categories, names, f"{name}.")


def _field(file: DatasetFile, path: PathTo, read: AnnotatedField, bare: FieldNote, names: Declared) -> FieldNote:
    meta: Any = read.fides_meta
    ours = (read.meta.expunge if read.meta else None) or FieldExtension()
    return FieldNote(
        name=bare.name,
        categories=bare.categories,
        identity=ours.identity or (meta.identity if meta else None),
        primary_key=bool(meta and meta.primary_key),
        references=tuple(_references(file, path, bare.name, meta, names)),
        part_of=ours.part_of,
        seal=ours.seal,
        mark=bare.mark,
    )


def _references(file: DatasetFile, path: PathTo, field: str, meta: Any, names: Declared) -> Iterator[Reference]:
    for index, one in enumerate((meta and meta.references) or ()):
        to, to_field = names.split(f"{names.datasets[one.dataset]}.{one.field}")
        mark = file.document.mark((*file.meta(path), "references", index))
        yield Reference(field, to, to_field, one.direction.value if one.direction else "from", mark)
