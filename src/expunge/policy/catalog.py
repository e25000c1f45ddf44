"""What a policy and its datasets declare, as plain frozen values, whatever file they came from.

``load`` makes a ``Catalog`` from YAML; ``ownership`` and the planner read it. Nothing here knows of a store's live schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from expunge.terms import Json, Value, Verb


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """Where something is declared; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """``file:line:column``, as editors jump to."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Reference:
    """``field`` points at ``to_field`` of ``to`` (``store.collection``).

    Direction as in fideslang: ``from`` (also when left out): this record belongs to the one it points at; ``to``: the record pointed at
    belongs to this one.
    """

    field: str
    to: str
    to_field: str
    direction: str = "from"
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class FieldNote:
    """One declared field; nested fields have dotted names.

    ``identity``: a subject kind's key or another identity type. ``part_of``: the owner field whose person this content belongs to, in a
    record with several owners. ``seal``: the field that names whose key the content is sealed with.
    """

    name: str
    categories: tuple[str, ...] = ()
    identity: str | None = None
    primary_key: bool = False
    references: tuple[Reference, ...] = ()
    part_of: str | None = None
    seal: str | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """Why records stay although their subject is erased (GDPR 17(3)): a basis in words, and for how long."""

    basis: str
    length: timedelta | None = None


@dataclass(frozen=True, slots=True)
class CollectionNote:
    """One declared collection.

    ``owned_by``: the fields that make a record its subject's; ``None`` lets the one plain reference decide; an empty tuple says that no
    person owns it. ``redact``: the fields that a redact nulls (``None``: those with a category under ``user``). ``repoint``: per owner
    field the pseudo-person's value, for ``decorrelate`` and for shared records whose owner field can't be null. ``captured_at``: a field
    of this collection, or ``store.collection.field`` of one that it references, or ``never`` (undated). ``derived_from``: collections that
    it was made from (``store.collection``). ``layout``: what the store itself needs (``objects``, ``path``, …). ``dataset`` is the
    fides_key by which references name it. ``by_content``: a record or object in which the hunt recognises somebody goes whole.
    """

    store: str
    name: str
    fields: Mapping[str, FieldNote]
    owned_by: tuple[str, ...] | None = None
    verb: Verb = Verb.DELETE
    redact: tuple[str, ...] | None = None
    repoint: Mapping[str, Value] = field(default_factory=dict[str, Value])
    keep: Keep | None = None
    captured_at: str | None = None
    derived_from: tuple[str, ...] = ()
    layout: Mapping[str, object] = field(default_factory=dict[str, object])
    mark: Mark | None = None
    dataset: str = ""
    by_content: bool = False

    @property
    def address(self) -> str:
        """``store.collection``."""
        return f"{self.store}.{self.name}"

    @property
    def field_names(self) -> tuple[str, ...]:
        """The declared fields in order."""
        return tuple(self.fields)


@dataclass(frozen=True, slots=True)
class SubjectKind:
    """A kind of person (or household) and the typed keys it is known by; ``key`` is the identity that defines it."""

    name: str
    key: str
    identities: tuple[str, ...] = ()
    member_of: str | None = None
    minor: bool = False
    guardian: str | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class StoreNote:
    """One declared store. ``options`` are its own keys (url, path, reclaim …), environment references filled in."""

    name: str
    kind: str
    options: Mapping[str, object]
    history_clears_in: timedelta | None = None
    mark: Mark | None = None

    def __repr__(self) -> str:
        """No options: a URL may hold a password."""
        return f"StoreNote({self.name!r}, {self.kind!r})"


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything declared about where people's data lies. Keys of ``collections`` are ``store.collection``."""

    kinds: Mapping[str, SubjectKind]
    stores: Mapping[str, StoreNote]
    collections: Mapping[str, CollectionNote]

    def in_store(self, store: str) -> tuple[CollectionNote, ...]:
        """The collections of one store, in the order declared."""
        return tuple(one for one in self.collections.values() if one.store == store)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where, and the line that mends it. ``severity`` is ``error`` or ``warning``."""

    code: str
    path: str
    message: str
    fix: str = ""
    mark: Mark | None = None
    severity: str = "error"

    def __str__(self) -> str:
        """``file:line:column: path: message``."""
        place = f"{self.mark}: " if self.mark else ""
        tail = f"; {self.fix}" if self.fix else ""
        return f"{place}{self.path}: {self.message}{tail}"

    def as_json(self) -> Json:
        """For ``--json``."""
        return {
            "code": self.code,
            "where": str(self.mark or ""),
            "path": self.path,
            "message": self.message,
            "fix": self.fix,
            "severity": self.severity,
        }
