"""What an SQLite file says of itself: tables, virtual tables and what hangs on them, in seven statements.

From SQLite's own pragmas: SQLAlchemy's reflection loses the declared type's words, and misses constraints that it can't parse out of the
schema (``VARCHAR(9) UNIQUE``, ``REFERENCES … ON DELETE CASCADE`` behind a column). Shadow tables (the insides of a full-text index or
an R-tree) are parts of their virtual table, never collections.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from string import ascii_lowercase, ascii_uppercase
from typing import cast

import sqlalchemy as sa

from expunge.stores.sql_table import Column, Constraints, Index, Table, fed, shape_of
from expunge.terms import FieldType, ForeignKey

FULL_TEXT = ("fts3", "fts4", "fts5")
ROWID = "rowid"
FOLDED = str.maketrans(ascii_uppercase, ascii_lowercase)
COMPOUND = 200  # SQLite takes 500 terms in a compound SELECT

TYPES: tuple[tuple[str, FieldType], ...] = (
    # part of the declared type -> how a field is compared; the first that fits. Text is the rest: it compares whatever is stored.
    ("BOOL", FieldType.BOOLEAN),
    ("JSON", FieldType.JSON),
    ("DATETIME", FieldType.TIME),
    ("TIMESTAMP", FieldType.TIME),
    ("DATE", FieldType.DATE),
    ("CHAR", FieldType.TEXT),
    ("TEXT", FieldType.TEXT),
    ("CLOB", FieldType.TEXT),
    ("INT", FieldType.INTEGER),
    ("BLOB", FieldType.BYTES),
    ("BINARY", FieldType.BYTES),
    ("REAL", FieldType.REAL),
    ("FLOA", FieldType.REAL),
    ("DOUB", FieldType.REAL),
    ("NUMERIC", FieldType.NUMERIC),
    ("DECIMAL", FieldType.NUMERIC),
)

TABLES = sa.text(
    "SELECT l.name, l.type, l.wr, s.sql FROM pragma_table_list l JOIN sqlite_schema s ON s.name = l.name "
    "WHERE l.schema = 'main' AND l.type IN ('table', 'virtual') AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY l.name"
)
COLUMNS = sa.text(
    'SELECT l.name, c.name, c.type, c."notnull", c.pk FROM pragma_table_list l JOIN pragma_table_xinfo(l.name) c '
    "WHERE l.schema = 'main' AND l.type = 'table' AND c.hidden <> 1 ORDER BY l.name, c.cid"
)
INDEXES = sa.text(
    'SELECT l.name, i.name, i."unique", c.name FROM pragma_table_list l JOIN pragma_index_list(l.name) i JOIN pragma_index_info(i.name) c '
    "WHERE l.schema = 'main' AND l.type = 'table' AND NOT i.partial ORDER BY l.name, i.seq, c.seqno"
)
FOREIGN = sa.text(
    'SELECT l.name, f.id, f."table", f."from", f."to", f.on_delete FROM pragma_table_list l JOIN pragma_foreign_key_list(l.name) f '
    "WHERE l.schema = 'main' AND l.type = 'table' ORDER BY l.name, f.id DESC, f.seq"
)
TRIGGERS = sa.text("SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'trigger'")
VIRTUAL = sa.text('SELECT name, type, "notnull", pk FROM pragma_table_xinfo(:table) WHERE hidden <> 1 ORDER BY cid')


@dataclass(frozen=True, slots=True)
class Declared:
    """A table as ``sqlite_schema`` has it; ``module`` is a virtual table's, ``content`` the table that a full-text index reads."""

    name: str
    sql: str
    rowid: bool
    module: str
    content: str | None


def field_type(declared: str) -> FieldType:
    """How a column of that declared type is compared."""
    return next((kind for part, kind in TYPES if part in declared.upper()), FieldType.TEXT)


def spelled(written: str, names: Collection[str]) -> str:
    """The one of ``names`` that SQLite takes ``written`` for: it folds the case of ASCII letters, and only theirs; else as written."""
    wanted = written.translate(FOLDED)
    return written if written in names else next((name for name in names if name.translate(FOLDED) == wanted), written)


def tables(connection: sa.Connection) -> dict[str, Table]:
    """Every table and virtual table, by name."""
    declared = [_declared(*row) for row in connection.execute(TABLES)]
    plain = [one for one in declared if not one.module]
    declared = [replace(one, content=spelled(one.content, [other.name for other in plain])) if one.content else one for one in declared]
    columns: dict[str, list[Column]] = {}
    keys: dict[str, dict[int, str]] = {}
    for table, name, kind, required, place in connection.execute(COLUMNS):
        is_rowid = place and kind.upper() == "INTEGER"  # of SQLite's primary keys only this one refuses nulls
        columns.setdefault(table, []).append(Column(name, field_type(kind), nullable=not (required or is_rowid)))
        keys.setdefault(table, {}).update({place: name} if place else {})
    ordered = {table: tuple(name for _, name in sorted(places.items())) for table, places in keys.items()}
    said = Constraints(
        keys=ordered,
        foreign=_foreign_keys(connection, columns, ordered, {one.name: one.sql for one in plain}),
        checks={one.name: _checks(one.sql) for one in plain},
        indexes=_indexes(connection),
        feeds=fed([(spelled(table, columns), body) for table, body in connection.execute(TRIGGERS)], [one.name for one in declared]),
    )
    about = _about(connection, [one.name for one in plain if one.rowid])
    texts = {one.content: [other.name for other in declared if other.content == one.content] for one in declared if one.content}
    made = {one.name: _table(one.name, columns[one.name], said, about.get(one.name), tuple(texts.get(one.name, ()))) for one in plain}
    made |= {one.name: _virtual(connection, one) for one in declared if one.module}
    return dict(sorted(made.items()))


