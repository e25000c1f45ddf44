"""Holds of a scope: the run goes on for what is not held, and when the hold ends, the rest goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from expunge.app import holding
from expunge.app.library import Expunge
from expunge.errors import ApprovalNeeded, InvalidRequest, KeySealed, UnknownRequest, UnknownSubject
from expunge.journal.records import RequestStatus, StepStatus
from expunge.terms import Identifier, Scope, Span
from expunge.testing.clock import FakeClock
from tests.erase.toy import SOON, opened, rows_of, sql, statement_of
from tests.faults.killing import Place
from tests.holds.said import Command

START = datetime(2026, 5, 1, tzinfo=UTC)
BRIEFLY = timedelta(seconds=1)
MONTH = START + timedelta(days=30)
VOICE = Scope(("user.biometric.voice",))


def hold(library: Expunge, subject: str, scope: Scope, **more: Any) -> str:
    options = {"until": library.rooms.clock.now() + timedelta(days=30), "authority": "order 7 of a court", "reason": "proceedings"}
    placed = holding.place(library, subject, scope, by="legal:jane", **{**options, **more})
    return holding.confirm(library, placed.id, by="privacy:omar").id


def files(place: Place, child: int) -> list[str]:
    return sorted(path.name for path in (place.folder / "media/voice" / str(child)).glob("*.wav"))


def test_the_run_goes_on_for_what_is_not_held_and_the_rest_goes_when_the_hold_ends(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        hold(library, "child:11", Scope(items=("app.clips/c11-1",)))
        started, (standing,) = library.erase(["child:11", "child:12"], patience=BRIEFLY)
        assert (started.outcomes, standing.complete) == ({}, True)
        assert sql(place, "select id from clips where profile_id in (11, 12)") == [("c11-1",)]
        assert sql(place, "select id from profiles where id in (11, 12)") == [(11,)], "whose clip it is, is kept with it"
        assert files(place, 11) == ["c11-1.wav"], "and what was made from it"
        assert {row["erased"] for row in rows_of(statement_of(library, standing)).values()} == {5, 1}
        (number,) = library.rooms.journal.register("child", [[Identifier("profile_id", "11")]])
        with pytest.raises(KeySealed):
            library.rooms.keys.unseal("subject", number, b"", bound_to=b"")
        (rest,) = library.rooms.journal.requests(status=RequestStatus.HELD)
        assert rest.subject == number
        library.work(patience=BRIEFLY)
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(1,)]
        clock.tick(timedelta(days=30))
        library.work(patience=BRIEFLY)
        assert library.rooms.journal.request(rest.id).status is RequestStatus.CLOSED
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(0,)]
        assert sql(place, "select count(*) from profiles where id = 11") == [(0,)]
        assert files(place, 11) == []
        assert library.rooms.journal.numbers([Identifier("profile_id", "11")]) == {}, "nobody knows them any more"
        assert not library.incidents()
        library.check_log()


@pytest.mark.parametrize("lifted", [True, False])
def test_of_two_holds_the_first_end_frees_what_only_it_kept(place: Place, lifted: bool) -> None:  # noqa: FBT001  # a parameter
    clock = FakeClock(START)
    with opened(place, clock) as library:
        first = hold(library, "child:11", Scope(items=("app.clips/c11-1",)), until=START + timedelta(days=10))
        hold(library, "child:11", Scope(items=("app.clips/c11-2",)))
        library.erase(["child:11"], patience=BRIEFLY)
        assert sql(place, "select id from clips where profile_id = 11 order by id") == [("c11-1",), ("c11-2",)]
        if lifted:
            holding.lift(library, first, by="legal:jane")
        else:
            clock.tick(timedelta(days=10))
        library.work(patience=BRIEFLY)
        assert sql(place, "select id from clips where profile_id = 11") == [("c11-2",)]
        assert all(library.status(run.id).complete for run in library.runs())
        clock.tick(timedelta(days=30))
        library.work(patience=BRIEFLY)
        assert sql(place, "select id from clips where profile_id = 11") == []
        assert sql(place, "select id from profiles where id = 11") == []


def test_a_category_of_a_household_is_held_for_whoever_joins_it(place: Place) -> None:
    with opened(place, FakeClock(START)) as library:
        hold(library, "household:1", VOICE)
        sql(place, "insert into profiles values (19, 1, 11, 'joined later')")
        sql(place, "insert into clips values ('c19-0', 19, 'hello')")
        voice = place.folder / "media/voice/19/c19-0.wav"
        voice.parent.mkdir(parents=True)
        voice.write_bytes(b"later")
        library.erase(["child:19", "household:1"], patience=BRIEFLY)
        assert files(place, 19) == ["c19-0.wav"]
        assert len(files(place, 11)) == 3
        assert sql(place, "select id from messages where sender_id in (11, 12)") == [], "what has no voice in it is gone"
        assert sql(place, "select id from households where id = 1") == [(1,)]
        assert all(library.status(run.id).complete for run in library.runs())


def test_everything_of_a_household_is_held_for_whoever_joins_it(place: Place) -> None:
    with opened(place, FakeClock(START)) as library:
        hold(library, "household:1", Scope())
        sql(place, "insert into profiles values (19, 1, 11, 'joined later')")
        assert library.request(["child:19"]).outcomes == {0: "held"}
        assert library.request(["child:21"]).outcomes == {}


def test_what_others_share_with_whom_is_held_stays_as_it_is(place: Place) -> None:
    """Ann leaves; Bob, to whom she wrote, is under a hold: her part of the message stays with him until it ends."""
    with opened(place, FakeClock(START)) as library:
        placed = hold(library, "adult:12", Scope())
        before = sql(place, "select * from messages where receiver_id = 12 order by id")
        library.erase(["adult:11"], patience=BRIEFLY)
        assert sql(place, "select * from messages where receiver_id = 12 order by id") == before
        holding.lift(library, placed, by="legal:jane")
        library.work(patience=BRIEFLY)
        assert sql(place, "select * from messages where receiver_id = 12 order by id") != before
        assert all(library.status(run.id).complete for run in library.runs())


def test_a_hold_placed_between_batches_stops_at_what_it_keeps(place: Place) -> None:
    clock = FakeClock(START)
    placed: list[str] = []
    kept: list[str] = []
    for number in range(100):
        sql(place, "insert into clips values (:id, 11, 'more')", id=f"more-{number}")
    with opened(place, clock) as library:
        progress = library.rooms.journal.progress

        def then_hold(*words: Any) -> Any:
            answer = progress(*words)
            if words[0].name == "erase:app.clips#0" and not placed:
                kept.append(sql(place, "select min(id) from clips where profile_id = 11")[0][0])
                placed.append(hold(library, "child:11", Scope(items=(f"app.clips/{kept[0]}",))))
            return answer

        library.rooms.journal.progress = then_hold  # type: ignore[method-assign, assignment]  # a court's order comes between two batches
        _, (standing,) = library.erase(["child:11"], patience=BRIEFLY)
        step = next(step for step in standing.steps if step.name == "erase:app.clips#0")
        assert step.status is StepStatus.WAITING
        left = sql(place, "select id from clips where profile_id = 11")
        assert (kept[0],) in left
        assert len(left) == 103 - step.done, "nothing more than was announced"
        holding.lift(library, placed[0], by="legal:jane")
        clock.tick(timedelta(hours=1))
        library.work(patience=BRIEFLY)
        assert library.status(standing.run.id).complete
    assert sql(place, "select id from clips where profile_id = 11") == []


def test_a_younger_hold_on_something_else_stops_nothing(place: Place) -> None:
    placed: list[str] = []
    with opened(place, FakeClock(START)) as library:
        progress = library.rooms.journal.progress

        def then_hold(*words: Any) -> Any:
            if not placed:
                placed.append(hold(library, "child:21", Scope(items=("app.clips/c21-2",))))
            return progress(*words)

        library.rooms.journal.progress = then_hold  # type: ignore[method-assign, assignment]  # a court's order comes between two batches
        _, (standing,) = library.erase(["child:11"], patience=BRIEFLY)
        assert placed
        assert standing.complete


def test_two_people_place_a_hold_and_it_lapses_without_the_second(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        words: dict[str, Any] = {"until": MONTH, "authority": "order 7", "reason": "proceedings"}
        with pytest.raises(InvalidRequest, match="ROLE:NAME"):
            holding.place(library, "child:11", Scope(), by="jane", **words)
        with pytest.raises(InvalidRequest, match="legal"):
            holding.place(library, "child:11", Scope(), by="support:jane", **words)
        with pytest.raises(InvalidRequest, match="180 days"):
            holding.place(library, "child:11", Scope(), by="legal:jane", **{**words, "until": START + timedelta(days=181)})
        with pytest.raises(InvalidRequest, match="don't name the person"):
            holding.place(library, "adult:11", Scope(), by="legal:jane", **{**words, "reason": "about P11@toy.example"})
        with pytest.raises(InvalidRequest, match="no data category"):
            holding.place(library, "child:11", Scope(("user.biometric.voces",)), by="legal:jane", **words)
        with pytest.raises(UnknownSubject):
            holding.place(library, "child:404", Scope(), by="legal:jane", **words)
        placed = holding.place(library, "child:11", Scope(), by="legal:jane", **words)
        assert holding.state(placed, START) == "unconfirmed"
        assert library.request(["child:11"]).outcomes == {0: "held"}, "it keeps while a second person may still confirm it"
        for who in ("legal:jane", "privacy:Jane"):
            with pytest.raises((InvalidRequest, ApprovalNeeded), match="who asked"):
                holding.confirm(library, placed.id, by=who)
        clock.tick(timedelta(hours=72))
        with pytest.raises(InvalidRequest, match="has ended"):
            holding.confirm(library, placed.id, by="privacy:omar")
        assert holding.state(library.rooms.journal.hold(placed.id), clock.now()) == "lapsed"
        library.work(patience=SOON)
        assert sql(place, "select count(*) from profiles where id = 11") == [(0,)]


def test_a_renewal_needs_two_people_too(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        placed = hold(library, "child:11", Scope(), until=MONTH)
        later = MONTH + timedelta(days=100)
        renewed = holding.renew(library, placed, until=later, authority="order 8", by="legal:jane")
        assert renewed.until == MONTH
        with pytest.raises(InvalidRequest, match="who asked"):
            holding.confirm(library, placed, by="privacy:jane")
        assert holding.confirm(library, placed, by="privacy:omar").until == later
        with pytest.raises(InvalidRequest, match="nothing of it waits"):
            holding.confirm(library, placed, by="privacy:omar")
        with pytest.raises(InvalidRequest, match="within 180 days"):
            holding.renew(library, placed, until=later + timedelta(days=100), authority="order 9", by="legal:jane")
        with pytest.raises(UnknownRequest, match="hold_none"):
            holding.lift(library, "hold_none", by="legal:jane")
        words = [str(one["word"]) for one in library.rooms.journal.hold_words(placed)]
        assert words == ["placed", "confirmed", "renewal asked", "confirmed"]
        entries = b"".join(library.rooms.log.entries())
        assert entries.count(b'"hold/1"') == 4
        assert b"jane" not in entries


def test_a_gagged_hold_is_shown_to_staff_only(place: Place) -> None:
    clock = FakeClock(START)
    with opened(place, clock) as library:
        silent = holding.Gag("order 7, point 3", START + timedelta(days=10))
        placed = hold(library, "adult:11", Scope(("user.content.private",)), gag=silent)
        assert holding.shown_to(library, "adult:11") == []
        assert [one.id for one in holding.holds_on(library, "adult:11")] == [placed]
        assert library.rooms.journal.letters() == []
        clock.tick(timedelta(days=10))
        (told,) = holding.shown_to(library, "adult:11")
        assert isinstance(told, dict)
        assert told["scope"] == {"categories": ["user.content.private"]}
        library.work(patience=BRIEFLY)
        assert [one.template for one in library.rooms.journal.letters()] == ["hold-placed"], "told when the gag has ended, once"


def test_what_cannot_be_dated_is_in_every_range_of_time(place: Place) -> None:
    with opened(place, FakeClock(START)) as library:
        hold(library, "child:11", Scope((), Span(START - timedelta(days=9), START)))
        library.erase(["child:11"], patience=BRIEFLY)
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(3,)], "the toy's clips have no date"


def test_holds_at_the_command_line(place: Place, command: Command) -> None:
    soon = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
    words = ("--until", soon, "--authority", "order 7", "--by", "legal:jane")
    placed = command("holds", "place", "child:11", *words, "--item", "app.clips/c11-1", "--json")
    assert placed.status == 0, placed.err
    assert (placed.json["state"], placed.json["scope"]) == ("unconfirmed", {"categories": []})
    assert command("holds", "confirm", placed.json["hold"], "--by", "legal:jane").status == 33
    assert command("holds", "confirm", placed.json["hold"], "--by", "privacy:omar").status == 0
    assert command("erase", "child:11").status == 0
    assert sql(place, "select id from clips where profile_id = 11") == [("c11-1",)]
    assert placed.json["hold"] in command("holds", "show", "child:11").out
    assert command("holds", "renew", placed.json["hold"], *words).status == 0
    assert command("holds", "lift", placed.json["hold"], "--by", "legal:jane").status == 0
    listed = command("holds", "list", "--json").json
    assert [(one["state"], len(one["words"])) for one in listed] == [("lifted", 4)]
    assert command("work").status == 0
    assert sql(place, "select id from clips where profile_id = 11") == []
    assert command("holds", "place", "child:12", *words, "--gag-until", soon).status == 33


def test_a_hold_by_number_keeps_runs_waiting_and_is_no_search(place: Place) -> None:
    """The journal's own word knows nobody's identifiers: it stops a run on that person and finds no record."""
    with opened(place, FakeClock(START)) as library:
        (number,) = library.rooms.journal.register("child", [[Identifier("profile_id", "11")]])
        placed = library.rooms.journal.place_hold(number, "court", "case 7")
        started, (standing,) = library.erase(["child:11", "child:12"], patience=BRIEFLY)
        assert started.outcomes == {0: "held"}
        assert standing.complete
        assert holding.lift(library, placed.id, by="legal:jane").lifted_at == START
        assert holding.lift(library, placed.id, by="legal:jane").lifted_at == START, "twice is once"
        assert repr(placed) == f"Hold({placed.id!r})"
        with pytest.raises(UnknownSubject, match="never a request or a hold"):
            holding.shown_to(library, "child:404")


def test_a_hold_on_things_that_are_gone_keeps_nothing(place: Place) -> None:
    with opened(place, FakeClock(START)) as library:
        hold(library, "child:11", Scope(items=("app.clips/none",)))
        _, (standing,) = library.erase(["child:11"], patience=BRIEFLY)
        assert standing.complete
        assert sql(place, "select count(*) from clips where profile_id = 11") == [(0,)]


def test_a_range_of_time_holds_what_was_captured_in_it_and_what_nobody_can_date(place: Place) -> None:
    sql(place, "alter table clips add column at text")
    sql(place, "update clips set at = '2026-04-25T10:00:00+00:00' where id = 'c11-0'")
    sql(place, "update clips set at = '2026-01-01T10:00:00+00:00' where id = 'c11-1'")
    dataset = place.folder / "app.yml"
    text = dataset.read_text()
    before = "      - name: clips\n        fields:\n"
    assert text.count(before) == 1
    after = "      - name: clips\n        meta: {expunge: {captured_at: at}}\n        fields:\n          - {name: at}\n"
    dataset.write_text(text.replace(before, after))
    media = place.folder / "media.yml"
    media.write_text(media.read_text().replace("derived_from: app.clips}", "derived_from: app.clips, captured_at: app.clips.at}"))
    with opened(place, FakeClock(START)) as library:
        hold(library, "child:11", Scope((), Span(START - timedelta(days=9), START)))
        _, (standing,) = library.erase(["child:11"], patience=BRIEFLY)
        assert standing.complete
    assert sql(place, "select id from clips where profile_id = 11 order by id") == [("c11-0",), ("c11-2",)]
    assert files(place, 11) == ["c11-0.wav", "c11-2.wav"]
