"""From records that are about to go to traces: which of a record's fields identify its subject, and which are content.

A field that points at a record which stays (a child's household), or that holds somebody's key, is no trace: it would find everybody else
of that household; the people's own keys are given apart. A record's own key is a trace, if it is long enough to mean that record only; so
is every other field that the policy files under a category of identifiers.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from expunge.hunt.prints import Fix, Role, Trace
from expunge.policy.catalog import Catalog, CollectionNote, FieldNote
from expunge.ports import Gone
from expunge.terms import FieldType, Identifier, Json

LONG_KEY = 8
"""Characters from which a record's own key is looked for: "4711" stands everywhere, a ULID nowhere else."""

SENTENCE = 12
"""Characters from which one word is content: shorter ones (``en-GB``, ``kitchen``) are settings as often as speech."""

FEWEST_DIMENSIONS = 8
"""Numbers in a list from which it is a vector: a bounding box has four, a date three; the smallest embeddings in use have 16."""

KEYS = ("user.unique_id", "user.contact", "user.device", "user.government_id", "user.financial", "user.account", "user.authorizing")
"""fideslang's categories of what people are known by, and those below them."""

WORDS = (FieldType.TEXT, FieldType.JSON, FieldType.OTHER)
"""Types of fields that hold what somebody said or wrote; a time as text is none."""

AT_ONCE = 2_000
"""Traces handed to a family in one go: with clips of 100 kB that is 200 MB at the most, and enough to fill a page."""

_LATITUDE, _LONGITUDE = ("latitude", "lat"), ("longitude", "lon", "lng", "long")


def of_people(people: Iterable[tuple[int, Identifier]]) -> Iterator[Trace]:
    """What the people themselves are known by."""
    for subject, one in people:
        yield Trace(subject, Role.KEY, "", one.type, one.value)


def of_records(catalog: Catalog, gone: Iterable[Gone], tracks: Tracks) -> Iterator[Trace]:
    """Traces of records, in their order; fixes are collected in ``tracks``, whose traces come when all records were seen."""
    known = {name for kind in catalog.kinds.values() for name in (kind.key, *kind.identities)}
    for one in gone:
        note = catalog.collections[one.collection]
        place = _fields(note)
        if place is not None and (not one.fields or {place[0], place[1]} <= set(one.fields)):
            tracks.take(one, place, _captured(note))
        for name, field in note.fields.items():
            if (not one.fields or name in one.fields) and (place is None or name not in place) and name.rpartition(".")[2] not in known:
                value = _value(one.record.fields, name)
                yield from _of_field(one, note, field, value)
        if one.record.body is not None and not one.fields:
            yield Trace(one.subject, Role.BODY, f"{note.address}.body", note.name, one.record.body, FieldType.BYTES)


def batches(traces: Iterable[Trace]) -> Iterator[list[Trace]]:
    """``AT_ONCE`` at a time."""
    turn = iter(traces)
    while batch := list(islice(turn, AT_ONCE)):
        yield batch


class Tracks:
    """Fixes of each person and collection, in memory until all records were seen: 24 bytes of floats each."""

    def __init__(self) -> None:
        """None yet."""
        self._fixes: dict[tuple[int, str], list[Fix]] = {}

    def take(self, one: Gone, place: tuple[str, str], captured: str | None) -> None:
        """Add a record's fix, if it has one."""
        latitude, longitude = (_number(_value(one.record.fields, name)) for name in place)
        if latitude is None or longitude is None:
            return
        when = _seconds(_value(one.record.fields, captured)) if captured is not None else None
        self._fixes.setdefault((one.subject, one.collection), []).append(Fix(latitude, longitude, when))

    def traces(self) -> Iterator[Trace]:
        """One trace for each person and collection, its fixes in the order of time."""
        for (subject, collection), fixes in self._fixes.items():
            if len(fixes) > 1:
                ordered = sorted(fixes, key=lambda fix: math.inf if fix.seconds is None else fix.seconds)
                yield Trace(subject, Role.TRACK, collection, "track", ordered)


def _of_field(one: Gone, note: CollectionNote, field: FieldNote, value: Json) -> Iterator[Trace]:
    if value is None or isinstance(value, bool) or any(reference.direction != "to" for reference in field.references):
        return
    origin = f"{note.address}.{field.name}"
    held = one.types.get(field.name, FieldType.TEXT)
    if field.identity is not None:
        return
    if field.primary_key:
        if not one.fields and isinstance(value, str) and len(value) >= LONG_KEY:
            yield Trace(one.subject, Role.KEY, origin, key_name(note.name, field.name), value, held)
    elif any(_is_key(category) for category in field.categories):
        if isinstance(value, str | int):
            yield Trace(one.subject, Role.KEY, origin, field.name, value, held)
    elif any(category == "user" or category.startswith("user.") for category in field.categories):
        yield from _of_content(one.subject, origin, field.name, value, held)


def _of_content(subject: int, origin: str, name: str, value: Json, held: FieldType) -> Iterator[Trace]:
    if isinstance(value, str):
        if held is FieldType.BYTES:
            raw = _decoded(value)
            if raw:
                yield Trace(subject, Role.BODY, origin, name, raw, held)
                yield Trace(subject, Role.VECTOR, origin, name, raw, held)
        elif held in WORDS and (" " in value.strip() or len(value) >= SENTENCE or origin.endswith("name")):
            yield Trace(subject, Role.TEXT, origin, name, value, held)
    elif isinstance(value, Mapping):
        for inner, one in value.items():
            yield from _of_content(subject, f"{origin}.{inner}", str(inner), one, FieldType.TEXT)
    elif isinstance(value, Sequence):
        numbers = [one for one in value if isinstance(one, int | float) and not isinstance(one, bool)]
        if len(numbers) == len(value) >= FEWEST_DIMENSIONS:
            yield Trace(subject, Role.VECTOR, origin, name, [float(one) for one in numbers], held)
        else:
            for one in value:
                yield from _of_content(subject, origin, name, one, FieldType.TEXT)


def key_name(collection: str, field: str) -> str:
    """What others call a record's key: ``clips.id`` is ``clip_id`` elsewhere."""
    return f"{collection.removesuffix('s')}_{field}" if field in ("id", "key", "uuid", "guid") else field


def _is_key(category: str) -> bool:
    return any(category == one or category.startswith(f"{one}.") for one in KEYS)


def _fields(note: CollectionNote) -> tuple[str, str] | None:
    """The latitude and the longitude of a collection of fixes."""
    places = [next((name for name in note.fields if name.rpartition(".")[2].lower() in words), None) for words in (_LATITUDE, _LONGITUDE)]
    latitude, longitude = places
    return (latitude, longitude) if latitude is not None and longitude is not None else None


def _captured(note: CollectionNote) -> str | None:
    return note.captured_at if note.captured_at in note.fields else None


def _value(fields: Mapping[str, Json], name: str) -> Json:
    """A field, nested ones by their dotted name."""
    if name in fields:
        return fields[name]
    head, dot, rest = name.partition(".")
    inner = fields.get(head) if dot else None
    return _value(inner, rest) if isinstance(inner, Mapping) else None


def _number(value: Json) -> float | None:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds(value: Json) -> float | None:
    if isinstance(value, str):
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            return None
        return when.timestamp() if when.tzinfo is not None else None
    return _number(value)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
