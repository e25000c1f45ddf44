"""What is done with single Parquet files, as functions that any process can do: find rows, count them, write a file anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from expunge.stores.arrow_faults import faults
from expunge.stores.arrow_file import Part, hits, rewrite
from expunge.stores.arrow_rows import located
from expunge.stores.arrow_verify import Tally, tally
from expunge.stores.parquet_folder import swap
from expunge.stores.parquet_history import stale
from expunge.terms import Located, Selector, Step


@dataclass(frozen=True, slots=True, repr=False)
class Look:
    """One file and what to look for in it; ``held`` are the digests of rows that are left out."""

    part: Part
    selector: Selector
    held: frozenset[bytes]
    where: str
    carry: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Rewrite:
    """One file of the folder ``root``, and what to do to which of its rows. ``step`` has no addresses. ``single``: it stays when empty."""

    root: Path
    part: Part
    step: Step
    wanted: frozenset[bytes]
    where: str
    single: bool


def find(looks: Sequence[Look]) -> list[list[Located]]:
    """The matching rows of each file.

    Raises:
        StoreError: as the folder says.
    """
    return [_find(look) for look in looks]


def count(looks: Sequence[Look]) -> list[tuple[Tally, bool]]:
    """Of each file what a second reader counts, and whether a dictionary page keeps what no row has any more.

    Raises:
        StoreError: as the folder says.
    """
    return [_count(look) for look in looks]


def redo(work: Rewrite) -> None:
    """Write the file anew in its place, durably; without rows left it is removed.

    Raises:
        StoreError: as the folder says; the file is as it was.
    """
    with faults(work.where), work.part.open() as file:

        def write(sink: object) -> bool | None:
            struck, rows = rewrite(file, work.part, sink, work.step, set(work.wanted), work.where)
            if not struck:
                return False
            return True if rows or work.single else None

        swap(work.root, work.part.name, work.where, write)


def _find(look: Look) -> list[Located]:
    with faults(look.where), look.part.open() as file:
        found = hits(file, look.part, look.selector, look.where)
        return list(located(found, look.part.partition, look.part.name, held=look.held, seen=Counter(), carry=look.carry))


def _count(look: Look) -> tuple[Tally, bool]:
    with faults(look.where):
        with look.part.open() as file:
            told = tally(file, look.part, look.selector, set(look.held), look.where)
        return told, stale(look.part)
