"""Parents asked, told and obeyed, on an estate: from the question to the erasure that a no begins."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from expunge.app.families import Families
from expunge.app.kin import Kin
from expunge.app.library import Expunge
from expunge.errors import InvalidRequest, StoreError, UnknownRequest
from expunge.evidence.receipts import read_entry
from expunge.evidence.trust import Trust
from expunge.family.age_screen import Age
from expunge.family.letters import render
from expunge.family.methods import Result
from expunge.journal.consent_states import State
from expunge.journal.letters import LetterState
from expunge.testing.clock import FakeClock
from tests.erase.toy import sql
from tests.family.home import TO, agreed, home, opened
from tests.faults.killing import Place

DAY = timedelta(days=1)
KIM, LOU, MUM, DAD = "child:100", "child:101", "adult:10", "adult:11"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return home(tmp_path / "home")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def library(place: Place, clock: FakeClock) -> Iterator[Expunge]:
    with opened(place, clock) as held:
        yield held


@pytest.fixture
def family(library: Expunge) -> Families:
    return Families(library)


def given(family: Families, child: str, matter: str) -> bool:
    return bool(family.admits([child], matter).subjects)


def carry(library: Expunge, clock: FakeClock, letters: LetterState = LetterState.SENT) -> list[tuple[str, dict[str, str]]]:
    """Take what is due from the outbox as a sender does; (template, fields)."""
    sent = []
    for one in library.rooms.journal.take_letters(10, timedelta(minutes=5)):
        library.rooms.journal.settle_letter(one, letters)
        sent.append((one.template, dict(one.fields)))
    return sent


def test_a_yes_by_a_stand_in_is_a_yes_to_what_was_asked_and_says_that_it_was_a_stand_in(library: Expunge, family: Families) -> None:
    asked = family.ask(KIM, MUM, "card", ["respond", "improve"])
    assert not given(family, KIM, "respond")
    assert family.answer(asked.id, {"stand_in": "no"}).result is Result.REFUSED
    assert family.answer(asked.id, {"stand_in": "yes"}, ["respond"]).result is Result.VERIFIED
    assert given(family, KIM, "respond")
    assert not given(family, KIM, "improve"), "a no to the one does not cost the other (16 CFR 312.7)"
    shown = family.show(KIM)
    words = {one.matter: [(who, held.word.method, held.thread.state) for who, held in one.words] for one in shown.standings}
    assert words["respond"] == [(MUM, "card (stand-in)", State.GIVEN)]
    assert words["improve"] == [(MUM, "card (stand-in)", State.WITHDRAWN)]
    assert shown.guardians == (MUM,)
    with pytest.raises(InvalidRequest, match="has ended"):
        family.answer(asked.id, {"stand_in": "yes"})


def test_only_a_guardian_is_asked_and_the_stores_or_the_journal_say_who_is_one(family: Families, clock: FakeClock) -> None:
    for stranger in (DAD, "adult:20", "adult:99"):
        with pytest.raises(InvalidRequest, match="not known to be the guardian"):
            family.ask(KIM, stranger, "card")
    agreed(family, LOU, DAD)
    family.guardian(KIM, DAD, evidence="birth certificate seen")
    agreed(family, KIM, DAD, "respond")
    clock.tick()
    assert given(family, KIM, "respond")
    family.end_guardian(KIM, DAD, because="court order")
    assert not given(family, KIM, "respond"), "his word alone was the yes"
    with pytest.raises(InvalidRequest, match="guardian"):
        family.withdraw(KIM, DAD)
    family.end_guardian(KIM, MUM, because="court order")
    with pytest.raises(InvalidRequest, match="guardian"):
        family.ask(KIM, MUM, "card")
    with pytest.raises(UnknownRequest):
        family.end_guardian(KIM, "adult:20", because="never was")
    with pytest.raises(InvalidRequest, match="names no household"):
        family.guardian(KIM, "household:1", evidence="seen")
    with pytest.raises(InvalidRequest, match="don't name the person"):
        family.guardian(KIM, "adult:email=mum@home.example", evidence="as mum@home.example said")


def test_a_child_is_asked_about_before_any_store_knows_it(family: Families) -> None:
    family.guardian("child:555", MUM, evidence="signed in as the account's holder")
    agreed(family, "child:555", MUM, "respond")
    assert given(family, "child:555", "respond")


def test_email_plus_counts_when_its_confirmation_went_out(library: Expunge, family: Families, clock: FakeClock) -> None:
    asked = family.ask(KIM, "adult:email=mum@home.example", "email-plus", ["respond"], to=TO)
    ((template, fields),) = carry(library, clock)
    assert (template, "respond" in fields["what"]) == ("consent-request", True)
    assert family.answer(asked.id, {"code": "wrong"}).result is Result.REFUSED
    assert family.answer(asked.id, {"code": fields["code"]}).result is Result.PENDING
    with pytest.raises(InvalidRequest, match="counts when the confirmation"):
        family.answer(asked.id, {"code": fields["code"]})
    assert carry(library, clock) == []
    clock.tick(DAY)
    assert (family.settle().confirmed, given(family, KIM, "respond")) == (0, False), "due, and not out yet"
    assert [one for one, _ in carry(library, clock)] == ["consent-confirmation"]
    assert (family.settle().confirmed, given(family, KIM, "respond")) == (1, True)
    assert family.settle().confirmed == 0


def test_a_confirmation_that_comes_back_makes_no_consent(library: Expunge, family: Families, clock: FakeClock) -> None:
    asked = family.ask(KIM, MUM, "email-plus", ["respond"], to=TO)
    ((_, fields),) = carry(library, clock)
    family.answer(asked.id, {"code": fields["code"]})
    clock.tick(DAY)
    carry(library, clock, LetterState.BOUNCED)
    assert (family.settle().lapsed, given(family, KIM, "respond")) == (1, False)
    assert family.show(KIM).askings[0].outcome == "unconfirmed"


def test_a_no_while_the_confirmation_waits_stands(library: Expunge, family: Families, clock: FakeClock) -> None:
    asked = family.ask(KIM, MUM, "email-plus", ["respond"], to=TO)
    ((_, fields),) = carry(library, clock)
    family.answer(asked.id, {"code": fields["code"]})
    family.withdraw(KIM, MUM, ["respond"])
    clock.tick(DAY)
    carry(library, clock)
    family.settle()
    assert not given(family, KIM, "respond")


def test_nobody_answers_and_what_was_kept_only_to_ask_goes(place: Place, library: Expunge, family: Families, clock: FakeClock) -> None:
    family.ask(LOU, DAD, "email-plus", to=TO)
    clock.tick(29 * DAY)
    assert family.settle().lapsed == 0
    assert len(sql(place, "select * from signups")) == 1
    clock.tick(DAY)
    settled = family.settle()
    assert (settled.lapsed, settled.filed, len(settled.runs)) == (1, 1, 1)
    library.work()
    assert sql(place, "select * from signups") == []
    assert len(sql(place, "select * from profiles where id = 101")) == 1
    (asking,) = family.show(LOU).askings
    assert (asking.held, asking.outcome) == (None, "lapsed"), "the address that we kept ourselves is gone with its key"
    assert (family.settle().filed, family.settle().proven) == (0, 0)
    files = [path for path in (place.folder / ".expunge").rglob("*") if path.is_file()]
    assert not [path.name for path in files if b"mum@home.example" in path.read_bytes()]


def test_what_verified_a_guardian_is_destroyed_and_the_log_says_so(place: Place, library: Expunge, family: Families) -> None:
    asked = family.ask(KIM, MUM, "signed-form", ["respond"])
    assert asked.id in str(asked.shown["form"])
    scan = b"%PDF-1.7 a signature"
    family.answer(asked.id, {"document": base64.b64encode(scan).decode()}, ["respond"])
    assert not given(family, KIM, "respond"), "nobody has looked at it"
    family.answer(asked.id, {"reviewed_by": "support", "signed": True})
    assert given(family, KIM, "respond")
    (asking,) = family.show(KIM).askings
    assert (asking.held, asking.destroyed_at is not None, asking.evidence is not None) == (None, True, True)
    assert asking.leaf is not None
    entry = read_entry(list(library.rooms.log.entries())[asking.leaf], Trust.from_json(library.trust_path.read_bytes()))
    assert entry.kind == "consent-evidence/1"
    assert (entry.statement["asking"], entry.statement["outcome"]) == (asking.id, "given")
    assert "100" not in json.dumps({key: value for key, value in entry.statement.items() if key in {"asking", "method", "outcome"}})
    library.check_log()


def test_questions_by_the_operator_s_bank(family: Families) -> None:
    bank = [
        {"ask": f"q{one}?", "right": f"r{one}", "wrong": [f"w{one}{each}" for each in range(4)], "child_could_not": "before its birth"}
        for one in range(10)
    ]
    asked = family.ask(KIM, MUM, "questions", ["respond"], given={"bank": bank})
    shown = asked.shown["questions"]
    assert isinstance(shown, list)
    wrong = family.answer(asked.id, {"choices": [9] * 5})
    assert wrong.result is Result.REFUSED
    again = wrong.shown["questions"]
    assert isinstance(again, list)
    right = [one["choices"].index(one["ask"].replace("q", "r").rstrip("?")) for one in again]
    assert family.answer(asked.id, {"choices": right}).result is Result.VERIFIED
    assert given(family, KIM, "respond")


def test_what_can_be_passed_by_nobody_ends_and_is_asked_anew(family: Families) -> None:
    asked = family.ask(KIM, MUM, "card", ["respond"])
    results = [family.answer(asked.id, {"stand_in": "no"}).result for _ in range(3)]
    assert results == [Result.REFUSED, Result.REFUSED, Result.FAILED]
    assert not given(family, KIM, "respond")
    agreed(family, KIM, MUM, "respond")
    assert given(family, KIM, "respond")


def test_a_no_erases_what_was_kept_for_it_alone_and_leaves_the_rest(place: Place, library: Expunge, family: Families) -> None:
    agreed(family)
    settled = family.withdraw(KIM, MUM, ["improve"])
    assert (settled.filed, given(family, KIM, "improve"), given(family, KIM, "respond")) == (1, False, True)
    library.work()
    assert sql(place, "select id from clicks") == [(2,)]
    assert len(sql(place, "select * from clips")) == 4
    (duty,) = family.show(KIM).duties
    assert duty.outcome == "filed"
    receipt = library.status(settled.runs[0])
    assert receipt.complete
    assert receipt.requests[0].authority == "consent withdrawn"


def test_a_no_to_everything_erases_what_every_purpose_kept(place: Place, library: Expunge, family: Families) -> None:
    agreed(family)
    family.withdraw(KIM, MUM)
    library.work()
    assert sql(place, "select id from clicks") == [(2,)]
    assert sql(place, "select id from clips where profile_id = 100") == []
    assert len(sql(place, "select * from clips")) == 3


def test_a_no_is_obeyed_while_the_child_is_being_erased(place: Place, library: Expunge, family: Families) -> None:
    agreed(family)
    started = library.request([KIM])
    family.withdraw(KIM, MUM, ["improve"])
    assert not given(family, KIM, "improve"), "at once, whatever else is under way"
    library.work()
    assert library.status(started.runs[0].id).complete
    assert sql(place, "select * from profiles where id = 100") == []
    assert sql(place, "select id from clicks") == [(2,)]
    family.settle()
    library.work()


def test_a_no_is_seen_by_whoever_asks_between_two_batches(place: Place, library: Expunge, family: Families) -> None:
    """A training build, or a view, that began before it: another process's next question is answered no."""
    agreed(family)
    number = Kin(library.rooms).people([KIM])[0].number
    with opened(place) as other:
        before = other.rooms.journal.admits([number], "improve")
        assert before.subjects == {number}
        family.withdraw(KIM, MUM, ["improve"])
        assert other.rooms.journal.consent_epoch() > before.epoch, "a reader sees without asking again that something changed"
        assert not other.rooms.journal.admits([number], "improve").subjects


