"""Who a batch of requests is for: every person meant, and every identifier that their own records give.

A subject is written ``KIND:KEY`` or ``KIND:IDENTITY=VALUE``. A household stands for itself and all its members. Found set-wise: one query
per own-record collection and identity, whatever the number of requests. A person whose own record is already gone is still found by the
records that name them by their key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from expunge.errors import InvalidRequest
from expunge.policy.catalog import Catalog, SubjectKind
from expunge.policy.ownership import Edge, Ownership, Root, Via
from expunge.stores.base import Store
from expunge.stores.values import key_text, spelled
from expunge.terms import Identifier, Selector, text_of


@dataclass(frozen=True, slots=True, repr=False)
class SubjectRef:
    """How a requester names a person: a kind, one identity type, its exact text."""

    kind: str
    identity: str
    value: str

    def __repr__(self) -> str:
        """Kind only."""
        return f"SubjectRef({self.kind!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """One person (or household) to be erased. ``ordinal`` is the request's place in the batch; the first identifier is the kind's key."""

    kind: str
    key: str
    ordinal: int
    identifiers: tuple[Identifier, ...]

    def __repr__(self) -> str:
        """Kind only."""
        return f"Person({self.kind!r})"


@dataclass(frozen=True, slots=True)
class Resolved:
    """Everybody meant by a batch. ``keys`` maps, per kind, the key's text to the ordinal of the request.

    ``same``: places at which somebody is named whom another place names already, with that place.
    """

    people: tuple[Person, ...]
    unknown: tuple[int, ...]
    same: Mapping[int, int] = field(default_factory=dict[int, int])

    def keys(self, kind: str) -> dict[str, int]:
        """The keys of one kind."""
        return {key_text(one.key): one.ordinal for one in self.people if one.kind == kind}


def parse_subject(text: str, catalog: Catalog) -> SubjectRef:
    """Read ``KIND:KEY`` or ``KIND:IDENTITY=VALUE``.

    Raises:
        InvalidRequest: unknown kind or form; the message names kinds, never the value.
    """
    kind_name, colon, rest = text.partition(":")
    kinds = ", ".join(sorted(catalog.kinds))
    if not colon or not rest:
        raise InvalidRequest(f"a subject is written KIND:KEY or KIND:IDENTITY=VALUE; kinds are {kinds}")
    if kind_name not in catalog.kinds:
        raise InvalidRequest(f"the policy has no kind of subject {kind_name!r}; kinds are {kinds}")
    kind = catalog.kinds[kind_name]
    identity, equals, value = rest.partition("=")
    if equals and identity in (kind.key, *kind.identities):
        if not value:
            raise InvalidRequest(f"the {identity} of a {kind_name} is empty")
        return SubjectRef(kind_name, identity, value)
    if equals and get_close_matches(identity, (kind.key, *kind.identities), n=1):
        raise InvalidRequest(f"a {kind_name} is not known by {identity!r}; it is known by {', '.join((kind.key, *kind.identities))}")
    return SubjectRef(kind_name, kind.key, rest)


def resolve(catalog: Catalog, held: Ownership, stores: Mapping[str, Store], refs: Sequence[SubjectRef]) -> Resolved:
    """Find every person meant by ``refs`` (in the batch's order) and the members of every household among them.

    Raises:
        InvalidRequest: several people share what one of ``refs`` names them by.
        StoreError: as the stores say; nothing is known then.
    """
    found: dict[tuple[str, str], Person] = {}
    known: set[int] = set()
    same: dict[int, int] = {}
    for kind, identity in sorted({(ref.kind, ref.identity) for ref in refs}):
        wanted: dict[str, int] = {}
        for place, ref in enumerate(refs):
            if (ref.kind, ref.identity) == (kind, identity) and wanted.setdefault(key_text(ref.value), place) != place:
                same[place] = wanted[key_text(ref.value)]
        people = _by(catalog, held, stores, kind, identity, wanted)
        _one_each(people, identity, catalog.kinds[kind])
        known |= {person.ordinal for person in people}
        same |= _take(found, people)
    _add_members(catalog, held, stores, found)
    unknown = tuple(place for place in range(len(refs)) if same.get(place, place) not in known)
    return Resolved(tuple(found[name] for name in sorted(found)), unknown, {place: same.get(first, first) for place, first in same.items()})


def _by(
    catalog: Catalog, held: Ownership, stores: Mapping[str, Store], kind: str, identity: str, wanted: Mapping[str, int]
) -> list[Person]:
    """Everybody of one kind whom one of these values of one identity names."""
    people: list[Person] = []
    for root in _own_records(held, kind):
        if set(wanted.values()) <= {person.ordinal for person in people}:
            return people
        by = _field_for(catalog, root, identity)
        if by is not None:
            people += _people(catalog, stores, root, by, wanted)
    if identity == catalog.kinds[kind].key:
        known = {person.ordinal for person in people}
        people += _named_only(catalog, held, stores, kind, {key: place for key, place in wanted.items() if place not in known})
    return people


def _one_each(people: Iterable[Person], identity: str, kind: SubjectKind) -> None:
    """Nobody is taken for another because they share an address."""
    keys: dict[int, str] = {}
    for person in people:
        if keys.setdefault(person.ordinal, key_text(person.key)) != key_text(person.key):
            raise InvalidRequest(f"more than one {kind.name} is known by that {identity}; name the {kind.key}")


def _own_records(held: Ownership, kind: str) -> list[Root]:
    """The collections that name a subject of ``kind``; those that define it first."""
    return sorted((root for root in held.roots.values() if root.kind == kind), key=lambda root: (not root.defines, root.collection))


def looked_for(catalog: Catalog, held: Ownership, refs: Sequence[SubjectRef]) -> str:
    """In words, where these people were looked for and, of an identity, where it stands and leads to nobody. Names of fields only."""
    told = []
    for kind, identity in sorted({(ref.kind, ref.identity) for ref in refs}):
        own = [f"{root.collection}.{name}" for root in _own_records(held, kind) if (name := _field_for(catalog, root, identity))]
        if identity == catalog.kinds[kind].key:
            own += [f"{edge.owned}.{edge.owned_field}" for edge in _naming_edges(held, kind)]
        places = list(dict.fromkeys(own))
        told.append(
            f"{kind} by {identity} in {', '.join(places)}" if places else f"no own record of a {kind} has a field for their {identity}"
        )
        strange = [
            f"{note.address}.{one.name}"
            for note in catalog.collections.values()
            for one in note.fields.values()
            if one.identity == identity and f"{note.address}.{one.name}" not in places
        ]
        if strange:
            told.append(f"not in {', '.join(strange)}: records there are a person's only by that person's own record")
    return "looked for " + "; ".join(told)


def _field_for(catalog: Catalog, root: Root, identity: str) -> str | None:
    if catalog.kinds[root.kind].key == identity:
        return root.field
    fields = catalog.collections[root.collection].fields.values()
    return next((one.name for one in fields if one.identity == identity), None)


def _people(catalog: Catalog, stores: Mapping[str, Store], root: Root, by: str, wanted: Mapping[str, int]) -> Iterable[Person]:
    """The people whose record in ``root`` holds one of the wanted values in the field ``by``."""
    kind = catalog.kinds[root.kind]
    note = catalog.collections[root.collection]
    further = {one.name: one.identity for one in note.fields.values() if one.identity in kind.identities}
    carry = tuple(dict.fromkeys((root.field, by, *further)))
    for batch in stores[note.store].locate(Selector(note.name, {by: spelled(wanted)}), carry):
        for place in range(len(batch.addresses)):
            row = {name: batch.carried[name][place] for name in carry}
            key, asked = row[root.field], row[by]
            if key is None or asked is None or key_text(asked) not in wanted:
                continue
            extra = tuple(Identifier(str(further[name]), text_of(value)) for name in further if (value := row[name]) is not None)
            yield Person(kind.name, text_of(key), wanted[key_text(asked)], (Identifier(kind.key, text_of(key)), *extra))


def _named_only(catalog: Catalog, held: Ownership, stores: Mapping[str, Store], kind: str, wanted: Mapping[str, int]) -> Iterable[Person]:
    """People whose own record is gone, but whom other records still name by their key."""
    left = dict(wanted)
    for edge in _naming_edges(held, kind):
        if not left:
            return
        note = catalog.collections[edge.owned]
        for batch in stores[note.store].locate(Selector(note.name, {edge.owned_field: spelled(left)}), (edge.owned_field,)):
            for value in {key_text(value) for value in batch.carried[edge.owned_field] if value is not None} & set(left):
                yield Person(kind, value, left.pop(value), (Identifier(catalog.kinds[kind].key, value),))


def _naming_edges(held: Ownership, kind: str) -> list[Edge]:
    """The references that hold a person's own key, and so name them even when their own record is gone."""
    roots = {address: root.field for address, root in held.roots.items() if root.kind == kind}
    return [edge for edge in held.edges if edge.via is Via.FROM and roots.get(edge.owner) == edge.owner_field]


def _take(found: dict[tuple[str, str], Person], people: Iterable[Person]) -> dict[int, int]:
    """Add people, those already found with what else they are known by; places that name somebody whom another place named first."""
    again: dict[int, int] = {}
    for person in people:
        name = (person.kind, key_text(person.key))
        known = found.get(name)
        if known is None:
            found[name] = person
        else:
            merged = tuple(dict.fromkeys((*known.identifiers, *person.identifiers)))
            found[name] = Person(known.kind, known.key, known.ordinal, merged)
            if person.ordinal != known.ordinal:
                again[person.ordinal] = known.ordinal
    return again


def _add_members(catalog: Catalog, held: Ownership, stores: Mapping[str, Store], found: dict[tuple[str, str], Person]) -> None:
    """Everybody whose own record says that they are a member of a household in the batch, and so on down; they share its request."""
    before = -1
    while before != len(found):
        before = len(found)
        for kind in catalog.kinds.values():
            groups = {key_text(one.key): one.ordinal for one in list(found.values()) if one.kind == kind.member_of}
            for link in held.memberships.get(kind.name, ()) if groups else ():
                _take(found, list(_people(catalog, stores, held.roots[link.owned], link.owned_field, groups)))
