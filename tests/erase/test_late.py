"""What is written while a run works: mopped up where everything is meant, told where less is; never a false "done"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from expunge.journal.records import RequestStatus, RunStatus
from expunge.terms import Residue, Scope, Selector
from tests.erase.toy import SOON, erased, opened, rows_of, sql, statement_of, toy, wrapped
from tests.faults.killing import Place


def once(act: Callable[[], object], collection: str) -> Callable[[str], None]:
    """Do it before the first call about this collection."""
    done: list[bool] = []

    def before(about: str) -> None:
        if about == collection and not done:
            done.append(True)
            act()

    return before


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return toy(tmp_path / "toy")


def test_a_row_that_a_constraint_holds_on_to_is_mopped_up(place: Place) -> None:
    insert = once(lambda: sql(place, "insert into clips values ('late', 11, 'LATE')"), "profiles")
    with opened(place) as library, wrapped(library, "app", erase=insert):
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert standing.complete
        assert rows_of(statement_of(library, standing))["app.clips"]["late"] == 1
        assert not library.incidents()
    assert sql(place, "select id from clips where profile_id = 11") == []


def test_a_row_that_comes_before_verification_is_mopped_up(place: Place) -> None:
    def late() -> None:
        sql(place, "insert into messages values (900, 31, 31, 'LATE to myself')")
        sql(place, "insert into messages values (901, 31, 41, 'LATE to another')")
        sql(place, "insert into messages values (902, 41, 31, 'LATE from another')")

    sql(place, "pragma foreign_keys = off")
    with opened(place) as library, wrapped(library, "app", reclaim=once(late, "messages")):
        _, (standing,) = library.erase(["household:3"], patience=SOON)
        assert standing.complete
        assert rows_of(statement_of(library, standing))["app.messages"]["late"] == 3
    assert sql(place, "select * from messages where id >= 900") == [(901, None, 41, None), (902, 41, None, "LATE from another")]


def test_a_late_reference_to_whoever_went_is_cut(place: Place) -> None:
    """Another household's child is put under the erased adult's care meanwhile: the child stays, the reference goes."""
    insert = once(lambda: sql(place, "insert into profiles values (99, 2, 31, 'LATE')"), "profiles")
    with opened(place) as library, wrapped(library, "app", reclaim=insert):
        _, (standing,) = library.erase(["adult:31"], patience=SOON)
        assert standing.complete
        row = rows_of(statement_of(library, standing))["app.profiles"]
        assert (row["after"], row["late"]) == (0, 1)
    assert sql(place, "select household_id, guardian_id, nickname from profiles where id = 99") == [(2, None, "LATE")]


def test_a_reference_that_leaves_by_itself_before_it_is_looked_for_is_no_residue(place: Place) -> None:
    insert = once(lambda: sql(place, "insert into profiles values (99, 2, 31, 'LATE')"), "profiles")
    with (
        opened(place) as library,
        wrapped(library, "app", reclaim=insert, locate=lambda _: sql(place, "delete from profiles where id = 99")),
    ):
        _, (standing,) = library.erase(["adult:31"], patience=SOON)
        assert standing.complete
        assert rows_of(statement_of(library, standing))["app.profiles"]["late"] == 0


def test_a_person_s_own_record_that_is_there_again_is_an_operator_s_matter(place: Place) -> None:
    """It may be a newcomer's with the same key: nothing of theirs is touched, and the run is not done."""
    again = once(lambda: sql(place, "insert into profiles values (11, 2, null, 'AGAIN')"), "profiles")
    with opened(place) as library, wrapped(library, "app", reclaim=again):
        _, (standing,) = library.erase(["child:11"], patience=SOON / 10)
        assert not standing.complete
        assert [(step.name, step.error_code) for step in standing.waiting] == [("after:app.profiles", "residue-left")]
        assert "newcomer" in str(standing.waiting[0].error_message)
        assert [incident.kind for incident in library.incidents()] == ["residue"]
    assert sql(place, "select nickname from profiles where id = 11") == [("AGAIN",)]


def test_a_late_object_is_mopped_up_with_its_versions(place: Place) -> None:
    def late() -> None:
        for where in ("media/voice/11/late.wav", "media/.versions/voice/11/late.wav/1"):
            path = place.folder / where
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"LATE")

    with opened(place) as library, wrapped(library, "media", reclaim=once(late, "voice")):
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert standing.complete
    assert not list((place.folder / "media").rglob("*late*"))


def test_a_narrow_request_tells_what_came_late_and_leaves_it(place: Place) -> None:
    insert = once(lambda: sql(place, "insert into clips values ('late', 11, 'said meanwhile')"), "clips")
    with opened(place) as library, wrapped(library, "app", reclaim=insert):
        _, (standing,) = library.erase(["child:11"], Scope(items=("app.clips/c11-0",)), patience=SOON)
        assert standing.complete
        row = rows_of(statement_of(library, standing))["app.clips"]
        assert (row["located"], row["after"], row["late"], row["beyond"]) == (1, 0, 0, 1)
    assert sql(place, "select id from clips where profile_id = 11 order by id") == [("c11-1",), ("c11-2",), ("late",)]


def test_a_narrow_request_takes_what_came_late_and_is_meant(place: Place) -> None:
    insert = once(lambda: sql(place, "insert into clips values ('late', 11, 'said meanwhile')"), "clips")
    with opened(place) as library, wrapped(library, "app", reclaim=insert):
        _, (standing,) = library.erase(["child:11"], Scope(categories=("user.content.private",)), patience=SOON)
        assert standing.complete
        row = rows_of(statement_of(library, standing))["app.clips"]
        assert (row["after"], row["late"], row["beyond"]) == (0, 1, 0)
    assert sql(place, "select id from clips where profile_id = 11") == []


def test_what_its_owner_deletes_meanwhile_is_no_blindness(place: Place) -> None:
    gone = once(lambda: sql(place, "delete from clips where profile_id = 11"), "clips")
    with opened(place) as library, wrapped(library, "app", verify=gone):
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert standing.complete
        row = rows_of(statement_of(library, standing))["app.clips"]
        assert (row["located"], row["before"], row["after"]) == (3, 0, 0)
        assert not library.incidents()


def test_residue_that_can_not_be_removed_is_never_done(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(place) as library:
        store = library.rooms.stores["app"]
        sees = type(store).verify

        def stubborn(self: object, selector: Selector) -> Residue:
            found = sees(store, selector)
            return Residue(found.scanned, 1) if selector.collection == "clips" and not found.live else found

        monkeypatch.setattr(type(store), "verify", stubborn)
        started, (standing,) = library.erase(["child:11"], patience=SOON / 10)
        assert not standing.complete
        assert not standing.receipts
        assert [request.status for request in standing.requests] == [RequestStatus.INCOMPLETE]
        (incident,) = library.incidents()
        assert (incident.kind, incident.store, incident.owner, incident.reopened) == ("residue", "app", "operator", 0)
        monkeypatch.undo()
        library.work(patience=SOON)
        again = library.status(started.runs[0].id)
        assert again.complete
        assert again.run.status is RunStatus.CLOSED
        assert not library.incidents()


def test_a_refusal_for_another_reason_stays_one(place: Place) -> None:
    sql(place, "create trigger never before delete on profiles begin select raise(abort, 'MARK never'); end")
    standing = erased(place, "child:11")
    assert not standing.complete
    assert [(step.name, step.error_code) for step in standing.waiting] == [("erase:app.profiles#0", "store-refused")]
    assert "MARK" not in str(standing.waiting[0].error_message)
