"""Holds of a scope by two roles, and undo windows."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make their tables."""