def test_a_crash_between_a_no_and_its_erasure_loses_nothing(
    place: Place, library: Expunge, family: Families, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed(family)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "request", dies)
    with pytest.raises(KeyboardInterrupt):
        family.withdraw(KIM, MUM, ["improve"])
    monkeypatch.undo()
    assert not given(family, KIM, "improve")
    assert family.settle().filed == 1
    library.work()
    assert sql(place, "select id from clicks") == [(2,)]


def test_two_guardians_who_disagree(family: Families) -> None:
    family.guardian(KIM, DAD, evidence="birth certificate seen")
    agreed(family, KIM, MUM, "improve")
    assert given(family, KIM, "improve")
    family.withdraw(KIM, DAD, ["improve"])
    assert not given(family, KIM, "improve")
    agreed(family, KIM, DAD, "improve")
    assert given(family, KIM, "improve")


def test_a_yes_that_lasts_a_year_ends(tmp_path: Path, clock: FakeClock) -> None:
    place = home(tmp_path / "lasting", family={"lasts": "1 year", "stand_ins": "allowed"})
    with opened(place, clock) as library:
        family = Families(library)
        agreed(family)
        clock.tick(366 * DAY)
        assert not given(family, KIM, "respond")
        assert not next(one for one in family.show(KIM).standings if one.matter == "respond").given
        settled = family.settle()
        assert settled.expired == 4
        assert settled.filed == 1
        agreed(family)
        assert given(family, KIM, "respond")


