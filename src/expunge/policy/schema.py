"""The JSON Schemas of the policy and of dataset files, made from the models that read them; editors complete and check by them.

A schema knows one file and no other, so it says less than ``load``: it sees no dangling name.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, Field

from expunge.policy.annotations import AnnotatedDataset
from expunge.policy.written import Written

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _DatasetFile(BaseModel):
    """A dataset file."""

    dataset: list[AnnotatedDataset] = Field(description="fideslang Datasets, each perhaps with meta.expunge on collections and fields.")


def policy_schema() -> dict[str, Any]:
    """The schema of the policy file."""
    return _schema(Written, "Expunge policy")


def dataset_schema() -> dict[str, Any]:
    """The schema of a dataset file."""
    return _schema(_DatasetFile, "Expunge dataset annotations")


def as_text(schema: dict[str, Any]) -> str:
    """A schema as it is shipped under docs and printed by ``expunge policy schema``."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    return {"$schema": DIALECT, **_closed(model.model_json_schema(by_alias=True)), "title": title}


def _closed(schema: Any) -> Any:
    """Refuse names that fit no pattern: pydantic leaves such keys open."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _closed(one) for key, one in schema.items()}
    return {**inner, "additionalProperties": False} if "patternProperties" in inner else inner
