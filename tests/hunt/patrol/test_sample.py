"""The sample: within its bytes whatever there is, drawn evenly, and judged with what could not be read told apart."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.hunt.groups import Scanned
from expunge.hunt.patrol import LEAST, Drawn, Frame, Shown, allot, draw, judged
from expunge.hunt.pieces import Place, Unread, Why
from expunge.hunt.prints import Kind, Sighting, Tier
from expunge.hunt.scanning import Source
from expunge.stores.base import Part

SHARE = Source("share", "share", own=("keys",), elsewhere=("other/",))


def frame(sizes: list[int], key: bytes = b"k" * 32) -> Frame:
    held = Frame(key)
    held.take(SHARE, (Part(f"f{number}", size=size) for number, size in enumerate(sizes)))
    return held


def hit(name: str) -> Scanned:
    found = Scanned()
    found.take([Sighting(Place("share", name), Kind.IDENTIFIER, Tier.FOUND, 0, 1, 1.0, "email, mail address")])
    return found


def unread(name: str, why: Why) -> Scanned:
    found = Scanned()
    found.account.unread.append(Unread(Place("share", name), why))
    return found


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.lists(st.integers(0, 1 << 26), max_size=60), st.integers(1, 1 << 27))
def test_a_round_never_reads_more_than_its_budget(sizes: list[int], budget: int) -> None:
    drawn = draw(frame(sizes), budget, 0.95)
    assert sum(unit.part.size or 0 for unit in drawn.units) <= budget
    assert sum(count for _, count, _ in drawn.layers) == len(sizes)
    assert sum(taken for _, _, taken in drawn.layers) == len(drawn.units)


def test_within_a_stratum_every_part_is_as_likely() -> None:
    """30 of 300 in each of 400 rounds: every part about 40 times, none of them in all or none."""
    seen = Counter[str]()
    for number in range(400):
        drawn = draw(frame([1000] * 300, number.to_bytes(32, "big")), 30 * LEAST, 0.95)
        assert len({unit.part.name for unit in drawn.units}) == 30
        seen.update(unit.part.name for unit in drawn.units)
    assert len(seen) == 300
    assert all(15 < count < 75 for count in seen.values())  # four standard deviations of six


def test_what_is_dear_is_left_out_where_that_bounds_better() -> None:
    assert allot([(1000, LEAST), (2, 1 << 30)], 500 * LEAST, 0.95) == [500, 0]
    assert allot([(1000, LEAST), (2, LEAST * 4)], 1 << 30, 0.95) == [1000, 2]
    assert allot([], 10, 0.95) == []


def test_what_can_not_be_drawn_is_told_beside() -> None:
    held = Frame(b"k" * 32)
    held.take(
        SHARE, [Part("a", size=9), Part("keys/x", size=9), Part("other/y", size=9), Part("p", unread="not a regular file"), Part("n")]
    )
    drawn = Drawn.of(draw(held, 1 << 30, 0.95).as_json())
    assert {unit.part.name for unit in drawn.units} == {"a", "n"}
    assert drawn.aside == {"share": {"Expunge's own files": 1, "not a regular file": 1}}


def test_not_scanned_is_told_and_never_clean() -> None:
    drawn = draw(frame([1000] * 10), 1 << 30, 0.95)
    shown = Shown()
    for number, unit in enumerate(drawn.units):
        name = unit.part.name
        shown.take(number, hit(name) if number == 3 else unread(name, Why.ENCRYPTED) if number == 5 else Scanned())
    shown.take(6, unread("x", Why.UNKNOWN))
    told = judged(drawn, shown, 0.95)
    assert (told["objects"], told["drawn"], told["hits"], told["fewer_than"]) == (10, 10, 1, 2)
    assert told["not_scanned"] == {"objects": 1, "reasons": {"encrypted": 1}}
    assert told["sources"]["share"]["not_scanned"] == told["not_scanned"]


def test_what_was_seen_is_the_same_after_it_was_kept() -> None:
    first, second, whole = Shown(), Shown(), Shown()
    first.take(1, hit("a"))
    second.take(2, unread("b", Why.BROKEN))
    for one in (first, second):
        whole.add(one.as_bytes())
    assert (whole.hits, whole.unread) == ({1}, {2: ["damaged or cut short"]})
    assert [group.place for group in whole.groups] == [Place("share", "a")]


@pytest.mark.parametrize("sizes", [[], [5]])
def test_small_estates(sizes: list[int]) -> None:
    told = judged(draw(frame(sizes), 1 << 20, 0.95), Shown(), 0.95)
    assert (told["objects"], told["fewer_than"]) == (len(sizes), 1)
