"""The sections that notices are made of, in plain words.

Each function makes one section from the policy. A sentence says only what some control can look at; what the policy does not decide is
not said. Ids are kept when a sentence is reworded, so that a reader of two versions can lay them side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from expunge.family.notices import Held, Item, Section, Sentence
from expunge.family.wording import CONDITIONS, MAY, distinct, kept, kind_words, length, listed, sentence, use_of, words_for
from expunge.policy.model import Policy, Purpose
from expunge.policy.publishing import Claim, Recipient
from expunge.policy.taxonomy import covers
from expunge.terms import Verb

TRAINING = ("train_ai_system", "analytics", "functional.service.improve", "essential.service.operations.improve")
"""Data uses that make something from the data beyond the service asked for; 90 FR 16918 says of AI training that it is not integral."""

OUTSIDE = ("marketing", "third_party_sharing", "sales")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the sections are made from. ``asks``: parents are asked before anything of a child is collected."""

    policy: Policy
    held: Mapping[str, tuple[Held, ...]]

    def minors(self) -> list[str]:
        """The kinds that are children, of whom something is held."""
        return [kind for kind in self.held if self.policy.catalog.kinds[kind].minor]


def say(id_: str, text: str, control: str, *, of: str | None = None, category: str | None = None, purpose: str | None = None) -> Sentence:
    """A sentence and the control that it rests on."""
    whole = sentence(text)
    return Sentence(id_, whole, Claim(whole, control, of, category, purpose))


def contacts(facts: Facts) -> Section:
    """Who runs the service and how to reach them: name, address, telephone, e-mail (312.4(d)(1)), and all operators."""
    own, notices = facts.policy.controller, facts.policy.notices
    ways = [f"Write to {own.address}" if own.address else "", f"Call {own.phone}" if own.phone else ""]
    ways.append(f"Send an e-mail to {own.email or own.contact}")
    said = [say("who", f"{own.name} runs this service", "accurate"), say("reach", ". ".join(filter(None, ways)), "answers")]
    if notices.operators:
        said.append(
            say(
                "operators",
                f"{listed(notices.operators)} also collect data through it. Ask us, and we pass your question on",
                "nobody_else",
            )
        )
    return Section("contacts", "Who we are", tuple(said), law="16 CFR 312.4(d)(1)")


def collected(facts: Facts, kinds: Sequence[str], *, lengths: bool = True) -> Iterator[Section]:
    """What is collected of each kind, why, and for how long (312.4(d)(2), 312.10)."""
    for kind in kinds:
        whom = kind_words(kind, facts.policy.catalog)
        items = tuple(_item(facts, kind, one, lengths=lengths) for one in facts.held[kind])
        head = say(f"collect.{kind}", f"This is all that we collect about {whom}", "accurate", of=kind)
        yield Section(f"collected.{kind}", f"What we collect about {whom}", (head,), items, "16 CFR 312.4(d)(2), 312.10")


def _item(facts: Facts, kind: str, held: Held, *, lengths: bool) -> Item:
    term, own = held.term, facts.policy.notices.words
    name = listed(distinct(words_for(one, own) for one in held.categories))
    key = f"{kind}.{term.category}.{term.purpose}"
    purpose = facts.policy.purposes[term.purpose]
    said = [say(f"why.{key}", f"We use this {use_of(purpose.use)}. Our reason: {term.need}", "accurate", of=kind, category=term.category)]
    if lengths:
        said.append(say(f"keep.{key}", f"We keep this {kept(term, facts.policy)}", "kept_no_longer", of=kind, category=term.category))
    return Item(name[:1].upper() + name[1:], tuple(said))


def training(facts: Facts, kinds: Sequence[str]) -> Section | None:
    """What is only done after a separate yes: teaching software, and the like."""
    uses = [one for one in facts.policy.purposes.values() if one.basis == "consent" and _is_training(one)]
    told = [
        say(
            f"leave.{one.name}",
            f"We use this {use_of(one.use)} only if you say yes to it. You can say no and still use the service",
            "never_for",
            purpose=one.name,
        )
        for one in uses
    ]
    none = [one for one in facts.policy.purposes.values() if _is_training(one)]
    if not none:
        told = [say("never.training", "We do not use any of it to teach our software", "never_for", purpose=None)]
    elif not told or not kinds:
        return None
    return Section("training", "Teaching our software", tuple(told), law="16 CFR 312.5(a)(1), 312.7")


