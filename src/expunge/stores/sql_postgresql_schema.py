"""What a PostgreSQL schema says of itself, in about ten statements however many tables it has."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from expunge.stores.sql_table import Column, Constraints, Index, Table, fed, shape_of
from expunge.terms import FieldType, ForeignKey, Shape

TYPES: tuple[tuple[type[sa.types.TypeEngine[Any]], FieldType], ...] = (
    # the first that fits: an enumeration is a String to SQLAlchemy, but no text compares to it
    (sa.Enum, FieldType.OTHER),
    (sa.JSON, FieldType.JSON),
    (sa.Boolean, FieldType.BOOLEAN),
    (sa.Integer, FieldType.INTEGER),
    (sa.Float, FieldType.REAL),
    (sa.Numeric, FieldType.NUMERIC),
    (sa.DateTime, FieldType.TIME),
    (sa.Date, FieldType.DATE),
    (sa.Uuid, FieldType.UUID),
    (sa.LargeBinary, FieldType.BYTES),
    (sa.String, FieldType.TEXT),
)

# A type's name without its length: a cast to varchar(3) would cut a value, and the cut one could be somebody else's.
COLUMNS = sa.text(
    "SELECT c.relname, a.attname, format_type(a.atttypid, -1), coalesce(l.collisdeterministic, true) "
    "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_collation l ON l.oid = a.attcollation "
    "WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped "
    "AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = coalesce(:schema, current_schema()))"
)
RELATIONS = sa.text(
    "SELECT c.relname, c.reltuples, p.relname FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition "
    "LEFT JOIN pg_class p ON p.oid = i.inhparent WHERE c.relkind IN ('r', 'p') "
    "AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = coalesce(:schema, current_schema())) ORDER BY c.relname"
)

# Constraints between our tables, from ours to others and, since a delete here changes what is there, from any schema to ours. A
# partition's are its root's. SQLAlchemy knows only what our own tables say, and writes our schema before a name if one was asked for.
FOREIGN = sa.text(
    "SELECT hs.nspname, h.relname, hs.oid = ours.oid, ts.nspname, t.relname, ts.oid = ours.oid, k.confdeltype, k.condeferrable, "
    "ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY c (number, place) "
    "JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number ORDER BY c.place), "
    "ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY c (number, place) "
    "JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.number ORDER BY c.place) "
    "FROM pg_constraint k JOIN pg_class h ON h.oid = coalesce(pg_partition_root(k.conrelid), k.conrelid) "
    "JOIN pg_namespace hs ON hs.oid = h.relnamespace "
    "JOIN pg_class t ON t.oid = coalesce(pg_partition_root(k.confrelid), k.confrelid) JOIN pg_namespace ts ON ts.oid = t.relnamespace "
    "JOIN pg_namespace ours ON ours.nspname = coalesce(:schema, current_schema()) AND ours.oid IN (hs.oid, ts.oid) "
    "WHERE k.contype = 'f' AND k.conparentid = 0 ORDER BY hs.nspname, h.relname, k.conname, k.oid"
)
TRIGGERS = sa.text(
    "SELECT c.relname, p.prosrc FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_proc p ON p.oid = g.tgfoid "
    "WHERE NOT g.tgisinternal AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = coalesce(:schema, current_schema()))"
)
ON_DELETE = {"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}


@dataclass(frozen=True, slots=True)
class _Fact:
    cast: str
    exact: bool


def tables(connection: sa.Connection, schema: str | None) -> dict[str, Table]:
    """Every table of the schema, by name; a partition hangs on its parent. Then, as outside, who else references one of them."""
    inspector = sa.inspect(connection)
    facts: dict[str, dict[str, _Fact]] = {}
    for table, name, spelled, exact in connection.execute(COLUMNS, {"schema": schema}):
        facts.setdefault(table, {})[name] = _Fact(spelled, exact)
    reflected = {name: many for (_, name), many in inspector.get_multi_columns(schema).items()}
    foreign, outside = _foreign_keys(connection, schema)
    relations = connection.execute(RELATIONS, {"schema": schema}).all()
    feeds = fed([(table, body) for table, body in connection.execute(TRIGGERS, {"schema": schema})], [name for name, _, _ in relations])
    said = replace(_constraints(inspector, schema), foreign=foreign, feeds=feeds)
    made = {}
    for name, about, parent in relations:
        columns = [_column(one["name"], one["type"], one["nullable"], facts.get(name, {})) for one in reflected.get(name, ())]
        made[name] = Table(
            shape=shape_of(name, columns, said, about=int(about) if about >= 0 else None, hangs_on=parent),
            columns={one.name: one for one in columns},
            key=said.keys.get(name, ()),
            leading=said.leading(name),
            schema=schema,
        )
    return made | {one.name: Table(one, {}, ()) for one in _outside(outside, made)}


def _outside(found: Mapping[tuple[str, str], Sequence[ForeignKey]], taken: Collection[str]) -> Iterator[Shape]:
    """Tables of other schemas; one of ours may be called what such a table is called with its schema."""
    for (schema, table), many in found.items():
        name = f"{schema}.{table}"
        yield Shape(name if name not in taken else f'"{schema}"."{table}"', (), foreign_keys=tuple(many), outside=True)


def _foreign_keys(
    connection: sa.Connection, schema: str | None
) -> tuple[dict[str, list[ForeignKey]], dict[tuple[str, str], list[ForeignKey]]]:
    """The foreign keys of our tables by table, and those at our tables by schema and table."""
    ours: dict[str, list[ForeignKey]] = {}
    outside: dict[tuple[str, str], list[ForeignKey]] = {}
    for holder_in, holder, is_ours, to_in, to, to_ours, on_delete, deferrable, fields, to_fields in connection.execute(
        FOREIGN, {"schema": schema}
    ):
        target = to if to_ours else f"{to_in}.{to}"
        key = ForeignKey(tuple(fields), target, tuple(to_fields), ON_DELETE[on_delete], deferrable)
        if is_ours:
            ours.setdefault(holder, []).append(key)
        else:
            outside.setdefault((holder_in, holder), []).append(key)
    return ours, outside


def _constraints(inspector: sa.Inspector, schema: str | None) -> Constraints:
    keys = inspector.get_multi_pk_constraint(schema)
    checks = inspector.get_multi_check_constraints(schema)
    return Constraints(
        keys={table: tuple(one["constrained_columns"]) for (_, table), one in keys.items() if one},
        checks={table: [one["sqltext"] for one in many] for (_, table), many in checks.items()},
        indexes=_indexes(inspector, schema),
    )


def _indexes(inspector: sa.Inspector, schema: str | None) -> dict[str, list[Index]]:
    """Indexes that equality can use: whole ones, of the kinds that order or hash."""
    indexes: dict[str, list[Index]] = {}
    for (_, table), many in inspector.get_multi_indexes(schema).items():
        for one in many:
            options = one.get("dialect_options", {})
            names = tuple(takewhile(lambda column: column is not None, one["column_names"]))  # up to the first expression
            if names and options.get("postgresql_where") is None and options.get("postgresql_using", "btree") in ("btree", "hash"):
                whole = len(names) == len(one["column_names"])
                indexes.setdefault(table, []).append(Index(cast("tuple[str, ...]", names), one["unique"] and whole))
    return indexes


def _column(name: str, kind: sa.types.TypeEngine[Any], nullable: bool, facts: Mapping[str, _Fact]) -> Column:  # noqa: FBT001 - as reflected
    plain = kind.data_type if isinstance(kind, postgresql.DOMAIN) else kind
    found = next((said for python, said in TYPES if isinstance(plain, python)), FieldType.OTHER)
    aware = not isinstance(plain, sa.DateTime) or bool(plain.timezone)
    fact = facts.get(name, _Fact("text", exact=True))
    return Column(name, found, nullable, cast=fact.cast, aware=aware, exact=fact.exact)
