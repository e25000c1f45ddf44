"""The outbox in the journal: once by key, one worker at a time, and nothing left of a letter that has gone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from expunge.errors import KeyDestroyed, KeySealed, UnknownRequest
from expunge.journal import Journal
from expunge.journal.letters import LetterState, Outgoing
from expunge.ports import Letter, Outbox
from expunge.terms import Identifier
from expunge.testing.clock import FakeClock
from expunge.testing.sealer import MemorySealer

LEASE = timedelta(minutes=10)
MARK = "quetzal@family.example"


class HidingSealer(MemorySealer):
    """One that can hide keys, as the vault does in an undo window."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: set[int] = set()

    def unseal(self, space: str, number: int, sealed: bytes, *, bound_to: bytes) -> bytes:
        if number in self.hidden:
            raise KeySealed("in its undo window")
        return super().unseal(space, number, sealed, bound_to=bound_to)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sealer() -> HidingSealer:
    return HidingSealer()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def journal(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock, sealer: HidingSealer) -> Iterator[Journal]:
    if request.param == "sqlite":  # noqa: SIM108  # a server is started only where it is asked for
        url = f"sqlite:///{tmp_path / 'control.db'}"
    else:
        url = request.getfixturevalue("postgresql_server").database()
    opened = Journal.open(url, clock=clock, sealer=sealer, lookup_key=bytes(32))
    yield opened
    opened.close()


def people(journal: Journal, count: int) -> list[int]:
    return journal.register("adult", [[Identifier("person_id", str(one))] for one in range(count)])


def letter(about: int, key: str, *, to: str = MARK, **fields: str) -> Letter:
    return Letter(Identifier("email", to), "email", "practice", fields or {"what": "news"}, about, key)


def test_a_key_is_one_letter_however_often_it_is_posted(journal: Journal) -> None:
    outbox: Outbox = journal
    one, two = people(journal, 2)
    first = outbox.post([letter(one, "a"), letter(two, "b"), letter(one, "a", what="other")])
    assert first[0] == first[2] != first[1]
    assert journal.post([letter(one, "c"), letter(two, "b")]) == [journal.letters_by_key(["c"])["c"].id, first[1]]
    (taken, *_) = [each for each in journal.take_letters(9, LEASE) if each.id == first[0]]
    assert taken.fields == {"what": "news"}, "the first of a key counts"
    assert journal.post([]) == []


def test_letters_wait_for_their_time_and_go_in_its_order(journal: Journal, clock: FakeClock) -> None:
    (one,) = people(journal, 1)
    late, soon = journal.post([letter(one, "late")], clock.now() + timedelta(days=2)) + journal.post([letter(one, "soon")])
    assert [each.id for each in journal.take_letters(9, LEASE)] == [soon]
    clock.tick(timedelta(days=2))
    assert [(each.id, each.attempt) for each in journal.take_letters(9, LEASE)] == [(soon, 2), (late, 1)]
    assert journal.take_letters(9, LEASE) == []


def test_who_was_slow_settles_nothing(journal: Journal, clock: FakeClock) -> None:
    (one,) = people(journal, 1)
    journal.post([letter(one, "a")])
    (slow,) = journal.take_letters(1, LEASE)
    clock.tick(LEASE)
    (quick,) = journal.take_letters(1, LEASE)
    assert (quick.attempt, quick.first_at) == (2, slow.first_at)
    assert not journal.settle_letter(slow, LetterState.SENT)
    assert journal.settle_letter(quick, LetterState.SENT)
    assert not journal.settle_letter(quick, LetterState.GIVEN_UP)
    assert journal.letter(slow.id).state is LetterState.SENT


def test_a_clock_put_back_voids_a_lease(journal: Journal, clock: FakeClock) -> None:
    (one,) = people(journal, 1)
    journal.post([letter(one, "a")], clock.now() - timedelta(days=400))
    assert journal.take_letters(1, LEASE)
    clock.tick(timedelta(days=-300))
    assert journal.take_letters(1, LEASE)


