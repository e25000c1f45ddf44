"""Two open runs on one person: both are kept, and go one after the other.

Each run gets a *turn* when it may begin (at its start, or at its approval). While one with an earlier turn on a shared person is
``running``, the later one's steps are not handed out. A run that stands still (``pending``, ``incomplete``) keeps nobody waiting: both may
then meet the same records, and erasing what another has already erased counts as done. Turns are totally ordered, so no two wait for
each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, exists, literal, select

from expunge.journal.database import chunks
from expunge.journal.records import ENDED_RUNS, RunStatus
from expunge.journal.schema import run_overlaps, run_subjects, runs

_earlier = runs.alias("earlier")


def pair_up(connection: Connection, run_id: str) -> None:
    """Write down, in both directions, which open runs share a person with this new one."""
    mine, theirs = run_subjects.alias(), run_subjects.alias()
    shared = mine.join(theirs, mine.c.subject == theirs.c.subject).join(runs, runs.c.id == theirs.c.run_id)
    where = (mine.c.run_id == run_id) & (runs.c.id != run_id) & runs.c.status.not_in(ENDED_RUNS)
    pairs = select(literal(run_id), theirs.c.run_id).select_from(shared).where(where).distinct()
    connection.execute(run_overlaps.insert().from_select(["run_id", "other_id"], pairs))
    back = select(run_overlaps.c.other_id, run_overlaps.c.run_id).where(run_overlaps.c.run_id == run_id)
    connection.execute(run_overlaps.insert().from_select(["run_id", "other_id"], back))


def goes_before() -> ColumnElement[bool]:
    """SQL: ``earlier`` (joined through the pairs) keeps the run in ``journal_runs`` waiting."""
    return (_earlier.c.status == RunStatus.RUNNING) & (_earlier.c.turn < runs.c.turn)


def must_wait() -> ColumnElement[bool]:
    """SQL: some run keeps the one in ``journal_runs`` waiting."""
    pair = run_overlaps.c.run_id == runs.c.id
    return exists().where(pair, _earlier.c.id == run_overlaps.c.other_id, goes_before()).correlate(runs)


def waits_for(connection: Connection, run_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Per run that waits, the runs that it waits for, oldest first."""
    waiting: dict[str, tuple[str, ...]] = defaultdict(tuple)
    pairs = run_overlaps.join(runs, runs.c.id == run_overlaps.c.run_id).join(_earlier, _earlier.c.id == run_overlaps.c.other_id)
    for chunk in chunks(run_ids):
        query = select(runs.c.id, _earlier.c.id.label("earlier_id")).select_from(pairs).where(runs.c.id.in_(chunk), goes_before())
        for row in connection.execute(query.order_by(_earlier.c.turn)):
            waiting[row.id] += (row.earlier_id,)
    return waiting
