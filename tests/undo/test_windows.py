"""Undo windows: hidden at once, destroyed after, taken back in between by whoever may; a household needs more than one word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from expunge.app import holding, undoing
from expunge.app.library import Expunge
from expunge.app.undoing import Undoer
from expunge.erase.telling import Message
from expunge.errors import ApprovalNeeded, InvalidRequest, KeyDestroyed, KeySealed, TooLate, UnknownRequest
from expunge.journal.records import RequestStatus
from expunge.terms import Identifier, Scope
from expunge.testing.clock import FakeClock
from tests.erase.toy import opened, sql
from tests.faults.killing import Place
from tests.holds.said import Command

START = datetime(2026, 5, 1, tzinfo=UTC)
BRIEFLY = timedelta(seconds=1)
DAY = timedelta(days=1)
OLD = Undoer("data subject", device_known_since=START - timedelta(days=30))
OPERATORS = Undoer("ann", second="bob")


def asked(library: Expunge, *subjects: str, **more: Any) -> str:
    started = undoing.request(library, subjects, **more)
    assert started.outcomes == dict.fromkeys(range(len(subjects)), "hidden")
    assert not started.runs
    assert started.requests[0] is not None
    return started.requests[0].id


def refused(library: Expunge, child: int) -> bool:
    """What every door asks."""
    return bool(library.rooms.register.match([Identifier("profile_id", str(child))]))


def number_of(library: Expunge, child: int) -> int:
    return library.rooms.journal.numbers([Identifier("profile_id", str(child))])[Identifier("profile_id", str(child))]


def readable(library: Expunge, number: int) -> bool:
    try:
        library.rooms.keys.seal("subject", number, b"x", bound_to=b"x")
    except KeySealed:
        return False
    return True


def status(library: Expunge, request: str) -> RequestStatus:
    return library.rooms.journal.request(request).status


def test_what_is_asked_for_is_hidden_and_destroyed_when_the_window_has_ended(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        request = asked(library, "child:11")
        number = number_of(library, 11)
        assert refused(library, 11)
        assert not readable(library, number)
        assert undoing.request(library, ["child:11"]).outcomes == {0: "duplicate"}
        clock.tick(7 * DAY)
        library.work(patience=BRIEFLY)
        assert status(library, request) is RequestStatus.HIDDEN, "workers' clocks may differ by a minute"
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(3,)]
        clock.tick(timedelta(minutes=1))
        library.work(patience=BRIEFLY)
        assert status(library, request) is RequestStatus.CLOSED
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(0,)]
        with pytest.raises(TooLate, match="closed"):
            undoing.undo(library, request, OPERATORS)
        with pytest.raises(KeyDestroyed):
            library.rooms.keys.seal("subject", number, b"x", bound_to=b"x")
        library.rooms.keys.unhide("subject", [number])
        with pytest.raises(KeyDestroyed):
            library.rooms.keys.seal("subject", number, b"x", bound_to=b"x")
        assert not library.incidents()


def test_undone_within_the_window_everything_is_as_before(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        request = asked(library, "adult:11")
        (number,) = library.rooms.journal.numbers([Identifier("person_id", "11")]).values()
        clock.tick(6 * DAY)
        window = undoing.undo(library, request, OLD)
        assert (window.status, window.undone_at) == (RequestStatus.UNDONE, clock.now())
        assert undoing.undo(library, request, OLD) == window, "twice is once"
        assert not library.rooms.register.match([Identifier("person_id", "11")])
        assert readable(library, number)
        clock.tick(30 * DAY)
        library.work(patience=BRIEFLY)
        assert sql(place, "select count(*) from people where id = 11") == [(1,)]
        assert not library.runs()
        assert sum(b'"undo/1"' in one for one in library.rooms.log.entries()) == 1
        templates = [one.template for one in library.rooms.journal.letters()]
        assert sorted(templates) == ["erasure-planned", "erasure-undone"]
        library.check_log()
        again = asked(library, "adult:11")
        assert again != request
        assert library.rooms.register.match([Identifier("person_id", "11")])


def test_who_may_undo(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        request = asked(library, "child:11")
        clock.tick(6 * DAY)
        for since in (START - timedelta(hours=71), START + DAY, None):
            with pytest.raises(ApprovalNeeded, match="72 hours before"):
                undoing.undo(library, request, Undoer("data subject", device_known_since=since))
        with pytest.raises(ApprovalNeeded, match="this is one"):
            undoing.undo(library, request, Undoer("ann", second="Ann"))
        with pytest.raises(UnknownRequest):
            undoing.undo(library, "req_none", OPERATORS)
        assert refused(library, 11)
        undoing.undo(library, request, OPERATORS)
        assert not refused(library, 11)
        assert b"ann" not in b"".join(library.rooms.log.entries())


def test_an_undoing_shows_nothing_that_another_request_hides(place: Place) -> None:
    with opened(place, FakeClock(START)) as library:
        child, house = asked(library, "child:11"), asked(library, "household:1")
        one, other = number_of(library, 11), number_of(library, 12)
        undoing.undo(library, house, OLD)
        assert (refused(library, 11), refused(library, 12)) == (True, False)
        assert (readable(library, one), readable(library, other)) == (False, True)
        undoing.undo(library, child, OLD)
        assert not refused(library, 11)
        assert readable(library, one)


def test_a_narrow_request_can_be_undone_too(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        item = Identifier("item", "app.clips/c11-1")
        request = asked(library, "child:11", scope=Scope(items=("app.clips/c11-1",)))
        assert library.rooms.register.match([item])
        assert readable(library, number_of(library, 11)), "one clip hides no key"
        undoing.undo(library, request, OLD)
        assert not library.rooms.register.match([item])
        request = asked(library, "child:11", scope=Scope(items=("app.clips/c11-1",)))
        clock.tick(8 * DAY)
        library.work(patience=BRIEFLY)
        assert sql(place, "select id from clips where profile_id = 11 order by id") == [("c11-0",), ("c11-2",)]


def test_a_clock_that_is_put_back_shortens_no_window(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        request = asked(library, "child:11")
        until = library.rooms.journal.window(request).until
        clock.tick(6 * DAY)
        clock.set(START - 20 * DAY)
        library.work(patience=BRIEFLY)
        assert status(library, request) is RequestStatus.HIDDEN
        clock.set(until)
        library.work(patience=BRIEFLY)
        assert status(library, request) is RequestStatus.HIDDEN
        clock.tick(timedelta(minutes=1))
        library.work(patience=BRIEFLY)
        assert status(library, request) is RequestStatus.CLOSED


def test_who_died_while_hiding_or_showing_is_helped_within_a_minute(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        lay, library.rooms.register.lay = library.rooms.register.lay, lambda _: 1 / 0  # type: ignore[method-assign, assignment]  # it dies here
        with pytest.raises(ZeroDivisionError):
            undoing.request(library, ["child:11"])
        library.rooms.register.lay = lay  # type: ignore[method-assign]  # another worker
        (window,) = undoing.open_windows(library)
        assert window.hidden_at is None
        library.work(patience=BRIEFLY)
        assert not refused(library, 11), "whoever files may still be at it"
        clock.tick(timedelta(seconds=10))
        library.work(patience=BRIEFLY)
        assert refused(library, 11)
        library.rooms.journal.begin_undo(window.request_id, "two operators")
        library.work(patience=BRIEFLY)
        assert status(library, window.request_id) is RequestStatus.UNDONE
        assert not refused(library, 11)


def test_what_comes_from_a_term_or_an_order_has_no_window(place: Place) -> None:
    with opened(place, FakeClock(START)) as library:
        started, (standing,) = library.erase(["child:11"], patience=BRIEFLY)
        assert standing.complete
        assert started.requests[0] is not None
        with pytest.raises(TooLate, match="at once"):
            undoing.undo(library, started.requests[0].id, OPERATORS)


def test_a_household_waits_a_month_or_a_week_after_a_second_adult_agreed(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        with pytest.raises(InvalidRequest, match="adult member"):
            undoing.request(library, ["household:1"], asked_by="adult:21")
        with pytest.raises(InvalidRequest, match="adult member"):
            undoing.request(library, ["household:1"], asked_by="child:11")
        request = asked(library, "household:1", asked_by="adult:11")
        assert library.rooms.journal.window(request).until == START + 30 * DAY
        letters = library.rooms.journal.letters()
        assert [one.template for one in letters] == ["household-erasure-planned"] * 2, "every adult is told"
        clock.tick(2 * DAY)
        with pytest.raises(InvalidRequest, match="adult member"):
            undoing.agree(library, request, by="child:11")
        assert undoing.agree(library, request, by="adult:11").until == START + 30 * DAY, "who asked is no second one"
        assert undoing.agree(library, request, by="adult:email=p12@toy.example").until == START + 9 * DAY
        clock.tick(7 * DAY)
        library.work(patience=BRIEFLY)
        clock.tick(timedelta(minutes=1))
        library.work(patience=BRIEFLY)
        assert status(library, request) is RequestStatus.CLOSED
        assert sql(place, "select count(*) from profiles where household_id = 1") == [(0,)]


def test_without_a_second_adult_a_household_goes_after_the_wait(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        request = asked(library, "household:1")
        clock.tick(29 * DAY)
        library.work(patience=BRIEFLY)
        assert status(library, request) is RequestStatus.HIDDEN
        clock.tick(DAY + timedelta(minutes=1))
        library.work(patience=BRIEFLY)
        assert status(library, request) is RequestStatus.CLOSED


def test_a_member_who_objects_stops_it_until_two_operators_have_decided(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        request = asked(library, "household:1", asked_by="adult:11")
        with pytest.raises(InvalidRequest, match="nobody objects"):
            undoing.decide(library, request, by="ann", second="bob")
        with pytest.raises(InvalidRequest, match="member of the household"):
            undoing.object_to(library, request, by="adult:21")
        window = undoing.object_to(library, request, by="adult:12")
        assert undoing.waits_for(window) == "an operator"
        (incident,) = library.incidents()
        assert (incident.kind, incident.owner) == ("household-objection", "privacy engineer")
        clock.tick(60 * DAY)
        library.work(patience=BRIEFLY)
        assert status(library, request) is RequestStatus.HIDDEN
        with pytest.raises(ApprovalNeeded):
            undoing.decide(library, request, by="ann", second="ANN")
        undoing.decide(library, request, by="ann", second="bob")
        assert not library.incidents()
        library.work(patience=BRIEFLY)
        assert status(library, request) is RequestStatus.CLOSED


def test_an_objection_can_be_withdrawn_or_be_followed_by_an_undoing(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        request = asked(library, "household:1", asked_by="adult:11")
        undoing.object_to(library, request, by="child:12")
        undoing.object_to(library, request, by="adult:12")
        window = undoing.agree(library, request, by="adult:12")
        assert undoing.waits_for(window) == "an operator", "the child still objects"
        clock.tick(60 * DAY)
        undoing.undo(library, request, OPERATORS)
        assert status(library, request) is RequestStatus.UNDONE
        assert not library.incidents()
        request = asked(library, "household:2")
        undoing.object_to(library, request, by="adult:22")
        assert undoing.waits_for(undoing.agree(library, request, by="adult:22")) is None
        assert not library.incidents()


def test_words_on_what_is_no_household_are_refused(place: Place) -> None:
    with opened(place, FakeClock(START)) as library:
        request = asked(library, "child:11")
        for act in (undoing.agree, undoing.object_to):
            with pytest.raises(InvalidRequest, match="not for a whole household"):
                act(library, request, by="adult:11")


def test_a_hold_keeps_what_is_hidden_from_being_destroyed(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        words: dict[str, Any] = {"until": START + 60 * DAY, "authority": "order 7", "reason": "proceedings"}
        placed = holding.place(library, "child:11", Scope(), by="legal:jane", **words)
        holding.confirm(library, placed.id, by="privacy:omar")
        request = asked(library, "child:11")
        assert refused(library, 11), "a hold stops destruction and opens nothing"
        assert not readable(library, number_of(library, 11))
        clock.tick(8 * DAY)
        library.work(patience=BRIEFLY)
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(3,)]
        clock.tick(60 * DAY)
        library.work(patience=BRIEFLY)
        assert status(library, request) is RequestStatus.CLOSED
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(0,)]


def test_at_the_command_line(place: Place, command: Command) -> None:
    said = command("erase", "child:11", "household:2", "--json")
    assert said.status == 82
    listed = command("undoable", "--json").json
    assert [(one["household"], one["status"]) for one in listed] == [(False, "hidden"), (True, "hidden")]
    child, house = (one["request"] for one in listed)
    assert command("undo", child).status == 34
    assert command("undo", child, "--device-known-since", "2020-01-01").status == 0
    assert command("undo", child, "--device-known-since", "2020-01-01", "--json").json["status"] == "undone"
    assert command("household", "agree", house, "--by", "adult:21").status == 0
    assert "waits for an operator" in command("household", "object", house, "--by", "adult:22").out
    assert command("household", "decide", house, "--by", "ann", "--second", "bob", "--json").json["waits_for"] is None
    assert house in command("undoable").out
    assert command("erase", "child:12", "--now").status == 0
    assert sql(place, "select count(*) from profiles where id in (11, 12)") == [(1,)]
    assert command("undo", "req_none", "--second", "bob").status == 32


def test_an_undoing_that_was_logged_before_a_crash_is_logged_once(place: Place) -> None:
    with opened(place, FakeClock(START)) as library:
        request = asked(library, "adult:11")
        journal = library.rooms.journal
        finish, journal.finish_undo = journal.finish_undo, lambda _: 1 / 0  # type: ignore[method-assign, assignment]  # it dies here
        with pytest.raises(ZeroDivisionError):
            undoing.undo(library, request, OLD)
        journal.finish_undo = finish  # type: ignore[method-assign]  # another worker
        library.work(patience=BRIEFLY)
        assert status(library, request) is RequestStatus.UNDONE
        assert sum(b'"undo/1"' in one for one in library.rooms.log.entries()) == 1
        with pytest.raises(TooLate, match="undone"):
            undoing.object_to(library, asked_and_undone(library), by="adult:22")


def asked_and_undone(library: Expunge) -> str:
    request = asked(library, "household:2")
    undoing.undo(library, request, OLD)
    return request


def test_a_message_shows_nothing_of_itself() -> None:
    assert repr(Message([{"kind": "child"}], "erasure-undone", {}, "request x", "once")) == "Message('erasure-undone')"
