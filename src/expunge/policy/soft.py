"""Soft references: fields that look like a person's key although no constraint says so.

Declared foreign keys are never trusted alone: an analytics table's ``userId`` keeps a person's history as well as any reference does. A
candidate must be of a type that can equal the key's; its name must say the key's, its collection's or its kind's word, or a word for a
person; or, if the caller gives samples, its values must be among the key's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from expunge.policy.catalog import Catalog, CollectionNote, FieldNote, Problem
from expunge.policy.drift import can_equal
from expunge.policy.guesses import PEOPLE, POINTING, singular, words
from expunge.policy.ownership import Ownership, Via
from expunge.terms import Field, FieldType, Shape, Value, text_of

Samples = Callable[[str, str], Sequence[Value]]
"""Some values of a field of a collection of the store; they are compared here and never shown."""

OVERLAP = 0.5  # of the sampled values; a copy of ids keeps nearly all, and people who have left account for the rest
FEWEST = 8  # distinct values below which an overlap says nothing

_KEYS = frozenset({FieldType.TEXT, FieldType.INTEGER, FieldType.UUID, FieldType.BYTES, FieldType.NUMERIC})
_CHANCE = frozenset({FieldType.INTEGER, FieldType.NUMERIC})  # small numbers overlap with everything that counts from 1


@dataclass(frozen=True, slots=True)
class Key:
    """A field that identifies people of one kind; ``type`` is ``None`` where the store that holds it was not described.

    ``group``: others are members of the kind (a household).
    """

    kind: str
    identity: str
    collection: str
    field: str
    dataset: str
    type: FieldType | None
    group: bool = False


@dataclass(frozen=True, slots=True)
class SoftReference:
    """``collection.field`` (collection: name inside the store) looks like ``key``."""

    collection: str
    field: str
    key: Key
    why: str

    def __str__(self) -> str:
        """One line for a report."""
        return f"{self.collection}.{self.field} looks like {self.key.collection}.{self.key.field} ({self.key.kind}): {self.why}"


def keys(catalog: Catalog, store: str, shapes: Sequence[Shape]) -> tuple[Key, ...]:
    """The fields that define a person of each kind."""
    live = {f"{store}.{shape.name}": shape for shape in shapes}
    kinds = {kind.key: kind.name for kind in catalog.kinds.values()}
    groups = {kind.member_of for kind in catalog.kinds.values()}
    found = []
    for address, note in catalog.collections.items():
        for field in note.fields.values():
            if field.identity in kinds and _defines(field):
                shape = live.get(address)
                held = shape.field(field.name) if shape else None
                kind, type_ = kinds[field.identity], held.type if held else None
                found.append(Key(kind, field.identity, address, field.name, note.dataset, type_, kind in groups))
    return tuple(found)


def _defines(field: FieldNote) -> bool:
    """A person's own record: not one that points at another."""
    return not field.references


def soft_references(catalog: Catalog, store: str, shapes: Sequence[Shape], samples: Samples | None = None) -> Iterator[SoftReference]:
    """Every candidate, in the shapes' order, with its most likely key."""
    known = keys(catalog, store, shapes)
    for shape in shapes:
        if shape.hangs_on is not None:
            continue
        pointing = {name for key in shape.foreign_keys for name in key.fields}
        note = catalog.collections.get(f"{store}.{shape.name}")
        if note and note.owned_by == ():
            continue
        for field in shape.fields:
            bare = shape.primary_key == (field.name,) and len(words(field.name)) == 1  # an `id` names the record itself
            if field.name in pointing or field.type not in _KEYS or bare or _said(note, field):
                continue
            found = _best(shape.name, field, [key for key in known if key.type is None or can_equal(field.type, key.type)], samples)
            if found and not (found.key.group and _owned(note)):
                yield found


def unmentioned(catalog: Catalog, store: str, shapes: Sequence[Shape]) -> Iterator[Problem]:
    """Warns of collections that the policy does not mention, and that have what looks like a person's key, or are fed by a trigger."""
    fed: dict[str, list[str]] = {}
    for shape in shapes:
        for name in shape.feeds if f"{store}.{shape.name}" in catalog.collections else ():
            fed.setdefault(name, []).append(f"a trigger on {shape.name} speaks of it")
    looks = by_collection(tuple(soft_references(catalog, store, shapes)))
    for shape in shapes:
        found = looks.get(shape.name, {}).items()
        why = [*(f"{field} looks like {one.key.collection}.{one.key.field}" for field, one in found), *fed.get(shape.name, ())]
        if why and f"{store}.{shape.name}" not in catalog.collections and shape.hangs_on is None:
            fix = f"declare it, with `owned_by: []` if nobody owns it; `expunge discover {store}` proposes how"
            message = f"no dataset mentions it, so that nothing in it is erased, and {'; '.join(why)}"
            yield Problem("soft-reference", f"{store}.{shape.name}", message, fix, severity="warning")


