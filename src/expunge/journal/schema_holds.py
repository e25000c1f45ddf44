"""The tables of holds, of undo windows, and of preserved copies, beside ``schema.holds``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, LargeBinary, Table, Text

from expunge.journal.schema import Instant, JsonText, Serial, metadata

hold_people = Table(
    # Everybody whom a hold is about; of a household's, those who joined it later too. Nobody is taken out.
    "journal_hold_people",
    metadata,
    Column("hold_id", Text, ForeignKey("journal_holds.id"), primary_key=True),
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), primary_key=True),
    Index("journal_hold_people_subject", "subject"),
)

hold_words = Table(
    # What was said about a hold, by whom and when; only added to.
    "journal_hold_words",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("hold_id", Text, ForeignKey("journal_holds.id"), nullable=False),
    Column("word", Text, nullable=False),
    Column("said_by", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("until", Instant),
    Column("at", Instant, nullable=False),
    Index("journal_hold_words_hold", "hold_id"),
)

held_back = Table(
    # Requests for the rest of what was asked, and the holds that kept it: when one of these ends, the request is served.
    "journal_held_back",
    metadata,
    Column("request_id", Text, ForeignKey("journal_requests.id"), primary_key=True),
    Column("hold_id", Text, ForeignKey("journal_holds.id"), primary_key=True),
)

windows = Table(
    # The time in which a request can be undone. ``hidden_at``: tombstones lie and keys are hidden.
    "journal_windows",
    metadata,
    Column("request_id", Text, ForeignKey("journal_requests.id"), primary_key=True),
    Column("opened_at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("household", Boolean, nullable=False),
    Column("asked_by", BigInteger),
    Column("hidden_at", Instant),
    Column("objected_at", Instant),
    Column("decided_by", Text),
    # Set with the status ``undoing``; what an undoing does outside is repeated until ``undone_at``.
    Column("undone_by", Text),
    Column("log_size", BigInteger),
    Column("undone_at", Instant),
    Index("journal_windows_until", "until"),
)

window_words = Table(
    # What the members of a household said to its erasure.
    "journal_window_words",
    metadata,
    Column("request_id", Text, ForeignKey("journal_requests.id"), primary_key=True),
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), primary_key=True),
    Column("word", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

preserved = Table(
    # Copies sealed for evidence, each under a key of its own; whose they are, who asked and why is in ``sealed``.
    "journal_preserved",
    metadata,
    Column("id", Text, primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("sealed", LargeBinary),
    Column("facts", JsonText, nullable=False),
    Column("kept_at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("ended_at", Instant),
)