def _declared(name: str, kind: str, without_rowid: int, sql: str) -> Declared:
    if kind != "virtual":
        return Declared(name, sql, not without_rowid, "", None)
    using = re.search(r"\bUSING\s+(\w+)", sql, re.IGNORECASE)
    content = re.search(r"""\bcontent\s*=\s*(?:'([^']*)'|"([^"]*)"|([^\s,)]*))""", sql, re.IGNORECASE)
    source = next((part for part in content.groups() if part is not None), None) if content else None
    module = using[1].lower() if using else "virtual"
    return Declared(name, sql, rowid=True, module=module, content=source if module in FULL_TEXT else None)


def _table(name: str, columns: Sequence[Column], said: Constraints, about: int | None, texts: tuple[str, ...]) -> Table:
    return Table(
        shape=shape_of(name, columns, said, about=about),
        columns={one.name: one for one in columns},
        key=said.keys.get(name, ()),
        leading=said.leading(name),
        texts=texts,
    )


def _virtual(connection: sa.Connection, one: Declared) -> Table:
    try:
        found = connection.execute(VIRTUAL, {"table": one.name}).all()
    except sa.exc.OperationalError:  # its module is not loaded here: listed, with no field that could be selected by
        found = []
    words = FieldType.OTHER if one.content == "" else FieldType.TEXT  # an index that keeps no content shows none: nothing selects by it
    kinds = {name: words if one.module in FULL_TEXT else field_type(kind) for name, kind, _, _ in found}
    columns = [Column(name, kind, nullable=True) for name, kind in kinds.items()]
    return Table(
        shape=shape_of(one.name, columns, Constraints(), hangs_on=one.content or None),
        columns={column.name: column for column in columns},
        key=(ROWID,),
        module=one.module,
        texts=(one.name,) if one.module in FULL_TEXT else (),
    )


def _foreign_keys(
    connection: sa.Connection, columns: Mapping[str, Sequence[Column]], keys: Mapping[str, tuple[str, ...]], schema: Mapping[str, str]
) -> dict[str, list[ForeignKey]]:
    """In the order declared; a reference that names no columns means the other table's primary key.

    The pragma tells the other table and its columns as the reference spells them, in whatever case.
    """
    found: dict[tuple[str, int], list[tuple[str, str | None]]] = {}
    told: dict[tuple[str, int], tuple[str, str]] = {}
    for table, number, to, here, there, on_delete in connection.execute(FOREIGN):
        found.setdefault((table, number), []).append((here, there))
        told[table, number] = (spelled(to, columns), on_delete.lower())
    foreign: dict[str, list[ForeignKey]] = {}
    for (table, number), pairs in found.items():
        to, on_delete = told[table, number]
        names = [one.name for one in columns.get(to, ())]
        there = tuple(spelled(name, names) for _, name in pairs if name is not None) or keys.get(to, ())
        foreign.setdefault(table, []).append(ForeignKey(tuple(name for name, _ in pairs), to, there, on_delete))
    # The pragma doesn't tell which are deferred: known where all are.
    deferred = {table: len(re.findall(r"(?i)INITIALLY\s+DEFERRED", sql)) for table, sql in schema.items()}
    return {table: [replace(one, deferrable=deferred.get(table) == len(many)) for one in many] for table, many in foreign.items()}


def _checks(sql: str) -> list[str]:
    """What stands in the parentheses of each CHECK."""
    found = []
    for start in (match.end() for match in re.finditer(r"(?i)\bCHECK\s*\(", sql)):
        depth = 1
        for end, letter in enumerate(sql[start:], start):
            depth += {"(": 1, ")": -1}.get(letter, 0)
            if not depth:
                found.append(sql[start:end])
                break
    return found


def _indexes(connection: sa.Connection) -> dict[str, list[Index]]:
    found: dict[tuple[str, str, bool], list[str | None]] = {}
    for table, name, unique, column in connection.execute(INDEXES):
        found.setdefault((table, name, bool(unique)), []).append(column)
    indexes: dict[str, list[Index]] = {}
    for (table, _, unique), columns in found.items():
        plain = tuple(takewhile(lambda column: column is not None, columns))  # up to the first expression
        if plain:
            indexes.setdefault(table, []).append(Index(cast("tuple[str, ...]", plain), unique and len(plain) == len(columns)))
    return indexes


def _about(connection: sa.Connection, names: Sequence[str]) -> dict[str, int]:
    """The highest rowid, which the B-tree's right edge gives at once: the number of records if few were ever deleted."""
    about: dict[str, int] = {}
    for some in (names[at : at + COMPOUND] for at in range(0, len(names), COMPOUND)):
        about |= dict(_edges(connection, some))
    return about


def _edges(connection: sa.Connection, names: Sequence[str]) -> Iterable[tuple[str, int]]:
    edge: sa.ColumnElement[int] = sa.func.coalesce(sa.func.max(sa.literal_column(ROWID)), 0)
    selects = [sa.select(sa.literal(name), edge).select_from(sa.table(name)) for name in names]
    return [(name, int(highest)) for name, highest in connection.execute(sa.union_all(*selects))]
