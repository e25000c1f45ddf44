"""Each control over an estate of plain values: what it says yes to, what it says no to, and what it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from expunge.errors import PlanTrouble, Unavailable
from expunge.policy.catalog import Problem
from expunge.policy.load import load
from expunge.policy.model import Controller, Policy
from expunge.policy.publishing import Claim, ControlName, Recipient
from expunge.program.claims import check_claims, control_of
from expunge.program.controls import CONTROLS
from expunge.program.estate import Act, Estate, IdleState, Overdue, Post, Requests
from expunge.program.findings import Verdict

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOME = load(Path(__file__).parents[2] / "examples/home/expunge.yaml", {})


@dataclass
class Still:
    """An estate that answers what it was given."""

    policy: Policy = HOME
    away_: dict[str, str] = field(default_factory=dict)
    troubles_: tuple[Problem, ...] = ()
    acts_: tuple[Act, ...] = (Act("app.clips", "delete"), Act("media.voice_child", "delete"))
    unreadable_: tuple[str, ...] = ()
    undeclared_: dict[str, int] = field(default_factory=dict)
    overdue_: tuple[Overdue, ...] = ()
    undated_: dict[str, int] = field(default_factory=dict)
    holds_: int = 0
    requests_: Requests = field(default_factory=lambda: Requests(3, None, 0, 3, 0))
    incidents_: dict[str, int] = field(default_factory=dict)
    post_: Post = field(default_factory=lambda: Post(5, 1, None))
    idle_: tuple[IdleState, ...] = (IdleState("child", 2, NOW + DAY),)
    unconsented_: tuple[str, ...] | None = ()
    asking_: tuple[int, datetime | None] = (4, NOW - DAY)
    asked: list[datetime] = field(default_factory=list)

    def now(self) -> datetime:
        return NOW

    def away(self) -> Mapping[str, str]:
        return self.away_

    def troubles(self) -> Sequence[Problem]:
        return self.troubles_

    def acts(self, kind: str | None, category: str | None) -> Sequence[Act]:
        return self.acts_

    def unreadable(self, kind: str | None) -> Sequence[str]:
        return self.unreadable_

    def undeclared(self) -> Mapping[str, int]:
        return self.undeclared_

    def overdue(self, at: datetime) -> Sequence[Overdue]:
        self.asked.append(at)
        return self.overdue_

    def undated(self) -> Mapping[str, int]:
        return self.undated_

    def holds(self) -> int:
        return self.holds_

    def requests(self) -> Requests:
        return self.requests_

    def incidents(self) -> Mapping[str, int]:
        return self.incidents_

    def post(self) -> Post:
        return self.post_

    def idle(self) -> Sequence[IdleState]:
        return self.idle_

    def unconsented(self, kind: str) -> Sequence[str] | None:
        return self.unconsented_

    def oldest_asking(self) -> tuple[int, datetime | None]:
        return self.asking_


ESTATE: type[Estate] = Still
VOICE = "user.biometric.voice"
LATE = Overdue("app.clips", "child", (VOICE,), 7, NOW - 9 * DAY)
KEPT_VOICE = replace(HOME, terms=tuple(replace(one, keep=timedelta(0)) if one.category == VOICE else one for one in HOME.terms))
BY_CONTRACT = replace(HOME, purposes={**HOME.purposes, "improve": replace(HOME.purposes["improve"], basis="contract")})
SELLING = replace(HOME, purposes={**HOME.purposes, "account": replace(HOME.purposes["account"], use="sales")})
STRANGER = replace(
    HOME,
    recipients={"x": Recipient("x", "X", "do", ("user.health_and_medical",), "guard", integral=True, mark=HOME.recipients["maps"].mark)},
)
UNSAID = replace(HOME, controller=Controller("Hearth", "privacy@hearth.example", None, None, None))

HOLDS, BROKEN, UNCHECKED = Verdict.HOLDS, Verdict.BROKEN, Verdict.UNCHECKED

CASES = [
    ("can_erase", {}, Still(), HOLDS, "2 collections"),
    ("can_erase", {}, Still(away_={"media": "unavailable"}), UNCHECKED, "unavailable"),
    ("can_erase", {}, Still(troubles_=(Problem("x", "app.clips", "m"),)), BROKEN, "1 problem"),
    ("can_erase", {}, Still(acts_=()), UNCHECKED, "none of it"),
    ("can_erase", {}, Still(acts_=(Act("app.clips", "delete"), Act("app.bills", "keep", "tax law"))), BROKEN, "tax law"),
    ("can_see", {}, Still(), HOLDS, "read out"),
    ("can_see", {}, Still(unreadable_=("logs.requests",)), BROKEN, "can't be read"),
    ("can_see", {}, Still(away_={"logs": "refused"}), UNCHECKED, "reached"),
    ("can_see", {}, Still(acts_=()), UNCHECKED, "none of it"),
    ("kept_no_longer", {"of": "child", "category": VOICE}, Still(), HOLDS, "1 terms"),
    ("kept_no_longer", {"of": "child", "category": VOICE}, Still(holds_=2), HOLDS, "may keep some of it: 2"),
    ("kept_no_longer", {"of": "child", "category": VOICE}, Still(overdue_=(LATE,)), BROKEN, "7 records"),
    ("kept_no_longer", {"of": "child", "category": VOICE}, Still(overdue_=(LATE,), holds_=1), BROKEN, "may keep some of it: 1"),
    ("kept_no_longer", {"of": "child", "category": "user.biometric"}, Still(overdue_=(LATE,)), BROKEN, "since 2026-02-20"),
    ("kept_no_longer", {"of": "adult", "category": VOICE}, Still(overdue_=(LATE,)), HOLDS, "terms"),
    ("kept_no_longer", {"of": "child", "category": "user.location"}, Still(overdue_=(LATE,)), HOLDS, "terms"),
    ("kept_no_longer", {}, Still(overdue_=(LATE,)), BROKEN, "7 records"),
    ("kept_no_longer", {"category": "user.payment"}, Still(), UNCHECKED, "no term"),
    ("kept_no_longer", {"of": "child", "category": VOICE}, Still(undated_={"app.clips": 3}), BROKEN, "no time"),
    ("kept_no_longer", {"of": "child", "category": VOICE}, Still(undated_={"app.other": 3}), HOLDS, "terms"),
    ("audio_exception", {"of": "child"}, Still(), BROKEN, "keeps it"),
    ("audio_exception", {"of": "child"}, Still(policy=KEPT_VOICE), HOLDS, "terms"),
    ("audio_exception", {"of": "child"}, Still(policy=KEPT_VOICE, overdue_=(LATE,)), BROKEN, "7 records"),
    ("never_for", {"purpose": "improve"}, Still(), UNCHECKED, "asks consent"),
    ("never_for", {"purpose": "improve"}, Still(policy=BY_CONTRACT), BROKEN, "contract"),
    ("never_for", {"category": "user.device"}, Still(), UNCHECKED, "no term"),
    ("never_for", {"category": "user.name"}, Still(policy=SELLING), BROKEN, "for such a purpose"),
    ("deleted_when_told", {}, Still(), HOLDS, "3 requests"),
    ("deleted_when_told", {}, Still(requests_=Requests(0, None, 0, 0, 0)), UNCHECKED, "nobody"),
    ("deleted_when_told", {}, Still(requests_=Requests(3, NOW - 31 * DAY, 0, 3, 0)), BROKEN, "31 days"),
    ("deleted_when_told", {}, Still(requests_=Requests(3, NOW - 30 * DAY, 0, 3, 0)), HOLDS, "receipts verify"),
    ("deleted_when_told", {}, Still(requests_=Requests(3, None, 0, 3, 1)), BROKEN, "do not verify"),
    ("deleted_when_told", {}, Still(requests_=Requests(3, None, 1, 3, 0)), BROKEN, "incomplete"),
    ("deleted_when_told", {}, Still(incidents_={"residue": 2}), BROKEN, "2 residue"),
    ("deleted_when_told", {}, Still(incidents_={"claim": 2}), HOLDS, "requests"),
    ("seen_by", {}, Still(), UNCHECKED, "2 roles"),
    ("nobody_else", {}, Still(), UNCHECKED, "2 recipients"),
    ("nobody_else", {}, Still(policy=SELLING), BROKEN, "name nobody"),
    ("nobody_else", {}, Still(policy=STRANGER), BROKEN, "not collected for guard"),
    ("consent_first", {"of": "child"}, Still(), HOLDS, "refuses"),
    ("consent_first", {}, Still(unconsented_=("terms[0]",)), BROKEN, "without a parent"),
    ("consent_first", {"of": "child"}, Still(unconsented_=None), UNCHECKED, "nothing is collected"),
    ("idle_profiles", {"of": "child"}, Still(), HOLDS, "2 unused"),
    ("idle_profiles", {"of": "child"}, Still(idle_=(IdleState("child", 2, NOW - DAY),)), BROKEN, "past"),
    ("idle_profiles", {"of": "child"}, Still(idle_=()), UNCHECKED, "no unused"),
    ("idle_profiles", {"of": "child"}, Still(policy=replace(HOME, children=None)), BROKEN, "no rule"),
    ("tells", {}, Still(), HOLDS, "5 letters"),
    ("tells", {}, Still(post_=Post(0, 0, None)), UNCHECKED, "no letter"),
    ("tells", {}, Still(post_=Post(5, 0, NOW - 2 * DAY)), BROKEN, "have not gone"),
    ("answers", {}, Still(), HOLDS, "declared"),
    ("answers", {}, Still(policy=UNSAID), BROKEN, "address, phone"),
    ("accurate", {}, Still(), HOLDS, "as the policy says"),
    ("accurate", {}, Still(undeclared_={"app": 2}), BROKEN, "2 collections"),
    ("accurate", {}, Still(troubles_=(Problem("x", "app.clips", "m"),)), BROKEN, "not as the policy"),
    ("accurate", {}, Still(away_={"app": "unavailable"}), UNCHECKED, "reached"),
    ("unanswered", {}, Still(), HOLDS, "4 askings"),
    ("unanswered", {}, Still(asking_=(0, None)), UNCHECKED, "nobody"),
    ("unanswered", {}, Still(asking_=(4, NOW - 32 * DAY)), BROKEN, "30 days"),
]


@pytest.mark.parametrize(("control", "about", "estate", "verdict", "word"), CASES)
def test_what_a_control_says(control: str, about: dict[str, str], estate: Still, verdict: Verdict, word: str) -> None:
    (checked,) = check_claims([Claim("We do.", control, about.get("of"), about.get("category"), about.get("purpose"))], estate)
    assert (checked.finding.verdict, word in checked.finding.evidence) == (verdict, True), checked.finding
    assert checked.is_broken is (verdict is Verdict.BROKEN)


def test_a_policy_can_name_every_control_and_no_other() -> None:
    assert set(get_args(ControlName)) == set(CONTROLS)
    assert {case[0] for case in CASES} == set(CONTROLS), "each is tested"
    for name in CONTROLS:
        assert {case[3] for case in CASES if case[0] == name} & {UNCHECKED, BROKEN}, f"{name} can say other than yes"


def test_the_grace_is_the_sweeps_interval() -> None:
    estate = Still()
    check_claims([Claim("x", "kept_no_longer", "child", VOICE)], estate)
    sweep = HOME.retention.sweep if HOME.retention else DAY
    assert estate.asked == [NOW - sweep]


def test_what_can_not_be_asked_is_not_checked_and_what_does_not_fit_is_broken() -> None:
    class Away(Still):
        def overdue(self, at: datetime) -> Sequence[Overdue]:
            raise Unavailable("no answer", where="app")

    class Unfit(Still):
        def overdue(self, at: datetime) -> Sequence[Overdue]:
            raise PlanTrouble("a table is missing")

    claim = Claim("x", "kept_no_longer", "child", VOICE)
    (away,), (unfit,) = check_claims([claim], Away()), check_claims([claim], Unfit())
    assert (away.finding.verdict, away.finding.places) == (Verdict.UNCHECKED, ("app",))
    assert (unfit.finding.verdict, "plan-trouble" in unfit.finding.evidence) == (Verdict.BROKEN, True)


def test_one_look_answers_all_sentences_that_rest_on_it() -> None:
    estate = Still(overdue_=(LATE,))
    claims = [Claim(says, "kept_no_longer", "child", VOICE) for says in ("One.", "Two.", "Three.")]
    checked = check_claims(claims, estate)
    assert len(estate.asked) == 1
    assert [one.claim.says for one in checked if one.is_broken] == ["One.", "Two.", "Three."]
    assert len({control_of(one) for one in claims}) == 3
    assert checked[0].as_json()["places"] == ["app.clips"]  # type: ignore[index, call-overload]  # it is a mapping
