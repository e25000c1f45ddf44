"""Consents of parents, and who may give them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = sa.text("ended_at IS NULL")
_UNPROVEN = sa.text("leaf IS NULL")
_NOT_DONE = sa.text("done_at IS NULL")


def upgrade() -> None:
    """Make the tables of askings, consents, duties, guardians, age screens and claims."""
    _askings_and_consents()
    _people_and_items()
    counters = sa.table("journal_counters", sa.column("name", sa.Text()), sa.column("last", sa.BigInteger()))
    op.bulk_insert(counters, [{"name": "consent", "last": 0}])


def _askings_and_consents() -> None:
    op.create_table(
        "journal_askings",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("guardian", sa.BigInteger(), nullable=False),
        sa.Column("matters", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("wording_digest", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("evidence", sa.LargeBinary()),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("confirm_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("outcome", sa.Text()),
        sa.Column("destroyed_at", sa.BigInteger()),
        sa.Column("leaf", sa.BigInteger()),
        sa.ForeignKeyConstraint(["subject"], ["journal_subjects.number"]),
        sa.ForeignKeyConstraint(["guardian"], ["journal_subjects.number"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("journal_askings_due", "journal_askings", ["due"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index("journal_askings_subject", "journal_askings", ["subject"])
    op.create_index("journal_askings_unproven", "journal_askings", ["ended_at"], sqlite_where=_UNPROVEN, postgresql_where=_UNPROVEN)
    op.create_table(
        "journal_consents",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("matter", sa.Text(), nullable=False),
        sa.Column("guardian", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("objects", sa.Boolean(), nullable=False),
        sa.Column("method", sa.Text()),
        sa.Column("asking", sa.Text()),
        sa.Column("wording", sa.Text()),
        sa.Column("wording_digest", sa.Text()),
        sa.Column("until", sa.BigInteger()),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["subject"], ["journal_subjects.number"]),
        sa.ForeignKeyConstraint(["guardian"], ["journal_subjects.number"]),
        sa.ForeignKeyConstraint(["asking"], ["journal_askings.id"]),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("journal_consents_thread", "journal_consents", ["subject", "matter", "guardian", "number"])
    op.create_table(
        "journal_consent_ends",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["number"], ["journal_consents.number"]),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("journal_consent_ends_until", "journal_consent_ends", ["until"])
    op.create_table(
        "journal_consent_duties",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("matters", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("request_id", sa.Text()),
        sa.Column("done_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["subject"], ["journal_subjects.number"]),
        sa.ForeignKeyConstraint(["request_id"], ["journal_requests.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("journal_consent_duties_due", "journal_consent_duties", ["due"], sqlite_where=_NOT_DONE, postgresql_where=_NOT_DONE)
    op.create_index("journal_consent_duties_subject", "journal_consent_duties", ["subject"])


def _people_and_items() -> None:
    op.create_table(
        "journal_guardians",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("child", sa.BigInteger(), nullable=False),
        sa.Column("guardian", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("ended_because", sa.Text()),
        sa.ForeignKeyConstraint(["child"], ["journal_subjects.number"]),
        sa.ForeignKeyConstraint(["guardian"], ["journal_subjects.number"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("journal_guardians_child", "journal_guardians", ["child"])
    op.create_index("journal_guardians_guardian", "journal_guardians", ["guardian"])
    op.create_table(
        "journal_age_screens",
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token"),
    )
    op.create_table(
        "journal_item_claims",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("item", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("household", sa.BigInteger(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("captured_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger()),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("claimed_by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.Text()),
        sa.Column("done_at", sa.BigInteger()),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["subject"], ["journal_subjects.number"]),
        sa.ForeignKeyConstraint(["household"], ["journal_subjects.number"]),
        sa.ForeignKeyConstraint(["request_id"], ["journal_requests.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("journal_item_claims_due", "journal_item_claims", ["due"], sqlite_where=_NOT_DONE, postgresql_where=_NOT_DONE)
    op.create_index("journal_item_claims_subject", "journal_item_claims", ["subject"])
