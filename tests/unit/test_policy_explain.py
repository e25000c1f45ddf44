"""An explanation says whose, why, how long and what happens, each with its line."""

from pathlib import Path

import pytest

from expunge.errors import UnknownStore
from expunge.policy.explain import Explanation, explain
from expunge.policy.load import load
from expunge.policy.model import Policy
from expunge.policy.ownership import ownership
from expunge.terms import Verb

HOME = Path(__file__).parents[2] / "examples" / "home" / "expunge.yaml"


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load(HOME, {})


def explained(policy: Policy, address: str) -> Explanation:
    return explain(policy, ownership(policy.catalog, {}), address)


def test_a_field_that_may_belong_to_either_kind(policy: Policy) -> None:
    found = explained(policy, "app.transcripts.text")
    assert set(found.kinds) == {"child", "adult", "household"}
    child = next(path for path in found.paths if path.root.kind == "child")
    assert str(child) == "child, by app.transcripts.clip_id = app.clips.id, app.clips.profile_id = app.profiles.id"
    assert {(term.of, term.category) for term in found.terms} == {(kind, "user.content.private.spoken") for kind in found.kinds}
    assert found.verb is Verb.DELETE


def test_every_reason_but_defaults_has_its_line(policy: Policy) -> None:
    for reason in explained(policy, "app.transcripts.text").reasons:
        assert reason.mark is not None
        assert reason.mark.file.startswith(str(HOME.parent))


def test_a_shared_record_names_both_owners(policy: Policy) -> None:
    found = explained(policy, "app.messages.body")
    assert {path.edges[0].owned_field for path in found.paths} == {"sender_id", "receiver_id"}
    assert "content of the person in sender_id" in str(found)
    assert "while another of sender_id, receiver_id is a living person's, the record stays" in str(found)


def test_a_collection_as_a_whole(policy: Policy) -> None:
    found = explained(policy, "app.households")
    assert str(found.paths[0]) == "household, by its own id"
    assert "user.name.last" in found.categories


def test_a_category_without_a_term_is_told(policy: Policy) -> None:
    bare = explain(
        Policy(policy.controller, policy.catalog, policy.control, "", policy.folder), ownership(policy.catalog, {}), "app.people.email"
    )
    assert "none covers user.contact.email of adult: without a term it may not be collected" in str(bare)
    assert bare.terms == ()


def test_what_belongs_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "app.yml").write_text(
        """\
dataset:
  - fides_key: app
    collections:
      - name: people
        meta: {expunge: {verb: redact, redact: [email]}}
        fields:
          - {name: id, fides_meta: {primary_key: true, identity: person_id}}
          - {name: email, data_categories: [user.contact.email]}
          - {name: kind, meta: {expunge: {seal: id}}}
      - name: invoices
        meta: {expunge: {verb: keep, keep: {basis: tax law, for: 10 years}}}
        fields: [{name: person_id, fides_meta: {references: [{dataset: app, field: people.id}]}}]
      - name: events
        meta: {expunge: {verb: decorrelate, repoint: {person_id: 0}}}
        fields: [{name: person_id, fides_meta: {references: [{dataset: app, field: people.id}]}}]
      - name: firmware
        meta: {expunge: {owned_by: []}}
        fields: [{name: version}]
      - name: countries
        fields: [{name: code}]
""",
        encoding="utf-8",
    )
    (tmp_path / "expunge.yaml").write_text(
        "expunge: 1\ncontroller: {name: X, contact: y}\nsubjects: {adult: {key: person_id}}\n"
        "stores: {app: {kind: sql, url: 'sqlite:///x.db', datasets: [app.yml]}}\n",
        encoding="utf-8",
    )
    policy = load(tmp_path / "expunge.yaml", {})
    told = {
        address: str(explained(policy, address)) for address in ("app.firmware", "app.countries", "app.people.email", "app.people.kind")
    }
    assert "nobody: owned_by is []" in told["app.firmware"]
    assert "nobody: nothing leads from it to a person" in told["app.countries"]
    assert "this field becomes null" in told["app.people.email"]
    assert "this field stays as it is" in told["app.people.kind"]
    assert "sealed with the key of the person in id" in told["app.people.kind"]
    assert "and email, id become null" in str(explained(policy, "app.people"))
    assert "the record stays, because of tax law, for 3650 days" in str(explained(policy, "app.invoices"))
    assert "person_id points to a pseudo-person" in str(explained(policy, "app.events"))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("app.transcript.text", "the policy declares no collection app.transcript; did you mean app.transcripts?"),
        ("app.transcripts.txt", "app.transcripts declares no field txt; did you mean text?"),
        ("nowhere", "the policy declares no collection nowhere; "),
    ],
)
def test_an_unknown_address_names_the_nearest(policy: Policy, address: str, message: str) -> None:
    with pytest.raises(UnknownStore) as caught:
        explained(policy, address)
    assert message in str(caught.value)


def test_as_json(policy: Policy) -> None:
    told = explained(policy, "app.people.email").as_json()
    assert isinstance(told, dict)
    assert told["subjects"] == ["adult"]
    assert told["keep_days"] == {"user.contact of adult": None}
    assert told["purposes"] == ["account"]
    assert told["verb"] == "delete"
