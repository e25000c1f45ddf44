"""Requests that can be undone: hidden at once, destroyed after a window, shown again in between if somebody says so.

Hidden means that every door refuses: tombstones lie, which gate, broker and ingest read, and keys are unreadable. The window belongs to
what people ask for; what a term or a court ends has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from expunge.erase.context import Rooms
from expunge.erase.intake import Started, file_requests, numbers_of, scope_of, stones
from expunge.erase.subjects import Person, SubjectRef
from expunge.erase.telling import SHOWN, Message, post, tell_of_windows
from expunge.errors import InvalidRequest
from expunge.evidence.pieces import whole_statements
from expunge.evidence.receipts import make_entries
from expunge.journal.records import OPEN_REQUESTS, NewWindow, Request, RequestStatus
from expunge.policy.windows import Undo
from expunge.stores.values import key_text
from expunge.terms import Identifier, Json, Scope

STATEMENT = "undo/1"


@dataclass(frozen=True, slots=True)
class Undoable:
    """Requests that can be undone for a time: the policy's windows, and the adult who asks for a household's erasure."""

    rules: Undo
    asked_by: SubjectRef | None = None

    def window(self, rooms: Rooms, scope: Scope, kind: str, people: Sequence[Person], numbers: Mapping[tuple[str, str], int]) -> NewWindow:
        """The window of one request for ``people``, of which the main one is of ``kind``.

        Raises:
            InvalidRequest: who asks is not an adult of the household.
        """
        household = scope.everything() and is_household(rooms, kind)
        length = self.rules.household if household else self.rules.window
        asker = None
        if household and self.asked_by is not None:
            asker = adult_among(rooms, self.asked_by, people, numbers)
        return NewWindow(rooms.clock.now() + length, household, asker)


def is_household(rooms: Rooms, kind: str) -> bool:
    """Whether others are members of subjects of this kind."""
    return any(one.member_of == kind for one in rooms.policy.catalog.kinds.values())


def adult_among(rooms: Rooms, who: SubjectRef, people: Sequence[Person], numbers: Mapping[tuple[str, str], int]) -> int:
    """The registry number of somebody who speaks for a household: one of its people, and no minor.

    Raises:
        InvalidRequest: they are not.
    """
    named = Identifier(who.identity, who.value)
    kinds = rooms.policy.catalog.kinds
    for one in people:
        known = any(each.type == named.type and key_text(each.value) == key_text(named.value) for each in one.identifiers)
        if one.kind == who.kind and known and not kinds[one.kind].minor and kinds[one.kind].member_of is not None:
            return numbers[one.kind, one.key]
    raise InvalidRequest("who speaks for a household is an adult member of it")


def file_undoable(
    rooms: Rooms,
    refs: Sequence[SubjectRef],
    scope: Scope,
    undoable: Undoable,
    *,
    requester: str,
    authority: str,
    started_by: str,
) -> Started:
    """As ``file_requests``, but nothing is started: what is asked for is hidden, and ``adopt`` starts it when the window has ended.

    Raises:
        UnknownSubject, InvalidRequest, PolicyError, StoreError: nothing was filed.
    """
    window = partial(undoable.window, rooms, scope)
    started = file_requests(rooms, refs, scope, requester=requester, authority=authority, started_by=started_by, window=window)
    hide(rooms, [one for place, one in enumerate(started.requests) if one is not None and started.outcomes.get(place) == "hidden"])
    return started


def hide(rooms: Rooms, requests: Sequence[Request]) -> None:
    """Close the doors for what these requests are about and tell those concerned; destroy nothing. May be repeated from any point.

    Raises:
        StoreError, KeyStoreError, EvidenceError: a worker tries again.
    """
    rooms.register.lay(stone for request in requests for stone in stones(rooms, request))
    rooms.keys.hide("subject", numbers_of(one for one in requests if scope_of(one).everything()))
    tell_of_windows(rooms, requests)
    undone = rooms.journal.hidden(one.id for one in requests)
    show(rooms, [one for one in requests if one.id in undone])  # undone while we were hiding it


def show(rooms: Rooms, requests: Sequence[Request]) -> None:
    """Open the doors again for what these requests are about. What other requests hide stays hidden. May be repeated.

    Raises:
        KeyStoreError, EvidenceError: a worker tries again.
    """
    for request in requests:
        rooms.register.lift(request.id, rooms.clock.now())
    numbers = set(numbers_of(one for one in requests if scope_of(one).everything()))
    if numbers:
        mine = {one.id for one in requests}
        others = [one for status in OPEN_REQUESTS for one in rooms.journal.requests(status=status) if one.kind == "erase"]
        hiding = (one for one in others if one.id not in mine and one.attached and scope_of(one).everything())
        rooms.keys.unhide("subject", sorted(numbers - set(numbers_of(hiding))))


def finish_undoing(rooms: Rooms, request: Request) -> None:
    """Do what an undoing does outside the journal; may be repeated from any point."""
    if request.status is not RequestStatus.UNDOING:
        return
    show(rooms, [request])
    window = rooms.journal.window(request.id)
    start = rooms.journal.undo_log_size(request.id, rooms.log.checkpoint().size)
    logged = (one.statement for one in whole_statements(rooms.log.entries(start), start) if one.kind == STATEMENT)
    if not any(one.get("request") == request.id for one in logged):
        how = window.undone_by or ""
        statement: dict[str, Json] = {"request": request.id, "how": how, "at": rooms.clock.now().isoformat()}
        rooms.log.append(make_entries(STATEMENT, statement, rooms.executor, rooms.verifier))
    post(rooms, [Message(request.attached, SHOWN, {"request": request.id}, f"request {request.id}", "undone")])
    rooms.journal.passed(objection_control(request.id))
    rooms.journal.finish_undo(request.id)
    rooms.journal.set_request_status([request.id], RequestStatus.UNDONE)


def objection_control(request_id: str) -> str:
    """The control of the incident that an objection opens."""
    return f"objection:{request_id}"
