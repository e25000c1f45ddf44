"""Knowledge-based questions: several choices each, drawn anew every time, which a child of twelve could not answer.

16 CFR 312.5(b)(2)(vi): dynamic, multiple-choice questions, a reasonable number of them with an adequate number of possible answers, such
that the probability of correctly guessing is low; and of sufficient difficulty that a child age 12 or younger in the parent's household
could not reasonably ascertain the answers. The operator gives the questions about this parent and says of each why a child would not know;
here it is drawn, shuffled and counted, and a bank that could be passed by guessing is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from random import Random, SystemRandom

from expunge.errors import InvalidRequest
from expunge.family.methods.base import Challenge, Opening, Outcome, Result, tried
from expunge.terms import Json

ASKED = 5
"""Questions of one draw. With five choices each and all but none to be right, chance passes one draw in 3,125."""

CHOICES = 5
"""Choices of a question, the right one among them."""

RIGHT = 5
"""So many must be right: all of them. With four of five, chance would pass one draw in 149."""

TRIES = 2
"""Draws of one asking: a slip is forgiven once."""

LUCKIEST = 0.001
"""The greatest chance that guessing passes one asking. The rule says "low"; this is our reading, one in a thousand."""


@dataclass(frozen=True, slots=True, repr=False)
class Question:
    """One question about the parent: what is asked, the right answer, wrong ones, and why a child of twelve would not know."""

    ask: str
    right: str
    wrong: tuple[str, ...]
    child_could_not: str

    def __repr__(self) -> str:
        """Nothing of it: the answer is about a person."""
        return f"Question({len(self.wrong)} wrong)"


def luck(asked: int = ASKED, choices: int = CHOICES, right: int = RIGHT, tries: int = TRIES) -> float:
    """The probability that somebody who guesses passes: the upper tail of a binomial distribution, once per try."""
    chance = 1 / choices
    once = sum(comb(asked, hits) * chance**hits * (1 - chance) ** (asked - hits) for hits in range(right, asked + 1))
    return float(1 - (1 - once) ** tries)


def read_bank(bank: Json) -> tuple[Question, ...]:
    """The questions that the operator gives: ``[{ask, right, wrong: […], child_could_not}, …]``.

    Raises:
        InvalidRequest: one is not whole, has too few wrong answers or one twice, or there are too few to draw from.
    """
    if not isinstance(bank, Sequence) or isinstance(bank, str):
        raise InvalidRequest("a bank of questions is a list")
    found = tuple(_question(one, place) for place, one in enumerate(bank))
    if len({one.ask for one in found}) < ASKED * TRIES:
        raise InvalidRequest(f"a bank has at least {ASKED * TRIES} different questions, so that no draw repeats another")
    return found


@dataclass(frozen=True, slots=True)
class Questions:
    """The method. ``chance`` draws and shuffles; the system's own source, if not given."""

    name: str = "questions"
    clause: str = "16 CFR 312.5(b)(2)(vi)"
    chance: Random | None = None

    def unfit(self, discloses: Sequence[str]) -> str | None:
        """Fit for every consent."""
        del discloses
        return None

    def begin(self, opening: Opening) -> Challenge:
        """Draw the first questions from the bank (``given["bank"]``), shuffled, and show them without saying which answer is right."""
        bank = read_bank(opening.given.get("bank"))
        chance = self.chance or SystemRandom()
        rest = chance.sample(bank, ASKED * TRIES)
        draws = [[_drawn(one, chance) for one in rest[start : start + ASKED]] for start in range(0, len(rest), ASKED)]
        return Challenge({"questions": _shown(draws[0])}, {"draws": draws, "tries": 0})

    def answer(self, held: Mapping[str, Json], answer: Mapping[str, Json]) -> Outcome:
        """Judge one choice per question (``choices``, numbers from 0). After a refused try the next draw is shown: ``next``."""
        draws, tries, given = held["draws"], int(str(held["tries"])), answer.get("choices")
        assert isinstance(draws, Sequence)
        draw = draws[tries]
        assert isinstance(draw, Sequence)
        if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != len(draw):
            raise InvalidRequest(f"the answer is {len(draw)} choices, one per question")
        hits = sum(choice == one["right"] and not isinstance(choice, bool) for one, choice in zip(draw, given, strict=True))  # type: ignore[index,call-overload,unused-ignore]  # our own JSON
        if hits >= RIGHT:
            return Outcome(Result.VERIFIED, evidence=repr([list(given), tries]).encode())
        return tried(held, TRIES, "too few answers were right")


def next_questions(held: Mapping[str, Json]) -> Json:
    """The questions of the draw that is next, as they are shown."""
    draws = held["draws"]
    assert isinstance(draws, Sequence)
    return _shown(draws[int(str(held["tries"]))])


def _question(written: Json, place: int) -> Question:
    where = f"question {place + 1}"
    if not isinstance(written, Mapping):
        raise InvalidRequest("is a mapping of ask, right, wrong and child_could_not", where=where)
    ask, right, why = (written.get(key) for key in ("ask", "right", "child_could_not"))
    wrong = written.get("wrong")
    if (
        not all(isinstance(one, str) and one.strip() for one in (ask, right, why))
        or not isinstance(wrong, Sequence)
        or isinstance(wrong, str)
    ):
        raise InvalidRequest("lacks ask, right, a list of wrong answers, or why a child could not know (child_could_not)", where=where)
    others = tuple(dict.fromkeys(str(one) for one in wrong if str(one).strip().casefold() != str(right).strip().casefold()))
    if len(others) < CHOICES - 1:
        raise InvalidRequest(f"has fewer than {CHOICES - 1} wrong answers that differ", where=where)
    return Question(str(ask), str(right), others, str(why))


def _drawn(one: Question, chance: Random) -> dict[str, Json]:
    choices = [one.right, *chance.sample(one.wrong, CHOICES - 1)]
    chance.shuffle(choices)
    return {"ask": one.ask, "choices": list(choices), "right": choices.index(one.right)}


def _shown(draw: Json) -> Json:
    assert isinstance(draw, Sequence)
    return [{"ask": one["ask"], "choices": one["choices"]} for one in draw if isinstance(one, Mapping)]


assert luck() <= LUCKIEST
