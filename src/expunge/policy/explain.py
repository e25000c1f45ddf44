"""Whose a field is, what it holds, why it is kept and how long, and what an erasure does to it: each with the line that says so."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from expunge.errors import UnknownStore
from expunge.policy.catalog import CollectionNote, FieldNote, Mark
from expunge.policy.model import Policy, Term
from expunge.policy.naming import naming
from expunge.policy.ownership import Edge, Ownership, Root, Via
from expunge.policy.taxonomy import personal
from expunge.policy.wording import advise
from expunge.terms import Json, Verb


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence, and the line that it rests on; no mark: a default, or the store's own schema."""

    topic: str
    text: str
    mark: Mark | None = None

    def __str__(self) -> str:
        """The sentence with its place."""
        return f"{self.topic}: {self.text}" + (f"  [{self.mark}]" if self.mark else "")


@dataclass(frozen=True, slots=True)
class OwnerPath:
    """One way from a record to a person: the edges walked, and the record that names its subject."""

    edges: tuple[Edge, ...]
    root: Root

    def __str__(self) -> str:
        """The kind of subject and the edges."""
        way = ", ".join(str(edge) for edge in self.edges)
        return f"{self.root.kind}, by {way or f'its own {self.root.field}'}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is decided about one field (or, without a field, one collection).

    ``paths`` holds the shortest way to each collection of subjects: a record may belong to several people, or to either kind.
    """

    address: str
    paths: tuple[OwnerPath, ...]
    categories: tuple[str, ...]
    terms: tuple[Term, ...]
    verb: Verb
    reasons: tuple[Reason, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of subject that a record may belong to, nearest first."""
        return tuple(dict.fromkeys(path.root.kind for path in self.paths))

    def __str__(self) -> str:
        """The address, then a line per reason."""
        return "\n".join([self.address, *(f"  {reason}" for reason in self.reasons)])

    def as_json(self) -> Json:
        """For ``--json``."""
        return {
            "address": self.address,
            "subjects": list(self.kinds),
            "owned_by": [[str(edge) for edge in path.edges] for path in self.paths],
            "categories": list(self.categories),
            "purposes": sorted({term.purpose for term in self.terms}),
            "keep_days": {
                f"{term.category} of {term.of}": None if term.keep is None else term.keep / timedelta(days=1) for term in self.terms
            },
            "verb": self.verb.value,
            "why": [{"topic": one.topic, "text": one.text, "where": str(one.mark or "")} for one in self.reasons],
        }


def explain(policy: Policy, view: Ownership, address: str) -> Explanation:
    """Explain ``store.collection.field`` or ``store.collection``.

    Raises:
        UnknownStore: the policy declares no such collection or field; the message names the nearest.
    """
    note, field = _find(policy, address)
    paths = tuple(_paths(view, note.address))
    categories = _categories(note, field)
    kinds = tuple(dict.fromkeys(path.root.kind for path in paths))
    found = [policy.term_for(kind, category) for kind in kinds for category in personal(categories)]
    reasons = (
        *_whose(policy, note, paths),
        *_holds(categories, field, note),
        *_terms(policy, kinds, categories),
        *_erasure(note, field, naming(policy.catalog, view, note.address)),
    )
    return Explanation(address, paths, categories, tuple(dict.fromkeys(one for one in found if one)), note.verb, reasons)


def _paths(view: Ownership, collection: str) -> Iterator[OwnerPath]:
    """Breadth first, so that each collection of subjects is met by its shortest way; and by each field of the record itself."""
    seen = {collection}
    todo: deque[tuple[str, tuple[Edge, ...]]] = deque([(collection, ())])
    while todo:
        here, walked = todo.popleft()
        if here in view.roots:
            yield OwnerPath(walked, view.roots[here])
        for edge in view.into(here):
            if edge.owner not in seen:
                seen.add(edge.owner)
                todo.append((edge.owner, (*walked, edge)))
            elif not walked and edge.owner in view.roots and edge.owner != here:
                yield OwnerPath((edge,), view.roots[edge.owner])  # a second owner of a shared record


def _find(policy: Policy, address: str) -> tuple[CollectionNote, FieldNote | None]:
    collections = policy.catalog.collections
    if address in collections:
        return collections[address], None
    holders = [one for one in collections if address.startswith(f"{one}.")]
    if not holders:
        head = ".".join(address.split(".")[:2])
        raise UnknownStore(f"the policy declares no collection {head}; {advise(head, collections)}")
    note = collections[max(holders, key=len)]
    name = address.removeprefix(f"{note.address}.")
    if name not in note.fields:
        raise UnknownStore(f"{note.address} declares no field {name}; {advise(name, note.fields)}")
    return note, note.fields[name]


