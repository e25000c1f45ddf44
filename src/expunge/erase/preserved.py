"""Where preserved copies lie, what the log says of them, and their end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from expunge.erase.context import Rooms
from expunge.evidence.receipts import make_entries
from expunge.journal.desk import RUN_SPACE
from expunge.journal.preserved import Preserved
from expunge.terms import Json

STATEMENT = "preserved/1"
FOLDER = "preserved"
"""Beside the evidence log, outside every database that can be restored."""


def path_of(rooms: Rooms, copy: Preserved) -> Path:
    """The sealed file of a copy."""
    return rooms.policy.control.evidence / FOLDER / f"{copy.id}.sealed"


def log_word(rooms: Rooms, copy: Preserved, word: str, more: Mapping[str, Json]) -> None:
    """Say in the log what became of a copy, by its own id; the log names nobody.

    Raises:
        EvidenceError: it can't be written.
    """
    statement: dict[str, Json] = {"copy": copy.id, "word": word, "at": rooms.clock.now().isoformat(), **more}
    rooms.log.append(make_entries(STATEMENT, statement, rooms.executor, rooms.verifier))


def end_copies(rooms: Rooms) -> int:
    """Destroy the copies that have come to their end: key, then file; the log says so. How many. May be repeated.

    Raises:
        KeyStoreError, EvidenceError: the next look goes on.
    """
    due = rooms.journal.preserved_copies(due=True)
    for copy in due:
        rooms.keys.destroy(RUN_SPACE, [copy.number])
        path_of(rooms, copy).unlink(missing_ok=True)
        log_word(rooms, copy, "ended", {})
        rooms.journal.end_preserved(copy.id)
    return len(due)
