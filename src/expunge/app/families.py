"""The words of families: ask a guardian, take the answer, take a yes back, and show what was agreed.

What the journal keeps names nobody but by number; who is whose is read from the stores when it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from expunge.app.family_duties import (
    Settled,
    agreed,
    carry_out,
    end,
    given_words,
    lapsed_words,
    letter_key,
    prove,
    refused_words,
    settle_askings,
)
from expunge.app.family_views import Agreed, Household, agreement, household
from expunge.app.item_claims import claim, erase_due
from expunge.app.kin import Kin, Person, remembered, require_guardian
from expunge.app.library import Expunge
from expunge.errors import InvalidRequest, PolicyError, StoreError
from expunge.family.age_screen import Age, answer, remembers, screen
from expunge.family.asked import Wording, wording
from expunge.family.methods import Message, Opening, Outcome, Provider, Result, method, methods, next_questions
from expunge.journal.askings import Asking
from expunge.journal.consent_states import Event, State, Thread, may
from expunge.journal.consents import Admitted, Word
from expunge.journal.desk import fresh_id
from expunge.journal.households import Guardianship, ItemClaim
from expunge.policy.matters import discloses, require_matters
from expunge.ports import Letter
from expunge.terms import Identifier, Json

ASKED_WITHIN, MOST_ASKED, MOST_FAILED = timedelta(days=7), 10, 3
"""Three failed askings a week keep the chance of guessing through all of them below one in five hundred; ten messages are no flood."""

FARTHEST_WEST = timedelta(hours=12)
"""Where the day begins last (UTC-12): who is under age anywhere today is taken for it, since nobody asks where they are."""

OWN = "own word"
"""The method of somebody who decides for themself: they were asked where they are signed in."""


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """An asking that began: its id, the words that it asks about, and what the guardian is to be shown now."""

    id: str
    wording: Wording
    matters: tuple[str, ...]
    shown: Mapping[str, Json]

    def __repr__(self) -> str:
        """The id only."""
        return f"Asked({self.id!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Answered:
    """What an answer came to. ``because`` says why not; ``shown`` is the next question, if there is one."""

    id: str
    result: Result
    because: str = ""
    shown: Mapping[str, Json] = field(default_factory=dict[str, Json])

    def __repr__(self) -> str:
        """Id and result only."""
        return f"Answered({self.id!r}, {self.result.value!r})"


@dataclass(frozen=True, slots=True)
class Offered:
    """One method as it may be used for one kind of person; ``unfit`` says why not."""

    name: str
    clause: str
    unfit: str | None
    stand_in: bool


class Families:
    """The family words of one library."""

    def __init__(self, library: Expunge) -> None:
        """Speak for this one; it is used by one thread."""
        self._library = library
        self._rooms = library.rooms
        self._providers: dict[str, Provider] = {}

    def connect(self, name: str, provider: Provider) -> None:
        """Let somebody outside carry out a method that needs one (``card``, ``video-call`` …)."""
        self._providers[name] = provider

    def methods(self, kind: str) -> list[Offered]:
        """The methods that the policy lists, and whether each may be used for this kind of child."""
        held = methods(self._library.policy.family, self._providers)
        told = discloses(self._library.policy, kind)
        return [Offered(one.name, one.clause, one.unfit(told), getattr(one, "stand_in", False)) for one in held.values()]

    def ask(
        self,
        child: str,
        guardian: str,
        by_method: str,
        matters: Sequence[str] = (),
        *,
        to: Identifier | None = None,
        given: Mapping[str, Json] | None = None,
    ) -> Asked:
        """Ask a guardian for consent to these matters (all that are not agreed to or asked yet, if none is named).

        ``to`` is where they are written to, kept only to ask; ``given`` is what the method needs (a bank of questions).

        Raises:
            InvalidRequest: no such matter or method, one that may not be used here, or somebody who has no say.
            UnknownSubject, PolicyError, StoreError: as the stores say.
        """
        policy = self._library.policy
        ward, decider = self._pair(child, guardian)
        one = method(policy.family, by_method, self._providers)
        if why := one.unfit(discloses(policy, ward.kind)):
            raise InvalidRequest(why)
        wanted = require_matters(policy, ward.kind, matters)
        open_ = wanted if matters else tuple(each for each in wanted if self._may_ask(ward, decider, str(each)))
        if not open_:
            raise InvalidRequest("everything is agreed to already, or is being asked")
        self._require_patience(ward)
        words = wording(policy, ward.kind, open_)
        reference = fresh_id("ask")
        begun = one.begin(Opening(reference, words.text, to, policy.family.confirm_after, dict(given or {})))
        asking = self._rooms.journal.begin_asking(
            id_=reference,
            subject=ward.number,
            guardian=decider.number,
            matters=[str(each) for each in open_],
            method=f"{by_method} (stand-in)" if getattr(one, "stand_in", False) else by_method,
            wording=words.version,
            wording_digest=words.digest,
            due=self._rooms.clock.now() + policy.notices.contact_kept,
            held={"method": dict(begun.held), "to": [to.type, to.value] if to is not None else None, "kind": ward.kind},
        )
        events = [_word(asking, each, Event.ASKED) for each in asking.matters]
        try:
            self._rooms.journal.record_consents(events, by="operator", names={ward.number: ward.text})
        except InvalidRequest:  # somebody else asked meanwhile; what this asking would have needed goes at once
            self._rooms.journal.end_asking(reference, "void")
            prove(self._library)
            raise
        self._post(asking, begun.messages, "ask")
        return Asked(reference, words, asking.matters, begun.shown)

    def answer(self, asking_id: str, said: Mapping[str, Json], yes: Sequence[str] | None = None) -> Answered:
        """Take a guardian's answer. ``yes`` are the matters that they agree to, all if not given; the others are refused.

        Raises:
            UnknownRequest: no such asking.
            InvalidRequest: it has ended or waits for its confirmation, the answer is of another method's form, or ``yes`` names what was
                not asked.
        """
        asking = self._rooms.journal.asking(asking_id)
        if asking.ended_at is not None or asking.held is None or asking.due <= self._rooms.clock.now():
            raise InvalidRequest("the asking has ended; ask again", where=asking_id)
        if asking.confirm_at is not None:
            raise InvalidRequest("it was answered, and counts when the confirmation has gone out", where=asking_id)
        agreed_to = tuple(asking.matters if yes is None else yes)
        if yes is None and "yes" in asking.held:
            agreed_to = agreed(asking)
        if strange := sorted(set(agreed_to) - set(asking.matters)):
            raise InvalidRequest(f"{strange[0]} was not asked", where=asking_id)
        held = asking.held["method"]
        assert isinstance(held, Mapping)
        one = method(self._library.policy.family, asking.method.removesuffix(" (stand-in)"), self._providers)
        return self._took(asking, one.answer(held, said), agreed_to)

    def give(self, subject: str, matters: Sequence[str] = ()) -> tuple[str, ...]:
        """Record the yes of somebody who decides for themself, said where they are signed in; to which matters.

        Raises:
            InvalidRequest: a minor, whose guardian is asked; or no such matter.
        """
        who, _ = self._pair(subject, subject)
        policy = self._library.policy
        wanted = [str(one) for one in require_matters(policy, who.kind, matters)]
        open_ = [one for one in wanted if self._may_ask(who, who, one)]
        said = wording(policy, who.kind, require_matters(policy, who.kind, open_ or wanted))
        until = None if policy.family.lasts is None else self._rooms.clock.now() + policy.family.lasts
        told = (OWN, None, said.version, said.digest)
        words = [Word(who.number, one, who.number, Event.ASKED, *told) for one in open_]
        words += [Word(who.number, one, who.number, Event.GIVEN, *told, until) for one in open_]
        self._rooms.journal.record_consents(words, by="data subject", names={who.number: who.text})
        return tuple(open_)

    def withdraw(self, child: str, guardian: str, matters: Sequence[str] = ()) -> Settled:
        """Take a yes back, or say no before being asked: it holds from now, and what was kept for it alone is being erased.

        Raises:
            InvalidRequest: no such matter, or somebody who has no say.
            UnknownSubject, PolicyError, StoreError: the stores are needed to know who decides, and can't tell.
        """
        ward, decider = self._pair_even_so(child, guardian)
        wanted = require_matters(self._library.policy, ward.kind, matters)
        words = [Word(ward.number, str(one), decider.number, Event.WITHDRAWN) for one in wanted]
        self._rooms.journal.record_consents(words, by="guardian", names={ward.number: ward.text})
        settled = Settled()
        carry_out(self._library, self._rooms.journal.open_duties(ward.number), settled)
        return settled

    def settle(self) -> Settled:
        """Do what has come due: confirmations, lapses, ends, the erasures that follow from them, and the proofs. Idempotent."""
        settled = Settled()
        settle_askings(self._library, settled)
        settled.expired = self._rooms.journal.expire_consents()
        carry_out(self._library, self._rooms.journal.open_duties(), settled)
        erase_due(self._library, settled)
        prove(self._library, settled)
        return settled

    def guardian(self, child: str, guardian: str, *, evidence: str) -> Guardianship:
        """Record that somebody decides for a child, and how that was shown, in words that name nobody.

        Raises:
            InvalidRequest: the policy has no guardians of this kind of child, or no evidence is named.
        """
        ward, decider = Kin(self._rooms).people([child, guardian])
        kind = self._library.policy.catalog.kinds[ward.kind]
        if kind.guardian != decider.kind:
            raise InvalidRequest(f"the policy names no {decider.kind} as the guardian of a {ward.kind}")
        if any(held.value in evidence for one in (ward, decider) for held in one.identifiers if len(held.value) > len("2026")):
            raise InvalidRequest("the evidence is kept in plain words; don't name the person there")
        return self._rooms.journal.record_guardian(ward.number, decider.number, evidence=evidence)

    def end_guardian(self, child: str, guardian: str, *, because: str) -> Settled:
        """Record that somebody decides for a child no more: their word counts neither way, and a yes that was theirs alone ends.

        Raises:
            UnknownRequest: they are recorded nowhere as its guardian.
        """
        ward, decider = Kin(self._rooms).people([child, guardian])
        if not any(one.number == decider.number for one in Kin(self._rooms).guardians([ward])[ward.number]):
            self._rooms.journal.end_guardian(ward.number, decider.number, because=because)
        else:  # the stores may go on naming them: that it ended is recorded either way
            self._rooms.journal.record_guardian(ward.number, decider.number, evidence="named by the stores")
            self._rooms.journal.end_guardian(ward.number, decider.number, because=because)
        threads = [one.word for one in self._rooms.journal.consents([ward.number]) if one.word.guardian == decider.number]
        words = [Word(ward.number, one.matter, decider.number, Event.ENDED) for one in threads]
        self._rooms.journal.record_consents(words, by="operator", names={ward.number: ward.text})
        settled = Settled()
        carry_out(self._library, self._rooms.journal.open_duties(ward.number), settled)
        return settled

    def admits(self, subjects: Sequence[str], matter: str) -> Admitted:
        """Of whom among these the matter is agreed to, by their numbers in the registry; nobody who is not known to be."""
        numbers = [one.number for one in Kin(self._rooms).people(subjects)]
        return self._rooms.journal.admits(numbers, matter)

    def show(self, subject: str) -> Agreed:
        """The ledger of one person, as they or their guardian may read it.

        Raises:
            UnknownSubject, InvalidRequest, PolicyError, StoreError: as the stores say.
        """
        return agreement(self._library, subject)

    def household(self, text: str) -> Household:
        """Who belongs to a household, who decides for whom, and what each agreed to.

        Raises:
            InvalidRequest: nobody is a member of this kind.
            UnknownSubject, PolicyError, StoreError: as the stores say.
        """
        return household(self._library, text)

    def claim(self, item: str, for_: str, household_: str, *, by: str = "guardian") -> ItemClaim:
        """Say whose a record is that nobody was attributed to; it then ends by the stricter of both terms, and goes with that person.

        Raises:
            InvalidRequest: not such a record of this household, or not a member's.
        """
        return claim(self._library, item, for_, household_, by=by)

    def screen_age(self, token: str, born: date | int | None) -> Age:
        """The answer of an age screen. ``token`` names the device or session; a refusal or an age under the limit is remembered by it."""
        family, now = self._library.policy.family, self._rooms.clock.now()
        age = answer(screen(born, (now - FARTHEST_WEST).date(), family.under), self._rooms.journal.age_screen(token))
        if remembers(age):
            self._rooms.journal.keep_age_screen(token, age.value, now + family.remember)
        return age

    def _pair(self, child: str, guardian: str) -> tuple[Person, Person]:
        """The two, after it is sure that the second decides for the first."""
        kin = Kin(self._rooms)
        ward, decider = kin.people([child, guardian])
        minor = self._library.policy.catalog.kinds[ward.kind].minor
        require_guardian(ward, decider, minor, kin.guardians([ward]) if minor else {})
        return ward, decider

    def _pair_even_so(self, child: str, guardian: str) -> tuple[Person, Person]:
        """As ``_pair``; where the stores can't tell, whoever had a say before has one now: a no waits for nothing."""
        try:
            return self._pair(child, guardian)
        except (StoreError, PolicyError):
            held = remembered(self._rooms, [child, guardian])
            if held is None:
                raise
            ward, decider = held
            newest = {one.guardian: one for one in self._rooms.journal.guardianships([ward.number])}
            spoke = any(one.word.guardian == decider.number for one in self._rooms.journal.consents([ward.number]))
            recorded = newest.get(decider.number)
            if (recorded is None and not spoke) or (recorded is not None and recorded.ended_at is not None):
                raise
            return ward, decider

    def _require_patience(self, ward: Person) -> None:
        """Refuse to ask about one child without end: each failed asking is a chance to guess, each message somebody's post.

        Raises:
            InvalidRequest: too many in the last week.
        """
        since = self._rooms.clock.now() - ASKED_WITHIN
        recent = [one for one in self._rooms.journal.askings([ward.number]) if one.asked_at > since]
        if len(recent) >= MOST_ASKED or sum(one.outcome == "failed" for one in recent) >= MOST_FAILED:
            days = ASKED_WITHIN.days
            raise InvalidRequest(
                f"this child's guardians were asked {len(recent)} times in {days} days; wait, or write to them by yourself"
            )

    def _may_ask(self, ward: Person, decider: Person, matter: str) -> bool:
        held = [one for one in self._rooms.journal.consents([ward.number]) if one.word.guardian == decider.number]
        now = next((one.thread for one in held if one.word.matter == matter), Thread(State.NOTHING))
        return may(now, Event.ASKED)

    def _took(self, asking: Asking, outcome: Outcome, yes: Sequence[str]) -> Answered:
        assert asking.held is not None
        kept: dict[str, Json] = {**asking.held, "method": dict(outcome.held), "yes": list(yes)}
        if outcome.evidence is not None:
            kept["evidence"] = outcome.evidence.hex()
        if outcome.result is Result.VERIFIED:
            words = [*given_words(self._library, asking, yes), *refused_words(self._library, asking, yes)]
            self._end(asking, words, "given" if yes else "refused", outcome)
        elif outcome.result is Result.FAILED:
            self._end(asking, lapsed_words(self._library, asking), "failed", outcome)
        elif outcome.wait is not None and not yes:  # a no to everything needs no confirmation
            self._end(asking, refused_words(self._library, asking, yes), "refused", outcome)
        elif outcome.wait is not None:
            self._wait(asking, outcome, kept, yes)
        else:
            self._rooms.journal.asking_held(asking, kept)
        shown: dict[str, Json] = {}
        if outcome.result is Result.REFUSED and "draws" in outcome.held:
            shown["questions"] = next_questions(outcome.held)
        return Answered(asking.id, outcome.result, outcome.because, shown)

    def _end(self, asking: Asking, words: Sequence[Word], outcome: str, came: Outcome) -> None:
        end(self._library, asking, words, outcome, came.evidence, by="guardian")
        prove(self._library)

    def _wait(self, asking: Asking, outcome: Outcome, kept: Mapping[str, Json], yes: Sequence[str]) -> None:
        """The yes waits for its confirmation, which names what was agreed to; the noes hold at once."""
        assert outcome.wait is not None
        policy, kind = self._library.policy, str(kept["kind"])
        what = wording(policy, kind, require_matters(policy, kind, yes)).text
        confirm_at = self._rooms.clock.now() + outcome.wait
        waiting = self._rooms.journal.asking_held(asking, kept, confirm_at=confirm_at)
        words = refused_words(self._library, asking, yes)
        words += [_word(asking, one, Event.ANSWERED) for one in asking.matters if one in yes]
        self._rooms.journal.record_consents(words, by="guardian")
        self._post(waiting, [replace(one, fields={**one.fields, "what": what}) for one in outcome.messages], "confirm")

    def _post(self, asking: Asking, messages: Sequence[Message], step: str) -> None:
        assert asking.held is not None
        to = asking.held["to"]
        if not messages or not isinstance(to, Sequence):
            return
        address = Identifier(str(to[0]), str(to[1]))
        letters = [Letter(address, one.channel, one.template, one.fields, asking.guardian, letter_key(asking.id, step)) for one in messages]
        self._rooms.journal.post(letters, asking.confirm_at)


def _word(asking: Asking, matter: str, event: Event) -> Word:
    told = (asking.method, asking.id, asking.wording, asking.wording_digest)
    return Word(asking.subject, matter, asking.guardian, event, *told)
