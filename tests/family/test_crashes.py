"""Stopped between any two writes to the journal: what was answered may have to be answered again, and nothing is given, kept or lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from expunge.app.families import Families
from expunge.app.library import Expunge
from expunge.errors import InvalidRequest
from expunge.testing.clock import FakeClock
from tests.erase.toy import sql
from tests.family.home import home, opened

KIM, MUM = "child:100", "adult:10"


class Stopped(BaseException):
    """The process ends here."""


@contextmanager
def stopping(library: Expunge, after: int) -> Iterator[None]:
    """Let so many transactions that write be durable, and end before the next."""
    database: Any = library.rooms.journal._database
    real, left = database.writing, after

    def writing() -> Any:
        nonlocal left
        if left == 0:
            raise Stopped
        left -= 1
        return real()

    database.writing = writing
    try:
        yield
    finally:
        database.writing = real


@pytest.mark.parametrize("after", [0, 1, 2, 3, pytest.param(4, marks=pytest.mark.slow), pytest.param(5, marks=pytest.mark.slow)])
def test_an_answer_that_is_cut_off_is_given_again_or_was_given(tmp_path: Path, after: int) -> None:
    place = home(tmp_path / "home")
    with opened(place) as library:
        asked = Families(library).ask(KIM, MUM, "card", ["respond", "improve"])
        try:
            with stopping(library, after):
                Families(library).answer(asked.id, {"stand_in": "yes"}, ["respond"])
        except Stopped:
            pass
    with opened(place) as library:
        family = Families(library)
        try:
            family.answer(asked.id, {"stand_in": "yes"}, ["respond"])
        except InvalidRequest:
            assert after > 0, "it had ended"
        family.settle()
        assert family.admits([KIM], "respond").subjects
        assert not family.admits([KIM], "improve").subjects
        (asking,) = family.show(KIM).askings
        assert (asking.held, asking.leaf is not None, asking.destroyed_at is not None) == (None, True, True)


@pytest.mark.parametrize("after", [0, 1, 2, 3, pytest.param(4, marks=pytest.mark.slow), pytest.param(5, marks=pytest.mark.slow)])
def test_a_no_that_is_cut_off_holds_as_soon_as_it_is_durable_and_is_carried_out(tmp_path: Path, after: int) -> None:
    place = home(tmp_path / "home")
    with opened(place) as library:
        family = Families(library)
        asked = family.ask(KIM, MUM, "card")
        family.answer(asked.id, {"stand_in": "yes"})
        try:
            with stopping(library, after):
                family.withdraw(KIM, MUM, ["improve"])
        except Stopped:
            pass
    with opened(place) as library:
        family = Families(library)
        said = not family.admits([KIM], "improve").subjects
        assert said or after < 4, "what was returned from is durable"
        family.settle()
        library.work()
        assert sql(place, "select id from clicks") == ([(2,)] if said else [(1,), (2,)])
        assert family.admits([KIM], "respond").subjects


def test_two_who_ask_at_once_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(home(tmp_path / "home"), FakeClock()) as library:
        family = Families(library)
        real = library.rooms.journal.record_consents

        def other_first(*words: Any, **more: Any) -> int:
            monkeypatch.undo()
            family.ask(KIM, MUM, "card", ["respond"])
            return real(*words, **more)

        monkeypatch.setattr(library.rooms.journal, "record_consents", other_first)
        with pytest.raises(InvalidRequest, match="can't be 'asked'"):
            family.ask(KIM, MUM, "card", ["respond"])
        outcomes = {one.outcome: (one.held is None, one.leaf is not None) for one in family.show(KIM).askings}
        assert outcomes == {"void": (True, True), None: (False, False)}
