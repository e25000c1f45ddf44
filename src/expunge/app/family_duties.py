"""What follows from a no, a lapse or an end: the narrow erasures, the confirmations, and the proof that evidence was destroyed.

Everything here may be begun again after a crash: what is owed is in the journal before it is done, and a second filing of the same meets
the first. Erasures go through the library like every other request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from expunge.app.library import Expunge
from expunge.erase.intake import INCIDENT_CLOCK, Started
from expunge.errors import ExpungeError, UnknownSubject
from expunge.evidence.receipts import make_entry
from expunge.journal.askings import Asking
from expunge.journal.consent_states import Event, is_given, may
from expunge.journal.consents import Duty, Word
from expunge.journal.letters import UNDELIVERED, LetterState
from expunge.policy.matters import Matter, kept_for, matters
from expunge.terms import Json, Scope

EVIDENCE = "consent-evidence/1"
"""The log's entry that what verified a guardian, or was kept only to ask, is destroyed."""

CONTROL = "consent:erasures"
"""The control that a no leads to an erasure: it passes when none is waiting to be filed."""
OWNER = "privacy engineer"

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)
"""Between tries to file an erasure: soon, for a no acts within seconds, and not so often that a store that is away is asked for nothing."""

_ARRIVED = (LetterState.SENT, LetterState.DELIVERED)


@dataclass(slots=True)
class Settled:
    """What one round did: yeses that were confirmed, askings that lapsed, yeses whose time was over, erasures filed, proofs logged.

    ``waiting`` duties could not be filed now (a store is away, a plan is in trouble); they stay, and an incident is open.
    ``runs`` are the runs that were started.
    """

    confirmed: int = 0
    lapsed: int = 0
    expired: int = 0
    filed: int = 0
    proven: int = 0
    waiting: int = 0
    runs: list[str] = field(default_factory=list)


def letter_key(asking_id: str, step: str) -> str:
    """The key by which a letter of an asking is one letter however often it is posted."""
    return f"consent/{asking_id}/{step}"


def settle_askings(library: Expunge, settled: Settled) -> None:
    """Confirm what was answered and whose confirmation went out; let lapse what nobody answered, or what could not be confirmed."""
    journal, now = library.rooms.journal, library.rooms.clock.now()
    over = journal.open_askings()
    letters = journal.letters_by_key([letter_key(one.id, "confirm") for one in over if one.confirm_at is not None])
    for one in over:
        letter = letters.get(letter_key(one.id, "confirm"))
        state = letter.state if letter is not None else None
        if one.confirm_at is not None and one.confirm_at <= now and state in _ARRIVED:
            end(library, one, given_words(library, one, agreed(one)), "given")
            settled.confirmed += 1
        elif one.due <= now or state in UNDELIVERED:
            end(library, one, lapsed_words(library, one), "lapsed" if state not in UNDELIVERED else "unconfirmed")
            settled.lapsed += 1


def agreed(asking: Asking) -> tuple[str, ...]:
    """The matters to which the guardian said yes when they answered."""
    held = asking.held["yes"] if asking.held is not None else ()
    return tuple(str(one) for one in held) if isinstance(held, Sequence) else ()


def given_words(library: Expunge, asking: Asking, yes: Sequence[str], method: str | None = None) -> list[Word]:
    """The yeses to these matters, as far as they still wait for one: a no that came meanwhile stands."""
    lasts = library.policy.family.lasts
    until = library.rooms.clock.now() + lasts if lasts is not None else None
    return [_word(asking, one, Event.GIVEN, method, until=until) for one in _waiting(library, asking, Event.GIVEN) if one in yes]


def lapsed_words(library: Expunge, asking: Asking) -> list[Word]:
    """The ends of what was asked and not answered."""
    return [_word(asking, one, Event.LAPSED) for one in _waiting(library, asking, Event.LAPSED)]


def refused_words(library: Expunge, asking: Asking, yes: Sequence[str]) -> list[Word]:
    """The noes to what was asked beside what was agreed to."""
    return [_word(asking, one, Event.WITHDRAWN) for one in _waiting(library, asking, Event.GIVEN) if one not in yes]


def _waiting(library: Expunge, asking: Asking, event: Event) -> list[str]:
    """The matters whose threads still stand where this asking left them, and to which the event can happen."""
    held = {one.word.matter: one for one in library.rooms.journal.consents([asking.subject]) if one.word.guardian == asking.guardian}
    return [one for one in asking.matters if one in held and held[one].word.asking == asking.id and may(held[one].thread, event)]


