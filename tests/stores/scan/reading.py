"""What a scan saw, all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing

from hypothesis import strategies as st

from expunge.stores.base import Part, Scan
from expunge.terms import Value

Row = tuple[str, tuple[tuple[str, Value | None], ...]]

SPECIAL = ("\t", "\n", "\\", "\\N", "\\.", "'", '"', ",", "{", "}", "%", "é", "👶", "\x7f", "\r\n", "NULL", "")
TEXTS = st.lists(st.sampled_from(SPECIAL) | st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=3).map("".join)
NAMES = st.sampled_from(["t", "T", "naïve", "a.b", 'quo"ted', "two words", "select", "tick`ed", "%s", "percent%", "t:x", "(t)", "column"])


def readable(scan: Scan) -> list[Part]:
    return [part for part in scan.parts() if not part.unread]


def unread(scan: Scan) -> set[tuple[str, str, str]]:
    return {(part.name, part.range, part.unread) for part in scan.parts() if part.unread}


def rows_of(scan: Scan, parts: Iterable[Part]) -> dict[str, Counter[Row]]:
    """By table, how often each row came, with its key."""
    seen: dict[str, Counter[Row]] = {}
    for part in parts:
        counter = seen.setdefault(part.name, Counter())
        for batch in scan.rows(part):
            columns = [[(name, value) for value in column] for name, column in batch.columns.items()]
            counter.update(zip(batch.keys, zip(*columns, strict=True), strict=True))
    return seen


def tables(scan: Scan) -> dict[str, Counter[Row]]:
    return rows_of(scan, (part for part in readable(scan) if part.table))


def bytes_of(scan: Scan, part: Part) -> bytes:
    with closing(scan.stream(part)) as file:
        return file.read()


def streams(scan: Scan) -> dict[str, bytes]:
    return {part.name: bytes_of(scan, part) for part in readable(scan) if not part.table}


def row(key: str, values: Mapping[str, Value | None]) -> Row:
    return key, tuple(values.items())
