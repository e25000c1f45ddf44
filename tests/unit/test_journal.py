"""The journal's registry, requests, holds, runs, targets and receipts, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from expunge.errors import ApprovalNeeded, InvalidRequest, KeyDestroyed, LeaseLost, RunUnfinished, UnknownRequest
from expunge.journal import Journal
from expunge.journal.records import Filing, Lease, NewStep, ReceiptNote, Request, RequestStatus, Run, RunStatus
from expunge.terms import Identifier, Json
from expunge.testing.clock import FakeClock
from expunge.testing.sealer import MemorySealer

LOOKUP = bytes(range(32))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty control database of each kind; PostgreSQL's is emptied, which is ten times quicker than making another."""
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


def sealer_of(journal: Journal) -> MemorySealer:
    assert isinstance(journal._sealer, MemorySealer)
    return journal._sealer


def key(value: object, type_: str = "profile_id") -> Identifier:
    return Identifier(type_, str(value))


def filing(subject: int, scope: Json = None, **more: str) -> Filing:
    return Filing("erase", subject, "child", {} if scope is None else scope, "parent", "signed in", **more)  # type: ignore[arg-type]  # key only


def begin(journal: Journal, *subjects: int, approval: bool = False, scope: Json = None) -> tuple[Run, list[Request]]:
    filed = journal.file([filing(subject, scope) for subject in subjects])
    run = journal.start_run(
        [one.id for one in filed], {"why": "test"}, plan_digest="d", policy_digest="p", needs_approval=approval, started_by="ann"
    )
    return run, filed


def lease_of(journal: Journal, run: Run, name: str = "locate") -> Lease:
    journal.add_steps(run.id, [NewStep(1, name, "locate")])
    lease = journal.claim("w", run.id)
    assert lease is not None
    return lease


def people(journal: Journal, count: int = 3) -> list[int]:
    return journal.register("child", [[key(number)] for number in range(count)])


def test_numbers_are_dense_and_never_reused(journal: Journal) -> None:
    assert journal.register("child", [[key("a")], [key("b")]]) == [1, 2]
    assert journal.register("child", [[key("c")], [key("a")], [key("c")]]) == [3, 1, 3]
    with pytest.raises(InvalidRequest):
        journal.start_run(["req_none"], None, plan_digest="d", policy_digest="p", needs_approval=False, started_by="ann")
    assert journal.register("adult", [[key("d", "person_id")]]) == [4]


def test_one_key_names_one_person_of_each_kind(journal: Journal) -> None:
    household, adult = (journal.register(kind, [[key("7", "account")]])[0] for kind in ("household", "adult"))
    assert household != adult
    with pytest.raises(InvalidRequest, match="2 people are known by one 'account'"):
        journal.numbers([key("7", "account")])


def test_further_identifiers_are_added_and_a_key_outranks_them(journal: Journal) -> None:
    mail = key("ann@example.org", "email")
    (ann,) = journal.register("adult", [[key("1", "person_id"), mail]])
    assert journal.numbers([mail, key("nobody")]) == {mail: ann}
    assert journal.register("adult", [[key("1", "person_id"), key("+1", "phone")]]) == [ann]
    assert journal.numbers([key("+1", "phone"), key("1", "person_id")]) == {key("+1", "phone"): ann, key("1", "person_id"): ann}
    (bob,) = journal.register("adult", [[key("2", "person_id"), mail]])
    with pytest.raises(InvalidRequest, match="2 people are known by one 'email'") as caught:
        journal.numbers([mail])
    assert "example.org" not in str(caught.value)
    (eve,) = journal.register("mailbox", [[mail]])
    assert journal.numbers([mail]) == {mail: eve}
    assert len({ann, bob, eve}) == 3


