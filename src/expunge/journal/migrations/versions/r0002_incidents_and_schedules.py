"""Incidents and schedules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of what went wrong and of what comes back."""
    op.create_table(
        "journal_incidents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("control", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text()),
        sa.Column("store", sa.Text()),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger()),
        sa.Column("reopened", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["journal_runs.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("control"),
    )
    op.create_index("journal_incidents_run", "journal_incidents", ["run_id"])
    op.create_table(
        "journal_schedules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("every", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("until", sa.BigInteger()),
        sa.PrimaryKeyConstraint("name"),
    )
    counters = sa.table("journal_counters", sa.column("name", sa.Text()), sa.column("last", sa.BigInteger()))
    op.bulk_insert(counters, [{"name": "incident", "last": 0}])
