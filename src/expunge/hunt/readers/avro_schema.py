"""Whether records of an Avro schema are bounded by the bytes that they lie in.

The library decodes by recursion in compiled code, which no limit stops, and makes as many items of an array as the array claims. A schema
that names itself, an array of what takes no bytes, and records that hold many such values are therefore not given to it.
"""

from __future__ import annotations

import json
from typing import NamedTuple

_HOLLOW = 64
"""Values without bytes in one record; a real schema has one or two, of type ``null``."""


class _Weight(NamedTuple):
    """What one value of a schema comes to: values in it that take no bytes, and whether it surely takes any itself."""

    hollow: int
    solid: bool


class _Unbounded(Exception):
    """A few bytes of this schema could claim values without end."""


def is_bounded(schema: bytes) -> bool:
    """Whether the schema, in JSON, can be given to the library."""
    try:
        return _weight(json.loads(schema), {}).hollow <= _HOLLOW
    except (_Unbounded, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False


def _weight(schema: object, named: dict[str, _Weight | None]) -> _Weight:
    """``named`` are the types met so far, by the last part of their names; ``None`` for one that is being looked at."""
    if isinstance(schema, list):
        branches = [_weight(one, named) for one in schema if one != "null"]
        return _Weight(max((one.hollow for one in branches), default=0), solid=True)
    if isinstance(schema, str):
        return _of_name(schema.rsplit(".", 1)[-1], named)
    if not isinstance(schema, dict):
        raise _Unbounded
    kind = schema["type"]
    if kind in ("record", "error"):
        return _of_record(schema, named)
    if kind in ("array", "map"):
        item = _weight(schema["items" if kind == "array" else "values"], named)
        if kind == "array" and not item.solid:
            raise _Unbounded
        return _Weight(item.hollow, solid=True)
    if kind in ("enum", "fixed"):
        solid = kind == "enum" or schema["size"] > 0
        weight = named[str(schema["name"]).rsplit(".", 1)[-1]] = _Weight(int(not solid), solid)
        return weight
    return _weight(kind, named)


def _of_name(name: str, named: dict[str, _Weight | None]) -> _Weight:
    if name == "null":
        return _Weight(1, solid=False)
    weight = named.get(name, _Weight(0, solid=True))
    if weight is None:
        raise _Unbounded
    return weight


def _of_record(schema: dict[str, object], named: dict[str, _Weight | None]) -> _Weight:
    name = str(schema["name"]).rsplit(".", 1)[-1]
    named[name] = None
    fields = schema["fields"]
    if not isinstance(fields, list):
        raise _Unbounded
    weights = [_weight(one["type"], named) for one in fields]
    solid = any(one.solid for one in weights)
    weight = named[name] = _Weight(sum(one.hollow for one in weights) + int(not solid), solid)
    return weight
