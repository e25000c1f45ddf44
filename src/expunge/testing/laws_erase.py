"""Laws 4 to 7: what is erased, that nothing else is, and that it can be stopped anywhere."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from itertools import islice

import pytest

from expunge.errors import Unavailable
from expunge.terms import Method
from expunge.testing.harness import Harness, Row
from expunge.testing.population import ANN, BOB, choose, crowd, do, having, located, many, owned, seen, step

NEIGHBOURS = 7
SOME = (0, 1, 3)
OF = 7  # no six neighbours of this pattern read alike from both ends: columns in reverse beside addresses that aren't are noticed
STRANGER = "nobody-0"


class EraseLaws:
    """How a store deletes, redacts and decorrelates."""

    def test_delete_removes_all_and_only_these(self, harness: Harness) -> None:
        """4: the subject's records are gone, every other one is as it was."""
        harness.seed(crowd(harness))
        before = seen(harness)
        places = located(harness, choose(harness))
        assert do(harness, step(harness, Method.DELETE, places)) == len(places)
        assert seen(harness) == {number: one for number, one in before.items() if one.owner != ANN}
        assert located(harness, choose(harness)) == {}
        _live(harness, 0)

    def test_delete_goes_by_addresses(self, harness: Harness) -> None:
        """4: a matching record that is not addressed stays: it may be held, or another step's."""
        harness.seed(_bulk(harness))
        before = seen(harness)
        places = located(harness, choose(harness))
        chosen = [address for place, address in enumerate(places) if place % OF in SOME]
        kept = [address for address in places if address not in set(chosen)]
        assert do(harness, step(harness, Method.DELETE, chosen, selector=choose(harness, minus=kept))) == len(chosen)
        assert set(seen(harness)) == set(before) - {places[address] for address in chosen}
        assert set(located(harness, choose(harness))) == set(kept)
        assert do(harness, step(harness, Method.DELETE, kept[:1])) == 1
        assert set(located(harness, choose(harness))) == set(kept[1:])

    def test_addresses_outlive_their_neighbours(self, harness: Harness) -> None:
        """4: an address means the same record after its neighbours were rewritten."""
        harness.seed(crowd(harness))
        before = seen(harness)
        hers, his = located(harness, choose(harness)), located(harness, choose(harness, (BOB,)))
        do(harness, step(harness, Method.DELETE, list(his)[:3], selector=choose(harness, (BOB,))))
        assert located(harness, choose(harness)) == hers
        assert do(harness, step(harness, Method.DELETE, hers)) == len(hers)
        gone = owned(before.values(), ANN) | {his[address] for address in list(his)[:3]}
        assert set(seen(harness)) == set(before) - gone

    def test_delete_of_many_people_at_once(self, harness: Harness) -> None:
        """4: one step serves a whole batch of people."""
        rows = crowd(harness)
        harness.seed(rows)
        everybody = {one.owner for one in rows if one.owner is not None}
        selector = choose(harness, everybody - {BOB})
        places = located(harness, selector)
        assert do(harness, step(harness, Method.DELETE, places, selector=selector)) == len(places)
        assert set(seen(harness)) == owned(rows, BOB)

    def test_redact_nulls_the_fields_and_keeps_the_record(self, harness: Harness) -> None:
        """5: these fields of these records are null, all else is as it was; a redacted record is no longer selected."""
        fields = [having(harness, field) and field for field in ("body", "number")]
        harness.seed(crowd(harness))
        before = seen(harness)
        selector = choose(harness, present=fields)
        places = located(harness, selector)
        assert do(harness, step(harness, Method.REDACT, places, selector=selector, fields=fields)) == len(places)
        assert seen(harness) == {
            number: replace(one, body=None, number=None) if one.owner == ANN else one for number, one in before.items()
        }
        assert located(harness, selector) == {}
        _live(harness, 0, present=fields)

    def test_redact_of_one_field_keeps_the_other(self, harness: Harness) -> None:
        """5: only the fields named."""
        having(harness, "body")
        harness.seed(crowd(harness))
        before = seen(harness)
        places = located(harness, choose(harness))
        do(harness, step(harness, Method.REDACT, places, fields=("body",)))
        assert seen(harness) == {number: replace(one, body=None) if one.owner == ANN else one for number, one in before.items()}

    def test_decorrelate_repoints(self, harness: Harness) -> None:
        """5: the owner is the pseudo-person, all else is as it was."""
        harness.seed(crowd(harness))
        before = seen(harness)
        places = located(harness, choose(harness))
        assert do(harness, step(harness, Method.DECORRELATE, places, repoint={"owner": STRANGER})) == len(places)
        assert seen(harness) == {number: replace(one, owner=STRANGER) if one.owner == ANN else one for number, one in before.items()}
        assert located(harness, choose(harness)) == {}
        _live(harness, 0)

    def test_decorrelate_nulls_along_with_it(self, harness: Harness) -> None:
        """5: one step re-points and nulls, for a record that was changed once may have another address."""
        having(harness, "body")
        harness.seed(crowd(harness))
        before = seen(harness)
        places = located(harness, choose(harness))
        assert do(harness, step(harness, Method.DECORRELATE, places, fields=("body",), repoint={"owner": STRANGER})) == len(places)
        assert seen(harness) == {
            number: replace(one, owner=STRANGER, body=None) if one.owner == ANN else one for number, one in before.items()
        }

    def test_delete_twice_is_once(self, harness: Harness) -> None:
        """6: addresses that are gone count as done, alone and among others, and nothing else changes."""
        harness.seed(crowd(harness))
        places = list(located(harness, choose(harness)))
        assert do(harness, step(harness, Method.DELETE, places[:2])) == len(places[:2])
        assert do(harness, step(harness, Method.DELETE, places)) == len(places)
        after = seen(harness)
        assert do(harness, step(harness, Method.DELETE, places)) == len(places)
        assert seen(harness) == after
        assert do(harness, step(harness, Method.DELETE, [])) == 0

    def test_redact_twice_is_once(self, harness: Harness) -> None:
        """6: as for delete; the addresses are those of before."""
        having(harness, "body")
        harness.seed(crowd(harness))
        work = step(harness, Method.REDACT, located(harness, choose(harness)), fields=("body",))
        assert do(harness, replace(work, addresses=work.addresses[:2])) == len(work.addresses[:2])
        assert do(harness, work) == len(work.addresses)
        after = seen(harness)
        assert do(harness, work) == len(work.addresses)
        assert seen(harness) == after
        assert all(one.body is None for one in after.values() if one.owner == ANN)

    def test_decorrelate_twice_is_once(self, harness: Harness) -> None:
        """6: as for delete; the addresses are those of before."""
        harness.seed(crowd(harness))
        work = step(harness, Method.DECORRELATE, located(harness, choose(harness)), repoint={"owner": STRANGER})
        assert do(harness, replace(work, addresses=work.addresses[:2])) == len(work.addresses[:2])
        assert do(harness, work) == len(work.addresses)
        after = seen(harness)
        assert do(harness, work) == len(work.addresses)
        assert seen(harness) == after

    def test_many_records_take_several_batches(self, harness: Harness) -> None:
        """7: between two batches a run journals, re-reads holds, and can be stopped."""
        harness.seed(_bulk(harness))
        places = located(harness, choose(harness))
        with closing(harness.open()) as store:
            counts = list(store.erase(step(harness, Method.DELETE, places)))
        assert sum(counts) == len(places) == harness.bulk
        assert sum(count > 0 for count in counts) >= 3  # noqa: PLR2004 - a first, a middle and a last one
        assert set(seen(harness)) == owned(_bulk(harness), BOB)

    def test_nothing_is_announced_before_it_is_durable(self, harness: Harness) -> None:
        """7: what a yield announces is gone for everybody, at that moment."""
        harness.seed(_bulk(harness))
        places = located(harness, choose(harness))
        numbers = list(places.values())
        done = 0
        with closing(harness.open()) as store:
            for count in store.erase(step(harness, Method.DELETE, places)):
                done += count
                assert count >= 0
                assert done <= len(numbers), "more announced than asked for"
                assert not set(numbers[:done]) & set(seen(harness)), "announced, and still there"
        assert done == len(numbers)

    def test_delete_stops_at_any_batch_and_resumes(self, harness: Harness) -> None:
        """7: stopped after each batch and begun again by another instance, also from before the last announcement: the same end."""
        harness.seed(_bulk(harness))
        places = located(harness, choose(harness))
        _stop_and_go(harness, Method.DELETE, places)
        assert set(seen(harness)) == owned(_bulk(harness), BOB)
        _live(harness, 0)

    def test_redact_stops_at_any_batch_and_resumes(self, harness: Harness) -> None:
        """7: as for delete; what is announced is null for everybody."""
        having(harness, "body")
        harness.seed(_bulk(harness))
        before = seen(harness)
        places = located(harness, choose(harness))
        _stop_and_go(harness, Method.REDACT, places)
        assert seen(harness) == {number: replace(one, body=None) if one.owner == ANN else one for number, one in before.items()}

    def test_an_outage_in_the_middle_loses_nothing(self, harness: Harness) -> None:
        """7 and 10: the medium goes away between two batches; the rest is done when it is back."""
        harness.seed(_bulk(harness))
        places = located(harness, choose(harness))
        store = harness.open()
        batches = store.erase(step(harness, Method.DELETE, places))
        done = next(batches)
        with harness.outage(), pytest.raises(Unavailable):
            done += sum(batches)
        store.close()
        assert done < len(places)
        assert not set(list(places.values())[:done]) & set(seen(harness))
        rest = list(places)[done:]
        assert do(harness, step(harness, Method.DELETE, rest)) == len(rest)
        assert set(seen(harness)) == owned(_bulk(harness), BOB)