@pytest.mark.parametrize("value", ["", " ", "%", "'", "\x00", "é", "e\u0301", "\ud800", "x" * 10_000])
def test_any_text_is_an_identifier(journal: Journal, value: str) -> None:
    (number,) = journal.register("child", [[key(value)]])
    assert journal.numbers([key(value), key(value + "."), key(value, "other")]) == {key(value): number}


def test_a_person_without_a_key_is_refused(journal: Journal) -> None:
    with pytest.raises(ValueError, match="at least the kind's key"):
        journal.register("child", [[]])


def test_a_filed_request_is_read_back(journal: Journal) -> None:
    subject = people(journal)[0]
    scope = {"categories": ["user.biometric.voice"], "items": ["app.clips/7"]}
    (filed,) = journal.file([Filing("erase", subject, "child", scope, "parent", "passkey", b"sealed", "tap-1")])
    assert filed == journal.request(filed.id)
    assert filed.id.startswith("req_")
    assert (filed.scope, filed.sealed_ref, filed.status) == (scope, b"sealed", RequestStatus.RECEIVED)
    assert (filed.filed_at, filed.run_id, filed.duplicate) == (clock_of(journal).now(), None, False)
    assert journal.requests(status=RequestStatus.RECEIVED) == journal.requests(subject=subject) == [filed]
    assert journal.requests(status=RequestStatus.DONE) == []
    with pytest.raises(UnknownRequest, match="req_none"):
        journal.request("req_none")


def test_a_second_open_request_for_the_same_is_the_first(journal: Journal) -> None:
    one, two, _ = people(journal)
    first, other_scope, other_person, again = journal.file([filing(one), filing(one, {"items": ["x"]}), filing(two), filing(one)])
    assert (again.id, again.duplicate, first.duplicate) == (first.id, True, False)
    assert len({first.id, other_scope.id, other_person.id}) == 3
    (later,) = journal.file([filing(one, {"items": ["x"]})])
    assert (later.id, later.duplicate) == (other_scope.id, True)
    journal.set_request_status([first.id], RequestStatus.DONE)
    (new,) = journal.file([filing(one)])
    assert new.id != first.id
    journal.set_request_status([first.id], RequestStatus.INCOMPLETE)
    assert journal.request(first.id).status is RequestStatus.INCOMPLETE


def test_an_idempotency_key_gives_the_same_request_for_ever(journal: Journal) -> None:
    one, two, _ = people(journal)
    (first,) = journal.file([filing(one, key="k")])
    journal.set_request_status([first.id], RequestStatus.DONE)
    assert [(again.id, again.duplicate) for again in journal.file([filing(one, key="k"), filing(one, key="k")])] == [(first.id, True)] * 2
    with pytest.raises(InvalidRequest, match="already used for req_"):
        journal.file([filing(two, key="k")])


def test_filing_for_nobody_is_refused(journal: Journal) -> None:
    with pytest.raises(UnknownRequest):
        journal.file([filing(99)])


def test_items_are_destroyed_with_the_last_request_of_their_intake(journal: Journal) -> None:
    one, two, _ = people(journal)
    first, second = journal.file([filing(one, {"items": ["a"]}), filing(two, {"items": ["b"]})])
    journal.set_request_status([first.id], RequestStatus.NOTHING_FOUND)
    assert (journal.request(first.id).scope, journal.request(first.id).scope_destroyed) == ({}, True)
    assert journal.request(second.id).scope == {"items": ["b"]}
    assert sealer_of(journal).has("run", 1)
    journal.set_request_status([second.id], RequestStatus.ALREADY_ERASED)
    assert not sealer_of(journal).has("run", 1)
    assert journal.request(second.id).scope_destroyed


def test_an_intake_that_is_all_duplicates_leaves_no_key(journal: Journal) -> None:
    one = people(journal)[0]
    journal.file([filing(one, {"items": ["a"]})])
    journal.file([filing(one, {"items": ["a"]})])
    assert [sealer_of(journal).has("run", number) for number in (1, 2)] == [True, False]


