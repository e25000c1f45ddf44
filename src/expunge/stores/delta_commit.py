"""The commit that puts new files in the place of some of a Delta table's.

Rows go by a rewrite of the files that hold them, committed as *remove these, add those*. The table's own ``delete`` would write its
predicate, identifiers and all, into the log; so does ``merge`` when it is not streamed; and neither can single out one of two rows that
differ only where they can't be compared.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TypeAlias, cast
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import AddAction, CommitProperties, RemoveAction

from expunge.errors import Refused
from expunge.stores.arrow import nodes
from expunge.stores.arrow_file import Part, rewrite
from expunge.stores.delta_place import Place
from expunge.stores.delta_table import Version
from expunge.terms import Method, Step, Value, text_of

LONGEST = 32  # characters of a text that Delta's writers put into statistics; a longer one is left out, which is allowed
RETRIES = 15  # deltalake's own: other writers' appends don't conflict, and are stepped behind


def check_changes(version: Version, step: Step, where: str) -> None:
    """Whether the table permits the step.

    Raises:
        Refused: the table is append-only, or a constraint or generated column reads a field that would change.
    """
    if version.table.metadata().configuration.get("delta.appendOnly") == "true":
        raise Refused("the table is append-only (delta.appendOnly)", where=where)
    for name in (*step.fields, *step.repoint) if step.method is not Method.DELETE else ():
        if name in nodes(version.schema) and version.ruled(name.split(".")[0]):
            raise Refused("a constraint or generated column reads the field", where=f"{where}.{name}")


Holder: TypeAlias = tuple[Part, set[bytes]]
"""A file, and the digests of those of its rows that a step addresses."""


def replace(place: Place, version: Version, holders: Sequence[Holder], step: Step, where: str) -> None:
    """Rewrite these files without (or with changed) addressed rows, and commit once.

    Raises:
        Conflict: another writer removed or rewrote one of them; nothing is changed.
    """
    with _written(place) as made:
        actions: list[AddAction | RemoveAction] = []
        for part, wanted in holders:
            fresh = f"{part.name.rpartition('/')[0]}/part-00000-{uuid4()}-c000.parquet".lstrip("/")
            made.append(fresh)
            with part.open() as file, place.create(fresh) as sink:
                struck, rows = rewrite(file, part, sink, step, wanted, where)
            if not struck or not rows:
                place.remove(fresh)
            if struck:
                actions += _actions(place, version, part, fresh if rows else None)
        if actions:
            _commit(version.table, actions)
            made.clear()
            place.settle(version.table.version())


@contextmanager
def _written(place: Place) -> Iterator[list[str]]:
    """The names of files that go again unless they are committed."""
    made: list[str] = []
    try:
        yield made
    finally:
        for one in made:
            place.remove(one)


def _actions(place: Place, version: Version, part: Part, fresh: str | None) -> list[AddAction | RemoveAction]:
    now = int(time.time() * 1000)
    values = {name: _serialised(value) for name, value in part.partition.items()}
    actions = [RemoveAction(part.name, True, now, version.sizes[part.name], values)]  # noqa: FBT003 - its Rust signature is positional
    if fresh:
        with place.open(fresh) as file:
            size = place.size(fresh)
            actions.append(AddAction(fresh, size, values, now, data_change=True, stats=statistics(file.metadata, file.schema_arrow)))
    return actions


def _commit(table: DeltaTable, actions: list[AddAction | RemoveAction]) -> None:
    table.create_write_transaction(
        actions,
        "append",
        table.schema(),
        table.metadata().partition_columns,
        commit_properties=CommitProperties(max_commit_retries=RETRIES),
    )
    table.update_incremental()


def _serialised(value: Value | None) -> str | None:
    """A partition value by the protocol's serialisation."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return None if value is None else text_of(value)


def statistics(meta: pq.FileMetaData, schema: pa.Schema) -> str:
    """A new file's statistics as the log holds them: of plain top-level columns, from the footer."""
    low: dict[str, object] = {}
    high: dict[str, object] = {}
    nulls: dict[str, int] = {}
    plain = {meta.schema.column(place).path: place for place in range(meta.num_columns)}
    for name in (one.name for one in schema if one.name in plain):
        stats = [meta.row_group(group).column(plain[name]).statistics for group in range(meta.num_row_groups)]
        if not stats or any(one is None or not one.has_null_count for one in stats):
            continue
        nulls[name] = sum(one.null_count for one in stats)
        bounded = [one for one in stats if one.has_min_max]
        edges = [_edge(one) for bound in bounded for one in (bound.min, bound.max)]
        if edges and None not in edges and all(one.has_min_max or one.num_values == 0 for one in stats):
            low[name], high[name] = min(cast("list[int]", edges)), max(cast("list[int]", edges))
    return json.dumps({"numRecords": meta.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls})


def _edge(value: object) -> object | None:
    """A bound as JSON, ``None`` if it is better not given."""
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= LONGEST else None
    if isinstance(value, datetime):
        return None  # Delta rounds times to milliseconds, downwards even the largest; a bound that may lie is not given
    return value.isoformat() if isinstance(value, date) else None
