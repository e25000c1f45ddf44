"""A letter to every member of a class, once: every adult, every household, or every guardian of the children.

The class is read from the store that holds its people, a batch of keys at a time; each member's letter has a key of its own, so that a
campaign that was cut off is simply begun again. Nobody is held in memory beyond a batch, but for the guardians' keys: a guardian of three
children is listed three times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias, cast

from expunge.app.library import Expunge
from expunge.app.posting import own_letters
from expunge.errors import InvalidRequest, KeyDestroyed, KeySealed
from expunge.family.letters import wanted
from expunge.journal.letters import Campaign, LetterState
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote
from expunge.policy.taxonomy import covers
from expunge.policy.wording import advise
from expunge.ports import Letter
from expunge.stores.base import Lister, Store
from expunge.terms import Identifier, Selector, Value, text_of

_Channel: TypeAlias = Literal["email", "text"]

AT_ONCE = 500
"""Members per batch: one query for their addresses, one transaction for their letters."""

CHANNELS: Mapping[str, str] = {"email": "user.contact.email", "text": "user.contact.phone_number"}
"""The data category of a channel's address."""


@dataclass(frozen=True, slots=True)
class Audience:
    """A class of people: where their keys are listed (``source``.``field``), and where their own records give key and address."""

    kind: str
    source: CollectionNote
    field: str
    home: CollectionNote
    key: str
    address: str


@dataclass(frozen=True, slots=True)
class Counted:
    """What a campaign did, or (dry run) would do."""

    members: int
    unreached: int
    campaign: Campaign | None
    states: Mapping[LetterState, int]


def audience_of(catalog: Catalog, text: str, channel: str) -> Audience:
    """Read a class: a kind of subject, or ``guardians:KIND``.

    Raises:
        InvalidRequest: no such kind, nobody's guardians, or no field of the policy holds such an address; the message says what to declare.
    """
    if channel not in CHANNELS:
        raise InvalidRequest(f"a campaign goes by {' or '.join(CHANNELS)}")
    word, _, child = text.rpartition(":")
    if word not in ("", "guardians") or child not in catalog.kinds:
        raise InvalidRequest(f"the class is a kind of subject, or guardians:KIND; {advise(child, catalog.kinds)}")
    kind = catalog.kinds[child].guardian if word else child
    if kind is None:
        raise InvalidRequest(f"the policy names no guardian of {child}", where=f"subjects.{child}")
    home, key = _home(catalog, kind)
    address = next((one.name for one in home.fields.values() if _is_address(one, channel)), None)
    if address is None:
        raise InvalidRequest(f"no field of it has the category {CHANNELS[channel]}", where=home.address)
    if not word:
        return Audience(kind, home, key.name, home, key.name, address)
    source, _ = _home(catalog, child)
    goal = (home.address, key.name)
    pointer = next((name for name, one in source.fields.items() for ref in one.references if (ref.to, ref.to_field) == goal), None)
    if pointer is None:
        raise InvalidRequest(f"no field of it references {home.address}.{key.name}, so nobody's guardian is known", where=source.address)
    return Audience(kind, source, pointer, home, key.name, address)


def count_campaign(library: Expunge, audience: Audience) -> Counted:
    """The dry run: how many members would be written to, and how many have no address. Nothing is written."""
    members = unreached = 0
    for batch in _members(library, audience):
        reached = sum(one is not None for _, one in batch)
        members, unreached = members + reached, unreached + len(batch) - reached
    return Counted(members, unreached, None, {})


