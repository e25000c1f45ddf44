"""The corners of the policy's rooms that an ordinary policy never turns: each by the door that a user has."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expunge.errors import InvalidRequest, PolicyInvalid
from expunge.policy.adopting import with_dataset, with_store
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote, Problem, Reference, StoreNote, SubjectKind
from expunge.policy.drift import ELSEWHERE, declared_as, drift
from expunge.policy.explain import explain
from expunge.policy.load import load
from expunge.policy.model import Control, Controller, HuntPlace, Policy
from expunge.policy.ownership import ownership
from expunge.policy.reading import read
from expunge.policy.soft import unmentioned
from expunge.terms import Field, FieldType, ForeignKey, Shape

HEAD = "expunge: 1\ncontroller: {name: X, contact: y}\n"
PEOPLE = """\
dataset:
  - fides_key: app
    collections:
      - name: people
        fields: [{name: id, fides_meta: {primary_key: true, identity: person_id}}]
"""


def written(folder: Path, policy: str, app: str = PEOPLE) -> Path:
    (folder / "app.yml").write_text(app, encoding="utf-8")
    file = folder / "expunge.yaml"
    file.write_text(HEAD + policy, encoding="utf-8")
    return file


def problems(file: Path) -> list[Problem]:
    with pytest.raises(PolicyInvalid) as caught:
        load(file, {})
    return [one for one in caught.value.problems if isinstance(one, Problem)]


# ---- adopting: the policy's text as people write it ----


def test_a_file_without_a_last_newline_gets_its_line_below() -> None:
    text = "stores:\n  app:\n    kind: sql\n    datasets:\n      - a.yml"
    assert with_dataset(text, "app", "b.yml") == text + "\n      - b.yml\n"
    assert yaml.safe_load(with_store(text, "more", {"kind": "sql"}))["stores"]["more"] == {"kind": "sql"}


@pytest.mark.parametrize("text", ["stores:\n", "stores: none\n", "stores: [app]\n"])
def test_what_is_no_mapping_holds_no_store(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no 'app' there"):
        with_dataset(text, "app", "b.yml")


# ---- loading ----


def test_a_collection_without_a_name_is_told_once_and_hides_nothing(tmp_path: Path) -> None:
    app = PEOPLE + "      - fields: [{name: stray}]\n      - {name: notes, fields: [{name: by, fides_meta: {identity: nobody}}]}\n"
    found = problems(
        written(tmp_path, "subjects: {adult: {key: person_id}}\nstores: {app: {kind: sql, url: x, datasets: [app.yml]}}\n", app)
    )
    assert [(one.code, one.path) for one in found] == [
        ("missing-key", "dataset[0].collections[1]"),
        ("dangling", "dataset[0].collections[2].fields[0].fides_meta.identity"),
    ]


@pytest.mark.parametrize("kind", ["objects", "parquet", "delta", "jsonl"])
def test_an_unknown_key_of_any_kind_of_store_is_answered_with_its_keys(tmp_path: Path, kind: str) -> None:
    place = "url" if kind == "objects" else "path"
    stores = f"stores: {{app: {{kind: {kind}, {place}: here, {place}x: here}}}}\n"
    found, *_ = [one for one in problems(written(tmp_path, "subjects: {adult: {key: person_id}}\n" + stores)) if one.code == "unknown-key"]
    assert (found.path, found.fix) == (f"stores.app.{place}x", f"did you mean {place}?")


def test_a_place_may_not_be_called_as_a_store(tmp_path: Path) -> None:
    rest = "stores: {app: {kind: sql, url: x, datasets: [app.yml]}}\nhunt: {places: {app: {url: there}}}\n"
    (found,) = problems(written(tmp_path, "subjects: {adult: {key: person_id}}\n" + rest))
    assert (found.path, found.fix) == ("hunt.places.app", "give the place another name")


def test_a_place_shows_no_url() -> None:
    assert repr(HuntPlace("share", "postgresql://me:secret@host/db")) == "HuntPlace('share')"


def test_minor_is_the_one_word_that_may_be_yes(tmp_path: Path) -> None:
    kinds = "subjects: {adult: {key: person_id}, child: {key: profile_id, minor: yes}}\n"
    stores = "stores: {app: {kind: sql, url: x, datasets: [app.yml]}}\n"
    app = PEOPLE + "      - {name: kids, fields: [{name: id, fides_meta: {primary_key: true, identity: profile_id}}]}\n"
    assert load(written(tmp_path, kinds + stores, app), {}).catalog.kinds["child"].minor
    (found,) = problems(written(tmp_path, kinds.replace("profile_id", "no") + stores))
    assert (found.code, found.path) == ("yaml-trap", "subjects.child.key")


def test_a_character_that_yaml_refuses_is_told_where_it_stands_whatever_precedes_it(tmp_path: Path) -> None:
    file = tmp_path / "any.yaml"
    file.write_text("a: é\U0001f600\nbé: \x00", encoding="utf-8")
    document, (found,) = read(file, "any.yaml")
    assert document is None
    assert str(found) == "any.yaml:2:5: (file): the character U+0000 is not allowed in YAML; remove it"


@settings(deadline=None, max_examples=300, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text("{}[]:,&*!|>'\"%@`#-? \n\tab01~<\x00\x85\ufeff", max_size=40))
def test_every_fault_of_form_has_its_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "any.yaml"
    file.write_text(text, encoding="utf-8", newline="")
    document, found = read(file, "any.yaml")
    assert document is not None or found
    assert all(one.mark and one.mark.file == "any.yaml" for one in found)


# ---- explaining ----


def test_a_record_that_two_ways_lead_from_names_its_subject_once() -> None:
    """A diamond: notes by two fields belong to clips and calls, and both to the same person's record."""

    def to(name: str, target: str) -> FieldNote:
        return FieldNote(name, references=(Reference(name, f"app.{target}", "id"),))

    notes = [
        CollectionNote("app", "people", {"id": FieldNote("id", identity="person_id", primary_key=True)}),
        CollectionNote("app", "clips", {"id": FieldNote("id"), "by": to("by", "people")}),
        CollectionNote("app", "calls", {"id": FieldNote("id"), "by": to("by", "people")}),
        CollectionNote("app", "notes", {"clip": to("clip", "clips"), "call": to("call", "calls")}, owned_by=("clip", "call")),
    ]
    catalog = Catalog(
        {"adult": SubjectKind("adult", "person_id")}, {"app": StoreNote("app", "sql", {})}, {one.address: one for one in notes}
    )
    policy = Policy(Controller("X", "y"), catalog, Control("", "", Path(), Path()), "", Path())
    found = explain(policy, ownership(catalog, {}), "app.notes.clip")
    assert [path.root.kind for path in found.paths] == ["adult"]
    assert [edge.owned_field for edge in found.paths[0].edges] == ["call", "by"]


