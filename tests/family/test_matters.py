"""What people are asked about, and what a no means for what is kept; and the policy's own words about families."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from expunge.errors import InvalidRequest, PolicyInvalid
from expunge.policy.load import load
from expunge.policy.matters import Matter, Sort, discloses, kept_for, matter_for, matters, needs_consent, require_matters, sort_of
from expunge.policy.model import Policy

POLICY: dict[str, Any] = {
    "expunge": 1,
    "controller": {"name": "Toy", "contact": "privacy@toy.example"},
    "subjects": {
        "household": {"key": "household_id"},
        "adult": {"key": "person_id", "member_of": "household"},
        "child": {"key": "profile_id", "member_of": "household", "minor": True, "guardian": "adult"},
    },
    "stores": {"app": {"kind": "sql", "url": "sqlite:///app.db", "datasets": ["app.yml"]}},
    "purposes": {
        "respond": {"use": "essential.service", "basis": "contract"},
        "improve": {"use": "train_ai_system", "basis": "consent"},
        "guard": {"use": "essential.service.security", "basis": "legitimate_interests"},
    },
    "terms": [
        {"of": "child", "category": "user.biometric", "for": "respond", "keep": "30 days", "need": "answer"},
        {"of": "child", "category": "user.biometric.voice", "for": "improve", "keep": "1 year", "need": "learn"},
        {"of": "child", "category": "user.behavior", "for": "improve", "keep": "1 year", "need": "learn"},
        {"of": "child", "category": "user.biometric.retinal", "for": "guard", "keep": "30 days", "need": "know who comes"},
        {"of": "adult", "category": "user.biometric.voice", "for": "respond", "keep": "1 year", "need": "answer"},
        {"of": "adult", "category": "user.behavior", "for": "improve", "keep": "1 year", "need": "learn"},
    ],
    "recipients": {
        "adnet": {"name": "Ad Net", "does": "show adverts", "what": ["user.behavior"], "for": "improve", "consent": "separate"},
        "cloud": {"name": "Cloud", "does": "keep files safe", "what": ["user"], "for": "respond", "consent": "integral"},
    },
    "family": {"templates": ["user.biometric.retinal"], "internal": ["cloud"]},
}

FIELDS = {
    "id": "user.unique_id",
    "voice": "user.biometric.voice",
    "face": "user.biometric.retinal",
    "clicks": "user.behavior.browsing_history",
}


def policy_of(folder: Path, **changes: Any) -> Policy:
    fields = [{"name": name, "data_categories": [category], "fides_meta": {}} for name, category in FIELDS.items()]
    fields[0]["fides_meta"] = {"identity": "profile_id", "primary_key": True}
    others = [
        {"name": name, "fields": [{"name": "id", "fides_meta": {"identity": identity, "primary_key": True}}]}
        for name, identity in (("households", "household_id"), ("people", "person_id"))
    ]
    dataset = {"fides_key": "app", "collections": [{"name": "profiles", "fields": fields}, *others]}
    (folder / "app.yml").write_text(yaml.safe_dump({"dataset": [dataset]}))
    (folder / "expunge.yaml").write_text(yaml.safe_dump({**POLICY, **changes}))
    return load(folder / "expunge.yaml", {})


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return policy_of(tmp_path)


def test_a_child_is_asked_about_everything_and_an_adult_about_what_rests_on_consent(policy: Policy) -> None:
    texts = [str(one) for one in matters(policy, "child")]
    assert texts == ["respond/template", "respond", "improve", "guard/template", "improve/to/adnet"]
    assert [str(one) for one in matters(policy, "adult")] == ["improve", "improve/to/adnet"]
    sorts = {text: sort_of(policy, Matter.parse(text)) for text in texts}
    assert sorts == {
        "respond": Sort.SERVICE,
        "respond/template": Sort.TEMPLATE,
        "guard/template": Sort.TEMPLATE,
        "improve": Sort.MORE,
        "improve/to/adnet": Sort.DISCLOSURE,
    }


def test_a_record_asks_for_its_own_matter_and_no_other(policy: Policy) -> None:
    assert matter_for(policy, "child", "respond", "user.biometric.voice") == Matter("respond")
    assert matter_for(policy, "child", "respond", "user.biometric.retinal") == Matter("respond", template=True)
    assert matter_for(policy, "adult", "respond", "user.biometric.voice") is None
    assert matter_for(policy, "adult", "improve", "user.behavior") == Matter("improve")
    assert needs_consent(policy, "stranger", "respond")
    assert needs_consent(policy, "adult", "nonsense"), "an unknown name needs a yes that nobody can give"


def test_what_is_kept_for_one_refused_matter_only(policy: Policy) -> None:
    refused = kept_for(policy, "child", [Matter("improve")])
    assert refused.alone == ("user.behavior.browsing_history",)
    assert refused.also == ("user.biometric.voice",), "still needed to answer"
    both = kept_for(policy, "child", [Matter("improve")], without=[Matter("respond")])
    assert both.alone == ("user.behavior.browsing_history", "user.biometric.voice")
    template = kept_for(policy, "child", [Matter("guard", template=True)], without=[Matter("respond", template=True)])
    assert template.alone == ("user.biometric.retinal",)
    assert kept_for(policy, "child", [Matter("improve", recipient="adnet")]).alone == (), "nothing of it lies here"
    assert kept_for(policy, "adult", [Matter("improve")]).alone == ("user.behavior.browsing_history",)


def test_a_category_that_covers_one_which_stays_is_left_and_told(tmp_path: Path) -> None:
    terms = [
        {"of": "child", "category": "user.behavior", "for": "improve", "keep": "1 year", "need": "learn"},
        {"of": "child", "category": "user.behavior.browsing_history", "for": "respond", "keep": "1 year", "need": "answer"},
    ]
    fields = {"b": "user.behavior"}
    FIELDS.update(fields)
    try:
        found = kept_for(policy_of(tmp_path, terms=terms), "child", [Matter("improve")])
    finally:
        del FIELDS["b"]
    assert (found.alone, found.also) == ((), ("user.behavior", "user.behavior.browsing_history"))


def test_matters_are_read_and_refused(policy: Policy) -> None:
    for text in ("", "/template", "improve/to/", "a/b", "improve/to/x/y"):
        with pytest.raises(InvalidRequest, match="a matter is written"):
            Matter.parse(text)
    assert [str(one) for one in require_matters(policy, "child", ["improve", "respond"])] == ["respond", "improve"]
    assert require_matters(policy, "child", []) == matters(policy, "child")
    with pytest.raises(InvalidRequest, match="no consent to guard is asked for a subject of kind adult"):
        require_matters(policy, "adult", ["guard"])
    with pytest.raises(InvalidRequest, match="nothing of a subject of kind household"):
        require_matters(policy, "household", [])


def test_who_only_supports_internal_operations_is_told_nothing(tmp_path: Path) -> None:
    assert discloses(policy_of(tmp_path), "child") == ("adnet",)
    assert discloses(policy_of(tmp_path, family={}), "child") == ("adnet", "cloud")


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ({"unattributed": "housold"}, "there is no kind of subject housold"),
        ({"unattributed": "child"}, "can't be taken for one child's"),
        ({"templates": ["user.biometric.retina"]}, "there is no data category user.biometric.retina"),
        ({"internal": ["clod"]}, "there is no recipient clod"),
        ({"guardians": "app.pairs"}, "there is no collection app.pairs"),
        ({"asking": "ask"}, "there is no purpose ask"),
        ({"methods": ["e-mail"]}, "family.methods"),
        ({"stand_ins": "yes"}, "family.stand_ins"),
        ({"undr": 13}, "undr"),
    ],
)
def test_words_that_lead_nowhere_are_refused(tmp_path: Path, family: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        policy_of(tmp_path, family=family)
    assert message in str(refused.value)


def test_the_defaults_are_the_rule_s(tmp_path: Path) -> None:
    held = policy_of(tmp_path, family={}).family
    assert (held.under, held.stand_ins, len(held.methods)) == (13, False, 9)
    assert policy_of(tmp_path, family={"methods": "email-plus", "lasts": "1 year"}).family.methods == ("email-plus",)
