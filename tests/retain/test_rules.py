"""From terms to rules: what the policy is refused for, each with the line that mends it; and what ends how."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from expunge.policy.load import load
from expunge.policy.ownership import ownership
from expunge.retain.rules import Rule, Rules, make_rules
from tests.retain.worlds import APP, POLICY

ENV = {"APP_URL": "sqlite:///app.db", "CONTROL": "sqlite:///state"}
Ruled = Callable[..., Rules]


@pytest.fixture
def ruled(tmp_path: Path) -> Ruled:
    """The rules of the worlds' policy after some replacements, each of a text that is there."""

    def rules(policy: dict[str, str] | None = None, app: dict[str, str] | None = None) -> Rules:
        for name, text, changes in (("expunge.yaml", POLICY, policy), ("app.yml", APP, app)):
            for old, new in (changes or {}).items():
                assert old in text
                text = text.replace(old, new)  # noqa: PLW2901  # one change after the other
            (tmp_path / name).write_text(text)
        loaded = load(tmp_path / "expunge.yaml", ENV)
        return make_rules(loaded, ownership(loaded.catalog, {}))

    return rules


def of(rules: Rules, collection: str, kind: str) -> list[Rule]:
    return [rule for rule in rules.rules if (rule.collection, rule.kind) == (f"app.{collection}", kind)]


def errors(rules: Rules) -> list[str]:
    return [f"{one.path}: {one.message}; {one.fix}" for one in rules.errors]


def test_the_worlds_policy_has_no_problem(ruled: Ruled) -> None:
    rules = ruled()
    assert rules.problems == ()
    assert {rule.follows for rule in of(rules, "jobs", "adult")} == {"app.clips"}
    assert [(rule.keep.days, rule.fields) for rule in of(rules, "notes", "child")] == [(20, ("mood",)), (30, ())]
    assert [(rule.keep.days, rule.fields) for rule in of(rules, "notes", "adult")] == [(60, ("words",)), (70, ())]
    (own,) = [rule for rule in rules.rules if rule.own]
    assert (own.collection, own.keep, own.clock) == ("app.profiles", timedelta(days=300), "app.profiles.used_at")
    assert of(rules, "people", "adult") == []


def test_of_one_kind_of_owner_nobody_asks_who(ruled: Ruled) -> None:
    (stars,) = of(ruled(), "stars", "adult")
    assert stars.where.owners == frozenset()
    (clips,) = [rule for rule in of(ruled(), "clips", "adult") if rule.term.category == "user.biometric.voice"]
    assert clips.where.owners == {"person_id"}


def test_no_term_no_collection(ruled: Ruled) -> None:
    line = "  - {of: adult, category: user.behavior, for: respond, keep: 70 days, need: answer}\n"
    rest = "  - {of: adult, category: user, for: respond, keep: indefinite, need: the account}\n"
    found = errors(ruled({line: "", rest: "  - {of: adult, category: user.unique_id, for: respond, keep: indefinite, need: x}\n"}))
    assert "app.stars.taste: holds user.behavior of a adult, and no term covers that: no term, no collection; " in found[-3] + found[
        -1
    ] + "".join(found)
    assert any("`- {of: adult, category: user.behavior, for: respond, keep: 30 days, need: …}`" in one for one in found)


def test_what_outlives_its_source_is_refused(ruled: Ruled) -> None:
    old = "{of: child, category: user.content, for: respond, keep: 30 days"
    (found,) = errors(ruled({old: old.replace("30 days", "31 days")}))
    assert found == (
        "app.texts: records of a child outlive those of app.clips that they belong to (by clip_id); let terms of the child keep "
        "user.content no longer than user.biometric.voice, or that one longer"
    )


def test_what_nothing_dates_is_refused(ruled: Ruled) -> None:
    (found, *_) = errors(ruled(app={"meta: {expunge: {owned_by: person_id, captured_at: at}}": "meta: {expunge: {owned_by: person_id}}"}))
    assert found.startswith("app.stars: holds user.behavior of a adult, which ends, and nothing says when a record was captured")


def test_a_time_that_no_reference_leads_to_is_refused(ruled: Ruled) -> None:
    old = "{of: adult, category: user.behavior, for: respond, keep: 70 days"
    found = errors(ruled({old: f"{old}, from: app.profiles.used_at"}))
    assert any(
        one.startswith("app.stars: user.behavior of a adult counts from app.profiles.used_at, and no reference leads") for one in found
    )


def test_a_time_that_is_nulled_too_early_is_refused(ruled: Ruled) -> None:
    found = errors(
        ruled(
            {
                "  - {of: child, category: user, for": "  - {of: child, category: user.location, for: respond, keep: 9 days, "
                "from: app.profiles.used_at, need: x}\n  - {of: child, category: user, for"
            },
            {"{name: used_at, data_categories: [user.name]}": "{name: used_at, data_categories: [user.location]}"},
        )
    )
    assert any(one.startswith("app.profiles.used_at: is nulled after 9 days, and other terms count from it") for one in found)


def test_content_by_two_clocks_is_warned_of_and_goes_field_by_field(ruled: Ruled) -> None:
    old = "{of: child, category: user.behavior, for: respond, keep: 20 days"
    rules = ruled({old: f"{old}, from: app.profiles.used_at"})
    warned = [one for one in rules.problems if one.severity == "warning"]
    assert [one.path for one in warned] == ["app.notes"]
    assert all(rule.fields for rule in of(rules, "notes", "child"))


def test_what_is_decorrelated_can_not_end_by_a_term(ruled: Ruled) -> None:
    old = "meta: {expunge: {owned_by: person_id, captured_at: at}}"
    (found,) = errors(
        ruled(app={old: "meta: {expunge: {owned_by: person_id, captured_at: at, verb: decorrelate, repoint: {person_id: 0}}}"})
    )
    assert "decorrelated, not deleted" in found


@pytest.mark.parametrize(("length", "days"), [("", None), (", for: 10 years", 3650), (", for: 5 days", 70)])
def test_what_is_kept_on_a_basis_ends_with_the_longer(ruled: Ruled, length: str, days: int | None) -> None:
    old = "meta: {expunge: {owned_by: person_id, captured_at: at}}"
    keep = f"meta: {{expunge: {{owned_by: person_id, captured_at: at, verb: keep, keep: {{basis: tax law{length}}}}}}}"
    rules = ruled(app={old: keep})
    assert rules.errors == ()
    assert [rule.keep.days for rule in of(rules, "stars", "adult")] == ([] if days is None else [days])