def test_adults_decide_for_themselves(tmp_path: Path) -> None:
    terms = [{"of": "adult", "category": "user.contact", "for": "improve", "keep": "1 year", "need": "learn"}]
    place = home(tmp_path / "adults", terms=terms)
    with opened(place) as library:
        family = Families(library)
        assert family.give(MUM) == ("improve",)
        assert family.give(MUM) == ()
        assert given(family, MUM, "improve")
        with pytest.raises(InvalidRequest, match="decides for themself"):
            family.withdraw(MUM, DAD)
        family.withdraw(MUM, MUM)
        assert not given(family, MUM, "improve")
        with pytest.raises(InvalidRequest):
            family.give(KIM)


def test_methods_are_offered_with_why_not(tmp_path: Path) -> None:
    recipients = {"adnet": {"name": "Ad Net", "does": "show adverts", "what": "user.behavior", "for": "improve", "consent": "separate"}}
    with opened(home(tmp_path / "disclosing", recipients=recipients, family={})) as library:
        family = Families(library)
        told = {one.name: one.unfit for one in family.methods("child")}
        assert told["signed-form"] is None
        assert "adnet" in str(told["email-plus"])
        assert "no provider" in str(told["card"])
        with pytest.raises(InvalidRequest, match="nothing is disclosed"):
            family.ask(KIM, MUM, "email-plus", to=TO)
        assert "improve/to/adnet" in [one.matter for one in family.show(KIM).standings]


