"""A reader of Delta's log that shares nothing with ``deltalake``, for verification.

It follows the protocol: the newest whole checkpoint (in one file, in parts, or V2 with sidecars), then the commits after it. Besides
the files that live it tells which files of the log still speak of others: their lines carry statistics, smallest and largest values of
every column, of rows that are gone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import cast
from urllib.parse import unquote

from expunge.errors import Drift
from expunge.stores.delta_place import LOG, Listed, Place
from expunge.terms import Value

_NAME = re.compile(rf"{LOG}/(\d{{20}})\.(?:json|crc|(checkpoint)(?:\.(\d{{10}})\.(\d{{10}})|\.[0-9a-f-]{{36}})?\.(?:parquet|json)|.*)")
_COLUMNS = ("add.path", "add.partitionValues", "add.deletionVector", "remove.path", "remove.deletionVector", "metaData", "sidecar.path")

Action = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Live:
    """A data file of the current version, by its name in the table's folder; ``vector``: some of its rows are marked as deleted."""

    name: str
    partition: Mapping[str, Value | None]
    vector: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The table's current version as the log tells it. ``stale``: the log's files that speak of data files that don't live."""

    version: int
    checkpoint: int
    live: tuple[Live, ...]
    stale: tuple[Listed, ...]
    configuration: Mapping[str, str]


def snapshot(place: Place, where: str) -> Snapshot:
    """Read the log.

    Raises:
        Drift: it can't be read as one.
    """
    files = {one.name: one for one in place.files() if one.name.startswith(f"{LOG}/")}
    try:
        return _snapshot(place, files, where)
    except (ValueError, KeyError, TypeError, AttributeError):  # JSON of another form than the protocol's
        raise Drift("the table's log can't be read", where=where) from None


def _snapshot(place: Place, files: Mapping[str, Listed], where: str) -> Snapshot:
    base = _newest(files)
    commits = {version: name for name in files if name.endswith(".json") and (version := _version(name)) is not None and _is_commit(name)}
    after = [commits[version] for version in sorted(commits) if version > base]
    versions = [version for version in commits if version > base]
    if sorted(versions) != list(range(base + 1, base + 1 + len(versions))) or (base < 0 and not versions):
        raise Drift("a commit is missing from the table's log", where=where)
    living: dict[tuple[str, str], Action] = {}
    meta: Action = {}
    for name in [*(one for one in files if _version(one) == base and _is_checkpoint(one)), *after]:
        for action in list(_actions(place, name)):
            if one := action.get("remove"):
                living.pop(_key(cast("Action", one)), None)
            if one := action.get("add"):
                living[_key(cast("Action", one))] = cast("Action", one)
            meta = cast("Action", action.get("metaData") or meta)
    types = {one["name"]: one["type"] for one in json.loads(str(meta["schemaString"]))["fields"]}
    live = tuple(sorted((_live(one, types) for one in living.values()), key=lambda one: one.name))
    names = {one.name for one in live}
    return Snapshot(
        version=max(commits, default=base),
        checkpoint=base,
        live=live,
        stale=tuple(files[name] for name in sorted(files) if _mentions(place, name) - names),
        configuration=dict(cast("Iterable[tuple[str, str]]", _pairs(meta.get("configuration")))),
    )


def _version(name: str) -> int | None:
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


def _is_commit(name: str) -> bool:
    return re.fullmatch(rf"{LOG}/\d{{20}}\.json", name) is not None


def _is_checkpoint(name: str) -> bool:
    found = _NAME.fullmatch(name)
    return found is not None and found[2] is not None


def _newest(files: Iterable[str]) -> int:
    """The version of the newest checkpoint of which every part is there; -1 without one."""
    parts: dict[tuple[int, int], int] = {}
    for name in files:
        found = _NAME.fullmatch(name)
        if found and found[2]:
            key = (int(found[1]), int(found[4] or 1))
            parts[key] = parts.get(key, 0) + 1
    return max((version for (version, whole), count in parts.items() if count >= whole), default=-1)


def _actions(place: Place, name: str) -> Iterator[Action]:
    """The actions of a commit or checkpoint, a V2 checkpoint's sidecars included."""
    for row in _rows(place, name) if name.endswith(".parquet") else map(json.loads, filter(str.strip, place.text(name).splitlines())):
        if side := row.get("sidecar"):
            yield from _rows(place, f"{LOG}/_sidecars/{cast('Action', side)['path']}")
        else:
            yield row


def _rows(place: Place, name: str) -> Iterator[Action]:
    with place.open(name) as file:
        for batch in file.iter_batches(columns=list(_COLUMNS), use_threads=place.root is not None):
            for row in batch.to_pylist():
                yield {kind: one for kind, one in row.items() if one and any(value is not None for value in one.values())}


def _key(action: Action) -> tuple[str, str]:
    """What the protocol identifies a file by: its path and its deletion vector."""
    vector = cast("Action", action.get("deletionVector") or {})
    return str(action["path"]), f"{vector.get('storageType')}{vector.get('pathOrInlineDv')}@{vector.get('offset')}" if vector else ""


def _live(add: Action, types: Mapping[str, object]) -> Live:
    partition = {name: _typed(text, str(types.get(name))) for name, text in _pairs(add.get("partitionValues"))}
    return Live(unquote(str(add["path"])), partition, bool(add.get("deletionVector")))


def _pairs(mapping: object) -> list[tuple[str, str | None]]:
    """A map, which Parquet gives as pairs."""
    return list(mapping.items()) if isinstance(mapping, Mapping) else list(cast("Iterable[tuple[str, str | None]]", mapping or ()))


_READERS: Mapping[str, Callable[[str], Value]] = {
    "byte": int,
    "short": int,
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": lambda text: text == "true",
    "date": date.fromisoformat,
    "decimal": Decimal,
    "binary": lambda text: text.encode("latin-1"),
}


def _typed(text: str | None, kind: str) -> Value | None:
    """A partition value by the protocol's serialisation; the empty text is null."""
    if not text:
        return None
    if kind.startswith("timestamp"):
        when = datetime.fromisoformat(text)
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    return _READERS.get(kind.partition("(")[0], str)(text)


def _mentions(place: Place, name: str) -> set[str]:
    """The data files that a file of the log speaks of."""
    if name.endswith(".parquet"):
        return {
            unquote(str(one["path"])) for row in _rows(place, name) for kind in ("add", "remove") if (one := cast("Action", row.get(kind)))
        }
    if not name.endswith((".json", ".crc")):
        return set()
    return {unquote(one) for line in place.text(name).splitlines() if line.strip() for one in _paths(json.loads(line))}


def _paths(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, inner in node.items():
            if key == "path" and isinstance(inner, str):
                yield inner
            elif key not in {"sidecar", "metaData"}:  # a sidecar's path is the log's own
                yield from _paths(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _paths(inner)
