"""The controls: what is looked at to see whether a public sentence holds.

Each is a function of a claim and an estate. It says *holds* only of what it saw: where the part that would enforce a promise is not there,
or nothing has happened yet that could show it, the answer is *not checked*, with what is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Protocol

from expunge.policy.model import Term
from expunge.policy.publishing import Claim
from expunge.policy.taxonomy import covers
from expunge.program.estate import Estate
from expunge.program.findings import Finding, broken, holds, unchecked

SHARING = ("third_party_sharing", "marketing.advertising.third_party", "sales")
"""Data uses that pass data to somebody outside."""

FORBIDDEN = ("marketing", "third_party_sharing", "sales", "personalize.profiling", "train_ai_system")
"""What persistent identifiers may not be used for without consent: 16 CFR 312.2, "support for the internal operations" (2)."""

LATE = timedelta(days=1)
"""A letter that is due for longer has not been sent "now"."""

WORRYING = ("residue", "copies-found", "run-unfinished", "incomplete")
"""Incidents that say that an erasure is not what its receipt would be."""


class Control(Protocol):
    """One control."""

    def __call__(self, claim: Claim, estate: Estate, /) -> Finding:
        """Look."""
        ...


def can_erase(claim: Claim, estate: Estate) -> Finding:
    """An erasure of this would be planned without trouble, reach every store, and leave nothing of it."""
    away = estate.away()
    if away:
        return unchecked(f"{len(away)} stores can't be reached: {', '.join(sorted(set(away.values())))}", *sorted(away))
    troubles = estate.troubles()
    if troubles:
        return broken(f"{len(troubles)} problems would stop every erasure", *(str(one.mark or one.path) for one in troubles))
    acts = estate.acts(claim.of, claim.category)
    if not acts:
        return unchecked("the policy's datasets hold none of it")
    stays = [one for one in acts if one.stays is not None]
    if stays:
        return broken(f"of {len(acts)} collections, {len(stays)} would keep it: {stays[0].stays}", *(one.collection for one in stays))
    verbs = Counter(one.verb for one in acts)
    told = ", ".join(f"{verb} in {count}" for verb, count in sorted(verbs.items()))
    return holds(f"a dry run reaches {len(acts)} collections: {told}", *(one.collection for one in acts))


def can_see(claim: Claim, estate: Estate) -> Finding:
    """Every store that holds any of it can be read out for the person."""
    away = estate.away()
    if away:
        return unchecked(f"{len(away)} stores can't be reached", *sorted(away))
    acts, closed = estate.acts(claim.of, claim.category), estate.unreadable(claim.of)
    if closed:
        return broken(f"{len(closed)} collections can't be read out", *closed)
    return holds(f"{len(acts)} collections can be read out") if acts else unchecked("the policy's datasets hold none of it")


def kept_no_longer(claim: Claim, estate: Estate) -> Finding:
    """Nothing of it is there past its term and the sweeps' interval; DESIGN "Decided once" 8: due, and gone by due plus the grace."""
    terms = [one for one in estate.policy.terms if _about(claim, one)]
    if not terms:
        return unchecked("no term of the policy is about it")
    grace = estate.policy.retention.sweep if estate.policy.retention else timedelta(days=1)
    late = [one for one in estate.overdue(estate.now() - grace) if _is_of(claim, one.kind, one.categories)]
    held = f"; legal holds that may keep some of it: {estate.holds()}" if estate.holds() else ""
    if late:
        count = sum(one.records for one in late)
        first = min((one.since for one in late if one.since), default=None)
        since = f", the first since {first.date().isoformat()}" if first else ""
        return broken(
            f"{count} records are past their term by more than {_days(grace)}{since}{held}", *_places(one.collection for one in late)
        )
    undated = {
        one: count for one, count in estate.undated().items() if one in {each.collection for each in estate.acts(claim.of, claim.category)}
    }
    if undated:
        return broken(f"{sum(undated.values())} records have no time from which a term could count", *sorted(undated))
    endless = sum(one.keep is None for one in terms)
    return holds(f"{len(terms)} terms ({endless} without an end): nothing is past its own{held}")