def test_a_status_for_an_unknown_request_changes_nothing(journal: Journal) -> None:
    (filed,) = journal.file([filing(people(journal)[0])])
    with pytest.raises(UnknownRequest, match="1 of 2"):
        journal.set_request_status([filed.id, "req_none"], RequestStatus.DONE)
    assert journal.request(filed.id).status is RequestStatus.RECEIVED


def test_holds_last_until_their_end_or_until_lifted(journal: Journal) -> None:
    one, two, three = people(journal)
    clock = clock_of(journal)
    journal.place_hold(one, "court", "case 1", clock.now() + timedelta(days=1))
    hold = journal.place_hold(two, "court", "case 2")
    assert journal.held([one, two, three]) == {one, two}
    assert journal.held([one, two], clock.now() + timedelta(days=1)) == {two}
    journal.lift_hold(hold.id)
    journal.lift_hold(hold.id)
    assert journal.held([one, two]) == {one}
    assert [held.lifted_at for held in journal.holds(two)] == [clock.now()]
    for act in (lambda: journal.lift_hold("hold_none"), lambda: journal.place_hold(99, "court", "x")):
        with pytest.raises(UnknownRequest):
            act()


def test_a_run_serves_its_requests_and_keeps_its_plan(journal: Journal) -> None:
    run, filed = begin(journal, *people(journal))
    assert (run.status, run.waits_for, journal.run(run.id)) == (RunStatus.RUNNING, (), run)
    assert journal.plan(run.id) == {"why": "test"}
    assert [one.id for one in journal.requests(run_id=run.id)] == [one.id for one in filed]
    assert {one.status for one in journal.requests(run_id=run.id)} == {RequestStatus.RUNNING}
    with pytest.raises(InvalidRequest, match="1 of 1 requests are unknown, or another run serves them"):
        journal.start_run([filed[0].id], None, plan_digest="d", policy_digest="p", needs_approval=False, started_by="ann")
    for act in (journal.run, journal.plan, journal.close_run, journal.withdraw_run):
        with pytest.raises(UnknownRequest, match="run_none"):
            act("run_none")


def test_a_large_run_waits_for_a_second_person(journal: Journal) -> None:
    run, filed = begin(journal, *people(journal), approval=True)
    journal.add_steps(run.id, [NewStep(1, "a", "locate")])
    assert run.status is RunStatus.AWAITING_APPROVAL
    assert (journal.claim("w"), journal.next_due()) == (None, None)
    for digest, by in (("wrong", "bob"), ("d", "ann")):
        with pytest.raises(ApprovalNeeded):
            journal.approve(run.id, digest, by)
    approved = journal.approve(run.id, "d", "bob")
    assert journal.approve(run.id, "d", "eve") == approved
    assert (approved.status, approved.approved_by, approved.approved_at) == (RunStatus.RUNNING, "bob", clock_of(journal).now())
    assert journal.request(filed[0].id).status is RequestStatus.RUNNING
    assert journal.claim("w") is not None


def test_runs_on_one_person_go_one_after_the_other(journal: Journal) -> None:
    one, two, three = people(journal)
    first, _ = begin(journal, one, two)
    second, _ = begin(journal, two, scope={"categories": ["user.name"]})
    apart, _ = begin(journal, three)
    for run in (first, second, apart):
        journal.add_steps(run.id, [NewStep(1, "a", "locate")])
    assert [run.waits_for for run in journal.runs()] == [(), (first.id,), ()]
    assert journal.claim("w", second.id) is None
    assert journal.next_due(second.id) is None
    lease = journal.claim("w", first.id)
    assert lease is not None
    assert journal.claim("w", apart.id) is not None
    journal.finish(lease)
    assert journal.claim("w", second.id) is None
    journal.set_run_status(first.id, RunStatus.PENDING)
    assert journal.run(second.id).waits_for == ()
    assert journal.claim("w", second.id) is not None


