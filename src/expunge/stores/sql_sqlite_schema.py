"""What an SQLite file says of itself: tables, virtual tables and what hangs on them.

The columns come from ``pragma_table_xinfo``, since only it gives the declared type in the schema's own words; constraints come through
SQLAlchemy. Shadow tables (the insides of a full-text index or an R-tree) are parts of their virtual table, never collections.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from expunge.stores.sql_table import Column, Constraints, Table, constraints, index_paths, shape_of
from expunge.terms import FieldType

FULL_TEXT = ("fts3", "fts4", "fts5")
ROWID = "rowid"
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
VIRTUAL = sa.text('SELECT name, type, "notnull", pk FROM pragma_table_xinfo(:table) WHERE hidden <> 1 ORDER BY cid')


@dataclass(frozen=True, slots=True)
class Declared:
    """A table as ``sqlite_schema`` has it; ``module`` is a virtual table's, ``content`` the table that a full-text index reads."""

    name: str
    rowid: bool
    module: str
    content: str | None


def field_type(declared: str) -> FieldType:
    """How a column of that declared type is compared."""
    return next((kind for part, kind in TYPES if part in declared.upper()), FieldType.TEXT)


def tables(connection: sa.Connection) -> dict[str, Table]:
    """Every table and virtual table, by name."""
    declared = [_declared(*row) for row in connection.execute(TABLES)]
    plain = [one for one in declared if not one.module]
    columns: dict[str, list[Column]] = {}
    for table, name, kind, required, place in connection.execute(COLUMNS):
        is_rowid = place and kind.upper() == "INTEGER"  # of SQLite's primary keys only this one refuses nulls
        columns.setdefault(table, []).append(Column(name, field_type(kind), nullable=not (required or is_rowid)))
    said = constraints(connection, None, [one.name for one in plain])
    about = _about(connection, [one.name for one in plain if one.rowid])
    texts = {one.content: [other.name for other in declared if other.content == one.content] for one in declared if one.content}
    made = {one.name: _table(one.name, columns[one.name], said, about.get(one.name), tuple(texts.get(one.name, ()))) for one in plain}
    made |= {one.name: _virtual(connection, one) for one in declared if one.module}
    return dict(sorted(made.items()))


def _declared(name: str, kind: str, without_rowid: int, sql: str) -> Declared:
    if kind != "virtual":
        return Declared(name, not without_rowid, "", None)
    using = re.search(r"\bUSING\s+(\w+)", sql, re.IGNORECASE)
    content = re.search(r"""\bcontent\s*=\s*(?:'([^']*)'|"([^"]*)"|([^\s,)]*))""", sql, re.IGNORECASE)
    source = next((part for part in content.groups() if part is not None), None) if content else None
    module = using[1].lower() if using else "virtual"
    return Declared(name, rowid=True, module=module, content=source if module in FULL_TEXT else None)


def _table(name: str, columns: Sequence[Column], said: Constraints, about: int | None, texts: tuple[str, ...]) -> Table:
    return Table(
        shape=shape_of(name, columns, said, about=about),
        columns={one.name: one for one in columns},
        key=said.keys.get(name, ()),
        leading=frozenset(path[0] for path in index_paths(name, said)),
        texts=texts,
    )


def _virtual(connection: sa.Connection, one: Declared) -> Table:
    try:
        found = connection.execute(VIRTUAL, {"table": one.name}).all()
    except sa.exc.OperationalError:  # its module is not loaded here: listed, with no field that could be selected by
        found = []
    kinds = {name: FieldType.TEXT if one.module in FULL_TEXT else field_type(kind) for name, kind, _, _ in found}
    columns = [Column(name, kind, nullable=True) for name, kind in kinds.items()]
    none = Constraints({}, {}, {}, {}, {})
    return Table(
        shape=shape_of(one.name, columns, none, hangs_on=one.content or None),
        columns={column.name: column for column in columns},
        key=(ROWID,),
        module=one.module,
        texts=(one.name,) if one.module in FULL_TEXT else (),
    )


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
