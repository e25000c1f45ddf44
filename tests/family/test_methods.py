"""The methods of verifiable consent, each by its clause: what passes, what does not, and what no guess gets past."""

from __future__ import annotations

import base64
from datetime import date, timedelta
from itertools import product
from random import Random
from typing import Any

import pytest

from expunge.errors import InvalidRequest
from expunge.family.age_screen import QUESTION, Age, answer, remembers, screen
from expunge.family.methods import Opening, Outcome, Proof, Result, method, methods, next_questions
from expunge.family.methods.questions import ASKED, CHOICES, LUCKIEST, RIGHT, TRIES, Questions, luck, read_bank
from expunge.policy.family import Family
from expunge.terms import Identifier

TO = Identifier("email", "mum@home.example")
BANK: list[Any] = [
    {
        "ask": f"question {number}?",
        "right": f"right {number}",
        "wrong": [f"wrong {number} {one}" for one in range(6)],
        "child_could_not": "x",
    }
    for number in range(12)
]


def opening(**more: Any) -> Opening:
    return Opening("ask_1", "answering your child", **{"to": TO, **more})


def test_the_two_messages_of_email_plus_and_text_plus() -> None:
    for name, channel in (("email-plus", "email"), ("text-plus", "text")):
        one = method(Family(), name)
        begun = one.begin(opening(confirm_after=timedelta(hours=5)))
        (first,) = begun.messages
        assert (first.channel, first.template) == (channel, "consent-request")
        code = first.fields["code"]
        assert len(code) >= 22
        assert code not in repr(begun) + repr(first) + str(begun.shown)
        wrong = one.answer(begun.held, {"code": "guess"})
        assert wrong.result is Result.REFUSED
        right = one.answer(wrong.held, {"code": f" {code}\n"})
        assert (right.result, right.wait) == (Result.PENDING, timedelta(hours=5))
        assert [message.template for message in right.messages] == ["consent-confirmation"]
        held = begun.held
        results: list[Result] = []
        for _ in range(5):
            tried = one.answer(held, {"code": "guess"})
            held, results = tried.held, [*results, tried.result]
        assert results == [Result.REFUSED] * 4 + [Result.FAILED]


def test_who_discloses_may_not_use_them_and_may_use_the_others() -> None:
    connected = {"card": Fixed(Proof(verified=True))}
    told = {name: one.unfit(["adnet"]) for name, one in methods(Family(), connected).items()}
    assert "adnet" in str(told["email-plus"])
    assert "adnet" in str(told["text-plus"])
    assert [name for name, why in told.items() if why is None] == ["signed-form", "card", "questions"]
    assert method(Family(), "email-plus").unfit([]) is None
    with pytest.raises(InvalidRequest, match="address"):
        method(Family(), "text-plus").begin(opening(to=None))
    with pytest.raises(InvalidRequest, match="lists questions"):
        method(Family(methods=("questions",)), "card")


def test_a_signed_form_is_a_scan_that_somebody_looked_at() -> None:
    form = method(Family(), "signed-form")
    begun = form.begin(opening())
    assert "ask_1" in str(begun.shown["form"])
    assert "take this back" in str(begun.shown["form"])
    for document in ("not base64!", base64.b64encode(b"MZ a program").decode(), base64.b64encode(b"%PDF-" + bytes(21 << 20)).decode()):
        with pytest.raises(InvalidRequest):
            form.answer(begun.held, {"document": document})
    with pytest.raises(InvalidRequest):
        form.answer(begun.held, {"reviewed_by": "support", "signed": True})
    scan = b"%PDF-1.7 signed"
    waiting = form.answer(begun.held, {"document": base64.b64encode(scan).decode()})
    assert waiting.result is Result.PENDING
    assert not waiting.messages
    for answered in ({"reviewed_by": "", "signed": True}, {"reviewed_by": "support"}, {}):
        with pytest.raises(InvalidRequest):
            form.answer(waiting.held, answered)  # type: ignore[arg-type]  # what a caller may get wrong
    yes = form.answer(waiting.held, {"reviewed_by": "support", "signed": True})
    assert (yes.result, yes.evidence) == (Result.VERIFIED, scan)
    assert form.answer(waiting.held, {"reviewed_by": "support", "signed": False}).result is Result.FAILED


def test_questions_are_drawn_anew_and_pass_only_who_knows() -> None:
    one = Questions(chance=Random(1))
    begun = one.begin(opening(given={"bank": BANK}))
    shown: Any = begun.shown["questions"]
    assert len(shown) == ASKED
    assert all(len(each["choices"]) == CHOICES and set(each) == {"ask", "choices"} for each in shown)
    right = [each["choices"].index(each["ask"].replace("question", "right").rstrip("?")) for each in shown]
    assert one.answer(begun.held, {"choices": right}).result is Result.VERIFIED
    almost = [*right[:-1], (right[-1] + 1) % CHOICES]
    refused = one.answer(begun.held, {"choices": almost})
    assert refused.result is Result.REFUSED
    again: Any = next_questions(refused.held)
    assert not {each["ask"] for each in again} & {each["ask"] for each in shown}
    assert one.answer(refused.held, {"choices": [9] * ASKED}).result is Result.FAILED
    for wrong in ([0], "00000", None, {"a": 1}):
        with pytest.raises(InvalidRequest):
            one.answer(begun.held, {"choices": wrong})
    assert one.answer(begun.held, {"choices": [True] * ASKED}).result is Result.REFUSED
    draws = {str(Questions().begin(opening(given={"bank": BANK})).shown) for _ in range(20)}
    assert len(draws) == 20
    assert {each["choices"].index(f"right {each['ask'].split()[1][:-1]}") for draw in range(40) for each in _draw(draw)} == set(
        range(CHOICES)
    )


