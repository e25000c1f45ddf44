"""The tables of letters and campaigns; on the journal's ``metadata`` with all others.

To whom a letter goes and what it says is sealed under the person's key, and emptied as soon as the letter has been handed over or given up.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from expunge.journal.schema import Instant, metadata

campaigns = Table(
    "journal_campaigns",
    metadata,
    Column("name", Text, primary_key=True),
    Column("template", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("begun_at", Instant, nullable=False),
    # When the last member was posted; none: the list of members was not gone through to its end yet.
    Column("listed_at", Instant),
    Column("members", BigInteger),
    # Members without an address for the channel: nobody wrote to them.
    Column("unreached", BigInteger),
)

letters = Table(
    "journal_letters",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key_digest", LargeBinary, nullable=False, unique=True),
    Column("subject", BigInteger, ForeignKey("journal_subjects.number"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("campaign", Text, ForeignKey("journal_campaigns.name")),
    Column("state", Text, nullable=False),
    # Counts hand-overs, and fences them: who was given attempt 2 can't settle attempt 3.
    Column("attempts", Integer, nullable=False),
    Column("sealed", LargeBinary),
    Column("posted_at", Instant, nullable=False),
    Column("due", Instant, nullable=False),
    Column("first_at", Instant),
    # As for steps: when ``until`` was set, so that a clock that was put back is noticed.
    Column("since", Instant),
    Column("until", Instant),
    Column("fault", Text),
    Column("ended_at", Instant),
    Index("journal_letters_due", "state", "due"),
    Index("journal_letters_subject", "subject"),
    Index("journal_letters_campaign", "campaign", "state"),
)
