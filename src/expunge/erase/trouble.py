"""What the stores would refuse, or what the plan would leave behind: seen before the first write. Pure.

Errors stop the plan; warnings are shown with it. Each names the place and what to declare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from expunge.erase.left import undeclared
from expunge.erase.plan import PERSONAL, Act, Plan, covers, held_field, holder, target, unbroken
from expunge.policy.catalog import Catalog, CollectionNote, Problem
from expunge.policy.drift import ELSEWHERE, declared_as
from expunge.policy.naming import naming
from expunge.policy.ownership import Edge, Ownership, Via
from expunge.terms import Field, FieldType, ForeignKey, Method, Shape

CODE = "plan-trouble"

ACTING = {"cascade": "delete them by itself", "set null": "change them by itself", "set default": "change them by itself"}
"""What a database does by itself, by a constraint's own word, to records that reference a deleted one."""


def troubles(catalog: Catalog, held: Ownership, shapes: Mapping[str, Sequence[Shape]], plan: Plan) -> tuple[Problem, ...]:
    """Every problem of this plan on these stores, errors first, in stable order."""
    live = {f"{store}.{shape.name}": shape for store, found in shapes.items() for shape in found}
    found = [
        *_drifted(catalog, live, set(shapes)),
        *_unlisted(catalog, held, shapes, plan),
        *_pathless(catalog, held),
        *_incomparable(held, live),
        *_unwritable(catalog, held, live, plan),
        *(problem for act in plan.acts if act.what == "erase" for problem in undeclared(catalog, act, live.get(act.collection))),
        *_undated(catalog, held, plan),
        *_composite(catalog, held, live),
        *_unreleased(catalog, held, shapes, plan),
        *_cyclic(held, plan),
        *_unindexed(live, plan),
    ]
    return tuple(sorted(set(found), key=lambda one: (one.severity, one.path, one.message)))


def _problem(address: str, note: CollectionNote | None, message: str, fix: str, severity: str = "error") -> Problem:
    return Problem(CODE, address, message, fix, note.mark if note else None, severity)


def _drifted(catalog: Catalog, live: Mapping[str, Shape], reached: set[str]) -> Iterable[Problem]:
    for address, note in catalog.collections.items():
        if note.store not in reached:
            continue
        shape = live.get(address)
        if shape is None:
            yield _problem(
                address, note, "is declared, and the store has no such collection", "mend the name, or remove it from the dataset"
            )
            continue
        have = {one.name for one in shape.fields}
        for name in note.field_names:
            if name not in have and not any(one.startswith(f"{name}.") for one in have):
                yield _problem(f"{address}.{name}", note, "is declared, and the store has no such field", "mend the name, or remove it")


def _unlisted(catalog: Catalog, held: Ownership, shapes: Mapping[str, Sequence[Shape]], plan: Plan) -> Iterable[Problem]:
    """Collections that nobody declared but that a constraint ties to records that will go."""
    deleted = {act.collection for act in plan.acts if act.method is Method.DELETE}
    for store, found in shapes.items():
        for shape in found:
            address = f"{store}.{shape.name}"
            if shape.hangs_on is not None or declared_as(catalog, store, shape) is not None:
                continue
            for key in shape.foreign_keys:
                to = f"{store}.{key.to}"
                if to in held.owned:
                    message = f"references {to} by {', '.join(key.fields)}, and the policy doesn't mention it"
                    fix = ELSEWHERE if shape.outside else f"declare the collection {shape.name} in a dataset of the store {store}"
                    yield _problem(address, catalog.collections[to] if to in deleted else None, message, fix)


def _pathless(catalog: Catalog, held: Ownership) -> Iterable[Problem]:
    for address, note in catalog.collections.items():
        personal = [one.name for one in note.fields.values() if any(covers(PERSONAL, category) for category in one.categories)]
        if address not in held.owned and note.owned_by is None and personal:
            fix = "give a field an identity or a reference to an owned collection, or `owned_by: []` if no person owns it"
            yield _problem(address, note, f"holds personal data ({', '.join(personal)}), and no path leads to a person", fix)


