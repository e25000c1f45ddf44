"""The consent ledger in the journal, on SQLite and on PostgreSQL."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event

from expunge.errors import InvalidRequest
from expunge.journal import Journal
from expunge.journal.consent_states import Event, State, Thread, follow, is_given, may
from expunge.journal.consents import Word
from expunge.terms import Identifier
from expunge.testing.clock import FakeClock
from expunge.testing.sealer import MemorySealer

LOOKUP = bytes(range(32))
DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty control database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'control.db'}"
    server = str(request.getfixturevalue("postgresql_url"))
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return server


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    opened = Journal.open(url, clock=FakeClock(), sealer=MemorySealer(), lookup_key=LOOKUP)
    yield opened
    opened.close()


def clock_of(journal: Journal) -> FakeClock:
    assert isinstance(journal._clock, FakeClock)
    return journal._clock


def children(journal: Journal, count: int) -> list[int]:
    numbers = journal.register("child", [[Identifier("profile_id", str(number))] for number in range(count)])
    journal._sealer.make("subject", numbers)
    return numbers


def parent(journal: Journal, name: str = "mum") -> int:
    return journal.register("adult", [[Identifier("person_id", name)]])[0]


def said(journal: Journal, subject: int, guardian: int, *events: Event, matter: str = "improve", name: str = "child:x") -> None:
    journal.record_consents([Word(subject, matter, guardian, one) for one in events], by="guardian", names={subject: name})


def test_nobody_is_admitted_who_did_not_consent_to_just_this(journal: Journal) -> None:
    one, other = children(journal, 2)
    mum = parent(journal)
    before = journal.consent_epoch()
    assert journal.admits([one, other], "improve").subjects == frozenset()
    said(journal, one, mum, Event.ASKED, Event.GIVEN)
    found = journal.admits([one, other, 999], "improve")
    assert found.subjects == {one}
    assert found.epoch == before + 2
    assert journal.admits([one], "respond").subjects == frozenset(), "a yes is to one matter"
    said(journal, one, mum, Event.WITHDRAWN)
    assert journal.admits([one], "improve").subjects == frozenset()
    assert [one.word.event for one in journal.consents([one], every=True)] == [Event.ASKED, Event.GIVEN, Event.WITHDRAWN]


def test_an_illegal_event_in_a_batch_records_nothing_of_it(journal: Journal) -> None:
    (one,) = children(journal, 1)
    mum = parent(journal)
    words = [Word(one, "improve", mum, Event.ASKED), Word(one, "guard", mum, Event.GIVEN)]
    with pytest.raises(InvalidRequest, match="'nothing' can't be 'given'"):
        journal.record_consents(words, by="guardian")
    assert (journal.consents([one]), journal.consent_epoch()) == ([], 0)


def test_of_two_guardians_the_stricter_wins_until_they_agree_or_one_has_no_say(journal: Journal) -> None:
    (one,) = children(journal, 1)
    mum, dad = parent(journal), parent(journal, "dad")
    said(journal, one, mum, Event.ASKED, Event.GIVEN)
    said(journal, one, dad, Event.WITHDRAWN)
    assert not journal.admits([one], "improve").subjects
    said(journal, one, dad, Event.ASKED, Event.LAPSED)
    assert not journal.admits([one], "improve").subjects, "being asked again does not clear a no"
    said(journal, one, dad, Event.ENDED)
    assert journal.admits([one], "improve").subjects == {one}


def test_an_answer_says_how_old_it_is(journal: Journal) -> None:
    (one,) = children(journal, 1)
    clock = clock_of(journal)
    answer = journal.admits([one], "improve")
    assert answer.is_fresh(clock.now())
    assert answer.is_fresh(clock.now() + timedelta(seconds=60))
    assert not answer.is_fresh(clock.now() + timedelta(seconds=61))
    assert not answer.is_fresh(clock.now() - timedelta(seconds=1)), "an answer from the future is none"


def test_a_no_holds_also_when_the_clock_was_put_back(journal: Journal) -> None:
    (one,) = children(journal, 1)
    mum = parent(journal)
    said(journal, one, mum, Event.ASKED, Event.GIVEN)
    clock_of(journal).tick(DAY)
    said(journal, one, mum, Event.WITHDRAWN)
    clock_of(journal).tick(-DAY)
    assert not journal.admits([one], "improve").subjects
    assert journal.admits([one], "improve", at=clock_of(journal).now()).subjects == {one}, "of an earlier time one may ask by name"


def test_a_yes_ends_when_its_time_is_over_before_and_after_that_is_recorded(journal: Journal) -> None:
    (one,) = children(journal, 1)
    mum = parent(journal)
    said(journal, one, mum, Event.ASKED)
    journal.record_consents([Word(one, "improve", mum, Event.GIVEN, until=clock_of(journal).now() + DAY)], by="guardian")
    assert journal.expire_consents() == 0
    assert journal.admits([one], "improve").subjects == {one}
    clock_of(journal).tick(DAY)
    assert not journal.admits([one], "improve").subjects
    assert (journal.expire_consents(), journal.expire_consents()) == (1, 0)
    assert journal.consents([one])[0].thread == Thread(State.EXPIRED)
    (duty,) = journal.open_duties()
    assert (duty.subject_text, duty.why, duty.matters) == ("child:x", Event.EXPIRED, ("improve",)), "known from the earlier event"


def test_what_a_no_obliges_to_erase_is_written_with_it(journal: Journal) -> None:
    one, other = children(journal, 2)
    mum, dad = parent(journal), parent(journal, "dad")
    said(journal, one, mum, Event.ASKED, Event.GIVEN, name="child:17")
    said(journal, other, mum, Event.ASKED)
    assert journal.open_duties() == []
    journal.record_consents([Word(one, matter, dad, Event.WITHDRAWN) for matter in ("improve", "guard")], by="guardian")
    (duty,) = journal.open_duties()
    assert (duty.subject, duty.subject_text, duty.matters) == (one, "child:17", ("guard", "improve"))
    assert "17" not in repr(duty)
    journal.duties_done({duty.id: ("filed", None)})
    assert journal.open_duties() == []
    assert [(kept.outcome, kept.subject_text) for kept in journal.duties(one)] == [("filed", None)]
    journal._sealer.destroy("subject", [one])
    said(journal, other, mum, Event.WITHDRAWN)
    assert len(journal.open_duties()) == 1


def test_whom_nobody_can_name_any_more_is_told_as_that(journal: Journal) -> None:
    (one,) = children(journal, 1)
    said(journal, one, parent(journal), Event.WITHDRAWN, name="child:17")
    journal._sealer.destroy("subject", [one])
    (duty,) = journal.open_duties()
    assert duty.subject_text is None


def test_what_the_tables_say_is_what_following_the_events_says(journal: Journal) -> None:
    """Random words of two guardians on three matters of many children, beside a fold over the same words in plain Python."""
    chance = random.Random(4)
    people = children(journal, 40)
    both = [parent(journal), parent(journal, "dad")]
    threads: dict[tuple[int, str, int], Thread] = {}
    for _ in range(30):
        batch: list[Word] = []
        for _ in range(40):
            place = (chance.choice(people), chance.choice(["a", "b", "c"]), chance.choice(both))
            legal = [one for one in Event if may(threads.get(place, Thread()), one)]
            what = chance.choice(legal)
            threads[place] = follow(threads.get(place, Thread()), what)
            batch.append(Word(*place, what))
        journal.record_consents(batch, by="guardian")
    assert {(one.word.subject, one.word.matter, one.word.guardian): one.thread for one in journal.consents(people)} == threads
    for matter in ("a", "b", "c"):
        given = {one for one in people if is_given([threads.get((one, matter, who), Thread()) for who in both])}
        assert journal.admits(people, matter).subjects == given
        assert given
    assert journal.consent_epoch() == 30 * 40


def test_events_of_several_workers_lose_none_and_stay_in_order(url: str) -> None:
    sealer = MemorySealer()
    first = Journal.open(url, clock=FakeClock(), sealer=sealer, lookup_key=LOOKUP)
    people = children(first, 20)
    mum = parent(first)

    def work() -> None:
        journal = Journal.open(url, clock=FakeClock(), sealer=sealer, lookup_key=LOOKUP)
        for one in people:
            journal.record_consents([Word(one, "improve", mum, Event.WITHDRAWN)], by="guardian")
        journal.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    held = [one.number for one in first.consents(people, every=True)]
    assert held == list(range(1, 61)) == list(range(1, first.consent_epoch() + 1))
    first.close()


def test_a_hundred_thousand_are_asked_about_in_a_query_for_five_thousand(journal: Journal) -> None:
    people = children(journal, 30)
    said(journal, people[3], parent(journal), Event.ASKED, Event.GIVEN)
    sent: list[str] = []
    event.listen(journal._database._engine, "before_cursor_execute", lambda *told: sent.append(told[2]))
    assert journal.admits(range(1, 100_001), "improve").subjects == {people[3]}
    assert sum("SELECT" in one for one in sent) <= 22


def test_guardians_are_recorded_and_end(journal: Journal) -> None:
    one, other = children(journal, 2)
    mum = parent(journal)
    held = journal.record_guardian(one, mum, evidence="birth certificate seen")
    assert journal.record_guardian(one, mum, evidence="seen again") == held
    assert journal.guardianships([one, other]) == [held]
    with pytest.raises(InvalidRequest):
        journal.record_guardian(one, one, evidence="seen")
    clock_of(journal).tick(DAY)
    journal.end_guardian(one, mum, because="court order")
    journal.end_guardian(one, mum, because="again")
    (ended,) = journal.guardianships([one])
    assert (ended.ended_at, ended.ended_because) == (clock_of(journal).now(), "court order")
    journal.record_guardian(one, mum, evidence="court order lifted")
    assert [one.ended_at is None for one in journal.guardianships([one])] == [False, True]


def test_who_is_known_is_told_and_nobody_is_registered(journal: Journal) -> None:
    one, _ = children(journal, 2)
    asked = [Identifier("profile_id", "0"), Identifier("profile_id", "77")]
    assert journal.known("child", asked) == {asked[0]: one}
    assert journal.known("adult", asked) == {}
    assert journal.known("child", asked) == {asked[0]: one}


def test_an_asking_keeps_what_it_needs_until_it_ends_and_not_after(journal: Journal) -> None:
    (one,) = children(journal, 1)
    mum = parent(journal)
    due = clock_of(journal).now() + 30 * DAY
    asking = journal.begin_asking(
        id_="ask_1",
        subject=one,
        guardian=mum,
        matters=["improve"],
        method="email-plus",
        wording="consent/1",
        wording_digest="d",
        due=due,
        held={"to": "a@b.example"},
    )
    assert asking.held == {"to": "a@b.example"}
    assert "example" not in repr(asking)
    assert journal.open_askings() == []
    later = journal.asking_held(asking, {"code": "1"}, confirm_at=due - DAY)
    with pytest.raises(InvalidRequest, match="somebody else"):
        journal.asking_held(asking, {"code": "2"}, confirm_at=due)
    clock_of(journal).tick(29 * DAY)
    assert journal.open_askings() == [later]
    ended = journal.end_asking(asking.id, "given", b"a scan")
    assert (ended.held, ended.outcome, ended.destroyed_at) == (None, "given", clock_of(journal).now())
    assert ended.evidence is not None
    assert journal.end_asking(asking.id, "lapsed").outcome == "given"
    with pytest.raises(InvalidRequest, match="ended"):
        journal.asking_held(later, {})
    assert journal.unproven_askings() == [ended]
    journal.askings_proven({ended.id: 7})
    assert journal.unproven_askings() == []
    assert [held.leaf for held in journal.askings([one])] == [7]
