"""The claims check on the live estate: what controls ask, answered by the rooms, and the incidents that follow."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property

from expunge.app.idling import standing
from expunge.app.ingesting import Arrival, door
from expunge.app.library import Expunge
from expunge.app.retaining import outlook
from expunge.erase.context import Sight, look
from expunge.errors import BadProof, EvidenceError, InvalidRequest, PolicyError, StoreError
from expunge.journal.letters import UNDELIVERED
from expunge.journal.records import RunStatus
from expunge.policy.catalog import CollectionNote, Problem
from expunge.policy.model import Policy, Term
from expunge.policy.publishing import Claim
from expunge.policy.retention import kinds
from expunge.policy.taxonomy import covers, personal
from expunge.program.claims import Checked, check_claims, control_of
from expunge.program.estate import Act, IdleState, Overdue, Post, Requests
from expunge.program.findings import Verdict
from expunge.retain.rules import Rule, make_rules
from expunge.stores.base import Reader
from expunge.terms import Identifier, Scope, Verb

RECEIPTS = 20
"""Of the latest receipts so many are checked: a forged or damaged one is no less seldom than that an audit of the log would tell it."""

INCIDENT = "claim"


class LiveEstate:
    """A ``program.estate.Estate`` on an open library; what it asked once it knows for as long as it lives."""

    def __init__(self, library: Expunge) -> None:
        """Ask nothing yet."""
        self._library = library
        self._rooms = library.rooms
        self._sights: dict[str | None, Sight] = {}
        self._overdue: dict[datetime, tuple[Overdue, ...]] = {}

    @property
    def policy(self) -> Policy:
        """The policy."""
        return self._rooms.policy

    def now(self) -> datetime:
        """The time when the look began."""
        return self._began

    @cached_property
    def _began(self) -> datetime:
        return self._rooms.clock.now()

    def away(self) -> Mapping[str, str]:
        """Stores that don't say what they are."""
        return self._away

    @cached_property
    def _away(self) -> Mapping[str, str]:
        away = {}
        for name in self.policy.catalog.stores:
            try:
                self._rooms.stores[name].describe()
            except StoreError as fault:
                away[name] = fault.code
        return away

    def troubles(self) -> Sequence[Problem]:
        """What ``policy check`` would refuse."""
        return self._troubles

    @cached_property
    def _troubles(self) -> Sequence[Problem]:
        try:
            sight = self._sight(None)
        except PolicyError as fault:
            return [Problem(fault.code, fault.where or "policy", fault.message)]
        return [one for one in make_rules(self.policy, sight.held).problems if one.severity == "error"]

    def acts(self, kind: str | None, category: str | None) -> Sequence[Act]:
        """A dry run's acts on the collections that hold what is asked about."""
        sight = self._sight(category)
        found = []
        for address, note in self.policy.catalog.collections.items():
            owners = kinds(sight.held, address)
            if _holds(note, category) and (kind is None or kind in owners or (not owners and category is not None)):
                found.append(self._act(sight, note))
        return found

    def unreadable(self, kind: str | None) -> Sequence[str]:
        """Collections in stores that can't be read record by record."""
        closed = {name for name in self.policy.catalog.stores if not isinstance(self._rooms.stores[name], Reader)}
        return [one.collection for one in self.acts(kind, None) if self.policy.catalog.collections[one.collection].store in closed]

    def undeclared(self) -> Mapping[str, int]:
        """As ``policy check`` counts them."""
        return {store: one.collections for store, one in self._sight(None).not_listed.items()}

    def overdue(self, at: datetime) -> Sequence[Overdue]:
        """What a sweep at ``at`` would end."""
        if at not in self._overdue:
            due = outlook(self._rooms, at).due
            self._overdue[at] = tuple(
                Overdue(one.rule.collection, one.rule.kind, self._categories(one.rule), one.records, one.first)
                for one in due
                if one.records
            )
        return self._overdue[at]

    def undated(self) -> Mapping[str, int]:
        """As a sweep counts them."""
        return self._undated

    @cached_property
    def _undated(self) -> Mapping[str, int]:
        return outlook(self._rooms, self.now()).undated

    def holds(self) -> int:
        """How many stand."""
        return len(self._rooms.journal.standing_holds())

    def requests(self) -> Requests:
        """Counted in the journal; the latest receipts are checked as a stranger would."""
        return self._requests

    @cached_property
    def _requests(self) -> Requests:
        journal = self._rooms.journal
        tally, paths = journal.request_tally(), journal.latest_receipts(RECEIPTS)
        bad = 0
        for path in paths:
            try:
                self._library.verify(path)
            except (BadProof, EvidenceError, OSError):
                bad += 1
        return Requests(tally.total, tally.oldest_open, len(journal.runs(RunStatus.INCOMPLETE)), len(paths), bad)

    def incidents(self) -> Mapping[str, int]:
        """Open ones, by kind."""
        return Counter(one.kind for one in self._rooms.journal.incidents(open_only=True))

    def post(self) -> Post:
        """Counted in the journal."""
        counts = self._rooms.journal.letter_counts()
        return Post(sum(counts.values()), sum(counts.get(one, 0) for one in UNDELIVERED), self._rooms.journal.oldest_waiting_letter())

    def idle(self) -> Sequence[IdleState]:
        """As `expunge idle` tells them."""
        return [IdleState(one.kind, sum(one.states.values()), one.next_end) for one in standing(self._library)]

    def unconsented(self, kind: str) -> Sequence[str] | None:
        """Terms under which the door would take in a record of a child whom nobody has heard of."""
        stranger = (Identifier(self.policy.catalog.kinds[kind].key, secrets.token_hex(16)),)
        held = self._sight(None).held
        probes: list[tuple[Term, Arrival]] = []
        for term in (one for one in self.policy.terms if one.of == kind):
            for address, note in self.policy.catalog.collections.items():
                inside = personal(each for field in note.fields.values() for each in field.categories)
                category = next((one for one in inside if term.covers(kind, one)), None)
                if category is not None and kind in kinds(held, address):
                    probes.append((term, Arrival(kind, stranger, address, category, term.purpose, self.now())))
        verdicts = door(self._library).admit([arrival for _, arrival in probes])
        open_ = [str(term.mark) for (term, _), verdict in zip(probes, verdicts, strict=True) if verdict.admitted]
        return list(dict.fromkeys(open_)) if probes else None

    def oldest_asking(self) -> tuple[int, datetime | None]:
        """Counted in the journal."""
        return self._rooms.journal.asking_tally()

    def _sight(self, category: str | None) -> Sight:
        if category not in self._sights:
            self._sights[category] = look(self._rooms, Scope(categories=(category,) if category else ()))
        return self._sights[category]

    def _categories(self, rule: Rule) -> tuple[str, ...]:
        """What ends by a rule: its term's category, and what else lies in the fields, or in the record, that end with it."""
        note = self.policy.catalog.collections[rule.collection]
        held = personal(each for field in note.fields.values() if not rule.fields or field.name in rule.fields for each in field.categories)
        return tuple(dict.fromkeys((rule.term.category, *(() if rule.follows else held))))

    def _act(self, sight: Sight, note: CollectionNote) -> Act:
        acts = sight.plan.acts_on(note.address)
        if note.verb is Verb.KEEP:
            return Act(note.address, Verb.KEEP.value, note.keep.basis if note.keep else "it is declared to be kept")
        if not acts:
            return Act(note.address, "nothing", sight.plan.untouched.get(note.address, "no act of the plan is on it"))
        return Act(note.address, acts[0].method.value if acts[0].method else acts[0].what)