def unsaid(catalog: Catalog, held: Ownership, store: str, shapes: Sequence[Shape]) -> Iterator[Problem]:
    """Warns of records that one foreign key alone makes somebody's, although another of their columns looks like a person's key too."""
    looks = by_collection(tuple(soft_references(catalog, store, shapes)))
    for name, fields in looks.items():
        address = f"{store}.{name}"
        note, edges = catalog.collections.get(address), held.into(address)
        if note is None or note.owned_by is not None or address in held.roots or len(edges) != 1 or edges[0].via is not Via.FROM:
            continue
        owner = edges[0].owned_field
        for field, one in fields.items():
            message = (
                f"looks like {one.key.collection}.{one.key.field} ({one.why}), and the records belong to whom {owner} names alone: "
                "a person named here has no part in them, and they go without asking whether that one lives"
            )
            line = f"meta: {{expunge: {{owned_by: [{owner}, {field}]}}}}"
            said = f"meta: {{expunge: {{owned_by: {owner}}}}}"
            reference = f"a fides_meta reference to {one.key.collection}.{one.key.field}"
            fix = f"add `{line}`, and to {field} {reference}; if it names no owner, `{said}`"
            yield Problem("soft-reference", f"{address}.{field}", message, fix, note.mark, "warning")


def _said(note: CollectionNote | None, field: Field) -> bool:
    """The policy says already what the field is."""
    declared = note.fields.get(field.name) if note else None
    return bool(declared and (declared.references or declared.identity))


def _owned(note: CollectionNote | None) -> bool:
    """The policy says already whose the record is, so that its household's key adds nothing."""
    return bool(note and any(one.references or one.identity for one in note.fields.values()))


def _best(collection: str, field: Field, known: Sequence[Key], samples: Samples | None) -> SoftReference | None:
    """The most likely key: the surest word first, then the values, then a person before a household."""
    named = {key: said for key in known if (said := _named(field.name, key))[0]}
    shared = {key: _overlap(collection, field, key, samples) for key in known}
    if named:
        key = max(named, key=lambda one: (named[one][0], shared[one], not one.group))
        more = f"; {shared[key]:.0%} of the sampled values are among its values" if shared[key] else ""
        return SoftReference(collection, field.name, key, named[key][1] + more)
    telling = [key for key in known if shared[key] >= OVERLAP and not _CHANCE & {field.type, key.type}]
    if not telling:
        return None
    best = max(telling, key=lambda key: shared[key])
    return SoftReference(collection, field.name, best, f"{shared[best]:.0%} of the sampled values are among its values")


def _named(name: str, key: Key) -> tuple[int, str]:
    """How surely the name says so (0: not at all), and by which word."""
    held = [singular(word) for word in words(name)]
    stem = [word for word in held if word not in POINTING]
    if [singular(word) for word in words(key.identity)] == held:
        return 3, f"its name is the key's, {key.identity}"
    of_key = [singular(word) for word in words(key.identity) if word not in POINTING]
    of_collection = [singular(word) for word in words(key.collection.split(".", 1)[1])]
    for said, source in ((of_key, "key"), (of_collection, "collection"), ([singular(key.kind)], "kind of subject")):
        if said and stem[-len(said) :] == said:
            return 2, f'its name says the {source}\'s word, "{" ".join(said)}"'
    person = next((word for word in stem if word in PEOPLE), None)
    if person and (held[-1] in POINTING or stem == [person]):
        return 1, f'its name says "{person}"; which kind of person is not certain'
    return 0, ""


def _overlap(collection: str, field: Field, key: Key, samples: Samples | None) -> float:
    """The part of the field's sampled values that the key holds; 0 if there are too few or the key lies in another store."""
    if samples is None or key.type is None:
        return 0.0
    mine = {text_of(value) for value in samples(collection, field.name)}
    if len(mine) < FEWEST:
        return 0.0
    theirs = {text_of(value) for value in samples(key.collection.split(".", 1)[1], key.field)}
    return len(mine & theirs) / len(mine)


def by_collection(found: Sequence[SoftReference]) -> Mapping[str, Mapping[str, SoftReference]]:
    """Per collection and field."""
    held: dict[str, dict[str, SoftReference]] = {}
    for one in found:
        held.setdefault(one.collection, {})[one.field] = one
    return held
