"""The opening of a receipt's commitment: made from the person's key while it lives, for the requester, and never written down here."""

from __future__ import annotations

from expunge.erase.context import Rooms
from expunge.erase.intake import people_of
from expunge.erase.subjects import Person
from expunge.errors import KeyDestroyed
from expunge.evidence.commitments import Opening, request_salt
from expunge.journal.records import Request


def committed(request: Request) -> Person | None:
    """Who a request's commitment names: the one of its people who is of the kind that was asked for; ``None`` when that was destroyed."""
    people = people_of([request]).people
    return next((one for one in people if one.kind == request.subject_kind), people[0] if people else None)


def opening(rooms: Rooms, request_id: str) -> Opening:
    """What shows that this request's receipt is about its person. Their key gives it, hidden or not, until it is destroyed.

    Raises:
        UnknownRequest: there is no such request.
        KeyDestroyed: the key is gone, and with it the opening: nobody can make it again.
    """
    request = rooms.journal.request(request_id)
    person = committed(request)
    salt = rooms.keys.salts("subject", [request.subject]).get(request.subject)
    if person is None or salt is None:
        raise KeyDestroyed("the person's key is destroyed, and the opening can't be made again", where=request_id)
    return Opening(request_id, person.identifiers[0], request_salt(salt, request_id))
