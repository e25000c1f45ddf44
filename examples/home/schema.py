"""The application's tables, as such a company has them.

Foreign keys on most, indexes on most of those, a full-text index, an analytics table that only looks as if it referenced something.
Whose a row is never follows from its columns alone where several point at people: the dataset annotation ``datasets/app.yml`` says it.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

# SQLite's full-text index names rows by rowid, which only a plain INTEGER primary key is.
_ID = BigInteger().with_variant(Integer, "sqlite")
_TIME = DateTime(timezone=True)

NAMES = {"fk": "fk_%(table_name)s_%(column_0_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"}

FTS = (
    "CREATE VIRTUAL TABLE transcripts_fts USING fts5(text, content='transcripts', content_rowid='id')",
    "INSERT INTO transcripts_fts(transcripts_fts) VALUES('rebuild')",
    """CREATE TRIGGER transcripts_ai AFTER INSERT ON transcripts BEGIN
         INSERT INTO transcripts_fts(rowid, text) VALUES (new.id, new.text);
       END""",
    """CREATE TRIGGER transcripts_ad AFTER DELETE ON transcripts BEGIN
         INSERT INTO transcripts_fts(transcripts_fts, rowid, text) VALUES ('delete', old.id, old.text);
       END""",
    """CREATE TRIGGER transcripts_au AFTER UPDATE ON transcripts BEGIN
         INSERT INTO transcripts_fts(transcripts_fts, rowid, text) VALUES ('delete', old.id, old.text);
         INSERT INTO transcripts_fts(rowid, text) VALUES (new.id, new.text);
       END""",
)
"""SQLite's full-text index over the transcripts, filled once after loading and kept by triggers from then on."""


def tables(dialect: str) -> MetaData:
    """The schema for ``sqlite`` or ``postgresql``; tables in an order that every foreign key points backwards in."""
    metadata = MetaData(naming_convention=NAMES)
    _families(metadata)
    _voice(metadata, dialect)
    _memory(metadata)
    _doorbell(metadata)
    _analytics(metadata)
    return metadata


def _key() -> Column[int]:
    return Column("id", _ID, primary_key=True, autoincrement=False)


def _to(name: str, target: str, *, nullable: bool = False, index: bool = True) -> Column[int]:
    return Column(name, _ID, ForeignKey(f"{target}.id"), nullable=nullable, index=index)


def _families(metadata: MetaData) -> None:
    Table("households", metadata, _key(), Column("name", Text), Column("created_at", _TIME, nullable=False))
    Table(
        "addresses",
        metadata,
        _key(),
        Column("street", Text, nullable=False),
        Column("city", Text, nullable=False),
        Column("postcode", String(12), nullable=False),
        Column("country", String(2), nullable=False),
    )
    Table(
        "people",
        metadata,
        _key(),
        _to("household_id", "households"),
        _to("address_id", "addresses", nullable=True),
        Column("name", Text),
        Column("email", String(254), unique=True),
        Column("phone", String(20)),
        Column("created_at", _TIME, nullable=False),
    )
    Table(
        "profiles",
        metadata,
        _key(),
        _to("household_id", "households"),
        # A child's profile outlives an adult's account, so the pointer at the guardian can be emptied.
        _to("guardian_id", "people", nullable=True),
        Column("nickname", Text),
        Column("birth_year", Integer),
        Column("created_at", _TIME, nullable=False),
        Column("last_used_at", _TIME),
    )
    Table(
        "messages",
        metadata,
        _key(),
        _to("sender_id", "people", nullable=True),
        _to("receiver_id", "people", nullable=True),
        Column("body", Text),
        Column("sent_at", _TIME, nullable=False),
    )


def _voice(metadata: MetaData, dialect: str) -> None:
    Table(
        "devices",
        metadata,
        _key(),
        _to("household_id", "households"),
        Column("kind", String(20), nullable=False),
        Column("serial", String(20), nullable=False),
        Column("name", Text, nullable=False),
    )
    Table(
        "clips",
        metadata,
        Column("id", String(36), primary_key=True),
        # One of the next three says whose voice it is: the household's only where the speaker was not recognised.
        _to("household_id", "households", nullable=True),
        _to("profile_id", "profiles", nullable=True),
        _to("person_id", "people", nullable=True),
        _to("device_id", "devices", nullable=True),
        Column("object_key", Text, nullable=False),
        Column("recorded_at", _TIME, nullable=False),
        Column("seconds", Float, nullable=False),
    )
    transcripts = Table(
        "transcripts",
        metadata,
        _key(),
        # Empty where a transcript stays for somebody else after the clip is gone.
        Column("clip_id", String(36), ForeignKey("clips.id"), index=True),
        Column("text", Text, nullable=False),
        Column("confidence", Float, nullable=False),
        Column("created_at", _TIME, nullable=False),
    )
    if dialect == "postgresql":
        search = Column("search", TSVECTOR, Computed("to_tsvector('english', text)", persisted=True))
        transcripts.append_column(search)
        Index("ix_transcripts_search", search, postgresql_using="gin")
    Table(
        "intents",
        metadata,
        _key(),
        _to("transcript_id", "transcripts", nullable=True),
        Column("intent", String(40)),
        Column("slots", JSON),
    )


def _memory(metadata: MetaData) -> None:
    Table(
        "remembered_facts",
        metadata,
        _key(),
        _to("profile_id", "profiles", nullable=True),
        _to("person_id", "people", nullable=True),
        Column("fact", Text, nullable=False),
        Column("created_at", _TIME, nullable=False),
    )
    Table(
        "reminders",
        metadata,
        _key(),
        _to("profile_id", "profiles", nullable=True),
        _to("person_id", "people", nullable=True),
        Column("text", Text, nullable=False),
        Column("due_at", _TIME, nullable=False),
        Column("recurring", Boolean, nullable=False),
    )


def _doorbell(metadata: MetaData) -> None:
    Table(
        "doorbell_events",
        metadata,
        _key(),
        _to("household_id", "households"),
        # Nobody looks events up by device, so nobody made an index: common, and slow to find when devices go.
        _to("device_id", "devices", nullable=True, index=False),
        Column("object_key", Text, nullable=False),
        Column("thumb_key", Text, nullable=False),
        Column("at", _TIME, nullable=False),
        Column("face_cluster", String(20)),
    )


def _analytics(metadata: MetaData) -> None:
    """Written by another team, from another system: keys as text, no constraint to anything."""
    Table(
        "asr_jobs",
        metadata,
        _key(),
        Column("clip_id", String(36), index=True),
        Column("household_id", Text),
        Column("profile_id", Text, index=True),
        Column("person_id", Text, index=True),
        Column("model", String(20), nullable=False),
        Column("latency_ms", Integer, nullable=False),
        Column("created_at", _TIME, nullable=False),
    )
