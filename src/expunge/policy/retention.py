"""Whose a collection's records can be, from where their time is counted, and whether a term covers all that is in them. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from expunge.policy.catalog import Catalog, Problem
from expunge.policy.model import Policy
from expunge.policy.ownership import Edge, Ownership, Via
from expunge.policy.taxonomy import personal
from expunge.ports import Join, Where
from expunge.terms import Verb

CODE = "term-trouble"


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which a record belongs to a kind of subject, as the condition that it does."""

    kind: str
    where: Where


def ways(held: Ownership, address: str, seen: frozenset[str] = frozenset()) -> Iterator[Way]:
    """Every way from a collection's records to a kind of subject, shortest first; a way that comes back to where it was is none."""
    root = held.roots.get(address)
    if root is not None:
        yield Way(root.kind, Where(address, owners=frozenset({root.field})))
    for edge in held.into(address):
        if edge.owner == address or edge.owner in seen:
            continue
        above = held.roots.get(edge.owner)
        if above is not None and edge.via is not Via.TO:
            yield Way(above.kind, Where(address, owners=frozenset({edge.owned_field})))
        for way in ways(held, edge.owner, seen | {address}):
            if above is None or edge.via is Via.TO or way.kind != above.kind:
                yield Way(way.kind, Where(address, joins=(Join(edge.owned_field, edge.owner_field, way.where),)))


def kinds(held: Ownership, address: str) -> tuple[str, ...]:
    """The kinds of subject that a collection's records can belong to."""
    found: dict[str, None] = {}
    seen, todo = {address}, deque([address])
    while todo:
        here = todo.popleft()
        if here in held.roots:
            found.setdefault(held.roots[here].kind)
        above = [edge.owner for edge in held.into(here) if edge.owner not in seen]
        seen.update(above)
        todo.extend(above)
    return tuple(found)


def steps_up(held: Ownership, address: str) -> Iterator[Edge]:
    """The references of a collection's records at others, that each lead to one record: owners', members' and plain ones."""
    yield from (edge for edge in held.into(address) if edge.via is not Via.TO)
    yield from (edge for edge in held.pointers if edge.owned == address)
    yield from (edge for edges in held.memberships.values() for edge in edges if edge.owned == address)


def split(catalog: Catalog, named: str) -> tuple[str, str]:
    """``store.collection.field`` as (``store.collection``, field), by the longest declared collection; empty if there is none."""
    holders = [one for one in catalog.collections if named.startswith(f"{one}.")]
    longest = max(holders, key=len, default="")
    return longest, named[len(longest) + 1 :] if longest else ""


def way_to(held: Ownership, address: str, goal: str) -> tuple[Edge, ...] | None:
    """The shortest chain of references from a collection to another; ``None`` if there is none.

    To a person's own record only the owner's references lead: another person whom a record also mentions does not date it.
    """
    root = held.roots.get(goal)
    own_record = root is not None and root.defines
    todo: deque[tuple[str, tuple[Edge, ...]]] = deque([(address, ())])
    seen = {address}
    while todo:
        here, walked = todo.popleft()
        if here == goal:
            return walked
        for edge in steps_up(held, here):
            if edge.owner not in seen and not (own_record and edge in held.pointers):
                seen.add(edge.owner)
                todo.append((edge.owner, (*walked, edge)))
    return None


def uncovered(policy: Policy, held: Ownership) -> Iterator[Problem]:
    """No term, no collection: every category of a person in every collection has a term for each kind of subject that it can be of."""
    purpose = next(iter(policy.purposes), "PURPOSE")
    for address in sorted(held.owned):
        note = policy.catalog.collections[address]
        if note.verb is Verb.KEEP:
            continue  # kept on a declared basis, whose length is its own
        told: set[tuple[str, str]] = set()
        for kind in kinds(held, address):
            for field in note.fields.values():
                for category in personal(field.categories):
                    if policy.term_for(kind, category) is None and (kind, category) not in told:
                        told.add((kind, category))
                        message = f"holds {category} of a {kind}, and no term covers that: no term, no collection"
                        line = f"{{of: {kind}, category: {category}, for: {purpose}, keep: 30 days, need: …}}"
                        yield Problem(CODE, f"{address}.{field.name}", message, f"add to terms: `- {line}`", field.mark or note.mark)
