"""Whether the statements of a log agree with each other: what one receipt alone can't show.

A receipt verifies by itself; an auditor who has the whole log can ask more. Each request has one receipt; it follows the run's statement
that it names, by place, digest and id; and it claims no more than the run did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from expunge.errors import BadProof
from expunge.evidence.canonical import canonical
from expunge.evidence.pieces import whole_statements
from expunge.terms import Json

_WHERE = "evidence log"
_SHARED = ("controller", "policy", "plan", "keys", "hunt", "times")


def check_statements(entries: Iterable[bytes]) -> int:
    """Hold every receipt against its run's statement; how many receipts there are. ``entries`` are a whole, verified log's, in order.

    Raises:
        BadProof: two receipts for one request, a receipt without its run, or one that says other or more than its run.
    """
    runs: dict[int, Mapping[str, Json]] = {}
    claimed: dict[int, dict[str, int]] = {}
    seen: set[str] = set()
    for one in whole_statements(entries):
        index, statement = one.index, one.statement
        if one.kind == "run/1":
            runs[index] = statement
        elif one.kind == "receipt/1":
            request = str(_mapping(statement.get("request")).get("id"))
            if request in seen:
                raise BadProof(f"entry {index} is a second receipt for {request}", where=_WHERE)
            seen.add(request)
            place = _whole(_mapping(statement.get("run")).get("log_index"), -1)
            if place not in runs:
                raise BadProof(f"entry {index} names a run's statement that does not stand before it", where=_WHERE)
            _agrees(index, statement, runs[place])
            _add(index, statement, runs[place], claimed.setdefault(place, {}))
    return len(seen)


def _agrees(index: int, statement: Mapping[str, Json], run: Mapping[str, Json]) -> None:
    named = _mapping(statement.get("run"))
    digest = hashlib.sha256(canonical(run)).hexdigest()
    same = named.get("id") == run.get("run") and named.get("statement_digest") == digest
    if not same or any(statement.get(name) != run.get(name) for name in _SHARED):
        raise BadProof(f"entry {index} says other than the run that it names", where=_WHERE)


def _add(index: int, statement: Mapping[str, Json], run: Mapping[str, Json], claimed: dict[str, int]) -> None:
    """Count what requests claim together, which is never more than the run did."""
    rows = {str(row["collection"]): row for row in _rows(run)}
    for row in _rows(statement):
        name = str(row.get("collection"))
        claimed[name] = claimed.get(name, 0) + _whole(row.get("erased"), 0)
        whole = rows.get(name)
        if whole is None or whole.get("level") != row.get("level") or claimed[name] > _whole(whole.get("erased"), 0):
            raise BadProof(f"entry {index} claims more in {name} than the run that it names", where=_WHERE)


def _rows(statement: Mapping[str, Json]) -> Iterable[Mapping[str, Json]]:
    for store in _list(statement.get("stores")):
        yield from map(_mapping, _list(_mapping(store).get("collections")))


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _whole(value: Json, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
