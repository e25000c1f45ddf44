"""What comes due by itself and is no step of a run: ends of holds, of gags, of undo windows and of preserved copies.

Asked for whenever a worker looks for work; a few queries when nothing is due.
"""

from __future__ import annotations

from expunge.app.telling import PLACED, tell_of_hold
from expunge.erase.context import Rooms


def tend(rooms: Rooms) -> None:
    """Do what is due. Idempotent; several workers may do it at once.

    Raises:
        StoreError, KeyStoreError, EvidenceError: the next look goes on.
    """
    rooms.journal.end_holds()
    for hold in rooms.journal.untold_holds():
        tell_of_hold(rooms, hold, PLACED)
        rooms.journal.hold_told(hold.id)
