"""Which values of a store the tombstone register knows: the people and the items that were erased and are named there again.

The register holds digests, so it can't be listed: every value that the store holds now is asked about, field by field, in batches. One
statement per field, however many tombstones there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from expunge.erase.context import Rooms, Sight
from expunge.erase.intake import ITEM
from expunge.errors import Refused
from expunge.evidence.stones import Facts
from expunge.policy.catalog import Catalog, CollectionNote
from expunge.policy.ownership import Edge, Ownership, Via
from expunge.stores.base import Lister
from expunge.stores.values import key_text, spelled
from expunge.terms import Identifier, Selector, Value, Verb, text_of

KEY_OF_OBJECTS = "key"
"""The field of every object collection that its items are named by."""


@dataclass(frozen=True, slots=True, order=True)
class Naming:
    """A field whose values name people of ``kind`` by ``identity``; ``alias``: not by their key, so that it alone says nothing of whom."""

    collection: str
    field: str
    kind: str
    identity: str
    alias: bool = False


@dataclass(slots=True)
class Recognised:
    """What the register knows of a store's present values; all of it identifiers, held for this replay only.

    ``people``: per kind and key, the facts. ``items``: per collection and key, the facts. ``fields``: how many known values each field
    holds. ``aliases``: per field, values of further identities that no person's own record carries. ``blind``: collections whose items
    can't be looked for, since no single field is declared to be their primary key.
    """

    people: dict[tuple[str, str], list[Facts]] = field(default_factory=dict[tuple[str, str], list[Facts]])
    items: dict[str, dict[str, list[Facts]]] = field(default_factory=dict[str, dict[str, list[Facts]]])
    fields: dict[str, int] = field(default_factory=dict[str, int])
    aliases: dict[str, int] = field(default_factory=dict[str, int])
    blind: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Counts only."""
        return f"Recognised({len(self.people)} people, {sum(map(len, self.items.values()))} items)"


def recognise(rooms: Rooms, sight: Sight, store: str) -> Recognised:
    """Ask the register about every value by which the store names people, and about its items.

    Raises:
        Refused: the store can't list values.
        StoreError: as it says; a field that could not be listed is never taken for an empty one.
        EvidenceError: the register can't be read, or was changed.
    """
    lister = rooms.stores[store]
    if not isinstance(lister, Lister):
        raise Refused("the store can't list the values of a field, so nothing in it can be recognised", where=store)
    catalog = rooms.policy.catalog
    found = Recognised()
    for one in namings(catalog, sight.held, store):
        known = _known(rooms, lister, catalog.collections[one.collection], one.field, one.identity)
        if known:
            found.fields[f"{one.collection}.{one.field}"] = len(known)
        if one.alias:
            found.aliases |= _strangers(rooms, sight.held, one, known)
            continue
        for key, facts in known.items():
            person = (one.kind, key_text(key))
            found.people[person] = list(dict.fromkeys((*found.people.get(person, ()), *facts)))
    blind = []
    for note in _owned(catalog, sight.held, store):
        name = item_field(note)
        if name is None:
            blind.append(note.address)
        elif known := _known(rooms, lister, note, name, ITEM, prefix=f"{note.address}/"):
            found.items[note.address] = known
            found.fields[f"{note.address}.{name} (items)"] = len(known)
    found.blind = tuple(blind)
    return found


def namings(catalog: Catalog, held: Ownership, store: str) -> tuple[Naming, ...]:
    """The fields of a store that name people: in their own records, in references to these, and by further identities."""
    found: set[Naming] = set()
    for address, root in held.roots.items():
        found.add(Naming(address, root.field, root.kind, catalog.kinds[root.kind].key))
    for edge in held.edges:
        owner = held.roots.get(edge.owner)
        if owner is None or edge.via is Via.TO:
            continue
        if edge.owner_field == owner.field:
            found.add(Naming(edge.owned, edge.owned_field, owner.kind, catalog.kinds[owner.kind].key))
        elif identity := _identity(catalog, edge, owner.kind):
            found.add(Naming(edge.owned, edge.owned_field, owner.kind, identity, alias=True))
    return tuple(sorted(one for one in found if catalog.collections[one.collection] in _owned(catalog, held, store)))


