"""The options of each kind of store: which there are, of which type, and which are paths.

They are passed to the store as written; a relative path and a relative SQLite URL begin at the policy's folder. What a kind does
with them is said in docs/stores.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from expunge.policy.quantities import Duration

_REFERENCE = r"^.*\$\{[^}]+\}.*$"
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)([^?]+)(.*)")


def _no_boolean(written: object) -> object:
    if isinstance(written, bool):
        raise ValueError("a number is meant")  # noqa: TRY004 - pydantic collects ValueErrors
    return written


def listed(written: object) -> object:
    """One text as a list of one."""
    return [written] if isinstance(written, str) else written


Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]
_TEXT_SCHEMA = {"type": "string", "minLength": 1}
Texts = Annotated[list[Text], BeforeValidator(listed), WithJsonSchema({"anyOf": [_TEXT_SCHEMA, {"type": "array", "items": _TEXT_SCHEMA}]})]
Count = Annotated[
    int,
    BeforeValidator(_no_boolean),
    Field(gt=0),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": _REFERENCE}]}),
]
Seconds = Annotated[
    float,
    BeforeValidator(_no_boolean),
    Field(gt=0),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": _REFERENCE}]}),
]


class Strict(BaseModel):
    """A mapping in which every key is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreOptions(Strict):
    """What every store may say."""

    datasets: list[Text] = Field(default_factory=list, description="Dataset files, relative to the policy.")
    history_clears_in: Duration | None = Field(
        default=None, description="How long copies live that only time ends (backups, log archives): receipts wait for it."
    )


class SqlOptions(StoreOptions):
    """A SQL database, by SQLAlchemy."""

    kind: Literal["sql"]
    url: Text = Field(description="SQLAlchemy's URL; a relative SQLite path begins at the policy's folder.")
    schema_: Text | None = Field(default=None, alias="schema", description="The schema; the database's default if left out.")
    reclaim: Literal["rewrite", "vacuum"] | None = Field(default=None, description="How dead rows go: rewrite (default) or vacuum.")
    batch: Count | None = Field(default=None, description="Keys per statement.")
    lock_timeout: Seconds | None = Field(default=None, description="Seconds to wait for a lock.")
    statement_timeout: Seconds | None = Field(default=None, description="Seconds that a statement may take.")
    connect_timeout: Count | None = Field(default=None, description="Whole seconds to wait for a connection.")


class ObjectsOptions(StoreOptions):
    """Objects under keys: an S3 bucket or a folder."""

    kind: Literal["objects"]
    url: Text = Field(description="s3://bucket/prefix, file:///folder or a folder.")
    endpoint_url: Text | None = Field(default=None, description="Another S3 service's address.")
    region: Text | None = Field(default=None, description="The bucket's region.")
    profile: Text | None = Field(default=None, description="A profile of the AWS configuration.")
    versions: Literal["folder"] | None = Field(default=None, description="A folder that keeps old versions under .versions.")
    batch: Count | None = Field(default=None, description="Keys per request.")


class ParquetOptions(StoreOptions):
    """A folder of Parquet files."""

    kind: Literal["parquet"]
    path: Text = Field(description="The folder.")


class DeltaOptions(StoreOptions):
    """A folder of Delta tables, or one table."""

    kind: Literal["delta"]
    path: Text | None = Field(default=None, description="The folder; this or url.")
    url: Text | None = Field(default=None, description="The folder or address; this or path.")
    reclaim: Literal["full", "vacuum"] | None = Field(default=None, description="full (default) ends time travel; vacuum keeps the log.")
    batch: Count | None = Field(default=None, description="Files per commit.")
    storage_options: dict[Text, Text] | None = Field(default=None, description="Passed to deltalake.")


class JsonlOptions(StoreOptions):
    """A folder of JSON-lines logs, plain or gzip."""

    kind: Literal["jsonl"]
    path: Text = Field(description="The folder.")


BY_KIND: Mapping[str, type[StoreOptions]] = {
    "sql": SqlOptions,
    "objects": ObjectsOptions,
    "parquet": ParquetOptions,
    "delta": DeltaOptions,
    "jsonl": JsonlOptions,
}
AnyStore = Annotated[SqlOptions | ObjectsOptions | ParquetOptions | DeltaOptions | JsonlOptions, Field(discriminator="kind")]

LAYOUT = ("objects", "path", "manifest", "sparse")
"""The keys of ``meta.expunge`` of a collection that the store itself reads."""

LAYOUT_KEYS: Mapping[str, frozenset[str]] = {
    # which layout keys a dataset's collection may carry, by kind of store
    "sql": frozenset(),
    "objects": frozenset({"objects", "manifest"}),
    "parquet": frozenset({"path"}),
    "delta": frozenset({"path"}),
    "jsonl": frozenset({"path", "sparse"}),
}
LAYOUT_NEEDED: Mapping[str, str] = {"objects": "objects", "parquet": "path", "jsonl": "path"}


def passed_on(written: StoreOptions, folder: Path) -> dict[str, object]:
    """The options as the store gets them: without what the policy itself reads, paths absolute."""
    said = written.model_dump(by_alias=True, exclude_none=True, exclude={"kind", "datasets", "history_clears_in"})
    return {name: placed(value, folder) if name in {"url", "path"} else value for name, value in said.items()}


def placed(value: str, folder: Path) -> str:
    """A relative path or relative SQLite URL, made absolute from ``folder``; any other URL unchanged."""
    if sqlite := _SQLITE.fullmatch(value):
        return f"{sqlite[1]}{_absolute(sqlite[2], folder)}{sqlite[3]}"
    return value if "://" in value else str(_absolute(value, folder))


def _absolute(value: str, folder: Path) -> Path:
    return Path(os.path.normpath(folder.absolute() / Path(value).expanduser()))
