"""Compiling ahead really hunts: what was planted is recognised, by every family that looks at bytes and rows."""

from __future__ import annotations

from pathlib import Path

from expunge.hunt import ready
from expunge.hunt.families import FAMILIES, Matchers, family
from expunge.hunt.groups import Scanned
from expunge.hunt.pieces import Why
from expunge.hunt.prints import Kind
from expunge.hunt.reading import Limits
from expunge.hunt.scanning import Source, scan_shard, shards
from expunge.stores.scan_registry import open_scan


def test_every_family_recognises_what_was_planted(tmp_path: Path) -> None:
    ready.write(tmp_path)
    prints = {name: list(family(name).take(ready.traces())) for name in FAMILIES}
    matchers = Matchers({name: pages for name, pages in prints.items() if pages})
    scan, found = open_scan(str(tmp_path)), Scanned()
    for shard in shards(scan, Source("ready", str(tmp_path))):
        found.add(scan_shard(shard, scan, matchers, Limits()))
    assert {one.kind for one in found.groups.values()} >= {Kind.IDENTIFIER, Kind.TEXT, Kind.BYTES, Kind.VECTOR, Kind.TRACK}
    assert {one.why for one in found.account.unread} <= {Why.UNKNOWN}, "random bytes inside a line are looked at as bytes"
