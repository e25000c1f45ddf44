"""Where a store no longer is as the policy says: what is gone, what can't be compared, what is new and whom it may concern."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from expunge.policy.catalog import Catalog, CollectionNote, FieldNote, Problem
from expunge.policy.guesses import guess
from expunge.policy.wording import nearest
from expunge.terms import Field, FieldType, Shape

_NUMBERS = frozenset({FieldType.INTEGER, FieldType.REAL, FieldType.NUMERIC})
_TIMES = frozenset({FieldType.TIME, FieldType.DATE})
_OPAQUE = frozenset({FieldType.JSON, FieldType.OTHER})

DEFAULT_SCHEMA = "public"  # PostgreSQL's, where a store names none

ELSEWHERE = "it lies in another schema: declare it in a dataset of a store of its own, with the same url and that `schema`"
"""What mends the absence of a table that is told of by a store, but lies outside it."""


def drift(shapes: Sequence[Shape], catalog: Catalog, store: str) -> tuple[Problem, ...]:
    """Compare the live shapes of one store with what is declared of it. Pure.

    Errors make an erasure wrong or impossible; warnings (a new field) ask for a look.
    """
    live = {shape.name: shape for shape in shapes}
    problems: list[Problem] = []
    for note in catalog.in_store(store):
        shape = live.get(note.name)
        problems += _declared(note, shape, live, catalog) if shape else [_gone(note, live)]
    problems += _unlisted(shapes, catalog, store)
    return tuple(problems)


def _gone(note: CollectionNote, live: dict[str, Shape]) -> Problem:
    close = nearest(note.name, live)
    fix = f"is it {close} now?" if close else "remove it from the dataset if it was dropped"
    return Problem("drift-collection", note.address, "is declared, and the store has no such collection", fix, note.mark)


def _declared(note: CollectionNote, shape: Shape, live: dict[str, Shape], catalog: Catalog) -> Iterator[Problem]:
    sparse = cast("Sequence[str]", note.layout.get("sparse", ()))
    for field in note.fields.values():
        held = _held(shape, field.name)
        if held is None and field.name in sparse:
            continue
        if held is None:
            close = nearest(field.name, [one.name for one in shape.fields])
            fix = f"is it {close} now?" if close else "remove it from the dataset if it was dropped"
            yield Problem("drift-field", _at(note, field), "is declared, and the store has no such field", fix, field.mark)
        else:
            yield from _comparable(note, field, held, live, catalog)
    declared = {name.split(".")[0] for name in note.fields} | set(note.fields)
    keyed = catalog.stores[note.store].kind == "objects"  # its fields are the key's placeholders and the service's own
    for one in () if keyed else shape.fields:
        if one.name not in declared and one.name.partition(".")[0] not in declared:
            yield _new(note, one)


def _new(note: CollectionNote, field: Field) -> Problem:
    guessed = guess(field, note.name)
    line = f"{{name: {field.name}, data_categories: [{guessed.category}]}}" if guessed else f"{{name: {field.name}}}"
    fix = f"add {line}, or its reference"
    address = f"{note.address}.{field.name}"
    return Problem("drift-new-field", address, "is in the store, and the dataset does not mention it", fix, note.mark, severity="warning")


def _held(shape: Shape, name: str) -> Field | None:
    """The live field, or the document field that a nested one lies in."""
    exact = shape.field(name)
    if exact or "." not in name:
        return exact
    outer = shape.field(name.partition(".")[0])
    return outer if outer and outer.type in _OPAQUE else None


def _comparable(note: CollectionNote, field: FieldNote, held: Field, live: dict[str, Shape], catalog: Catalog) -> Iterator[Problem]:
    selects = field.identity or field.references or field.name in (note.owned_by or ())
    if not selects or held.name != field.name:
        return
    if held.type in _OPAQUE:
        message = f"people are found by it, and a {held.type.value} field can't be compared"
        yield Problem("drift-type", _at(note, field), message, "name a field that holds the key alone", field.mark)
        return
    for reference in field.references:
        target = catalog.collections[reference.to]
        other = live[target.name].field(reference.to_field) if target.store == note.store and target.name in live else None
        if other and not can_equal(held.type, other.type):
            message = f"is {held.type.value}, and {reference.to}.{reference.to_field} is {other.type.value}: they can never be equal"
            yield Problem("drift-type", _at(note, field), message, "correct the reference", reference.mark or field.mark)


def can_equal(one: FieldType, other: FieldType) -> bool:
    """Whether values of two types can be the same key: text meets everything that has a text form."""
    if _OPAQUE & {one, other}:
        return False
    return one == other or FieldType.TEXT in (one, other) or {one, other} <= _NUMBERS or {one, other} <= _TIMES


def _unlisted(shapes: Sequence[Shape], catalog: Catalog, store: str) -> Iterator[Problem]:
    """Collections that the policy does not mention although a foreign key leads from them to one that it does."""
    declared = {note.name for note in catalog.in_store(store)}
    for shape in shapes:
        if shape.hangs_on is not None or declared_as(catalog, store, shape) is not None:
            continue
        for key in shape.foreign_keys:
            if key.to in declared:
                message = f"references {store}.{key.to} by ({', '.join(key.fields)}), and no dataset mentions it"
                fix = ELSEWHERE if shape.outside else f"declare it; `expunge discover {store}` proposes how"
                yield Problem("drift-unlisted", f"{store}.{shape.name}", message, fix)


def declared_as(catalog: Catalog, store: str, shape: Shape) -> str | None:
    """The address by which the policy declares what ``store`` tells of, or ``None``.

    A table that lies outside belongs to the store, if there is one, that has the same URL and the table's schema.
    """
    if not shape.outside:
        address = f"{store}.{shape.name}"
        return address if address in catalog.collections else None
    url = catalog.stores[store].options.get("url")
    for note in catalog.collections.values():
        options = catalog.stores[note.store].options
        same = note.store != store and options.get("url") == url
        if same and f"{options.get('schema') or DEFAULT_SCHEMA}.{note.name}" == shape.name:
            return note.address
    return None


def _at(note: CollectionNote, field: FieldNote) -> str:
    return f"{note.address}.{field.name}"
