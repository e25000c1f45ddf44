"""The family's words on a journal in PostgreSQL: every statement of theirs once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from expunge.app.families import Families
from expunge.app.ingesting import door
from expunge.family.age_screen import Age
from expunge.journal.letters import LetterState
from expunge.testing.clock import FakeClock
from tests.erase.toy import sql
from tests.family.home import TO, agreed, home, opened
from tests.ingest.test_door import stranger, voice

DAY = timedelta(days=1)
KIM, LOU, MUM, DAD = "child:100", "child:101", "adult:10", "adult:11"


@pytest.mark.postgresql
def test_a_family_on_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    clock = FakeClock(datetime(2026, 1, 10, tzinfo=UTC))
    family = {"asking": "ask", "unattributed": "household", "guardians": "app.pairs", "stand_ins": "allowed", "lasts": "1 year"}
    place = home(tmp_path / "home", control={"journal": postgresql_url}, family=family)
    with opened(place, clock) as library:
        words = Families(library)
        agreed(words)
        assert [one.why for one in door(library).admit([voice(), stranger()])] == [None, None]
        assert words.screen_age("device", date(2020, 1, 1)) is Age.CHILD
        assert words.screen_age("device", date(1980, 1, 1)) is Age.CHILD
        words.claim("app.clips/c2", KIM, "household:1")
        asked = words.ask(LOU, DAD, "email-plus", to=TO)
        (letter,) = library.rooms.journal.take_letters(10, timedelta(minutes=5))
        library.rooms.journal.settle_letter(letter, LetterState.SENT)
        words.answer(asked.id, {"code": letter.fields["code"]})
        clock.tick(DAY)
        for one in library.rooms.journal.take_letters(10, timedelta(minutes=5)):
            library.rooms.journal.settle_letter(one, LetterState.DELIVERED)
        assert words.settle().confirmed == 1
        words.withdraw(KIM, MUM, ["improve"])
        clock.tick(31 * DAY)
        assert words.settle().filed == 1, "the claimed recording's time is over"
        library.work()
        assert sql(place, "select id from clips order by id") == [("c1",), ("c3",), ("c4",)]
        assert sql(place, "select id from clicks") == [(2,)]
        clock.tick(366 * DAY)
        assert words.settle().expired == 5
        told = {one.text: (one.agreed, len(one.claims)) for one in words.household("household:1").members}
        assert told == {"adult:10": ((), 0), "adult:11": ((), 0), KIM: ((), 1), LOU: ((), 0)}
