"""Words in which the tests speak of any database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from expunge.stores.base import Store
from expunge.terms import Method, Selector, Step, Value

MARKER = "qzv7k2mw94xj-leftover-p3t8r5hd61yc"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def locate(store: Store, selector: Selector) -> tuple[str, ...]:
    return tuple(address for batch in store.locate(selector) for address in batch.addresses)


def pick(collection: str, **values: Any) -> Selector:
    sets: dict[str, frozenset[Value]] = {
        name: frozenset(held) if isinstance(held, set) else frozenset({held}) for name, held in values.items()
    }
    return Selector(collection, sets)


def erase(store: Store, selector: Selector, method: Method = Method.DELETE, **named: Any) -> int:
    return sum(store.erase(Step(selector.collection, method, selector, locate(store, selector), **named)))
