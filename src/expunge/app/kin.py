"""Who belongs to whom, read from the stores by what the policy declares: members of households, and the guardians of minors.

Set-wise: one query per declared reference, whatever the number of people. What the stores don't say may be recorded in the journal
(``expunge consent guardian``); either makes a guardian, until the journal says that it ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from expunge.erase.context import Rooms
from expunge.erase.subjects import SubjectRef, parse_subject, resolve
from expunge.errors import InvalidRequest, Unavailable, UnknownSubject
from expunge.policy.catalog import SubjectKind
from expunge.policy.ownership import Ownership, Root, ownership
from expunge.stores.values import key_text, spelled
from expunge.terms import Identifier, Selector, Shape, Value, text_of


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """One person or household: its kind and key, its number in the registry, and all that it is known by."""

    kind: str
    key: str
    number: int
    identifiers: tuple[Identifier, ...]

    def __repr__(self) -> str:
        """Kind and number only."""
        return f"Person({self.kind!r}, {self.number})"

    @property
    def text(self) -> str:
        """``KIND:KEY``."""
        return f"{self.kind}:{self.key}"


@dataclass(frozen=True, slots=True)
class _Link:
    """Records of ``collection`` tell of which ``other`` (a key) the person in ``field`` is a member, or a ward."""

    collection: str
    field: str
    other: str


class Kin:
    """What the stores say now. Made anew for every question: families change."""

    def __init__(self, rooms: Rooms) -> None:
        """Ask the stores what they are. Whether an erasure could be planned now does not matter here, nor a store that names nobody."""
        self._rooms = rooms
        shapes: dict[str, tuple[Shape, ...]] = {}
        for name in rooms.policy.catalog.stores:
            with suppress(Unavailable):  # whoever asks it for people is told
                shapes[name] = rooms.stores[name].describe()
        self._held: Ownership = ownership(rooms.policy.catalog, shapes)

    def people(self, texts: Sequence[str]) -> list[Person]:
        """Those named, in order, each registered. Who is named by the kind's key need not be in any store yet: a parent is asked first.

        Raises:
            InvalidRequest: a kind or form that there is not, or somebody named by an address that several share.
            UnknownSubject: somebody named by something else than their key, whom no store knows.
            StoreError: as the stores say.
        """
        catalog = self._rooms.policy.catalog
        refs = [parse_subject(text, catalog) for text in texts]
        found = resolve(catalog, self._held, self._rooms.stores, refs)
        held = {(one.kind, one.ordinal): one for one in reversed(found.people)}
        by_key = {(one.kind, key_text(one.key)): one for one in found.people}
        named: list[tuple[str, tuple[Identifier, ...]]] = []
        for place, ref in enumerate(refs):
            kind = catalog.kinds[ref.kind]
            one = (
                by_key.get((ref.kind, key_text(ref.value)))
                if ref.identity == kind.key
                else held.get((ref.kind, found.same.get(place, place)))
            )
            if one is None and ref.identity != kind.key:
                raise UnknownSubject(f"no store knows a {ref.kind} by that {ref.identity}; name the {kind.key}")
            named.append((ref.kind, one.identifiers if one is not None else _by_key(kind, ref)))
        return self._registered(named)

    def members(self, household: Person) -> list[Person]:
        """Everybody whose own record says that they belong to the household, sorted by kind and key."""
        catalog = self._rooms.policy.catalog
        found: list[tuple[str, tuple[Identifier, ...]]] = []
        for kind in catalog.kinds.values():
            if kind.member_of == household.kind:
                links = [
                    _Link(edge.owned, edge.owned_field, self._held.roots[edge.owned].field) for edge in self._held.memberships[kind.name]
                ]
                keys = {key for _, key in self._pairs(links, [household.key])}
                found += [(kind.name, (Identifier(kind.key, key),)) for key in sorted(keys)]
        return self._registered(found)

    def guardians(self, children: Sequence[Person]) -> dict[int, list[Person]]:
        """Per child's number, the guardians that the stores name or the journal records; those whose say was ended are left out."""
        journal = self._rooms.journal
        found: dict[int, list[Person]] = {one.number: [] for one in children}
        for kind in {one.kind for one in children}:
            wards = {one.key: one for one in children if one.kind == kind}
            pairs = sorted(self._pairs(self._ward_links(kind), list(wards)))
            guardian = self._rooms.policy.catalog.kinds[kind].guardian
            if guardian is None:
                continue
            known = self._rooms.policy.catalog.kinds[guardian]
            people = self._registered([(guardian, (Identifier(known.key, key),)) for _, key in pairs])
            for (ward, _), person in zip(pairs, people, strict=True):
                found[wards[ward].number].append(person)
        newest = {(one.child, one.guardian): one for one in journal.guardianships(found)}
        for (child, who), one in newest.items():
            held = found[child]
            if one.ended_at is not None:
                held[:] = [person for person in held if person.number != who]
            elif all(person.number != who for person in held):
                held.append(Person("", "", who, ()))
        return found

    def _ward_links(self, kind: str) -> list[_Link]:
        """How a minor's guardian is named: by a reference in the minor's own record, or by the pairs that the policy names."""
        mine = [root for root in self._held.roots.values() if root.kind == kind and root.defines]
        links = [_Link(root.collection, root.field, other) for root in mine for other in self._references(root.collection, kind)]
        pairs = self._rooms.policy.family.guardians
        if pairs is not None:
            wards = [edge.owned_field for edge in self._edges(pairs) if self._is_key(edge.owner, edge.owner_field, kind)]
            links += [_Link(pairs, ward, other) for ward in wards for other in self._references(pairs, kind)]
        return links

    def _references(self, collection: str, kind: str) -> list[str]:
        """The fields of a collection that hold the key of a guardian of this kind of minor."""
        guardian = self._rooms.policy.catalog.kinds[kind].guardian
        return [edge.owned_field for edge in self._edges(collection) if guardian and self._is_key(edge.owner, edge.owner_field, guardian)]

    def _edges(self, collection: str) -> Iterator[_Pointing]:
        for edge in (*self._held.edges, *self._held.pointers):
            if edge.owned == collection:
                yield _Pointing(edge.owned_field, edge.owner, edge.owner_field)

    def _is_key(self, collection: str, field: str, kind: str) -> bool:
        root: Root | None = self._held.roots.get(collection)
        return root is not None and root.kind == kind and root.field == field

    def _pairs(self, links: Iterable[_Link], keys: Collection[str]) -> set[tuple[str, str]]:
        """(key asked for, key that it leads to) by these links; each link is one query."""
        wanted = {key_text(key): key for key in keys}
        found: set[tuple[str, str]] = set()
        for link in set(links) if wanted else ():
            note = self._rooms.policy.catalog.collections[link.collection]
            carry = (link.field, link.other)
            for batch in self._rooms.stores[note.store].locate(Selector(note.name, {link.field: spelled(wanted)}), carry):
                for asked, other in zip(batch.carried[link.field], batch.carried[link.other], strict=True):
                    if asked is not None and other is not None and key_text(asked) in wanted:
                        found.add((wanted[key_text(asked)], _text(other)))
        return found

    def _registered(self, named: Sequence[tuple[str, tuple[Identifier, ...]]]) -> list[Person]:
        numbers: Mapping[tuple[str, Identifier], int] = {
            (kind, identifiers[0]): number
            for kind in dict.fromkeys(kind for kind, _ in named)
            for identifiers, number in zip(
                [held for one, held in named if one == kind],
                self._rooms.journal.register(kind, [held for one, held in named if one == kind]),
                strict=True,
            )
        }
        self._rooms.keys.make("subject", sorted(set(numbers.values())))
        return [Person(kind, held[0].value, numbers[kind, held[0]], held) for kind, held in named]