# ---- drift: what lies in another schema of the same database ----

ID = Field("id", FieldType.INTEGER, nullable=False)
TO_PEOPLE = (ForeignKey(("p",), "people", ("id",)),)


def two_schemas(**options: str) -> Catalog:
    stores = {"app": StoreNote("app", "sql", {"url": "u"}), "more": StoreNote("more", "sql", {"url": "u", **options})}
    notes = [CollectionNote("app", "people", {"id": FieldNote("id")}), CollectionNote("more", "orders", {"p": FieldNote("p")})]
    return Catalog({"adult": SubjectKind("adult", "person_id")}, stores, {one.address: one for one in notes})


def test_a_table_of_another_schema_is_declared_by_a_store_of_the_same_url() -> None:
    outside = Shape("sales.orders", (), foreign_keys=TO_PEOPLE, outside=True)
    assert declared_as(two_schemas(schema="sales"), "app", outside) == "more.orders"
    assert drift([Shape("people", (ID,)), outside], two_schemas(schema="sales"), "app") == ()


@pytest.mark.parametrize("options", [{}, {"schema": "other"}, {"schema": "sales", "url": "another"}])
def test_a_table_of_a_schema_that_no_store_has_is_told_with_what_mends_it(options: dict[str, str]) -> None:
    outside = Shape("sales.orders", (), foreign_keys=TO_PEOPLE, outside=True)
    (found,) = drift([Shape("people", (ID,)), outside], two_schemas(**options), "app")
    assert (found.code, found.path, found.fix) == ("drift-unlisted", "app.sales.orders", ELSEWHERE)


def test_a_store_without_a_schema_has_the_database_s_own() -> None:
    assert declared_as(two_schemas(), "app", Shape("public.orders", (), outside=True)) == "more.orders"


def test_a_stray_table_that_points_at_another_stray_one_is_no_drift() -> None:
    stray = Shape("stray", (ID,), foreign_keys=(ForeignKey(("p",), "elsewhere", ("id",)), *TO_PEOPLE))
    (found,) = drift([Shape("people", (ID,)), stray], two_schemas(), "app")
    assert found.message == "references app.people by (p), and no dataset mentions it"
    assert drift([Shape("people", (ID,)), Shape("stray", (ID,), foreign_keys=stray.foreign_keys[:1])], two_schemas(), "app") == ()


# ---- soft references of what nobody mentioned ----


def test_what_looks_like_a_person_s_or_is_fed_by_a_trigger_is_warned_of() -> None:
    people = CollectionNote("app", "people", {"id": FieldNote("id", identity="person_id", primary_key=True)})
    said = CollectionNote("app", "said", {"id": FieldNote("id"), "person_id": FieldNote("person_id")})
    catalog = Catalog(
        {"adult": SubjectKind("adult", "person_id")}, {"app": StoreNote("app", "sql", {})}, {one.address: one for one in (people, said)}
    )
    key = Field("person_id", FieldType.INTEGER)
    shapes = [
        Shape("people", (ID,), ("id",), feeds=("audit", "said")),
        Shape("said", (ID, key), ("id",)),
        Shape("events", (ID, key), ("id",), feeds=("nothing",)),
        Shape("audit", (ID,), ("id",)),
        Shape("people_fts", (key,), hangs_on="people"),
        Shape("nothing", (ID,), ("id",)),
    ]
    told = list(unmentioned(catalog, "app", shapes))
    assert [(one.code, one.path, one.severity) for one in told] == [
        ("soft-reference", "app.events", "warning"),
        ("soft-reference", "app.audit", "warning"),
    ]
    assert told[0].message.endswith("and person_id looks like app.people.id")
    assert told[1].message.endswith("and a trigger on people speaks of it")