def check(library: Expunge, claims: Iterable[Claim]) -> list[Checked]:
    """Run these claims' controls against the live stores. Reads only."""
    return check_claims(claims, LiveEstate(library))


def check_policy_claims(library: Expunge, number: int | None = None) -> list[Checked]:
    """The policy's claims (or the one of that number, from 1), with their incidents: a broken one opens its own, one that holds closes it.

    Raises:
        InvalidRequest: the policy has no claim of that number.
    """
    claims = library.policy.claims
    if number is not None and not 1 <= number <= len(claims):
        raise InvalidRequest(f"the policy has {len(claims)} claims, and none of number {number}")
    checked = check(library, claims if number is None else claims[number - 1 : number])
    for one in checked:
        _settle(library, one)
    return checked


def _settle(library: Expunge, one: Checked) -> None:
    """What was not checked neither opens nor closes: only the control that failed, passing, is an end."""
    journal, control = library.rooms.journal, control_of(one.claim)
    if one.is_broken:
        due = library.rooms.clock.now() + one.claim.within
        places = f" ({', '.join(one.finding.places[:5])})" if one.finding.places else ""
        note = f'"{one.claim.says}" does not hold, says {one.claim.control}: {one.finding.evidence}{places}'
        journal.open_incident(INCIDENT, control, owner=one.claim.owner, due=due, note=note)
    elif one.finding.verdict is Verdict.HOLDS:
        journal.passed(control)


def _holds(note: CollectionNote, category: str | None) -> bool:
    held = personal(each for field in note.fields.values() for each in field.categories)
    return any(category is None or covers(category, one) for one in held)


__all__ = ["Checked", "LiveEstate", "Verdict", "check", "check_policy_claims", "control_of"]
