"""Who owns which records: K9db's algebra over what is declared and what the schemas say.

Nouns. An *edge* joins two collections by equal values: a record of ``owned`` belongs to whoever owns the record of ``owner`` that holds
the same value. A *root* is a collection whose records name their subject themselves. A *pointer* is a reference that owns nothing: when
its target goes, it is nulled. Owners of a record = its root's subject, and the owners of every record that an edge leads to.

Rules, in order: a record is erased when it has an owner and all its owners are being erased; it stays, and the leaving person's part of
it is redacted, while another living person owns it too. A person's own record is that person's alone. One plain reference to an owned
collection implies ownership. Two candidates are an error that names both; ``owned_by`` chooses one, or several (shared), or none
(``[]``). A record with a subject's own key is a root: its other references are pointers, except the one that says of which household it
is a member.

Failure cases: two candidates, a reference that no field can carry, a member without a household, personal data that no path leads to.
(K9db: Albab et al., OSDI 2023, for the idea of annotating foreign keys with ownership.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from expunge.errors import AmbiguousOwnership
from expunge.policy.catalog import Catalog, CollectionNote, Problem, Reference, SubjectKind
from expunge.terms import ForeignKey, Shape


class Via(StrEnum):
    """What makes an edge: a reference to the owner, a reference from the owner, or the same identity."""

    FROM = "from"
    TO = "to"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """Records of ``owned`` whose ``owned_field`` equals ``owner_field`` of a record of ``owner`` belong to its owners."""

    owned: str
    owned_field: str
    owner: str
    owner_field: str
    via: Via = Via.FROM
    enforced: bool = False

    def __str__(self) -> str:
        """As a reason in a plan."""
        return f"{self.owned}.{self.owned_field} = {self.owner}.{self.owner_field}"


@dataclass(frozen=True, slots=True, order=True)
class Root:
    """Records of ``collection`` name a subject of ``kind`` in ``field``; ``defines``: the field is the record's primary key."""

    collection: str
    field: str
    kind: str
    defines: bool = False


@dataclass(frozen=True, slots=True)
class Ownership:
    """Everything that decides whose a record is; see the module's rules."""

    roots: Mapping[str, Root]
    memberships: Mapping[str, tuple[Edge, ...]]
    edges: tuple[Edge, ...]
    pointers: tuple[Edge, ...]
    known_by: Mapping[str, tuple[tuple[str, str], ...]]
    owned: frozenset[str]

    def into(self, collection: str) -> tuple[Edge, ...]:
        """The edges by which records of ``collection`` are owned."""
        return tuple(edge for edge in self.edges if edge.owned == collection)

    def out_of(self, collection: str) -> tuple[Edge, ...]:
        """The edges by which records of ``collection`` own others."""
        return tuple(edge for edge in self.edges if edge.owner == collection)

    def kind_of(self, collection: str) -> str | None:
        """The kind of subject that a record belongs to: its root's, or the one that its first owner's path ends in."""
        seen: set[str] = set()
        todo = [collection]
        while todo:
            one = todo.pop(0)
            if one in self.roots:
                return self.roots[one].kind
            seen.add(one)
            todo += [edge.owner for edge in self.into(one) if edge.owner not in seen]
        return None


def ownership(catalog: Catalog, shapes: Mapping[str, Sequence[Shape]]) -> Ownership:
    """Decide ownership from what is declared and, per store, from the shapes' single-column foreign keys. Pure.

    Raises:
        AmbiguousOwnership: with every place that needs a line, each naming both candidates and the line.
    """
    live = {f"{store}.{shape.name}": shape for store, held in shapes.items() for shape in held}
    references = {address: _references(note, live.get(address), catalog) for address, note in catalog.collections.items()}
    problems: list[Problem] = []
    roots = _roots(catalog, problems)
    memberships, members = _memberships(catalog, roots, references, problems)
    owned = _closure(catalog, roots, references)
    edges = list(_identity_edges(catalog, roots))
    for address, note in catalog.collections.items():
        edges += _edges_into(note, references[address], roots, owned, _claimed(address, references, owned), problems)
    edges += _owning_edges(references, owned, roots)
    if problems:
        raise AmbiguousOwnership("\n".join(str(problem) for problem in problems))
    taken = {(edge.owned, edge.owned_field, edge.owner) for edge in (*edges, *members)}
    pointers = _pointers(references, owned, taken, roots, live)
    return Ownership(
        roots=roots,
        memberships=memberships,
        edges=tuple(sorted(_marked(edges, live))),
        pointers=pointers,
        known_by=_known_by(catalog, roots),
        owned=frozenset(owned),
    )


