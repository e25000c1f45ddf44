"""Letters to the people of a request or a hold.

They are sealed under a key of the matter's own, not under the people's: theirs may be hidden, or gone, before the letter has left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from expunge.erase.context import Rooms
from expunge.erase.held import people_in
from expunge.journal.records import Hold
from expunge.ports import Letter
from expunge.terms import Identifier, Json

CHANNELS: Mapping[Literal["email", "text"], str] = {"email": "user.contact.email", "text": "user.contact.phone_number"}
"""How somebody is reached, and the data category of the identity that is such an address."""

PLACED, ENDED = "hold-placed", "hold-ended"
"""Templates of letters about holds."""

MATTER = "matter"
"""The registry's kind of what letters are about when it is no person."""


def letters_to(rooms: Rooms, people: Json, template: str, fields: Mapping[str, str], once: str, *, about: str) -> list[str]:
    """Post a letter to each address of these people (as sealed with a request or a hold); the letters' ids.

    ``once`` makes it one letter however often it is posted; ``about`` names the matter whose key they are sealed by. Who has no address
    gets none: children, mostly, whose guardians are told.
    """
    ways = _addresses(rooms)
    found = {(ways[one.type], one): None for person in people_in(people) for one in person.identifiers if one.type in ways}
    if not found:
        return []
    number = matter(rooms, about)
    name = f"{about}:{template}:{once}"
    letters = [Letter(to, channel, template, fields, number, f"{name}:{place}") for place, (channel, to) in enumerate(found)]
    return rooms.journal.post(letters)


def tell_of_hold(rooms: Rooms, hold: Hold, template: str) -> None:
    """A letter to everybody whom a standing hold is about and who can be reached; none while a gag stands. Once, however often called."""
    standing = next((one for one in rooms.journal.standing_holds() if one.id == hold.id), None)
    if standing is None or standing.people is None or standing.gagged(rooms.clock.now()):
        return
    fields = {"authority": hold.authority}
    if template == PLACED:
        fields |= {"reason": hold.reason, "until": f"{hold.until:%d %B %Y}"}
    letters_to(rooms, standing.people, template, fields, f"{hold.until:%Y-%m-%d}", about=f"hold {hold.id}")


def matter(rooms: Rooms, about: str) -> int:
    """The registry number of a matter, with a key."""
    (number,) = rooms.journal.register(MATTER, [[Identifier(MATTER, about)]])
    rooms.keys.make("subject", [number])
    return number


def _addresses(rooms: Rooms) -> dict[str, Literal["email", "text"]]:
    """Which identities are addresses, by the data categories of the fields that carry them."""
    found: dict[str, Literal["email", "text"]] = {}
    for note in rooms.policy.catalog.collections.values():
        for one in note.fields.values():
            for channel, category in CHANNELS.items():
                if one.identity is not None and category in one.categories:
                    found[one.identity] = channel
    return found
