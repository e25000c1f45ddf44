"""Messages to people, and what became of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables of letters and campaigns."""
    op.create_table(
        "journal_campaigns",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("listed_at", sa.BigInteger()),
        sa.Column("members", sa.BigInteger()),
        sa.Column("unreached", sa.BigInteger()),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "journal_letters",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("posted_at", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger()),
        sa.Column("since", sa.BigInteger()),
        sa.Column("until", sa.BigInteger()),
        sa.Column("fault", sa.Text()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["subject"], ["journal_subjects.number"]),
        sa.ForeignKeyConstraint(["campaign"], ["journal_campaigns.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("journal_letters_due", "journal_letters", ["state", "due"])
    op.create_index("journal_letters_subject", "journal_letters", ["subject"])
    op.create_index("journal_letters_campaign", "journal_letters", ["campaign", "state"])
