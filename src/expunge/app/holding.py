"""Legal holds: asked for by one role, confirmed by a second person, shown to the people they are about unless a gag forbids it.

Every word on a hold is in the evidence log, by the hold's own random id and the speaker's role: never whom it is about. A hold stops
destruction. It opens nothing: nobody may look at more because of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from expunge.app.library import Expunge
from expunge.erase.context import look, require_known
from expunge.erase.held import packed, shown
from expunge.erase.intake import TELLING
from expunge.erase.plan import scope_json
from expunge.erase.subjects import Person, resolve
from expunge.erase.telling import ENDED, PLACED, tell_of_hold
from expunge.errors import InvalidRequest, UnknownSubject
from expunge.evidence.receipts import make_entries
from expunge.journal.records import Hold, NewHold
from expunge.terms import Identifier, Json, Scope

STATEMENT = "hold/1"


@dataclass(frozen=True, slots=True)
class Gag:
    """A duty not to tell the people concerned: on whose authority, and until when (aware)."""

    authority: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who gives a word: ``ROLE:NAME``."""

    role: str
    name: str

    def __str__(self) -> str:
        """As it was written."""
        return f"{self.role}:{self.name}"


def speaker(text: str, roles: Iterable[str], for_what: str) -> Speaker:
    """Read ``ROLE:NAME``; the role must be one that may.

    Raises:
        InvalidRequest: another form, or a role that may not.
    """
    role, colon, name = text.partition(":")
    allowed = tuple(roles)
    if not colon or not name or role not in allowed:
        raise InvalidRequest(f"--by is ROLE:NAME; to {for_what}, ROLE is one of {', '.join(allowed)} (the policy's `holds`)")
    return Speaker(role, name)


def place(
    library: Expunge, subject: str, scope: Scope, *, until: datetime, authority: str, reason: str, by: str, gag: Gag | None = None
) -> Hold:
    """Ask for a hold on a person's records, or a household's and all its members', as far as ``scope`` names them.

    It keeps from now on, and ends by itself unless somebody else confirms it within the policy's ``holds.confirm_within``. Neither
    ``authority`` nor ``reason`` names a person.

    Raises:
        InvalidRequest: too long, no end ahead, a role that may not, or a text that names the person.
        UnknownSubject: no store knows the person.
        StoreError: as the stores say; nothing was placed.
    """
    rooms, rules = library.rooms, library.policy.holds
    who = speaker(by, rules.place, "place a hold")
    _require_end(library, until)
    ref = library.subject(subject)
    require_known(rooms.policy, scope)
    sight = look(rooms, Scope())
    people = resolve(rooms.policy.catalog, sight.held, rooms.stores, [ref]).people
    if not people:
        raise UnknownSubject("no listed store has a record of this person, so there is nothing to hold")
    main = next(one for one in people if one.kind == ref.kind)
    _names_nobody(people, authority, reason, gag.authority if gag else "")
    everybody = [main, *(one for one in people if one is not main)]
    sealed = packed(everybody, rooms.journal)
    now = rooms.clock.now()
    asked = NewHold(
        subject=rooms.journal.numbers([main.identifiers[0]])[main.identifiers[0]],
        authority=authority,
        reason=reason,
        asked_by=str(who),
        asked_until=until,
        until=min(until, now + rules.confirm_within),
        whole=scope.everything(),
        members=any(kind.member_of == ref.kind for kind in rooms.policy.catalog.kinds.values()),
        scope={name: value for name, value in scope_json(scope).items() if name != "items"},
        people=sealed,
        items=scope.items,
        gag_authority=gag.authority if gag else None,
        gag_until=gag.until if gag else None,
    )
    hold = rooms.journal.ask_hold(asked)
    _log(library, hold.id, "placed", who, until)
    return hold


def confirm(library: Expunge, hold_id: str, *, by: str) -> Hold:
    """A second person's word on a hold or its renewal; from here the people it is about are told, unless a gag forbids it.

    Raises:
        ApprovalNeeded: the same person asked for it.
        InvalidRequest: a role that may not, an ended hold, or nothing to confirm.
        UnknownRequest: there is no such hold.
    """
    who = speaker(by, library.policy.holds.confirm, "confirm a hold")
    before = library.rooms.journal.hold(hold_id)
    _another_name(before, who)
    hold = library.rooms.journal.confirm_hold(hold_id, str(who))
    _log(library, hold_id, "confirmed", who, hold.until)
    tell_of_hold(library.rooms, hold, PLACED)
    return hold


