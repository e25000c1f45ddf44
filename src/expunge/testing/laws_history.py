"""Law 8: what a store keeps of what was erased is told until it is reclaimed; then no byte of it is left on the medium."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing

import pytest

from expunge.terms import Method, Residue, Selector
from expunge.testing.harness import Harness, Row
from expunge.testing.population import BOB, choose, do, having, located, row, seen, step

OWNER = "qzv7k2mw94xj-leftover-p3t8r5hd61yc"
"""The subject whose name is looked for in the bytes."""

BODY = "wk3n8fjt50qb-leftover-h2x9v4gs76md"
"""What she said, likewise."""

ENDS = 12  # statistics and dictionaries keep prefixes (16 to 32 characters), rewritten pages keep halves: either end is a find
LONG = 300  # lines of noise in one body: 19 kB, beyond what any store keeps in place (SQLite's page 4 kB, PostgreSQL's TOAST 2 kB)


class HistoryLaws:
    """How a store tells and removes history."""

    def test_deleted_bytes_are_told_then_gone(self, harness: Harness) -> None:
        """8: after a delete."""
        _erase_and_reclaim(harness, Method.DELETE, choose(harness, (OWNER,)), (OWNER, BODY))
        assert {one.owner for one in seen(harness).values()} == {BOB}

    def test_redacted_bytes_are_told_then_gone(self, harness: Harness) -> None:
        """8: after a redact; the record stays, and so does its owner."""
        having(harness, "body")
        _erase_and_reclaim(harness, Method.REDACT, choose(harness, (OWNER,), present=("body",)), (BODY,), ("body",))
        assert {one.body for one in seen(harness).values() if one.owner == OWNER} == {None}

    def test_repointed_bytes_are_told_then_gone(self, harness: Harness) -> None:
        """8: after a decorrelate; the record stays, the person's key is nowhere."""
        _erase_and_reclaim(harness, Method.DECORRELATE, choose(harness, (OWNER,)), (OWNER,))
        assert OWNER not in {one.owner for one in seen(harness).values()}

    def test_buried_bytes_are_told_then_gone(self, harness: Harness) -> None:
        """8: what lay there already when the subject was looked for: old versions, dead rows, what a killed rewrite left."""
        hers = [one for one in _rows() if one.owner == OWNER]
        harness.seed([one for one in _rows() if one.owner == BOB])
        before = seen(harness)
        if not harness.bury(hers):
            pytest.xfail("the medium keeps nothing of what is gone")
        traces = _traces(harness, (OWNER, BODY))
        assert seen(harness) == before, "what is buried is not live"
        _told_then_gone(harness, choose(harness, (OWNER,)), traces)
        assert seen(harness) == before

    def test_reclaim_spares_the_living(self, harness: Harness) -> None:
        """8: reclaiming changes no live record, twice is once, and it is no error where nothing was deleted."""
        harness.seed(_rows())
        before = seen(harness)
        for _ in range(2):
            with closing(harness.open()) as store:
                assert store.reclaim(choose(harness, (OWNER,))).how
            assert seen(harness) == before
            assert set(located(harness, choose(harness, (OWNER,))).values()) == {one.id for one in before.values() if one.owner == OWNER}


def _rows() -> list[Row]:
    """The subject's records between her neighbour's: short, long, and many enough to lie on several pages."""
    rows = [row(number, BOB) for number in range(1, 61)]
    noise = "\n".join(hashlib.sha256(str(line).encode()).hexdigest() for line in range(LONG))
    hers = {20: BODY, 21: f"{noise} {BODY} {noise}", 22: None, 59: f"said {BODY}"}
    return [Row(one.id, OWNER, one.number, hers[one.id], one.at) if one.id in hers else one for one in rows]


def _erase_and_reclaim(harness: Harness, method: Method, selector: Selector, markers: Sequence[str], fields: Sequence[str] = ()) -> None:
    """Erase, look for the markers, reclaim, look again; compare what was seen with what the store tells."""
    harness.seed(_rows())
    traces = _traces(harness, markers)
    neighbours = {number: one for number, one in seen(harness).items() if one.owner == BOB}
    places = located(harness, selector)
    repoint = {"owner": "nobody-0"} if method is Method.DECORRELATE else {}
    work = step(harness, method, places, selector=selector, fields=fields, repoint=repoint)
    assert do(harness, work) == len(places) > 0
    _told_then_gone(harness, selector, traces)
    assert {number: one for number, one in seen(harness).items() if one.owner == BOB} == neighbours


def _traces(harness: Harness, markers: Sequence[str]) -> list[bytes]:
    """What of the markers is looked for; all of it is there now."""
    traces = [end.encode() for marker in markers for end in (marker[:ENDS], marker[-ENDS:])]
    assert all(any(trace in held for _, held in harness.raw()) for trace in traces), "the harness sees what is there before"
    return traces


def _told_then_gone(harness: Harness, selector: Selector, traces: Sequence[bytes]) -> None:
    """Nothing of it is live; look where it is left, compare with what the store tells, reclaim, look and compare again."""
    left, residue = _places(harness, traces), _verify(harness, selector)
    assert residue.live == 0
    if left:
        assert residue.history is None or residue.history > 0, f"history in {left} is not told"
        assert residue.history is not None or residue.note, "what can't be counted is explained"

    with closing(harness.open()) as store:
        assert store.reclaim(selector).how
    left, residue = _places(harness, traces), _verify(harness, selector)
    assert residue.live == 0
    assert residue.history == 0 or residue.note, "what stays is explained"
    assert residue.history == 0 or residue.history is None or residue.clears_at or harness.tells, "what stays has an end"
    for place in left:
        words = [word for beginning, word in harness.tells.items() if place.startswith(beginning)]
        assert words, f"deleted bytes are left in {place}"
        assert any(word in residue.note for word in words), f"deleted bytes are left in {place}, and the note doesn't say so"


def _verify(harness: Harness, selector: Selector) -> Residue:
    with closing(harness.open()) as store:
        return store.verify(selector)


def _places(harness: Harness, traces: Sequence[bytes]) -> list[str]:
    """Where any of the traces is left."""
    return sorted({place for place, held in harness.raw() if any(trace in held for trace in traces)})
