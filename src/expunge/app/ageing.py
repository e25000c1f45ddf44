"""The ages of what is held, counted in the stores, and the page that shows them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from expunge.app.retaining import terms, undated
from expunge.erase.context import Rooms
from expunge.erase.sweeping_find import Finder
from expunge.evidence.files import write_durably
from expunge.policy.retention import kinds
from expunge.retain.ageing import QUARTERS, Ages, Report, quarter
from expunge.retain.rules import Rule, dated
from expunge.stores.values import moment


def ages(rooms: Rooms) -> Report:
    """How old what is held is, rule by rule, with what never ends and what has no time. Reads only, set-wise.

    Raises:
        PolicyError, StoreError: as ``terms``.
    """
    now = rooms.clock.now()
    held = terms(rooms)
    finder = Finder(rooms.policy.catalog, rooms.stores)
    own = [rule for rule in held.rules.rules if rule.follows is None]
    rows = tuple(one for rule in own if sum((one := _ages(finder, rule, now)).counts))
    collections = sorted(held.sight.held.owned)
    endless = dict.fromkeys(
        f"{term.category} of a {term.of}: {term.need}"
        for term in rooms.policy.terms
        if term.keep is None and any(term.of in kinds(held.sight.held, address) for address in collections)
    )
    return Report(now, rooms.policy.controller.name, rows, tuple(endless), undated(rooms, held.rules))


def write_report(rooms: Rooms, to: Path) -> Report:
    """Write the page; what it says.

    Raises:
        PolicyError, StoreError: as ``ages``; no file is written.
    """
    found = ages(rooms)
    write_durably({to: found.as_html().encode()})
    return found


def _ages(finder: Finder, rule: Rule, now: datetime) -> Ages:
    """By each record's own time in one pass; by a time that lies elsewhere, in one query for each quarter of the term."""
    counts = [0] * (QUARTERS + 1)
    where = dated(rule.where, now)
    if where.clock is None:
        step = rule.keep / (QUARTERS // 2)
        older = [_count(finder, rule, now - step * place) for place in range(QUARTERS + 1)]
        return Ages(rule, tuple(_parts(older)))
    for batch in finder.found(where, (where.clock,)):
        for when in map(moment, batch.carried[where.clock]):
            if when is not None:
                counts[quarter(now - when, rule.keep)] += 1
    return Ages(rule, tuple(counts))


def _count(finder: Finder, rule: Rule, before: datetime) -> int:
    return sum(len(batch.addresses) for batch in finder.found(dated(rule.where, before)))


def _parts(older: list[int]) -> list[int]:
    """From how many are older than each edge to how many lie between two."""
    return [one - beyond for one, beyond in zip(older, [*older[1:], 0], strict=True)]
