"""From the policy and the journal to what a training job may read: published, opened, refused, on a real estate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from expunge import gate
from expunge.app import gating
from expunge.app.families import Families
from expunge.app.gating import Publisher
from expunge.app.library import Expunge
from expunge.cli.main import invoke
from expunge.errors_gate import StaleEpoch, UnknownPurpose
from expunge.gate import Reason, building
from expunge.gate.gate import Gate, Item
from expunge.terms import Scope, Span
from expunge.testing.clock import FakeClock
from tests.erase.toy import sql
from tests.family.home import agreed, home, opened
from tests.faults.killing import Place

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
    with pytest.raises(UnknownPurpose, match=r"'improv'; it has .*improve, respond"):
        opened_gate(publisher, at, clock, "improv")
    with pytest.raises(UnknownPurpose, match=r"no user\.biometric\.voice of a child is kept for 'improve'"):
        opened_gate(publisher, at, clock, category="user.biometric.voice")


def test_an_epoch_is_the_same_whoever_publishes_it_twice(publisher: Publisher, at: Path) -> None:
    first = publisher.publish(at).epoch
    second = publisher.publish(at).epoch
    assert second.number == first.number + 1
    assert second.files == first.files
    assert len(list((at / "files").iterdir())) == len({one.sha256 for one in first.files.values()})


def test_what_is_said_while_an_epoch_is_made_is_in_the_next(
    library: Expunge, publisher: Publisher, at: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed(Families(library))
    publisher.publish(at)

    def build_late(*given: Any) -> Any:
        clock.tick(timedelta(seconds=30))
        library.request(["child:100"], by="support")
        clock.tick(timedelta(seconds=20))
        return building.build(*given)

    monkeypatch.setattr(gating, "build", build_late)
    began = clock.now()
    assert publisher.publish(at).epoch.published_at == began, "an epoch dates from before it was read"
    held = opened_gate(publisher, at, clock)
    assert reasons(held, KIM) == [Reason.ADMITTED], "50 s old, it can't know of 20 s ago"
    clock.tick(timedelta(seconds=11))
    with pytest.raises(StaleEpoch):
        held.reason(KIM)


def test_who_comes_back_is_enrolled_anew_and_only_what_is_new_is_admitted(
    library: Expunge, publisher: Publisher, at: Path, clock: FakeClock, tmp_path: Path
) -> None:
    publisher.publish(at)
    (run,) = library.request(["adult:11"], by="support").runs
    library.work(run.id)
    clock.tick(timedelta(days=2))
    sql(Place(tmp_path, {"APP_URL": f"sqlite:///{tmp_path}/home/app.db"}), "insert into people values (11, 1, 'dad@home.example')")
    assert publisher.publish(at, enrol=True).people["adult"] in (3, 4)
    clock.tick()
    times = pa.array([OLD, clock.now()], pa.timestamp("us", "UTC"))
    batch = pa.table({"person_id": [11, 11], "at": times})
    held = opened_gate(publisher, at, clock, "respond", kind="adult", category="user.biometric.voice")
    assert held.mask(batch, subject="person_id", captured="at").tolist() == [False, True]


def test_the_commands_publish_tell_and_explain(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    place = home(tmp_path / "home")
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(place.folder)
    asked = ["--at", str(tmp_path / "epochs")]
    assert invoke(["gate", "status", *asked]) == 91
    assert invoke(["gate", "publish", *asked, "--json"]) == 0
    assert invoke(["gate", "publish", *asked]) == 0
    assert invoke(["gate", "status", *asked]) == 0
    capsys.readouterr()
    assert invoke(["gate", "status", *asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["epoch"], told["policy_current"]) == (2, True)
    assert {"purpose": "improve", "kind": "child", "enrolled": 3, "clear": 0} in told["purposes"]
    for subject, purpose, reason in (
        ("child:100", "improve", "no consent"),
        ("adult:10", "respond", "admitted"),
        ("child:7", "respond", "unknown subject"),
    ):
        assert invoke(["gate", "explain", subject, *asked, "--purpose", purpose, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["reason"] == reason
    assert invoke(["gate", "explain", "child:100", *asked, "--purpose", "improve"]) == 0
    assert "no consent for improve, in epoch 2" in capsys.readouterr().out


def test_nothing_published_names_anybody(library: Expunge, publisher: Publisher, at: Path) -> None:
    agreed(Families(library))
    publisher.publish(at)
    told = b"".join(path.read_bytes() for path in [*at.rglob("*"), *publisher.home.iterdir()] if path.is_file())
    assert not any(name in told for name in (b"Kim", b"mum@home", b"child:100"))
