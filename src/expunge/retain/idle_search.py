"""Reads from the stores which profiles no child used, who uses one now, and how their guardians are reached. Set-wise, in pages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from expunge.journal.idles import PAGE
from expunge.retain.idle_rule import Guardian, IdleRule
from expunge.stores.base import Store
from expunge.stores.values import key_text, moment, spelled
from expunge.terms import Identifier, Selector, Span, text_of


@dataclass(frozen=True, slots=True, repr=False)
class Profile:
    """A child's profile: its key and its guardian's as the stores' text, its name, its last known use (UTC; its making, if later)."""

    key: str
    last_use: datetime
    guardian: str | None
    name: str = ""

    def __repr__(self) -> str:
        """Nothing of whose it is."""
        return "Profile()"


def unused(stores: Mapping[str, Store], rule: IdleRule, now: datetime) -> Iterator[list[Profile]]:
    """Every profile made before, and not used since, ``now`` minus the rule's ``idle_after``; a page at a time.

    Raises:
        StoreError: as the stores say; a use that can't be read is no absence of use.
    """
    since = now - rule.lengths.idle_after
    for page in _paged(_profiles(stores, rule, Selector(_inside(rule.profiles), within={rule.made: Span(None, since)}))):
        quiet = [one for one in page if one.last_use < since]
        busy = _busy(stores, rule, [one.key for one in quiet], since)
        yield [one for one in quiet if key_text(one.key) not in busy]


def state_of(stores: Mapping[str, Store], rule: IdleRule, keys: Collection[str], now: datetime) -> tuple[set[str], dict[str, Profile]]:
    """Of these profiles: the key texts of those in use, and, by key text, those that are there.

    Raises:
        StoreError: as the stores say.
    """
    since = now - rule.lengths.idle_after
    there = {key_text(one.key): one for one in _profiles(stores, rule, Selector(_inside(rule.profiles), {rule.key: spelled(keys)}))}
    busy = {key for key, one in there.items() if one.last_use >= since}
    return busy | _busy(stores, rule, keys, since), there


def addresses(stores: Mapping[str, Store], guardian: Guardian, keys: Collection[str]) -> dict[str, list[tuple[str, Identifier]]]:
    """By the guardian's key text: (channel, address) of every way in which they can be written to.

    Raises:
        StoreError: as the stores say.
    """
    found: dict[str, list[tuple[str, Identifier]]] = {}
    carry = (guardian.key, *dict.fromkeys(field for _, _, field in guardian.reach))
    for batch in _store(stores, guardian.collection).locate(Selector(_inside(guardian.collection), {guardian.key: spelled(keys)}), carry):
        for place, key in enumerate(batch.carried[guardian.key]):
            ways = ((channel, identity, batch.carried[field][place]) for channel, identity, field in guardian.reach)
            reached = [(channel, Identifier(identity, text_of(value))) for channel, identity, value in ways if value not in (None, "")]
            if key is not None:
                found[key_text(key)] = reached
    return found


def _profiles(stores: Mapping[str, Store], rule: IdleRule, selector: Selector) -> Iterator[Profile]:
    guardian = rule.guardian.field if rule.guardian is not None else None
    carry = tuple(dict.fromkeys((rule.key, rule.made, *rule.own, *(name for name in (guardian, rule.name) if name))))
    for batch in _store(stores, rule.profiles).locate(selector, carry):
        for place, key in enumerate(batch.carried[rule.key]):
            if key is None:
                continue
            times = [when for field in (rule.made, *rule.own) if (when := moment(batch.carried[field][place])) is not None]
            theirs = batch.carried[guardian][place] if guardian else None
            name = batch.carried[rule.name][place] if rule.name else None
            if times:
                yield Profile(text_of(key), max(times), None if theirs is None else text_of(theirs), "" if name is None else text_of(name))


def _busy(stores: Mapping[str, Store], rule: IdleRule, keys: Collection[str], since: datetime) -> set[str]:
    """The key texts of those of whom a record of use since then is there."""
    busy: set[str] = set()
    for use in rule.uses if keys else ():
        selector = Selector(_inside(use.collection), {use.child: spelled(keys)}, {use.time: Span(since, None)})
        for batch in _store(stores, use.collection).locate(selector, (use.child,)):
            busy |= {key_text(value) for value in batch.carried[use.child] if value is not None}
    return busy


def _paged(profiles: Iterator[Profile]) -> Iterator[list[Profile]]:
    page: list[Profile] = []
    for one in profiles:
        page.append(one)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def _store(stores: Mapping[str, Store], address: str) -> Store:
    return stores[address.split(".", 1)[0]]


def _inside(address: str) -> str:
    return address.split(".", 1)[1]