def test_people_that_a_plan_touches_count_as_its_own(journal: Journal) -> None:
    child, household, _ = people(journal)
    journal.start_run([], None, plan_digest="d", policy_digest="p", needs_approval=False, started_by="ann", touches=[child, household])
    second, _ = begin(journal, child)
    assert len(second.waits_for) == 1


def test_a_run_approved_late_goes_last(journal: Journal) -> None:
    one = people(journal)[0]
    first, _ = begin(journal, one, approval=True)
    second, _ = begin(journal, one, scope={"categories": ["user.name"]})
    assert second.waits_for == ()
    assert journal.approve(first.id, "d", "bob").waits_for == (second.id,)


def test_nothing_is_done_before_every_step_is(journal: Journal) -> None:
    run, _ = begin(journal, *people(journal))
    lease = lease_of(journal, run)
    for act in (lambda: journal.set_run_status(run.id, RunStatus.DONE), lambda: journal.close_run(run.id)):
        with pytest.raises(RunUnfinished, match="1 steps are not done, the first is locate"):
            act()
    journal.finish(lease)
    journal.set_run_status(run.id, RunStatus.DONE)
    journal.add_steps(run.id, [NewStep(2, "adopted", "erase")])
    assert journal.run(run.id).status is RunStatus.RUNNING
    with pytest.raises(InvalidRequest):
        journal.set_run_status(run.id, RunStatus.CLOSED)


def test_closing_destroys_what_was_sealed(journal: Journal) -> None:
    run, filed = begin(journal, *people(journal), scope={"items": ["app.clips/7"]})
    lease = lease_of(journal, run)
    journal.put_targets(lease, "app.clips", [b"page"])
    journal.finish(lease)
    journal.set_request_status([filed[0].id], RequestStatus.NOTHING_FOUND)
    closed = journal.close_run(run.id)
    assert journal.close_run(run.id) == closed
    assert (closed.status, closed.closed_at) == (RunStatus.CLOSED, clock_of(journal).now())
    assert not any(sealer_of(journal).has("run", number) for number in range(1, 9))
    assert journal.target_names(run.id) == []
    assert [one.status for one in journal.requests(run_id=run.id)] == [RequestStatus.NOTHING_FOUND] + [RequestStatus.CLOSED] * 2
    assert all(one.scope == {} and one.scope_destroyed for one in journal.requests(run_id=run.id))
    with pytest.raises(KeyDestroyed):
        journal.plan(run.id)
    for act in (lambda: list(journal.targets(run.id, "app.clips")), lambda: journal.run("run_none")):
        with pytest.raises(UnknownRequest):
            act()
    for ended in (lambda: journal.add_steps(run.id, [NewStep(3, "c", "x")]), lambda: journal.reopen(run.id, ["locate"])):
        with pytest.raises(InvalidRequest):
            ended()


