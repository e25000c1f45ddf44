"""The kit's own promises: a gap is strict, a misspelt declaration declares nothing, the fake clock stands still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from expunge.ports import Clock
from expunge.testing.clock import FakeClock
from expunge.testing.conformance import laws

pytest_plugins = "pytester"

STORE = """
import pytest
from expunge.errors import Drift, Refused
from expunge.terms import Field, FieldType, Method, Shape
from expunge.testing.conformance import FIELDS, Gap, Harness, Row, StoreLaws
from expunge.testing.memory import Medium, MemoryStore

class DeleteOnly(MemoryStore):
    def erase(self, step):
        if step.method is not Method.DELETE:
            raise Refused("records are deleted whole")
        return super().erase(step)

class Records(Harness):
    fields = {name: name for name in FIELDS if name != "number"}
    bulk = 330

    def __init__(self, gaps):
        self.gaps = gaps
        kinds = dict(id=FieldType.INTEGER, owner=FieldType.TEXT, body=FieldType.TEXT, at=FieldType.TIME)
        self.medium = Medium([Shape("notes", tuple(Field(*one) for one in kinds.items()), primary_key=("id",))])

    def open(self):
        return DeleteOnly(self.medium)

    def seed(self, rows):
        self.medium.clear("notes")
        self.medium.put("notes", [{name: getattr(row, name) for name in self.fields} for row in rows])

    def dump(self):
        return [Row(**record) for record in self.medium.dump("notes")]

    def raw(self):
        return self.medium.raw()

    def outage(self):
        return self.medium.outage()

class TestRecords(StoreLaws):
    @pytest.fixture
    def harness(self):
        return Records({GAPS})
"""

NO_NUMBER = {"present_asks_for_a_value", "redact_nulls_the_fields_and_keeps_the_record"}
CHANGES = {law for law in laws() if "redact" in law or "decorrelate" in law or "repoint" in law} - NO_NUMBER
DECLARED = dict.fromkeys(CHANGES, 'Gap("records are deleted whole", Refused)')


def _run(pytester: pytest.Pytester, gaps: dict[str, str]) -> dict[str, int]:
    written = ", ".join(f"{law!r}: {gap}" for law, gap in gaps.items())
    pytester.makepyfile(STORE.replace("{GAPS}", "{" + written + "}"))
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-q").parseoutcomes()


def test_declared_gaps_and_missing_fields_are_told_apart_from_success(pytester: pytest.Pytester) -> None:
    lacking = NO_NUMBER | {"drift_is_an_error", "buried_bytes_are_told_then_gone"}  # its schema can't drift, nothing is buried in it
    outcome = _run(pytester, DECLARED)
    assert outcome == {"xfailed": len(DECLARED) + len(lacking), "passed": len(laws()) - len(DECLARED) - len(lacking)}


def test_a_gap_must_fail_with_the_error_declared_and_be_a_law(pytester: pytest.Pytester) -> None:
    wrong = {
        **DECLARED,
        "redact_twice_is_once": 'Gap("another error", Drift)',
        "describe_is_true": 'Gap("it is kept after all")',
        "delete_twice_is_twice": 'Gap("no such law")',
    }
    outcome = _run(pytester, wrong)
    assert outcome["failed"] == 3


def test_the_clock_moves_only_when_moved() -> None:
    clock = FakeClock()
    checked: Clock = clock
    assert checked.now() == checked.now() == datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.tick(timedelta(days=-1)) == clock.now() == datetime(2025, 12, 31, tzinfo=UTC)
    clock.set(datetime(2026, 5, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == datetime(2026, 5, 1, tzinfo=UTC)
    assert clock.now().tzinfo is UTC
    with pytest.raises(ValueError, match="aware"):
        clock.set(datetime(2026, 5, 1))  # noqa: DTZ001 - that is the point
