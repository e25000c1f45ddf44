"""From sightings to finds: what stands by itself, what somebody should look at, and what is only what many people say.

- A place where the policy keeps records of these people is no find.
- A text that is also recognised in a listed, verified place is common: it makes nothing certain. The listed places are the control group.
- Anything else that is recognised there is somebody else's by the policy, and was verified as such: one thing to look at for each
  collection (a second upload under another key is found so), never a reason to keep the run incomplete.
- Many weak sightings of different prints in one place are a copy, though none of them would be one by itself.
- What a reader sees twice (a database file's pages, and its tables) is one find, by the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from expunge.hunt.groups import Group
from expunge.hunt.listed import Listed
from expunge.hunt.pieces import Place
from expunge.hunt.prints import Kind, Tier
from expunge.ports import Found

CONCENTRATED = 8
"""Different weak prints in one place that make a copy. Two people share one sentence of fifty (2.1 %, see reference measurements): eight
shared ones in one column by chance need a table of half a million sentences of others, and then the listed tables share them too."""


@dataclass(slots=True, repr=False)
class _Place:
    """What was recognised in one place."""

    place: Place
    certain: bool = False
    kinds: set[str] = field(default_factory=set[str])
    subjects: set[int] = field(default_factory=set[int])
    count: int = 0
    forms: Counter[str] = field(default_factory=Counter[str])
    members: Counter[str] = field(default_factory=Counter[str])
    rows: dict[str, None] = field(default_factory=dict[str, None])
    samples: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def take(self, group: Group, *, certain: bool) -> None:
        self.certain |= certain
        self.kinds.add(group.kind.value)
        self.subjects |= group.subjects
        self.count += group.count
        self.forms.update(group.forms)
        self.members.update(group.members)
        self.rows.update(group.rows)
        self.samples += group.samples


def judge(groups: Iterable[Group], listed: Listed) -> tuple[list[Found], dict[str, int]]:
    """The finds, and how many sightings were set aside, by reason (``kept by the policy``, ``common``)."""
    held = list(groups)
    aside: Counter[str] = Counter()
    common = {(group.kind, one) for group in held if group.kind is Kind.TEXT and listed.verified(group.place) for one in group.prints}
    places: dict[Place, _Place] = {}
    for group in held:
        if listed.keeps(group.place):
            aside["kept by the policy"] += group.count
        elif group.kind is Kind.TEXT and listed.verified(group.place):
            aside["common"] += group.count
        else:
            rare = sum((group.kind, one) not in common for one in group.prints)
            if not rare:
                aside["common"] += group.count
                continue
            place = _told_as(group.place, listed)
            places.setdefault(place, _Place(place)).take(group, certain=_certain(group, rare, listed))
    seen = [one for one in places.values() if not _told_by_a_table(one.place, places)]
    return [_found(one, listed) for one in sorted(seen, key=lambda one: (not one.certain, one.place.text))], dict(aside)


def _certain(group: Group, rare: int, listed: Listed) -> bool:
    return not listed.verified(group.place) and (group.tier is Tier.FOUND or rare >= CONCENTRATED)


def _told_as(place: Place, listed: Listed) -> Place:
    """A listed file is told as its collection: there may be thousands."""
    note = listed.collection(place)
    return Place(place.source, table=note.name) if note is not None and place.path and listed.verified(place) else place


def _told_by_a_table(place: Place, places: Iterable[Place]) -> bool:
    """A file's own bytes, where a table in the same file is told too."""
    if not place.path or place.table is not None:
        return False
    return any(one.source == place.source and one.path == place.path and one.table is not None for one in places)


def _found(one: _Place, listed: Listed) -> Found:
    note = listed.collection(one.place)
    place = one.place
    detail: dict[str, Any] = {
        "place": {"source": place.source, "path": place.path, "table": place.table, "column": place.column},
        "forms": dict(one.forms.most_common(20)),
        "members": dict(one.members.most_common(20)),
        "samples": one.samples[:5],
    }
    rows = tuple(one.rows)
    return Found(
        source=place.source,
        place=place.text,
        certain=one.certain,
        kinds=tuple(sorted(one.kinds)),
        count=len(rows) or one.count,
        subjects=len(one.subjects),
        rows=rows,
        detail=detail,
        address=note.address if note is not None and note.by_content else None,
    )
