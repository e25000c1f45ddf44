"""The door: what may be stored, what may not and why, and how few questions a large batch takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from expunge.app.families import Families
from expunge.app.ingesting import door, read_arrivals
from expunge.app.library import Expunge
from expunge.errors import InvalidRequest, JournalUnavailable
from expunge.ingest.arrivals import Arrival, Verdict, Why
from expunge.ingest.door import Door
from expunge.ingest.passing import LONGEST, pass_through
from expunge.policy.model import Term
from expunge.policy.strictness import strictest
from expunge.terms import Identifier, Scope
from expunge.testing.clock import FakeClock
from tests.family.home import agreed, home, opened

DAY = timedelta(days=1)
NOW = datetime(2026, 1, 10, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def library(tmp_path: Path, clock: FakeClock) -> Iterator[Expunge]:
    with opened(home(tmp_path / "home"), clock) as held:
        yield held


def voice(key: str = "100", **more: Any) -> Arrival:
    """A child's recording, made yesterday."""
    told = {"category": "user.biometric.voice", "purpose": "respond", "captured_at": NOW - DAY, **more}
    return Arrival(told.pop("kind", "child"), (Identifier("profile_id", key),), told.pop("collection", "app.clips"), **told)


def stranger(house: str = "1", **more: Any) -> Arrival:
    """A recording that nobody is attributed to."""
    return replace(voice(**more), kind=None, identifiers=(Identifier("household_id", house),))


def says(library: Expunge, *arrivals: Arrival) -> list[Why | None]:
    return [one.why for one in door(library).admit(arrivals)]


def test_no_consent_no_collection(library: Expunge) -> None:
    family = Families(library)
    assert says(library, voice(), voice("777")) == [Why.NO_CONSENT, Why.NO_CONSENT]
    asked = family.ask("child:100", "adult:10", "card", ["respond"])
    (waits,) = door(library).admit([voice()])
    assert (waits.why, waits.held_back, waits.until) == (Why.ASKED, True, NOW + 30 * DAY)
    family.answer(asked.id, {"stand_in": "yes"})
    (taken,) = door(library).admit([voice()])
    assert taken == Verdict(None, "child", NOW + 29 * DAY)
    assert says(library, voice(collection="app.clicks", category="user.behavior", purpose="improve")) == [Why.NO_CONSENT]
    family.withdraw("child:100", "adult:10", ["respond"])
    late, new = voice(), voice(captured_at=NOW + DAY)
    assert says(library, late, new) == [Why.TOMBSTONED, Why.NO_CONSENT], "what was kept for it is being erased already"


def test_refusing_everything_else_never_blocks_the_service(library: Expunge) -> None:
    family = Families(library)
    asked = family.ask("child:100", "adult:10", "card")
    family.answer(asked.id, {"stand_in": "yes"}, ["respond"])
    assert says(library, voice()) == [None]


def test_an_adult_under_contract_needs_no_consent_and_need_not_be_known(library: Expunge) -> None:
    mum = replace(voice(), kind="adult", identifiers=(Identifier("person_id", "never seen"),))
    assert door(library).admit([mum]) == [Verdict(None, "adult", NOW + 89 * DAY)]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": "robot"}, Why.UNKNOWN_KIND),
        ({"collection": "app.none"}, Why.UNKNOWN_PLACE),
        ({"category": "user.location"}, Why.UNDECLARED),
        ({"purpose": "sell"}, Why.NO_TERM),
        ({"purpose": "improve"}, Why.NO_TERM),
        ({"identifiers": ()}, Why.UNNAMED),
        ({"identifiers": (Identifier("email", "a@b.example"),)}, Why.UNNAMED),
        ({"identifiers": (Identifier("profile_id", ""),)}, Why.UNNAMED),
        ({"captured_at": NOW - 30 * DAY}, Why.PAST_TERM),
        ({"captured_at": NOW - 31 * DAY}, Why.PAST_TERM),
        ({"captured_at": NOW - 30 * DAY + timedelta(seconds=1)}, None),
        ({"captured_at": NOW + 400 * DAY}, None),
    ],
)
def test_what_the_policy_alone_refuses(library: Expunge, change: dict[str, Any], why: Why | None) -> None:
    agreed(Families(library), "child:100", "adult:10", "respond")
    (verdict,) = door(library).admit([replace(voice(), **change)])
    assert verdict.why == why
    if verdict.admitted:
        assert verdict.until is not None
        assert verdict.until <= NOW + 30 * DAY, "a device's clock that is ahead gives no longer life"


