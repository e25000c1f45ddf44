"""Tables without a primary key: a record is addressed by a digest of its whole content.

A physical place will not do: VACUUM renumbers SQLite's rowids in such tables, and an update or VACUUM FULL moves PostgreSQL's ctids,
while an address must mean the same record in another process, days later. Records that are alike share a digest and are told apart by
counting; as they are alike, it doesn't matter which of them goes. Every batch reads the whole table, so a key is well worth having.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import sqlalchemy as sa

from expunge.stores.sql_address import Key, wanted_digests
from expunge.stores.sql_dialect import Dialect
from expunge.stores.sql_table import Column, Table
from expunge.terms import FieldType, Step


def by_content(dialect: Dialect, connection: sa.Connection, table: Table, step: Step) -> Callable[[Sequence[str]], None]:
    """What does the step to addressed records, in the connection's transaction.

    Of ``m`` records alike, of which ``w`` are addressed, ``w`` go, but never one that the selector holds back: so beginning again from
    any point ends the same.
    """
    apply = dialect.prepare(connection, physical(dialect, table), step)
    held = wanted_digests(step.selector.minus, where=dialect.name)

    def addressed(batch: Sequence[str]) -> None:
        wanted = wanted_digests(batch, where=dialect.name)
        keys: list[Key] = []
        for digest, alike in _alike(dialect, connection, table, wanted).items():
            keys += alike[: max(0, min(wanted[digest], len(alike) - held.get(digest, 0)))]
        if keys:
            apply(list(zip(*keys, strict=True)))

    return addressed


def physical(dialect: Dialect, table: Table) -> Table:
    """The same table, addressed by the physical names of its records; they hold within one transaction only."""
    handle = Column(dialect.handle, FieldType.OTHER, nullable=False, cast="tid")
    return replace(table, key=(dialect.handle,), columns={**table.columns, dialect.handle: handle})


def handles_of(dialect: Dialect, connection: sa.Connection, table: Table, batch: Sequence[str]) -> Iterator[tuple[str, Key]]:
    """Each address with a present handle, for reading."""
    found = _alike(dialect, connection, table, wanted_digests(batch, where=dialect.name))
    for address in batch:
        alike = found.get(next(iter(wanted_digests([address], where=dialect.name))))
        if alike:
            yield address, alike.pop()


def _alike(dialect: Dialect, connection: sa.Connection, table: Table, digests: Iterable[str]) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {}
    for handle, digest in dialect.like(connection, table, sorted(digests)):
        found.setdefault(digest, []).append(handle)
    return found
