"""Who is meant, and what a run does with faults of our own: the corners of asking and of working."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from expunge.erase.runner import Worker
from expunge.erase.statement import latest_pending, same_content
from expunge.erase.subjects import SubjectRef, looked_for, parse_subject, resolve
from expunge.errors import BadProof, InvalidRequest, LeaseLost
from expunge.journal.journal import Journal
from expunge.journal.records import Lease, RunStatus, StepStatus
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote, StoreNote, SubjectKind
from expunge.policy.ownership import ownership
from expunge.terms import Field, FieldType, Json, Shape
from expunge.testing.memory import Medium, MemoryStore
from tests.erase.test_late import once
from tests.erase.toy import SOON, erased, opened, rows_of, sql, statement_of, toy, wrapped
from tests.faults.killing import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return toy(tmp_path / "toy")


# ---- asking ----

INT, TEXT = FieldType.INTEGER, FieldType.TEXT
KEY, MAIL = FieldNote("id", identity="person_id", primary_key=True), FieldNote("mail", identity="email")
NOTES = {
    f"s.{name}": CollectionNote("s", name, {one.name: one for one in fields})
    for name, fields in {"people": (KEY, MAIL), "staff": (KEY,), "visits": (FieldNote("who", identity="person_id"),)}.items()
}
CATALOG = Catalog({"person": SubjectKind("person", "person_id", ("email", "phone"))}, {"s": StoreNote("s", "memory", {})}, NOTES)
SHAPES = [
    Shape("people", (Field("id", INT, nullable=False), Field("mail", TEXT)), ("id",)),
    Shape("staff", (Field("id", INT, nullable=False),), ("id",)),
    Shape("visits", (Field("id", INT, nullable=False), Field("who", INT)), ("id",)),
]


def meant(*refs: SubjectRef) -> tuple[list[str], tuple[int, ...]]:
    medium = Medium(SHAPES)
    medium.put(
        "people",
        [
            {"id": 1, "mail": "a@x"},
            {"id": 2, "mail": "shared@x"},
            {"id": 3, "mail": "shared@x"},
            {"id": 4, "mail": None},
            {"id": None, "mail": "nokey@x"},
        ],
    )
    medium.put("staff", [{"id": 9}])
    medium.put("visits", [{"id": 1, "who": 7}, {"id": 2, "who": None}])
    found = resolve(CATALOG, ownership(CATALOG, {"s": tuple(SHAPES)}), {"s": MemoryStore(medium)}, refs)
    return [one.key for one in found.people], found.unknown


def by(identity: str, value: str) -> SubjectRef:
    return SubjectRef("person", identity, value)


def test_somebody_is_found_in_whichever_collection_has_them() -> None:
    assert meant(by("person_id", "1"), by("person_id", "9"), by("person_id", "7"), by("person_id", "8")) == (["1", "7", "9"], (3,))
    assert meant(by("email", "a@x"), by("email", "b@x")) == (["1"], (1,))
    assert meant(by("phone", "1")) == ([], (0,)), "no record has a field for it"
    assert meant(by("email", "nokey@x")) == ([], (0,)), "an own record without its key names nobody"


def test_two_references_to_one_person_are_one() -> None:
    assert meant(by("email", "a@x"), by("person_id", "1"), by("email", "a@x")) == (["1"], ())


def test_an_address_that_several_share_names_nobody() -> None:
    with pytest.raises(InvalidRequest, match="more than one person is known by that email; name the person_id") as refused:
        meant(by("email", "shared@x"))
    assert "shared@x" not in str(refused.value)


def test_where_somebody_was_looked_for_is_said_by_fields_alone() -> None:
    held = ownership(CATALOG, {"s": tuple(SHAPES)})
    assert looked_for(CATALOG, held, [by("person_id", "1")]) == "looked for person by person_id in s.people.id, s.staff.id, s.visits.who"
    assert looked_for(CATALOG, held, [by("phone", "1")]) == "looked for no own record of a person has a field for their phone"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("person", "KIND:KEY"),
        ("person:", "KIND:KEY"),
        ("robot:1", "no kind of subject 'robot'; kinds are person"),
        ("person:email=", "the email of a person is empty"),
        ("person:emial=x", "not known by 'emial'; it is known by person_id, email, phone"),
    ],
)
def test_a_reference_that_can_not_be_meant(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        parse_subject(text, CATALOG)


def test_a_key_may_hold_an_equals_sign() -> None:
    assert parse_subject("person:email=a=b@x", CATALOG) == by("email", "a=b@x")
    assert parse_subject("person:q9=", CATALOG) == by("person_id", "q9=")


def test_nobody_and_a_name_in_the_authority_are_refused_before_anything_is_filed(place: Place) -> None:
    with opened(place) as library:
        with pytest.raises(InvalidRequest, match="no subject is named"):
            library.request([])
        with pytest.raises(InvalidRequest, match="don't name the person there"):
            library.request(["adult:email=maya@toy.example"], authority="she wrote from maya@toy.example")
        assert library.runs() == []


# ---- working ----


def test_a_fault_of_our_own_stops_the_step_and_is_told_without_its_text(place: Place) -> None:
    """Whatever a driver lets through may quote an identifier: only its class is told."""

    def broken(_: str) -> None:
        raise ValueError("who = 'maya'")

    with opened(place) as library, wrapped(library, "app", erase=broken):
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert not standing.complete
        (step,) = [one for one in standing.waiting if one.error_code is not None]
        assert step.status is StepStatus.GIVEN_UP
        assert step.error_message == "an unforeseen ValueError stopped the step; report it"
        assert "maya" not in "".join(one.note for one in library.incidents())


def test_evidence_that_fails_stops_the_worker_and_not_the_step_alone(place: Place) -> None:
    def forked(_: str) -> None:
        raise BadProof("the log has two heads", where="evidence log")

    with opened(place) as library, wrapped(library, "app", erase=forked):
        with pytest.raises(BadProof):
            library.erase(["child:11"], patience=SOON)
        (incident,) = library.incidents()
        assert incident.kind == BadProof.code


def test_a_worker_whose_lease_was_taken_lets_go_and_the_run_ends_all_the_same(place: Place) -> None:
    lost: list[str] = []

    def taken(collection: str) -> None:
        if not lost:
            lost.append(collection)
            raise LeaseLost("another worker has the step", where="journal")

    with opened(place) as library, wrapped(library, "app", erase=taken):
        seen: list[str] = []
        library.erase(["child:11"], patience=SOON, watch=lambda _lease, event, _result: seen.append(event))
        assert "lost" in seen
    assert lost
    assert sql(place, "select count(*) from people") != [(0,)]


def test_a_run_whose_closing_was_cut_short_is_closed_by_the_next_worker(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the end of the last step and the closing of the run the power goes."""

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with opened(place) as library, monkeypatch.context() as patched:
        patched.setattr(type(library.rooms.journal), "close_run", cut)
        with pytest.raises(KeyboardInterrupt):
            library.erase(["child:11"], patience=SOON)
        (run,) = library.runs()
        assert run.status is not RunStatus.CLOSED
    with opened(place) as library:
        library.work()
        assert [one.status for one in library.runs()] == [RunStatus.CLOSED]


