"""What hunts found, as the journal keeps it: decided once, and readable while the run's key lives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from expunge.errors import InvalidRequest, UnknownRequest
from expunge.journal import Journal
from expunge.journal.desk import RUN_SPACE
from expunge.journal.records import Filing, FindStatus, Lease, NewStep
from expunge.ports import Found
from expunge.terms import Identifier
from expunge.testing.clock import FakeClock
from expunge.testing.sealer import MemorySealer

SEEN = Found("lab", "lab.tmp.said", certain=True, kinds=("text",), count=2, subjects=1, rows=("7",), detail={"place": "lab.tmp.said"})


@pytest.fixture
def sealer() -> MemorySealer:
    return MemorySealer()


@pytest.fixture
def journal(tmp_path: Path, sealer: MemorySealer) -> Iterator[Journal]:
    opened = Journal.open(f"sqlite:///{tmp_path / 'control.db'}", clock=FakeClock(), sealer=sealer, lookup_key=bytes(32))
    yield opened
    opened.close()


@pytest.fixture
def lease(journal: Journal, sealer: MemorySealer) -> Lease:
    """A hunt at work."""
    (number,) = journal.register("child", [[Identifier("profile_id", "11")]])
    sealer.make("subject", [number])
    filing = Filing("erase", number, "child", {}, "data subject", "session")
    (request,) = journal.file([filing])
    run = journal.start_run(
        [request.id],
        {},
        plan_digest="",
        policy_digest="",
        needs_approval=False,
        started_by="test",
        first=[NewStep(1, "hunt", "hunt")],
    )
    assert repr(filing) == "Filing('erase', 'child')"
    assert repr(request) == f"Request({request.id!r}, 'received')"
    taken = journal.claim("worker", run.id, timedelta(minutes=5))
    assert taken is not None
    return taken


def test_a_find_is_decided_once(journal: Journal, lease: Lease) -> None:
    (find,) = journal.keep_finds(lease, [SEEN])
    assert (find.status, find.place, find.rows) == (FindStatus.OPEN, SEEN.place, SEEN.rows)
    done = journal.decide_find(find.id, FindStatus.DISMISSED, because="a test's own page", by="privacy engineer")
    assert journal.decide_find(find.id, FindStatus.DISMISSED, because="a test's own page", by="privacy engineer").status is done.status
    with pytest.raises(InvalidRequest, match="dismissed already"):
        journal.decide_find(find.id, FindStatus.ADOPTED, because="lab.tmp", by="data engineer")
    assert journal.find(find.id) == journal.finds(lease.run_id)[0]
    assert journal.keep_finds(lease, [])[0].status is FindStatus.DISMISSED, "what was dismissed stays so"


def test_a_find_that_there_is_not(journal: Journal) -> None:
    with pytest.raises(UnknownRequest, match="no find 'fnd_none'"):
        journal.find("fnd_none")
    with pytest.raises(UnknownRequest):
        journal.decide_find("fnd_none", FindStatus.DISMISSED, because="", by="")


def test_where_it_lay_goes_with_the_run_s_key(journal: Journal, lease: Lease, sealer: MemorySealer) -> None:
    """Stopped between the key's end and that of the rows: what is sealed is there, and tells nobody anything."""
    (find,) = journal.keep_finds(lease, [SEEN])
    sealer.destroy(RUN_SPACE, [journal.run(lease.run_id).number])
    left = journal.find(find.id)
    assert (left.place, left.rows, left.detail) == (None, (), None)
    assert (left.source, left.count) == (SEEN.source, SEEN.count)
