"""The door, put together: the policy with the journal's ledger and the tombstone register; and arrivals as they are written in a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from expunge.app.library import Expunge
from expunge.errors import InvalidRequest
from expunge.ingest.arrivals import Arrival, Verdict, Why
from expunge.ingest.door import Door
from expunge.policy.model import Policy
from expunge.terms import Identifier

_FIELDS = {"subject", "household", "collection", "category", "purpose", "captured_at", "key"}


def door(library: Expunge) -> Door:
    """The door of this policy; used by the thread that uses the library."""
    rooms = library.rooms
    return Door(rooms.policy, rooms.journal, rooms.register, rooms.clock)


def read_arrivals(policy: Policy, lines: Iterable[str]) -> Iterator[Arrival]:
    """Arrivals written as JSON, one a line.

    Each has ``subject`` (``KIND:KEY``) or ``household`` (the key, of what nobody is attributed to), ``collection``, ``category``,
    ``purpose``, ``captured_at`` (ISO 8601), and perhaps the record's ``key``.

    Raises:
        InvalidRequest: a line that is none; its number is told, its text is not.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield _arrival(policy, json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise InvalidRequest("is not an arrival; `expunge ingest check --help` tells its form", where=f"line {number}") from None


def _arrival(policy: Policy, told: dict[str, str]) -> Arrival:
    if told.keys() - _FIELDS or ("subject" in told) == ("household" in told):
        raise ValueError
    at = datetime.fromisoformat(told["captured_at"])
    kind, _, key = told["subject"].partition(":") if "subject" in told else (None, "", str(told["household"]))
    of = policy.family.unattributed if kind is None else kind
    known = policy.catalog.kinds.get(of or "")
    named = (Identifier(known.key if known is not None else "", key),)
    when = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return Arrival(kind, named, str(told["collection"]), str(told["category"]), str(told["purpose"]), when, str(told.get("key", "")))


__all__ = ["Arrival", "Door", "Verdict", "Why", "door", "read_arrivals"]
