"""The tables of consents, guardians, askings, duties, age screens and claims; on the journal's ``metadata`` with all others.

``journal_consents`` only grows: one row per event, with where its thread stands after it. People are numbers. What an asking needs of a
person (their address, the answers that are expected) is sealed under a key of the asking's own, which is destroyed when it ends.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, text

from expunge.journal.schema import Instant, JsonText, Serial, metadata

askings = Table(
    "journal_askings",
    metadata,
    Column("id", Text, primary_key=True),
    # Its key, in the space of runs.
    Column("number", BigInteger, nullable=False, unique=True),
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), nullable=False),
    Column("guardian", BigInteger, ForeignKey("journal_subjects.number"), nullable=False),
    Column("matters", JsonText, nullable=False),
    Column("method", Text, nullable=False),
    Column("wording", Text, nullable=False),
    Column("wording_digest", Text, nullable=False),
    Column("sealed", LargeBinary),
    # HMAC under the lookup key of what was shown to verify the guardian; the thing itself goes with the key.
    Column("evidence", LargeBinary),
    Column("asked_at", Instant, nullable=False),
    Column("due", Instant, nullable=False),
    Column("confirm_at", Instant),
    Column("ended_at", Instant),
    Column("outcome", Text),
    Column("destroyed_at", Instant),
    # Where in the evidence log it stands that it was destroyed; none: not yet said.
    Column("leaf", BigInteger),
    Index("journal_askings_due", "due", sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL")),
    Index("journal_askings_unproven", "ended_at", sqlite_where=text("leaf IS NULL"), postgresql_where=text("leaf IS NULL")),
    Index("journal_askings_subject", "subject"),
)

consents = Table(
    "journal_consents",
    metadata,
    # From a counter that is locked while it is used, so that the order of numbers is the order in which events became durable.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), nullable=False),
    Column("matter", Text, nullable=False),
    Column("guardian", BigInteger, ForeignKey("journal_subjects.number"), nullable=False),
    Column("event", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("objects", Boolean, nullable=False),
    Column("method", Text),
    Column("asking", Text, ForeignKey("journal_askings.id")),
    Column("wording", Text),
    Column("wording_digest", Text),
    # Until when a yes holds; none: until it is taken back.
    Column("until", Instant),
    # How the subject is written (KIND:KEY), sealed under their key: what time ends must be erased although nobody is there to name them.
    Column("sealed", LargeBinary),
    Column("recorded_by", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index("journal_consents_thread", "subject", "matter", "guardian", "number"),
)

consent_ends = Table(
    # The yeses that a time will end, until it has or until somebody took them back: what has to be looked at is always this short.
    "journal_consent_ends",
    metadata,
    Column("number", BigInteger, ForeignKey("journal_consents.number"), primary_key=True, autoincrement=False),
    Column("until", Instant, nullable=False),
    Index("journal_consent_ends_until", "until"),
)

duties = Table(
    # What a no or a lapse obliges to erase: written with the event, done when the request is filed. Whom it is about is sealed.
    "journal_consent_duties",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), nullable=False),
    Column("why", Text, nullable=False),
    Column("matters", JsonText, nullable=False),
    Column("sealed", LargeBinary),
    Column("at", Instant, nullable=False),
    # After a try that failed: how many did, and when the next may be.
    Column("tries", Integer, nullable=False),
    Column("due", Instant, nullable=False),
    Column("outcome", Text),
    Column("request_id", Text, ForeignKey("journal_requests.id")),
    Column("done_at", Instant),
    Index("journal_consent_duties_due", "due", sqlite_where=text("done_at IS NULL"), postgresql_where=text("done_at IS NULL")),
    Index("journal_consent_duties_subject", "subject"),
)

guardians = Table(
    "journal_guardians",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("child", BigInteger, ForeignKey("journal_subjects.number"), nullable=False),
    Column("guardian", BigInteger, ForeignKey("journal_subjects.number"), nullable=False),
    Column("evidence", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ended_because", Text),
    Index("journal_guardians_child", "child"),
    Index("journal_guardians_guardian", "guardian"),
)

age_screens = Table(
    # That a device or session said an age under the limit, or refused: only a keyed digest of it, and only for so long.
    "journal_age_screens",
    metadata,
    Column("token", LargeBinary, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("until", Instant, nullable=False),
)

claims = Table(
    # A record that nobody was attributed to, claimed for somebody of the household, under whose key it is sealed what it is called.
    "journal_item_claims",
    metadata,
    Column("id", Text, primary_key=True),
    Column("item", LargeBinary, nullable=False, unique=True),
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), nullable=False),
    Column("household", BigInteger, ForeignKey("journal_subjects.number"), nullable=False),
    Column("category", Text, nullable=False),
    Column("captured_at", Instant, nullable=False),
    # When it has to be gone at the latest, by the strictest term of whom it may be and of whom it was claimed for.
    Column("ends_at", Instant),
    Column("sealed", LargeBinary),
    Column("claimed_by", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("request_id", Text, ForeignKey("journal_requests.id")),
    # When its erasure was filed, or it was seen that the record is gone; and after a try that failed, when the next may be.
    Column("done_at", Instant),
    Column("due", Instant, nullable=False),
    Index("journal_item_claims_subject", "subject"),
    Index("journal_item_claims_due", "due", sqlite_where=text("done_at IS NULL"), postgresql_where=text("done_at IS NULL")),
)