def _incomparable(held: Ownership, live: Mapping[str, Shape]) -> Iterable[Problem]:
    for edge in (*held.edges, *held.pointers, *(one for edges in held.memberships.values() for one in edges)):
        for address, name in ((edge.owned, edge.owned_field), (edge.owner, edge.owner_field)):
            now = live[address].field(name) if address in live else None
            if now is not None and now.type in (FieldType.JSON, FieldType.OTHER):
                message = f"is of type {now.type.value}, which can't be compared, and {edge} needs it"
                yield _problem(f"{address}.{name}", None, message, "reference a scalar field")


def _unwritable(catalog: Catalog, held: Ownership, live: Mapping[str, Shape], plan: Plan) -> Iterable[Problem]:
    for act in plan.acts:
        note, shape = catalog.collections[act.collection], live.get(act.collection)
        changes = act.method in (Method.REDACT, Method.DECORRELATE)
        if changes and "objects" in note.layout:
            yield _problem(act.collection, note, "objects are deleted whole, and the plan redacts", "declare `verb: delete`")
        elif changes and not (act.fields or act.repoint):
            yield _idle(act, note)
        elif shape is not None and changes:
            yield from _unredactable(act, note, shape, naming(catalog, held, act.collection))
            yield from _unrepointable(act, note, shape)


def _idle(act: Act, note: CollectionNote) -> Problem:
    """The act of a record that stays, and of which nothing would change."""
    if act.method is Method.REDACT:
        return _problem(act.collection, note, "is redacted, and no field is named or categorised", "add `redact: [fields]`")
    name = held_field(act.edge) if act.edge else act.name.rpartition(".")[2]
    message = f"can't be null and must be re-pointed ({act.reason})"
    fix = f"declare `repoint: {{{name}: …}}` with a pseudo-person's value, or allow null"
    return _problem(f"{act.collection}.{name}", note, message, fix)


def _unredactable(act: Act, note: CollectionNote, shape: Shape, names: Sequence[str]) -> Iterable[Problem]:
    for name in act.fields:
        now = shape.field(name)
        why = None
        if name in shape.primary_key:
            why = "is part of the primary key"
        elif now is not None and not now.nullable:
            why = "is NOT NULL"
        elif now is not None and now.checked:
            why = "is read by a CHECK constraint that may refuse null"
        if why is not None:
            message = f"{why}, and the plan nulls it ({'it names the person; ' if name in names else ''}{act.reason})"
            yield _problem(f"{act.collection}.{name}", note, message, _way_out(name, now, shape))


def _way_out(name: str, now: Field | None, shape: Shape) -> str:
    """What can be declared for a field that can't be null. Of a key no two records may be re-pointed to one pseudo-person."""
    others = "`verb: delete`, or `verb: keep` with `keep: {basis: …}`"
    if name in shape.primary_key or (now is not None and now.unique):
        return f"declare {others}"
    return f"allow null, or declare `repoint: {{{name}: …}}` with a pseudo-person's value, or {others}"


def _unrepointable(act: Act, note: CollectionNote, shape: Shape) -> Iterable[Problem]:
    for name in act.repoint:
        now = shape.field(name)
        if name in shape.primary_key or (now is not None and now.unique):
            fix = "declare another verb"
            yield _problem(f"{act.collection}.{name}", note, "is unique, so two people can't be re-pointed to one pseudo-person", fix)


def _undated(catalog: Catalog, held: Ownership, plan: Plan) -> Iterable[Problem]:
    """A range of time needs to know when each record was captured."""
    if plan.scope.captured is None:
        return
    for address in sorted(held.owned):
        note, root = catalog.collections[address], held.roots.get(address)
        own_record = root is not None and root.defines  # goes only with everything, whenever it was made
        if note.captured_at is None and not own_record:
            fix = "add `captured_at:` with a time field, `store.collection.field` of a record that it references, or `never`"
            yield _problem(address, note, "doesn't say when its records were captured, and the request is for a range of time", fix)


def _composite(catalog: Catalog, held: Ownership, live: Mapping[str, Shape]) -> Iterable[Problem]:
    for address, shape in live.items():
        for key in shape.foreign_keys:
            to = f"{address.split('.', 1)[0]}.{key.to}"
            note = catalog.collections.get(address)
            if note is not None and to in held.owned and _undecided(note, to, key, held):
                message = f"references {to} by several columns ({', '.join(key.fields)})"
                fix = f"declare which one names the owner: `owned_by: {key.fields[0]}` with a reference on that field"
                yield _problem(address, note, message, fix)


