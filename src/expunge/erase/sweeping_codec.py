"""What a sweep's request is about, as JSON that is sealed with it, and back: so that a worker goes on from the journal alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from expunge.erase.codec import pack_value, unpack_value
from expunge.ports import Ending, Join, Where
from expunge.terms import Json


def pack_endings(endings: Sequence[Ending]) -> Json:
    """Endings as JSON. Values in it are identifiers: it goes nowhere but into ``Filing.attached``."""
    return [{"term": one.term, "where": _where(one.where), "fields": list(one.fields), "why": one.why} for one in endings]


def unpack_endings(packed: Json) -> tuple[Ending, ...]:
    """What ``pack_endings`` packed; nothing where it was destroyed."""
    held = packed if isinstance(packed, Sequence) and not isinstance(packed, str) else ()
    return tuple(
        Ending(str(one["term"]), _read(one["where"]), _texts(one["fields"]), str(one["why"]))
        for one in held
        if isinstance(one, Mapping) and "where" in one
    )


def _where(where: Where) -> Json:
    return {
        "collection": where.collection,
        "clock": where.clock,
        "before": where.before.isoformat() if where.before else None,
        "owners": sorted(where.owners),
        "only": [where.only[0], sorted(pack_value(value) for value in where.only[1])] if where.only else None,
        "joins": [{"field": one.field, "to_field": one.to_field, "to": _where(one.to)} for one in where.joins],
    }


def _read(packed: Json) -> Where:
    assert isinstance(packed, Mapping)
    only, before, joins = packed["only"], packed["before"], packed["joins"]
    assert isinstance(joins, Sequence)
    return Where(
        str(packed["collection"]),
        str(packed["clock"]) if packed["clock"] is not None else None,
        datetime.fromisoformat(before) if isinstance(before, str) else None,
        frozenset(_texts(packed["owners"])),
        (str(only[0]), frozenset(unpack_value(list(_texts(one))) for one in _list(only[1]))) if isinstance(only, Sequence) else None,
        tuple(Join(str(one["field"]), str(one["to_field"]), _read(one["to"])) for one in joins if isinstance(one, Mapping)),
    )


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(one) for one in _list(value))
