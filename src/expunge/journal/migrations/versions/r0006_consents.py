"""Consents of parents, and who may give them."""

from __future__ import annotations

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make their tables."""
