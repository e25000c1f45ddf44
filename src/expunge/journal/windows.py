"""Undo windows are opened with the request itself, in one transaction: a crash between the two would leave nothing to undo."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from expunge.journal.records import NewWindow
from expunge.journal.schema_holds import window_words, windows

AGREES, OBJECTS = "agrees", "objects"
"""What a member says to the erasure of their household."""


def open_windows(connection: Connection, fresh: Mapping[str, NewWindow], now: datetime) -> None:
    """Open these requests' windows; who asked for a household's erasure has agreed to it."""
    if not fresh:
        return
    rows = [
        {"request_id": id_, "opened_at": now, "until": one.until, "household": one.household, "asked_by": one.asked_by}
        for id_, one in fresh.items()
    ]
    connection.execute(windows.insert(), rows)
    words = [
        {"request_id": id_, "subject": one.asked_by, "word": AGREES, "at": now} for id_, one in fresh.items() if one.asked_by is not None
    ]
    if words:
        connection.execute(window_words.insert(), words)
