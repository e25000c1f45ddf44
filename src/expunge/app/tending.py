"""What comes due by itself and is no step of a run: ends of holds, of gags, of undo windows and of preserved copies.

Asked for whenever a worker looks for work; a few queries when nothing is due.
"""

from __future__ import annotations

from datetime import timedelta

from expunge.erase.context import Rooms
from expunge.erase.hiding import finish_undoing, hide
from expunge.erase.preserved import end_copies
from expunge.erase.telling import PLACED, tell_of_hold
from expunge.journal.records import RequestStatus

HIDING = timedelta(seconds=10)
"""A request that is not said to be hidden after this was filed by somebody who died; every door must refuse within a minute."""


def tend(rooms: Rooms) -> None:
    """Do what is due. Idempotent; several workers may do it at once.

    Raises:
        StoreError, KeyStoreError, EvidenceError: the next look goes on.
    """
    rooms.journal.end_holds()
    end_copies(rooms)
    _hide_and_show(rooms)
    rooms.journal.end_windows()
    for hold in rooms.journal.untold_holds():
        tell_of_hold(rooms, hold, PLACED)
        rooms.journal.hold_told(hold.id)


def _hide_and_show(rooms: Rooms) -> None:
    """What somebody who died was hiding, or was showing again."""
    lost = rooms.journal.not_yet_hidden(rooms.clock.now() - HIDING)
    if lost:
        hide(rooms, rooms.journal.requests(ids=lost))
    for request in rooms.journal.requests(status=RequestStatus.UNDOING):
        finish_undoing(rooms, request)
