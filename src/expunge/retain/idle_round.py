"""One round over children's profiles: find the unused, tell their guardians, see who came back, end what is due. Durable and repeatable.

Each round goes through the stores once for what is unused now, and then through the journal's open profiles, a page at a time. Stopped
anywhere, the next round does the same again: what was found is found again, a letter posted twice is one letter, an erasure filed twice is
one request. A step is in the evidence log before its effect is in the journal: counts, and a salted commitment per child, so that it can be
shown for one child while that child's key lives, and for nobody afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from expunge.evidence.commitments import commitment
from expunge.journal.idles import IdleRow
from expunge.journal.letters import UNDELIVERED, LetterNote
from expunge.ports import Clock, Letter, Outbox, Sealer
from expunge.retain import idle
from expunge.retain.idle import Idle, State
from expunge.retain.idle_rule import IdleRule
from expunge.retain.idle_search import Profile, addresses, state_of, unused
from expunge.stores.base import Store
from expunge.stores.values import key_text
from expunge.terms import Identifier, Json

LETTER = "idle-profile"
"""The letter's template."""

AGAIN = timedelta(days=7)
"""How long after letters that reached nobody others are tried: an address may have been mended."""

SPACE = "subject"


class Shelf(Protocol):
    """The journal, as a round needs it."""

    def register(self, kind: str, people: Sequence[Sequence[Identifier]]) -> list[int]:
        """Dense numbers of these people."""
        ...

    def put_idle(self, rows: Sequence[IdleRow]) -> None:
        """Write rows with their keys."""
        ...

    def set_idle(self, rows: Sequence[IdleRow]) -> None:
        """Write states and times."""
        ...

    def idle(self, states: Collection[str]) -> Iterable[list[IdleRow]]:
        """Pages of rows in these states."""
        ...

    def idle_of(self, numbers: Collection[int]) -> dict[int, IdleRow]:
        """The rows of these people."""
        ...

    def letters_by_key(self, keys: Sequence[str]) -> dict[str, LetterNote]:
        """What became of letters."""
        ...


@dataclass(frozen=True, slots=True)
class Hands:
    """What a round works with.

    ``say`` puts a statement into the evidence log; ``file`` files the erasure of everything of these keys of a kind, once.
    """

    stores: Mapping[str, Store]
    journal: Shelf
    keys: Sealer
    clock: Clock
    outbox: Outbox
    say: Callable[[Mapping[str, Json]], None]
    file: Callable[[str, Sequence[str]], None]


Tally = Counter[str]
"""How many profiles took which step in a round; ``unreachable`` are those whom nobody could be told of."""


def preview(hands: Hands, rule: IdleRule) -> Tally:
    """What a round would find and end now. Nothing is written, nobody is told."""
    now = hands.clock.now()
    tally: Tally = Counter()
    for page in unused(hands.stores, rule, now):
        tally["unused"] += len(page)
    for rows in hands.journal.idle([one.value for one in idle.OPEN]):
        mine = [row for row in rows if row.kind == rule.kind]
        tally.update(row.state for row in mine)
        tally["ending"] += sum(1 for row in mine if _is_due(row, rule, now))
    return tally


def go_round(hands: Hands, rule: IdleRule) -> Tally:
    """One round for one kind of minor.

    Raises:
        StoreError, KeyStoreError, EvidenceError: the next round goes on.
    """
    now = hands.clock.now()
    tally: Tally = Counter()
    for page in unused(hands.stores, rule, now):
        _find(hands, rule, page, now, tally)
    for rows in hands.journal.idle([one.value for one in idle.OPEN]):
        mine = [row for row in rows if row.kind == rule.kind]
        if mine:
            _meet(hands, rule, mine, now, tally)
    return tally


def keep(hands: Hands, rule: IdleRule, number: int) -> datetime:
    """The guardian asks to keep a profile; until when it is kept (UTC).

    Raises:
        OutOfOrder: no end of it is under way.
    """
    now = hands.clock.now()
    row = hands.journal.idle_of([number]).get(number)
    if row is None:
        raise idle.OutOfOrder("the profile is not among the unused")
    done = idle.kept(_idle(row), now, rule.lengths)
    _say(hands, rule, "kept", [row], now)
    hands.journal.set_idle([_written(row, done)])
    assert done.kept_until is not None
    return done.kept_until


