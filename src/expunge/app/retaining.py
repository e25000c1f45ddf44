"""Retention, put together: rules from the room of terms, records from the stores, and sweeps by the one path of every erasure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from expunge.erase.context import Rooms, Sight, look
from expunge.erase.plan import whole_act
from expunge.erase.sweeping_find import Finder
from expunge.errors import PolicyInvalid
from expunge.policy.ownership import Ownership
from expunge.retain.outlook import Due, Outlook
from expunge.retain.rules import Rule, Rules, make_rules
from expunge.stores.values import moment
from expunge.terms import Scope, Selector, Span, Verb


@dataclass(frozen=True, slots=True)
class Terms:
    """The policy's rules beside what the stores are now."""

    sight: Sight
    rules: Rules


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
    found = terms(rooms)
    due = count_due(rooms, found.sight.held, found.rules.rules, when)
    return Outlook(when, rooms.policy.digest, due, undated(rooms, found.rules))


def count_due(rooms: Rooms, held: Ownership, rules: Sequence[Rule], at: datetime) -> tuple[Due, ...]:
    """How many records each of these rules ends at ``at``. Reads only.

    Raises:
        StoreError: as the stores say.
    """
    finder = Finder(rooms.policy.catalog, rooms.stores)
    often = Counter(rule.collection for rule in rules)
    seen: dict[str, set[int]] = {address: set() for address, count in often.items() if count > 1}
    whole_first = sorted(range(len(rules)), key=lambda place: bool(rules[place].fields))
    found = {
        place: _due(finder, rules[place], at, seen.get(rules[place].collection), _nulled(rooms, held, rules[place]))
        for place in whole_first
    }
    return tuple(found[place] for place in range(len(rules)))


def _nulled(rooms: Rooms, held: Ownership, rule: Rule) -> tuple[str, ...]:
    """The fields that the rule nulls in records that stay: one in which none of them holds anything is done with."""
    note = rooms.policy.catalog.collections[rule.collection]
    return rule.fields if rule.fields or note.verb is not Verb.REDACT else whole_act(rooms.policy.catalog, held, note, "").fields


def _due(finder: Finder, rule: Rule, at: datetime, seen: set[int] | None, nulled: Sequence[str]) -> Due:
    """Count; a record that several rules end counts for the first. Of ``seen`` there are hashes only: there may be millions."""
    where = rule.ending(at).where
    carry = (*((where.clock,) if where.clock is not None else ()), *nulled)
    records, first = 0, None
    months: Counter[str] = Counter()
    for batch in finder.found(where, carry):
        places = [place for place, address in enumerate(batch.addresses) if seen is None or hash(address) not in seen]
        if nulled:
            places = [place for place in places if any(batch.carried[name][place] is not None for name in nulled)]
        if seen is not None:
            seen.update(hash(batch.addresses[place]) for place in places)
        records += len(places)
        for time in (moment(batch.carried[where.clock][place]) for place in places if where.clock is not None):
            if time is not None:
                first = time if first is None else min(first, time)
                months[f"{time + rule.keep:%Y-%m}"] += 1
    return Due(rule, records, first + rule.keep if first is not None else None, months)


def undated(rooms: Rooms, rules: Rules) -> dict[str, int]:
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
