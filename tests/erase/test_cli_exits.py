"""Exit 0 is only ever "done": everybody named was erased and verified, and every run that is shown has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from expunge.app.library import Standing
from expunge.cli import exits
from expunge.errors import StoreError, Unavailable
from tests.erase.test_at_large import hold
from tests.erase.test_commands import Inside, fresh, inside, place
from tests.erase.toy import NOW, SOON, command, opened, sql, toy, wrapped
from tests.faults.killing import Place

__all__ = ["fresh", "inside", "place"]  # fixtures that are used here

LEFT = "select id from profiles where id in (11, 12) order by id"


def test_a_request_that_is_open_already(place: Place) -> None:
    with opened(place) as library:
        started = library.request(["child:11"])
        assert started.requests[0] is not None
    said = command(place, "erase", "child:11")
    assert said.status == 82
    assert "subject 1: duplicate" in said.out
    assert f"run-unfinished {started.requests[0].id}: subject 1: an earlier request for the same is still open" in said.err
    said = command(place, "erase", "child:12", "child:11", "--json")
    assert said.status == 82
    assert [one["outcome"] for one in said.json["requests"]] == [None, "duplicate"]
    assert said.json["runs"][0]["complete"] is True
    assert sql(place, LEFT) == [(11,)], "the others were done all the same"
    assert command(place, "work").status == 0
    assert command(place, "erase", "child:11").status == 0, "erased before"


def test_one_person_named_twice_is_no_open_request(place: Place, inside: Inside) -> None:
    said = inside(place, "erase", "child:11", "child:11", "--json")
    assert [one["outcome"] for one in said.json["requests"]] == [None, "duplicate"]
    assert said.status == 0, said.err


def test_somebody_under_a_hold(place: Place) -> None:
    with opened(place) as library:
        placed = hold(library, "child", "11")
    said = command(place, "erase", "child:11", "child:12", "--json")
    assert said.status == 82
    assert [one["outcome"] for one in said.json["requests"]] == ["held", None]
    assert "subject 1: under a legal hold, so nothing of theirs was erased" in said.err
    assert sql(place, LEFT) == [(11,)]
    with opened(place) as library:
        library.rooms.journal.lift_hold(placed)
    assert command(place, "work").status == 0
    assert sql(place, LEFT) == []


def test_somebody_unknown_among_others(place: Place, inside: Inside) -> None:
    said = inside(place, "erase", "child:7310", "child:11", "child:7311", "--json")
    assert said.status == 31
    assert [one["outcome"] for one in said.json["requests"]] == ["unknown", None, "unknown"]
    assert said.json["runs"][0]["complete"] is True
    assert "subject 1 and 1 more: no listed store knows them" in said.err
    assert "7310" not in said.err
    assert sql(place, LEFT) == [(12,)], "the others were done"


def test_an_outcome_that_nobody_has_heard_of_is_not_done(place: Place) -> None:
    with opened(place) as library:
        started, standings = library.erase(["child:11"], patience=SOON)
        assert exits.of_batch(library, started, standings) is None
        assert exits.of_batch(library, started, ()) is not None, "a place that no run is known to serve"
        odd = exits.of_batch(library, replace(started, outcomes={0: "postponed"}), standings)
        assert odd is not None
        assert (odd.exit_status, odd.message) == (82, "subject 1: postponed")


def fail_with(fault: StoreError) -> Callable[[str], None]:
    def fail(_: str) -> None:
        raise fault

    return fail


def test_a_run_that_has_not_ended(place: Place, inside: Inside) -> None:
    with opened(place) as library, wrapped(library, "media", erase=fail_with(Unavailable("gone", where="media"))):
        started, _ = library.erase(["child:11"], patience=NOW)
        fresh_run = library.request(["child:12"]).runs[0].id
    run, request = started.runs[0].id, started.requests[0]
    assert request is not None
    for name in (run, request.id):
        said = inside(place, "status", name, "--json")
        assert (said.status, said.json["complete"]) == (82, False)
        assert "gone" in said.err
    said = inside(place, "status", fresh_run)
    assert (said.status, "steps are still waiting" in said.err) == (82, True)
    assert inside(place, "status").status == 0, "the list is only a list"
    with opened(place) as library:
        library.work(patience=SOON)
    for words in (("status", run), ("status", fresh_run), ("work",), ("work", run)):
        assert inside(place, *words).status == 0, words


def test_a_run_that_nobody_is_working_on_yet(place: Place, inside: Inside) -> None:
    """No step has failed, and still it is not done."""
    with opened(place) as library:
        hold(library, "child", "11")
        run = library.request(["child:12"]).runs[0].id
        assert library.status(run).waiting == ()
        hold(library, "child", "12")
    said = inside(place, "work", "--patience", "0", "--json")
    assert (said.status, said.json["runs"][0]["complete"]) == (82, False)


def test_what_only_time_ends_is_done(tmp_path_factory: pytest.TempPathFactory, inside: Inside) -> None:
    week = 'app: {kind: sql, url: "${APP_URL}", datasets: [app.yml], history_clears_in: 7 days}'
    pending = toy(tmp_path_factory.mktemp("week") / "toy", app=week)
    said = inside(pending, "erase", "child:11", "--json")
    (run,) = said.json["runs"]
    assert (said.status, run["status"]) == (0, "pending")
    for words in (("status", run["run"]), ("work",), ("work", run["run"])):
        assert inside(pending, *words).status == 0, words


def test_an_approval_that_is_awaited(place: Place, inside: Inside) -> None:
    policy = place.folder / "expunge.yaml"
    policy.write_text(policy.read_text() + "blast_radius: {subjects: 1, share: 1 %}\n")
    said = inside(place, "erase", "child:11", "child:12", "--by", "ann", "--json")
    assert said.status == 82
    assert "a second person must approve" in said.err
    for words in (("work", "--patience", "0"), ("status", said.json["runs"][0]["run"])):
        assert inside(place, *words).status == 0, words


def test_a_run_that_was_taken_back(place: Place) -> None:
    with opened(place) as library:
        started = library.request(["child:11"])
        run = started.runs[0].id
        library.rooms.journal.withdraw_run(run)
        standing: Standing = library.status(run)
        assert exits.of_run(standing) is None
        assert exits.of_batch(library, started, (standing,)) is not None, "its people were not erased"
        library.work(patience=timedelta(seconds=15))
        assert sql(place, LEFT) == [(12,)]
