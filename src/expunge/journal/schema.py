"""The control database's tables as the program now expects them; ``migrations/`` is how a database gets there.

Every table has the prefix ``journal_``, so that the control database may be one that others use too. Times are microseconds since 1970 in
UTC: exact, and compared alike by SQLite and PostgreSQL. JSON is text that only we read. People are numbers here; what identifies them is
a keyed digest (``identifiers``) or sealed (``sealed`` columns).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint, text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from expunge.journal.records import StepStatus
from expunge.terms import Json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

metadata = MetaData()
Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows only in a column that is plainly INTEGER."""


class Instant(TypeDecorator[datetime]):
    """An aware time, kept as microseconds since 1970 in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Into the database."""
        del dialect
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Out of it, in UTC."""
        del dialect
        return None if value is None else _EPOCH + value * _MICROSECOND


class Span(TypeDecorator[timedelta]):
    """A length of time, kept as microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        """Into the database."""
        del dialect
        return None if value is None else value // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        """Out of it."""
        del dialect
        return None if value is None else value * _MICROSECOND


class JsonText(TypeDecorator[Json]):
    """A JSON value as text with sorted keys, so that the same value is the same text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Json, dialect: Dialect) -> str:
        """Into the database; ``None`` is JSON's null."""
        del dialect
        return canonical(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Json:
        """Out of it."""
        del dialect
        held: Json = None if value is None else json.loads(value)
        return held


def canonical(value: Json) -> str:
    """The one text of a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


facts = Table(
    "journal_facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

counters = Table(
    "journal_counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

subjects = Table(
    "journal_subjects",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("key_digest", LargeBinary, nullable=False),
    UniqueConstraint("kind", "key_digest", name="journal_subjects_key"),
)

identifiers = Table(
    "journal_identifiers",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), primary_key=True),
    Column("is_key", Boolean, nullable=False),
)

intakes = Table(
    # One sealed blob for the item scopes of everything that one call filed: one key and one opening for all of them.
    "journal_intakes",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)

runs = Table(
    "journal_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("status", Text, nullable=False),
    # Runs on one person go in the order of their turns; no turn before approval.
    Column("turn", BigInteger),
    # When the run was last handed a step, as a count: the longest unserved run is served next.
    Column("served", BigInteger, nullable=False),
    Column("sealed_plan", LargeBinary),
    Column("plan_digest", Text, nullable=False),
    Column("policy_digest", Text, nullable=False),
    Column("needs_approval", Boolean, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("approved_by", Text),
    Column("approved_at", Instant),
    Column("closed_at", Instant),
    Index("journal_runs_status", "status"),
    Index("journal_runs_served", "served"),
)

run_subjects = Table(
    "journal_run_subjects",
    metadata,
    Column("run_id", Text, ForeignKey("journal_runs.id"), primary_key=True),
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), primary_key=True),
    Index("journal_run_subjects_subject", "subject"),
)

run_overlaps = Table(
    # Both directions of every pair of open runs that touch one person; whose turn is earlier goes first.
    "journal_run_overlaps",
    metadata,
    Column("run_id", Text, ForeignKey("journal_runs.id"), primary_key=True),
    Column("other_id", Text, ForeignKey("journal_runs.id"), primary_key=True),
)

requests = Table(
    "journal_requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("scope", JsonText, nullable=False),
    Column("scope_digest", LargeBinary, nullable=False),
    Column("intake", BigInteger, ForeignKey("journal_intakes.number")),
    Column("scope_destroyed", Boolean, nullable=False),
    Column("requester", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("sealed_ref", LargeBinary),
    Column("key_digest", LargeBinary, unique=True),
    Column("status", Text, nullable=False),
    Column("run_id", Text, ForeignKey("journal_runs.id")),
    Column("filed_at", Instant, nullable=False),
    # Not unique: a request that was done may be found incomplete again beside a newer one. Filing is serialised by its counter.
    Index("journal_requests_subject", "subject", "kind"),
    Index("journal_requests_status", "status"),
    Index("journal_requests_run", "run_id"),
    Index("journal_requests_intake", "intake"),
)

holds = Table(
    "journal_holds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), nullable=False),
    # Counts the holds as they are placed, and is the number of the key (in the space of runs) that ``sealed`` lies under.
    Column("number", BigInteger, nullable=False),
    Column("authority", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_at", Instant, nullable=False),
    # Until when it stands; of one that nobody has confirmed, the end of the time in which somebody may.
    Column("until", Instant),
    Column("lifted_at", Instant),
    # Nothing narrows it; otherwise ``scope`` does, whose items are sealed with the people it is about.
    Column("whole", Boolean, nullable=False),
    Column("members", Boolean, nullable=False),
    Column("scope", JsonText, nullable=False),
    Column("sealed", LargeBinary),
    # The last word that waits for a second person's: a placing or a renewal.
    Column("asked_by", Text),
    Column("asked_until", Instant),
    Column("confirmed_by", Text),
    Column("confirmed_at", Instant),
    Column("gag_authority", Text),
    Column("gag_until", Instant),
    Index("journal_holds_subject", "subject"),
)

steps = Table(
    "journal_steps",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("run_id", Text, ForeignKey("journal_runs.id"), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("store", Text),
    Column("collection", Text),
    Column("payload", JsonText, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("note", JsonText, nullable=False),
    Column("result", JsonText, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("owner", Text),
    # ``since`` is when ``until`` was set: were the clock put back, ``since`` would lie in the future and the wait be void (see steps.py).
    Column("since", Instant),
    Column("until", Instant),
    Column("timer", Boolean, nullable=False),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("finished_at", Instant),
    UniqueConstraint("run_id", "name", name="journal_steps_name"),
    Index(
        "journal_steps_unfinished",
        "run_id",
        "rank",
        sqlite_where=text(f"status <> '{StepStatus.DONE.value}'"),
        postgresql_where=text(f"status <> '{StepStatus.DONE.value}'"),
    ),
)

targets = Table(
    # Which attempt's pages count. They are written under the attempt's fence and become the target in one stroke.
    "journal_targets",
    metadata,
    Column("run_id", Text, ForeignKey("journal_runs.id"), primary_key=True),
    Column("target", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("pages", Integer, nullable=False),
)

target_pages = Table(
    "journal_target_pages",
    metadata,
    Column("run_id", Text, ForeignKey("journal_runs.id"), primary_key=True),
    Column("target", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("page", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)

receipts = Table(
    "journal_receipts",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("run_id", Text, ForeignKey("journal_runs.id"), nullable=False),
    Column("request_id", Text, ForeignKey("journal_requests.id")),
    Column("path", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("log_index", BigInteger, nullable=False),
    Column("kept_at", Instant, nullable=False),
    # One leaf of the log is one receipt, however often it is kept.
    UniqueConstraint("log_index", name="journal_receipts_leaf"),
    Index("journal_receipts_run", "run_id"),
    Index("journal_receipts_request", "request_id"),
)

incidents = Table(
    "journal_incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    # The control that failed; only its passing closes the incident, and its failing again opens the same one again.
    Column("control", Text, nullable=False, unique=True),
    Column("run_id", Text, ForeignKey("journal_runs.id")),
    Column("store", Text),
    Column("owner", Text, nullable=False),
    Column("due", Instant, nullable=False),
    Column("note", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("reopened", Integer, nullable=False),
    Index("journal_incidents_run", "run_id"),
)

finds = Table(
    # What identifies nobody stays; ``sealed`` (place, rows, samples) is emptied when the run ends.
    "journal_finds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text, ForeignKey("journal_runs.id"), nullable=False),
    # HMAC of the place: in every run the same, so that an incident about a place comes back as that incident.
    Column("place_digest", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("address", Text),
    Column("certain", Boolean, nullable=False),
    Column("kinds", JsonText, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("subjects", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("because", Text),
    Column("decided_by", Text),
    Column("decided_at", Instant),
    Column("found_at", Instant, nullable=False),
    UniqueConstraint("run_id", "place_digest", name="journal_finds_place"),
)

schedules = Table(
    "journal_schedules",
    metadata,
    Column("name", Text, primary_key=True),
    Column("every", Span, nullable=False),
    Column("payload", JsonText, nullable=False),
    Column("due", Instant, nullable=False),
    # As for steps: when ``due`` and the lease were set, so that a clock that was put back is noticed.
    Column("since", Instant, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("owner", Text),
    Column("until", Instant),
)

patrols = Table(
    # A round of the standing patrol; its key (``number``, in the space of runs) lives until the round is over and what it saw is gone.
    "journal_patrols",
    metadata,
    Column("id", Text, primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("budget", BigInteger, nullable=False),
    Column("begun_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("result", JsonText, nullable=False),
    Column("forgotten", Boolean, nullable=False),
)

patrol_pages = Table(
    # Page 0 is the sample, the others what was seen of it, some objects at a time; they go when the round is over.
    "journal_patrol_pages",
    metadata,
    Column("patrol_id", Text, ForeignKey("journal_patrols.id"), primary_key=True),
    Column("page", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)

patrol_hits = Table(
    # As finds: what identifies nobody stays, the place is sealed under the key of the round that saw it last.
    "journal_patrol_hits",
    metadata,
    Column("id", Text, primary_key=True),
    Column("patrol_id", Text, ForeignKey("journal_patrols.id"), nullable=False),
    Column("place_digest", LargeBinary, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("forms", JsonText, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("sealed", LargeBinary),
    Column("found_at", Instant, nullable=False),
    Column("gone_at", Instant),
)

canaries = Table(
    # Synthetic people: what they are made of (``sealed``) and where they were seen (``seen``) lie under a key of their own.
    "journal_canaries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("sealed", LargeBinary),
    Column("planted", JsonText, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("planted_at", Instant),
    Column("looked_at", Instant),
    Column("seen", LargeBinary),
    Column("ended_at", Instant),
)
