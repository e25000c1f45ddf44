"""What a Parquet folder keeps of rows that are gone, and how it goes.

- files of a rewrite that a crash left unfinished;
- ``_metadata`` sidecars whose statistics are of files that have changed;
- empty ``key=value`` folders: the name holds a value;
- dictionary pages with values that no row has any more: whoever filters a categorical column and writes it back leaves them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from expunge.stores.arrow_file import Part, reencode
from expunge.stores.disk import settle
from expunge.stores.parquet_folder import LEFTOVER, SIDECARS, drop_empty, sidecars, swap, walk


@dataclass(frozen=True, slots=True)
class History:
    """Leftovers, by kind: paths of files and folders, and the parts whose dictionaries are stale."""

    unfinished: tuple[Path, ...]
    sidecars: tuple[Path, ...]
    empty: tuple[Path, ...]
    dictionaries: tuple[Part, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.unfinished) + len(self.sidecars) + len(self.empty) + len(self.dictionaries)


def history(root: Path, base: tuple[str, ...], dictionaries: Iterable[Part], where: str) -> History:
    """Look for what is left below the collection's folder, and beside and above it for sidecars. ``dictionaries`` are the stale parts."""
    names = list(walk(root, base, where))
    folders = [root / name for name, inner in names if inner]
    above = set(sidecars(root, root.joinpath(*base)))
    below = {root / name for name, inner in names if not inner and name.rpartition("/")[2] in SIDECARS}
    return History(
        unfinished=tuple(root / name for name, inner in names if not inner and name.endswith(LEFTOVER)),
        sidecars=tuple(one for one in sorted(above | below) if _lies(one)),
        empty=tuple(one for one in folders if "=" in one.name and not any(one.iterdir())),
        dictionaries=tuple(dictionaries),
    )


def clear(root: Path, found: History, where: str) -> None:
    """Remove what was found.

    Raises:
        Conflict: a file changed while its dictionaries were made anew.
    """
    for one in (*found.unfinished, *found.sidecars):
        one.unlink(missing_ok=True)
        settle(one.parent)
    for part in found.dictionaries:
        _reencoded(root, part, where)
    for folder in found.empty:
        drop_empty(root, folder)


def _reencoded(root: Path, part: Part, where: str) -> None:
    with part.open() as file:
        swap(root, part.name, where, lambda sink: reencode(file, part, sink)[1] >= 0)


def _lies(sidecar: Path) -> bool:
    """Whether a sidecar's row groups are not those of the files that it names."""
    meta = pq.read_metadata(sidecar)
    said: dict[str, list[tuple[int, int]]] = {}
    for group in _groups(meta):
        said.setdefault(group.column(0).file_path, []).append((group.num_rows, group.total_byte_size))
    return any(_now(sidecar.parent / name) != groups for name, groups in said.items())


def _now(path: Path) -> list[tuple[int, int]] | None:
    return [(group.num_rows, group.total_byte_size) for group in _groups(pq.read_metadata(path))] if path.is_file() else None


def _groups(meta: pq.FileMetaData) -> Iterator[pq.RowGroupMetaData]:
    return (meta.row_group(place) for place in range(meta.num_row_groups))


def stale(part: Part) -> bool:
    """Whether a dictionary page of the file holds a value that no row of its row group has."""
    with part.open() as file:
        names = [one.name for one in file.schema_arrow if pa.types.is_dictionary(one.type)]
        return bool(names) and any(
            _unused(column)
            for group in range(file.num_row_groups)
            for column in file.read_row_group(group, columns=names, use_threads=part.threads).columns
        )


def _unused(column: pa.ChunkedArray) -> bool:
    held = column.combine_chunks()
    used = pc.unique(held.dictionary.take(pc.unique(held.indices.drop_null())))
    return len(used) < len(pc.unique(held.dictionary))