@dataclass(frozen=True, slots=True)
class _Pointing:
    owned_field: str
    owner: str
    owner_field: str


def remembered(rooms: Rooms, texts: Sequence[str]) -> list[Person] | None:
    """Those named by their kind's key, as far as the journal knows them, without asking any store; ``None``: it does not know all."""
    found: list[Person] = []
    for text in texts:
        ref = parse_subject(text, rooms.policy.catalog)
        key = Identifier(rooms.policy.catalog.kinds[ref.kind].key, ref.value)
        number = rooms.journal.known(ref.kind, [key]).get(key) if ref.identity == key.type else None
        if number is None:
            return None
        found.append(Person(ref.kind, ref.value, number, (key,)))
    return found


def require_guardian(child: Person, guardian: Person, minor: bool, guardians: Mapping[int, Sequence[Person]]) -> None:  # noqa: FBT001  # a fact of the kind, given where it is known
    """A minor's word is their guardian's, everybody else's their own.

    Raises:
        InvalidRequest: this person has no say here.
    """
    if minor and all(one.number != guardian.number for one in guardians[child.number]):
        raise InvalidRequest(f"this {guardian.kind} is not known to be the guardian; `expunge consent guardian` records how that was shown")
    if not minor and child.number != guardian.number:
        raise InvalidRequest(f"a {child.kind} decides for themself")


def _by_key(kind: SubjectKind, ref: SubjectRef) -> tuple[Identifier, ...]:
    return (Identifier(kind.key, ref.value),)


def _text(value: Value) -> str:
    return text_of(value)