def _find(hands: Hands, rule: IdleRule, page: Sequence[Profile], now: datetime, tally: Tally) -> None:
    """Write down those that are unused and not known as such."""
    if not page:
        return
    numbers = hands.journal.register(rule.kind, [[Identifier(rule.identity, one.key)] for one in page])
    known = hands.journal.idle_of(numbers)
    settled = {State.ACTIVE.value, State.GONE.value}
    fresh = {number: one for number, one in zip(numbers, page, strict=True) if number not in known or known[number].state in settled}
    if not fresh:
        return
    hands.keys.make(SPACE, sorted(fresh))
    rows = []
    for number, one in sorted(fresh.items()):
        found = idle.found(number, now, one.last_use, rule.lengths)
        rows.append(IdleRow(number, rule.kind, one.key, found.state.value, found.found_at, found.since))
    _say(hands, rule, "found", rows, now)
    hands.journal.put_idle(rows)
    tally["found"] += len(rows)


def _meet(hands: Hands, rule: IdleRule, rows: Sequence[IdleRow], now: datetime, tally: Tally) -> None:
    """Take every open profile of a page one step on."""
    keyed = {key_text(row.key): row for row in rows if row.key is not None}
    busy, there = state_of(hands.stores, rule, list(keyed), now)
    alive = set(hands.keys.salts(SPACE, [row.number for row in rows]))
    over = {row.number: idle.gone for row in rows if row.number not in alive}
    over |= {row.number: idle.gone for key, row in keyed.items() if key not in there}
    over |= {row.number: idle.used for key, row in keyed.items() if key in busy}
    changed = {row.number: over[row.number](_idle(row)) for row in rows if row.number in over}
    _settle(hands, rule, rows, changed, now, tally)
    left = [row for key, row in keyed.items() if row.number not in over and key in there]
    left = [*_again(hands, rule, left, now, tally), *(row for row in left if not idle.due_again(_idle(row), now))]
    left = _returned(hands, rule, left, now, tally)
    left = _tell(hands, rule, left, {key: there[key] for key in there}, now, tally)
    _end(hands, rule, [row for row in left if _is_due(row, rule, now)], now, tally)


def _settle(
    hands: Hands, rule: IdleRule, rows: Sequence[IdleRow], changed: Mapping[int, Idle], now: datetime, tally: Tally
) -> list[IdleRow]:
    """Write these changes down, in the log first; the rows as they are now."""
    by = {row.number: row for row in rows}
    done = [_written(by[number], one) for number, one in changed.items()]
    for state in sorted({one.state for one in changed.values()}):
        some = [row for row in done if row.state == state.value]
        _say(hands, rule, state.value, some, now)
        tally[state.value] += len(some)
    if done:
        hands.journal.set_idle(done)
    return done


def _again(hands: Hands, rule: IdleRule, rows: Sequence[IdleRow], now: datetime, tally: Tally) -> list[IdleRow]:
    """Kept ones whose further term has run out begin anew."""
    due = [row for row in rows if idle.due_again(_idle(row), now)]
    anew = [_written(row, idle.again(_idle(row), now)) for row in due]
    if anew:
        _say(hands, rule, "found", anew, now)
        hands.journal.put_idle(anew)
        tally["found"] += len(anew)
    return anew


def _returned(hands: Hands, rule: IdleRule, rows: Sequence[IdleRow], now: datetime, tally: Tally) -> list[IdleRow]:
    """Take back that somebody was told where every letter came back."""
    told = [row for row in rows if row.state == State.TOLD.value]
    letters = hands.journal.letters_by_key([key for row in told for key in _letter_keys(rule, row)])
    back = {}
    for row in told:
        mine = [letters[key].state for key in _letter_keys(rule, row) if key in letters]
        if mine and all(state in UNDELIVERED for state in mine):
            back[row.number] = idle.returned(_idle(row))
    changed = {row.number: row for row in _settle(hands, rule, told, back, now, tally)}
    tally["returned"] += len(back)
    tally[State.INACTIVE.value] -= len(back)  # told as what it is: returned
    return [changed.get(row.number, row) for row in rows]


