"""The order in which a consent may be asked for, given and taken back. Pure; ``consents.py`` keeps what happened.

A *thread* is one person's word on one matter for one subject: a guardian's for a child, or an adult's own. The legal order::

    nothing ──asked──► asked ──answered──► pending ──given──► given ──expired──► expired
                         ├──given──► given
                         └──lapsed──► lapsed          (pending may lapse too: the confirmation never went out)
    withdrawn: from every state, at any time; also a no to what was never asked (16 CFR 312.6(a)(2))
    ended:     from every state: the guardianship is over, and this person's word counts neither way
    asked:     again from withdrawn, lapsed, expired and ended; never while an asking is open, and never over a yes

``given`` is reached only from ``asked`` or ``pending``: nobody consents to what they were not asked. A no stands until the same person
says yes: being asked again does not clear it, and neither does an asking that lapses. Of several guardians the stricter wins: one yes is
needed, and no standing no.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from expunge.errors import InvalidRequest


class Event(StrEnum):
    """What happens to a consent."""

    ASKED = "asked"
    ANSWERED = "answered"
    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    EXPIRED = "expired"
    ENDED = "ended"


class State(StrEnum):
    """Where a thread stands. Only ``given`` is a yes."""

    NOTHING = "nothing"
    ASKED = "asked"
    PENDING = "pending"
    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    EXPIRED = "expired"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Thread:
    """One person's word on one matter: where it stands, and whether their last word was a no (``objects``)."""

    state: State = State.NOTHING
    objects: bool = False


_NEXT: Mapping[tuple[State, Event], State] = {
    **{(state, Event.ASKED): State.ASKED for state in (State.NOTHING, State.WITHDRAWN, State.LAPSED, State.EXPIRED, State.ENDED)},
    (State.ASKED, Event.ANSWERED): State.PENDING,
    (State.ASKED, Event.GIVEN): State.GIVEN,
    (State.PENDING, Event.GIVEN): State.GIVEN,
    (State.ASKED, Event.LAPSED): State.LAPSED,
    (State.PENDING, Event.LAPSED): State.LAPSED,
    (State.GIVEN, Event.EXPIRED): State.EXPIRED,
    **{(state, Event.WITHDRAWN): State.WITHDRAWN for state in State},
    **{(state, Event.ENDED): State.ENDED for state in State},
}

_LAST_WORD: Mapping[Event, bool] = {Event.GIVEN: False, Event.WITHDRAWN: True, Event.ENDED: False}
"""The events that are a word of the person, or end its weight; after all others the last word stands."""


def follow(thread: Thread, event: Event) -> Thread:
    """Where the thread stands after the event.

    Raises:
        InvalidRequest: the event can't happen to a thread that stands there.
    """
    state = _NEXT.get((thread.state, event))
    if state is None:
        raise InvalidRequest(f"a consent that stands at {thread.state.value!r} can't be {event.value!r} now")
    return Thread(state, _LAST_WORD.get(event, thread.objects))


def may(thread: Thread, event: Event) -> bool:
    """Whether the event can happen to it."""
    return (thread.state, event) in _NEXT


def is_given(threads: Iterable[Thread]) -> bool:
    """Whether the words of all who may decide make a yes: somebody gave it, and nobody's last word is a no."""
    held = list(threads)
    return any(one.state is State.GIVEN for one in held) and not any(one.objects for one in held)