def test_a_household_shows_who_is_in_it_who_decides_and_what_was_agreed(family: Families) -> None:
    agreed(family, KIM, MUM, "respond")
    shown = family.household("household:1")
    told = {one.text: (one.guardians, one.agreed) for one in shown.members}
    assert told == {
        "adult:10": ((), ()),
        "adult:11": ((), ()),
        "child:100": (("adult:10",), ("respond",)),
        "child:101": (("adult:11",), ()),
    }
    with pytest.raises(InvalidRequest, match="nobody is a member"):
        family.household(KIM)


def test_the_age_screen_remembers_and_forgets(family: Families, clock: FakeClock) -> None:
    clock.set(clock.now())
    assert family.screen_age("device-1", date(2020, 1, 1)) is Age.CHILD
    assert family.screen_age("device-1", date(1980, 1, 1)) is Age.CHILD, "another date from the same device changes nothing"
    assert family.screen_age("device-2", date(1980, 1, 1)) is Age.GROWN
    assert family.screen_age("device-3", None) is Age.UNSAID
    assert family.screen_age("device-3", 1980) is Age.UNSAID
    clock.tick(25 * timedelta(hours=1))
    assert family.screen_age("device-1", date(1980, 1, 1)) is Age.GROWN


def test_a_recording_that_names_nobody_is_claimed_and_goes_by_the_stricter_term(
    place: Place, library: Expunge, family: Families, clock: FakeClock
) -> None:
    agreed(family, KIM, MUM, "respond")
    claimed = family.claim("app.clips/c2", KIM, "household:1")
    assert claimed.ends_at is not None
    assert claimed.ends_at.isoformat() == "2026-01-31T00:00:00+00:00", "the child's 30 days, not the household's 60"
    assert family.claim("app.clips/c2", KIM, "household:1").id == claimed.id
    with pytest.raises(InvalidRequest, match="somebody else"):
        family.claim("app.clips/c2", LOU, "household:1")
    for item, who, house in (
        ("app.clips/c3", KIM, "household:1"),
        ("app.clips/c4", KIM, "household:1"),
        ("app.clips/c2", "child:200", "household:1"),
        ("app.clips/none", KIM, "household:1"),
    ):
        with pytest.raises(InvalidRequest):
            family.claim(item, who, house)
    assert family.settle().filed == 0
    clock.tick(31 * DAY)
    assert family.settle().filed == 1
    library.work()
    assert sql(place, "select id from clips order by id") == [("c1",), ("c3",), ("c4",)]
    assert family.settle().filed == 0


def test_a_claimed_recording_goes_with_the_child_and_at_once_without_consent(place: Place, library: Expunge, family: Families) -> None:
    agreed(family, KIM, MUM, "respond")
    family.claim("app.clips/c2", KIM, "household:1")
    library.erase([KIM])
    assert family.settle().filed == 1
    library.work()
    assert sql(place, "select id from clips order by id") == [("c3",), ("c4",)]
    sql(place, "insert into clips values ('c5', 1, null, null, 'lou', '2026-01-01T00:00:00+00:00')")
    family.claim("app.clips/c5", LOU, "household:1")
    library.work()
    assert sql(place, "select id from clips order by id") == [("c3",), ("c4",)]


