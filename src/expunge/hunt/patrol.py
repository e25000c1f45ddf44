"""The standing patrol's sample: which objects a round looks at within its bytes, and what may be said of all of them afterwards.

The *frame* is every part of every source: a stream, or a range of a table's rows. Those of one source and of about one size are a
*stratum*. How many are drawn of each is decided from the frame alone, never from what was seen, and a part is drawn by a keyed digest of
its name, so that within a stratum every sample is as likely as any other and ``bound`` holds. Each part counts with the largest size of
its stratum, so that a round never reads more than its budget; what is too large for it is not drawn, and counts as unknown in the bound.

What can't be listed as readable (no permission, special files, Expunge's own) is no part of the frame: it is told beside it.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from expunge.hunt.bound import Stratum, fewer_than
from expunge.hunt.groups import Group, Scanned
from expunge.hunt.pieces import Account, Place, Why
from expunge.hunt.scanning import Shard, Source
from expunge.stores.base import Part

LEAST = 64 << 10
"""Bytes that the smallest part costs: opening one takes about as long as reading this many."""

STEP = 4
"""The largest size of a stratum over its smallest: a round reads between a quarter and all of its budget, about half on average."""

UNSIZED = 8 << 20
"""Bytes that a part counts with whose size can't be told cheaply: what stores make ranges of tables of."""

KEPT = 50_000
"""Parts of one stratum that may be drawn: those with the least digests are kept, whatever its size (about 20 MB)."""

AT_ONCE = 200
"""Parts looked at between two notes in the journal: a crash repeats no more."""


@dataclass(frozen=True, slots=True, repr=False)
class Unit:
    """A part of a source that may be drawn."""

    source: str
    part: Part

    def as_json(self) -> list[Any]:
        """For the journal, sealed."""
        part = self.part
        return [self.source, part.name, part.table, part.range, part.size]

    @classmethod
    def of(cls, held: Sequence[Any]) -> Unit:
        """Read what ``as_json`` gave."""
        source, name, table, rows, size = held
        return cls(source, Part(name, table, rows, size))


@dataclass(slots=True, repr=False)
class Layer:
    """A stratum of the frame: how many parts, the largest's bytes, and those with the least digests."""

    source: str
    count: int = 0
    most: int = LEAST
    least: list[tuple[int, int, Unit]] = field(default_factory=list[tuple[int, int, Unit]])

    def take(self, digest: int, unit: Unit, size: int) -> None:
        """Add a part."""
        self.count += 1
        self.most = max(self.most, size)
        item = (-digest, self.count, unit)  # a heap has its least on top: here the greatest digest
        if len(self.least) < KEPT:
            heapq.heappush(self.least, item)
        else:
            heapq.heappushpop(self.least, item)

    def drawn(self, count: int) -> list[Unit]:
        """Those with the least digests."""
        return [unit for _, _, unit in sorted(self.least, key=lambda one: -one[0])[:count]]


@dataclass(slots=True, repr=False)
class Frame:
    """Everything that there is to draw from. ``key`` is random and new for each round; ``aside`` counts what can't be drawn, by source."""

    key: bytes
    layers: dict[tuple[str, bool, int], Layer] = field(default_factory=dict[tuple[str, bool, int], Layer])
    aside: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])

    def take(self, source: Source, parts: Iterable[Part]) -> None:
        """Add a source's parts."""
        self.aside.setdefault(source.name, Counter())
        for part in parts:
            if source.elsewhere and part.name.startswith(source.elsewhere):
                continue
            why = part.unread or (Why.OWN.value if part.name.startswith(source.own) else "")
            if why:
                self.aside[source.name][why] += 1
                continue
            size = max(LEAST, UNSIZED if part.size is None else part.size)
            layer = self.layers.setdefault((source.name, part.table, _class(size)), Layer(source.name))
            layer.take(self._digest(source.name, part), Unit(source.name, part), size)

    def _digest(self, source: str, part: Part) -> int:
        named = f"{source}\0{part.name}\0{part.range}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(named, key=self.key, digest_size=16).digest(), "big")


@dataclass(frozen=True, slots=True, repr=False)
class Drawn:
    """A round's sample. ``layers`` are (source, parts there are, parts drawn), ``units`` the drawn ones layer by layer."""

    layers: tuple[tuple[str, int, int], ...]
    units: tuple[Unit, ...]
    aside: Mapping[str, Mapping[str, int]]

    def as_json(self) -> dict[str, Any]:
        """For the journal, sealed: names of parts may quote identifiers."""
        return {"layers": self.layers, "units": [one.as_json() for one in self.units], "aside": self.aside}

    @classmethod
    def of(cls, held: Mapping[str, Any]) -> Drawn:
        """Read what ``as_json`` gave."""
        layers = tuple((source, count, drawn) for source, count, drawn in held["layers"])
        return cls(layers, tuple(map(Unit.of, held["units"])), held["aside"])

    def batches(self, sources: Mapping[str, Source]) -> Iterator[tuple[int, list[Shard]]]:
        """The units in turn, some at a time, each as a shard of its own; with the number of the first."""
        for first in range(0, len(self.units), AT_ONCE):
            yield first, [Shard(sources[one.source], (one.part,)) for one in self.units[first : first + AT_ONCE]]


