"""From the policy and the journal to what a training job may read: published, opened, refused, on a real estate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from expunge import gate
from expunge.app.families import Families
from expunge.app.gating import Publisher
from expunge.app.library import Expunge
from expunge.errors import UnknownPurpose
from expunge.gate import Reason
from expunge.gate.gate import Gate, Item
from expunge.terms import Scope, Span
from expunge.testing.clock import FakeClock
from tests.family.home import agreed, home, opened

KIM, LOU, MAX = 100, 101, 200
MUM = 10
OLD, NEW = datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def library(tmp_path: Path, clock: FakeClock) -> Iterator[Expunge]:
    with opened(home(tmp_path / "home"), clock) as held:
        yield held


@pytest.fixture
def publisher(library: Expunge) -> Publisher:
    return Publisher(library)


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "epochs"


def opened_gate(publisher: Publisher, at: Path, clock: FakeClock, purpose: str = "improve", **changes: object) -> Gate:
    return gate.open(purpose, at, **{"kind": "child", "pass_file": publisher.pass_file, "clock": clock, **changes})  # type: ignore[arg-type]  # by name


def reasons(held: Gate, *keys: int) -> list[Reason]:
    return [held.reason(key) for key in keys]


def test_only_who_consents_is_admitted_to_a_purpose_that_rests_on_consent(
    library: Expunge, publisher: Publisher, at: Path, clock: FakeClock
) -> None:
    done = publisher.publish(at)
    assert done.people == {"household": 2, "adult": 3, "child": 3}
    assert reasons(opened_gate(publisher, at, clock), KIM, LOU, MAX, 999) == [Reason.NO_CONSENT] * 3 + [Reason.UNKNOWN]
    agreed(Families(library))
    publisher.publish(at)
    assert reasons(opened_gate(publisher, at, clock), KIM, LOU, MAX) == [Reason.ADMITTED, Reason.NO_CONSENT, Reason.NO_CONSENT]
    adults = opened_gate(publisher, at, clock, "respond", kind="adult")
    assert reasons(adults, MUM) == [Reason.ADMITTED]


def test_a_parents_no_is_obeyed_by_the_next_epoch(library: Expunge, publisher: Publisher, at: Path, clock: FakeClock) -> None:
    family = Families(library)
    agreed(family)
    publisher.publish(at)
    held = opened_gate(publisher, at, clock)
    assert reasons(held, KIM) == [Reason.ADMITTED]
    family.withdraw("child:100", "adult:10", ["improve"])
    publisher.publish(at)
    clock.tick(timedelta(seconds=20))
    assert reasons(held, KIM) == [Reason.ERASED], "a no obliges to erase what was kept for it"


def test_who_is_erased_is_out_before_and_after_the_erasure(library: Expunge, publisher: Publisher, at: Path, clock: FakeClock) -> None:
    agreed(Families(library))
    publisher.publish(at)
    held = opened_gate(publisher, at, clock)
    library.request(["child:100"], by="support")
    publisher.publish(at)
    clock.tick(timedelta(seconds=20))
    assert reasons(held, KIM) == [Reason.ERASED]
    library.work()
    publisher.publish(at, enrol=True)
    clock.tick(timedelta(seconds=20))
    assert reasons(held, KIM) == [Reason.ERASED], "the journal has forgotten who it was, and the epoch has not"


def test_a_narrow_erasure_refuses_what_it_was_about(library: Expunge, publisher: Publisher, at: Path, clock: FakeClock) -> None:
    publisher.publish(at)
    scope = Scope(("user.biometric",), Span(None, NEW), ())
    library.request(["adult:10"], scope, by="support")
    publisher.publish(at)
    batch = pa.table({"person_id": [MUM, MUM], "at": pa.array([OLD, NEW], pa.timestamp("us", "UTC"))})
    voices = opened_gate(publisher, at, clock, "respond", kind="adult", category="user.biometric.voice")
    (left,) = voices.batches([batch], subject="person_id", captured="at")
    assert left["at"].to_pylist() == [NEW]
    assert voices.tally.as_json() == {"logging_only": False, "admitted": 1, "erased": 1}
    contacts = opened_gate(publisher, at, clock, "respond", kind="adult", category="user.contact.email")
    assert contacts.mask(batch, subject="person_id", captured="at").all()


def test_one_deleted_clip_does_not_refuse_the_person(library: Expunge, publisher: Publisher, at: Path, clock: FakeClock) -> None:
    publisher.publish(at)
    library.request(["adult:10"], Scope(items=("app.clips/c4",)), by="support")
    publisher.publish(at)
    times = pa.array([datetime(2025, 12, 31, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC"))
    batch = pa.table({"person_id": [MUM, MUM, 11], "clip": ["c4", "c5", "c4"], "at": times})
    held = opened_gate(publisher, at, clock, "respond", kind="adult", category="user.biometric.voice")
    named = held.mask(batch, subject="person_id", captured="at", item=Item("app.clips", "clip"))
    assert named.tolist() == [False, True, True]
    assert held.mask(batch, subject="person_id", captured="at").tolist() == [False, False, True], "what it is called is not known"
    library.work()
    publisher.publish(at)
    again = opened_gate(publisher, at, clock, "respond", kind="adult", category="user.biometric.voice")
    assert again.mask(batch, subject="person_id", captured="at", item=Item("app.clips", "clip")).tolist() == [False, True, True]


def test_a_purpose_or_category_that_the_policy_does_not_allow_stops(publisher: Publisher, at: Path, clock: FakeClock) -> None:
    publisher.publish(at)
    with pytest.raises(UnknownPurpose, match="'improv'; it has ask, improve, respond"):
        opened_gate(publisher, at, clock, "improv")
    with pytest.raises(UnknownPurpose, match=r"no user\.biometric\.voice of a child is kept for 'improve'"):
        opened_gate(publisher, at, clock, category="user.biometric.voice")


def test_an_epoch_is_the_same_whoever_publishes_it_twice(publisher: Publisher, at: Path) -> None:
    first = publisher.publish(at).epoch
    second = publisher.publish(at).epoch
    assert second.number == first.number + 1
    assert second.files == first.files
    assert len(list((at / "files").iterdir())) == len({one.sha256 for one in first.files.values()})


def test_nothing_published_names_anybody(library: Expunge, publisher: Publisher, at: Path) -> None:
    agreed(Families(library))
    publisher.publish(at)
    told = b"".join(path.read_bytes() for path in [*at.rglob("*"), *publisher.home.iterdir()] if path.is_file())
    assert not any(name in told for name in (b"Kim", b"mum@home", b"child:100"))