def _word(asking: Asking, matter: str, event: Event, method: str | None = None, **more: object) -> Word:
    words = {"wording": asking.wording, "wording_digest": asking.wording_digest, "method": method or asking.method, **more}
    return Word(asking.subject, matter, asking.guardian, event, asking=asking.id, **words)  # type: ignore[arg-type]  # its own fields by name


def end(library: Expunge, asking: Asking, words: Sequence[Word], outcome: str, evidence: bytes | None = None, by: str = "time") -> None:
    """Record these words, then end the asking and destroy what it needed: stopped in between, the next round ends it without words."""
    held = asking.held["evidence"] if asking.held is not None and "evidence" in asking.held else None
    library.rooms.journal.record_consents(words, by=by)
    library.rooms.journal.end_asking(asking.id, outcome, evidence if held is None else bytes.fromhex(str(held)))


def prove(library: Expunge, settled: Settled | None = None) -> None:
    """Say in the evidence log of every asking that ended that what it needed is destroyed; destroy it first where a crash left it."""
    rooms = library.rooms
    over = [one if one.destroyed_at is not None else rooms.journal.end_asking(one.id, "lapsed") for one in rooms.journal.unproven_askings()]
    if not over:
        return
    entries = [make_entry(EVIDENCE, _statement(one), rooms.executor, rooms.verifier) for one in over]
    rooms.journal.askings_proven(dict(zip((one.id for one in over), rooms.log.append(entries), strict=True)))
    if settled is not None:
        settled.proven += len(over)


def _statement(asking: Asking) -> dict[str, Json]:
    assert asking.destroyed_at is not None
    return {
        "asking": asking.id,
        "method": asking.method,
        "outcome": asking.outcome,
        "evidence": asking.evidence.hex() if asking.evidence is not None else None,
        "wording": asking.wording_digest,
        "destroyed_at": asking.destroyed_at.isoformat(),
    }


def carry_out(library: Expunge, duties: Sequence[Duty], settled: Settled, *, requester: str = "parent") -> None:
    """File the erasures that are owed: one call for all who owe the same categories."""
    groups: dict[tuple[str, ...], list[Duty]] = {}
    done: dict[int, tuple[str, str | None]] = {}
    for duty in duties:
        categories = _owed(library, duty)
        if duty.subject_text is None:
            done[duty.id] = ("gone", None)
        elif not categories:
            done[duty.id] = ("nothing is kept for it alone", None)
        else:
            groups.setdefault(categories, []).append(duty)
    for categories, group in groups.items():
        texts = [str(one.subject_text) for one in group]
        try:
            started = library.request(texts, Scope(categories), requester=requester, authority=_authority(group), by="consent ledger")
        except UnknownSubject:
            done |= {one.id: ("nothing-found", None) for one in group}
        except ExpungeError as fault:  # what can't be planned now must not keep others waiting; somebody has to look
            settled.waiting += len(group)
            library.rooms.journal.duties_failed([one.id for one in group], FIRST_WAIT, LONGEST_WAIT)
            due = library.rooms.clock.now() + INCIDENT_CLOCK
            library.rooms.journal.open_incident(fault.code, CONTROL, owner=OWNER, due=due, note=str(fault))
        else:
            done |= _outcomes(group, started)
            settled.runs += [run.id for run in started.runs]
    if done and not settled.waiting:
        library.rooms.journal.passed(CONTROL)
    settled.filed += sum(outcome == "filed" for outcome, _ in done.values())
    library.rooms.journal.duties_done(done)


def _authority(group: Sequence[Duty]) -> str:
    return "consent " + ", ".join(sorted({one.why.value for one in group}))


def _outcomes(group: Sequence[Duty], started: Started) -> dict[int, tuple[str, str | None]]:
    found = {}
    for place, duty in enumerate(group):
        request = started.requests[place]
        outcome = started.outcomes.get(place, "filed")
        found[duty.id] = ("nothing-found" if outcome == "unknown" else outcome, request.id if request is not None else None)
    return found


def _owed(library: Expunge, duty: Duty) -> tuple[str, ...]:
    """The categories that have to go: of a lapse what was kept only to ask, else what is kept only for what is not agreed to."""
    policy = library.policy
    kind = (duty.subject_text or "").partition(":")[0]
    if kind not in policy.catalog.kinds:
        return ()
    threads = library.rooms.journal.consents([duty.subject])
    given = {
        matter for matter in {one.word.matter for one in threads} if is_given(one.thread for one in threads if one.word.matter == matter)
    }
    if duty.why is Event.LAPSED:
        asking = policy.family.asking
        return () if asking is None or given else kept_for(policy, kind, [Matter(asking)]).alone
    refused = [Matter.parse(one) for one in duty.matters if one not in given]
    without = [one for one in matters(policy, kind) if str(one) not in given]
    return kept_for(policy, kind, refused, without).alone
