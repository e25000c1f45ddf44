"""What households chose to keep for less than the policy's term."""

from __future__ import annotations

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make their tables."""
