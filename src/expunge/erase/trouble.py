"""What the stores would refuse, or what the plan would leave behind: seen before the first write. Pure.

Errors stop the plan; warnings are shown with it. Each names the place and what to declare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from expunge.erase.plan import PERSONAL, Act, Plan, covers, held_field, unbroken
from expunge.policy.catalog import Catalog, CollectionNote, Problem
from expunge.policy.ownership import Ownership
from expunge.terms import FieldType, ForeignKey, Method, Shape

CODE = "plan-trouble"


def troubles(catalog: Catalog, held: Ownership, shapes: Mapping[str, Sequence[Shape]], plan: Plan) -> tuple[Problem, ...]:
    """Every problem of this plan on these stores, errors first, in stable order."""
    live = {f"{store}.{shape.name}": shape for store, found in shapes.items() for shape in found}
    found = [
        *_drifted(catalog, live, set(shapes)),
        *_unlisted(catalog, held, shapes, plan),
        *_pathless(catalog, held),
        *_incomparable(held, live),
        *_unwritable(catalog, live, plan),
        *_undated(catalog, held, plan),
        *_composite(catalog, held, live),
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
            if address in catalog.collections or shape.hangs_on is not None:
                continue
            for key in shape.foreign_keys:
                to = f"{store}.{key.to}"
                if to in held.owned:
                    message = f"references {to} by {', '.join(key.fields)}, and the policy doesn't mention it"
                    fix = f"declare the collection {shape.name} in a dataset of the store {store}"
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


def _unwritable(catalog: Catalog, live: Mapping[str, Shape], plan: Plan) -> Iterable[Problem]:
    for act in plan.acts:
        note, shape = catalog.collections[act.collection], live.get(act.collection)
        if act.method in (Method.REDACT, Method.DECORRELATE) and "objects" in note.layout:
            yield _problem(act.collection, note, "objects are deleted whole, and the plan redacts", "declare `verb: delete`")
        elif shape is not None and act.method is Method.REDACT:
            yield from _unredactable(act, note, shape)
        elif shape is not None and act.method is Method.DECORRELATE:
            yield from _unrepointable(act, note, shape)


def _unredactable(act: Act, note: CollectionNote, shape: Shape) -> Iterable[Problem]:
    if not act.fields:
        yield _problem(act.collection, note, "is redacted, and no field is named or categorised", "add `redact: [fields]`")
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
            fix = f"allow null, or declare `repoint: {{{name}: …}}` with a pseudo-person's value, or another verb"
            yield _problem(f"{act.collection}.{name}", note, f"{why}, and the plan nulls it ({act.reason})", fix)


def _unrepointable(act: Act, note: CollectionNote, shape: Shape) -> Iterable[Problem]:
    if not act.repoint:
        name = held_field(act.edge) if act.edge else act.name.rpartition(".")[2]
        message = f"can't be null and must be re-pointed ({act.reason})"
        fix = f"declare `repoint: {{{name}: …}}` with a pseudo-person's value, or allow null"
        yield _problem(f"{act.collection}.{name}", note, message, fix)
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
            joined = any(edge.owned == address and edge.owner == to for edge in held.edges)
            note = catalog.collections.get(address)
            if len(key.fields) > 1 and to in held.owned and note is not None and not joined and note.owned_by is None:
                message = f"references {to} by several columns ({', '.join(key.fields)})"
                fix = f"declare which one names the owner: `owned_by: {key.fields[0]}` with a reference on that field"
                yield _problem(address, note, message, fix)


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
