"""How a Delta table's history goes: marked rows, files that no version needs, and the log that remembers their values.

The order was measured (deltalake 1.6): vacuum, then both retention properties at zero, then a checkpoint by a handle that has seen
them, then the log's clean-up. With the default retention the log keeps old statistics for a month.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from expunge.stores.arrow import with_partition
from expunge.stores.arrow_file import Part, every
from expunge.stores.delta_log import Snapshot, snapshot
from expunge.stores.delta_place import Place
from expunge.stores.delta_table import Version, current
from expunge.stores.parquet_folder import drop_empty

DEFAULTS: Mapping[str, str] = {
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
}
"""The retention properties, and what the protocol says of a table that has none."""

ZERO = "interval 0 days"
_FORMER = "expunge."  # begins the names of properties in which the former values wait, should a crash come between


def vacuum(place: Place, version: Version) -> None:
    """Remove every file that the current version doesn't need, change data included, and folders that became empty.

    Where rows are still marked as deleted (somebody else's), ``deltalake``'s full vacuum would remove the marks with the rest and leave
    the table unreadable (1.6.6): then the files that it names are removed here, without the marks. These hold numbers of rows only.
    """
    table = version.table
    idle = table.vacuum(0, dry_run=True, enforce_retention_duration=False, full=True)
    if idle and any(part.alive is not None for part in version.parts):
        for name in idle:
            if not name.rpartition("/")[2].startswith("deletion_vector_"):
                place.remove(name)
    elif idle:
        table.vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
        table.update_incremental()
        place.settle(table.version())
    for folder in empty_folders(place):
        drop_empty(Path(place.address), folder)


def empty_folders(place: Place) -> list[Path]:
    """Local partition folders without a file: their names hold values."""
    if place.folder is None:
        return []
    return [one for one in sorted(place.folder.rglob("*=*")) if one.is_dir() and not any(one.iterdir())]


def forget(place: Place, where: str) -> None:
    """End the log's memory, and with it time travel: a checkpoint of what lives, and nothing before it."""
    configuration = place.table(where).metadata().configuration
    former = _former(configuration)
    stale = bool(snapshot(place, where).stale)
    if stale:
        _set(place, dict.fromkeys(DEFAULTS, ZERO) | {_FORMER + name: value for name, value in former.items()}, where)
        table = place.table(where)  # the handle that set the properties doesn't see them
        table.create_checkpoint()
        table.cleanup_metadata()
        _sweep(place, snapshot(place, where))
    if stale or any(configuration.get(name, usual) != former[name] for name, usual in DEFAULTS.items()):
        _set(place, former, where)


def _former(configuration: Mapping[str, str]) -> dict[str, str]:
    """The properties to go back to: those of now, or those of before a reclaim that a crash ended."""
    now = {name: configuration.get(name, usual) for name, usual in DEFAULTS.items()}
    return {name: configuration.get(_FORMER + name, value) if value == ZERO else value for name, value in now.items()}


def _set(place: Place, properties: dict[str, str], where: str) -> None:
    table = place.table(where)
    table.alter.set_table_properties(properties, raise_if_not_exists=False)
    table.update_incremental()
    place.settle(table.version())


def _sweep(place: Place, now: Snapshot) -> None:
    """Remove what ``deltalake`` leaves before the checkpoint: other writers' checksums, compacted logs and sidecars."""
    for one in now.stale:
        if one.name.rpartition("/")[2][:20] < f"{now.checkpoint:020}" or "/_sidecars/" in one.name:
            place.remove(one.name)


def materialise(place: Place, version: Version, parts: Sequence[Part], where: str) -> None:
    """Make files with deletion vectors anew without the rows that are only marked.

    An update that changes nothing, of one living row of each, makes ``deltalake`` rewrite the file and take the vector away in the log;
    a file of which no row lives is met by rewriting the whole table (``z_order``), the one other way that does (``compact`` doesn't).
    """
    rows = [row for part in parts if (row := _first(part)) is not None]
    table = version.table
    names = [one.name for one in version.schema if not pa.types.is_nested(one.type)]
    if rows:
        source = pa.concat_tables([_row(one, names, version.schema) for one in rows]).group_by(names).aggregate([])
        alike = " and ".join(f'(t."{name}" is not distinct from s."{name}")' for name in names)
        same = {f'"{names[0]}"': f't."{names[0]}"'}
        merge = table.merge(source, alike, source_alias="s", target_alias="t", streamed_exec=True)  # else the log quotes values
        merge.when_matched_update(same).execute()
        table.update_incremental()
    left = {part.name for part in current(place, where).parts if part.alive is not None} & {part.name for part in parts}
    if left:
        sortable = next(name for name in names if name not in version.partitioned)
        table.optimize.z_order([sortable])
        table.update_incremental()
    place.settle(table.version())


def _first(part: Part) -> tuple[Part, pa.RecordBatch] | None:
    with part.open() as file:
        return next(((part, batch.slice(0, 1)) for batch in every(file, part) if batch.num_rows), None)


def _row(found: tuple[Part, pa.RecordBatch], names: Sequence[str], schema: pa.Schema) -> pa.Table:
    part, batch = found
    whole = with_partition(batch, part.partition)
    columns = [
        whole.column(name).cast(schema.field(name).type) if name in whole.schema.names else pa.nulls(1, schema.field(name).type)
        for name in names
    ]
    return pa.table(columns, schema=pa.schema([schema.field(name) for name in names]))
