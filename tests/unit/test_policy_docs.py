"""The policy's reference is true: its example loads, and its tables name every key that there is."""

import re
from pathlib import Path

from pydantic import BaseModel

from expunge.policy.annotations import CollectionExtension, FieldExtension
from expunge.policy.family import WrittenFamily
from expunge.policy.load import load
from expunge.policy.options import BY_KIND
from expunge.policy.ownership import ownership
from expunge.policy.quantities import UNITS
from expunge.policy.retention_written import WrittenRetention
from expunge.policy.written import (
    Written,
    WrittenAccess,
    WrittenBlastRadius,
    WrittenChildren,
    WrittenControl,
    WrittenController,
    WrittenHunt,
    WrittenPlace,
    WrittenPurpose,
    WrittenSubject,
    WrittenTerm,
)

TEXT = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
SECTIONS = (
    Written,
    WrittenController,
    WrittenSubject,
    WrittenPurpose,
    WrittenTerm,
    WrittenChildren,
    WrittenAccess,
    WrittenControl,
    WrittenHunt,
)
MODELS: list[type[BaseModel]] = [
    *SECTIONS,
    WrittenFamily,
    WrittenRetention,
    WrittenPlace,
    WrittenBlastRadius,
    CollectionExtension,
    FieldExtension,
    *BY_KIND.values(),
]


def test_the_example_loads_without_a_warning(tmp_path: Path) -> None:
    for file, content in re.findall(r"```yaml file=(\S+)\n(.*?)```", TEXT, re.DOTALL):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(content, encoding="utf-8")
    policy = load(tmp_path / "expunge.yaml", {})
    assert policy.warnings == ()
    owned = ownership(policy.catalog, {})
    assert owned.kind_of("media.voice_clips") == "child"
    assert owned.kind_of("app.firmware") is None


def test_every_key_is_in_the_reference() -> None:
    keys = {field.alias or name for model in MODELS for name, field in model.model_fields.items()}
    missing = {key for key in keys if not re.search(rf"`([\w.]+\.)?{key}`", TEXT)}
    assert missing == set()


def test_every_store_kind_and_unit_is_told() -> None:
    assert all(f"`{kind}`" in TEXT for kind in BY_KIND)
    assert {"day", "month", "year"} <= set(UNITS)


def test_the_messages_shown_are_messages_given() -> None:
    vectors = Path(__file__).parents[1] / "vectors" / "policy"
    given = {line.split(": ", 1)[1] for file in vectors.glob("*.txt") for line in file.read_text(encoding="utf-8").splitlines()}
    (shown,) = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    assert {line.split(": ", 1)[1] for line in shown.splitlines()} <= given
