"""The order of a consent: every sequence of events up to six long, against a grammar written down apart from the code."""

from __future__ import annotations

import re
from functools import cache
from itertools import product

import pytest

from expunge.errors import InvalidRequest
from expunge.journal.consent_states import Event, State, Thread, follow, is_given, may

LETTERS = dict(zip("APGWLXE", Event, strict=True))
LONGEST = 6

BROKEN = "(?:A(?:P)?(?:GX?)?[WE]|[WE])"
"""A no or an end may come at any point."""
LEGAL = re.compile(f"(?:{BROKEN}|A(?:P)?(?:GX|L))*(?:A(?:P)?(?:GX?|L)?)?")
"""Whole rounds that leave room for another asking, then one that may still be under way."""


@cache
def walked(word: str) -> Thread | None:
    """Where a word leads; each of its beginnings is walked once."""
    before = walked(word[:-1]) if word else None
    if not word or before is None:
        return None if word else Thread()
    try:
        return follow(before, LETTERS[word[-1]])
    except InvalidRequest:
        return None


@pytest.mark.parametrize("length", range(LONGEST + 1))
def test_every_sequence_is_legal_or_refused_as_the_grammar_says(length: int) -> None:
    for letters in product("APGWLXE", repeat=length):
        word = "".join(letters)
        thread = walked(word)
        assert (thread is not None) == (LEGAL.fullmatch(word) is not None), word
        if thread is None:
            continue
        assert is_given([thread]) == word.endswith("G"), word
        last = re.sub("[^GWE]", "", word)[-1:]
        assert thread.objects == (last == "W"), "a no stands until the same person's yes, or the end of their say"


def test_a_no_can_be_said_at_any_time_and_a_yes_only_to_what_was_asked() -> None:
    for state in State:
        thread = Thread(state)
        assert follow(thread, Event.WITHDRAWN) == Thread(State.WITHDRAWN, objects=True)
        assert follow(thread, Event.ENDED) == Thread(State.ENDED)
        assert may(thread, Event.GIVEN) == (state in {State.ASKED, State.PENDING})


def test_of_two_guardians_the_stricter_wins_whatever_they_do() -> None:
    words = ["".join(letters) for length in range(4) for letters in product("AGWLE", repeat=length)]
    held = {word: thread for word in words if (thread := walked(word)) is not None}
    for one, mine in held.items():
        for other, theirs in held.items():
            expected = "G" in (one[-1:], other[-1:]) and not (mine.objects or theirs.objects)
            assert is_given([mine, theirs]) == is_given([theirs, mine]) == expected
    assert not is_given([])
