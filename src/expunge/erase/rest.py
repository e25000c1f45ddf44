"""What a run leaves because it is under a hold: it is asked for again, by a request that waits until a hold ends.

The run that did the rest ends as any other, with its receipt; whoever asked need not ask again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from expunge.erase.context import Rooms
from expunge.erase.intake import numbers_of
from expunge.erase.late import REQUESTS
from expunge.journal.records import Filing, Request, RequestStatus


def requests_held(rooms: Rooms, run_id: str) -> set[str]:
    """The requests of a run of whose records some are under a hold, as the search saw it."""
    return {str(row["id"]) for page in rooms.journal.targets(run_id, REQUESTS) for row in json.loads(page) if row.get("held")}


def file_rest(rooms: Rooms, run_id: str, requests: Sequence[Request]) -> None:
    """Ask again for what holds kept of these requests. Idempotent: the rest of one request is one request."""
    located = next(step.result for step in rooms.journal.steps(run_id) if step.name == "locate")
    told = located.get("held_by") if isinstance(located, Mapping) else None
    holds = {str(one) for one in told} if isinstance(told, list) else set()
    kept = requests_held(rooms, run_id) if holds else set()
    under = rooms.journal.held(numbers_of(requests), narrowed=True)
    if under:  # their keys were not destroyed, and what came late may be held
        holds |= {one.id for one in rooms.journal.standing_holds()}
        kept |= {request.id for request in requests if not under.isdisjoint(numbers_of([request]))}
    asked = [request for request in requests if request.id in kept]
    filed = rooms.journal.file([_again(request) for request in asked])
    new = [one.id for one in filed if one.run_id is None and one.status is RequestStatus.RECEIVED]
    rooms.journal.keep_back(new, holds)
    rooms.journal.set_request_status(new, RequestStatus.HELD)


def _again(request: Request) -> Filing:
    return Filing(
        request.kind,
        request.subject,
        request.subject_kind,
        request.scope,
        request.requester,
        request.authority,
        key=f"rest of {request.id}",
        attached=request.attached,
    )
