"""Floor 0: the nouns that every room speaks in.

Plain values, no I/O, no imports from the project. A word has one meaning here and in ARCHITECTURE.md. Everything is frozen:
a decision takes values and gives values, and what a crash leaves behind is always a value that was whole.

Addresses of collections are written ``store.collection``, of fields ``store.collection.field``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

Value: TypeAlias = str | int | float | bool | bytes | datetime | date | UUID | Decimal
"""What a field of a record can hold and be compared by. Times are aware and in UTC."""

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""A JSON value."""


class Method(StrEnum):
    """What a store can do to a record."""

    DELETE = "delete"
    REDACT = "redact"
    DECORRELATE = "decorrelate"


class Verb(StrEnum):
    """What the policy wants done to a collection's records when their subject is erased."""

    DELETE = "delete"
    REDACT = "redact"
    DECORRELATE = "decorrelate"
    KEEP = "keep"


class Level(StrEnum):
    """How far gone a record is, as a receipt states it; a level is never claimed higher than it was verified."""

    HIDDEN = "hidden"
    LOGICAL = "logically deleted"
    ABSENT = "physically absent"
    KEY = "key destroyed"
    UNVERIFIABLE = "not verifiable"


class FieldType(StrEnum):
    """How a store compares a field. ``OTHER`` can be redacted but not selected by."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    BYTES = "bytes"
    TIME = "time"
    DATE = "date"
    UUID = "uuid"
    JSON = "json"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of time, ``start <= t < end``; ``None`` is unbounded. Both ends are aware and in UTC."""

    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse naive ends and an empty range."""
        for edge in (self.start, self.end):
            if edge is not None and edge.tzinfo is None:
                msg = "a span's ends are aware datetimes"
                raise ValueError(msg)
        if self.start is not None and self.end is not None and self.start >= self.end:
            msg = "a span starts before it ends"
            raise ValueError(msg)

    def holds(self, when: datetime) -> bool:
        """Whether ``when`` (aware) lies in the range."""
        return (self.start is None or self.start <= when) and (self.end is None or when < self.end)


@dataclass(frozen=True, slots=True)
class Selector:
    """Which records of one collection are meant: all conditions hold at once, minus the held addresses.

    ``collection`` is the name inside its store. ``any_of`` gives, per field, the exact values that match; no case folding, no
    trimming, no wildcards. An empty set matches nothing. ``within`` gives time ranges. ``present`` keeps only records in which at
    least one of these fields still holds a value (not null), so that a redacted record is no longer selected.
    """

    collection: str
    any_of: Mapping[str, frozenset[Value]] = field(default_factory=dict[str, frozenset[Value]])
    within: Mapping[str, Span] = field(default_factory=dict[str, Span])
    present: frozenset[str] = frozenset()
    minus: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse a selector that would mean every record: no condition is never a yes."""
        if not self.any_of and not self.within:
            msg = "a selector needs a set of values or a time range"
            raise ValueError(msg)

    def __repr__(self) -> str:
        """Fields and counts only: values are identifiers and never reach a text."""
        values = {name: len(held) for name, held in self.any_of.items()}
        return f"Selector({self.collection!r}, values={values}, within={sorted(self.within)}, minus={len(self.minus)})"

    def nothing(self) -> bool:
        """Whether no record can match."""
        return any(not held for held in self.any_of.values())


@dataclass(frozen=True, slots=True, repr=False)
class Located:
    """A batch of found records: their addresses and, column by column, the values that were asked to be carried along."""

    addresses: tuple[str, ...]
    carried: Mapping[str, tuple[Value | None, ...]] = field(default_factory=dict[str, tuple[Value | None, ...]])

    def __repr__(self) -> str:
        """Count only."""
        return f"Located({len(self.addresses)})"


