"""The direct notice: what a parent is told before they are asked, in the seven parts of 16 CFR 312.4(c)(1) and in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from expunge.errors import InvalidRequest
from expunge.family.notice_parts import Facts, collected, recipients, say
from expunge.family.notices import Section, Sentence
from expunge.family.wording import kind_words, length, listed

_RULE = "16 CFR 312.4(c)(1)"

_METHODS: Mapping[str, str] = {
    "signed-form": "sign a form and send it back",
    "card": "use a card that tells you of each payment",
    "phone-call": "call us",
    "video-call": "talk with us by video",
    "government-id": "show an official identity card",
    "questions": "answer some questions that a child could not",
    "id-and-face": "show a photo identity card and your face",
    "email-plus": "answer our e-mail",
    "text-plus": "answer our text message",
}
"""Plain words for 16 CFR 312.5(b)(2)(i) to (ix)."""


_UNDISCLOSED = ("email-plus", "text-plus")
"""Only where nothing is disclosed: 312.5(b)(2)(viii), (ix)."""


def direct(facts: Facts, about: str | None) -> tuple[str, Sequence[Section | None], str | None]:
    """Title, sections, and the kind of subject that it is about.

    Raises:
        InvalidRequest: the policy knows no children, or somebody else is named.
    """
    minors = facts.minors()
    kind = about or (minors[0] if minors else None)
    if kind is None or kind not in minors:
        raise InvalidRequest("a direct notice is about a child: name a kind of subject that is a minor")
    whom = kind_words(kind, facts.policy.catalog)
    held, shared = next(iter(collected(facts, [kind]))), recipients(facts)
    told = (*shared.sentences, _may_refuse(kind)) if shared.items else shared.sentences
    sections = [
        Section("i", "Why we write to you", (_why(facts, whom),), law=f"{_RULE}(i)"),
        Section("ii", "We need your yes", (_needed(kind, whom),), law=f"{_RULE}(ii)"),
        Section("iii", f"What we want to collect from {whom}", held.sentences, held.items, f"{_RULE}(iii)"),
        Section("iv", shared.title, told, shared.items, f"{_RULE}(iv)"),
        Section("v", "Our full notice", (_full(facts),), law=f"{_RULE}(v)"),
        Section("vi", "How to say yes or no", (_how(facts, kind),), law=f"{_RULE}(vi)"),
        Section("vii", "If you do not answer", (_silence(facts, whom),), law=f"{_RULE}(vii)"),
    ]
    return f"{facts.policy.controller.name}: may we collect data from {whom}?", sections, kind


def _why(facts: Facts, whom: str) -> Sentence:
    name = facts.policy.controller.name
    text = f"{name} makes a service that {whom} wants to use. So we have your contact details. We use them only to ask you for your yes"
    return say("direct.i", text, "accurate")


def _needed(kind: str, whom: str) -> Sentence:
    text = f"We need your yes. Without it we do not collect, use or share anything from {whom}"
    return say("direct.ii", text, "consent_first", of=kind)


def _may_refuse(kind: str) -> Sentence:
    text = "You can say yes to us and no to sharing. This is not so for those without whom we can not run the service"
    return say("direct.iv", text, "consent_first", of=kind)


def _full(facts: Facts) -> Sentence:
    own = facts.policy.controller
    place = facts.policy.notices.link
    return say(
        "direct.v",
        f"You can read our full notice here: {place}" if place else f"Ask {own.email or own.contact} for our full notice",
        "answers",
    )


def _how(facts: Facts, kind: str) -> Sentence:
    family = facts.policy.family
    discloses = [one for one in facts.policy.recipients if one not in family.internal]
    ways = listed([_METHODS[one] for one in family.methods if not (discloses and one in _UNDISCLOSED)], "or")
    link = facts.policy.notices.consent_link
    place = f" Start here: {link}." if link else ""
    text = f"To say yes, you can {ways}.{place} You can say no to each thing on its own. You can take a yes back at any time"
    return say("direct.vi", text, "consent_first", of=kind)


def _silence(facts: Facts, whom: str) -> Sentence:
    wait = length(facts.policy.notices.contact_kept)
    return say("direct.vii", f"If you do not answer within {wait}, we delete your contact details and {whom}'s name", "unanswered")
