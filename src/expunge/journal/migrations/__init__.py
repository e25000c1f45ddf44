"""How a control database gets to the schema that this program knows, from any earlier one; run when a journal is opened.

One file under ``versions/`` per change, oldest first, never edited once released. All steps run in the caller's one transaction, and only
one program migrates at a time.
"""

from __future__ import annotations

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from expunge.errors import JournalNewer

VERSION_TABLE = "journal_version"

_LOCK = 0x6578_7075_6E67_65
"""PostgreSQL's advisory locks are numbers; this one spells the program's name."""


def revisions() -> ScriptDirectory:
    """The shipped revisions."""
    here = Path(__file__).parent
    return ScriptDirectory(str(here), version_locations=[str(here / "versions")])


def upgrade(connection: Connection, to: str = "head") -> None:
    """Bring the database up to revision ``to`` inside the caller's transaction.

    Raises:
        JournalNewer: it is at a revision that this program does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    scripts = revisions()
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    current = context.get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        msg = f"its schema is at revision {current}, which this program does not know"
        raise JournalNewer(msg, where="journal")
    with Operations.context(context):
        for script in reversed(list(scripts.iterate_revisions(to, current or "base"))):
            script.module.upgrade()
            context.stamp(scripts, script.revision)
