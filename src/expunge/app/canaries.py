"""Canaries kept, planted, looked for and ended; and the map of where they were carried.

A canary is no data subject: nobody asks for it, it has no number in the registry and stands in no count of people. What the company's own
ingest makes of it are records like all others, which an ordinary erasure takes away, with a receipt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from expunge.app.hunting import opened, sources
from expunge.app.library import Expunge
from expunge.errors import InvalidRequest
from expunge.hunt import canary
from expunge.hunt.canary import Household
from expunge.hunt.families import FAMILIES, Matchers, family
from expunge.hunt.flow import Flow, flow
from expunge.hunt.flow_picture import mermaid, page, svg
from expunge.hunt.groups import Scanned
from expunge.hunt.listed import Listed
from expunge.hunt.pieces import Place
from expunge.hunt.prints import Tier, Trace
from expunge.hunt.reading import Limits
from expunge.hunt.scanning import scan_shard, shards
from expunge.journal.canaries import Canary
from expunge.policy.model import Hunt
from expunge.stores.scan_rate import LimitedScan, Rate
from expunge.terms import Json

Watch = Callable[[str, int], None]
"""Told of each source, and how many shards of it were looked at."""

MISSING = "there is no canary; `expunge hunt canary make` makes one"


def unwatched(source: str, done: int) -> None:
    """The watch that looks away."""


def make(library: Expunge, count: int = 1) -> list[Canary]:
    """Make canary households, sealed in the journal."""
    catalog = library.policy.catalog
    return [library.rooms.journal.keep_canary(canary.make(catalog).as_bytes()) for _ in range(count)]


def plant(library: Expunge, to: Path, into: Sequence[str] = ()) -> list[Path]:
    """Write every living canary into a folder of its own below ``to``, as files for the company's own ingest.

    ``into`` are the collections (``store.collection``) to which that ingest writes: whatever else has a canary got it from there.

    Raises:
        InvalidRequest: no canary lives, or the policy has no such collection.
    """
    known = library.policy.catalog.collections
    wrong = [one for one in into if one not in known]
    if wrong:
        raise InvalidRequest(f"the policy has no collection {wrong[0]!r}")
    written = []
    for one, household in _living(library):
        written += canary.write(household, to / one.id)
        library.rooms.journal.canary_planted(one.id, {"into": list(into)})
    return written


def look(library: Expunge, watch: Watch = unwatched) -> Mapping[str, Mapping[str, Json]]:
    """Hunt for every living canary everywhere, by every family; per canary and node what was seen there.

    Raises:
        InvalidRequest: no canary lives.
        StoreError: a place can't be reached: not scanned is never clean.
        MissingExtra: the hunt's libraries are not installed.
    """
    held = _living(library)
    households = [household for _, household in held]
    scanned = _scan(library, households, watch)
    numbers = canary.things(households)
    nodes = _Nodes(library)
    found: list[dict[str, dict[str, int]]] = [{} for _ in held]
    for group in scanned.groups.values():
        node = nodes.of(group.place)
        if group.tier is Tier.FOUND and node is not None:
            for number in group.subjects:
                place, name = numbers[number]
                at = found[place].setdefault(node, {})
                at[name] = at.get(name, 0) + 1
    unread: dict[str, int] = {}
    for one in scanned.account.unread:
        unread[one.why.value] = unread.get(one.why.value, 0) + 1
    for (kept, _), seen in zip(held, found, strict=True):
        library.rooms.journal.canary_seen(kept, json.dumps({"nodes": seen, "not_scanned": unread}).encode())
    return {kept.id: {"nodes": dict(seen), "not_scanned": dict(unread)} for (kept, _), seen in zip(held, found, strict=True)}


def end(library: Expunge, canary_id: str) -> None:
    """Destroy what a canary is made of. Erase its records first: nobody can look for them afterwards.

    Raises:
        UnknownRequest: there is none of that id.
    """
    library.rooms.journal.end_canary(canary_id)


def subjects(library: Expunge, canary_id: str) -> list[str]:
    """Whom to erase to take a canary's records away again, as ``expunge erase`` takes subjects.

    Raises:
        UnknownRequest: there is none of that id.
        InvalidRequest: it was ended.
    """
    held = library.rooms.journal.canary(canary_id).content
    if held is None:
        raise InvalidRequest("the canary was ended: what it was made of is gone", where=canary_id)
    keys = {kind.key: kind.name for kind in library.policy.catalog.kinds.values()}
    return [f"{keys[one.name]}:{one.value}" for one in Household.of(held).things if one.name in keys]


def lineage(library: Expunge) -> Flow:
    """The map of what the last look saw.

    Raises:
        InvalidRequest: nobody has looked yet.
    """
    seen: dict[str, set[str]] = {}
    planted: set[str] = set()
    looked = False
    for one in library.rooms.journal.canaries():
        into = one.planted.get("into")
        planted |= {str(address) for address in into} if isinstance(into, Sequence) else set()
        if one.seen is not None:
            looked = True
            for node, names in json.loads(one.seen)["nodes"].items():
                for name in names:
                    seen.setdefault(f"{one.id}/{name}", set()).add(node)
    if not looked:
        raise InvalidRequest("nobody has looked for a canary yet; `expunge hunt canary look` does")
    return flow(library.policy.catalog, seen, planted)


def _living(library: Expunge) -> list[tuple[Canary, Household]]:
    held = [(one, Household.of(one.content)) for one in library.rooms.journal.canaries() if one.content is not None]
    if not held:
        raise InvalidRequest(MISSING)
    return held


def _scan(library: Expunge, households: Sequence[Household], watch: Watch) -> Scanned:
    traces: list[Trace] = []
    for household in households:
        traces += household.traces(len(traces))
    matchers = Matchers({name: list(family(name).take(traces)) for name in FAMILIES})
    hunting = library.policy.hunt or Hunt()
    whole = Scanned()
    for source in sources(library.policy):
        with closing(opened(source)) as scan:
            reading = scan if hunting.rate is None else LimitedScan(scan, Rate(hunting.rate))
            for done, shard in enumerate(shards(scan, source), start=1):
                whole.add(scan_shard(shard, reading, matchers, Limits()))
                watch(source.name, done)
    return whole


class _Nodes:
    """Which node of the map a place is."""

    def __init__(self, library: Expunge) -> None:
        policy = library.policy
        held = sources(policy)
        self._listed = Listed(policy.catalog, (), {one.name: one.store for one in held if one.store})
        self._stores = {one.name: one.store for one in held if one.store and policy.catalog.stores[one.store].kind == "sql"}
        self._hanging = {
            (store, shape.name): f"{store}.{shape.hangs_on}"
            for store in self._stores.values()
            for shape in library.rooms.stores[store].describe()
            if shape.hangs_on
        }

    def of(self, place: Place) -> str | None:
        """The collection, or the place itself; nothing for a listed database's own pages, since its tables were read."""
        note = self._listed.collection(place)
        if note is not None:
            return note.address
        store = self._stores.get(place.source)
        if store is not None and place.table is None:
            return None
        if store is not None and not place.path:
            return self._of_index(store, str(place.table)) or f"{place.source}.{place.table}"
        whole = Place(place.source, place.path, (), place.table if not place.path else None)
        return whole.text

    def _of_index(self, store: str, table: str) -> str | None:
        """A full-text index is part of the collection that it is over, and its own tables are called after it."""
        return next(
            (to for (at, name), to in self._hanging.items() if at == store and (table == name or table.startswith(f"{name}_"))), None
        )


def drawn(library: Expunge, lineage_: Flow, suffix: str) -> str:
    """The map as a page (``.html``), a picture (``.svg``) or Mermaid's text (``.mmd``).

    Raises:
        InvalidRequest: another kind of file.
    """
    name = library.policy.controller.name
    held = library.rooms.journal.canaries()
    looked = max((one.looked_at for one in held if one.looked_at is not None), default=None)
    told = f"{len(held)} {'canary' if len(held) == 1 else 'canaries'}, looked for on {looked:%Y-%m-%d %H:%M} UTC:" if looked else ""
    if suffix in (".html", ".htm"):
        return page(lineage_, f"{name}: where data really goes", told)
    if suffix == ".svg":
        return svg(lineage_, told or name)
    if suffix in (".mmd", ".mermaid", ".md"):
        return mermaid(lineage_)
    raise InvalidRequest("the map is written as .html, .svg or .mmd")