def _is_training(purpose: Purpose) -> bool:
    return any(covers(one, purpose.use) for one in TRAINING)


def consent(facts: Facts) -> Section | None:
    """That a parent is asked first, per purpose (312.5(a))."""
    minors = facts.minors()
    if not minors:
        return None
    said = [
        say(f"ask.{kind}", "We ask a parent first. We collect nothing from your child before a parent says yes", "consent_first", of=kind)
        for kind in minors
    ]
    said.append(say("withdraw", "You can take your yes back at any time. We then stop, and delete what we have", "can_erase", of=minors[0]))
    return Section("consent", "We ask you first", tuple(said), law="16 CFR 312.5(a)(1), 312.6(a)(2)")


def recipients(facts: Facts) -> Section:
    """With whom it is shared, to do what, and whether a parent can say no to that (312.4(d)(2), 312.5(a)(2))."""
    items = tuple(_recipient(facts, one) for one in facts.policy.recipients.values())
    nobody = "We share it with these companies, and with nobody else" if items else "We share none of it with anybody outside"
    return Section("recipients", "Whom we share it with", (say("nobody", nobody, "nobody_else"),), items, "16 CFR 312.4(d)(2), 312.5(a)(2)")


def _recipient(facts: Facts, one: Recipient) -> Item:
    own = facts.policy.notices.words
    what = listed(distinct(words_for(each, own) for each in one.what))
    gets = say(f"gets.{one.key}", f"{one.name} gets {what}. They use it to {one.does}", "nobody_else")
    if one.integral:
        leave = say(f"integral.{one.key}", "We can not run the service without them", "nobody_else")
    else:
        text = "We do this only if you say yes to it. You can say no and still use the service"
        leave = say(f"separate.{one.key}", text, "never_for", purpose=one.purpose)
    return Item(one.name, (gets, leave))


def staff(facts: Facts) -> Section:
    """Who of the staff may look, at what, and on which condition."""
    own, items = facts.policy.notices.words, []
    for access in facts.policy.access.values():
        what = listed(distinct(words_for(each, own) for each in access.what))
        may = listed([MAY.get(each, each) for each in access.may], "or")
        limits = [f"{access.clips} items"] if access.clips else []
        limits += [f"{access.minutes} minutes"] if access.minutes else []
        most = f". Each time, they may see at most {listed(limits)} of it" if limits else ""
        text = f"They may {may} {what}, {CONDITIONS.get(access.condition, 'on a condition that we write down')}{most}"
        items.append(Item(f"Our {access.role} team", (say(f"look.{access.role}", text, "seen_by"),)))
    head = say(
        "look",
        "No other person at our company may look at what you record" if items else "No person at our company may look at what you record",
        "seen_by",
    )
    return Section("staff", "Who can look at it", (head,), tuple(items))


def idle(facts: Facts) -> Section | None:
    """What happens to a child's profile that nobody uses."""
    rule, minors = facts.policy.children, facts.minors()
    if rule is None or not minors:
        return None
    text = (
        f"If your child does not use the service for {length(rule.idle_after)}, we tell you. You can keep the profile. If you do not, we "
        f"delete all that we collected from your child within {length(rule.erase_within)}"
    )
    return Section("idle", "When your child stops using it", (say("idle", text, "idle_profiles", of=minors[0]),), law="312.10")


