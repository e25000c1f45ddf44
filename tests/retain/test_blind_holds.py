"""A hold of which only the person's number is known can't say which records it keeps: then nothing is swept."""

from __future__ import annotations

import random
from pathlib import Path

from expunge.app import sweeps
from expunge.errors import PlanTrouble
from expunge.journal.records import RequestStatus
from expunge.terms import Identifier
from tests.retain.worlds import make_world, opened_world


def test_nothing_is_swept_under_a_hold_that_names_nobody(tmp_path: Path) -> None:
    with opened_world(tmp_path / "world") as place:
        place.fill(make_world(random.Random(1), 20))
        before = place.rows()
        rooms = place.library.rooms
        (number,) = rooms.journal.register("child", [[Identifier("profile_id", "11")]])
        hold = rooms.journal.place_hold(number, "a court", "case 7")
        (run, *_) = sweeps.sweep(rooms).started[0].runs
        place.library.work(run.id)
        assert not place.library.status(run.id).complete
        (trouble,) = [one for one in place.library.incidents() if one.kind == PlanTrouble.code]
        assert hold.id in trouble.note
        assert "expunge holds place" in trouble.note
        assert place.rows() == before
        rooms.journal.lift_hold(hold.id)
        place.library.work(run.id, reopen=True)
        assert place.library.status(run.id).complete
        assert {one.status for one in rooms.journal.requests(run_id=run.id)} == {RequestStatus.CLOSED}
        assert place.rows() != before