def post_campaign(library: Expunge, name: str, template: str, text: str, channel: str, fields: Mapping[str, str]) -> Counted:
    """Post the letter to everybody of the class who was not posted one before, and say where the campaign stands.

    Raises:
        InvalidRequest: the template lacks a field, or a campaign of this name has another template or class.
    """
    audience = audience_of(library.policy.catalog, text, channel)
    needed = wanted(template, own_letters(library.policy))
    if needed != set(fields):
        raise InvalidRequest(f"the letter wants the fields {', '.join(sorted(needed)) or 'none'}", where=template)
    journal = library.rooms.journal
    begun = journal.begin_campaign(name, template, f"{text} by {channel}")
    if (begun.template, begun.audience) != (template, f"{text} by {channel}"):
        raise InvalidRequest(f"a campaign of this name sends {begun.template} to {begun.audience}; give this one another name", where=name)
    identity = library.policy.catalog.kinds[audience.kind].key
    chosen = cast("_Channel", channel)  # audience_of has refused all others
    members = unreached = 0
    for batch in _members(library, audience):
        reached = [(key, address) for key, address in batch if address is not None]
        numbers = journal.register(audience.kind, [[Identifier(identity, key)] for key, _ in reached])
        letters = [
            Letter(Identifier(CHANNELS[channel], address), chosen, template, fields, number, f"campaign/{name}/{number}")
            for (_, address), number in zip(reached, numbers, strict=True)
        ]
        posted = _post(library, letters, name)
        members, unreached = members + posted, unreached + len(batch) - posted
    journal.campaign_listed(name, members, unreached)
    return standing(library, name)


def standing(library: Expunge, name: str) -> Counted:
    """Where a campaign stands.

    Raises:
        InvalidRequest: there is none of that name.
    """
    found = next((one for one in library.rooms.journal.campaigns() if one.name == name), None)
    if found is None:
        raise InvalidRequest("there is no campaign of this name", where=name)
    states = library.rooms.journal.letter_counts(campaign=name)
    return Counted(found.members or sum(states.values()), found.unreached or 0, found, states)


def _post(library: Expunge, letters: Sequence[Letter], name: str) -> int:
    """Post a batch; who is being erased spoils it, so then each is posted by itself and those are left out. How many were posted."""
    try:
        library.rooms.journal.post(letters, campaign=name)
    except (KeyDestroyed, KeySealed):
        return sum(_post_one(library, one, name) for one in letters)
    return len(letters)


def _post_one(library: Expunge, letter: Letter, name: str) -> bool:
    try:
        library.rooms.journal.post([letter], campaign=name)
    except (KeyDestroyed, KeySealed):
        return False
    return True


def _members(library: Expunge, audience: Audience) -> Iterator[list[tuple[str, str | None]]]:
    """(key, address) of the members in batches, each once."""
    source, home = library.rooms.stores[audience.source.store], library.rooms.stores[audience.home.store]
    if not isinstance(source, Lister):
        raise InvalidRequest("its store can't list whom it holds", where=audience.source.address)
    seen: set[Value] = set()
    for listed in source.distinct(audience.source.name, audience.field):
        fresh = iter([one for one in listed if one not in seen])
        if audience.source is not audience.home:
            seen.update(listed)
        while keys := list(islice(fresh, AT_ONCE)):
            yield _addresses(home, audience, keys)


def _addresses(home: Store, audience: Audience, keys: Sequence[Value]) -> list[tuple[str, str | None]]:
    found: dict[str, str | None] = {}
    for batch in home.locate(Selector(audience.home.name, {audience.key: frozenset(keys)}), (audience.key, audience.address)):
        for key, address in zip(batch.carried[audience.key], batch.carried[audience.address], strict=True):
            if key is not None:
                found[text_of(key)] = text_of(address) if address else None
    return list(found.items())


def _home(catalog: Catalog, kind: str) -> tuple[CollectionNote, FieldNote]:
    key = catalog.kinds[kind].key
    for note in catalog.collections.values():
        for one in note.fields.values():
            if one.identity == key:
                return note, one
    raise InvalidRequest(f"no field has the identity {key}, so nobody knows where {kind} is kept", where=f"subjects.{kind}")


def _is_address(field: FieldNote, channel: str) -> bool:
    return any(covers(CHANNELS[channel], one) for one in field.categories)
