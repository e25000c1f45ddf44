"""Which keys a pydantic model knows at a place: what an unknown key's message offers."""

from __future__ import annotations

from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel


def keys_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """The keys that the model knows at ``loc``."""
    current: object = model
    for part in loc:
        current = _step(current, part)
    found = _models(current)
    return [field.alias or name for one in found for name, field in one.model_fields.items()]


def _step(current: object, part: str | int) -> object:
    for one in _models(current):
        for name, field in one.model_fields.items():
            if part in {name, field.alias}:
                return field.annotation
        if "kind" in one.model_fields and part in get_args(one.model_fields["kind"].annotation):
            return one
    return get_args(_plain(current))[-1]  # between models lie lists and mappings only, and ``part`` is an index or a key of one


def _plain(current: object) -> object:
    """Without ``Annotated`` and ``| None``."""
    while get_origin(current) is Annotated:
        current = get_args(current)[0]
    if get_origin(current) in (Union, UnionType):
        some = [one for one in get_args(current) if one is not type(None)]
        return _plain(some[0]) if len(some) == 1 else current
    return current


def _models(current: object) -> list[type[BaseModel]]:
    plain = _plain(current)
    if get_origin(plain) in (Union, UnionType):
        return [model for one in get_args(plain) for model in _models(one)]
    return [plain] if isinstance(plain, type) and issubclass(plain, BaseModel) else []