def _categories(note: CollectionNote, field: FieldNote | None) -> tuple[str, ...]:
    fields = [field] if field else list(note.fields.values())
    return tuple(dict.fromkeys(category for one in fields for category in one.categories))


def _whose(policy: Policy, note: CollectionNote, paths: Sequence[OwnerPath]) -> Iterator[Reason]:
    if not paths:
        text = "nobody: owned_by is []" if note.owned_by == () else "nobody: nothing leads from it to a person"
        yield Reason("subject", text, note.mark)
    for path in paths:
        yield Reason("subject", str(path), _mark(policy, path))


def _mark(policy: Policy, path: OwnerPath) -> Mark | None:
    """The line of the field that the path begins with; ``None`` where only the store's own foreign key says so."""
    collection, name = path.root.collection, path.root.field
    if path.edges:
        first = path.edges[0]
        collection, name = (first.owner, first.owner_field) if first.via is Via.TO else (first.owned, first.owned_field)
    declared = policy.catalog.collections[collection].fields.get(name)
    return declared.mark if declared else None


def _holds(categories: Sequence[str], field: FieldNote | None, note: CollectionNote) -> Iterator[Reason]:
    text = ", ".join(categories) or "no data category is declared"
    yield Reason("holds", text, (field or note).mark)
    if field and field.part_of:
        yield Reason("holds", f"content of the person in {field.part_of}, in a record of several people", field.mark)
    if field and field.seal:
        yield Reason("holds", f"sealed with the key of the person in {field.seal}", field.mark)


def _terms(policy: Policy, kinds: Sequence[str], categories: Sequence[str]) -> Iterator[Reason]:
    for kind in kinds:
        for category in personal(categories):
            term = policy.term_for(kind, category)
            if term is None:
                yield Reason("term", f"none covers {category} of {kind}: without a term it may not be collected")
                continue
            purpose = policy.purposes[term.purpose]
            length = "indefinitely" if term.keep is None else f"{term.keep / timedelta(days=1):g} days from {term.since}"
            yield Reason("purpose", f"{purpose.name} ({purpose.use}, on the basis of {purpose.basis})", purpose.mark)
            yield Reason("term", f"{category} of {kind} is kept {length}: {term.need}", term.mark)


def _erasure(note: CollectionNote, field: FieldNote | None, names: Sequence[str]) -> Iterator[Reason]:
    yield Reason("erasure", _verb(note, field, names), note.mark)
    if note.owned_by is not None and len(note.owned_by) > 1:
        text = (
            f"while another of {', '.join(note.owned_by)} is a living person's, the record stays and the leaving person's part is redacted"
        )
        yield Reason("erasure", text, note.mark)


def _verb(note: CollectionNote, field: FieldNote | None, names: Sequence[str]) -> str:
    if note.verb is Verb.KEEP:
        length = "" if note.keep is None or note.keep.length is None else f", for {note.keep.length / timedelta(days=1):g} days"
        return f"keep: the record stays, because of {note.keep.basis if note.keep else 'a declared basis'}{length}"
    if note.verb is Verb.DELETE:
        return "delete: the whole record goes"
    if note.verb is Verb.DECORRELATE:
        moved = ", ".join(note.repoint)
        return f"decorrelate: the record stays, and {moved} point{'' if len(note.repoint) > 1 else 's'} to a pseudo-person"
    return _redacted(note, field, names)


def _redacted(note: CollectionNote, field: FieldNote | None, names: Sequence[str]) -> str:
    """``names`` are the fields that name the person, which go along with what is declared."""
    told = note.redact if note.redact is not None else [one.name for one in note.fields.values() if personal(one.categories)]
    moved = {*told, *names} & set(note.repoint)
    nulled = {*told, *names} - moved
    if field is None:
        also = f", and {', '.join(sorted(moved))} point{'' if len(moved) > 1 else 's'} to a pseudo-person" if moved else ""
        return f"redact: the record stays, and {', '.join(sorted(nulled)) or 'nothing'} become{'' if len(nulled) > 1 else 's'} null{also}"
    what = "becomes null" if field.name in nulled else "points to a pseudo-person" if field.name in moved else "stays as it is"
    return f"redact: the record stays, and this field {what}"
