"""The door for new data: says of every record of a batch whether it may be stored. No term, no collection; no consent, no collection.

Deny by default: what is not known to be allowed is refused, and a register or ledger that can't be asked raises, so that nothing is stored.
A batch of any size is a handful of questions: the policy is asked once per kind of record, the tombstones and the journal once per kind of
subject and 5,000 people. The door keeps nothing, and never sees what a record contains.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeAlias

from expunge.evidence.stones import Facts
from expunge.ingest.arrivals import Arrival, Verdict, Why
from expunge.ingest.rules import Rule, is_past, rule_for
from expunge.journal.consents import Admitted
from expunge.policy.model import Policy
from expunge.ports import Clock
from expunge.terms import Identifier

_Rules: TypeAlias = dict[tuple[str | None, str, str, str], Rule]

ITEM = "item"
"""The identifier type of a single record in the tombstone register."""


class Ledger(Protocol):
    """What the door asks the journal."""

    def known(self, kind: str, identifiers: Sequence[Identifier]) -> Mapping[Identifier, int]:
        """The numbers of those whose key is known."""
        ...

    def admits(self, subjects: Collection[int], matter: str, at: datetime | None = None) -> Admitted:
        """Those for whom the matter is consented to."""
        ...

    def asked(self, subjects: Collection[int], matter: str) -> Mapping[int, datetime]:
        """Those whose guardian is being asked, with since when."""
        ...

    def being_erased(self, numbers: Collection[int]) -> Collection[int]:
        """Those of whom everything is being erased."""
        ...


class Tombstones(Protocol):
    """What the door asks the register."""

    def match(self, identifiers: Iterable[Identifier]) -> Mapping[Identifier, Sequence[Facts]]:
        """Which of these are refused, and on which facts."""
        ...


@dataclass(slots=True)
class _Asked:
    """What the journal says of the batch's people: their numbers, who is being erased, who agreed to what, and who is being asked."""

    numbers: dict[tuple[str, Identifier], int]
    hidden: frozenset[int]
    agreed: dict[str, Admitted]
    waiting: dict[str, Mapping[int, datetime]]


class Door:
    """The door of one policy."""

    def __init__(self, policy: Policy, ledger: Ledger, tombstones: Tombstones, clock: Clock) -> None:
        """Ask these; used by one thread, as the register is."""
        self._policy = policy
        self._ledger = ledger
        self._tombstones = tombstones
        self._clock = clock

    def admit(self, batch: Sequence[Arrival]) -> list[Verdict]:
        """One verdict per record, in order.

        Raises:
            JournalUnavailable, EvidenceError: the ledger or the register can't be asked; nothing may be stored then.
        """
        known: _Rules = {}
        rules = [self._rule(one, known) for one in batch]
        stones = self._tombstones.match({held for one, rule in zip(batch, rules, strict=True) if rule.why is None for held in _named(one)})
        asked = self._ask(batch, rules)
        now = self._clock.now()
        return [self._verdict(one, rule, stones, asked, now) for one, rule in zip(batch, rules, strict=True)]

    def _rule(self, one: Arrival, known: _Rules) -> Rule:
        place = (one.kind, one.collection, one.category, one.purpose)
        if place not in known:
            known[place] = rule_for(self._policy, one)
        rule = known[place]
        key = self._policy.catalog.kinds[rule.kind].key if rule.why is None else ""
        if rule.why is None and (not one.identifiers or one.identifiers[0].type != key or not one.identifiers[0].value):
            return Rule(Why.UNATTRIBUTED if one.kind is None else Why.UNNAMED)
        return rule

    def _ask(self, batch: Sequence[Arrival], rules: Sequence[Rule]) -> _Asked:
        """Every question to the journal, each once for all whom it concerns."""
        keys: dict[str, dict[Identifier, None]] = {}
        needed: dict[str, set[tuple[str, Identifier]]] = {}
        for one, rule in zip(batch, rules, strict=True):
            if rule.why is None:
                keys.setdefault(rule.kind, {})[one.identifiers[0]] = None
                if rule.matter is not None:
                    needed.setdefault(str(rule.matter), set()).add((rule.kind, one.identifiers[0]))
        numbers = {(kind, key): number for kind, held in keys.items() for key, number in self._ledger.known(kind, list(held)).items()}
        hidden = frozenset(self._ledger.being_erased(set(numbers.values())) if numbers else ())
        agreed: dict[str, Admitted] = {}
        waiting: dict[str, Mapping[int, datetime]] = {}
        for matter, people in needed.items():
            wanted = {numbers[one] for one in people if one in numbers}
            agreed[matter] = self._ledger.admits(wanted, matter)
            without = wanted - agreed[matter].subjects
            waiting[matter] = self._ledger.asked(without, matter) if without else {}
        return _Asked(numbers, hidden, agreed, waiting)

    def _verdict(self, one: Arrival, rule: Rule, stones: Mapping[Identifier, Sequence[Facts]], asked: _Asked, now: datetime) -> Verdict:
        if rule.why is not None:
            return Verdict(rule.why, rule.kind)
        if any(_refuses(facts, held, one) for held in _named(one) for facts in stones.get(held, ())):
            return Verdict(Why.TOMBSTONED, rule.kind)
        number = asked.numbers.get((rule.kind, one.identifiers[0]))
        if number in asked.hidden:
            return Verdict(Why.HIDDEN, rule.kind)
        ends = rule.ends(one.captured_at, now)
        if is_past(ends, now):
            return Verdict(Why.PAST_TERM, rule.kind, ends)
        if rule.matter is not None:
            refused = self._without_consent(str(rule.matter), number, asked, now)
            if refused is not None:
                return replace(refused, kind=rule.kind)
        return Verdict(None, rule.kind, ends)

    def _without_consent(self, matter: str, number: int | None, asked: _Asked, now: datetime) -> Verdict | None:
        """Why the matter is not agreed to; ``None``: it is."""
        held = asked.agreed[matter]
        if not held.is_fresh(now):
            return Verdict(Why.STALE)
        if number is None or number not in held.subjects:
            since = asked.waiting[matter].get(number) if number is not None else None
            return Verdict(Why.NO_CONSENT) if since is None else Verdict(Why.ASKED, until=since + self._policy.notices.contact_kept)
        return None


def _named(one: Arrival) -> tuple[Identifier, ...]:
    """Everything by which a tombstone may know the record: its subject's identifiers, and itself."""
    return (*one.identifiers, Identifier(ITEM, f"{one.collection}/{one.key}")) if one.key else one.identifiers


def _refuses(facts: Facts, held: Identifier, one: Arrival) -> bool:
    """Whether a tombstone speaks of the record.

    One of a person speaks of what was captured before it was laid (docs/adr/0009-replay.md): who came back, or goes on after a narrow
    erasure, keeps what is new. One of a record speaks of it for ever.
    """
    if held.type == ITEM:
        return True
    return replace(facts, captured_before=facts.captured_before or facts.laid_at).covers(one.category, one.captured_at)
