"""What the SQL store knows of one table: its shape, how to say it in SQL, and how its records are addressed.

Reflection is set-wise (``inspector.get_multi_*``: a handful of statements for a whole schema on PostgreSQL). What one dialect alone
can tell (an SQLite column's declared type, a PostgreSQL type's name for a cast) comes as ``Column`` facts from its own file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ReflectedForeignKeyConstraint, ReflectedIndex

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
        odd = sorted(name for name in selector.any_of if self.columns[name].type not in SELECTABLE)
        if odd:
            msg = f"{self.name}: {', '.join(odd)} is of a type that can't be selected by; reference a plain column instead"
            raise Drift(msg, where=where)


@dataclass(frozen=True, slots=True)
class Constraints:
    """The constraints of every table, by table name."""

    keys: Mapping[str, tuple[str, ...]]
    foreign: Mapping[str, Sequence[ReflectedForeignKeyConstraint]]
    indexes: Mapping[str, Sequence[ReflectedIndex]]
    uniques: Mapping[str, Sequence[tuple[str, ...]]]
    checks: Mapping[str, Sequence[str]]


def constraints(connection: sa.Connection, schema: str | None, names: Sequence[str] | None = None) -> Constraints:
    """Reflect the constraints of these tables (``None``: of all), set-wise."""
    inspector = sa.inspect(connection)
    keys = inspector.get_multi_pk_constraint(schema, names)
    uniques = inspector.get_multi_unique_constraints(schema, names)
    checks = inspector.get_multi_check_constraints(schema, names)
    return Constraints(
        keys={table: tuple(one["constrained_columns"]) for (_, table), one in keys.items() if one},
        foreign={table: many for (_, table), many in inspector.get_multi_foreign_keys(schema, names).items()},
        indexes={table: many for (_, table), many in inspector.get_multi_indexes(schema, names).items()},
        uniques={table: [tuple(one["column_names"]) for one in many] for (_, table), many in uniques.items()},
        checks={table: [one["sqltext"] for one in many] for (_, table), many in checks.items()},
    )


def shape_of(name: str, columns: Iterable[Column], said: Constraints, *, about: int | None = None, hangs_on: str | None = None) -> Shape:
    """The shape of one table from its columns and constraints."""
    key = said.keys.get(name, ())
    paths = index_paths(name, said)
    unique = {path[0] for path in ([key] if key else []) + list(said.uniques.get(name, ())) if len(path) == 1}
    unique |= {str(one["column_names"][0]) for one in said.indexes.get(name, ()) if one["unique"] and len(one["column_names"]) == 1}
    words = {word.lower() for check in said.checks.get(name, ()) for word in re.findall(r'"[^"]+"|\w+', check)}
    fields = tuple(
        Field(
            name=one.name,
            type=one.type,
            nullable=one.nullable,
            checked=bool({one.name.lower(), f'"{one.name.lower()}"'} & words),
            unique=one.name in unique,
        )
        for one in columns
    )
    foreign = tuple(_foreign_key(one, paths) for one in said.foreign.get(name, ()))
    return Shape(name=name, fields=fields, primary_key=key, foreign_keys=foreign, about=about, hangs_on=hangs_on)


def index_paths(name: str, said: Constraints) -> list[tuple[str, ...]]:
    """The column sequences by which any record of the table can be found through an ordered index."""
    paths = [said.keys[name]] if said.keys.get(name) else []
    paths += list(said.uniques.get(name, ()))
    for one in said.indexes.get(name, ()):
        options = one.get("dialect_options", {})
        partial = options.get("postgresql_where") or options.get("sqlite_where")  # finds only some records
        if not partial and options.get("postgresql_using", "btree") in ("btree", "hash"):
            names = []
            for column in one["column_names"]:
                if column is None:  # an expression
                    break
                names.append(column)
            if names:
                paths.append(tuple(names))
    return paths


def _foreign_key(one: ReflectedForeignKeyConstraint, paths: Sequence[tuple[str, ...]]) -> ForeignKey:
    fields = tuple(one["constrained_columns"])
    options = one.get("options", {})
    schema = one["referred_schema"]
    return ForeignKey(
        fields=fields,
        to=f"{schema}.{one['referred_table']}" if schema else one["referred_table"],
        to_fields=tuple(one["referred_columns"]),
        on_delete=str(options.get("ondelete") or "no action").lower(),
        deferrable=bool(options.get("deferrable")),
        indexed=any(set(path[: len(fields)]) == set(fields) for path in paths),
    )
