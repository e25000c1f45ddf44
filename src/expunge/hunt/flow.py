"""The map of the real data flow: where canaries were seen, beside the lineage that the policy declares.

A *thing* (a key, a sentence, a recording) that lies in two places was carried from one to the other. Which way it went is not seen; it is
taken from what is declared:

- between two listed collections, along ``derived_from`` and references, directly or over others between them: *declared and seen*;
- a declared derivation of which nothing was seen at its end is *declared, not seen*: a pipeline that stands still, or one through which
  no canary came;
- a place that no declared way leads to from where the thing was put in (or, where nobody said, from any collection that has it) is
  *seen, not declared*: a copy that an erasure would not reach.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from expunge.policy.catalog import Catalog
from expunge.terms import Json

INGEST = "ingest"
"""The node from which canaries come."""


class Way(StrEnum):
    """How an edge came to be known."""

    ENTRY = "put in"
    SEEN = "declared and seen"
    UNSEEN = "declared, not seen"
    UNDECLARED = "seen, not declared"


@dataclass(frozen=True, slots=True)
class Edge:
    """Data goes from one place to another; ``things`` are those seen at both ends."""

    start: str
    end: str
    way: Way
    things: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """The map. ``listed`` nodes are the policy's ``store.collection``; the others are places that it doesn't know."""

    listed: tuple[str, ...]
    unlisted: tuple[str, ...]
    edges: tuple[Edge, ...]

    def count(self, way: Way) -> int:
        """How many edges are of this kind."""
        return sum(one.way is way for one in self.edges)

    def as_json(self) -> Json:
        """For ``--json``."""
        return {
            "listed": list(self.listed),
            "unlisted": list(self.unlisted),
            "edges": [{"from": one.start, "to": one.end, "way": one.way.value, "things": list(one.things)} for one in self.edges],
        }


def flow(catalog: Catalog, seen: Mapping[str, Collection[str]], planted: Collection[str] = ()) -> Flow:
    """The map of ``seen``: per thing (``canary/name``) the nodes that hold it. ``planted``: the collections that ingest writes to."""
    declared = _declared(catalog)
    ancestors = {node: _before(node, declared) for node in catalog.collections}
    found: dict[tuple[str, str, Way], set[str]] = {}
    for thing, holders in seen.items():
        name = thing.partition("/")[2]
        listed = [one for one in holders if one in catalog.collections]
        entries = [one for one in listed if one in planted] or [one for one in listed if not ancestors[one] & set(listed)]
        for node in holders:
            for edge in _ways(node, entries, set(listed), declared, ancestors):
                found.setdefault(edge, set()).add(name)
    edges = [Edge(*key, tuple(sorted(names))) for key, names in found.items()]
    known = {(one.start, one.end) for one in edges}
    put_in = {one.end for one in edges if one.way is Way.ENTRY}  # nothing can be seen to be derived where it was put in
    missing = ((start, end) for end, starts in declared.items() if end not in put_in for start, derived in starts.items() if derived)
    edges += [Edge(start, end, Way.UNSEEN) for start, end in missing if (start, end) not in known]
    nodes = {node for one in edges for node in (one.start, one.end)} - {INGEST}
    listed_nodes = tuple(one for one in catalog.collections if one in nodes)
    return Flow(listed_nodes, tuple(sorted(nodes - set(listed_nodes))), tuple(sorted(edges, key=lambda one: (one.way, one.start, one.end))))


def _ways(
    node: str,
    entries: Collection[str],
    listed: set[str],
    declared: Mapping[str, Mapping[str, bool]],
    ancestors: Mapping[str, set[str]],
) -> Iterable[tuple[str, str, Way]]:
    """How a thing came to a node."""
    if node in entries:
        yield INGEST, node, Way.ENTRY
        return
    if node in ancestors:
        direct = [start for start in declared.get(node, ()) if start in listed]
        # What it was made from says more than whom it is about.
        derived = [start for start in direct if declared[node][start]]
        if direct:
            yield from ((start, node, Way.SEEN) for start in derived or direct)
            return
        if ancestors[node] & listed:
            return
    # A key lies in every collection that references its own: it came from where it is at home.
    homes = [one for one in entries if one != node and not ancestors[one] & set(entries)]
    yield from ((start, node, Way.UNDECLARED) for start in homes or [INGEST])


def _declared(catalog: Catalog) -> dict[str, dict[str, bool]]:
    """Per collection those that its data comes from, and whether it is derived from them, not only about the same people."""
    found: dict[str, dict[str, bool]] = {}
    for note in catalog.collections.values():
        for field in note.fields.values():
            for one in field.references:
                start, end = (note.address, one.to) if one.direction == "to" else (one.to, note.address)
                if start != end:
                    found.setdefault(end, {}).setdefault(start, False)
        for start in note.derived_from:
            found.setdefault(note.address, {})[start] = True
    return found


def _before(node: str, declared: Mapping[str, Mapping[str, bool]]) -> set[str]:
    """Everything that a node's data may come from."""
    found: set[str] = set()
    todo = [node]
    while todo:
        for start in declared.get(todo.pop(), ()):
            if start not in found and start != node:
                found.add(start)
                todo.append(start)
    return found
