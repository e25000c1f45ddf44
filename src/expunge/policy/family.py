"""What the policy says of families: under which age a parent decides, how they are asked, and whose an unattributed record is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from expunge.policy.catalog import Mark, Problem
from expunge.policy.declared import Declared, dangling, wrong
from expunge.policy.options import Count, Strict, Text, Texts, listed
from expunge.policy.quantities import Duration
from expunge.policy.reading import Document

MethodName = Literal[
    "signed-form",
    "card",
    "phone-call",
    "video-call",
    "government-id",
    "questions",
    "id-and-face",
    "email-plus",
    "text-plus",
]
"""The methods of 16 CFR 312.5(b)(2), in its order: (i), (ii), (iii) a phone call, (iv) a video call, (v) to (ix)."""

UNDER = 13
"""16 CFR 312.2: a child is an individual under the age of 13."""

CONFIRM_AFTER = timedelta(hours=24)
"""The rule asks for a delay without naming one; a day lets a message to an address that a child typed be seen by its owner."""

REMEMBER = timedelta(hours=24)
"""How long an age screen remembers; long enough that going back and trying another year gives nothing, short for a mistyped one."""

_METHODS = get_args(MethodName)
_SCHEMA = {"enum": list(_METHODS)}
_Methods = Annotated[list[MethodName], BeforeValidator(listed), WithJsonSchema({"anyOf": [_SCHEMA, {"type": "array", "items": _SCHEMA}]})]


class WrittenFamily(Strict):
    """Households, children, and how their parents are asked."""

    under: Count = Field(default=UNDER, description="Under this age in years a parent decides; 13 (16 CFR 312.2) if left out.")
    methods: _Methods = Field(default_factory=lambda: list(_METHODS), description="The methods of consent in use; all, if left out.")
    confirm_after: Duration = Field(
        default=CONFIRM_AFTER, description="How long after a parent's answer the confirmation goes out (e-mail-plus, text-plus); 24 hours."
    )
    lasts: Duration | None = Field(default=None, description="A yes ends after so long and is asked for again; never, if left out.")
    remember: Duration = Field(
        default=REMEMBER, description="How long an age screen remembers an age under the limit or a refusal; 24 hours."
    )
    asking: Text | None = Field(default=None, description="The purpose for which contact data is kept only to ask a parent.")
    templates: Texts = Field(default_factory=list, description="Data categories that identify by body: voiceprints, face templates.")
    internal: Texts = Field(
        default_factory=list, description="Recipients that only support internal operations, so that passing data to them is no disclosure."
    )
    guardians: Text | None = Field(default=None, description="A collection (store.collection) of pairs of child and guardian.")
    unattributed: Text | None = Field(default=None, description="The kind whose a recording or picture is that nobody is attributed to.")
    stand_ins: Literal["allowed"] | None = Field(
        default=None, description="allowed: providers that are not connected are played by a stand-in; never on real people."
    )


@dataclass(frozen=True, slots=True)
class Family:
    """As declared. ``lasts`` ``None``: a yes holds until it is taken back. ``internal``: recipients to whom nothing is disclosed."""

    under: int = UNDER
    methods: tuple[str, ...] = _METHODS
    confirm_after: timedelta = CONFIRM_AFTER
    lasts: timedelta | None = None
    remember: timedelta = REMEMBER
    asking: str | None = None
    templates: tuple[str, ...] = ()
    internal: tuple[str, ...] = ()
    guardians: str | None = None
    unattributed: str | None = None
    stand_ins: bool = False
    mark: Mark | None = None


def family_of(document: Document, written: WrittenFamily | None) -> Family:
    """The family's part of a policy; the defaults, where it has none."""
    if written is None:
        return Family()
    return Family(
        under=written.under,
        methods=tuple(written.methods),
        confirm_after=written.confirm_after,
        lasts=written.lasts,
        remember=written.remember,
        asking=written.asking,
        templates=tuple(written.templates),
        internal=tuple(written.internal),
        guardians=written.guardians,
        unattributed=written.unattributed,
        stand_ins=written.stand_ins == "allowed",
        mark=document.mark(("family",)),
    )


def check_family(names: Declared) -> Iterator[Problem]:
    """Every name in ``family`` leads somewhere."""
    policy = names.policy
    places = (
        ("asking", "purpose", names.purposes),
        ("unattributed", "kind of subject", names.kinds),
        ("guardians", "collection", tuple(names.collections)),
        ("templates", "data category", tuple(sorted(names.categories))),
        ("internal", "recipient", tuple(str(path[-1]) for path in policy.under(("recipients",)))),
    )
    for key, what, known in places:
        for path, name in policy.texts("family", key):
            if name not in known:
                yield dangling(policy, path, what, name, known)
    kind = policy.at(("family", "unattributed"))
    if isinstance(kind, str) and kind in names.kinds and policy.at(("subjects", kind, "minor")) is True:
        fix = "name the household, or an adult kind"
        yield wrong(policy, ("family", "unattributed"), "a record that nobody is attributed to can't be taken for one child's", fix)
