"""The registers of holds and of undo windows, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from expunge.errors import ApprovalNeeded, InvalidRequest, TooLate, UnknownRequest
from expunge.journal import Journal
from expunge.journal.records import Filing, Hold, NewHold, NewWindow, RequestStatus
from expunge.journal.windows import AGREES, OBJECTS
from expunge.terms import Identifier, Json
from expunge.testing.clock import FakeClock
from expunge.testing.sealer import MemorySealer

DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'control.db'}"
    else:
        url = str(request.getfixturevalue("postgresql_url"))
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()
    opened = Journal.open(url, clock=FakeClock(), sealer=MemorySealer(), lookup_key=bytes(range(32)))
    yield opened
    opened.close()


def clock_of(journal: Journal) -> FakeClock:
    assert isinstance(journal._clock, FakeClock)
    return journal._clock


def people(journal: Journal, count: int) -> list[int]:
    return journal.register("child", [[Identifier("profile_id", str(number))] for number in range(count)])


def placed(journal: Journal, subject: int, *, whole: bool = True, days: int = 100, gag_until: datetime | None = None) -> Hold:
    now = clock_of(journal).now()
    packed: Json = [{"kind": "child", "number": subject, "identifiers": [["profile_id", "7"]]}]
    items = () if whole else ("app.clips/1",)
    asked = NewHold(
        subject=subject,
        authority="order 7",
        reason="why",
        asked_by="legal:jane",
        asked_until=now + days * DAY,
        until=now + 3 * DAY,
        whole=whole,
        members=False,
        scope={},
        people=packed,
        items=items,
        gag_until=gag_until,
    )
    return journal.ask_hold(asked)


def test_a_holds_life(journal: Journal) -> None:
    one, two = people(journal, 2)
    assert journal.newest_hold() is None
    hold = placed(journal, one)
    narrow = placed(journal, two, whole=False)
    assert journal.newest_hold() == narrow.number > hold.number
    assert (journal.held([one, two]), journal.held([one, two], narrowed=True)) == ({one}, {one, two})
    assert [(held.people, held.items) for held in journal.standing_holds()][1][1] == ("app.clips/1",)
    with pytest.raises(ApprovalNeeded):
        journal.confirm_hold(hold.id, "legal:jane")
    with pytest.raises(InvalidRequest, match="nobody has confirmed"):
        journal.renew_hold(hold.id, "legal:jane", "order 8", clock_of(journal).now() + 9 * DAY)
    confirmed = journal.confirm_hold(hold.id, "privacy:omar")
    assert confirmed.until == hold.asked_until
    clock_of(journal).tick(3 * DAY)
    assert journal.held([one, two], narrowed=True) == {one}, "the other lapsed"
    with pytest.raises(InvalidRequest, match="has ended"):
        journal.confirm_hold(narrow.id, "privacy:omar")
    assert journal.end_holds() == 1
    assert journal.end_holds() == 0
    renewed = journal.renew_hold(hold.id, "legal:jane", "order 8", hold.placed_at + 200 * DAY)
    assert renewed.until == confirmed.until
    assert journal.confirm_hold(hold.id, "privacy:omar").until == hold.placed_at + 200 * DAY
    journal.lift_hold(hold.id, "legal:jane")
    assert [word["word"] for word in journal.hold_words(hold.id)] == ["placed", "confirmed", "renewal asked", "confirmed", "lifted"]
    assert journal.held([one]) == set()
    assert [held.id for held in journal.all_holds()] == [hold.id, narrow.id]
    with pytest.raises(UnknownRequest):
        journal.hold("hold_none")
    with pytest.raises(UnknownRequest):
        journal.confirm_hold("hold_none", "x:y")


def test_who_joins_is_held_and_never_let_out(journal: Journal) -> None:
    one, two = people(journal, 2)
    placed(journal, one)
    (hold,) = journal.standing_holds()
    assert isinstance(hold.people, list)
    journal.widen_hold(hold, [*hold.people, {"kind": "child", "number": two, "identifiers": [["profile_id", "1"]]}])
    assert journal.held([one, two]) == {one, two}
    (again,) = journal.standing_holds()
    assert isinstance(again.people, list)
    assert len(again.people) == 2


def test_a_gags_end_is_told_once(journal: Journal) -> None:
    (one,) = people(journal, 1)
    hold = placed(journal, one, gag_until=clock_of(journal).now() + 10 * DAY)
    journal.confirm_hold(hold.id, "privacy:omar")
    assert journal.untold_holds() == []
    clock_of(journal).tick(10 * DAY)
    assert [held.id for held in journal.untold_holds()] == [hold.id]
    journal.hold_told(hold.id)
    assert journal.untold_holds() == []


def test_a_request_waits_for_the_first_of_its_holds_to_end(journal: Journal) -> None:
    one, two = people(journal, 2)
    first, second = placed(journal, one), placed(journal, two)
    (request,) = journal.file([Filing("erase", one, "child", {}, "parent", "signed in")])
    assert journal.kept_back([request.id]) == set()
    journal.keep_back([request.id], [first.id, second.id])
    journal.keep_back([request.id], [first.id, second.id])
    assert journal.kept_back([request.id, "req_none"]) == {request.id}
    journal.lift_hold(second.id)
    assert journal.kept_back([request.id]) == set()


def filed(journal: Journal, *subjects: int, household: bool = False, asked_by: int | None = None) -> list[str]:
    until = clock_of(journal).now() + 7 * DAY
    window = NewWindow(until, household, asked_by)
    filings = [Filing("erase", one, "child", {}, "parent", "signed in", attached=[{"n": one}], window=window) for one in subjects]
    return [request.id for request in journal.file(filings)]


def test_a_windows_life(journal: Journal) -> None:
    clock = clock_of(journal)
    first, second, third = filed(journal, *people(journal, 3))
    assert journal.not_yet_hidden(clock.now() - timedelta(seconds=1)) == []
    assert journal.not_yet_hidden(clock.now()) == sorted([first, second, third])
    assert journal.hidden([first, second]) == set()
    assert journal.not_yet_hidden(clock.now()) == [third]
    journal.begin_undo(second, "two operators")
    assert journal.begin_undo(second, "two operators").status is RequestStatus.UNDOING
    assert journal.hidden([second, third]) == {second}, "to be shown again by who was hiding it"
    assert (journal.undo_log_size(second, 5), journal.undo_log_size(second, 9)) == (5, 5)
    journal.finish_undo(second)
    journal.set_request_status([second], RequestStatus.UNDONE)
    assert journal.request(second).scope_destroyed
    assert {one.request_id for one in journal.windows(status=RequestStatus.HIDDEN)} == {first, third}
    assert [one.request_id for one in journal.windows(ids=[second, "req_none"])] == [second]
    clock.tick(7 * DAY)
    with pytest.raises(TooLate, match="could be undone until"):
        journal.begin_undo(first, "x")
    assert journal.end_windows() == 0
    clock.tick(timedelta(minutes=1))
    assert journal.end_windows() == 2
    with pytest.raises(TooLate, match="received"):
        journal.begin_undo(first, "x")
    (plain,) = journal.file([Filing("access", people(journal, 1)[0], "child", {}, "parent", "signed in")])
    with pytest.raises(TooLate, match="at once"):
        journal.window(plain.id)
    with pytest.raises(UnknownRequest):
        journal.window("req_none")


def test_members_words(journal: Journal) -> None:
    clock = clock_of(journal)
    one, two, three = people(journal, 3)
    (request,) = filed(journal, one, household=True, asked_by=two)
    journal.hidden([request])
    assert journal.window(request).words == {two: AGREES}
    with pytest.raises(InvalidRequest, match="nobody objects"):
        journal.decide_erasure(request, "ann")
    objected = journal.say_to_erasure(request, three, OBJECTS)
    assert objected.objected_at == clock.now()
    clock.tick(8 * DAY)
    assert journal.end_windows() == 0
    assert journal.say_to_erasure(request, three, AGREES, clock.now() + DAY).until == objected.until, "never later"
    assert journal.end_windows() == 1
