"""The clock, the settings and the log of a process."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from expunge.errors import ClockWentBack, PolicyInvalid, Unavailable
from expunge.runtime.clock import TOLERANCE, SystemClock
from expunge.runtime.settings import PREFIX, SETTINGS, Settings
from expunge.runtime.telemetry import KNOWN, configure

SECOND = 1_000_000_000
"""Nanoseconds."""


def test_the_time_is_aware_and_in_utc_and_now() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert before <= now <= datetime.now(UTC)


def test_time_stands_still_over_a_small_step_back() -> None:
    readings = iter([100 * SECOND, 100 * SECOND - 59 * SECOND, 100 * SECOND - 1, 101 * SECOND])
    clock = SystemClock(lambda: next(readings))
    first, second, third, fourth = (clock.now() for _ in range(4))
    assert first == second == third == fourth - timedelta(seconds=1)


def test_a_clock_that_was_set_back_is_a_matter_for_security() -> None:
    readings = iter([10**18, 10**18 - int(TOLERANCE.total_seconds() + 1) * SECOND, 10**18 + SECOND])
    clock = SystemClock(lambda: next(readings))
    first = clock.now()
    with pytest.raises(ClockWentBack, match="set back by 0:01:01"):
        clock.now()
    assert clock.now() == first + timedelta(seconds=1)


def test_without_environment_there_are_defaults() -> None:
    settings = Settings.read({"HOME": "/home/ann", "EXPUNGED": "no"})
    assert settings == Settings()
    assert (settings.policy, settings.lease, settings.log, settings.ray) == (Path("expunge.yaml"), timedelta(seconds=30), "warning", None)
    assert settings.workers >= 1


def test_every_setting_is_read_and_told() -> None:
    assert [PREFIX + one.name.upper() for one in fields(Settings)] == [one.name for one in SETTINGS]
    assert all(one.wants and one.tells.endswith(".") for one in SETTINGS)
    given = {"POLICY": "home.yaml", "EXTERNAL_ROOT": "c2VjcmV0", "WORKERS": "3", "RAY": "ray://head", "LEASE": "5", "LOG": "debug"}
    settings = Settings.read({PREFIX + name: value for name, value in given.items()})
    assert settings == Settings(Path("home.yaml"), "c2VjcmV0", 3, "ray://head", timedelta(seconds=5), "debug")
    assert "c2VjcmV0" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("EXPUNGE_WORKER", r"EXPUNGE_WORKER: is not a setting; did you mean EXPUNGE_WORKERS\?"),
        ("EXPUNGE_POLCY", r"did you mean EXPUNGE_POLICY\?"),
        ("EXPUNGE_", r"is not a setting; there are EXPUNGE_POLICY, EXPUNGE_EXTERNAL_ROOT, "),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(PolicyInvalid, match=message):
        Settings.read({name: "1"})


def test_a_policys_own_variables_are_let_through() -> None:
    assert Settings.read({"EXPUNGE_APP_URL": "x"}, also={"EXPUNGE_APP_URL"}) == Settings()


@pytest.mark.parametrize(("name", "value"), [("WORKERS", "0"), ("WORKERS", "many"), ("LEASE", "-1"), ("LEASE", "1.5"), ("LOG", "loud")])
def test_a_value_that_cannot_be_read_is_refused_unquoted(name: str, value: str) -> None:
    with pytest.raises(PolicyInvalid, match=f"^EXPUNGE_{name}: wants ") as caught:
        Settings.read({PREFIX + name: value})
    assert value not in caught.value.message.replace("from 1", "")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = configure("info", stream)
    yield stream
    logging.getLogger("expunge").removeHandler(handler)
    logging.getLogger("expunge").setLevel(logging.NOTSET)


def test_a_record_is_one_line_of_keys_and_values(log: io.StringIO) -> None:
    logging.getLogger("expunge.erase").info("step finished", extra={"run": "run_1", "step": "erase:app.clips", "count": 12, "seconds": 0.5})
    line = log.getvalue()
    assert line.endswith('level=info from=expunge.erase event="step finished" run=run_1 step=erase:app.clips count=12 seconds=0.5\n')
    assert datetime.fromisoformat(line.split()[0].removeprefix("time=")).tzinfo is not None


def test_nothing_that_could_be_a_person_gets_through(log: io.StringIO) -> None:
    logger = logging.getLogger("expunge.stores.sql")
    marker = "ann@example.org"
    logger.warning("row of %s is odd", marker, extra={"email": marker, "store": "app"})
    for fault in (Unavailable(f"can't reach {marker}"), ValueError(marker)):
        logger.error("gave up", exc_info=fault, stack_info=True)
    told = log.getvalue()
    assert marker not in told
    assert told.count("\n") == 3
    assert 'event="row of %s is odd" store=app' in told
    assert "fault=Unavailable code=store-unavailable" in told
    assert "fault=ValueError\n" in told


def test_a_value_cannot_break_out_of_its_line(log: io.StringIO) -> None:
    logging.getLogger("expunge").info("odd\nname", extra={"store": 'a b="c"\nlevel=error'})
    assert log.getvalue().count("\n") == 1
    assert r'event="odd\nname" store="a b=\"c\"\nlevel=error"' in log.getvalue()


def test_levels_hold_and_a_new_set_up_replaces_the_old(log: io.StringIO) -> None:
    logging.getLogger("expunge").debug("quiet")
    assert log.getvalue() == ""
    again = io.StringIO()
    handler = configure("debug", again)
    logging.getLogger("expunge").debug("loud")
    assert (log.getvalue(), again.getvalue().count("event=loud")) == ("", 1)
    logging.getLogger("expunge").removeHandler(handler)


def test_no_known_field_is_one_of_loggings_own() -> None:
    own = set(vars(logging.LogRecord("", 0, "", 0, "", (), None)))
    assert own.isdisjoint(KNOWN)