def test_a_time_without_a_zone_is_no_time() -> None:
    with pytest.raises(ValueError, match="aware"):
        voice(captured_at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is what is refused


def test_who_is_being_erased_or_was_is_refused(library: Expunge, clock: FakeClock) -> None:
    family = Families(library)
    agreed(family, "child:100", "adult:10", "respond")
    library.request(["child:100"])
    late = voice(captured_at=NOW - DAY)
    new = voice(captured_at=NOW + timedelta(hours=1))
    clock.tick(timedelta(hours=2))
    assert says(library, late, new) == [Why.TOMBSTONED, Why.HIDDEN]
    library.work()
    assert says(library, late, new) == [Why.TOMBSTONED, Why.NO_CONSENT], "who comes back is a new person, and nobody has asked"


def test_a_narrow_erasure_refuses_what_is_late_and_not_what_is_new(library: Expunge, clock: FakeClock) -> None:
    agreed(Families(library), "child:100", "adult:10", "respond")
    library.erase(["child:100"], Scope(("user.biometric.voice",)))
    clock.tick(timedelta(hours=2))
    late, new = voice(), voice(captured_at=NOW + timedelta(hours=1))
    assert says(library, late, new, voice(category="user.name", collection="app.profiles")) == [Why.TOMBSTONED, None, None]


def test_a_single_record_that_was_erased_does_not_come_back(library: Expunge, clock: FakeClock) -> None:
    agreed(Families(library), "child:100", "adult:10", "respond")
    library.erase(["child:100"], Scope(items=("app.clips/c1",)))
    clock.tick(timedelta(hours=2))
    assert says(library, voice(key="100"), voice()) == [None, None]
    back = replace(voice(), key="c1", captured_at=clock.now())
    assert says(library, back, replace(back, key="c9")) == [Why.TOMBSTONED, None]


def test_what_nobody_is_attributed_to_is_the_household_s_under_its_strictest_term(library: Expunge, tmp_path: Path) -> None:
    (verdict,) = door(library).admit([stranger()])
    assert verdict == Verdict(None, "household", NOW + 29 * DAY), "a child's 30 days, not the household's 60"
    assert says(library, stranger(purpose="improve", category="user.behavior", collection="app.clicks")) == [Why.NO_CONSENT]
    assert says(library, replace(stranger(), identifiers=(Identifier("person_id", "10"),))) == [Why.UNATTRIBUTED]
    with opened(home(tmp_path / "without", family={})) as other:
        assert says(other, stranger()) == [Why.UNATTRIBUTED]
    templates = {"unattributed": "household", "templates": ["user.biometric.voice"]}
    with opened(home(tmp_path / "templates", family=templates)) as other:
        assert says(other, stranger()) == [Why.NO_CONSENT], "nobody's voice becomes a template unasked"


def test_the_strictest_of_terms() -> None:
    def term(days: int | None, of: str = "child", purpose: str = "respond") -> Term:
        return Term(of, "user", purpose, None if days is None else days * DAY, "captured_at", "need")

    assert strictest([]) is None
    assert strictest([term(None), term(30), term(7, "adult"), term(60)]) == term(7, "adult")
    assert strictest([term(None)]) == term(None)
    assert strictest([term(7, purpose="b"), term(7, purpose="a")]) == term(7, purpose="a")


def test_a_hundred_thousand_records_are_a_handful_of_questions(library: Expunge) -> None:
    family = Families(library)
    agreed(family, "child:100", "adult:10", "respond")
    batch = [voice(str(100 + number % 4_000)) for number in range(99_990)] + [stranger() for _ in range(10)]
    held = door(library)
    held.admit(batch[:1])
    sent: list[str] = []
    event.listen(library.rooms.journal._database._engine, "before_cursor_execute", lambda *told: sent.append(told[2]))
    verdicts = held.admit(batch)
    statements = [one for one in sent if not one.startswith("BEGIN")]
    assert len(statements) <= 8, statements
    assert sum(one.admitted for one in verdicts) == 25 + 10
    assert {one.why for one in verdicts} == {None, Why.NO_CONSENT}


@dataclass
class Stub:
    """A ledger in front of the real one, whose answers are old or that is away."""

    ledger: Any
    age: timedelta = timedelta(0)
    away: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    def admits(self, subjects: Any, matter: str, at: datetime | None = None) -> Any:
        if self.away:
            raise JournalUnavailable("away", where="journal")
        found = self.ledger.admits(subjects, matter, at)
        return replace(found, asked_at=found.asked_at - self.age)


def test_an_answer_that_is_too_old_or_that_nobody_gives_is_no(library: Expunge) -> None:
    agreed(Families(library), "child:100", "adult:10", "respond")
    rooms = library.rooms
    for age, why in ((timedelta(seconds=60), None), (timedelta(seconds=61), Why.STALE), (-timedelta(seconds=1), Why.STALE)):
        (verdict,) = Door(rooms.policy, Stub(rooms.journal, age), rooms.register, rooms.clock).admit([voice()])
        assert verdict.why == why
    with pytest.raises(JournalUnavailable):
        Door(rooms.policy, Stub(rooms.journal, away=True), rooms.register, rooms.clock).admit([voice()])


def test_arrivals_are_read_from_lines_and_wrong_ones_are_told_by_their_number(library: Expunge) -> None:
    good = (
        '{"subject": "child:100", "collection": "app.clips", "category": "user.biometric.voice", "purpose": "respond", "captured_at": "%s"}'
    )
    other = good.replace('"subject": "child:100"', '"household": "1", "key": "c9"')
    read = list(read_arrivals(library.policy, [good % "2026-01-09T00:00:00", "", other % "2026-01-09T00:00:00+01:00"]))
    assert read[0] == voice()
    assert (read[1].kind, read[1].identifiers, read[1].key) == (None, (Identifier("household_id", "1"),), "c9")
    assert "100" not in repr(read)
    for line in ("nonsense", "[]", '"x"', "{}", good % "yesterday", good.replace("{", '{"extra": 1, ') % "2026-01-09", '{"subject": 7}'):
        with pytest.raises(InvalidRequest, match="line 2"):
            list(read_arrivals(library.policy, ["", line]))


def test_a_clip_is_let_through_for_one_request_and_gone() -> None:
    heard: list[bytes] = []
    clip = bytearray(b"why is the sky blue")

    def respond(view: memoryview) -> str:
        heard.append(bytes(view))
        assert view.readonly
        return "because of Rayleigh scattering"

    assert pass_through(clip, respond) == "because of Rayleigh scattering"
    assert (heard, clip) == ([b"why is the sky blue"], bytearray())


def test_a_clip_that_is_kept_is_refused_and_shows_nothing() -> None:
    kept: list[memoryview] = []

    def keeps(view: memoryview) -> str:
        kept.append(view[4:])
        return "yes"

    with pytest.raises(InvalidRequest, match="kept by the responder"):
        pass_through(bytearray(b"why is the sky blue"), keeps)
    assert bytes(kept[0]) == bytes(15)
    clip = bytearray(b"why")
    with pytest.raises(InvalidRequest, match="words"):
        pass_through(clip, bytes)  # type: ignore[arg-type]  # what a caller may get wrong
    assert not clip

    def fails(view: memoryview) -> str:
        raise ZeroDivisionError

    clip = bytearray(b"why")
    with pytest.raises(ZeroDivisionError):
        pass_through(clip, fails)
    assert not clip
    for size in (0, LONGEST + 1):
        with pytest.raises(InvalidRequest, match="request's clip"):
            pass_through(bytearray(size), respond=lambda _: "no")


def test_nothing_of_a_clip_is_left_in_any_file(library: Expunge) -> None:
    mark = b"a clip that passes"
    pass_through(bytearray(mark), lambda _: "heard")
    folder = library.policy.folder
    assert not [path.name for path in folder.rglob("*") if path.is_file() and mark in path.read_bytes()]
