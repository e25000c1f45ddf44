"""Idle profiles, case by case: what happened, what became of the profile, and the law's reason.

All cases live in one estate and go through one year and a half of rounds together. Each is a child: what counts as its use, who is told,
and when it has to be gone. 16 CFR 312.10: no child's data is kept indefinitely; the Alexa order (W.D. Wash. 2:23-cv-00811, July 2023):
profiles that no child used for 18 months go within 90 days, unless the parent asks to keep them or they become active.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from expunge.app import idling
from expunge.app.library import Expunge
from tests.retain.idle_home import DAY, MONTH, START, Homes, pass_days

IDLE, NOTICE, WITHIN = 18 * MONTH, 30 * DAY, 90 * DAY
INACTIVE = START + IDLE
ROUND = 5
"""Days between rounds here; a service has one a day."""


@dataclass(frozen=True)
class Case:
    """One child. ``gone`` is the day by which, and not before which, it goes (a round more or less); ``None``: it stays."""

    name: str
    reason: str
    gone: tuple[datetime, datetime] | None
    prepare: Callable[[Homes, int], None] = lambda homes, child: homes.family(child)
    on: dict[datetime, Callable[[Homes, Expunge, int], object]] = field(default_factory=dict)
    bounces: tuple[str, ...] = ()


AFTER_NOTICE = (INACTIVE + NOTICE, INACTIVE + NOTICE + 2 * ROUND * DAY)
AT_THE_LATEST = (INACTIVE + NOTICE + 2 * ROUND * DAY, INACTIVE + WITHIN)


def synced(homes: Homes, child: int) -> None:
    homes.family(child)
    for month in range(24):
        homes.beats(child, START + month * MONTH)


def parents_use(homes: Homes, child: int) -> None:
    homes.family(child)
    for month in range(24):
        homes.speaks(adult=child, at=START + month * MONTH)


def childs_use(homes: Homes, child: int) -> None:
    homes.family(child)
    for month in range(0, 24, 3):
        homes.speaks(child=child, at=START + month * MONTH)


CASES = (
    Case("never used", "unused for 18 months; the parent was told and did not answer", AFTER_NOTICE),
    Case("background sync", "a device's own traffic is no use by the child", AFTER_NOTICE, synced),
    Case("a parent's use", "use by somebody else is no use by the child", AFTER_NOTICE, parents_use),
    Case("a child's use", "in use: there is nothing to end", None, childs_use),
    Case(
        "use on the last day before it is idle",
        "18 months have not passed since the last use",
        None,
        on={INACTIVE - ROUND * DAY: lambda homes, _, child: homes.speaks(child=child, at=INACTIVE - ROUND * DAY)},
    ),
    Case(
        "use on the last day before the end",
        "it became active before it was deleted",
        None,
        on={INACTIVE + NOTICE - ROUND * DAY: lambda homes, _, child: homes.speaks(child=child, at=INACTIVE + NOTICE - ROUND * DAY)},
    ),
    Case(
        "keep",
        "the parent asked to keep it: for a further term, and no longer without asking again",
        None,
        on={INACTIVE + 2 * ROUND * DAY: lambda _, library, child: idling.keep(library, f"child:{child}", by=f"adult:{child}")},
    ),
    Case("notice bounced", "nobody could be told: silence is no wish to keep", AT_THE_LATEST, bounces=("email",)),
    Case(
        "one of two letters bounced",
        "the parent was told by the other channel",
        AFTER_NOTICE,
        lambda homes, child: homes.family(child, phone="+15550100"),
        bounces=("email",),
    ),
    Case(
        "parent unreachable",
        "no address: silence is no wish to keep",
        AT_THE_LATEST,
        lambda homes, child: homes.family(child, email=None),
    ),
    Case(
        "turned 13",
        "what was collected from a child stays a child's",
        AFTER_NOTICE,
        on={INACTIVE: lambda homes, _, child: homes.sql("UPDATE profiles SET birth_year = 2012 WHERE id = :n", n=child)},
    ),
    Case(
        "the parent erases it meanwhile",
        "the parent's own request needs no term to end",
        (INACTIVE + ROUND * DAY, INACTIVE + 3 * ROUND * DAY),
        on={INACTIVE + 2 * ROUND * DAY: lambda _, library, child: library.request([f"child:{child}"])},
    ),
)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Homes, dict[int, datetime]]:
    homes = Homes(folder := tmp_path_factory.mktemp("idle"), f"sqlite:///{folder}/app.db")
    homes.build()
    for child, case in enumerate(CASES, start=1):
        case.prepare(homes, child)
    bounces = {child: case.bounces for child, case in enumerate(CASES, start=1)}
    homes.clock.set(INACTIVE - 3 * ROUND * DAY)
    with homes.opened() as library:

        def on(now: datetime) -> None:
            for child, case in enumerate(CASES, start=1):
                if now in case.on:
                    case.on[now](homes, library, child)

        gone = pass_days(homes, library, 120, step=ROUND, bounces=bounces, on=on)
    return homes, gone


@pytest.mark.parametrize("child", range(1, len(CASES) + 1), ids=[case.name for case in CASES])
def test_case(played: tuple[Homes, dict[int, datetime]], child: int) -> None:
    homes, gone = played
    case = CASES[child - 1]
    if case.gone is None:
        assert child not in gone
        assert homes.traces(child)
    else:
        first, last = case.gone
        assert first <= gone[child] <= last, case.reason
        assert homes.traces(child) == 0


def test_adults_and_households_stay(played: tuple[Homes, dict[int, datetime]]) -> None:
    homes, _ = played
    assert homes.sql("SELECT count(*) FROM people")[0][0] == len(CASES)


def test_kept_is_told_again_after_the_further_term(tmp_path: Path) -> None:
    homes = Homes(tmp_path, f"sqlite:///{tmp_path}/app.db")
    homes.build()
    homes.family(1)
    homes.clock.set(INACTIVE)
    with homes.opened() as library:
        pass_days(homes, library, 5)
        until = idling.keep(library, "child:1", by="adult:1")
        assert until == homes.clock.now() + IDLE
        homes.clock.set(until - DAY)
        assert pass_days(homes, library, 1) == {}
        gone = pass_days(homes, library, 40)
    assert until + NOTICE <= gone[1] <= until + NOTICE + 2 * DAY


def test_a_backlog_is_found_at_once_and_has_the_whole_notice(tmp_path: Path) -> None:
    homes = Homes(tmp_path, f"sqlite:///{tmp_path}/app.db")
    homes.build()
    for child in range(1, 30):
        homes.family(child, email=None if child % 3 == 0 else "")
    switched_on = INACTIVE + 48 * MONTH
    homes.clock.set(switched_on)
    with homes.opened() as library:
        (tally,) = idling.go(library, dry_run=True).values()
        assert tally["unused"] == 29
        gone = pass_days(homes, library, 33)
    assert set(gone) == set(range(1, 30))
    assert all(switched_on + NOTICE <= when <= switched_on + NOTICE + timedelta(days=3) for when in gone.values())


def test_the_page_tells_every_case() -> None:
    page = (Path(__file__).parents[2] / "docs" / "idle.md").read_text()
    assert all(f"| {case.name} | " in page and f" | {case.reason} |" in page for case in CASES)


def test_the_timetable_has_a_round_as_often_as_a_sweep(tmp_path: Path) -> None:
    homes = Homes(tmp_path, f"sqlite:///{tmp_path}/app.db")
    homes.build()
    homes.family(1)
    homes.clock.set(INACTIVE + DAY)
    policy = tmp_path / "expunge.yaml"
    with homes.opened() as library:
        assert idling.round_if_due(library) is None  # the policy asks for no sweeps
    policy.write_text(policy.read_text() + "retention: {sweep: 1 day}\n")
    with homes.opened() as library:
        done = idling.round_if_due(library)
        assert done is not None
        assert +done["child"] == {"found": 1, "told": 1}
        assert idling.round_if_due(library) is None
        homes.clock.tick(DAY)
        homes.sql("ALTER TABLE clips RENAME TO lost")
        assert idling.round_if_due(library) is None
        assert [one.control for one in library.incidents()] == [idling.TASK]
        homes.sql("ALTER TABLE lost RENAME TO clips")
        homes.clock.tick(DAY)
        assert idling.round_if_due(library) is not None
        assert not library.incidents()
