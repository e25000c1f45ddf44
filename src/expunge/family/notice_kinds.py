"""The four notices, as lists of their sections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from expunge.errors import InvalidRequest
from expunge.family import notice_parts as parts
from expunge.family.notice_direct import direct
from expunge.family.notice_parts import Facts
from expunge.family.notices import Held, Kind, Notice, Section
from expunge.policy.model import Policy
from expunge.policy.wording import advise


def make_notice(kind: Kind, policy: Policy, held: Mapping[str, tuple[Held, ...]], about: str | None = None) -> Notice:
    """One notice; ``about`` narrows it to a kind of subject (a direct notice is about the children, if nobody says otherwise).

    Raises:
        InvalidRequest: no such kind, or a direct notice where the policy knows no children.
    """
    if about is not None and about not in held:
        raise InvalidRequest(f"nothing is held of a kind of subject {about}; {advise(about, tuple(held))}")
    facts = Facts(policy, held)
    title, sections, about = _MAKERS[kind](facts, about)
    return Notice(kind, about, title, tuple(one for one in sections if one is not None), policy.digest)


_Made = tuple[str, Sequence[Section | None], str | None]


def _online(facts: Facts, about: str | None) -> _Made:
    kinds = [about] if about else list(facts.held)
    sections = [
        parts.contacts(facts),
        parts.consent(facts),
        *parts.collected(facts, kinds),
        parts.training(facts, kinds),
        parts.recipients(facts),
        parts.staff(facts),
        parts.machines(facts),
        parts.audio(facts),
        parts.idle(facts),
        parts.rights(facts, kinds),
        *parts.deletion(facts, kinds),
        parts.changes(facts),
    ]
    return f"{facts.policy.controller.name}: what we collect, why, and for how long", sections, about


def _retention(facts: Facts, about: str | None) -> _Made:
    kinds = [about] if about else list(facts.held)
    sections = [parts.contacts(facts), *parts.collected(facts, kinds), parts.idle(facts), *parts.deletion(facts, kinds)]
    return f"{facts.policy.controller.name}: how long we keep what we collect", sections, about


def _deletion(facts: Facts, about: str | None) -> _Made:
    kinds = [about] if about else list(facts.held)
    sections = [parts.rights(facts, kinds), *parts.deletion(facts, kinds), parts.idle(facts), parts.contacts(facts)]
    return f"{facts.policy.controller.name}: how to see and delete what we hold", sections, about


_MAKERS: Mapping[Kind, Callable[[Facts, str | None], _Made]] = {
    "online": _online,
    "direct": direct,
    "retention": _retention,
    "deletion": _deletion,
}
