"""Sightings added up by place: what a shard gives back, small whatever was seen, and as bytes, for the shelf."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from expunge.hunt.pieces import Account, Place, Unread, Why
from expunge.hunt.prints import Kind, Sighting, Tier

MOST_ROWS = 1_000_000
"""Row keys kept for one place in one shard: what adopting a place by content erases by. Shards are far smaller."""

MOST_PRINTS = 100_000
"""Different prints kept for one place, to tell what is common: beyond that the place is one big copy anyway."""

MOST_SAMPLES = 5
"""Sightings kept with their context, for somebody to look at."""

MOST_MEMBERS = 100
"""Members of one file that are named; how many there were is counted."""


@dataclass(slots=True, repr=False)
class Group:
    """All sightings of one kind and tier in one place (a file with everything in it, a column of a table)."""

    place: Place
    kind: Kind
    tier: Tier
    count: int = 0
    strength: float = 0.0
    subjects: set[int] = field(default_factory=set[int])
    prints: Counter[int] = field(default_factory=Counter[int])
    forms: Counter[str] = field(default_factory=Counter[str])
    members: Counter[str] = field(default_factory=Counter[str])
    rows: dict[str, None] = field(default_factory=dict[str, None])
    samples: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def take(self, one: Sighting) -> None:
        """Add a sighting."""
        self.count += 1
        self.strength = max(self.strength, one.strength)
        self.subjects.add(one.subject)
        self.forms[one.form] += 1
        if one.print in self.prints or len(self.prints) < MOST_PRINTS:
            self.prints[one.print] += 1
        if one.place.members:
            member = "!".join(one.place.members)
            if member in self.members or len(self.members) < MOST_MEMBERS:
                self.members[member] += 1
        if one.row is not None and len(self.rows) < MOST_ROWS:
            self.rows[one.row] = None
        if len(self.samples) < MOST_SAMPLES:
            context = base64.b64encode(one.context).decode()
            where = {"member": "!".join(one.place.members), "offset": one.offset, "length": one.length, "row": one.row}
            self.samples.append({**where, "form": one.form, "subject": one.subject, "context": context})

    def add(self, other: Group) -> None:
        """Take over another group of the same place, kind and tier."""
        self.count += other.count
        self.strength = max(self.strength, other.strength)
        self.subjects |= other.subjects
        self.prints.update(other.prints)
        self.forms.update(other.forms)
        self.members.update(other.members)
        self.rows.update(other.rows)
        self.samples = [*self.samples, *other.samples][:MOST_SAMPLES]


@dataclass(slots=True, repr=False)
class Scanned:
    """What a shard showed."""

    groups: dict[tuple[Place, Kind, Tier], Group] = field(default_factory=dict[tuple[Place, Kind, Tier], Group])
    account: Account = field(default_factory=Account)

    def take(self, sightings: Iterable[Sighting]) -> None:
        """Add sightings, each to the group of the file or column that it lies in."""
        for one in sightings:
            place = grouped(one.place)
            key = (place, one.kind, one.tier)
            if key not in self.groups:
                self.groups[key] = Group(*key)
            self.groups[key].take(one)

    def add(self, other: Scanned) -> None:
        """Take over what another shard showed."""
        for key, group in other.groups.items():
            if key in self.groups:
                self.groups[key].add(group)
            else:
                self.groups[key] = group
        self.account.add(other.account)

    def as_bytes(self) -> bytes:
        """For the shelf."""
        whole = {"groups": [_group_json(one) for one in self.groups.values()], "account": _account_json(self.account)}
        return json.dumps(whole, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Scanned:
        """Read what ``as_bytes`` wrote."""
        whole = json.loads(raw)
        groups = [_group(one) for one in whole["groups"]]
        return cls({(one.place, one.kind, one.tier): one for one in groups}, _account(whole["account"]))


def grouped(place: Place) -> Place:
    """The place by which sightings are added up: a file with all that lies in it, a column of a table (also of one that lies in a file)."""
    return Place(place.source, place.path, (), place.table, place.column)


def _group_json(one: Group) -> dict[str, Any]:
    place = one.place
    return {
        "place": [place.source, place.path, list(place.members), place.table, place.column],
        "kind": one.kind.value,
        "tier": one.tier.value,
        "count": one.count,
        "strength": one.strength,
        "subjects": sorted(one.subjects),
        "prints": list(one.prints.items()),
        "forms": dict(one.forms),
        "members": dict(one.members),
        "rows": list(one.rows),
        "samples": one.samples,
    }


def _group(held: Mapping[str, Any]) -> Group:
    return Group(
        _place(held["place"]),
        Kind(held["kind"]),
        Tier(held["tier"]),
        held["count"],
        held["strength"],
        set(held["subjects"]),
        Counter(dict(held["prints"])),
        Counter(held["forms"]),
        Counter(held["members"]),
        dict.fromkeys(held["rows"]),
        held["samples"],
    )


def _place(held: list[Any]) -> Place:
    source, path, members, table, column = held
    return Place(source, path, tuple(members), table, column)


def _account_json(one: Account) -> dict[str, Any]:
    unread = [
        [
            [each.place.source, each.place.path, list(each.place.members), each.place.table, each.place.column],
            each.why.value,
            each.size,
            each.note,
        ]
        for each in one.unread
    ]
    figures = {"streams": one.streams, "bytes": one.bytes, "unwrapped": one.unwrapped, "rows": one.rows}
    return {**figures, "formats": one.formats, "unread": unread}


def _account(held: Mapping[str, Any]) -> Account:
    unread = [Unread(_place(place), Why(why), size, note) for place, why, size, note in held["unread"]]
    return Account(held["streams"], held["bytes"], held["unwrapped"], held["rows"], dict(held["formats"]), unread)
