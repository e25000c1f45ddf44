"""The laws of stores that list a field's values (``Lister``): all of them, exactly, and an error where they can't be told."""

from __future__ import annotations

from contextlib import closing

import pytest

from expunge.errors import Drift, Unavailable, UnknownStore
from expunge.stores.base import Lister, Store
from expunge.terms import text_of
from expunge.testing.harness import Harness, Row
from expunge.testing.population import ANN, BOB, crowd, many, row

MISSPELT = "onwer"


class ListLaws:
    """How a store lists values. A store that isn't a ``Lister`` is not asked."""

    def test_values_are_listed_exactly(self, harness: Harness) -> None:
        """Every value that a record holds, near misses apart from each other, null left out, and none that no record holds."""
        rows = crowd(harness)
        harness.seed(rows)
        assert _listed(harness, "owner") == {str(one.owner) for one in rows}
        assert _listed(harness, "id") == {str(one.id) for one in rows}
        if "number" in harness.fields:
            assert _listed(harness, "number") == {str(one.number) for one in rows if one.number is not None}

    def test_many_values_are_listed(self, harness: Harness) -> None:
        """More than a batch, and of a value that many records hold one copy per batch at most."""
        rows = [*many(ANN, harness.bulk // 2), *(row(harness.bulk + number, f"{BOB}{number}") for number in range(harness.bulk // 2))]
        harness.seed(rows)
        assert _listed(harness, "owner") == {str(one.owner) for one in rows}

    def test_an_empty_collection_lists_nothing(self, harness: Harness) -> None:
        """A true zero; and what was there before is not listed."""
        harness.seed([Row(1, ANN)])
        harness.seed([])
        assert _listed(harness, "owner") == set()

    def test_what_cannot_be_listed_is_an_error(self, harness: Harness) -> None:
        """An unknown collection, a misspelt or renamed field, an outage: never an empty list."""
        harness.seed(crowd(harness))
        owner = harness.fields["owner"]
        with closing(harness.open()) as store:
            lister = _lister(store)
            with pytest.raises((UnknownStore, Drift)):
                list(lister.distinct("notse", owner))
            with pytest.raises(Drift):
                list(lister.distinct(harness.collection, MISSPELT))
            change = harness.drift()
            if change is not None:
                with change, pytest.raises(Drift):
                    list(lister.distinct(harness.collection, owner))
            with harness.outage(), pytest.raises(Unavailable):
                list(lister.distinct(harness.collection, owner))


def _listed(harness: Harness, field: str) -> set[str]:
    found: set[str] = set()
    with closing(harness.open()) as store:
        for batch in _lister(store).distinct(harness.collection, harness.fields[field]):
            texts = [text_of(value) for value in batch]
            assert batch, "no empty batch"
            assert len(set(texts)) == len(texts), "a value comes once in a batch"
            found |= set(texts)
    return found


def _lister(store: Store) -> Lister:
    if not isinstance(store, Lister):
        pytest.xfail("the store lists no values")
    return store
