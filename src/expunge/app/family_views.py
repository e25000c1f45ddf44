"""What people are shown of families: one person's ledger, and a household with everybody in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from expunge.app.kin import Kin, Person
from expunge.app.library import Expunge
from expunge.errors import InvalidRequest
from expunge.journal.askings import Asking
from expunge.journal.consent_states import is_given
from expunge.journal.consents import Consent, Duty
from expunge.journal.households import ItemClaim
from expunge.policy.matters import Matter, Sort, matters, sort_of


@dataclass(frozen=True, slots=True)
class Standing:
    """One matter: whether it is agreed to now, and the newest word of everybody who has one. ``words`` are (who, event)."""

    matter: str
    sort: Sort
    given: bool
    words: tuple[tuple[str, Consent], ...]


@dataclass(frozen=True, slots=True)
class Agreed:
    """One person's ledger: who decides, how every matter stands, what was asked, and what had to be erased for it."""

    kind: str
    minor: bool
    guardians: tuple[str, ...]
    standings: tuple[Standing, ...]
    askings: tuple[Asking, ...]
    duties: tuple[Duty, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """One of a household. ``agreed`` and ``open_`` are the matters that stand at yes, and those that don't."""

    text: str
    minor: bool
    guardians: tuple[str, ...]
    agreed: tuple[str, ...]
    open_: tuple[str, ...]
    claims: tuple[ItemClaim, ...]


@dataclass(frozen=True, slots=True)
class Household:
    """Everybody in it."""

    text: str
    members: tuple[Member, ...]


def agreement(library: Expunge, subject: str) -> Agreed:
    """One person's ledger.

    Raises:
        UnknownSubject, InvalidRequest, PolicyError, StoreError: as the stores say.
    """
    kin = Kin(library.rooms)
    (who,) = kin.people([subject])
    kind = library.policy.catalog.kinds[who.kind]
    deciders = kin.guardians([who])[who.number] if kind.minor else [who]
    journal = library.rooms.journal
    held = journal.consents([who.number])
    names = {one.number: _name(one) for one in deciders}
    standings = tuple(_standing(library, matter, held, names) for matter in _matters(library, who.kind, held))
    asked = tuple(journal.askings([who.number]))
    return Agreed(who.kind, kind.minor, tuple(names.values()), standings, asked, tuple(journal.duties(who.number)))


def household(library: Expunge, text: str) -> Household:
    """A household, with one question to the stores per kind of member and reference, and one to the ledger.

    Raises:
        InvalidRequest: nobody is a member of this kind.
        UnknownSubject, PolicyError, StoreError: as the stores say.
    """
    kin = Kin(library.rooms)
    (home,) = kin.people([text])
    if all(kind.member_of != home.kind for kind in library.policy.catalog.kinds.values()):
        raise InvalidRequest(f"nobody is a member of a {home.kind}")
    people = kin.members(home)
    kinds = library.policy.catalog.kinds
    deciders = kin.guardians([one for one in people if kinds[one.kind].minor])
    held = library.rooms.journal.consents([one.number for one in people])
    claims = library.rooms.journal.item_claims([one.number for one in people])
    return Household(home.text, tuple(_member(library, one, deciders, held, claims) for one in people))


def _member(
    library: Expunge, one: Person, deciders: Mapping[int, Sequence[Person]], held: Sequence[Consent], claims: Sequence[ItemClaim]
) -> Member:
    mine = [consent for consent in held if consent.word.subject == one.number]
    standings = [_standing(library, matter, mine, {}) for matter in _matters(library, one.kind, mine)]
    return Member(
        one.text,
        library.policy.catalog.kinds[one.kind].minor,
        tuple(_name(guardian) for guardian in deciders.get(one.number, ())),
        tuple(standing.matter for standing in standings if standing.given),
        tuple(standing.matter for standing in standings if not standing.given),
        tuple(claim for claim in claims if claim.subject == one.number),
    )


def _matters(library: Expunge, kind: str, held: Sequence[Consent]) -> list[str]:
    """What is asked about now, and what was agreed to under an earlier policy."""
    return list(dict.fromkeys([*(str(one) for one in matters(library.policy, kind)), *(one.word.matter for one in held)]))


def _standing(library: Expunge, matter: str, held: Sequence[Consent], names: Mapping[int, str]) -> Standing:
    words = [one for one in held if one.word.matter == matter]
    now = library.rooms.clock.now()
    given = is_given(one.thread for one in words) and not all(_is_over(one, now) for one in words)
    told = tuple((names.get(one.word.guardian, f"person {one.word.guardian}"), one) for one in words)
    return Standing(matter, sort_of(library.policy, Matter.parse(matter)), given, told)


def _is_over(one: Consent, now: datetime) -> bool:
    return one.word.until is not None and one.word.until <= now


def _name(one: Person) -> str:
    """How a guardian is written; one whom only the journal records is a number here."""
    return one.text if one.key else f"person {one.number}"
