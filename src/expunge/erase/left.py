"""What a redacted record would keep because the policy says nothing of it. Pure.

Of a deleted record every column goes, declared or not. A redacted one keeps what isn't declared, so silence about a column is told, and
where the column looks like a person's key or data, it stops the plan.
"""

from __future__ import annotations

from collections.abc import Iterator

from expunge.erase.plan import Act
from expunge.policy.catalog import Catalog, CollectionNote, Problem
from expunge.policy.guesses import guess
from expunge.policy.soft import soft_references
from expunge.terms import Field, Shape, Verb

CODE = "plan-trouble"


def undeclared(catalog: Catalog, act: Act, shape: Shape | None) -> Iterator[Problem]:
    """The live columns of a collection with ``verb: redact`` that its dataset doesn't mention: errors where they look like a person's."""
    note = catalog.collections[act.collection]
    if shape is None or note.verb is not Verb.REDACT:
        return
    keys = {one.field: str(one.key.kind) for one in soft_references(catalog, note.store, [shape])}
    for one in shape.fields:
        if _declared(one.name, note):
            continue
        guessed = guess(one, note.name)
        looks = f"a key of the {keys[one.name]}" if one.name in keys else guessed.category if guessed else None
        yield _problem(note, one, looks)


def _declared(name: str, note: CollectionNote) -> bool:
    """Whether the dataset names the field, the document that it lies in, or what lies in it. ``items[].id`` is ``items.id``."""
    live = name.replace("[]", "")
    return any(
        live == one or live.startswith(f"{one}.") or one.startswith(f"{live}.") for one in (said.replace("[]", "") for said in note.fields)
    )


def _problem(note: CollectionNote, field: Field, looks: str | None) -> Problem:
    message = "is not declared, so the policy does not say whether it is personal, and it would stay in redacted records"
    if looks is None:
        fix = f"add {{name: {field.name}}}, with its data category if it has one"
        return Problem(CODE, f"{note.address}.{field.name}", message, fix, note.mark, "warning")
    fix = f"add {{name: {field.name}}} with its data category, identity or reference, or without them if it is not about the person"
    return Problem(CODE, f"{note.address}.{field.name}", f"{message}; it looks like {looks}", fix, note.mark)
