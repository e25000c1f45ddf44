"""Logs at the edge of a tile: no row begun, and the next one begun by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from expunge.evidence.log import Log
from expunge.evidence.signing import Signer
from expunge.evidence.tiles import WIDTH
from expunge.testing.clock import FakeClock

SIGNER = Signer("log.example/one", bytes(range(32)))


@pytest.mark.parametrize("size", [WIDTH - 1, WIDTH, WIDTH + 1, 2 * WIDTH])
def test_a_log_that_just_fills_its_tiles_is_audited_whole(size: int, tmp_path: Path) -> None:
    log = Log.open(tmp_path / "log", SIGNER, FakeClock())
    log.append([b"%d" % number for number in range(size)])
    found = log.check()
    assert (found.size, found.unpublished) == (size, ())
    beyond = log.directory / "tile/0/009"
    beyond.write_bytes(bytes(32 * WIDTH))
    assert log.check().unpublished == ("tile/0/009",), "what a crashed append leaves beyond the head is told, and harmless"
