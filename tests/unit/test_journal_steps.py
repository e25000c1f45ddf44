"""Steps: order, leases, fences, waits, and clocks that jump."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import create_engine

from expunge.errors import InvalidRequest, LeaseLost, UnknownRequest
from expunge.journal import Journal, backoff
from expunge.journal.records import Filing, Lease, NewStep, Run, RunStatus, StepStatus
from expunge.terms import Identifier
from expunge.testing.clock import FakeClock
from expunge.testing.sealer import MemorySealer

SECOND = timedelta(seconds=1)
LEASE = 30 * SECOND
YEAR = timedelta(days=365)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def journal(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Journal]:
    url = f"sqlite:///{tmp_path / 'control.db'}"
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgresql_url"))
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()
    opened = Journal.open(url, clock=clock, sealer=MemorySealer(), lookup_key=bytes(32))
    yield opened
    opened.close()


@pytest.fixture
def run(journal: Journal) -> Run:
    return begin(journal, "0", [NewStep(1, "a", "locate"), NewStep(1, "b", "locate"), NewStep(2, "c", "erase")])


def begin(journal: Journal, person: str, new: list[NewStep]) -> Run:
    (subject,) = journal.register("child", [[Identifier("profile_id", person)]])
    (filed,) = journal.file([Filing("erase", subject, "child", {}, "parent", "")])
    run = journal.start_run([filed.id], None, plan_digest="d", policy_digest="p", needs_approval=False, started_by="ann")
    journal.add_steps(run.id, new)
    return run


def taken(journal: Journal, worker: str = "w", run_id: str | None = None) -> Lease:
    lease = journal.claim(worker, run_id)
    assert lease is not None
    return lease


def test_a_step_carries_its_payload_and_what_was_journalled(journal: Journal, run: Run, clock: FakeClock) -> None:
    step = NewStep(0, "first", "erase", "app", "clips", {"fields": ["body"], "batch": 500})
    journal.add_steps(run.id, [step])
    lease = taken(journal)
    told = (lease.rank, lease.name, lease.kind, lease.store, lease.collection, lease.payload)
    assert told == (step.rank, step.name, step.kind, step.store, step.collection, step.payload)
    assert (lease.run_id, lease.run_number, lease.attempt, lease.done, lease.note) == (run.id, run.number, 1, 0, None)
    assert (lease.until, lease.length, lease.owner) == (clock.now() + LEASE, LEASE, "w")
    assert journal.progress(lease, 40, {"at": "page 3"}).done == 40
    clock.tick(LEASE)
    again = taken(journal, "other")
    assert (again.name, again.done, again.note, again.attempt) == ("first", 40, {"at": "page 3"}, 2)
    journal.finish(again, {"erased": 41})
    row = journal.steps(run.id)[0]
    assert (row.status, row.result, row.finished_at, row.owner, row.due) == (StepStatus.DONE, {"erased": 41}, clock.now(), None, None)


def test_ranks_go_one_after_the_other(journal: Journal, run: Run) -> None:
    first, second = taken(journal), taken(journal)
    assert [first.name, second.name] == ["a", "b"]
    assert journal.claim("w") is None
    journal.finish(first)
    assert journal.claim("w") is None
    journal.finish(second)
    assert taken(journal).name == "c"


def test_adding_steps_twice_changes_nothing(journal: Journal, run: Run) -> None:
    journal.finish(taken(journal))
    before = journal.steps(run.id)
    journal.add_steps(run.id, [NewStep(1, "a", "other", payload=7), NewStep(2, "c", "erase")])
    assert journal.steps(run.id) == before
    with pytest.raises(UnknownRequest):
        journal.add_steps("run_none", [])


def test_runs_are_served_in_turn(journal: Journal) -> None:
    runs = [begin(journal, str(person), [NewStep(1, name, "x") for name in "abc"]) for person in range(3)]
    served = [taken(journal).run_id for _ in range(9)]
    assert served == [run.id for run in runs] * 3


def test_a_lease_that_ran_out_is_anybodys_and_the_dead_are_refused(journal: Journal, run: Run, clock: FakeClock) -> None:
    dead = taken(journal, "dead")
    clock.tick(LEASE - SECOND)
    assert [taken(journal).name, journal.claim("live")] == ["b", None]
    clock.tick(SECOND)
    live = taken(journal, "live")
    assert (live.name, live.fence) == (dead.name, dead.fence + 1)
    refused(journal, dead)
    journal.finish(live)
    refused(journal, dead)
    refused(journal, live)


def refused(journal: Journal, lease: Lease) -> None:
    before = journal.steps(lease.run_id)
    for act in (
        lambda: journal.heartbeat(lease),
        lambda: journal.progress(lease, 9),
        lambda: journal.finish(lease, "late"),
        lambda: journal.retry(lease, "late", SECOND),
        lambda: journal.wait_until(lease, lease.until),
        lambda: journal.give_up(lease, "late"),
        lambda: journal.put_targets(lease, "late", [b"late"]),
    ):
        with pytest.raises(LeaseLost, match=f"step {lease.name} is no longer in this worker's hands"):
            act()
    assert journal.steps(lease.run_id) == before
    assert journal.target_names(lease.run_id) == []


def test_a_worker_taking_its_own_step_again_has_a_new_fence(journal: Journal, run: Run, clock: FakeClock) -> None:
    old = taken(journal, "w")
    clock.tick(LEASE)
    assert taken(journal, "w").name == old.name
    refused(journal, old)


def test_a_late_worker_may_finish_what_nobody_took_over(journal: Journal, run: Run, clock: FakeClock) -> None:
    late = taken(journal)
    clock.tick(YEAR)
    journal.finish(late)
    assert journal.steps(run.id)[0].status is StepStatus.DONE


@pytest.mark.parametrize("act", ["heartbeat", "progress", "targets"])
def test_a_sign_of_life_renews_the_lease(journal: Journal, run: Run, clock: FakeClock, act: str) -> None:
    lease = taken(journal)
    for _ in range(3):
        clock.tick(LEASE - SECOND)
        if act == "heartbeat":
            lease = journal.heartbeat(lease)
            assert lease.until == clock.now() + LEASE
        elif act == "progress":
            lease = journal.progress(lease, lease.done + 1)
        else:
            journal.put_targets(lease, "t", [b"page"])
    assert taken(journal, "other").name == "b"
    assert journal.claim("other") is None


def test_a_retry_waits_and_is_told(journal: Journal, run: Run, clock: FakeClock) -> None:
    journal.retry(taken(journal), "store-unavailable", 10 * SECOND, "places: can't be reached")
    row = journal.steps(run.id)[0]
    assert (row.status, row.error_code, row.error_message) == (StepStatus.WAITING, "store-unavailable", "places: can't be reached")
    assert (row.due, row.attempts) == (clock.now() + 10 * SECOND, 1)
    assert taken(journal).name == "b"
    assert journal.next_due() == clock.now() + 10 * SECOND
    clock.tick(10 * SECOND)
    lease = taken(journal)
    assert (lease.name, lease.attempt) == ("a", 2)
    journal.finish(lease)
    assert journal.steps(run.id)[0].error_code is None


def test_a_timer_outlives_everything_and_forgets_attempts(journal: Journal, run: Run, clock: FakeClock) -> None:
    lease = taken(journal)
    when = clock.now() + timedelta(days=30)
    journal.wait_until(lease, when, {"pending": "backup"})
    journal.finish(taken(journal))
    assert journal.claim("w") is None
    assert journal.next_due() == when
    clock.set(when)
    again = taken(journal)
    assert (again.name, again.attempt, again.note) == ("a", 1, {"pending": "backup"})


def test_giving_up_leaves_the_run_incomplete_until_reopened(journal: Journal, run: Run) -> None:
    journal.give_up(taken(journal), "store-refused", "places: no grant")
    journal.finish(taken(journal))
    assert journal.run(run.id).status is RunStatus.INCOMPLETE
    assert (journal.claim("w"), journal.next_due()) == (None, None)
    assert journal.steps(run.id)[0].status is StepStatus.GIVEN_UP
    assert journal.reopen(run.id, ["b", "none"]) == 0
    assert journal.reopen(run.id, ["a"]) == 1
    assert journal.run(run.id).status is RunStatus.RUNNING
    lease = taken(journal)
    assert (lease.name, lease.attempt, lease.failed_with) == ("a", 1, "store-refused")
    journal.finish(lease)
    journal.finish(taken(journal))
    journal.close_run(run.id)
    with pytest.raises(InvalidRequest, match="the run is closed"):
        journal.reopen(run.id, ["a"])


def test_a_run_stays_incomplete_while_another_step_is_given_up(journal: Journal, run: Run) -> None:
    for _ in "ab":
        journal.give_up(taken(journal), "x")
    assert journal.reopen(run.id, ["a"]) == 1
    assert journal.run(run.id).status is RunStatus.INCOMPLETE
    journal.finish(taken(journal))
    assert journal.run(run.id).status is RunStatus.INCOMPLETE
    journal.reopen(run.id, ["b"])
    assert journal.run(run.id).status is RunStatus.RUNNING


def test_a_run_that_fails_again_and_again_keeps_no_other_waiting(journal: Journal, clock: FakeClock) -> None:
    first = begin(journal, "0", [NewStep(1, "a", "x"), NewStep(1, "b", "x"), NewStep(2, "c", "x")])
    (filed,) = journal.file([Filing("erase", 1, "child", {"categories": ["user.name"]}, "parent", "")])
    second = journal.start_run([filed.id], None, plan_digest="d", policy_digest="p", needs_approval=False, started_by="ann")
    journal.add_steps(second.id, [NewStep(1, "a", "x")])
    for failures in range(3):
        assert journal.run(second.id).waits_for == (first.id,), failures
        journal.retry(taken(journal, run_id=first.id), "store-unavailable", SECOND)
        journal.finish(taken(journal, run_id=first.id)) if failures == 0 else None
        clock.tick(SECOND)
    assert journal.run(first.id).status is RunStatus.INCOMPLETE
    assert journal.run(second.id).waits_for == ()
    assert taken(journal, run_id=second.id).name == "a"
    journal.finish(taken(journal, run_id=first.id))
    assert journal.run(first.id).status is RunStatus.RUNNING
    assert journal.run(second.id).waits_for == (first.id,)


def test_a_reopened_run_goes_behind_those_that_are_running(journal: Journal) -> None:
    first = begin(journal, "0", [NewStep(1, "a", "x")])
    journal.give_up(taken(journal), "x")
    (again,) = journal.file([Filing("erase", 1, "child", {"categories": ["user.name"]}, "parent", "")])
    second = journal.start_run([again.id], None, plan_digest="d", policy_digest="p", needs_approval=False, started_by="ann")
    assert second.waits_for == ()
    journal.reopen(first.id, ["a"])
    assert journal.run(first.id).waits_for == (second.id,)


def test_when_the_next_step_is_due(journal: Journal, clock: FakeClock) -> None:
    assert journal.next_due() is None
    run = begin(journal, "0", [NewStep(1, "a", "x"), NewStep(2, "b", "x")])
    assert journal.next_due() == journal.next_due(run.id) == clock.now()
    assert journal.next_due("run_none") is None
    lease = taken(journal)
    assert journal.next_due() == clock.now() + LEASE
    clock.tick(2 * LEASE)
    assert journal.next_due() == clock.now()
    journal.finish(lease)
    journal.finish(taken(journal))
    assert journal.next_due() is None


def test_a_step_is_handed_to_a_chosen_run_only(journal: Journal) -> None:
    first, second = (begin(journal, person, [NewStep(1, "a", "x")]) for person in "01")
    assert taken(journal, run_id=second.id).run_id == second.id
    assert journal.claim("w", second.id) is None
    assert taken(journal).run_id == first.id


@pytest.mark.parametrize("back", [YEAR, timedelta(minutes=2)])
def test_a_clock_put_back_neither_loses_nor_doubles_a_step(journal: Journal, run: Run, clock: FakeClock, back: timedelta) -> None:
    live, waiting = taken(journal, "live"), taken(journal)
    journal.retry(waiting, "x", 10 * SECOND)
    before = clock.now()
    clock.tick(-back)
    # The live worker shows life under the new clock: its lease is good again and nobody gets the step.
    live = journal.heartbeat(live)
    assert live.until < before
    assert taken(journal, "other").name == "b", "a wait that was set in the future is void"
    assert journal.claim("other") is None
    clock.tick(LEASE)
    # It dies: the step is taken over after one lease, not after a year.
    assert taken(journal, "third").name == "a"
    refused(journal, live)


def test_a_dead_workers_step_survives_a_clock_put_back(journal: Journal, run: Run, clock: FakeClock) -> None:
    dead = taken(journal, "dead")
    clock.tick(-YEAR)
    assert taken(journal, "live").name == dead.name
    refused(journal, dead)


def test_a_small_step_back_delays_but_does_not_rob(journal: Journal, run: Run, clock: FakeClock) -> None:
    live = taken(journal, "live")
    clock.tick(-50 * SECOND)
    assert taken(journal).name == "b"
    assert journal.claim("other") is None
    journal.finish(live)


def test_a_clock_put_forward_robs_the_living_without_harm(journal: Journal, run: Run, clock: FakeClock) -> None:
    slow = taken(journal, "slow")
    clock.tick(YEAR)
    quick = taken(journal, "quick")
    assert quick.name == slow.name
    refused(journal, slow)
    journal.finish(quick)


def test_a_timer_keeps_its_date_whatever_the_clock_does(journal: Journal, run: Run, clock: FakeClock) -> None:
    when = clock.now() + timedelta(days=30)
    journal.wait_until(taken(journal), when)
    journal.finish(taken(journal))
    clock.tick(-YEAR)
    assert (journal.claim("w"), journal.next_due()) == (None, when)
    clock.set(when)
    assert taken(journal).name == "a"


def test_a_step_ends_and_the_next_is_taken_in_one_transaction(journal: Journal, run: Run, clock: FakeClock) -> None:
    first = taken(journal)
    second = journal.finish_and_claim(first, {"n": 1}, run.id)
    assert second is not None
    assert (second.name, second.owner, second.until) == ("b", first.owner, clock.now() + first.length)
    third = journal.finish_and_claim(second)
    assert third is not None
    assert (third.name, [step.status for step in journal.steps(run.id)]) == ("c", [StepStatus.DONE, StepStatus.DONE, StepStatus.LEASED])
    assert journal.finish_and_claim(third, run_id=run.id) is None
    assert journal.steps(run.id)[0].result == {"n": 1}


def test_who_has_lost_the_step_takes_no_other(journal: Journal, run: Run, clock: FakeClock) -> None:
    dead = taken(journal, "dead")
    clock.tick(LEASE)
    live = taken(journal, "live")
    with pytest.raises(LeaseLost):
        journal.finish_and_claim(dead, {"n": 1})
    assert [(step.name, step.owner, step.result) for step in journal.steps(run.id)][:2] == [(live.name, "live", None), ("b", None, None)]


def test_a_run_that_ends_while_its_step_is_looked_for_hands_out_nothing(
    journal: Journal, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expunge.journal.steps._serve", lambda *_: False)
    assert journal.claim("w") is None
    assert all(step.status is StepStatus.WAITING for step in journal.steps(run.id))


def test_backing_off_doubles_up_to_a_cap_and_leaves_half_to_chance() -> None:
    rng = Random(7)
    for attempt, full in ((1, 2), (2, 4), (3, 8), (4, 16), (5, 20), (10_000, 20)):
        waits = [backoff(attempt, 2 * SECOND, 20 * SECOND, rng) for _ in range(200)]
        assert full / 2 * SECOND <= min(waits) < full * 0.6 * SECOND
        assert full * 0.9 * SECOND < max(waits) <= full * SECOND
    assert backoff(1, YEAR, SECOND, rng) <= SECOND
