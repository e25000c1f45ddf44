"""What the policy says for the public: with whom data is shared, which sentences are promised, how the notices reach people.

The form of these keys, what they become, and what is checked of them. Sentences are never taken on their word: each names the control
that is run against the live stores (``expunge claims check``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from expunge.policy.catalog import Mark, Problem
from expunge.policy.declared import Declared, dangling, wrong
from expunge.policy.options import Strict, Text, Texts
from expunge.policy.quantities import Duration
from expunge.policy.reading import Document

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
ControlName = Literal[
    "accurate",
    "answers",
    "can_erase",
    "can_see",
    "kept_no_longer",
    "never_for",
    "deleted_when_told",
    "seen_by",
    "nobody_else",
    "consent_first",
    "idle_profiles",
    "audio_exception",
    "tells",
    "unanswered",
]
"""The controls that ``program.controls`` knows."""

ANSWER_WITHIN = timedelta(days=30)
"""16 CFR 312.6 names no deadline; a month is GDPR 12(3)'s, and practice."""


class WrittenRecipient(Strict):
    """Somebody outside who receives data."""

    name: Text = Field(description="The name that people read.")
    does: Text = Field(description="What it does with the data, after 'to': 'keep our files safe'.")
    what: Texts = Field(description="Data categories that it receives.")
    purpose: Name = Field(alias="for", description="The purpose.")
    consent: Literal["integral", "separate"] = Field(
        description="integral: the service can't be given without it; separate: a parent may say no to it (16 CFR 312.5(a)(2))."
    )


class WrittenClaim(Strict):
    """A public sentence and the control that keeps it true."""

    says: Text = Field(description="The sentence, as it is published.")
    control: ControlName = Field(description="What is run to see whether it holds.")
    of: Name | None = Field(default=None, description="The kind of subject; all, if left out.")
    category: Text | None = Field(default=None, description="The data category; all, if left out.")
    purpose: Name | None = Field(default=None, alias="for", description="never_for: the purpose that it is not used for without consent.")
    owner: Text = Field(default="privacy engineer", description="Whose the incident of a broken claim is.")
    within: Duration = Field(default=timedelta(hours=72), description="By when a broken claim must hold again; 72 hours if left out.")


class WrittenNotices(Strict):
    """What the printed notices need beyond the policy's own facts."""

    link: Text | None = Field(default=None, description="Where the online notice stands.")
    consent_link: Text | None = Field(default=None, description="Where a parent says yes or no.")
    control_link: Text | None = Field(default=None, description="Where people see, stop and delete what is held.")
    answer_within: Duration = Field(default=ANSWER_WITHIN, description="How long a request takes at most; 30 days if left out.")
    contact_kept: Duration = Field(default=timedelta(days=30), description="How long contact data waits for a parent's answer; 30 days.")
    operators: Texts = Field(default_factory=list, description="Others who collect data through the service.")
    letters: Text | None = Field(default=None, description="A folder beside the policy with letters of your own.")
    words: dict[Text, Text] = Field(
        default_factory=dict, description="Plain words for a data category of yours, or for the event that a term counts from."
    )


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who receives which categories, to do what. ``integral``: the service can't be given without it, so no separate consent is asked."""

    key: str
    name: str
    does: str
    what: tuple[str, ...]
    purpose: str
    integral: bool
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A public sentence; ``owner`` has ``within`` to mend it when it is broken."""

    says: str
    control: str
    of: str | None = None
    category: str | None = None
    purpose: str | None = None
    owner: str = "privacy engineer"
    within: timedelta = timedelta(hours=72)
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Notices:
    """Links and lengths that the printed notices name. ``letters`` is a folder relative to the policy's."""

    link: str | None = None
    consent_link: str | None = None
    control_link: str | None = None
    answer_within: timedelta = ANSWER_WITHIN
    contact_kept: timedelta = timedelta(days=30)
    operators: tuple[str, ...] = ()
    letters: str | None = None
    words: Mapping[str, str] = field(default_factory=dict[str, str])


def recipients_of(document: Document, written: Mapping[str, WrittenRecipient]) -> dict[str, Recipient]:
    """The recipients, by key."""
    return {
        key: Recipient(key, one.name, one.does, tuple(one.what), one.purpose, one.consent == "integral", document.mark(("recipients", key)))
        for key, one in written.items()
    }


def claims_of(document: Document, written: Sequence[WrittenClaim]) -> tuple[Claim, ...]:
    """The claims, in order."""
    return tuple(
        Claim(one.says, one.control, one.of, one.category, one.purpose, one.owner, one.within, document.mark(("claims", place)))
        for place, one in enumerate(written)
    )


def notices_of(written: WrittenNotices) -> Notices:
    """The notices' facts."""
    return Notices(
        written.link,
        written.consent_link,
        written.control_link,
        written.answer_within,
        written.contact_kept,
        tuple(written.operators),
        written.letters,
        dict(written.words),
    )


def check_publishing(names: Declared) -> Iterator[Problem]:
    """Every name in ``recipients`` and ``claims`` leads somewhere, and no sentence is promised twice."""
    policy = names.policy
    for section in ("recipients", "claims"):
        for path, purpose in policy.texts(section, "*", "for"):
            if purpose not in names.purposes:
                yield dangling(policy, path, "purpose", purpose, names.purposes)
    for path, kind in policy.texts("claims", "*", "of"):
        if kind not in names.kinds:
            yield dangling(policy, path, "kind of subject", kind, names.kinds)
    for pattern in (("recipients", "*", "what"), ("claims", "*", "category")):
        for path, category in policy.texts(*pattern):
            if category not in names.categories:
                yield dangling(policy, path, "data category", category, names.categories)
    yield from _words(names)
    yield from _claims(names)


def _words(names: Declared) -> Iterator[Problem]:
    known = names.categories | set(names.addresses())
    for path in names.policy.under(("notices", "words")):
        if path[-1] not in known:
            yield dangling(names.policy, path, "data category or field", str(path[-1]), known)


def _claims(names: Declared) -> Iterator[Problem]:
    policy = names.policy
    said: dict[str, int] = {}
    for path, text in policy.texts("claims", "*", "says"):
        place = int(path[1])
        if text in said:
            yield wrong(policy, path, f"says the same as claims[{said[text]}]", "keep one of the two")
        said.setdefault(text, place)
        if policy.at(("claims", place, "control")) == "never_for" and policy.at(("claims", place, "for")) is None:
            yield wrong(policy, ("claims", place, "control"), "never_for needs the purpose that is meant", "write for: and a purpose")