def test_closing_that_was_stopped_half_way_is_finished(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = begin(journal, *people(journal), scope={"items": ["a"]})
    lease = lease_of(journal, run)
    journal.put_targets(lease, "t", [b"page"])
    journal.finish(lease)
    with monkeypatch.context() as patch:
        patch.setattr(sealer_of(journal), "destroy", lambda *_: (_ for _ in ()).throw(OSError("stopped")))
        with pytest.raises(OSError, match="stopped"):
            journal.close_run(run.id)
    assert journal.run(run.id).status is RunStatus.CLOSING
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_end", lambda *_: (_ for _ in ()).throw(OSError("stopped")))
        with pytest.raises(OSError, match="stopped"):
            journal.close_run(run.id)
    assert journal.close_run(run.id).status is RunStatus.CLOSED
    extra, _ = begin(journal, *people(journal), scope={"items": ["b"]})
    journal.close_run(extra.id)
    assert not any(sealer_of(journal).has("run", number) for number in range(1, 9))


def test_a_run_that_has_not_begun_can_be_withdrawn(journal: Journal) -> None:
    run, filed = begin(journal, *people(journal), approval=True)
    journal.add_steps(run.id, [NewStep(1, "a", "locate")])
    with pytest.raises(InvalidRequest, match="awaiting-approval can't be closed"):
        journal.close_run(run.id)
    journal.withdraw_run(run.id)
    journal.withdraw_run(run.id)
    assert journal.run(run.id).status is RunStatus.WITHDRAWN
    assert not sealer_of(journal).has("run", run.number)
    again = journal.start_run(
        [one.id for one in filed], {"why": "again"}, plan_digest="d", policy_digest="p", needs_approval=False, started_by="ann"
    )
    assert again.waits_for == ()
    lease_of(journal, again)
    with pytest.raises(InvalidRequest, match="has begun"):
        journal.withdraw_run(again.id)


def test_targets_are_replaced_whole_and_read_in_order(journal: Journal) -> None:
    run, _ = begin(journal, *people(journal))
    lease = lease_of(journal, run)
    pages = [os.urandom(600_000) for _ in range(5)]
    assert journal.put_targets(lease, "app.clips", iter(pages)) == 5
    assert list(journal.targets(run.id, "app.clips")) == pages
    reader = journal.targets(run.id, "app.clips")
    assert next(reader) == pages[0]
    assert journal.put_targets(lease, "app.clips", [b"new"]) == 1
    with pytest.raises(Exception, match="was replaced while it was read"):
        next(reader)
    assert list(journal.targets(run.id, "app.clips")) == [b"new"]
    assert journal.put_targets(lease, "empty", []) == 0
    assert list(journal.targets(run.id, "empty")) == []
    assert journal.target_names(run.id) == ["app.clips", "empty"]
    with pytest.raises(UnknownRequest, match=r"no target 'app\.profiles'"):
        list(journal.targets(run.id, "app.profiles"))


def test_a_dead_workers_targets_never_count(journal: Journal) -> None:
    run, _ = begin(journal, *people(journal))
    dead = lease_of(journal, run)

    def robbed() -> Iterator[bytes]:
        yield b"half" * 1_000_000
        clock_of(journal).tick(timedelta(hours=1))
        assert journal.claim("other") is not None
        yield b"rest"

    with pytest.raises(LeaseLost):
        journal.put_targets(dead, "t", robbed())
    assert journal.target_names(run.id) == []


def test_a_worker_that_was_overtaken_until_the_run_was_closed_is_told_so(journal: Journal) -> None:
    run, _ = begin(journal, *people(journal))
    late = lease_of(journal, run)
    clock_of(journal).tick(timedelta(hours=1))
    other = journal.claim("other")
    assert other is not None
    journal.finish(other)
    journal.close_run(run.id)
    with pytest.raises(LeaseLost):
        journal.put_targets(late, "t", [b"page"])


def test_a_key_that_is_missing_while_the_step_is_ours_is_said(journal: Journal) -> None:
    run, _ = begin(journal, *people(journal))
    lease = lease_of(journal, run)
    sealer_of(journal).destroy("run", [run.number])
    with pytest.raises(KeyDestroyed):
        journal.put_targets(lease, "t", [b"page"])


def test_receipts_are_kept_once(journal: Journal) -> None:
    run, filed = begin(journal, *people(journal))
    notes = [ReceiptNote(None, "run.json", "00", 4), ReceiptNote(filed[0].id, "one.json", "01", 5)]
    journal.keep_receipts(run.id, notes)
    journal.keep_receipts(run.id, notes)
    kept = journal.receipts(run.id)
    assert [(one.request_id, one.path, one.digest, one.log_index) for one in kept] == [
        (None, "run.json", "00", 4),
        (filed[0].id, "one.json", "01", 5),
    ]
    assert journal.receipts_of(filed[0].id) == kept[1:]
    with pytest.raises(UnknownRequest):
        journal.keep_receipts("run_none", [ReceiptNote(None, "x", "02", 6)])
