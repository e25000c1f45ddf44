"""Objects under keys, in an S3 bucket or a local folder; who a record belongs to is read from its key.

A collection is a key template (``templates.py``). A record is a key, *in every version*: what the company hid under a delete marker or
overwrote long ago still lies there, so it is located and erased with the key. Objects are deleted whole; there is nothing to redact.
Fields are the template's placeholders (text), ``key``, ``last_modified`` (when the newest version with content was written) and ``body``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

from expunge.errors import Drift, MissingExtra, Refused, UnknownStore
from expunge.stores.base import CollectionLayout, coerce, coerce_all
from expunge.stores.disk import spell, unspell
from expunge.stores.objects_folder import Folder
from expunge.stores.objects_medium import Entry, Medium
from expunge.stores.templates import Template
from expunge.terms import Field, FieldType, Located, Method, Reclaimed, Record, Residue, Selector, Shape, Span, Step, Value

KEY, MODIFIED, BODY = "key", "last_modified", "body"
UNLISTED = "(unlisted)"
PAGE = 1000  # addresses in a batch of ``locate``: as many as S3 lists in one answer
BATCH = 500  # keys in a batch of ``erase``: with two versions each, one DeleteObjects request
PREFIXES = 100  # listing a prefix is three requests; above this many, one listing of the whole template is cheaper on most buckets
GLANCE = 10_000  # keys that ``describe`` looks at: ten requests


def open_store(name: str, options: Mapping[str, object], collections: Sequence[CollectionLayout]) -> Objects:
    """Open ``url``: ``s3://bucket/prefix`` (with ``endpoint_url``, ``region``, ``profile``), ``file://…`` or a folder (``versions``).

    Raises:
        Drift: the url or a key template can't be read, or two templates could take the same key.
        MissingExtra: an S3 store without boto3.
        Refused: S3 without credentials.
    """
    url = options.get("url")
    if not isinstance(url, str) or not url:
        raise Drift("an objects store needs a url: s3://bucket/prefix or a folder", where=name)
    templates = {one.name: _template(name, one) for one in collections}
    _apart(name, templates)
    batch = options.get("batch", BATCH)
    assert isinstance(batch, int), "the policy's options are typed"
    parts = urlsplit(url)
    if parts.scheme == "s3":
        return Objects(name, templates, _s3(name).Bucket(name, parts.netloc, parts.path, options, batch=batch))
    path = unquote(parts.path) if parts.scheme == "file" else url
    return Objects(name, templates, Folder(name, Path(path), versions=options.get("versions") == "folder", batch=batch))


class Objects:
    """The store. It implements ``base.Store``, ``base.Reader``, ``base.Lister`` and ``base.Counter``."""

    def __init__(self, name: str, templates: Mapping[str, Template], medium: Medium) -> None:
        """``templates`` by collection."""
        self._name = name
        self._templates = templates
        self._medium = medium

    @property
    def statements(self) -> int:
        """How many requests were sent since the store was opened."""
        return self._medium.statements

    def describe(self) -> tuple[Shape, ...]:
        """Every collection, and ``(unlisted)`` if among the first 10,000 keys there are some that no template takes.

        Raises:
            Drift: the bucket or folder is missing.
        """
        seen = dict.fromkeys((*self._templates, UNLISTED), 0)
        looked = 0
        for entry in islice(self._medium.entries(""), GLANCE):
            looked += 1
            seen[next((name for name, one in self._templates.items() if one.readings(entry.key)), UNLISTED)] += 1
        all_seen = looked < GLANCE
        shapes = [_shape(name, one.fields, seen[name] if all_seen else None) for name, one in self._templates.items()]
        return (*shapes, *([_shape(UNLISTED, (), seen[UNLISTED] if all_seen else None)] if seen[UNLISTED] else []))

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """Keys in whatever version they exist, in key order (a folder's keys without a live file last).

        Raises:
            UnknownStore, Drift: no such collection or field, or a key that can be read in two ways.
        """
        conditions = self._conditions(selector, carry)
        if selector.nothing():
            return
        found = self._matching(conditions)
        while page := list(islice(found, PAGE)):
            yield Located(
                tuple(spell(entry.key) for entry, _ in page),
                {name: tuple(values[name] for _, values in page) for name in carry},
            )

    def erase(self, step: Step) -> Iterator[int]:
        """Delete the keys in every version, with their unfinished uploads.

        Raises:
            UnknownStore: no such collection.
            Refused: another method than delete; a legal hold or retention; no permission.
        """
        self._template(step.collection)
        if step.method is not Method.DELETE:
            raise Refused(f"objects are deleted whole: there is nothing to {step.method}", where=f"{self._name}.{step.collection}")
        yield from self._medium.erase([unspell(address) for address in step.addresses])

    def reclaim(self, selector: Selector) -> Reclaimed:
        """Delete old versions, markers and unfinished uploads of matching keys that have no current version (any more).

        Raises:
            UnknownStore, Drift, Refused: as ``locate`` and ``erase``.
        """
        conditions = self._conditions(selector)
        if not selector.nothing():
            dead = [entry.key for entry, _ in self._matching(conditions) if not entry.live]
            for _ in self._medium.erase(dead):
                pass
        return Reclaimed("delete versions, delete markers and unfinished uploads")

    def verify(self, selector: Selector) -> Residue:
        """Walk the whole store by another listing and another reader of keys than ``locate``.

        Raises:
            UnknownStore, Drift: no such collection or field.
        """
        conditions = self._conditions(selector)
        template = self._template(selector.collection)
        scanned = live = history = unlisted = 0
        for entry in self._medium.census():
            spellings = list(template.spellings(entry.key))
            scanned += bool(spellings)
            unlisted += not spellings and not any(any(other.spellings(entry.key)) for other in self._templates.values())
            if spell(entry.key) not in selector.minus and any(conditions.hold(entry, one) for one in spellings):
                live, history = live + entry.live, history + entry.history
        note = "every key in every version was looked at; what a file system or service keeps below that was not"
        return Residue(scanned, live, history, note=f"{note}; {unlisted} keys belong to no collection" if unlisted else note)

    def read(self, collection: str, addresses: Iterable[str]) -> Iterator[Record]:
        """The current versions' bytes; a key of which only history is left is left out.

        Raises:
            UnknownStore: no such collection.
        """
        template = self._template(collection)
        for address in addresses:
            key = unspell(address)
            found, readings = self._medium.read(key), template.readings(key)
            if found and readings:
                body, modified = found
                yield Record(address, {**readings[0], KEY: key, MODIFIED: modified.isoformat()}, body, key.rpartition("/")[2])

    def distinct(self, collection: str, field: str) -> Iterator[tuple[Value, ...]]:
        """A placeholder's texts, or the keys, of every key in whatever version; one may come again in a later batch of 1,000 keys.

        Raises:
            UnknownStore, Drift: no such collection or field; a time is none to be listed.
        """
        template = self._template(collection)
        if field not in {*template.fields, KEY}:
            raise Drift(f"there is no field {field!r} to list: the key template is {template.text!r}", where=f"{self._name}.{collection}")
        keys = (entry.key for prefix in template.prefixes({}, PREFIXES) for entry in self._medium.entries(prefix))
        values = (key if field == KEY else one[field] for key in keys for one in template.readings(key))
        while page := list(islice(values, PAGE)):
            yield tuple(dict.fromkeys(page))

    def close(self) -> None:
        """Give connections back."""
        self._medium.close()

    def _template(self, collection: str) -> Template:
        if collection not in self._templates:
            raise UnknownStore(f"the store has no collection {collection!r}", where=self._name)
        return self._templates[collection]

    def _conditions(self, selector: Selector, carry: Sequence[str] = ()) -> _Conditions:
        template = self._template(selector.collection)
        known = {*template.fields, KEY, MODIFIED}
        for field in sorted({*selector.any_of, *selector.within, *carry} - known) + sorted(selector.present - known - {BODY}):
            raise Drift(f"there is no field {field!r} to select by: the key template is {template.text!r}", where=self._where(selector))
        return _Conditions.of(selector)

    def _where(self, selector: Selector) -> str:
        return f"{self._name}.{selector.collection}"

    def _matching(self, conditions: _Conditions) -> Iterator[tuple[Entry, Mapping[str, Value]]]:
        selector = conditions.selector
        template = self._templates[selector.collection]
        for prefix in self._prefixes(template, conditions):
            for entry in self._medium.entries(prefix):
                readings = template.readings(entry.key)
                if any(conditions.hold(entry, one) for one in readings) and spell(entry.key) not in selector.minus:
                    if len(readings) > 1:
                        said = f"a key can be read in two ways as {template.text!r}: narrow a field, as in {{name:int}}"
                        raise Drift(said, where=self._where(selector))
                    yield entry, {**readings[0], KEY: entry.key, MODIFIED: entry.modified}

    def _prefixes(self, template: Template, conditions: _Conditions) -> tuple[str, ...]:
        keys = conditions.values.get(KEY)
        if keys is not None and len(keys) <= PREFIXES:
            return Template.narrowest(keys)
        return template.prefixes(conditions.values, PREFIXES)


@dataclass(frozen=True, slots=True, repr=False)
class _Conditions:
    """A selector, made ready: the texts per field, the times, the ranges."""

    selector: Selector
    values: Mapping[str, frozenset[str]]
    times: frozenset[Value] | None
    spans: Mapping[str, Span]

    @classmethod
    def of(cls, selector: Selector) -> _Conditions:
        texts = {name: frozenset(map(str, coerce_all(held, FieldType.TEXT))) for name, held in selector.any_of.items() if name != MODIFIED}
        times = frozenset(coerce_all(selector.any_of[MODIFIED], FieldType.TIME)) if MODIFIED in selector.any_of else None
        return cls(selector, texts, times, selector.within)

    def hold(self, entry: Entry, reading: Mapping[str, str]) -> bool:
        """Whether a key, read so, is meant."""
        texts = all((entry.key if name == KEY else reading[name]) in wanted for name, wanted in self.values.items())
        if not texts or (self.times is not None and entry.modified not in self.times):
            return False
        return all(self._within(name, span, entry, reading) for name, span in self.spans.items())

    def _within(self, name: str, span: Span, entry: Entry, reading: Mapping[str, str]) -> bool:
        when = entry.modified if name == MODIFIED else coerce(entry.key if name == KEY else reading[name], FieldType.TIME)
        return isinstance(when, datetime) and span.holds(when)


def _template(store: str, collection: CollectionLayout) -> Template:
    where = f"{store}.{collection.name}"
    text = collection.layout.get("objects")
    if not isinstance(text, str):
        raise Drift("the collection needs a key template under `objects`", where=where)
    template = Template.parse(text, where=where)
    if taken := {KEY, MODIFIED, BODY} & set(template.fields):
        raise Drift(f"every object has a field {min(taken)!r} already: name the placeholder otherwise", where=where)
    return template


def _apart(store: str, templates: Mapping[str, Template]) -> None:
    names = list(templates)
    for number, one in enumerate(names):
        for two in names[number + 1 :]:
            if templates[one].meets(templates[two]):
                raise Drift(f"a key could belong to {one!r} as well as to {two!r}: narrow a template, as in {{name:int}}", where=store)


def _s3(store: str) -> ModuleType:
    try:
        return import_module("expunge.stores.objects_s3")
    except ModuleNotFoundError as missing:
        raise MissingExtra(f"an S3 store needs {missing.name}: pip install 'expunge[s3]'", where=store) from None


def _shape(name: str, placeholders: Sequence[str], about: int | None) -> Shape:
    fields = [Field(one, FieldType.TEXT, nullable=False) for one in placeholders]
    own = (
        Field(KEY, FieldType.TEXT, nullable=False, unique=True),
        Field(MODIFIED, FieldType.TIME, nullable=False),
        Field(BODY, FieldType.OTHER, nullable=False),
    )
    return Shape(name, (*fields, *own), primary_key=(KEY,), about=about)