def enforced(field: str, to: str, to_field: str, shape: Shape | None) -> ForeignKey | None:
    """The constraint of ``shape`` that holds ``field`` to ``to_field`` of the collection ``to`` (name inside the store), if any."""
    if shape is None:
        return None
    return next((key for key in shape.foreign_keys if (key.fields, key.to, key.to_fields) == ((field,), to, (to_field,))), None)


def _references(note: CollectionNote, shape: Shape | None, catalog: Catalog) -> tuple[Reference, ...]:
    declared = [one for field in note.fields.values() for one in field.references]
    named = {(one.field, one.to) for one in declared}
    for key in shape.foreign_keys if shape else ():
        target = f"{note.store}.{key.to}"
        if len(key.fields) == 1 and target in catalog.collections and (key.fields[0], target) not in named:
            declared.append(Reference(key.fields[0], target, key.to_fields[0], mark=note.mark))
    return tuple(declared)


def _roots(catalog: Catalog, problems: list[Problem]) -> dict[str, Root]:
    kinds = {kind.key: kind for kind in catalog.kinds.values()}
    roots: dict[str, Root] = {}
    for address, note in catalog.collections.items():
        found = [
            Root(address, field.name, kinds[field.identity].name, defines=field.primary_key)
            for field in note.fields.values()
            if field.identity in kinds and (note.owned_by is None or field.name in note.owned_by)
        ]
        chosen = [root for root in found if root.defines] or found
        if len(chosen) > 1:
            names = " and ".join(f"{root.field} ({root.kind})" for root in chosen)
            problems.append(_ambiguous(note, f"names its subject twice, by {names}", chosen[0].field))
        elif chosen:
            roots[address] = chosen[0]
    return roots


def _memberships(
    catalog: Catalog, roots: Mapping[str, Root], references: Mapping[str, tuple[Reference, ...]], problems: list[Problem]
) -> tuple[dict[str, tuple[Edge, ...]], list[Edge]]:
    found: dict[str, tuple[Edge, ...]] = {}
    for kind in catalog.kinds.values():
        if kind.member_of is None:
            continue
        links = [link for root in roots.values() if root.kind == kind.name for link in _links(catalog, root, kind, roots, references)]
        if not links:
            problems.append(_no_membership(kind))
        found[kind.name] = tuple(sorted(set(links)))
    return found, [edge for edges in found.values() for edge in edges]


def _links(
    catalog: Catalog, root: Root, kind: SubjectKind, roots: Mapping[str, Root], references: Mapping[str, tuple[Reference, ...]]
) -> Iterable[Edge]:
    """How a member's own record names its household: by a reference to the household's record, or by the household's key itself."""
    assert kind.member_of is not None
    if not root.defines:
        return
    group = [one for one in roots.values() if one.kind == kind.member_of]
    for reference in references[root.collection]:
        for one in group:
            if (reference.to, reference.to_field) == (one.collection, one.field):
                yield Edge(root.collection, reference.field, one.collection, one.field)
    key = catalog.kinds[kind.member_of].key
    for field in catalog.collections[root.collection].fields.values():
        if field.identity == key and field.name != root.field:
            for one in group:
                yield Edge(root.collection, field.name, one.collection, one.field, Via.IDENTITY)


def _closure(catalog: Catalog, roots: Mapping[str, Root], references: Mapping[str, tuple[Reference, ...]]) -> set[str]:
    """Every collection that some path leads to, whichever of several candidates is meant."""
    identities = {identity for kind in catalog.kinds.values() for identity in kind.identities}
    owned = set(roots) | {
        address
        for address, note in catalog.collections.items()
        if note.owned_by != () and any(field.identity in identities for field in note.fields.values())
    }
    grown = True
    while grown:
        grown = False
        for address, held in references.items():
            note = catalog.collections[address]
            for one in held:
                if one.direction == "to":
                    gained = {one.to} if address in owned else set()
                else:
                    meant = note.owned_by is None or one.field in note.owned_by
                    gained = {address} if one.to in owned and meant else set()
                if gained - owned:
                    owned |= gained
                    grown = True
    return owned


def _claimed(address: str, references: Mapping[str, tuple[Reference, ...]], owned: set[str]) -> list[str]:
    """The collections whose records say that they own records of ``address``."""
    return [child for child, held in references.items() for one in held if one.direction == "to" and one.to == address and child in owned]


def _edges_into(
    note: CollectionNote,
    held: Sequence[Reference],
    roots: Mapping[str, Root],
    owned: set[str],
    claimed: Sequence[str],
    problems: list[Problem],
) -> list[Edge]:
    candidates = [one for one in held if one.direction != "to" and one.to in owned]
    if note.owned_by is not None:
        return _declared_edges(note, candidates, roots, problems)
    if note.address in roots:
        return []
    fields = sorted({one.field for one in candidates})
    if len(candidates) > 1 or (candidates and claimed):
        ways = [f"{one.field} → {one.to}" for one in candidates] + [f"claimed by {child}" for child in claimed]
        problems.append(_ambiguous(note, f"could belong to its subject by {' or by '.join(ways)}", fields[0]))
        return []
    return [Edge(note.address, one.field, one.to, one.to_field) for one in candidates]


