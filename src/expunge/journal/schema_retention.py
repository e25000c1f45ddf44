"""The control database's tables of sweeps, of who approved them, and of what households chose; see ``schema``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, Table, Text

from expunge.journal.schema import Instant, JsonText, Serial, Span, metadata

choices = Table(
    # What a household keeps for less than the policy's term. ``sealed`` is its own key, under its own: it goes with that.
    "journal_choices",
    metadata,
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), primary_key=True, autoincrement=False),
    Column("category", Text, primary_key=True),
    Column("keep", Span, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("chosen_by", Text, nullable=False),
    Column("chosen_at", Instant, nullable=False),
)

sweep_approvals = Table(
    # A person's word on every sweep by the terms of one policy; another policy, another word.
    "journal_sweep_approvals",
    metadata,
    Column("policy_digest", Text, primary_key=True),
    Column("approved_by", Text, nullable=False),
    Column("approved_at", Instant, nullable=False),
)

sweeps = Table(
    # Every sweep, also one that found nothing: ``told`` are names and numbers.
    "journal_sweeps",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("policy_digest", Text, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("told", JsonText, nullable=False),
)
