"""Rounds of the standing patrol with what they saw, and canary households."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables of patrols and canaries."""
    op.create_table(
        "journal_patrols",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("budget", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("forgotten", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "journal_patrol_pages",
        sa.Column("patrol_id", sa.Text(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["patrol_id"], ["journal_patrols.id"]),
        sa.PrimaryKeyConstraint("patrol_id", "page"),
    )
    op.create_table(
        "journal_patrol_hits",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("patrol_id", sa.Text(), nullable=False),
        sa.Column("place_digest", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("forms", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("gone_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["patrol_id"], ["journal_patrols.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "journal_canaries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("planted", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("planted_at", sa.BigInteger()),
        sa.Column("looked_at", sa.BigInteger()),
        sa.Column("seen", sa.LargeBinary()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id"),
    )
