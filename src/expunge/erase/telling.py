"""Letters to the people of a request or a hold.

They are sealed under a key of the matter's own, not under the people's: theirs may be hidden, or gone, before the letter has left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from expunge.erase.context import Rooms
from expunge.erase.held import people_in
from expunge.journal.records import Hold, Request
from expunge.ports import Letter
from expunge.terms import Identifier, Json

CHANNELS: Mapping[Literal["email", "text"], str] = {"email": "user.contact.email", "text": "user.contact.phone_number"}
"""How somebody is reached, and the data category of the identity that is such an address."""

PLACED, ENDED = "hold-placed", "hold-ended"
"""Templates of letters about holds."""

PLANNED, HOUSEHOLD, SHOWN = "erasure-planned", "household-erasure-planned", "erasure-undone"
"""Templates of letters about requests that can be undone."""

MATTER = "matter"
"""The registry's kind of what letters are about when it is no person."""


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """What to tell everybody of these people (as sealed with a request or a hold) who can be reached.

    ``about`` names the matter whose key the letters are sealed by; ``once`` makes them the same letters however often they are posted.
    """

    people: Json
    template: str
    fields: Mapping[str, str]
    about: str
    once: str

    def __repr__(self) -> str:
        """The template only."""
        return f"Message({self.template!r})"


def post(rooms: Rooms, messages: Iterable[Message]) -> list[str]:
    """Post a letter to each address, set-wise; the letters' ids. Who has no address gets none: children, mostly, whose adults are told."""
    ways = _addresses(rooms)
    found: list[tuple[Message, list[tuple[Literal["email", "text"], Identifier]]]] = []
    for one in messages:
        to = dict.fromkeys((ways[held.type], held) for person in people_in(one.people) for held in person.identifiers if held.type in ways)
        found += [(one, list(to))] if to else []
    if not found:
        return []
    numbers = rooms.journal.register(MATTER, [[Identifier(MATTER, one.about)] for one, _ in found])
    rooms.keys.make("subject", sorted(set(numbers)))
    letters = [
        Letter(address, channel, one.template, one.fields, number, f"{one.about}:{one.template}:{one.once}:{place}")
        for (one, to), number in zip(found, numbers, strict=True)
        for place, (channel, address) in enumerate(to)
    ]
    return rooms.journal.post(letters)


def tell_of_hold(rooms: Rooms, hold: Hold, template: str) -> None:
    """A letter to everybody whom a standing hold is about and who can be reached; none while a gag stands. Once, however often called."""
    standing = next((one for one in rooms.journal.standing_holds() if one.id == hold.id), None)
    if standing is None or standing.people is None or standing.gagged(rooms.clock.now()):
        return
    fields = {"authority": hold.authority}
    if template == PLACED:
        fields |= {"reason": hold.reason, "until": f"{hold.until:%d %B %Y}"}
    post(rooms, [Message(standing.people, template, fields, f"hold {hold.id}", f"{hold.until:%Y-%m-%d}")])


def tell_of_windows(rooms: Rooms, requests: Sequence[Request]) -> None:
    """What will be erased, and until when it can be undone: to the person, or to every member of the household. Once."""
    windows = {one.request_id: one for one in rooms.journal.windows(ids=[request.id for request in requests])}
    post(
        rooms,
        [
            Message(
                request.attached,
                HOUSEHOLD if windows[request.id].household else PLANNED,
                {"until": f"{windows[request.id].until:%d %B %Y}", "request": request.id},
                f"request {request.id}",
                "filed",
            )
            for request in requests
            if request.id in windows
        ],
    )


def _addresses(rooms: Rooms) -> dict[str, Literal["email", "text"]]:
    """Which identities are addresses, by the data categories of the fields that carry them."""
    found: dict[str, Literal["email", "text"]] = {}
    for note in rooms.policy.catalog.collections.values():
        for one in note.fields.values():
            for channel, category in CHANNELS.items():
                if one.identity is not None and category in one.categories:
                    found[one.identity] = channel
    return found
