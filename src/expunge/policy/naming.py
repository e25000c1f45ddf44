"""By which fields a record names the person that it belongs to: what a redact must null besides content, for the record to be nobody's."""

from __future__ import annotations

from expunge.policy.catalog import Catalog
from expunge.policy.ownership import Ownership, Via


def naming(catalog: Catalog, held: Ownership, address: str) -> tuple[str, ...]:
    """The fields of a collection that name its records' owner, whatever their data category: in the order declared, then by name.

    They are the fields by which the collection is entered (its own subject's key, references to owners, shared identities), and every
    further identity of the kinds of people at the ends. A household's key in a member's record names the household and is none of them.
    """
    note = catalog.collections[address]
    root = held.roots.get(address)
    found = {root.field} if root is not None else set[str]()
    found |= {edge.owned_field for edge in held.into(address) if edge.via is not Via.TO}
    kinds = [catalog.kinds[kind] for kind in _kinds(held, address)]
    theirs = {identity for kind in kinds for identity in (kind.key, *kind.identities)}
    found |= {one.name for one in note.fields.values() if one.identity in theirs}
    order = {name: place for place, name in enumerate(note.fields)}
    return tuple(sorted(found, key=lambda name: (order.get(name, len(order)), name)))


def _kinds(held: Ownership, address: str) -> set[str]:
    """The kinds of people at the ends of every way into a collection."""
    kinds: set[str] = set()
    seen, todo = {address}, [address]
    while todo:
        one = todo.pop()
        if one in held.roots:
            kinds.add(held.roots[one].kind)
        owners = {edge.owner for edge in held.into(one)} - seen
        seen |= owners
        todo += owners
    return kinds