def test_nothing_is_left_of_a_letter_that_has_gone(journal: Journal, tmp_path: Path) -> None:
    (one,) = people(journal, 1)
    journal.post([letter(one, f"reminder for {MARK}")])
    (taken,) = journal.take_letters(1, LEASE)
    assert (taken.to.value, MARK in repr(taken), MARK in repr(letter(one, "x"))) == (MARK, False, False)
    journal.settle_letter(taken, LetterState.DELIVERED)
    note = journal.letter(taken.id)
    assert (note.state, note.about, note.template, note.ended_at) == (LetterState.DELIVERED, one, "practice", note.posted_at)
    assert MARK not in repr(note)
    journal.close()
    assert not [file for file in tmp_path.iterdir() if MARK.encode() in file.read_bytes()]
    with journal._database.reading() as connection:
        assert connection.exec_driver_sql("select count(*) from journal_letters where sealed is not null").scalar_one() == 0


def test_an_erased_person_gets_no_letter(journal: Journal, sealer: HidingSealer) -> None:
    one, two = people(journal, 2)
    ids = journal.post([letter(one, "a"), letter(two, "b"), letter(one, "c")])
    sealer.destroy("subject", [one])
    assert [each.id for each in journal.take_letters(9, LEASE)] == [ids[1]]
    assert {journal.letter(ids[place]).state for place in (0, 2)} == {LetterState.GIVEN_UP}
    assert journal.letter(ids[0]).fault == "key-destroyed"
    with pytest.raises(KeyDestroyed):
        journal.post([letter(two, "d"), letter(one, "e")])
    assert journal.letters_by_key(["d", "e"]) == {}


def test_the_undo_window_delays_and_does_not_lose(journal: Journal, sealer: HidingSealer, clock: FakeClock) -> None:
    one, two = people(journal, 2)
    ids = journal.post([letter(one, "a"), letter(two, "b")])
    sealer.hidden.add(one)
    assert [each.id for each in journal.take_letters(9, LEASE)] == [ids[1]]
    assert (journal.letter(ids[0]).state, journal.letter(ids[0]).fault) == (LetterState.RETRY, "key-sealed")
    sealer.hidden.clear()
    clock.tick(timedelta(hours=1))
    assert ids[0] in [each.id for each in journal.take_letters(9, LEASE)]


def test_reports_change_only_what_was_on_its_way(journal: Journal) -> None:
    (one,) = people(journal, 1)
    ids = journal.post([letter(one, "a"), letter(one, "b"), letter(one, "c")])
    taken: dict[str, Outgoing] = {each.id: each for each in journal.take_letters(2, LEASE)}
    sent, delivered = list(taken)
    waiting = next(each for each in ids if each not in taken)
    journal.settle_letter(taken[sent], LetterState.SENT)
    journal.settle_letter(taken[delivered], LetterState.SENT)
    assert journal.letter_arrived(delivered)
    assert not journal.letter_arrived(delivered)
    assert journal.letter_bounced(sent, "dsn-5.1.1")
    assert not journal.letter_bounced(waiting, "dsn-5.1.1")
    assert journal.letter_counts() == {LetterState.BOUNCED: 1, LetterState.DELIVERED: 1, LetterState.QUEUED: 1}
    assert journal.letters(state=LetterState.BOUNCED)[0].fault == "dsn-5.1.1"
    with pytest.raises(UnknownRequest):
        journal.letter_bounced("let_nobody", "x")


def test_workers_at_the_same_time_take_different_letters(journal: Journal) -> None:
    ids = journal.post([letter(one, f"k{one}") for one in people(journal, 120)])
    taken: list[str] = []

    def work() -> None:
        while batch := journal.take_letters(7, LEASE):
            for one in batch:
                taken.append(one.id)
                assert journal.settle_letter(one, LetterState.SENT)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work) for _ in range(3)]:
            done.result()
    assert sorted(taken) == sorted(ids)
    assert journal.letter_counts() == {LetterState.SENT: 120}


def test_many_letters_are_few_statements(journal: Journal) -> None:
    numbers = people(journal, 3_000)
    seen: list[str] = []

    def count(connection: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement.split(None, 1)[0])

    from sqlalchemy import event

    event.listen(journal._database._engine, "before_cursor_execute", count)
    ids = journal.post([letter(one, f"k{one}") for one in numbers])
    assert len(set(ids)) == 3_000
    assert len(seen) < 20
