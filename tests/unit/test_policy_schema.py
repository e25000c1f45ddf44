"""The shipped schemas are current, and agree with the reader on what it reads and on much of what it refuses."""

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml

from expunge.policy.schema import as_text, dataset_schema, policy_schema

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors" / "policy"
POLICIES = [ROOT / "examples" / "home" / "expunge.yaml", VECTORS / "shop" / "expunge.yaml"]
DATASETS = [*sorted((ROOT / "examples" / "home" / "datasets").glob("*.yml")), VECTORS / "datasets" / "app.yml"]
SEEN = [
    "unknown-key",
    "unknown-top-level-key",
    "unknown-store-option",
    "unknown-kind-of-store",
    "missing-key",
    "wrong-version",
    "unknown-basis",
    "duration-not-understood",
    "name-with-a-dot",
    "text-for-boolean",
    "no-is-false",
]


@pytest.mark.parametrize(("file", "schema"), [("policy.schema.json", policy_schema), ("dataset.schema.json", dataset_schema)])
def test_shipped_schema_is_current(file: str, schema: Any) -> None:
    assert (ROOT / "docs" / file).read_text(encoding="utf-8") == as_text(schema()), "run `expunge policy schema` and ship its output"
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.parent.name)
def test_policies_that_load_are_valid(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), policy_schema())


@pytest.mark.parametrize("path", DATASETS, ids=lambda path: path.stem)
def test_datasets_that_load_are_valid(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), dataset_schema())


@pytest.mark.parametrize("name", SEEN)
def test_an_editor_sees_what_one_file_can_show(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load((VECTORS / f"{name}_fail.yaml").read_text(encoding="utf-8")), policy_schema())


def test_every_key_is_described_or_plain() -> None:
    """A model's field without words is one that an editor can't explain."""
    schema = json.loads(as_text(policy_schema()))
    for name, model in schema["$defs"].items():
        assert model.get("description"), name
        for key, field in model["properties"].items():
            assert key == "kind" or field.get("description"), f"{name}.{key}"
