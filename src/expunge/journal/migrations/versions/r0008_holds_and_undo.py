"""Holds of a scope by two roles, and undo windows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make their tables; a hold of an earlier program is of everything, and confirmed."""
    _widen_holds()
    _holds()
    _windows()
    _preserved()


def _widen_holds() -> None:
    for column in (
        sa.Column("number", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("whole", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("members", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("scope", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("asked_by", sa.Text()),
        sa.Column("asked_until", sa.BigInteger()),
        sa.Column("confirmed_by", sa.Text()),
        sa.Column("confirmed_at", sa.BigInteger()),
        sa.Column("gag_authority", sa.Text()),
        sa.Column("gag_until", sa.BigInteger()),
    ):
        op.add_column("journal_holds", column)
    op.execute("UPDATE journal_holds SET confirmed_at = placed_at")


def _holds() -> None:
    op.create_table(
        "journal_hold_people",
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["hold_id"], ["journal_holds.id"]),
        sa.ForeignKeyConstraint(["subject"], ["journal_subjects.number"]),
        sa.PrimaryKeyConstraint("hold_id", "subject"),
    )
    op.create_index("journal_hold_people_subject", "journal_hold_people", ["subject"])
    op.execute("INSERT INTO journal_hold_people (hold_id, subject) SELECT id, subject FROM journal_holds")
    op.create_table(
        "journal_hold_words",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("said_by", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["hold_id"], ["journal_holds.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("journal_hold_words_hold", "journal_hold_words", ["hold_id"])
    op.create_table(
        "journal_held_back",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["journal_requests.id"]),
        sa.ForeignKeyConstraint(["hold_id"], ["journal_holds.id"]),
        sa.PrimaryKeyConstraint("request_id", "hold_id"),
    )


def _windows() -> None:
    op.create_table(
        "journal_windows",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("household", sa.Boolean(), nullable=False),
        sa.Column("asked_by", sa.BigInteger()),
        sa.Column("hidden_at", sa.BigInteger()),
        sa.Column("objected_at", sa.BigInteger()),
        sa.Column("decided_by", sa.Text()),
        sa.Column("undone_by", sa.Text()),
        sa.Column("log_size", sa.BigInteger()),
        sa.Column("undone_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["request_id"], ["journal_requests.id"]),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("journal_windows_until", "journal_windows", ["until"])
    op.create_table(
        "journal_window_words",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["journal_requests.id"]),
        sa.ForeignKeyConstraint(["subject"], ["journal_subjects.number"]),
        sa.PrimaryKeyConstraint("request_id", "subject"),
    )


def _preserved() -> None:
    op.create_table(
        "journal_preserved",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
