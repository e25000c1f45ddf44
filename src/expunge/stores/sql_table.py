"""What the SQL store knows of one table: its shape, how to say it in SQL, and how its records are addressed.

Each dialect reads its own catalogue, set-wise: a handful of statements however many tables there are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from expunge.errors import Drift
from expunge.terms import Field, FieldType, ForeignKey, Selector, Shape

SELECTABLE = frozenset(FieldType) - {FieldType.JSON, FieldType.OTHER}


@dataclass(frozen=True, slots=True)
class Column:
    """A column as its dialect sees it.

    ``cast`` is the type's name for a cast, ``aware`` says that a time has a zone, ``exact`` that its equality compares every byte.
    """

    name: str
    type: FieldType
    nullable: bool
    cast: str = ""
    aware: bool = True
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table that can be erased from.

    ``key`` are the columns that address a record, empty where a record can only be addressed by its content. ``leading`` are the columns
    that an index can find by. ``texts`` names the full-text indexes that hang on it, ``module`` the one that it is (``fts5``).
    """

    shape: Shape
    columns: Mapping[str, Column]
    key: tuple[str, ...]
    leading: frozenset[str] = frozenset()
    schema: str | None = None
    module: str = ""
    texts: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    clause: sa.TableClause = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the SQL name once; quoting is SQLAlchemy's."""
        names = dict.fromkeys((*self.columns, *self.key))
        clause = sa.table(self.shape.name, *(sa.column(name) for name in names), schema=self.schema)
        object.__setattr__(self, "clause", clause)

    @property
    def name(self) -> str:
        """The collection's name."""
        return self.shape.name

    def sql(self, name: str) -> sa.ColumnClause[object]:
        """The column in SQL, always written with its table: SQLite reads an unknown quoted name as a text."""
        return self.clause.c[name]

    def require(self, names: Iterable[str], where: str) -> None:
        """All these columns exist.

        Raises:
            Drift: one doesn't.
        """
        missing = sorted(set(names) - set(self.columns))
        if missing:
            msg = f"{self.name} has no field {', '.join(missing)}"
            raise Drift(msg, where=where)

    def require_selectable(self, selector: Selector, where: str) -> None:
        """The selector's fields exist and can be compared.

        Raises:
            Drift: one doesn't, or is of a type without equality (JSON, arrays, documents).
        """
        self.require((*selector.any_of, *selector.within, *selector.present), where)
        self.require_comparable(selector.any_of, where)

    def require_comparable(self, names: Iterable[str], where: str) -> None:
        """These columns, which exist, can be compared.

        Raises:
            Drift: one is of a type without equality (JSON, arrays, documents).
        """
        odd = sorted(name for name in names if self.columns[name].type not in SELECTABLE)
        if odd:
            msg = f"{self.name}: {', '.join(odd)} is of a type that can't be selected by; reference a plain column instead"
            raise Drift(msg, where=where)


@dataclass(frozen=True, slots=True)
class Index:
    """An index that finds any record by the leading columns; a partial one, or one for other operators, is left out."""

    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True, slots=True)
class Constraints:
    """The constraints and indexes of every table, by table name."""

    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    foreign: Mapping[str, Sequence[ForeignKey]] = field(default_factory=dict[str, Sequence[ForeignKey]])
    checks: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    indexes: Mapping[str, Sequence[Index]] = field(default_factory=dict[str, Sequence[Index]])
    feeds: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def paths(self, table: str) -> list[tuple[str, ...]]:
        """The column sequences by which the table's records can be found."""
        key = self.keys.get(table)
        return ([key] if key else []) + [index.columns for index in self.indexes.get(table, ())]

    def leading(self, table: str) -> frozenset[str]:
        """The columns that an index can find by."""
        return frozenset(path[0] for path in self.paths(table))


def shape_of(name: str, columns: Iterable[Column], said: Constraints, *, about: int | None = None, hangs_on: str | None = None) -> Shape:
    """The shape of one table from its columns and constraints."""
    key = said.keys.get(name, ())
    unique = {key[0]} if len(key) == 1 else set()
    unique |= {one.columns[0] for one in said.indexes.get(name, ()) if one.unique and len(one.columns) == 1}
    words = {word.strip('"').lower() for check in said.checks.get(name, ()) for word in re.findall(r'"[^"]+"|\w+', check)}
    fields = tuple(
        Field(one.name, one.type, nullable=one.nullable, checked=one.name.lower() in words, unique=one.name in unique) for one in columns
    )
    starts = [set(path[: len(one.fields)]) for one in said.foreign.get(name, ()) for path in said.paths(name)]
    foreign = tuple(replace(one, indexed=set(one.fields) in starts) for one in said.foreign.get(name, ()))
    return Shape(
        name=name, fields=fields, primary_key=key, foreign_keys=foreign, about=about, hangs_on=hangs_on, feeds=said.feeds.get(name, ())
    )


def fed(triggers: Iterable[tuple[str, str]], names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Which of the tables ``names`` are spoken of by the triggers, given as (table, body), on each table; better one too many."""
    found: dict[str, set[str]] = {}
    for table, body in triggers:
        said = body.lower()
        words = set(re.findall(r"\w+", said))
        spoken = {name for name in names if name.lower() in words or f'"{name.lower()}"' in said}
        found.setdefault(table, set()).update(spoken - {table})
    return {table: tuple(sorted(spoken)) for table, spoken in found.items()}