def _draw(seed: int) -> Any:
    return Questions(chance=Random(seed)).begin(opening(given={"bank": BANK})).shown["questions"]


def test_guessing_is_counted_by_trying_every_guess() -> None:
    passing = sum(sum(one == 0 for one in guess) >= RIGHT for guess in product(range(CHOICES), repeat=ASKED))
    once = passing / CHOICES**ASKED
    assert luck() == pytest.approx(1 - (1 - once) ** TRIES)
    assert luck() <= LUCKIEST
    assert luck(right=4) > LUCKIEST, "four of five would be too easy"


@pytest.mark.parametrize(
    "bank",
    [
        None,
        "text",
        BANK[:9],
        [BANK[0]] * 12,
        [*BANK, "text"],
        [*BANK, {**BANK[0], "child_could_not": " "}],
        [*BANK, {**BANK[0], "wrong": ["a", "b", "c"]}],
        [*BANK, {**BANK[0], "wrong": ["a", "b", "c", "Right 0"]}],
        [*BANK, {**BANK[0], "wrong": "abcdef"}],
    ],
)
def test_a_bank_that_could_be_guessed_or_known_is_refused(bank: Any) -> None:
    with pytest.raises(InvalidRequest):
        read_bank(bank)


class Fixed:
    """A provider with one answer."""

    def __init__(self, proof: Proof | None) -> None:
        self.proof = proof

    def begin(self, reference: str, given: Any) -> Any:
        return {"page": reference}

    def result(self, reference: str, answer: Any) -> Proof | None:
        return self.proof


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("card", {"transaction", "notified"}),
        ("phone-call", {"toll_free", "trained"}),
        ("video-call", {"trained"}),
        ("government-id", {"database", "deleted"}),
        ("id-and-face", {"genuine", "face_matches", "trained", "deleted"}),
    ],
)
def test_a_provider_s_word_counts_only_with_what_its_clause_asks(name: str, facts: set[str]) -> None:
    def came_to(proof: Proof | None) -> Outcome:
        one = method(Family(), name, {name: Fixed(proof)})
        return one.answer(one.begin(opening()).held, {})

    assert came_to(Proof(verified=True, facts=frozenset(facts))).result is Result.VERIFIED
    for one in facts:
        lacking = came_to(Proof(verified=True, facts=frozenset(facts - {one})))
        assert lacking.result is Result.REFUSED
        assert one in lacking.because
    assert came_to(Proof(verified=False, facts=frozenset(facts))).result is Result.REFUSED
    assert came_to(None).result is Result.PENDING


def test_a_stand_in_stands_only_where_the_policy_allows_it() -> None:
    bare = method(Family(), "card")
    assert "no provider of card is connected" in str(bare.unfit(()))
    with pytest.raises(InvalidRequest, match="no provider"):
        bare.begin(opening())
    with pytest.raises(InvalidRequest, match="no provider"):
        bare.answer({"reference": "x"}, {"stand_in": "yes"})
    played = method(Family(stand_ins=True), "card")
    begun = played.begin(opening())
    assert "Nobody is verified" in str(begun.shown["stand_in"])
    assert getattr(played, "stand_in", False)
    assert played.answer(begun.held, {"stand_in": "yes"}).result is Result.VERIFIED
    assert played.answer(begun.held, {"stand_in": "no"}).result is Result.REFUSED
    assert played.answer(begun.held, {}).result is Result.PENDING
    real = method(Family(stand_ins=True), "card", {"card": Fixed(Proof(verified=False))})
    assert not getattr(real, "stand_in", True)


TODAY = date(2026, 5, 10)


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        (date(2013, 5, 10), Age.GROWN),
        (date(2013, 5, 11), Age.CHILD),
        (date(2013, 5, 9), Age.GROWN),
        (2012, Age.GROWN),
        (2013, Age.CHILD),
        (2026, Age.CHILD),
        (date(2026, 5, 10), Age.CHILD),
        (date(2026, 5, 11), Age.UNSAID),
        (2027, Age.UNSAID),
        (1850, Age.UNSAID),
        (None, Age.UNSAID),
        (date(2012, 2, 29), Age.GROWN),
    ],
)
def test_the_age_screen_takes_for_a_child_whoever_may_be_one(born: date | int | None, expected: Age) -> None:
    assert screen(born, TODAY, 13) is expected
    assert remembers(expected) == (expected is not Age.GROWN)


def test_the_question_gives_nothing_away_and_a_second_date_changes_nothing() -> None:
    assert not any(letter.isdigit() for letter in QUESTION)
    assert answer(Age.GROWN, "under age") is Age.CHILD
    assert answer(Age.GROWN, "not said") is Age.UNSAID
    assert answer(Age.GROWN, None) is Age.GROWN
