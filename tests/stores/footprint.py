"""A process of its own that erases one person's records from one store, and prints its peak memory in MB: ``test_footprint`` starts it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from expunge.stores.registry import open_store
from expunge.terms import Method, Selector, Step

SELECTOR = Selector("notes", any_of={"owner": frozenset({"ann-1"})})


@dataclass(frozen=True)
class Layout:
    """The one collection, as the policy would give it."""

    layout: Mapping[str, object]
    name: str = "notes"
    field_names: tuple[str, ...] = ("id", "owner", "body")


def erased(kind: str, options: Mapping[str, object], layout: Mapping[str, object]) -> int:
    """Look, erase, reclaim, look again; how many records went."""
    store = open_store(kind, "held", options, [Layout(layout)] if layout else [])
    before = store.verify(SELECTOR).live
    found = tuple(address for batch in store.locate(SELECTOR) for address in batch.addresses)
    for _ in store.erase(Step("notes", Method.DELETE, SELECTOR, found)):
        pass
    store.reclaim(SELECTOR)
    after = store.verify(SELECTOR)
    store.close()
    assert (before, after.live, after.history) == (len(found), 0, 0), (before, len(found), after)
    return len(found)


def peak() -> int:
    """The largest resident set that this process has had, in MB; ``getrusage`` would begin with the parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) // 1024


if __name__ == "__main__":
    gone = erased(sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]))
    sys.stdout.write(json.dumps({"gone": gone, "peak": peak()}))
