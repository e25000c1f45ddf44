"""Which tombstones are whose: the register's digests, led back to registry numbers by what the roster has kept of every key.

A tombstone of a single record is led back by its request, while that is open: then it is known how the record is called, and its hash is
kept. Of one whose request was over before anybody looked, only the person is known, and every record of theirs from before is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from expunge.erase.context import Rooms
from expunge.erase.intake import numbers_of, scope_of
from expunge.evidence.files import write_durably
from expunge.evidence.stones import Facts
from expunge.gate.building import Stoned
from expunge.gate.columns import hashes_of
from expunge.gate.kernel import find
from expunge.gate.keys import halves
from expunge.gate.roster import Roster, table
from expunge.journal.records import Request

_Items: TypeAlias = dict[str, list[int]]
"""By request, the hashes of the records that it names."""


class Stones:
    """The tombstones of a policy's people."""

    def __init__(self, rooms: Rooms, key: bytes, kept: Path) -> None:
        """``key`` is the gate's; ``kept`` is where the hashes of records stay after their requests have ended."""
        self._rooms = rooms
        self._key = key
        self._kept = kept
        self._whose: dict[str, list[int]] = {}

    def all(self, rosters: Iterable[Roster]) -> Sequence[Stoned]:
        """Every tombstone that stands, with whose it is; of several that agree, the one that reaches furthest.

        Raises:
            JournalUnavailable, EvidenceError: it can't be told now.
        """
        by_prefix: dict[int, list[Facts]] = {}
        by_request: dict[str, Facts] = {}
        for digests, facts in self._rooms.register.standing():
            by_request[facts.request_id] = facts
            for one in digests:
                by_prefix.setdefault(int.from_bytes(one[:8], "little"), []).append(facts)
        furthest: dict[tuple[int, tuple[str, ...], int], datetime | None] = {}
        for number, facts in self._by_key(by_prefix, rosters):
            _add(furthest, Stoned(number, facts.categories, facts.captured_before or facts.laid_at))
        for stone in self._by_request(by_request):
            _add(furthest, stone)
        return [Stoned(number, categories, before, item) for (number, categories, item), before in furthest.items()]

    def _by_key(self, by_prefix: dict[int, list[Facts]], rosters: Iterable[Roster]) -> Iterable[tuple[int, Facts]]:
        """Everybody whose key's digest begins like a stone's: 64 bits, so that a stone is laid on a stranger once in 10^11 stones."""
        prefixes = np.array(list(by_prefix), np.uint64)
        slots, bits = table(prefixes, np.arange(1, prefixes.size + 1, dtype=np.uint32))
        for roster in rosters:
            rows = roster.rows()
            at = np.empty(rows.size, np.uint32)
            find(slots, np.uint64(bits), np.ascontiguousarray(rows["stone"]), at)
            for place in np.flatnonzero(at):
                for facts in by_prefix[int(prefixes[at[place] - 1])]:
                    yield int(rows["number"][place]), facts

    def _by_request(self, by_request: dict[str, Facts]) -> Iterable[Stoned]:
        """Stones of whole requests: on those whom the journal says they are about, and on single records."""
        items: _Items = json.loads(self._kept.read_bytes()) if self._kept.exists() else {}
        learnt = dict(items)
        for request in self._rooms.journal.requests(ids=[one for one in by_request if one not in self._whose]):
            self._whose[request.id] = sorted({request.subject, *numbers_of([request])})
            if request.attached and scope_of(request).items:
                learnt[request.id] = self._hashes(request)
        if learnt != items:
            write_durably({self._kept: json.dumps(learnt).encode()}, mode=0o600)
        for request_id, facts in by_request.items():
            for number in self._whose.get(request_id, ()):
                if request_id in learnt:
                    yield from (Stoned(number, (), None, item) for item in learnt[request_id])
                else:
                    yield Stoned(number, facts.categories, facts.captured_before or facts.laid_at)

    def _hashes(self, request: Request) -> list[int]:
        """The hashes of the records (``store.collection/key``) that a request names."""
        found: list[int] = []
        for item in scope_of(request).items:
            collection, _, key = item.partition("/")
            hashes: npt.NDArray[np.uint64] = hashes_of(
                pa.array([key]), halves(self._key, f"item/{collection}"), integers=False, name="item"
            )
            found.append(int(hashes[0]))
        return found


def _add(furthest: dict[tuple[int, tuple[str, ...], int], datetime | None], stone: Stoned) -> None:
    place = (stone.number, stone.categories, stone.item)
    held = furthest.get(place, stone.before)
    furthest[place] = None if held is None or stone.before is None else max(held, stone.before)