def audio_exception(claim: Claim, estate: Estate) -> Finding:
    """A child's voice is kept for nothing (16 CFR 312.5(c)(9)): its term is none, and none is there."""
    lasting = [
        one
        for one in estate.policy.terms
        if _about(claim, one) and covers("user.biometric.voice", one.category) and one.keep != timedelta(0)
    ]
    if lasting:
        return broken("the policy keeps it", *(str(one.mark) for one in lasting))
    return kept_no_longer(Claim(claim.says, claim.control, claim.of, claim.category or "user.biometric.voice"), estate)


def never_for(claim: Claim, estate: Estate) -> Finding:
    """The policy allows the purpose by consent only. Whether training obeys is the gate's to say."""
    policy = estate.policy
    if claim.purpose is not None:
        purpose = policy.purposes[claim.purpose]
        if purpose.basis != "consent":
            return broken(f"the purpose {purpose.name} rests on {purpose.basis}, not on consent", str(purpose.mark))
        return unchecked(
            f"the policy asks consent for {purpose.name}; what keeps users of the data to it is not part of this version", str(purpose.mark)
        )
    used = [one for one in policy.terms if _about(claim, one) and any(covers(use, policy.purposes[one.purpose].use) for use in FORBIDDEN)]
    if used:
        return broken(f"{len(used)} terms are for such a purpose", *(str(one.mark) for one in used))
    return unchecked("no term is for such a purpose; what keeps users of the data to it is not part of this version")


def deleted_when_told(claim: Claim, estate: Estate) -> Finding:
    """Requests end in time, their receipts verify, and no incident says that something was left."""
    del claim
    asked, promise = estate.requests(), estate.policy.notices.answer_within
    worries = {kind: count for kind, count in estate.incidents().items() if kind in WORRYING}
    if asked.bad:
        return broken(f"{asked.bad} of {asked.receipts} receipts do not verify")
    if asked.oldest_open is not None and estate.now() - asked.oldest_open > promise:
        days = (estate.now() - asked.oldest_open) // timedelta(days=1)
        return broken(f"a request is open for {days} days, and {_days(promise)} are promised")
    if worries or asked.incomplete:
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(worries.items()))
        return broken(f"{asked.incomplete} runs are incomplete; open incidents: {told or 'none'}")
    if not asked.total:
        return unchecked("nobody has asked yet")
    return holds(f"{asked.total} requests, none open for longer than promised; the last {asked.receipts} receipts verify")


def seen_by(claim: Claim, estate: Estate) -> Finding:
    """Who may look is declared with a condition for each role. What keeps them to it is not part of this version."""
    del claim
    rules = estate.policy.access
    return unchecked(f"{len(rules)} roles are declared, each with a condition; what keeps staff to it is not part of this version")


def nobody_else(claim: Claim, estate: Estate) -> Finding:
    """Every purpose that shares names its recipients, and no recipient gets what the policy does not collect for that purpose."""
    del claim
    policy = estate.policy
    named = {one.purpose for one in policy.recipients.values()}
    alone = [one for one in policy.purposes.values() if any(covers(use, one.use) for use in SHARING) and one.name not in named]
    if alone:
        return broken(f"{len(alone)} purposes share data and name nobody who gets it", *(str(one.mark) for one in alone))
    for recipient in policy.recipients.values():
        collected = [one.category for one in policy.terms if one.purpose == recipient.purpose]
        strange = [what for what in recipient.what if not any(covers(what, one) or covers(one, what) for one in collected)]
        if strange:
            text = f"{recipient.name} is said to get {', '.join(strange)}, which is not collected for {recipient.purpose}"
            return broken(text, str(recipient.mark))
    return unchecked(f"{len(policy.recipients)} recipients are declared and fit the terms; what leaves by other ways is not seen")


