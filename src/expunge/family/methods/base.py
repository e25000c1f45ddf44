"""What a method of verifiable consent is: it begins with a challenge, judges answers, and says what it kept only to verify.

A method is pure: it makes and judges values. Who asks keeps what it needs sealed, posts its messages, records its results and destroys its
evidence (``app/families.py``). 16 CFR 312.5(b)(1): a method must be reasonably calculated, in light of available technology, to ensure that
the person giving consent is the child's parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Literal, Protocol

from expunge.terms import Identifier, Json


class Result(StrEnum):
    """What an answer came to.

    ``PENDING``: it waits, for a delayed confirmation or for somebody's eyes. ``REFUSED``: this try showed nothing, another is allowed.
    ``FAILED``: no further try is.
    """

    VERIFIED = "verified"
    PENDING = "pending"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a method begins with. ``what`` says in words what is asked for; ``to`` is where the guardian is written to.

    ``given`` is what the operator gives this method: a bank of questions, a provider's parameters.
    """

    reference: str
    what: str
    to: Identifier | None = None
    confirm_after: timedelta = timedelta(hours=24)
    given: Mapping[str, Json] = field(default_factory=dict[str, Json])

    def __repr__(self) -> str:
        """The reference only."""
        return f"Opening({self.reference!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """A letter to the guardian: which template, filled in with what. Where it goes is known to who posts it."""

    channel: Literal["email", "text"]
    template: str
    fields: Mapping[str, str]

    def __repr__(self) -> str:
        """The template only."""
        return f"Message({self.template!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Challenge:
    """How it begins: what the guardian is shown, what is kept (sealed) to judge the answer, and what is posted."""

    shown: Mapping[str, Json]
    held: Mapping[str, Json]
    messages: Sequence[Message] = ()

    def __repr__(self) -> str:
        """Nothing of it."""
        return "Challenge()"


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """What an answer came to, and what is kept from here on.

    ``evidence`` is what showed who they are, whose digest alone is kept. ``messages`` go out after ``wait``; ``because`` says in words,
    that name nobody, why a try was refused.
    """

    result: Result
    held: Mapping[str, Json] = field(default_factory=dict[str, Json])
    evidence: bytes | None = None
    messages: Sequence[Message] = ()
    wait: timedelta | None = None
    because: str = ""

    def __repr__(self) -> str:
        """The result only."""
        return f"Outcome({self.result.value!r})"


class Method(Protocol):
    """One way to ask."""

    @property
    def name(self) -> str:
        """As the policy's ``family.methods`` lists it."""
        ...

    @property
    def clause(self) -> str:
        """The clause of 16 CFR 312.5(b)(2) that it carries out."""
        ...

    def unfit(self, discloses: Sequence[str]) -> str | None:
        """Why it may not be used where data is disclosed to these recipients; ``None``: it may."""
        ...

    def begin(self, opening: Opening) -> Challenge:
        """Ask.

        Raises:
            InvalidRequest: something that the method needs is missing.
        """
        ...

    def answer(self, held: Mapping[str, Json], answer: Mapping[str, Json]) -> Outcome:
        """Judge an answer; ``held`` is what the last step kept.

        Raises:
            InvalidRequest: it is not an answer to this method's question.
        """
        ...


def tried(held: Mapping[str, Json], most: int, because: str) -> Outcome:
    """A try that showed nothing: refused, or failed if it was the last of ``most``."""
    tries = int(str(held.get("tries", 0))) + 1
    return Outcome(Result.FAILED if tries >= most else Result.REFUSED, {**held, "tries": tries}, because=because)
