"""How the SQL store addresses a record: the canonical JSON array of its key's values.

``[7]``, ``["de","4711"]``; bytes are ``{"hex": "…"}``. The text alone gives the values back, in any process and without the schema.
A record of a table without a key is addressed by its content: ``["=", digest, n]``, the n-th of those that are alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from expunge.errors import Drift
from expunge.terms import text_of

Key: TypeAlias = "tuple[str | int | float | bytes, ...]"
"""A key's values as the driver takes them."""

Columns: TypeAlias = "Sequence[Sequence[str | int | float | bytes]]"
"""Many keys, column by column: a tuple for each would cost more than all else that is done with them."""

CONTENT = "="
"""Marks an address by content; its array has three values, the last a number."""

PLAIN = frozenset((str, int, float))
"""Values that are the same in JSON. (A boolean key is written as text.)"""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def addresses(keys: Iterable[Sequence[object]], *, table: str, where: str) -> list[str]:
    """The addresses of these keys.

    Raises:
        Drift: a key has a null in it (SQLite allows that), so that nothing can single the record out.
    """
    return [_address(key, table, where) for key in keys]


def _address(key: Sequence[object], table: str, where: str) -> str:
    if len(key) == 1 and type(key[0]) is int:  # nine of ten tables: spare the encoder
        return f"[{key[0]}]"
    if None in key:
        msg = f"{table} has records whose primary key is null; give them a key, they can't be addressed"
        raise Drift(msg, where=where)
    return _encode([_plain(value) for value in key])


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, str | int | float):
        return value
    return text_of(value)  # type: ignore[arg-type]  # a driver's date, UUID or decimal: all are Values


def columns_of(batch: Sequence[str], *, width: int, where: str) -> Columns:
    """The keys of many addresses, column by column, read at once: a JSON reader costs more to call than to read an address.

    Raises:
        Drift: as ``key_of``.
    """
    inner = [one[1:-1] for one in batch]
    digits = "".join(inner)
    if width == 1 and all(inner) and digits.isascii() and digits.isdecimal() and "".join(batch) == f"[{']['.join(inner)}]":
        return [list(map(int, inner))]  # nine of ten tables
    whole = all(one.startswith("[") and one.endswith("]") for one in batch)  # or two torn ones could make two others
    try:
        keys = json.loads(f"[{','.join(batch)}]") if whole else []
    except ValueError:
        keys = []
    if len(keys) != len(batch) or not all(len(key) == width and PLAIN.issuperset(map(type, key)) for key in keys):
        keys = [key_of(one, width=width, where=where) for one in batch]  # bytes, or an address that doesn't fit
    return list(zip(*keys, strict=True))


def key_of(address: str, *, width: int, where: str) -> Key:
    """The key's values, ``width`` of them.

    Raises:
        Drift: that is no address of a record with such a key; the primary key was changed since it was located.
    """
    try:
        values = json.loads(address)
        key = tuple(bytes.fromhex(value["hex"]) if isinstance(value, dict) else value for value in values)
    except (ValueError, KeyError, TypeError):
        key = ()
    if len(key) != width or not all(isinstance(value, str | int | float | bytes) for value in key):
        raise Drift("an address doesn't fit the table's primary key; locate its records again", where=where)
    return key


def content_addresses(digests: Iterable[str], seen: dict[str, int]) -> list[str]:
    """The addresses of records by content; ``seen`` counts those that were alike so far."""
    made = []
    for digest in digests:
        seen[digest] = seen.get(digest, 0) + 1
        made.append(_encode([CONTENT, digest, seen[digest]]))
    return made


def wanted_digests(addressed: Iterable[str], *, where: str) -> dict[str, int]:
    """How many records of each content are addressed.

    Raises:
        Drift: as ``key_of``.
    """
    counts: dict[str, int] = {}
    for address in addressed:
        _, digest, _ = key_of(address, width=3, where=where)
        counts[str(digest)] = counts.get(str(digest), 0) + 1
    return counts