@pytest.mark.parametrize("lost", [False, True])
def test_a_long_statement_is_not_taken_for_a_dead_worker(lost: bool, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001  # a parameter of the test
    """The lease is renewed while a step works; a renewal that is refused is left to the worker's own next write."""
    with opened(place) as library:
        beaten = threading.Event()
        beat = type(library.rooms.journal).heartbeat

        def heard(journal: Journal, lease: Lease) -> None:
            if threading.current_thread() is threading.main_thread():  # a stage's own, between two targets
                beat(journal, lease)
                return
            beaten.set()
            if lost:
                raise LeaseLost("another worker has the step", where="journal")
            beat(journal, lease)

        monkeypatch.setattr(type(library.rooms.journal), "heartbeat", heard)
        library.request(["child:11"])
        with wrapped(library, "app", erase=lambda _: beaten.wait(20)):
            worker = Worker(library.rooms, "a slow one", timedelta(seconds=3))
            while not beaten.is_set():
                assert worker.work() is not None


def test_what_comes_late_in_many_batches_is_mopped_up(place: Place) -> None:
    """A batch holds two rows for each of the policy's ``batch``: what is beyond is another batch, and no progress of the step that mops."""
    rows = ", ".join(f"('late{one}', 11, 'LATE')" for one in range(100))
    late = once(lambda: sql(place, f"insert into clips values {rows}"), "profiles")  # our own words
    with opened(place) as library, wrapped(library, "app", erase=late):
        _, (standing,) = library.erase(["child:11"], patience=SOON)
        assert standing.complete
        assert rows_of(statement_of(library, standing))["app.clips"]["late"] == 100
    assert sql(place, "select id from clips where profile_id = 11") == []


# ---- what is said ----


def test_two_runs_that_did_the_same_say_the_same(place: Place, tmp_path: Path) -> None:
    other = toy(tmp_path / "twin")
    said = []
    for one in (place, other):
        standing = erased(one, "child:11")
        with opened(one) as library:
            (path,) = [note.path for note in standing.receipts if note.request_id is None]
            said.append(library.verify(Path(path)).statement)
    assert said[0] != said[1]
    assert same_content(said[0]["stores"]) == same_content(said[1]["stores"])
    assert latest_pending(said[0]) is None
    later: dict[str, Json] = {"stores": [{"collections": [{"pending_until": "2026-05-04T00:00:00+00:00"}, {"pending_until": None}]}]}
    told = latest_pending(later)
    assert told is not None
    assert told.isoformat() == "2026-05-04T00:00:00+00:00"
