"""What dataset files say of each other and of the policy: every reference, identity, category and field name leads somewhere.

An unknown key inside ``meta.expunge`` is refused by the models. Elsewhere Fides and others may keep keys of their own: these are warned
of, unless they look like a slip of a key that is read, because a reference that was dropped silently is a person's data not erased.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from expunge.policy.annotations import (
    AnnotatedCollection,
    AnnotatedCollectionMeta,
    AnnotatedDataset,
    AnnotatedField,
    AnnotatedFieldMeta,
    AnnotatedReference,
)
from expunge.policy.catalog import Problem
from expunge.policy.dataset_files import DatasetFile, Place
from expunge.policy.declared import Declared, dangling, wrong
from expunge.policy.extension_checks import check_extension, known_address, known_fields
from expunge.policy.reading import PathTo, dotted
from expunge.policy.wording import advise, nearest

_OLDER = "fidesops_meta"
_SLIP = 0.8  # closeness above which an unknown key is a slip: fides_metta .95, feilds .83; after_all against after .77


def check_datasets(names: Declared, files: list[DatasetFile]) -> list[Problem]:
    """Every problem and warning of the dataset files, in their order, then what is missing from all of them."""
    seen: dict[str, str] = {}
    problems = [problem for file in files for problem in _Check(names, file).run(seen)]
    return [*problems, *_nobody_found(names, files)]


def _nobody_found(names: Declared, files: list[DatasetFile]) -> Iterator[Problem]:
    """Identities that no field carries: a kind whose key nobody carries can never be found."""
    carried = {file.text(path) for file in files for path in _identity_paths(file)}
    for identity, path in names.identities.items():
        if identity in carried:
            continue
        is_key = path[-1] == "key"
        message = f"no field of any dataset carries the identity {identity}"
        fix = f"add fides_meta: {{identity: {identity}}} to the field that holds it"
        yield Problem("nobody-found", dotted(path), message, fix, names.policy.mark(path), severity="error" if is_key else "warning")


def _identity_paths(file: DatasetFile) -> Iterator[PathTo]:
    for dataset in file.datasets():
        for collection in file.collections(dataset):
            for place in file.fields(collection.path):
                yield (*file.meta(place.path), "identity")
                yield (*place.path, "meta", "expunge", "identity")


@dataclass(frozen=True, slots=True)
class _Check:
    names: Declared
    file: DatasetFile

    def run(self, seen: dict[str, str]) -> Iterator[Problem]:
        """``seen`` maps every fides_key and ``store.collection`` met so far to its place."""
        document = self.file.document
        if not list(self.file.datasets()):
            yield wrong(document, (), "holds no dataset", "begin it with `dataset:` and a list")
        for key in document.content:
            if key != "dataset" and "dataset" in document.content:
                yield self._unread((), key)
        for dataset in self.file.datasets():
            yield from self._dataset(dataset, seen)

    def _dataset(self, dataset: PathTo, seen: dict[str, str]) -> Iterator[Problem]:
        document = self.file.document
        yield from self._once(f"the dataset {self.file.key(dataset)}", (*dataset, "fides_key"), seen)
        yield from self._keys(dataset, AnnotatedDataset)
        yield from self._categories(dataset)
        if document.at((*dataset, "meta", "expunge")) is not None:
            yield wrong(document, (*dataset, "meta", "expunge"), "is read on collections and on fields only", "move it there")
        for collection in self.file.collections(dataset):
            yield from self._once(f"{self.file.store}.{collection.name}", (*collection.path, "name"), seen)
            yield from self._keys(collection.path, AnnotatedCollection)
            yield from self._keys(self.file.meta(collection.path), AnnotatedCollectionMeta)
            yield from self._categories(collection.path)
            yield from self._not_obeyed(collection)
            yield from self._collection(collection)

    def _once(self, what: str, path: PathTo, seen: dict[str, str]) -> Iterator[Problem]:
        mark = self.file.document.mark(path)
        if self.file.text(path) and what in seen:
            yield Problem("duplicate-name", dotted(path), f"{what} is declared already, at {seen[what]}", "keep one of the two", mark)
        seen.setdefault(what, str(mark))

    def _collection(self, collection: Place) -> Iterator[Problem]:
        here = self.names.collections[f"{self.file.store}.{collection.name}"]
        met: dict[str, str] = {}
        for place in self.file.fields(collection.path):
            if place.path[-1] != "objects":
                yield from self._once(f"the field {place.name}", (*place.path, "name"), met)
            yield from self._keys(place.path, AnnotatedField)
            yield from self._categories(place.path)
            yield from self._field(place, here)
        yield from check_extension(self.names, self.file, collection, here)

    def _field(self, place: Place, here: tuple[str, ...]) -> Iterator[Problem]:
        document = self.file.document
        meta = self.file.meta(place.path)
        yield from self._keys(meta, AnnotatedFieldMeta)
        for reference in document.under((*meta, "references")):
            yield from self._keys(reference, AnnotatedReference)
            yield from self._reference(reference)
        for path in ((*meta, "identity"), (*place.path, "meta", "expunge", "identity")):
            identity = self.file.text(path)
            if identity and identity not in self.names.identities:
                fix = f"{advise(identity, self.names.identities)} Or add it to a kind's identities"
                yield Problem("dangling", dotted(path), f"no kind of subject is known by the identity {identity}", fix, document.mark(path))
        for key in ("part_of", "seal"):
            yield from known_fields(self.file.document, (*place.path, "meta", "expunge", key), here)
        if document.at((*meta, "masking_strategy_override")) is not None:
            yield self._warn("masking_strategy_override", meta, "a redact nulls the field, however it is to be masked")

    def _reference(self, path: PathTo) -> Iterator[Problem]:
        document = self.file.document
        dataset, target = self.file.text((*path, "dataset")), self.file.text((*path, "field"))
        if not dataset or not target:
            return
        if dataset not in self.names.datasets:
            yield dangling(document, (*path, "dataset"), "dataset", dataset, list(self.names.datasets))
            return
        yield from known_address(self.names, document, (*path, "field"), f"{self.names.datasets[dataset]}.{target}")

    def _categories(self, path: PathTo) -> Iterator[Problem]:
        for place, category in self.file.document.texts(*path, "data_categories"):
            if category not in self.names.categories:
                yield dangling(self.file.document, place, "data category", category, self.names.categories)

    def _not_obeyed(self, collection: Place) -> Iterator[Problem]:
        meta = self.file.meta(collection.path)
        if self.file.document.at((*meta, "skip_processing")) is True:
            yield self._warn("skip_processing", meta, "the collection is searched and erased like any other")

    def _warn(self, key: str, meta: PathTo, message: str) -> Problem:
        path = (*meta, key)
        return Problem("not-obeyed", dotted(path), f"{key} is not obeyed: {message}", "", self.file.document.mark(path), severity="warning")

    def _keys(self, path: PathTo, model: type[BaseModel]) -> Iterator[Problem]:
        """Unknown keys of a mapping outside ``meta.expunge``."""
        content = self.file.document.at(path)
        if not isinstance(content, Mapping):
            return
        known = [*model.model_fields, *([_OLDER] if "fides_meta" in model.model_fields else [])]
        for key in content:
            if key not in known:
                yield self._unread(path, key, known)
        if isinstance(content.get("meta"), Mapping) and model is not AnnotatedDataset:
            for deeper in self.file.document.under((*path, "meta")):
                if deeper[-1] != "expunge" and nearest(str(deeper[-1]), ["expunge"], _SLIP):
                    yield self._unread((*path, "meta"), str(deeper[-1]), ["expunge"])

    def _unread(self, path: PathTo, key: str, known: list[str] | None = None) -> Problem:
        place = (*path, key)
        close = nearest(key, known or ["dataset"], _SLIP)
        mark = self.file.document.key_mark(place)
        if close:
            return Problem("unknown-key", dotted(place), "unknown key", f"did you mean {close}?", mark)
        return Problem("unread-key", dotted(place), "this key is not read", "", mark, severity="warning")
