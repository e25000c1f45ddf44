"""Retention, put together: rules from the room of terms, records from the stores, and sweeps by the one path of every erasure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from expunge.erase.context import Rooms, Sight, look
from expunge.erase.extent import moment
from expunge.erase.sweeping_find import Finder
from expunge.errors import PolicyInvalid
from expunge.policy.catalog import Problem
from expunge.retain.outlook import Due, Outlook
from expunge.retain.rules import Rule, Rules, make_rules
from expunge.terms import Scope, Selector, Span


@dataclass(frozen=True, slots=True)
class Terms:
    """The policy's rules beside what the stores are now."""

    sight: Sight
    rules: Rules


def term_problems(rooms: Rooms, sight: Sight) -> tuple[Problem, ...]:
    """What is wrong with the policy's terms, on these stores; warnings too."""
    return make_rules(rooms.policy, sight.held).problems


def terms(rooms: Rooms) -> Terms:
    """The rules, if nothing stands in their way.

    Raises:
        PolicyInvalid: with every collection that lacks a term or a time, or whose terms contradict each other.
        PolicyError, StoreError: as ``look``.
    """
    sight = look(rooms, Scope())
    rules = make_rules(rooms.policy, sight.held)
    if rules.errors:
        raise PolicyInvalid("\n".join(str(one) for one in rules.errors), problems=rules.errors)
    return Terms(sight, rules)


def outlook(rooms: Rooms, at: datetime | None = None) -> Outlook:
    """What will have come to its end at ``at`` (aware; now, if not given). Reads only, set-wise.

    Raises:
        PolicyError, StoreError: as ``terms``.
    """
    when = at or rooms.clock.now()
    held = terms(rooms)
    finder = Finder(rooms.policy.catalog, rooms.stores)
    seen: dict[str, set[str]] = {rule.collection: set() for rule in held.rules.rules if rule.follows}
    due = [_due(finder, rule, when, seen.get(rule.collection)) for rule in held.rules.rules]
    return Outlook(when, rooms.policy.digest, tuple(due), _undated(rooms, held.rules))


def _due(finder: Finder, rule: Rule, at: datetime, seen: set[str] | None) -> Due:
    """Count; a record that several rules end counts for the first."""
    where = rule.ending(at).where
    carry = (where.clock,) if where.clock is not None else ()
    records, first = 0, None
    months: Counter[str] = Counter()
    for batch in finder.found(where, carry):
        places = [place for place, address in enumerate(batch.addresses) if seen is None or address not in seen]
        if seen is not None:
            seen.update(batch.addresses)
        records += len(places)
        for time in (moment(batch.carried[carry[0]][place]) for place in places if carry):
            if time is not None:
                first = time if first is None else min(first, time)
                months[f"{_plus(time, rule.keep):%Y-%m}"] += 1
    return Due(rule, records, _plus(first, rule.keep) if first is not None else None, months)


def _plus(time: datetime, keep: timedelta) -> datetime:
    return time + keep


def _undated(rooms: Rooms, rules: Rules) -> dict[str, int]:
    """By a full look at each collection that has a time of its own: how many records have none that can be read."""
    found: dict[str, int] = {}
    for address, clock in sorted(_clocks(rules)):
        store, name = rooms.policy.catalog.collections[address].store, rooms.policy.catalog.collections[address].name
        seen = rooms.stores[store].verify(Selector(name, within={clock: Span()}))
        if missing := seen.scanned - seen.live:
            found[address] = max(missing, found.get(address, 0))
    return found


def _clocks(rules: Rules) -> set[tuple[str, str]]:
    return set(_each_clock(rules))


def _each_clock(rules: Rules) -> Iterator[tuple[str, str]]:
    for rule in rules.rules:
        if rule.where.clock is not None:
            yield rule.collection, rule.where.clock
