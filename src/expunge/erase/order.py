"""In which order collections are erased: what points goes before what it points at, copies before sources.

Pure graph functions. A cycle is broken by nulling references first; which ones, ``plan`` says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from graphlib import TopologicalSorter


def levels(nodes: Iterable[str], before: Collection[tuple[str, str]]) -> dict[str, int]:
    """For each node the length of the longest chain of ``before`` pairs (first, then) that ends in it. The pairs have no cycle."""
    nodes = sorted(nodes)
    earlier: dict[str, set[str]] = {node: set() for node in nodes}
    for first, then in before:
        earlier[then].add(first)
    level: dict[str, int] = {}
    for node in TopologicalSorter(earlier).static_order():
        level[node] = max((level[one] + 1 for one in earlier[node]), default=0)
    return level


def cycles(nodes: Iterable[str], before: Collection[tuple[str, str]]) -> list[frozenset[str]]:
    """The strongly connected components that hold a cycle (self-pairs included), in stable order (Kosaraju's two passes)."""
    nodes = sorted(nodes)
    forward: dict[str, list[str]] = {node: [] for node in nodes}
    backward: dict[str, list[str]] = {node: [] for node in nodes}
    for first, then in sorted(before):
        forward[first].append(then)
        backward[then].append(first)
    finished = _finishing_order(nodes, forward)
    component: dict[str, int] = {}
    for number, start in enumerate(reversed(finished)):
        if start not in component:
            _flood(start, backward, component, number)
    groups: dict[int, set[str]] = {}
    for node, number in component.items():
        groups.setdefault(number, set()).add(node)
    found = [frozenset(group) for group in groups.values() if len(group) > 1 or any((one, one) in before for one in group)]
    return sorted(found, key=sorted)


def _finishing_order(nodes: Iterable[str], following: Mapping[str, list[str]]) -> list[str]:
    seen: set[str] = set()
    finished: list[str] = []
    for start in nodes:
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(following[start]))]
        while stack:
            node, rest = stack[-1]
            unseen = next((one for one in rest if one not in seen), None)
            if unseen is None:
                finished.append(node)
                stack.pop()
            else:
                seen.add(unseen)
                stack.append((unseen, iter(following[unseen])))
    return finished


def _flood(start: str, following: Mapping[str, list[str]], component: dict[str, int], number: int) -> None:
    todo = [start]
    while todo:
        node = todo.pop()
        if node not in component:
            component[node] = number
            todo += [one for one in following[node] if one not in component]
