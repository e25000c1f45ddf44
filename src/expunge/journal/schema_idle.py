"""The control database's table of children's profiles that nobody uses; see ``schema``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text

from expunge.journal.schema import Instant, metadata

idles = Table(
    "journal_idles",
    metadata,
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    # The child's own key, sealed under the child's key: it goes with it.
    Column("sealed", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("found_at", Instant, nullable=False),
    Column("since", Instant, nullable=False),
    Column("told_at", Instant),
    Column("kept_until", Instant),
    Column("changed_at", Instant, nullable=False),
    Index("journal_idles_state", "state", "subject"),
)