def _tell(
    hands: Hands, rule: IdleRule, rows: Sequence[IdleRow], there: Mapping[str, Profile], now: datetime, tally: Tally
) -> list[IdleRow]:
    """Write to the guardians of those of whom nobody was told; a letter for every channel."""
    untold = [row for row in rows if row.state == State.INACTIVE.value and not _is_due(row, rule, now)]
    guardians = {row.number: there[key_text(row.key)].guardian for row in untold if row.key is not None}
    wanted = {key for key in guardians.values() if key is not None}
    reached = addresses(hands.stores, rule.guardian, wanted) if rule.guardian is not None and wanted else {}
    letters: list[Letter] = []
    told: dict[int, Idle] = {}
    for row in untold:
        guardian = guardians.get(row.number)
        ways = reached.get(key_text(guardian), []) if guardian is not None else []
        one = idle.told(_idle(row), now) if ways else None
        if one is None or row.key is None:
            tally["unreachable"] += 1
            continue
        told[row.number] = one
        written = _letters(rule, _written(row, one), one, there[key_text(row.key)], ways)
        letters += written
    known = hands.journal.letters_by_key([one.key for one in letters])
    lost = {one.about for one in letters if one.key in known and known[one.key].state in UNDELIVERED}
    lost -= {one.about for one in letters if one.key not in known or known[one.key].state not in UNDELIVERED}
    tally["unreachable"] += len(lost)
    hands.outbox.post([one for one in letters if one.about not in lost])
    reachable = {number: one for number, one in told.items() if number not in lost}
    changed = {row.number: row for row in _settle(hands, rule, untold, reachable, now, tally)}
    return [changed.get(row.number, row) for row in rows]


def _end(hands: Hands, rule: IdleRule, rows: Sequence[IdleRow], now: datetime, tally: Tally) -> None:
    """File the erasure of everything collected from these children."""
    if not rows:
        return
    ended = [_written(row, idle.ending(_idle(row), now, rule.lengths)) for row in rows]
    _say(hands, rule, State.ENDING.value, ended, now)
    hands.file(rule.kind, [str(row.key) for row in rows])
    hands.journal.set_idle(ended)
    tally[State.ENDING.value] += len(ended)


def _letters(rule: IdleRule, row: IdleRow, one: Idle, child: Profile, ways: Sequence[tuple[str, Identifier]]) -> list[Letter]:
    ends = one.ends_at(rule.lengths)
    assert ends is not None
    fields = {
        "child": child.name or "your child",
        "unused": _months(rule.lengths.idle_after),
        "ends": f"{ends:%d %B %Y}",
    }
    keys = dict(zip(_ways(rule), _letter_keys(rule, row), strict=True))
    made = []
    for channel, to in ways:
        assert channel in ("email", "text")
        made.append(Letter(to, "email" if channel == "email" else "text", LETTER, fields, row.number, keys[to.type]))
    return made


def _ways(rule: IdleRule) -> list[str]:
    return [identity for _, identity, _ in rule.guardian.reach] if rule.guardian is not None else []


def _letter_keys(rule: IdleRule, row: IdleRow) -> list[str]:
    """One per way of reaching the guardian; new ones ``AGAIN`` after those that reached nobody."""
    attempt = ((row.told_at or row.found_at) - row.found_at) // AGAIN
    return [f"idle:{row.number}:{row.found_at.isoformat()}:{attempt}:{identity}" for identity in _ways(rule)]


def _say(hands: Hands, rule: IdleRule, step: str, rows: Sequence[IdleRow], now: datetime) -> None:
    """Into the log: which step, of how many, and a commitment to each that dies with the child's key."""
    salts = hands.keys.salts(SPACE, [row.number for row in rows])
    named: list[Json] = [
        commitment(salts[row.number], Identifier(rule.identity, row.key), f"idle:{step}")
        for row in rows
        if row.number in salts and row.key is not None
    ]
    hands.say({"step": step, "kind": rule.kind, "profiles": len(rows), "at": now.isoformat(), "commitments": sorted(named, key=str)})


def _is_due(row: IdleRow, rule: IdleRule, now: datetime) -> bool:
    due = _idle(row).ends_at(rule.lengths)
    return due is not None and due <= now


def _months(length: timedelta) -> str:
    months = length.days // 30  # a policy's month (quantities.UNITS)
    return f"{months} months" if months > 1 else f"{length.days} days"


def _idle(row: IdleRow) -> Idle:
    return Idle(row.number, State(row.state), row.found_at, row.since, row.told_at, row.kept_until)


def _written(row: IdleRow, one: Idle) -> IdleRow:
    return replace(row, state=one.state.value, found_at=one.found_at, since=one.since, told_at=one.told_at, kept_until=one.kept_until)
