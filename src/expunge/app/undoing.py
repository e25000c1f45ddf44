"""What a person asks to have erased, and takes back: windows, second adults, objections.

Who may undo is the hard part, for either side may have stolen the account: a device that was known well before the request, or two
operators. Who may speed a household's end up, is a second adult; who may stop it, is any member.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from expunge.app.library import Expunge
from expunge.erase.context import Rooms
from expunge.erase.hiding import Undoable, adult_among, file_undoable, finish_undoing, objection_control
from expunge.erase.intake import INCIDENT_CLOCK, Started, people_of
from expunge.erase.subjects import Person, SubjectRef
from expunge.errors import ApprovalNeeded, InvalidRequest, TooLate
from expunge.journal.records import Request, RequestStatus
from expunge.journal.undo import Window
from expunge.journal.windows import AGREES, OBJECTS
from expunge.policy.windows import Undo
from expunge.stores.values import key_text
from expunge.terms import Json, Scope

OBJECTION = "household-objection"
"""The kind of the incident that an objection opens."""

ADULTS = 2


@dataclass(frozen=True, slots=True)
class Undoer:
    """Who takes a request back: somebody on a device known since then (aware), or an operator with a second one."""

    by: str
    device_known_since: datetime | None = None
    second: str | None = None


def request(
    library: Expunge,
    subjects: Sequence[str],
    scope: Scope | None = None,
    *,
    requester: str = "data subject",
    authority: str = "proven by the caller",
    by: str = "operator",
    asked_by: str | None = None,
) -> Started:
    """File what people ask for: hidden from here, destroyed when the policy's window has ended; at once, if the policy has none.

    ``asked_by`` is the adult who asks for their household, as a subject.

    Raises:
        UnknownSubject, InvalidRequest, PolicyError, StoreError: nothing was filed.
    """
    rules = library.policy.undo
    if rules is None:
        return library.request(subjects, scope, requester=requester, authority=authority, by=by)
    refs = [library.subject(text) for text in subjects]
    undoable = Undoable(rules, library.subject(asked_by) if asked_by is not None else None)
    return file_undoable(library.rooms, refs, scope or Scope(), undoable, requester=requester, authority=authority, started_by=by)


def undo(library: Expunge, request_id: str, who: Undoer) -> Window:
    """Take a request back: the doors open again, its tombstones are lifted, and nothing is erased. Undoing it twice changes nothing.

    Raises:
        TooLate: its window has ended, or it never had one.
        ApprovalNeeded: the device is too new, or one operator is not enough.
        UnknownRequest: there is no such request.
    """
    rooms = library.rooms
    window = rooms.journal.window(request_id)
    rooms.journal.begin_undo(request_id, _allowed(_rules(library), window, who))
    finish_undoing(rooms, rooms.journal.request(request_id))
    return rooms.journal.window(request_id)


def agree(library: Expunge, request_id: str, *, by: str) -> Window:
    """An adult's word for the erasure of their household. With that of two adults the window is that of one person, from now.

    Raises:
        InvalidRequest: the request is for no household, or ``by`` is no adult of it.
        TooLate: the window has ended.
        UnknownRequest: there is no such request.
    """
    rooms = library.rooms
    window, people, numbers = _household(library, request_id)
    number = adult_among(rooms, library.subject(by), people, numbers)
    agreed = {one for one, word in window.words.items() if word == AGREES} | {number}
    until = rooms.clock.now() + _rules(library).window if len(agreed) >= ADULTS else None
    after = rooms.journal.say_to_erasure(request_id, number, AGREES, until)
    _settle(rooms, after)
    return after


def object_to(library: Expunge, request_id: str, *, by: str) -> Window:
    """A member's word against the erasure of their household: nothing is destroyed before an operator has decided.

    Raises:
        InvalidRequest: the request is for no household, or ``by`` is not one of it.
        TooLate: the window has ended.
        UnknownRequest: there is no such request.
    """
    rooms = library.rooms
    _, people, numbers = _household(library, request_id)
    number = _member(library.subject(by), people, numbers)
    after = rooms.journal.say_to_erasure(request_id, number, OBJECTS)
    _settle(rooms, after)
    return after


def decide(library: Expunge, request_id: str, *, by: str, second: str) -> Window:
    """Two operators let an erasure go on to which a member objects; to end it instead, they undo it.

    Raises:
        ApprovalNeeded: it is one person.
        InvalidRequest: nobody objects.
        TooLate: the window has ended.
        UnknownRequest: there is no such request.
    """
    _two(by, second, request_id)
    library.rooms.journal.decide_erasure(request_id, f"{by}, {second}")
    library.rooms.journal.passed(objection_control(request_id))
    return library.rooms.journal.window(request_id)


def as_json(window: Window) -> Json:
    """A window for ``--json``: no identifiers."""
    return {
        "request": window.request_id,
        "status": window.status.value,
        "opened_at": window.opened_at.isoformat(),
        "until": window.until.isoformat(),
        "household": window.household,
        "agree": sum(word == AGREES for word in window.words.values()),
        "object": sum(word == OBJECTS for word in window.words.values()),
        "waits_for": waits_for(window),
        "undone_at": window.undone_at.isoformat() if window.undone_at else None,
    }


def waits_for(window: Window) -> str | None:
    """Whose word is missing before anything is destroyed, if anybody's."""
    return "an operator" if window.objected_at is not None and window.decided_by is None else None


