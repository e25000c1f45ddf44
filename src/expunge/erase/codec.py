"""Targets as bytes and back, for the journal to seal: a page with the header and the first addresses, then pages of addresses.

Values keep their type by a tag, since a key that was a number must be looked for as a number after a crash. These bytes hold identifiers:
they go nowhere but into ``Journal.put_targets``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from expunge.erase.targets import Target
from expunge.terms import Method, Selector, Span, Value, text_of

PAGE = 5_000
"""Addresses a page: at about 30 bytes each a page is 150 kB, well above AES-GCM's and SQLite's per-row overhead."""

_TAGS: Mapping[str, Callable[[str], Value]] = {
    "s": str,
    "i": int,
    "f": float,
    "b": lambda text: text == "true",
    "x": bytes.fromhex,
    "t": lambda text: datetime.fromisoformat(text).astimezone(UTC),
    "d": date.fromisoformat,
    "u": UUID,
    "n": Decimal,
}


_KINDS: tuple[tuple[type, str], ...] = (
    # a bool is an int and a datetime a date: the first that fits
    (bool, "b"),
    (str, "s"),
    (int, "i"),
    (float, "f"),
    (bytes, "x"),
    (datetime, "t"),
    (date, "d"),
    (UUID, "u"),
    (Decimal, "n"),
)
_TAG_OF = dict(_KINDS)


def pack_value(value: Value) -> list[str]:
    """A value as ``[tag, text]``."""
    tag = _TAG_OF.get(type(value)) or next(tag for kind, tag in _KINDS if isinstance(value, kind))
    return [tag, text_of(value)]


def unpack_value(packed: list[str]) -> Value:
    """The value that ``pack_value`` packed."""
    tag, text = packed
    return _TAGS[tag](text)


def pack(target: Target) -> Iterator[bytes]:
    """A target's pages."""
    selector = target.selector
    header = {
        "name": target.name,
        "act": target.act,
        "collection": target.collection,
        "method": target.method.value,
        "fields": list(target.fields),
        "repoint": {name: pack_value(value) for name, value in target.repoint.items()},
        "selector": {
            "collection": selector.collection,
            "any_of": {name: sorted(pack_value(value) for value in values) for name, values in selector.any_of.items()},
            "within": {
                name: [edge.isoformat() if edge else None for edge in (span.start, span.end)] for name, span in selector.within.items()
            },
            "present": sorted(selector.present),
            "minus": sorted(selector.minus),
        },
        "counts": {str(ordinal): count for ordinal, count in target.counts.items()},
        "matches": target.matches,
        "free": target.free,
        "rank": target.rank,
        **({"spared": dict(target.spared)} if target.spared else {}),
    }
    # The first addresses go with the header, because most targets are small, and a page costs six statements to read.
    yield _dump(header | _part(target, 0))
    for start in range(PAGE, len(target.addresses), PAGE):
        yield _dump(_part(target, start))


def _part(target: Target, start: int) -> dict[str, object]:
    part = slice(start, start + PAGE)
    return {"addresses": target.addresses[part], "whose": target.whose[part]}


def unpack(pages: Iterable[bytes]) -> Target:
    """The target that ``pack`` packed."""
    turn = iter(pages)
    header = json.loads(next(turn))
    held = header["selector"]
    parts = [{"addresses": header.get("addresses", []), "whose": header.get("whose", [])}, *(_page(page) for page in turn)]
    selector = Selector(
        held["collection"],
        {name: frozenset(map(unpack_value, values)) for name, values in held["any_of"].items()},
        {name: Span(*(datetime.fromisoformat(edge) if edge else None for edge in edges)) for name, edges in held["within"].items()},
        frozenset(held["present"]),
        frozenset(held["minus"]),
    )
    return Target(
        header["name"],
        header["act"],
        header["collection"],
        Method(header["method"]),
        tuple(header["fields"]),
        {name: unpack_value(value) for name, value in header["repoint"].items()},
        selector,
        tuple(address for part in parts for address in part["addresses"]),
        {int(ordinal): count for ordinal, count in header["counts"].items()},
        matches=header["matches"],
        free=header["free"],
        rank=header["rank"],
        whose=tuple(ordinal for part in parts for ordinal in part["whose"]),
        spared=header.get("spared", {}),
    )


def _page(raw: bytes) -> dict[str, list[Any]]:
    """A page of addresses; one that an older version wrote is the bare list of them, and its header has none."""
    page = json.loads(raw)
    return page if isinstance(page, dict) else {"addresses": page, "whose": []}


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