def _identity(catalog: Catalog, edge: Edge, kind: str) -> str | None:
    """By which further identity of its owner an edge joins, as either of its ends declares it."""
    ends = (catalog.collections[edge.owned].fields.get(edge.owned_field), catalog.collections[edge.owner].fields.get(edge.owner_field))
    return next((one.identity for one in ends if one is not None and one.identity in catalog.kinds[kind].identities), None)


def item_field(note: CollectionNote) -> str | None:
    """The field that names a collection's single records, as a request's items do; ``None`` where it is not one declared field."""
    if "objects" in note.layout:
        return KEY_OF_OBJECTS
    keys = [one.name for one in note.fields.values() if one.primary_key]
    return keys[0] if len(keys) == 1 else None


def owners_of(rooms: Rooms, sight: Sight, address: str, keys: Iterable[str]) -> set[tuple[str, str]]:
    """The people (kind, key) who own these items, found by climbing the ownership edges; one query per edge.

    Raises:
        StoreError: as the stores say.
    """
    name = item_field(rooms.policy.catalog.collections[address])
    assert name is not None, "only such items are recognised"
    people: set[tuple[str, str]] = set()
    asked: dict[tuple[str, str], set[str]] = {}
    todo: list[tuple[str, str, frozenset[Value]]] = [(address, name, frozenset(keys))]
    while todo:
        collection, by, values = todo.pop()
        fresh = frozenset(value for value in values if key_text(value) not in asked.get((collection, by), ()))
        if not fresh:
            continue
        asked.setdefault((collection, by), set()).update(map(key_text, fresh))
        todo += _owners(rooms, sight.held, collection, Selector(collection.split(".", 1)[1], {by: fresh}), people)
    return people


def _owners(
    rooms: Rooms, held: Ownership, address: str, selector: Selector, people: set[tuple[str, str]]
) -> Iterator[tuple[str, str, frozenset[Value]]]:
    """Add the people whom these records name themselves, and give the records that own them: collection, field, values."""
    root, edges = held.roots.get(address), held.into(address)
    carry = tuple(dict.fromkeys([*([root.field] if root else []), *(edge.owned_field for edge in edges)]))
    seen: dict[str, set[Value]] = {name: set() for name in carry}
    for batch in rooms.stores[address.split(".", 1)[0]].locate(selector, carry):
        for name in carry:
            seen[name] |= {value for value in batch.carried[name] if value is not None}
    if root is not None:
        people |= {(root.kind, text_of(value)) for value in seen[root.field]}
    for edge in edges:
        owner = held.roots.get(edge.owner)
        if owner is not None and edge.owner_field == owner.field:
            people |= {(owner.kind, text_of(value)) for value in seen[edge.owned_field]}
        else:
            yield edge.owner, edge.owner_field, frozenset(seen[edge.owned_field])


def _owned(catalog: Catalog, held: Ownership, store: str) -> tuple[CollectionNote, ...]:
    """The store's collections that somebody owns and that an erasure would not keep."""
    return tuple(note for note in catalog.in_store(store) if note.address in held.owned and note.verb is not Verb.KEEP)


def _known(rooms: Rooms, lister: Lister, note: CollectionNote, name: str, type_: str, prefix: str = "") -> dict[str, list[Facts]]:
    """Per text that the register knows, the facts."""
    found: dict[str, list[Facts]] = {}
    for batch in lister.distinct(note.name, name):
        asked = {Identifier(type_, prefix + text) for value in batch for text in spellings(value)}
        for identifier, facts in rooms.register.match(asked).items():
            found[identifier.value.removeprefix(prefix)] = facts
    return found


def spellings(value: Value) -> tuple[str, ...]:
    """The texts under which a value's tombstone may have been laid by a field of another type: a whole number, a UUID's two cases."""
    return tuple(dict.fromkeys([text_of(value), key_text(value), *sorted(map(str, spelled([key_text(value)])))]))


def _strangers(rooms: Rooms, held: Ownership, naming: Naming, known: Mapping[str, object]) -> dict[str, int]:
    """How many of these further identities no person's own record carries: then nobody can say whose the record is."""
    left = set(known)
    for address, name in held.known_by.get(naming.identity, ()):
        store, collection = address.split(".", 1)
        if left:
            for batch in rooms.stores[store].locate(Selector(collection, {name: frozenset(left)}), (name,)):
                left -= {text_of(value) for value in batch.carried[name] if value is not None}
    return {f"{naming.collection}.{naming.field}": len(left)} if left else {}