def open_windows(library: Expunge) -> list[Window]:
    """The requests that can still be undone, by their end."""
    return library.rooms.journal.windows(status=RequestStatus.HIDDEN)


def _rules(library: Expunge) -> Undo:
    """The policy's windows: those of its defaults, if it has none any more but requests are still hidden."""
    return library.policy.undo or Undo()


def _allowed(rules: Undo, window: Window, who: Undoer) -> str:
    """In words for the log, by what right.

    Raises:
        ApprovalNeeded: by none.
    """
    since = who.device_known_since
    if since is not None and since <= window.opened_at - rules.quarantine:
        return "a device known before"
    if who.second is not None:
        _two(who.by, who.second, window.request_id)
        return "two operators"
    hours = rules.quarantine // timedelta(hours=1)
    told = f"a device undoes what it was known for {hours} hours before; otherwise an operator does, with a second one"
    raise ApprovalNeeded(told, where=window.request_id)


def _two(by: str, second: str, where: str) -> None:
    if by.casefold() == second.casefold():
        raise ApprovalNeeded("two people are needed, and this is one", where=where)


def _household(library: Expunge, request_id: str) -> tuple[Window, Sequence[Person], dict[tuple[str, str], int]]:
    journal = library.rooms.journal
    window = journal.window(request_id)
    if not window.household:
        raise InvalidRequest("the request is not for a whole household", where=request_id)
    held = journal.request(request_id)
    if held.attached is None:
        raise TooLate(f"the request is {window.status.value}", where=request_id)
    return window, people_of([held]).people, dict(_numbered(held))


def _numbered(held: Request) -> Iterator[tuple[tuple[str, str], int]]:
    packed = held.attached if isinstance(held.attached, list) else []
    for person, one in zip(people_of([held]).people, packed, strict=True):
        assert isinstance(one, dict)
        yield (person.kind, person.key), int(str(one["number"]))


def _member(who: SubjectRef, people: Sequence[Person], numbers: dict[tuple[str, str], int]) -> int:
    for one in people:
        if one.kind == who.kind and any(
            each.type == who.identity and key_text(each.value) == key_text(who.value) for each in one.identifiers
        ):
            return numbers[one.kind, one.key]
    raise InvalidRequest("who objects is a member of the household")


def _settle(rooms: Rooms, window: Window) -> None:
    """An objection is an operator's to decide: an incident says so, until it is decided or withdrawn."""
    control = objection_control(window.request_id)
    if window.objected_at is None:
        rooms.journal.passed(control)
        return
    due = rooms.clock.now() + INCIDENT_CLOCK
    note = f"a member objects to the erasure of their household, {window.request_id}: decide it, or undo it"
    rooms.journal.open_incident(OBJECTION, control, run_id=None, store=None, owner="privacy engineer", due=due, note=note)


__all__ = ["Undoer", "Window", "agree", "as_json", "decide", "object_to", "open_windows", "request", "undo", "waits_for"]