def _declared_edges(
    note: CollectionNote, candidates: Sequence[Reference], roots: Mapping[str, Root], problems: list[Problem]
) -> list[Edge]:
    assert note.owned_by is not None
    edges = []
    for name in note.owned_by:
        meant = [one for one in candidates if one.field == name]
        if note.address in roots and roots[note.address].field == name:
            continue
        if len({(one.to, one.to_field) for one in meant}) > 1:
            problems.append(_ambiguous(note, f"{name} references {' and '.join(one.to for one in meant)}", name))
        elif not meant and not (name in note.fields and note.fields[name].identity):
            fix = f"give {name} a fides_meta reference to an owned collection, or an identity"
            problems.append(
                Problem("ambiguous-ownership", note.address, f"owned_by names {name}, which leads to no person", fix, note.mark)
            )
        edges += [Edge(note.address, one.field, one.to, one.to_field) for one in meant[:1]]
    return edges


def _owning_edges(references: Mapping[str, tuple[Reference, ...]], owned: set[str], roots: Mapping[str, Root]) -> list[Edge]:
    """What says that it owns what it points at. A person's own record is nobody else's."""
    return [
        Edge(one.to, one.to_field, address, one.field, Via.TO)
        for address, held in references.items()
        if address in owned
        for one in held
        if one.direction == "to" and not (one.to in roots and roots[one.to].defines)
    ]


def _identity_edges(catalog: Catalog, roots: Mapping[str, Root]) -> Iterable[Edge]:
    """Collections that know a person only by a further identity (an e-mail address) belong to whoever's own record carries it."""
    known = _known_by(catalog, roots)
    for address, note in catalog.collections.items():
        if address in roots or note.owned_by == ():
            continue
        for field in note.fields.values():
            if field.identity is None or (note.owned_by is not None and field.name not in note.owned_by):
                continue
            for owner, owner_field in known.get(field.identity, ()):
                yield Edge(address, field.name, owner, owner_field, Via.IDENTITY)


def _known_by(catalog: Catalog, roots: Mapping[str, Root]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Per further identity: the fields of subjects' own records that carry it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for address, root in roots.items():
        kind = catalog.kinds[root.kind]
        for field in catalog.collections[address].fields.values():
            if field.identity in kind.identities and field.identity is not None:
                found.setdefault(field.identity, []).append((address, field.name))
    return {identity: tuple(sorted(held)) for identity, held in sorted(found.items())}


def _pointers(
    references: Mapping[str, tuple[Reference, ...]],
    owned: set[str],
    taken: set[tuple[str, str, str]],
    roots: Mapping[str, Root],
    live: Mapping[str, Shape],
) -> tuple[Edge, ...]:
    found = []
    for address, held in references.items():
        for one in held:
            owning = one.direction == "to" and address in owned and not (one.to in roots and roots[one.to].defines)
            if owning or one.to not in owned or (address, one.field, one.to) in taken:
                continue
            found.append(Edge(address, one.field, one.to, one.to_field))
    return tuple(sorted(_marked(found, live)))


def _marked(edges: Iterable[Edge], live: Mapping[str, Shape]) -> set[Edge]:
    """The edges, each told whether a constraint of the store enforces it."""
    marked = set()
    for edge in edges:
        holder, field, to, to_field = (
            (edge.owner, edge.owner_field, edge.owned, edge.owned_field)
            if edge.via is Via.TO
            else (edge.owned, edge.owned_field, edge.owner, edge.owner_field)
        )
        same_store = holder.split(".", 1)[0] == to.split(".", 1)[0]
        key = enforced(field, to.split(".", 1)[1], to_field, live.get(holder)) if same_store else None
        marked.add(Edge(edge.owned, edge.owned_field, edge.owner, edge.owner_field, edge.via, key is not None))
    return marked


def _ambiguous(note: CollectionNote, message: str, example: str) -> Problem:
    line = f"meta: {{expunge: {{owned_by: {example}}}}}"
    fix = f"add `{line}` to this collection (or the other one; or a list of both when it is shared; or [] when nobody owns it)"
    return Problem("ambiguous-ownership", note.address, message, fix, note.mark)


def _no_membership(kind: SubjectKind) -> Problem:
    message = f"is a member of {kind.member_of}, but no field of its own record says of which"
    fix = f"give that field a fides_meta reference to the {kind.member_of}'s own record, direction from"
    return Problem("ambiguous-ownership", f"subjects.{kind.name}", message, fix, kind.mark)
