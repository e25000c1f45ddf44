"""Claims on records that nobody was attributed to: a child's voice under a household's name, a guest's, a bystander's picture.

Such a record is the household's, under its strictest member's term. Somebody of the household may say whose it is. The record is not
rewritten: the claim is kept, sealed, and acts as if it were. The record goes when the stricter of both terms ends, when that person is
erased, and at once where a child's guardian has not agreed to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from expunge.app.family_duties import FIRST_WAIT, Settled
from expunge.app.kin import Kin, Person
from expunge.app.library import Expunge
from expunge.erase.context import look
from expunge.erase.extent import captured, known_items
from expunge.erase.subjects import parse_subject, resolve
from expunge.erase.walk import Rows, walk
from expunge.errors import ExpungeError, InvalidRequest, UnknownSubject
from expunge.journal.households import ItemClaim
from expunge.policy.catalog import CollectionNote
from expunge.policy.matters import Matter, matter_for
from expunge.policy.strictness import household_kinds, strictest
from expunge.policy.taxonomy import names_only, personal
from expunge.terms import Scope, text_of


def claim(library: Expunge, item: str, for_: str, household: str, *, by: str) -> ItemClaim:
    """Record that an unattributed record is a member's; what follows at once is filed before this returns.

    Raises:
        InvalidRequest: the policy attributes nothing to this kind, it is not such a record of this household, or not one of its members'.
        UnknownSubject, PolicyError, StoreError: as the stores say.
    """
    policy = library.policy
    kin = Kin(library.rooms)
    who, home = kin.people([for_, household])
    if policy.family.unattributed != home.kind:
        raise InvalidRequest(f"the policy attributes no record to a {home.kind} that names nobody (family.unattributed)")
    if all(one.number != who.number for one in kin.members(home)):
        raise InvalidRequest(f"this {who.kind} is not a member of that {home.kind}")
    note, at = _record(library, item, home)
    held = personal(one for field in note.fields.values() for one in field.categories)
    categories = [one for one in held if not names_only(one)] or list(held)
    ends = [_ends(library, (*household_kinds(policy, home.kind), who.kind), one, at) for one in categories]
    kept = library.rooms.journal.keep_claim(
        item,
        subject=who.number,
        household=home.number,
        household_text=home.text,
        category=min(categories, default="user"),
        captured_at=at,
        ends_at=min((one for one in ends if one is not None), default=None),
        by=by,
    )
    if not _agreed(library, who, categories):
        _erase(library, [kept], Settled(), "claimed for somebody whose guardian has not agreed")
    return next(one for one in library.rooms.journal.item_claims([who.number]) if one.id == kept.id)


def erase_due(library: Expunge, settled: Settled) -> None:
    """File the erasure of claimed records whose time has come, or whose person is being erased."""
    due = [one for one in library.rooms.journal.due_claims() if one.item is not None]
    _erase(library, due, settled, "claimed: the term has ended, or the person is erased")


def _record(library: Expunge, item: str, home: Person) -> tuple[CollectionNote, datetime]:
    """The collection and the time of capture of a record that the household owns by itself; now, where it has no time of its own.

    Raises:
        InvalidRequest: it is no record of this household.
    """
    catalog, rooms = library.policy.catalog, library.rooms
    sight = look(rooms, Scope(items=(item,)))
    refs = [parse_subject(home.text, catalog)]
    found = resolve(catalog, sight.held, rooms.stores, refs)
    alone = [one for one in found.people if one.kind == home.kind]
    walked = walk(catalog, sight.held, rooms.stores, type(found)(tuple(alone), ()))
    if item not in known_items(catalog, walked, [item]):
        raise InvalidRequest("the item is no record of that household, or is attributed to somebody already")
    note = catalog.collections[item.partition("/")[0]]
    when = captured(sight.held, walked, note)
    rows = walked.rows[note.address]
    place = next((one for one in range(len(rows)) if item.partition("/")[2] in {rows.addresses[one], _key(note, rows, one)}), None)
    at = when(place) if when is not None and place is not None else None
    return note, at or rooms.clock.now()


def _key(note: CollectionNote, rows: Rows, place: int) -> str:
    """The text of a record's primary key."""
    columns = [rows.column(one.name)[place] for one in note.fields.values() if one.primary_key]
    return "/".join(text_of(value) for value in columns if value is not None)


def _ends(library: Expunge, kinds: Sequence[str], category: str, at: datetime) -> datetime | None:
    """When a category of these kinds has to be gone, by the strictest of their terms for it."""
    term = strictest(one for one in library.policy.terms if one.of in kinds and one.covers(one.of, category))
    return None if term is None or term.keep is None else at + term.keep


def _agreed(library: Expunge, who: Person, categories: Sequence[str]) -> bool:
    """Whether some purpose of each category is agreed to for this person, or none needs to be."""
    policy = library.policy
    for category in categories:
        terms = [one for one in policy.terms if one.covers(who.kind, category)]
        asked: list[Matter | None] = [matter_for(policy, who.kind, one.purpose, category) for one in terms]
        if asked and not any(one is None or library.rooms.journal.admits([who.number], str(one)).subjects for one in asked):
            return False
    return True


def _erase(library: Expunge, claims: Sequence[ItemClaim], settled: Settled, authority: str) -> None:
    """One request per household, for all of its records that have to go."""
    homes: dict[str, list[ItemClaim]] = {}
    for one in claims:
        homes.setdefault(str(one.household_text), []).append(one)
    for text, held in homes.items():
        items = tuple(sorted(str(one.item) for one in held))
        try:
            started = library.request([text], Scope(items=items), requester="member of the household", authority=authority, by="claims")
        except (UnknownSubject, InvalidRequest):  # the record or its household is gone already; the claim stays, as it is told
            library.rooms.journal.claims_done([one.id for one in held], None)
        except ExpungeError:  # a store is away, or the plan is in trouble: that has incidents of its own
            settled.waiting += len(held)
            library.rooms.journal.claims_failed([one.id for one in held], library.rooms.clock.now() + FIRST_WAIT)
        else:
            request = started.requests[0]
            library.rooms.journal.claims_done([one.id for one in held], request.id if request is not None else None)
            settled.filed += request is not None
            settled.runs += [run.id for run in started.runs]
