"""What is done with single data files of a Delta table, as functions that any process can do: count rows in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from expunge.errors import StoreError
from expunge.stores.arrow_file import Part
from expunge.stores.arrow_rows import by_prefix
from expunge.stores.arrow_verify import Tally, tally
from expunge.stores.delta_place import Place
from expunge.terms import Selector


@dataclass(frozen=True, slots=True, repr=False)
class Look:
    """One file of a table and what to look for in it."""

    at: Place
    part: Part
    selector: Selector
    where: str


def count(looks: Sequence[Look]) -> list[Tally]:
    """What is in each file.

    Raises:
        StoreError: as the table's place says.
    """
    return [_count(look) for look in looks]


def count_dead(looks: Sequence[Look]) -> list[int]:
    """Matching rows in each file that the table doesn't need; a file that can't be read counts as one."""
    return [_count_dead(look) for look in looks]


def _count(look: Look) -> Tally:
    with look.at.faults(look.where), look.part.open() as file:
        return tally(file, look.part, look.selector, by_prefix(look.selector.minus).get("", set()), look.where)


def _count_dead(look: Look) -> int:
    try:
        return _count(look).live
    except StoreError:  # unfinished or foreign: what can't be read may hold anything
        return 1