def _bulk(harness: Harness) -> list[Row]:
    """Enough records of the subject for several batches, and a few of her neighbour's before, between and after."""
    rows = many(ANN, harness.bulk + NEIGHBOURS)
    every = max(len(rows) // NEIGHBOURS, 1)
    return [replace(one, owner=BOB) if place % every == 0 and place // every < NEIGHBOURS else one for place, one in enumerate(rows)]


def _stop_and_go(harness: Harness, method: Method, places: dict[str, int]) -> None:
    """Take one or two batches, stop, check what was announced, begin again; every other time from the batch before."""
    order = list(places)
    begin = turn = 0
    while begin < len(order):
        turn += 1
        with closing(harness.open()) as store:
            batches = store.erase(step(harness, method, order[begin:], fields=("body",) if method is Method.REDACT else ()))
            counts = list(islice(batches, 1 + turn % 2))
            if close := getattr(batches, "close", None):
                close()
        assert sum(counts) > 0, "a step that is begun again goes on"
        announced = begin + sum(counts)
        live = seen(harness)
        told = [number for number in list(places.values())[:announced] if number in live]
        assert not [number for number in told if method is Method.DELETE or live[number].body is not None], "announced, and not done"
        begin = announced if announced == len(order) or turn % 2 else announced - counts[-1]


def _live(harness: Harness, count: int, present: tuple[str, ...] | list[str] = ()) -> None:
    """Verification counts this many records of the subject."""
    with closing(harness.open()) as store:
        assert store.verify(choose(harness, present=present)).live == count
