"""What households choose, and dated purges: shorter than the policy, for them alone; ordered, for everybody."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from expunge.app import choosing, purging, sweeps
from expunge.errors import ApprovalNeeded, InvalidRequest, UnknownSubject
from expunge.journal.records import RunStatus
from tests.erase.toy import SOON, rows_of, statement_of
from tests.retain.test_terms import young
from tests.retain.worlds import DAY, NOW, Place, Row, World, expected, make_world, opened_world

FIVE = timedelta(days=5)
BODIES = ("user.biometric.voice", "user.content")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened_world(tmp_path / "world") as opened:
        yield opened


def of_house(row: Row, house: int) -> bool:
    return any(number is not None and number // 10 == house for number in (row.get("profile_id"), row.get("person_id")))


def test_a_household_s_choice_ends_what_is_theirs_earlier(place: Place) -> None:
    world = young(make_world(random.Random(11), 20))
    for number, row in world["clips"].items():
        row["at"] = NOW - DAY * (number % 12)  # nothing has ended by the policy
    place.fill(world)
    done = choosing.choose(place.library.rooms, "household:1", "user.biometric.voice", FIVE, by="household")
    assert {rule.collection for rule in done.rules} == {"app.clips", "app.texts", "app.jobs"}
    sweeps.sweep(place.library.rooms)
    place.library.work(patience=SOON)
    by_policy = expected(world, NOW)
    gone = {number for number, row in world["clips"].items() if of_house(row, 1) and row["at"] < NOW - FIVE}
    assert gone
    left = place.rows()
    assert left["clips"] == {number: row for number, row in by_policy["clips"].items() if number not in gone}
    assert left["texts"] == {number: row for number, row in by_policy["texts"].items() if row["clip_id"] not in gone}
    assert left["notes"] == by_policy["notes"]
    receipts = [request for run in place.library.runs() for request in place.library.status(run.id).requests]
    assert any(one.authority == "chosen by the household" for one in receipts)


def test_a_choice_only_shortens_and_is_one_of_the_policy_s(place: Place) -> None:
    place.fill(young(make_world(random.Random(12), 2)))
    rooms = place.library.rooms
    for words, told in (
        (("household:1", "user.biometric.voice", timedelta(days=7)), "none of the policy's choices"),
        (("household:1", "user.biometric.vioce", FIVE), "user.biometric.voice"),
        (("household:1", "user.location", FIVE), "a choice can only shorten"),
        (("child:11", "user.biometric.voice", FIVE), "name the household"),
    ):
        with pytest.raises(InvalidRequest, match=told):
            choosing.choose(rooms, *words, by="household")
    with pytest.raises(UnknownSubject):
        choosing.choose(rooms, "household:99", "user.biometric.voice", FIVE, by="household")
    forty = choosing.choose(rooms, "household:1", "user.biometric.voice", DAY * 40, by="household")
    assert {rule.kind for rule in forty.rules} == {"adult"}, "the children's term is shorter already"


def test_who_takes_a_choice_back_has_the_policy_s_terms_again(place: Place) -> None:
    world = young(make_world(random.Random(13), 6))
    place.fill(world)
    rooms = place.library.rooms
    choosing.choose(rooms, "household:1", "user.content", timedelta(), by="household")
    assert choosing.unchoose(rooms, "household:1", "user.content")
    assert not choosing.unchoose(rooms, "household:1", "user.content")
    sweeps.sweep(rooms)
    place.library.work(patience=SOON)
    assert place.rows() == expected(world, NOW)


def test_a_choice_goes_with_the_household(place: Place) -> None:
    place.fill(young(make_world(random.Random(14), 2)))
    rooms = place.library.rooms
    choosing.choose(rooms, "household:2", "user.content", FIVE, by="household")
    (held,) = rooms.journal.choices()
    assert (held.key, held.keep) == ("2", FIVE)
    assert "2" not in repr(held).replace("2026", "")
    place.library.erase(["household:2"], patience=SOON)
    assert rooms.journal.choices() == []


def ordered(world: World, before: int) -> tuple[set[int], set[int]]:
    clips = {number for number, row in world["clips"].items() if row["at"] is not None and row["at"] < NOW - DAY * before}
    return clips, {number for number, row in world["texts"].items() if row["clip_id"] in clips}


def test_a_dated_purge_takes_everybody_s_and_what_was_made_from_it(place: Place) -> None:
    world = young(make_world(random.Random(15), 15))
    place.fill(world)
    rooms = place.library.rooms
    clips, texts = ordered(world, 10)
    before = NOW - DAY * 10
    shown = purging.purge(rooms, ["user.biometric.voice"], before, because="order of 1 May", by="counsel", dry_run=True)
    assert (shown.records["app.clips"], shown.records["app.texts"]) == (len(clips), len(texts))
    assert place.rows() == world
    done = purging.purge(rooms, ["user.biometric.voice"], before, because="order of 1 May", by="counsel")
    assert done.started is not None
    (run,) = done.started.runs
    assert run.status is RunStatus.AWAITING_APPROVAL
    with pytest.raises(ApprovalNeeded):
        place.library.approve(run.id, run.plan_digest, by="counsel")
    place.library.work(patience=SOON)
    assert place.rows() == world
    place.library.approve(run.id, run.plan_digest, by="officer")
    place.library.work(patience=SOON)
    left = place.rows()
    assert set(left["clips"]) == set(world["clips"]) - clips
    assert set(left["texts"]) == set(world["texts"]) - texts
    assert left["notes"] == world["notes"]
    standing = place.library.status(run.id)
    (request,) = standing.requests
    own = statement_of(place.library, standing, request.id)
    assert (own["request"]["kind"], own["request"]["authority"]) == ("purge", "order of 1 May")
    assert own["request"]["scope"]["captured"] == [None, before.isoformat()]
    assert rows_of(own)["app.clips"]["erased"] == len(clips)


def test_a_purge_says_what_it_can_not_reach(place: Place) -> None:
    place.fill(young(make_world(random.Random(16), 4)))
    told = purging.purge(place.library.rooms, ["user.name"], NOW, because="a test", by="counsel", dry_run=True)
    assert told.unreached == {
        "app.people": "nothing says when its records were captured",
        "app.profiles": "nothing says when its records were captured",
    }
    for categories, because in (([], "why"), (["user.nmae"], "why"), (["user.name"], " ")):
        with pytest.raises(InvalidRequest):
            purging.purge(place.library.rooms, categories, NOW, because=because, by="counsel")
    with pytest.raises(InvalidRequest, match="not come"):
        purging.purge(place.library.rooms, ["user.name"], NOW + DAY, because="why", by="counsel")
