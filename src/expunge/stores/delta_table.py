"""A Delta table at one version, as ``deltalake`` tells it: its schema, its rules, and its files as parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable

from expunge.errors import Refused
from expunge.stores.arrow_file import Part
from expunge.stores.delta_place import Place
from expunge.terms import Value

_RULES = ("delta.invariants", "delta.generationExpression")  # a column's own rules, in its metadata
_ASKED = ("path", "size_bytes", "partition")  # of a file; its statistics are three values for each column, and nobody here asks them


@dataclass(frozen=True, slots=True)
class Version:
    """The table at one version: the handle, its schema, and its files as parts in order of their names."""

    table: DeltaTable
    schema: pa.Schema
    parts: tuple[Part, ...]
    sizes: Mapping[str, int]

    @property
    def partitioned(self) -> tuple[str, ...]:
        """The partition columns."""
        return tuple(self.table.metadata().partition_columns)

    def rules(self) -> str:
        """The texts of every constraint and generated column, to look for a field's name in."""
        columns = [field.metadata.get(rule, "") for field in self.table.schema().fields for rule in _RULES]
        named = [value for key, value in self.table.metadata().configuration.items() if key.startswith("delta.constraints.")]
        return " ".join(map(str, (*columns, *named)))

    def ruled(self, name: str) -> bool:
        """Whether a constraint or a generated column reads this field."""
        return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", self.rules()) is not None


def current(place: Place, where: str) -> Version:
    """The table as it is now.

    Raises:
        Drift, Unavailable: there is no table, or it can't be reached.
        Refused: it maps column names, or holds files of another table (a shallow clone).
    """
    table = place.table(where)
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        raise Refused("the table maps column names (delta.columnMapping.mode), which is not supported", where=where)
    told = pa.table(table.get_add_actions())
    adds = told.select([name for name in _ASKED if name in told.column_names]).to_pylist()
    if any("://" in one["path"] or one["path"].startswith("/") for one in adds):
        raise Refused("the table holds files of another one (a shallow clone): erase there, and make this one a deep clone", where=where)
    vectors = _vectors(table)
    parts = [
        Part(
            name := unquote(one["path"]),
            partial(place.open, name),
            {key: _aware(value) for key, value in (one.get("partition") or {}).items()},
            next((mask for uri, mask in vectors.items() if uri.endswith("/" + _bare(name))), None),
            threads=place.root is not None,
        )
        for one in adds
    ]
    if sum(part.alive is not None for part in parts) != len(vectors):
        raise Refused("a deletion vector can't be matched to its file", where=where)
    sizes = {unquote(one["path"]): one["size_bytes"] for one in adds}
    return Version(table, pa.schema(table.schema().to_arrow()), tuple(sorted(parts, key=lambda part: part.name)), sizes)


def _vectors(table: DeltaTable) -> dict[str, pa.BooleanArray]:
    if "deletionVectors" not in (table.protocol().reader_features or ()):
        return {}
    rows = pa.table(table.deletion_vectors())
    return {
        _bare(uri): pa.array(mask, pa.bool_())
        for uri, mask in zip(rows["filepath"].to_pylist(), rows["selection_vector"].to_pylist(), strict=True)
    }


def _bare(uri: str) -> str:
    """A path with every layer of percent-encoding taken off, by which two spellings of it meet."""
    while (bare := unquote(uri)) != uri:
        uri = bare
    return uri


def _aware(value: Value | None) -> Value | None:
    return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC) if isinstance(value, datetime) else value
