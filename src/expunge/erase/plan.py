"""The plan: from what is declared and what the stores say of themselves to ordered acts, each with its reason. Pure.

The same policy, shapes and scope give the same bytes. A plan names collections and fields, never a person: who it is for is found by
``subjects`` and ``walk``, and one plan serves one request or 100,000. ``trouble`` looks at it before anything is written.

An act is one of
- *unlink*: null a reference to a record that will go, where the record that holds it stays;
- *break*: null a constraint in a cycle of records that will go, so that an order exists;
- *part*: in a record that another living person also owns, redact what is the leaving person's;
- *erase*: delete, redact or decorrelate the records whose owners all leave. A redact nulls what names the person along with the content,
  and re-points what can't be null where the policy gives a value: one act, for a changed record may have another address;
- *fields*: null only the fields that a request for a data category names;
- *keep*: leave them, and say on which basis.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import rfc8785

from expunge.erase.order import cycles, levels
from expunge.erase.sharing import sharable
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote
from expunge.policy.naming import naming
from expunge.policy.ownership import Edge, Ownership, Root, Via
from expunge.policy.taxonomy import names_only
from expunge.terms import Json, Method, Scope, Shape, Value, Verb, text_of

PERSONAL = "user"
"""The root of fideslang's data categories of a person."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to be done to records of one collection; ``rank`` orders acts, equal ranks may run at the same time."""

    name: str
    rank: int
    what: str
    collection: str
    method: Method | None
    fields: tuple[str, ...] = ()
    repoint: Mapping[str, Value] = field(default_factory=dict[str, Value])
    edge: Edge | None = None
    reason: str = ""

    def as_json(self) -> Json:
        """For the plan's bytes and ``--json``."""
        return {
            "name": self.name,
            "rank": self.rank,
            "what": self.what,
            "collection": self.collection,
            "method": self.method.value if self.method else None,
            "fields": list(self.fields),
            "repoint": {name: text_of(value) for name, value in sorted(self.repoint.items())},
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered acts and what they were made from; ``sweep`` says what ends, where terms and not people are meant."""

    policy_digest: str
    scope: Scope
    acts: tuple[Act, ...]
    shared: frozenset[str]
    untouched: Mapping[str, str]
    sweep: Json = None

    def as_json(self) -> Json:
        """The plan without anything that varies from run to run."""
        return {
            "policy": self.policy_digest,
            "scope": scope_json(self.scope),
            "acts": [act.as_json() for act in self.acts],
            "untouched": dict(sorted(self.untouched.items())),
            **({"sweep": self.sweep} if self.sweep is not None else {}),
        }

    def canonical(self) -> bytes:
        """The plan's bytes (RFC 8785)."""
        return rfc8785.dumps(self.as_json())

    @property
    def digest(self) -> str:
        """SHA-256 of the plan's bytes, hex."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def acts_on(self, collection: str) -> tuple[Act, ...]:
        """The acts on one collection."""
        return tuple(act for act in self.acts if act.collection == collection)


def scope_json(scope: Scope) -> dict[str, Json]:
    """A scope as JSON; times ISO 8601 in UTC. Items are keys of records and are given as a count."""
    found: dict[str, Json] = {"categories": list(scope.categories), "items": len(scope.items)}
    if scope.captured is not None:
        found["captured"] = [edge.isoformat() if edge else None for edge in (scope.captured.start, scope.captured.end)]
    return found


def make_plan(catalog: Catalog, held: Ownership, shapes: Mapping[str, Sequence[Shape]], scope: Scope, policy_digest: str) -> Plan:
    """Order what must be done for any subject whose request has this scope.

    Works on collections alone; records that nobody owns are named in ``untouched`` with the reason.
    """
    live = {f"{store}.{shape.name}": shape for store, found in shapes.items() for shape in found}
    shared = sharable(catalog, held, live)
    verbs = {address: _act_on(catalog, held, catalog.collections[address], scope) for address in sorted(held.owned)}
    partial = {address: act for address, act in verbs.items() if act is not None and act.what == "fields"}
    whole = _followed(catalog, held, {address: act for address, act in verbs.items() if act is not None and act.what != "fields"})
    acts = ordered(catalog, held, live, whole, partial.values(), sorted(_ways_in(held) & set(whole)))
    verbs |= dict(whole)
    untouched = {address: "nobody owns it" for address in catalog.collections if address not in held.owned}
    untouched |= {address: "nothing in it is in the request's scope" for address, act in verbs.items() if act is None}
    return Plan(policy_digest, scope, acts, frozenset(shared), untouched)


def ordered(
    catalog: Catalog,
    held: Ownership,
    live: Mapping[str, Shape],
    whole: Mapping[str, Act],
    partial: Iterable[Act],
    parted: Iterable[str],
) -> tuple[Act, ...]:
    """The acts in the order in which the stores can take them, with the references that are cut first; ``parted`` may lose one owner."""
    deleted = {address for address, act in whole.items() if act.method is Method.DELETE}
    before = _precedence(catalog, held, deleted)
    broken = _breaks(held, deleted, before, live)
    level = levels(deleted, _without(before, broken, held, deleted))
    acts = [_unlink(edge, catalog, held, live, "unlink") for edge in _to_unlink(catalog, held, whole, broken)]
    acts += [_unlink(edge, catalog, held, live, "break") for edge in sorted(broken)]
    acts += [act for address in parted for act in _parts(catalog.collections[address], held, live)]
    acts += [replace(act, rank=1 + level[address] if address in level else 0) for address, act in whole.items()]
    return tuple(sorted([*acts, *partial], key=lambda act: (act.rank, act.name)))


def covers(scope_category: str, category: str) -> bool:
    """Whether a data category lies in another: ``user.biometric`` covers ``user.biometric.voice``."""
    return category == scope_category or category.startswith(f"{scope_category}.")


def in_scope(note: CollectionNote, categories: Sequence[str]) -> tuple[str, ...]:
    """The fields of a collection whose data category lies in one of ``categories``."""
    return tuple(one.name for one in note.fields.values() if any(covers(wanted, held) for wanted in categories for held in one.categories))


def personal_fields(note: CollectionNote) -> tuple[str, ...]:
    """What a redact nulls when the policy doesn't list it: content about a person, without the keys and references themselves."""
    if note.redact is not None:
        return note.redact
    return tuple(
        one.name
        for one in note.fields.values()
        if not one.primary_key and not one.references and any(covers(PERSONAL, held) for held in one.categories)
    )


def _act_on(catalog: Catalog, held: Ownership, note: CollectionNote, scope: Scope) -> Act | None:
    """What the policy wants done to a collection's records; ``None`` if the scope leaves them alone."""
    why = _why(note, held)
    if note.verb is Verb.KEEP and note.keep is not None:
        return Act(f"keep:{note.address}", 0, "keep", note.address, None, reason=f"kept: {note.keep.basis}")
    if scope.categories:
        named = in_scope(note, scope.categories)
        matched = tuple(name for name in named if _nullable(note.fields[name], held.roots.get(note.address)))
        stuck = tuple(name for name in named if name not in matched and not all(map(names_only, note.fields[name].categories)))
        if stuck and not _own_record(note, held):  # content in a key can't be nulled: the record goes
            return whole_act(catalog, held, note, why)
        matched += stuck
        if not matched:
            return None
        if not _whole_record(note, held, matched):
            return Act(
                f"fields:{note.address}", 0, "fields", note.address, Method.REDACT, matched, reason=f"{why}; the scope's fields only"
            )
    return whole_act(catalog, held, note, why)


def _nullable(field: FieldNote, root: Root | None) -> bool:
    """Keys and references name a record and whose it is: a narrow request leaves them, or the rest could not be found again."""
    return not field.primary_key and not field.references and (root is None or field.name != root.field)


def whole_act(catalog: Catalog, held: Ownership, note: CollectionNote, why: str) -> Act:
    """What the collection's verb does to a record of which everything goes."""
    method, fields, repoint = Method(note.verb.value), tuple[str, ...](), dict[str, Value]()
    if method is Method.DECORRELATE:
        repoint = dict(note.repoint)
    elif method is Method.REDACT:
        every = tuple(dict.fromkeys((*personal_fields(note), *naming(catalog, held, note.address))))
        repoint = {name: note.repoint[name] for name in every if name in note.repoint}
        fields = tuple(name for name in every if name not in repoint)
        method = Method.DECORRELATE if repoint else method
    return Act(f"erase:{note.address}", 0, "erase", note.address, method, fields, repoint, reason=why)


def _followed(catalog: Catalog, held: Ownership, whole: dict[str, Act]) -> dict[str, Act]:
    """With a record go those that belong to it or were made from it, whatever category a request named."""
    todo = [address for address, act in whole.items() if act.method is Method.DELETE]
    while todo:
        source = todo.pop()
        made = {note.address for note in catalog.collections.values() if source in note.derived_from}
        for address in sorted(({edge.owned for edge in held.out_of(source)} | made) & held.owned - set(whole)):
            note = catalog.collections[address]
            if note.verb is Verb.KEEP:
                continue
            whole[address] = whole_act(catalog, held, note, f"{_why(note, held)}; it goes with {source}")
            if whole[address].method is Method.DELETE:
                todo.append(address)
    return dict(sorted(whole.items()))


def _whole_record(note: CollectionNote, held: Ownership, matched: Sequence[str]) -> bool:
    """Whether nothing about the person would be left but keys: then the record goes. A person's own record stays as such."""
    if "objects" in note.layout:
        return True
    if _own_record(note, held):
        return False
    content = {
        one.name
        for one in note.fields.values()
        if any(covers(PERSONAL, held) for held in one.categories) and not all(names_only(category) for category in one.categories)
    }
    return content <= set(matched)


def _own_record(note: CollectionNote, held: Ownership) -> bool:
    root = held.roots.get(note.address)
    return root is not None and root.defines


def _why(note: CollectionNote, held: Ownership) -> str:
    root = held.roots.get(note.address)
    ways = [f"{root.field} names the {root.kind}"] if root else []
    ways += [str(edge) for edge in held.into(note.address)]
    return " or ".join(ways)


def _precedence(catalog: Catalog, held: Ownership, deleted: set[str]) -> set[tuple[str, str]]:
    """Pairs (first, then) among deleted collections: the holder of a reference before its target, a copy before its source."""
    pairs = {(holder(edge), target(edge)) for edge in (*held.edges, *held.pointers) if edge.via is not Via.IDENTITY}
    pairs |= {edge_pair for edges in held.memberships.values() for edge_pair in ((edge.owned, edge.owner) for edge in edges)}
    pairs |= {(note.address, source) for note in catalog.collections.values() for source in note.derived_from}
    return {(first, then) for first, then in pairs if first in deleted and then in deleted}


def holder(edge: Edge) -> str:
    """The collection that holds the reference."""
    return edge.owner if edge.via is Via.TO else edge.owned


def target(edge: Edge) -> str:
    """The collection that the reference points at."""
    return edge.owned if edge.via is Via.TO else edge.owner


def held_field(edge: Edge) -> str:
    """The field that holds the reference."""
    return edge.owner_field if edge.via is Via.TO else edge.owned_field


def _every(held: Ownership) -> Iterable[Edge]:
    yield from held.edges
    yield from held.pointers
    for edges in held.memberships.values():
        yield from edges


def _breaks(held: Ownership, deleted: set[str], before: set[tuple[str, str]], live: Mapping[str, Shape]) -> frozenset[Edge]:
    """In every cycle, the constraints that can be nulled first."""
    found: set[Edge] = set()
    for group in cycles(deleted, before):
        for edge in _every(held):
            shape = live.get(holder(edge))
            field_now = shape.field(held_field(edge)) if shape else None
            inside = holder(edge) in group and target(edge) in group
            if inside and edge.enforced and field_now is not None and field_now.nullable:
                found.add(edge)
    return frozenset(found)


def _without(before: set[tuple[str, str]], broken: frozenset[Edge], held: Ownership, deleted: set[str]) -> set[tuple[str, str]]:
    """The precedence without what is broken, and without what no constraint demands inside a cycle that would remain."""
    enforced = {(holder(edge), target(edge)) for edge in _every(held) if edge.enforced and edge not in broken}
    kept = {pair for pair in before if pair in enforced or not any(pair == (holder(edge), target(edge)) for edge in broken)}
    for group in cycles(deleted, kept):
        kept = {pair for pair in kept if pair in enforced or not (pair[0] in group and pair[1] in group)}
    for group in cycles(deleted, kept):
        kept = {pair for pair in kept if not (pair[0] in group and pair[1] in group)}
    return kept


def unbroken(held: Ownership, plan: Plan) -> list[frozenset[str]]:
    """Cycles of constraints that nothing can null: the stores would refuse them."""
    deleted = {act.collection for act in plan.acts if act.method is Method.DELETE}
    nulled = {act.edge for act in plan.acts if act.what == "break"}
    pairs = {
        (holder(edge), target(edge))
        for edge in _every(held)
        if edge.enforced and edge not in nulled and holder(edge) in deleted and target(edge) in deleted
    }
    return cycles(deleted, pairs)


def _to_unlink(catalog: Catalog, held: Ownership, whole: Mapping[str, Act], broken: frozenset[Edge]) -> list[Edge]:
    """References at what goes whose holder can stay: pointers, what an unowned record owns, constraints of records that are not deleted.

    An object's key can't be nulled and holds no constraint. What a redact nulls anyway is left to it.
    """
    deleted = {address for address, act in whole.items() if act.method is Method.DELETE}
    nulled = {
        edge for edge in held.edges if edge.owned in whole and edge.owned_field in {*whole[edge.owned].fields, *whole[edge.owned].repoint}
    }
    pointing = {edge for edge in held.pointers if target(edge) in deleted}
    pointing |= {edge for edge in held.edges if edge.via is Via.TO and target(edge) in deleted}
    left = {edge for edge in _every(held) if edge.enforced and target(edge) in deleted and holder(edge) not in deleted}
    left = {edge for edge in left if catalog.collections[holder(edge)].verb is not Verb.DECORRELATE}
    return sorted(edge for edge in (pointing | left) - broken - nulled if "objects" not in catalog.collections[holder(edge)].layout)


def _unlink(edge: Edge, catalog: Catalog, held: Ownership, live: Mapping[str, Shape], what: str) -> Act:
    note = catalog.collections[holder(edge)]
    name = held_field(edge)
    reason = f"{name} points at {target(edge)}, whose record goes"
    method, fields, repoint = _severed(note, name, held, live.get(note.address))
    return Act(f"{what}:{note.address}.{name}", 0, what, note.address, method, fields, repoint, edge, reason)


def _severed(note: CollectionNote, name: str, held: Ownership, shape: Shape | None) -> tuple[Method, tuple[str, ...], Mapping[str, Value]]:
    """How a reference is cut: re-pointed where that is declared, otherwise nulled; a record that only links goes with either end."""
    if name in note.repoint:
        return Method.DECORRELATE, (), {name: note.repoint[name]}
    if not _can_be_null(name, shape) and _only_links(note, held):
        return Method.DELETE, (), {}
    return Method.REDACT, (name,), {}


def _can_be_null(name: str, shape: Shape | None) -> bool:
    now = shape.field(name) if shape else None
    return (now is None or now.nullable) and name not in (shape.primary_key if shape else ())


def _only_links(note: CollectionNote, held: Ownership) -> bool:
    """Whether a record says no more than that two things belong together, and nothing points at it."""
    references = sum(1 for one in note.fields.values() if one.references)
    pointed_at = any(target(edge) == note.address for edge in _every(held))
    return (
        references > 1
        and not pointed_at
        and not any(covers(PERSONAL, category) and not names_only(category) for one in note.fields.values() for category in one.categories)
    )


def _ways_in(held: Ownership) -> set[str]:
    """Collections that can be entered by more than one way: only there can one owner leave and another stay."""
    return {address for address in held.owned if len(held.into(address)) + (address in held.roots) > 1}


def _parts(note: CollectionNote, held: Ownership, live: Mapping[str, Shape]) -> Iterable[Act]:
    """Per owner field: null it (or re-point it to the pseudo-person), and null what is declared to be that owner's part."""
    shape = live.get(note.address)
    root = held.roots.get(note.address)
    owner_fields: list[tuple[str, Edge | None]] = [(root.field, None)] if root is not None and not root.defines else []
    owner_fields += [(edge.owned_field, edge) for edge in held.into(note.address) if edge.via is Via.FROM]
    for name, edge in owner_fields:
        parts = tuple(one.name for one in note.fields.values() if one.part_of == name)
        reason = f"another living person owns it too; {name} and what is part of it goes"
        if not _can_be_null(name, shape) and name not in note.repoint and _only_links(note, held):
            yield Act(f"part:{note.address}.{name}", 0, "part", note.address, Method.DELETE, (), {}, edge, reason)
        elif name in note.repoint or not _can_be_null(name, shape):
            repoint = {name: note.repoint[name]} if name in note.repoint else {}
            yield Act(f"part:{note.address}.{name}", 0, "part", note.address, Method.DECORRELATE, parts, repoint, edge, reason)
        else:
            yield Act(f"part:{note.address}.{name}", 0, "part", note.address, Method.REDACT, (name, *parts), {}, edge, reason)
