"""People, requests, holds, runs, steps, targets and receipts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the first tables."""
    _people()
    _runs()
    _requests()
    _steps()
    _targets_and_receipts()
    counters = sa.table("journal_counters", sa.column("name", sa.Text()), sa.column("last", sa.BigInteger()))
    op.bulk_insert(counters, [{"name": name, "last": 0} for name in ("subject", "request", "run", "turn")])


def _people() -> None:
    op.create_table(
        "journal_counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "journal_facts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "journal_subjects",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("kind", "key_digest", name="journal_subjects_key"),
    )
    op.create_table(
        "journal_identifiers",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("is_key", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["subject"], ["journal_subjects.number"]),
        sa.PrimaryKeyConstraint("digest", "subject"),
    )
    op.create_table(
        "journal_holds",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["subject"], ["journal_subjects.number"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("journal_holds_subject", "journal_holds", ["subject"])


def _runs() -> None:
    op.create_table(
        "journal_runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=True),
        sa.Column("served", sa.BigInteger(), nullable=False),
        sa.Column("sealed_plan", sa.LargeBinary(), nullable=True),
        sa.Column("plan_digest", sa.Text(), nullable=False),
        sa.Column("policy_digest", sa.Text(), nullable=False),
        sa.Column("needs_approval", sa.Boolean(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
    op.create_index("journal_runs_served", "journal_runs", ["served"])
    op.create_index("journal_runs_status", "journal_runs", ["status"])
    op.create_table(
        "journal_run_subjects",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["journal_runs.id"]),
        sa.ForeignKeyConstraint(["subject"], ["journal_subjects.number"]),
        sa.PrimaryKeyConstraint("run_id", "subject"),
    )
    op.create_index("journal_run_subjects_subject", "journal_run_subjects", ["subject"])
    op.create_table(
        "journal_run_overlaps",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("other_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["other_id"], ["journal_runs.id"]),
        sa.ForeignKeyConstraint(["run_id"], ["journal_runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "other_id"),
    )


def _requests() -> None:
    op.create_table(
        "journal_intakes",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "journal_requests",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_digest", sa.LargeBinary(), nullable=False),
        sa.Column("intake", sa.BigInteger(), nullable=True),
        sa.Column("scope_destroyed", sa.Boolean(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("sealed_ref", sa.LargeBinary(), nullable=True),
        sa.Column("key_digest", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("filed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["intake"], ["journal_intakes.number"]),
        sa.ForeignKeyConstraint(["run_id"], ["journal_runs.id"]),
        sa.ForeignKeyConstraint(["subject"], ["journal_subjects.number"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key_digest"),
        sa.UniqueConstraint("sequence"),
    )
    op.create_index("journal_requests_intake", "journal_requests", ["intake"])
    op.create_index("journal_requests_run", "journal_requests", ["run_id"])
    op.create_index("journal_requests_status", "journal_requests", ["status"])
    op.create_index("journal_requests_subject", "journal_requests", ["subject", "kind"])


def _steps() -> None:
    op.create_table(
        "journal_steps",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=True),
        sa.Column("collection", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("timer", sa.Boolean(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["journal_runs.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("run_id", "name", name="journal_steps_name"),
    )
    op.create_index(
        "journal_steps_unfinished",
        "journal_steps",
        ["run_id", "rank"],
        sqlite_where=sa.text("status <> 'done'"),
        postgresql_where=sa.text("status <> 'done'"),
    )


def _targets_and_receipts() -> None:
    op.create_table(
        "journal_targets",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["journal_runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "target"),
    )
    op.create_table(
        "journal_target_pages",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("page", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["journal_runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "target", "version", "page"),
    )
    op.create_table(
        "journal_receipts",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["journal_requests.id"]),
        sa.ForeignKeyConstraint(["run_id"], ["journal_runs.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("log_index", name="journal_receipts_leaf"),
    )
    op.create_index("journal_receipts_request", "journal_receipts", ["request_id"])
    op.create_index("journal_receipts_run", "journal_receipts", ["run_id"])