def renew(library: Expunge, hold_id: str, *, until: datetime, authority: str, by: str) -> Hold:
    """Ask for another end; somebody else confirms it, as a new hold.

    Raises:
        InvalidRequest: too long, a role that may not, or a hold that has ended or was never confirmed.
        UnknownRequest: there is no such hold.
    """
    who = speaker(by, library.policy.holds.place, "renew a hold")
    _require_end(library, until)
    hold = library.rooms.journal.renew_hold(hold_id, str(who), authority, until)
    _log(library, hold_id, "renewal asked", who, until)
    return hold


def lift(library: Expunge, hold_id: str, *, by: str) -> Hold:
    """End a hold now; `expunge work` then does what it kept waiting. One person's word: it only ends what two had to begin.

    Raises:
        InvalidRequest: a role that may not.
        UnknownRequest: there is no such hold.
    """
    rules = library.policy.holds
    who = speaker(by, dict.fromkeys((*rules.place, *rules.confirm)), "lift a hold")
    hold = library.rooms.journal.hold(hold_id)
    if hold.lifted_at is None:
        tell_of_hold(library.rooms, hold, ENDED)
        library.rooms.journal.lift_hold(hold_id, str(who))
        _log(library, hold_id, "lifted", who, None)
    library.rooms.journal.end_holds()
    return library.rooms.journal.hold(hold_id)


def holds_on(library: Expunge, subject: str) -> list[Hold]:
    """Every hold that was ever placed on a person, oldest first; gagged ones too: it is for staff.

    Raises:
        UnknownSubject: nobody of that key is registered, so none was.
    """
    return library.rooms.journal.holds(_number(library, subject))


def shown_to(library: Expunge, subject: str) -> list[Json]:
    """What a person is told of the holds on them: those that stand and that no gag hides.

    Raises:
        UnknownSubject: nobody of that key is registered.
    """
    now = library.rooms.clock.now()
    return [shown(one) for one in library.rooms.journal.holds(_number(library, subject)) if one.stands(now) and not one.gagged(now)]


def as_json(library: Expunge, hold: Hold) -> Json:
    """A hold for staff, with what was said about it."""
    now = library.rooms.clock.now()
    told = shown(hold)
    assert isinstance(told, Mapping)
    return {
        **told,
        "members": hold.members,
        "state": state(hold, now),
        "waits_for": "a second person" if hold.asked_by is not None and hold.stands(now) else None,
        "asked_until": hold.asked_until.isoformat() if hold.asked_until else None,
        "gagged_until": hold.gag_until.isoformat() if hold.gagged(now) and hold.gag_until else None,
        "words": [dict(word) for word in library.rooms.journal.hold_words(hold.id)],
    }


def state(hold: Hold, now: datetime) -> str:
    """In a word: ``lifted``, ``ended``, ``lapsed`` (never confirmed), ``unconfirmed`` or ``stands``."""
    if hold.lifted_at is not None:
        return "lifted"
    if not hold.stands(now):
        return "ended" if hold.confirmed_at is not None else "lapsed"
    return "stands" if hold.confirmed_at is not None else "unconfirmed"


def _number(library: Expunge, subject: str) -> int:
    ref = library.subject(subject)
    named = Identifier(ref.identity, ref.value)
    found = library.rooms.journal.numbers([named]).get(named)
    if found is None:
        raise UnknownSubject("nobody of that key is registered: there was never a request or a hold on them")
    return found


def _require_end(library: Expunge, until: datetime) -> None:
    now, longest = library.rooms.clock.now(), library.policy.holds.longest
    if not now < until <= now + longest:
        raise InvalidRequest(f"a hold ends after now and within {longest.days} days (the policy's `holds.longest`); it can be renewed")


def _another_name(hold: Hold, who: Speaker) -> None:
    """Two roles of one person are one person.

    Raises:
        InvalidRequest: the name is that of who asked.
    """
    if hold.asked_by is not None and hold.asked_by.partition(":")[2].casefold() == who.name.casefold():
        raise InvalidRequest("who asked for a hold can't be the one who confirms it, in whatever role", where=hold.id)


def _names_nobody(people: Sequence[Person], *texts: str) -> None:
    """What is shown and logged must not quote whom it is about.

    Raises:
        InvalidRequest: one of the texts does.
    """
    keys = [one.value for person in people for one in person.identifiers if len(one.value) >= TELLING]
    if any(key.casefold() in text.casefold() for key in keys for text in texts):
        raise InvalidRequest("the authority and the reason are kept and shown; don't name the person there")


def _log(library: Expunge, hold_id: str, word: str, who: Speaker, until: datetime | None) -> None:
    rooms = library.rooms
    statement: dict[str, Json] = {
        "hold": hold_id,
        "word": word,
        "role": who.role,
        "until": until.isoformat() if until else None,
        "at": rooms.clock.now().isoformat(),
    }
    rooms.log.append(make_entries(STATEMENT, statement, rooms.executor, rooms.verifier))
