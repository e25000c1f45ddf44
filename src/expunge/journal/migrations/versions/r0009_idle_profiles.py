"""Children's profiles that nobody uses."""

from __future__ import annotations

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make their tables."""