def test_nobody_is_asked_without_end(family: Families, clock: FakeClock) -> None:
    for _ in range(3):
        asked = family.ask(KIM, MUM, "card", ["respond"])
        for _ in range(3):
            family.answer(asked.id, {"stand_in": "no"})
    with pytest.raises(InvalidRequest, match="3 times in 7 days"):
        family.ask(KIM, MUM, "card", ["respond"])
    clock.tick(8 * DAY)
    agreed(family, KIM, MUM, "respond")
    assert given(family, KIM, "respond")


def test_an_erasure_that_can_t_be_filed_now_waits_longer_each_time_and_is_told(
    place: Place, library: Expunge, family: Families, clock: FakeClock
) -> None:
    agreed(family)
    sql(place, "alter table clicks rename to elsewhere")
    settled = family.withdraw(KIM, MUM, ["improve"])
    assert (settled.waiting, settled.filed) == (1, 0)
    assert not given(family, KIM, "improve")
    assert [one.control for one in library.incidents()] == ["consent:erasures"]
    assert family.settle().waiting == 0, "not asked again at once"
    clock.tick(timedelta(seconds=10))
    assert family.settle().waiting == 1
    sql(place, "alter table elsewhere rename to clicks")
    clock.tick(timedelta(hours=1))
    assert family.settle().filed == 1
    assert library.incidents() == []
    library.work()
    assert sql(place, "select id from clicks") == [(2,)]


def test_a_claim_on_what_is_gone_is_looked_at_once(place: Place, library: Expunge, family: Families, clock: FakeClock) -> None:
    agreed(family, KIM, MUM, "respond")
    family.claim("app.clips/c2", KIM, "household:1")
    sql(place, "delete from clips where id = 'c2'")
    clock.tick(31 * DAY)
    assert len(library.rooms.journal.due_claims()) == 1
    assert family.settle().filed == 0
    assert library.rooms.journal.due_claims() == []


def test_a_guardian_whom_a_court_bars_and_lets_back(family: Families) -> None:
    family.end_guardian(KIM, MUM, because="court order")
    assert family.show(KIM).guardians == ()
    family.guardian(KIM, MUM, evidence="court order lifted")
    assert family.show(KIM).guardians == (MUM,)


def test_a_no_waits_for_no_store(place: Place, library: Expunge, family: Families) -> None:
    agreed(family)
    family.guardian(KIM, DAD, evidence="birth certificate seen")
    app = place.folder / "app.db"
    app.rename(place.folder / "away.db")
    with opened(place) as other:
        elsewhere = Families(other)
        with pytest.raises(StoreError):
            elsewhere.withdraw(KIM, "adult:20")
        with pytest.raises(StoreError):
            elsewhere.withdraw("child:999", MUM)
        assert elsewhere.withdraw(KIM, MUM, ["improve"]).waiting == 1
        assert elsewhere.withdraw(KIM, DAD, ["respond"]).filed == 0
    (place.folder / "away.db").rename(app)
    assert not given(family, KIM, "improve")
    assert not given(family, KIM, "respond")


def test_a_confirmation_names_what_was_agreed_to_and_how_to_take_it_back(library: Expunge, family: Families, clock: FakeClock) -> None:
    asked = family.ask(KIM, MUM, "email-plus", to=TO)
    ((template, fields),) = carry(library, clock)
    always = {"company": "Toy", "contact": "privacy@toy.example"}
    request = render(template, fields, always)
    assert "unless you say yes" in request.body
    assert fields["code"] in request.body
    assert "improve" in request.body
    family.answer(asked.id, {"code": fields["code"]}, ["respond"])
    clock.tick(DAY)
    ((template, fields),) = carry(library, clock)
    confirmation = render(template, fields, always)
    assert "can take it back at any time" in confirmation.body
    assert "respond" in confirmation.body
    assert "improve" not in confirmation.body


def test_a_no_to_everything_needs_no_confirmation(library: Expunge, family: Families, clock: FakeClock) -> None:
    asked = family.ask(KIM, MUM, "email-plus", to=TO)
    ((_, fields),) = carry(library, clock)
    family.answer(asked.id, {"code": fields["code"]}, [])
    clock.tick(DAY)
    assert carry(library, clock) == []
    (asking,) = family.show(KIM).askings
    assert (asking.outcome, asking.held) == ("refused", None)
    assert not given(family, KIM, "respond")
