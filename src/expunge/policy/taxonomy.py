"""fideslang's default taxonomy: the data categories and data uses that a policy may name, and what it may add."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from fideslang import DEFAULT_TAXONOMY

PERSONAL = "user"
"""The root of everything that is about a person."""

NAMING = ("user.unique_id", "user.device.device_id")
"""Categories that only name a person: what is left of a record when its content has gone says nothing, and goes with it."""


@cache
def default_categories() -> frozenset[str]:
    """Fideslang's data categories, deprecated ones too: a dataset that was written with them still loads."""
    return frozenset(str(one.fides_key) for one in DEFAULT_TAXONOMY.data_category)


@cache
def default_uses() -> frozenset[str]:
    """Fideslang's data uses."""
    return frozenset(str(one.fides_key) for one in DEFAULT_TAXONOMY.data_use)


def parent(category: str) -> str:
    """``user.content`` of ``user.content.private``; empty at the root."""
    return category.rpartition(".")[0]


def covers(above: str, category: str) -> bool:
    """Whether ``category`` is ``above`` or lies below it."""
    return category == above or category.startswith(f"{above}.")


def names_only(category: str) -> bool:
    """Whether a category of a person only names that person."""
    return any(covers(name, category) for name in NAMING)


def personal(categories: Iterable[str]) -> tuple[str, ...]:
    """Those that are about a person."""
    return tuple(one for one in categories if covers(PERSONAL, one))
