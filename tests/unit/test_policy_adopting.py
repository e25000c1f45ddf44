"""Writing a find's place into a policy: only where it must, in whatever style people write YAML, and the rest as it was."""

from __future__ import annotations

import pytest
import yaml

from expunge.errors import InvalidRequest
from expunge.policy.adopting import dataset_text, file_collection, name_for, raw_url, table_collection, with_dataset, with_store
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote, SubjectKind
from expunge.policy.ownership import Root
from expunge.terms import Field, FieldType, Shape

FLOW = """\
# ours
stores:
  app: {kind: sql, url: "sqlite:///a.db", datasets: [datasets/app.yml]}  # the app
  bare: {kind: sql, url: "sqlite:///b.db"}

# what follows stays where it is
hunt: {places: {share: {url: "${SHARE:-share}"}}}
"""
BLOCK = """\
stores:
  app:
    kind: sql
    datasets:
      - datasets/app.yml   # first
    url: sqlite:///a.db
  one:
    datasets: datasets/one.yml
    kind: sql
    url: sqlite:///b.db
  # the last store's comment
terms: []
"""


def without(text: str, *added: str) -> str:
    for one in added:
        assert text.count(one) == 1
        text = text.replace(one, "")
    return text


@pytest.mark.parametrize("text", [FLOW, BLOCK])
def test_a_store_is_one_line_and_nothing_else_changes(text: str) -> None:
    grown = with_store(text, "share_adopted", {"kind": "objects", "url": "${SHARE:-share}", "datasets": ["datasets/x.yml"]})
    assert without(grown, "  share_adopted: {kind: objects, url: '${SHARE:-share}', datasets: [datasets/x.yml]}\n") == text
    assert yaml.safe_load(grown)["stores"]["share_adopted"]["url"] == "${SHARE:-share}"
    assert list(yaml.safe_load(grown)["stores"])[-1] == "share_adopted"


@pytest.mark.parametrize(
    ("text", "store", "added"),
    [
        (FLOW, "app", ", datasets/x.yml"),
        (FLOW, "bare", ", datasets: [datasets/x.yml]"),
        (BLOCK, "app", "      - datasets/x.yml\n"),
    ],
)
def test_a_dataset_is_one_more_in_the_list(text: str, store: str, added: str) -> None:
    grown = with_dataset(text, store, "datasets/x.yml")
    assert without(grown, added) == text
    assert yaml.safe_load(grown)["stores"][store]["datasets"][-1] == "datasets/x.yml"


def test_a_single_dataset_becomes_a_list() -> None:
    grown = with_dataset(BLOCK, "one", "datasets/x.yml")
    assert yaml.safe_load(grown)["stores"]["one"]["datasets"] == ["datasets/one.yml", "datasets/x.yml"]


def test_references_to_the_environment_stay_as_written() -> None:
    assert raw_url(FLOW, "share") == "${SHARE:-share}"
    with pytest.raises(InvalidRequest):
        with_dataset(FLOW, "nowhere", "datasets/x.yml")


def test_names_are_words_and_not_taken() -> None:
    assert name_for("asr 2019.db", []) == "asr_2019_db"
    assert name_for("2019", []) == "adopted_2019"
    assert name_for("app", ["app", "app_2"]) == "app_3"


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("exports/clips.tar.gz", "exports/{file}.tar.gz"),
        ("users/17/notes/a.ipynb", "users/{folder2}/notes/{file}.ipynb"),
        ("maya@example.org.csv", "{file}.org.csv"),
        ("README", "{file}"),
        ("a/.hidden", "a/{file}"),
    ],
)
def test_a_file_is_adopted_by_a_template_that_quotes_nobody(path: str, template: str) -> None:
    found = file_collection(path, "files")
    assert found["meta"]["expunge"] == {"objects": template, "owned_by": [], "found_by": "content"}
    assert [f"{{{field['name']}}}" in template for field in found["fields"]]


def catalog() -> Catalog:
    profiles = CollectionNote("app", "profiles", {"id": FieldNote("id", identity="profile_id", primary_key=True)}, dataset="app")
    return Catalog({"child": SubjectKind("child", "profile_id", ("email",))}, {}, {profiles.address: profiles})


ROOTS = {"app.profiles": Root("app.profiles", "id", "child", defines=True)}


def shape(*names: str, key: tuple[str, ...] = ()) -> Shape:
    return Shape("tmp", tuple(Field(name, FieldType.TEXT) for name in names), primary_key=key)


def test_a_column_of_keys_becomes_a_reference_and_one_of_addresses_an_identity() -> None:
    made = table_collection(shape("who", "mail", "text"), {"who": "profile_id", "mail": "email"}, catalog(), ROOTS)
    metas = {field["name"]: field.get("fides_meta") for field in made["fields"]}
    assert metas["who"] == {"references": [{"dataset": "app", "field": "profiles.id", "direction": "from"}]}
    assert metas["mail"] == {"identity": "email"}
    assert "meta" not in made
    assert yaml.safe_load(dataset_text("adopted", made))["dataset"][0]["collections"] == [made]


def test_a_table_that_names_nobody_is_adopted_by_content_if_its_records_can_be_named() -> None:
    made = table_collection(shape("line", "text", key=("line",)), {}, catalog(), ROOTS)
    assert made["meta"] == {"expunge": {"owned_by": [], "found_by": "content"}}
    with pytest.raises(InvalidRequest, match="primary key"):
        table_collection(shape("text"), {}, catalog(), ROOTS)