@dataclass(frozen=True, slots=True, repr=False)
class Step:
    """What to do to which records of one collection.

    ``addresses`` are those that ``locate(selector)`` gave, in its order, or a tail of them after a crash. ``fields`` are nulled by a
    redact, and by a decorrelate along with its re-pointing; ``repoint`` gives, for a decorrelate, each field's pseudo-person value.
    """

    collection: str
    method: Method
    selector: Selector
    addresses: tuple[str, ...]
    fields: tuple[str, ...] = ()
    repoint: Mapping[str, Value] = field(default_factory=dict[str, Value])

    def __repr__(self) -> str:
        """Names and counts only."""
        return f"Step({self.method.value} {self.collection!r}, {len(self.addresses)} records)"


@dataclass(frozen=True, slots=True)
class Residue:
    """What a verification still sees.

    ``scanned`` records were looked at, ``live`` of them match. ``history`` counts copies that the store itself keeps of what matched
    (old versions, dead rows, log entries, free pages), ``None`` where the store can't tell. ``clears_at`` (UTC) is when history that
    only time ends will have ended. ``note`` says in words what was and was not looked at.
    """

    scanned: int
    live: int
    history: int | None = 0
    clears_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """What a store did to remove history, in its own terms (``VACUUM FULL``, ``delete versions``), and what it couldn't."""

    how: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A field as the store has it now. ``checked`` says that a constraint reads it, so that nulling may be refused."""

    name: str
    type: FieldType
    nullable: bool = True
    checked: bool = False
    unique: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A declared constraint: ``fields`` of this collection point at ``to_fields`` of ``to`` (same store).

    ``indexed``: the pointing side has an index that starts with ``fields``. ``on_delete`` is the store's own word, lower case.
    """

    fields: tuple[str, ...]
    to: str
    to_fields: tuple[str, ...]
    on_delete: str = "no action"
    deferrable: bool = False
    indexed: bool = True


@dataclass(frozen=True, slots=True)
class Shape:
    """A collection as the store has it now; ``about`` is its approximate number of records, ``None`` if it can't be told cheaply.

    ``hangs_on`` names the collection that this one is a part of (a full-text index's table): it is erased with it. ``outside``: it lies
    beyond what the store erases from (in another schema), and is told only for its constraints; it has no fields here. ``feeds`` names
    the collections that triggers on this one speak of.
    """

    name: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    about: int | None = None
    hangs_on: str | None = None
    outside: bool = False
    feeds: tuple[str, ...] = ()

    def field(self, name: str) -> Field | None:
        """The field of that name, or ``None``."""
        return next((one for one in self.fields if one.name == name), None)


@dataclass(frozen=True, slots=True, repr=False)
class Record:
    """A record's content, for an access request or a fingerprint. ``body`` is an object's bytes, with its file name."""

    address: str
    fields: Mapping[str, Json]
    body: bytes | None = None
    filename: str | None = None

    def __repr__(self) -> str:
        """Nothing of the content."""
        return f"Record({len(self.fields)} fields)"


@dataclass(frozen=True, slots=True, repr=False)
class Identifier:
    """One typed key that a person is known by: ``type`` is a subject kind's key or an identity, ``value`` its exact text."""

    type: str
    value: str

    def __repr__(self) -> str:
        """Type only."""
        return f"Identifier({self.type!r})"


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a subject a request is for: everything, a data category, a range of time, or single items; conditions narrow.

    ``items`` are ``store.collection/key`` where key is the text of the record's primary key (or an object's key).
    """

    categories: tuple[str, ...] = ()
    captured: Span | None = None
    items: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """The category that all others lie in narrows nothing."""
        if "user" in self.categories:
            object.__setattr__(self, "categories", ())

    def everything(self) -> bool:
        """Whether nothing narrows the request."""
        return not self.categories and self.captured is None and not self.items


def text_of(value: Value) -> str:
    """The one text form of a value, by which values of differently typed fields are compared across stores.

    Integers and decimals in plain digits, booleans ``true``/``false``, times ISO 8601 in UTC, UUIDs lower case with dashes, bytes hex.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)