def consent_first(claim: Claim, estate: Estate) -> Finding:
    """What is collected of a child asks a parent first, at a door that refuses without."""
    kinds = [claim.of] if claim.of else [name for name, kind in estate.policy.catalog.kinds.items() if kind.minor]
    found: list[str] = []
    for kind in kinds:
        open_ = estate.unconsented(kind)
        if open_ is None:
            return unchecked(f"nothing is collected of a {kind}")
        found += open_
    if found:
        return broken(f"{len(found)} terms are collected without a parent's word", *found)
    return holds(
        f"the door refuses every record of a {' or '.join(kinds)} without a parent's yes; what comes in by another way is not seen"
    )


def idle_profiles(claim: Claim, estate: Estate) -> Finding:
    """Unused profiles are found, and none is there past the day by which it had to be gone."""
    if estate.policy.children is None:
        return broken("the policy has no rule for unused profiles")
    states = [one for one in estate.idle() if claim.of in (None, one.kind)]
    late = [one for one in states if one.next_end is not None and one.next_end < estate.now()]
    if late:
        return broken("profiles are there past the day of their end", *(one.kind for one in late))
    found = sum(one.found for one in states)
    return (
        holds(f"{found} unused profiles were found so far, none is past its end") if found else unchecked("no unused profile was found yet")
    )


def tells(claim: Claim, estate: Estate) -> Finding:
    """Letters go out."""
    del claim
    post = estate.post()
    if post.oldest_due is not None and estate.now() - post.oldest_due > LATE:
        return broken(f"letters are due since {post.oldest_due.date().isoformat()} and have not gone")
    if not post.total:
        return unchecked("no letter was posted yet")
    return holds(f"{post.total} letters, {post.undelivered} of them could not be delivered, none waits for longer than a day")


def answers(claim: Claim, estate: Estate) -> Finding:
    """People can reach the company: name, address, telephone and e-mail are declared (16 CFR 312.4(d)(1))."""
    del claim
    own = estate.policy.controller
    missing = [name for name, value in (("address", own.address), ("phone", own.phone), ("email", own.email or own.contact)) if not value]
    if missing:
        return broken(f"the policy's controller has no {', '.join(missing)}", "controller")
    return holds("name, address, telephone and e-mail are declared; whether somebody answers there is not seen")


def accurate(claim: Claim, estate: Estate) -> Finding:
    """What the policy says of the stores is what is in them."""
    del claim
    away, troubles, strange = estate.away(), estate.troubles(), estate.undeclared()
    if away:
        return unchecked(f"{len(away)} stores can't be reached", *sorted(away))
    if troubles:
        return broken(f"{len(troubles)} things in the stores are not as the policy says", *(str(one.mark or one.path) for one in troubles))
    if strange:
        return broken(f"{sum(strange.values())} collections hold what the policy does not mention", *sorted(strange))
    return holds(f"{len(estate.policy.catalog.collections)} collections are as the policy says, and nothing else is in its stores")


def unanswered(claim: Claim, estate: Estate) -> Finding:
    """Contact data that was kept only to ask a parent is gone when no answer came (16 CFR 312.5(c)(1))."""
    del claim
    total, oldest = estate.oldest_asking()
    within = estate.policy.notices.contact_kept
    if oldest is not None and estate.now() - oldest > within + timedelta(days=1):
        return broken(f"an asking waits since {oldest.date().isoformat()}, and {_days(within)} are promised")
    return holds(f"{total} askings, none waits for longer than promised") if total else unchecked("nobody was asked yet")


def _about(claim: Claim, term: Term) -> bool:
    return _is_of(claim, term.of, (term.category,))


def _is_of(claim: Claim, kind: str, categories: Iterable[str]) -> bool:
    wanted = claim.category
    return claim.of in (None, kind) and (wanted is None or any(covers(wanted, one) or covers(one, wanted) for one in categories))


def _days(length: timedelta) -> str:
    days = length / timedelta(days=1)
    return f"{days:g} day" if days == 1 else f"{days:g} days"


def _places(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


CONTROLS: Mapping[str, Control] = {
    one.__name__: one
    for one in (
        accurate,
        answers,
        audio_exception,
        can_erase,
        can_see,
        consent_first,
        deleted_when_told,
        idle_profiles,
        kept_no_longer,
        never_for,
        nobody_else,
        seen_by,
        tells,
        unanswered,
    )
}
"""Every control by the name that a policy gives it."""