def _undecided(note: CollectionNote, to: str, key: ForeignKey, held: Ownership) -> bool:
    """Whether nothing says which of several columns names the owner, if any does."""
    joined = any(edge.owned == note.address and edge.owner == to for edge in held.edges)
    return len(key.fields) > 1 and not joined and note.owned_by is None


def _unreleased(catalog: Catalog, held: Ownership, shapes: Mapping[str, Sequence[Shape]], plan: Plan) -> Iterable[Problem]:
    """Constraints at records that go whose holders neither go with them nor let go first: there the database acts by itself."""
    deleted = {act.collection for act in plan.acts if act.method is Method.DELETE}
    for store, found in shapes.items():
        for shape in found:
            note = catalog.collections.get(declared_as(catalog, store, shape) or "")
            for key in shape.foreign_keys if note is not None else ():
                to = f"{store}.{key.to}"
                acts = len(key.fields) > 1 or key.on_delete in ACTING
                asked = note is None or _undecided(note, to, key, held)  # already by another problem
                if note is not None and to in deleted and acts and not asked and not _released(note.address, to, key, held, plan):
                    yield _unreleased_problem(note, to, key, held)


def _released(address: str, to: str, key: ForeignKey, held: Ownership, plan: Plan) -> bool:
    """Whether every record that this key ties to one that goes is deleted too, or has a column of the key changed before.

    A key of several columns binds nothing once one of them is null. A record that somebody else owns as well stays, without its part.
    """
    pairs = set(zip(key.fields, key.to_fields, strict=True))
    owning = any(_ties(edge, address, to, pairs) for edge in (*held.edges, *(one for many in held.memberships.values() for one in many)))
    for act in plan.acts_on(address):
        if act.what in ("unlink", "break") and act.edge is not None and _ties(act.edge, address, to, pairs):
            return True
        changed = {*act.fields, *act.repoint} & set(key.fields)
        if act.what == "erase" and owning and (act.method is Method.DELETE or changed):
            return True
    return False


def _ties(edge: Edge, address: str, to: str, pairs: set[tuple[str, str]]) -> bool:
    there = edge.owned_field if edge.via is Via.TO else edge.owner_field
    return (holder(edge), target(edge)) == (address, to) and (held_field(edge), there) in pairs


def _unreleased_problem(note: CollectionNote, to: str, key: ForeignKey, held: Ownership) -> Problem:
    root = held.roots.get(to)
    own = root.field if root is not None and root.field in key.to_fields else key.to_fields[-1]
    name = key.fields[key.to_fields.index(own)]
    would = ACTING.get(key.on_delete, "refuse")
    message = (
        f"references {to} by a foreign key ({', '.join(key.fields)}) with ON DELETE {key.on_delete.upper()}, and the plan neither deletes "
        f"its records with those nor unlinks them: the database would {would}"
    )
    fix = (
        f"give {name} a fides_meta reference to {to}.{own}, and declare `verb: delete` with `owned_by: {name}`, or, if the records stay, "
        f"`owned_by: []`: {name} is then nulled first; or change the constraint"
    )
    return _problem(note.address, note, message, fix)


def _cyclic(held: Ownership, plan: Plan) -> Iterable[Problem]:
    for group in unbroken(held, plan):
        names = " → ".join([*sorted(group), min(group)])
        fix = "allow null in one of the columns, or make a collection `verb: redact`"
        yield _problem(min(group), None, f"stands in a cycle of constraints that can't be null: {names}", fix)


def _unindexed(live: Mapping[str, Shape], plan: Plan) -> Iterable[Problem]:
    """A delete of the target looks for the holder's rows once per row; without an index that is a scan each time."""
    deleted = {act.collection for act in plan.acts if act.method is Method.DELETE}
    for address, shape in live.items():
        for key in shape.foreign_keys:
            if not key.indexed and f"{address.split('.', 1)[0]}.{key.to}" in deleted:
                yield _slow(address, key)


def _slow(address: str, key: ForeignKey) -> Problem:
    names = ", ".join(key.fields)
    message = f"a foreign key without an index: every deleted row of {key.to} scans this table"
    return _problem(f"{address}.{names}", None, message, f"CREATE INDEX ON {address.split('.', 1)[1]} ({names})", "warning")