def draw(frame: Frame, budget: int, confidence: float) -> Drawn:
    """Draw a round's sample for at most ``budget`` bytes."""
    layers = [layer for _, layer in sorted(frame.layers.items())]
    counts = allot([(layer.count, layer.most) for layer in layers], budget, confidence)
    units = [unit for layer, count in zip(layers, counts, strict=True) for unit in layer.drawn(count)]
    told = tuple((layer.source, layer.count, count) for layer, count in zip(layers, counts, strict=True))
    return Drawn(told, tuple(units), {name: dict(held) for name, held in sorted(frame.aside.items())})


def allot(layers: Sequence[tuple[int, int]], budget: int, confidence: float) -> list[int]:
    """How many to draw of each layer, given as (parts, bytes of the largest).

    What is missed hides where least is drawn, so the same share is drawn of all layers that take part; which take part, the smallest parts
    first, is the choice that gives the lowest bound if nothing is found.
    """
    order = sorted(range(len(layers)), key=lambda one: layers[one][1])
    best: tuple[int, list[int]] | None = None
    cost = 0
    for place, number in enumerate(order):
        cost += layers[number][0] * layers[number][1]
        share = min(1.0, budget / cost)
        counts = [0] * len(layers)
        for one in order[: place + 1]:
            counts[one] = min(int(layers[one][0] * share), KEPT)
        left = budget - sum(count * most for count, (_, most) in zip(counts, layers, strict=True))
        for one in order[: place + 1]:
            if not counts[one] and layers[one][1] <= left:
                counts[one] = 1
                left -= layers[one][1]
        bound = fewer_than([Stratum(size, count) for (size, _), count in zip(layers, counts, strict=True)], confidence)
        if best is None or bound < best[0]:
            best = (bound, counts)
    return best[1] if best is not None else []


@dataclass(slots=True, repr=False)
class Shown:
    """What a round's units showed: which named an erased person, which were not read or not whole, and where."""

    hits: set[int] = field(default_factory=set[int])
    unread: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    groups: list[Group] = field(default_factory=list[Group])
    account: Account = field(default_factory=Account)

    def take(self, number: int, scanned: Scanned) -> None:
        """Add a unit."""
        if scanned.groups:
            self.hits.add(number)
            self.groups += scanned.groups.values()
        # A format that nobody knows was looked at as bytes: what the identifiers are recognised in.
        reasons = sorted({one.why.value for one in scanned.account.unread if one.why is not Why.UNKNOWN})
        if reasons:
            self.unread[number] = reasons
        scanned.account.unread.clear()
        self.account.add(scanned.account)

    def as_bytes(self) -> bytes:
        """For the journal, sealed."""
        whole = Scanned(account=self.account)
        for one in self.groups:
            whole.add(Scanned({(one.place, one.kind, one.tier): one}))
        return json.dumps([sorted(self.hits), list(self.unread.items()), json.loads(whole.as_bytes())]).encode()

    def add(self, raw: bytes) -> None:
        """Take over what ``as_bytes`` gave."""
        hits, unread, held = json.loads(raw)
        whole = Scanned.from_bytes(json.dumps(held).encode())
        self.hits |= set(hits)
        self.unread |= dict(unread)
        self.groups += whole.groups.values()
        self.account.add(whole.account)


def judged(drawn: Drawn, shown: Shown, confidence: float) -> dict[str, Any]:
    """What may be said: for each source and for all, how many there are, were drawn, hit, not read or not whole, and the bound."""
    strata: dict[str, list[Stratum]] = {name: [] for name in drawn.aside}
    unread: dict[str, Counter[str]] = {name: Counter() for name in strata}
    partly = Counter[str]()
    first = 0
    for source, size, count in drawn.layers:
        held = range(first, first + count)
        strata[source].append(Stratum(size, count, sum(one in shown.hits for one in held)))
        for one in held:
            unread[source].update(shown.unread.get(one, ()))
            partly[source] += one in shown.unread
        first += count
    whole = [one for held in strata.values() for one in held]
    told = {name: _told(held, confidence, unread[name], partly[name], drawn.aside[name]) for name, held in strata.items()}
    every = Counter[str]()
    beside = Counter[str]()
    for name in strata:
        every.update(unread[name])
        beside.update(drawn.aside[name])
    return {**_told(whole, confidence, every, partly.total(), beside), "confidence": confidence, "sources": told}


def _told(strata: Sequence[Stratum], confidence: float, unread: Mapping[str, int], partly: int, aside: Mapping[str, int]) -> dict[str, Any]:
    return {
        "objects": sum(one.size for one in strata),
        "drawn": sum(one.drawn for one in strata),
        "hits": sum(one.hits for one in strata),
        "fewer_than": fewer_than(strata, confidence),
        "not_scanned": {"objects": partly, "reasons": dict(sorted(unread.items()))},
        "outside": dict(sorted(aside.items())),
    }


def places(groups: Iterable[Group]) -> dict[Place, Group]:
    """The groups by place, those of one place together."""
    found: dict[Place, Group] = {}
    for one in groups:
        if one.place in found:
            found[one.place].add(one)
        else:
            found[one.place] = one
    return found


def _class(size: int) -> int:
    """Which power of ``STEP`` a size is below."""
    found, edge = 0, LEAST
    while edge < size:
        edge *= STEP
        found += 1
    return found
