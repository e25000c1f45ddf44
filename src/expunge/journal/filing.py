"""Which of the filings that came in are new, and which meet an earlier request. Pure: the database is asked before and told after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from expunge.errors import InvalidRequest
from expunge.journal.desk import fresh_id
from expunge.journal.records import Filing
from expunge.terms import Json

Same: TypeAlias = tuple[int, str, bytes]
"""What makes two requests the same: subject, kind, digest of the scope."""

_ITEMS = "items"


@dataclass(frozen=True, slots=True)
class Asked:
    """A filing with the keyed digests of its scope and of its idempotency key."""

    filing: Filing
    scope: bytes
    key: bytes | None

    @property
    def same(self) -> Same:
        """What it shares with its duplicates."""
        return self.filing.subject, self.filing.kind, self.scope

    @property
    def sealed(self) -> Json:
        """What of it is sealed: the items and what is attached; ``None`` if there is neither."""
        named = items(self.filing.scope)
        return [named, self.filing.attached] if named or self.filing.attached else None

    @property
    def place(self) -> str:
        """Under which name it is sealed among the others of one call."""
        return sealed_place(self.filing.subject, self.scope)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the journal already has: open requests by what they ask, and requests by their idempotency key."""

    open: Mapping[Same, str]
    keys: Mapping[bytes, tuple[str, Same]]


@dataclass(frozen=True, slots=True)
class Sorted:
    """The new ones by their new ids; and for every filing, in order, the id it got and whether another had it first."""

    fresh: Mapping[str, Asked]
    met: Sequence[tuple[str, bool]]


def sort(asked: Sequence[Asked], earlier: Earlier) -> Sorted:
    """Give every filing a request: its own, or the one it repeats (in the journal, or earlier in the same call).

    Raises:
        InvalidRequest: an idempotency key that stands for something else.
    """
    same, keys = dict(earlier.open), dict(earlier.keys)
    fresh: dict[str, Asked] = {}
    met: list[tuple[str, bool]] = []
    for one in asked:
        id_ = _by_key(one, keys) or same.get(one.same)
        duplicate = id_ is not None
        if id_ is None:
            id_ = fresh_id("req")
            fresh[id_] = one
            same[one.same] = id_
            if one.key is not None:
                keys[one.key] = id_, one.same
        met.append((id_, duplicate))
    return Sorted(fresh, met)


def _by_key(one: Asked, keys: Mapping[bytes, tuple[str, Same]]) -> str | None:
    if one.key is None or one.key not in keys:
        return None
    id_, what = keys[one.key]
    if what != one.same:
        msg = f"the idempotency key was already used for {id_}, which asks for something else"
        raise InvalidRequest(msg)
    return id_


def sealed_place(subject: int, scope: bytes) -> str:
    """The name in an intake's blob: two requests that share it are one."""
    return f"{subject}:{scope.hex()}"


def items(scope: Json) -> Json:
    """The part of a scope that names records, if it has one."""
    return scope.get(_ITEMS) if isinstance(scope, Mapping) else None


def without_items(scope: Json) -> Json:
    """The part of a scope that may be kept in plain."""
    return {name: value for name, value in scope.items() if name != _ITEMS} if isinstance(scope, Mapping) and items(scope) else scope


def with_items(scope: Json, named: Json) -> Json:
    """A scope put together again."""
    return {**scope, _ITEMS: named} if isinstance(scope, Mapping) else scope