def rights(facts: Facts, kinds: Sequence[str]) -> Section:
    """How to see it, stop it and have it deleted, and by when (312.4(d)(5), 312.6)."""
    notices, own = facts.policy.notices, facts.policy.controller
    way = (
        f"Go to {notices.control_link}, or write to {own.email or own.contact}"
        if notices.control_link
        else f"Write to {own.email or own.contact}"
    )
    within = length(notices.answer_within)
    said = [say("see", "You can see all that we hold", "can_see")]
    for kind in kinds:
        whom = kind_words(kind, facts.policy.catalog)
        said.append(
            say(
                f"delete.{kind}",
                f"You can ask us to delete all of it, or a part of it, about {whom}. You can do so at any time",
                "can_erase",
                of=kind,
            )
        )
    said.append(say("stop", "You can tell us to stop collecting more", "can_erase"))
    said.append(say("way", f"{way}. We first make sure that it is you", "answers"))
    said.append(say("within", f"We do what you ask within {within}, and tell you when it is done", "deleted_when_told"))
    return Section("rights", "See it, stop it, delete it", tuple(said), law="16 CFR 312.4(d)(5), 312.6")


def deletion(facts: Facts, kinds: Sequence[str]) -> Iterator[Section]:
    """What a deletion does, what stays, and how it is shown."""
    said = [
        say("gone.stores", "We delete it in every place where we keep it, and all that we made from it", "can_erase"),
        say("gone.copies", "Then we look again. We only say that it is done when nothing is left", "deleted_when_told"),
        say("gone.proof", "You get a signed receipt. You, or a person you trust, can check it without us", "deleted_when_told"),
    ]
    undo = facts.policy.undo
    if undo is not None:
        text = f"For {length(undo.window)} you can change your mind. In that time nobody can see it"
        text += f". For a whole home it is {length(undo.household)}"
        said.append(say("gone.undo", text, "deleted_when_told"))
    yield Section("gone", "What we do when you ask", tuple(said), law="16 CFR 312.6(a)(2), 312.10")
    stays = list(_stays(facts))
    if stays:
        yield Section("stays", "What we may have to keep", tuple(stays))
    del kinds


def _stays(facts: Facts) -> Iterator[Sentence]:
    for note in facts.policy.catalog.collections.values():
        if note.verb is Verb.KEEP and note.keep is not None:
            until = f" for {length(note.keep.length)}" if note.keep.length else ""
            yield say(f"stay.{note.address}", f"We keep some records{until}. The reason is: {note.keep.basis}", "accurate")
    clears = [one.history_clears_in for one in facts.policy.catalog.stores.values() if one.history_clears_in]
    if clears:
        yield say(
            "stay.backups", f"Copies that we keep in case our machines break are gone within {length(max(clears))}", "deleted_when_told"
        )
    yield say(
        "stay.holds", "If a court or the law makes us keep something, we keep it until that ends, and then delete it", "deleted_when_told"
    )


def machines(facts: Facts) -> Section | None:
    """What device numbers are used for, where they run the service and are asked no consent for (312.4(d)(3), 312.5(c)(7))."""
    minors = facts.minors()
    numbers = [one for kind in facts.held for one in facts.held[kind] if any(covers("user.device", each) for each in one.categories)]
    if not minors or not numbers:
        return None
    uses = listed(distinct(use_of(facts.policy.purposes[one.term.purpose].use) for one in numbers))
    text = f"We use device numbers only {uses}. We do not use them to reach one person, to follow people, or to show ads"
    return Section("machines", "Device numbers", (say("machines", text, "never_for", category="user.device"),), law="16 CFR 312.4(d)(3)")


def audio(facts: Facts) -> Section | None:
    """That a child's voice is used once and deleted at once, where the policy says so (312.4(d)(4), 312.5(c)(9))."""
    minors = facts.minors()
    once = [
        one
        for kind in minors
        for one in facts.held[kind]
        if one.term.keep is not None and not one.term.keep and covers("user.biometric.voice", one.term.category)
    ]
    if not once:
        return None
    text = "When your child speaks, we use the sound only to answer. We delete it at once"
    return Section("audio", "Your child's voice", (say("audio", text, "audio_exception", of=minors[0]),), law="16 CFR 312.4(d)(4)")


def changes(facts: Facts) -> Section:
    """That people are told of changes, and a parent is asked again."""
    text = "If we want to do more with the data than this, we tell you first" + (" and ask a parent again" if facts.minors() else "")
    return Section("changes", "When this changes", (say("changes", text, "tells"),), law="16 CFR 312.4(b), 312.5(a)(1)")
