"""Laws 9 to 11: a fault is an error of the right class, never a zero, and says nothing about anybody."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from expunge.errors import Drift, Refused, StoreError, Unavailable, UnknownStore
from expunge.stores.base import Store
from expunge.terms import Method, Selector, Span, Step, Value
from expunge.testing.harness import Harness
from expunge.testing.population import ANN, choose, crowd, do, listening, located, owned, row, seen, step

MISSPELT = "onwer"
MARKER = "qzv7k2mw94xj-secret-p3t8r5hd61yc"

Deed = Callable[[Store], object]
"""Something done with a store, to its end: generators are exhausted."""


class FaultLaws:
    """How a store speaks when something is wrong."""

    def test_an_unknown_collection_is_an_error(self, harness: Harness) -> None:
        """9: locate, verify, reclaim and erase refuse a collection that isn't there."""
        harness.seed(crowd(harness))
        selector = Selector("notse", any_of={harness.fields["owner"]: frozenset({ANN})})
        work = Step("notse", Method.DELETE, selector, ("[1]",))
        for deed in _deeds(selector, work):
            with closing(harness.open()) as store, pytest.raises((UnknownStore, Drift)):
                deed(store)

    def test_an_unknown_field_is_an_error(self, harness: Harness) -> None:
        """9: wherever a field is named; a misspelt one is not a person without records."""
        harness.seed(crowd(harness))
        values = frozenset[Value]({ANN})
        owner = {harness.fields["owner"]: values}
        selectors = [
            Selector(harness.collection, any_of={MISSPELT: values}),
            Selector(harness.collection, any_of={**owner, MISSPELT: values}),
            Selector(harness.collection, any_of=owner, within={MISSPELT: Span()}),
            Selector(harness.collection, any_of=owner, present=frozenset({MISSPELT})),
        ]
        for selector in selectors:
            for deed in _looks(selector):
                with closing(harness.open()) as store, pytest.raises(Drift):
                    deed(store)
        with closing(harness.open()) as store, pytest.raises(Drift):
            list(store.locate(choose(harness), (MISSPELT,)))

    def test_erasing_an_unknown_field_is_an_error(self, harness: Harness) -> None:
        """9: and nothing has changed; a store that only deletes refuses."""
        harness.seed(crowd(harness))
        before = seen(harness)
        places = tuple(located(harness, choose(harness)))
        for work in (
            Step(harness.collection, Method.REDACT, choose(harness), places, fields=(MISSPELT,)),
            Step(harness.collection, Method.DECORRELATE, choose(harness), places, repoint={MISSPELT: "nobody"}),
        ):
            with closing(harness.open()) as store, pytest.raises((Drift, Refused)):
                list(store.erase(work))
        assert seen(harness) == before

    def test_drift_is_an_error(self, harness: Harness) -> None:
        """9: a field that was renamed behind the store's back, also behind an instance that has already seen it."""
        harness.seed(crowd(harness))
        with closing(harness.open()) as old:
            list(old.locate(choose(harness)))
            change = harness.drift()
            if change is None:
                pytest.xfail("the medium has no schema that could drift")
            with change:
                for deed in _looks(choose(harness)):
                    with pytest.raises(Drift):
                        deed(old)
                    with closing(harness.open()) as new, pytest.raises(Drift):
                        deed(new)
        assert set(located(harness, choose(harness)).values()) == owned(crowd(harness), ANN)

    def test_an_outage_is_an_error(self, harness: Harness) -> None:
        """10: every method of an instance opened before or during it says so and asks to be tried again; afterwards all is there."""
        harness.seed(crowd(harness))
        before = seen(harness)
        places = located(harness, choose(harness))
        work = step(harness, Method.DELETE, places)
        for deed in (*_deeds(choose(harness), work), _describe):
            with closing(harness.open()) as old:
                list(old.locate(choose(harness)))
                with harness.outage():
                    with pytest.raises(Unavailable) as caught:
                        deed(old)
                    assert caught.value.retryable
                    with pytest.raises(Unavailable), closing(harness.open()) as new:
                        deed(new)
        assert seen(harness) == before
        assert located(harness, choose(harness)) == places
        assert do(harness, work) == len(places)

    def test_nothing_is_said_about_anybody(self, harness: Harness) -> None:
        """11: no identifier in a log, an answer's text or an error's text, traceback and suppressed causes' texts included."""
        rows = [row(number, MARKER if number % 2 else "other") for number in range(1, 9)]
        harness.seed([*rows[:-1], row(8, MARKER)])
        selector = choose(harness, (MARKER,))
        places = tuple(located(harness, selector))
        with listening() as logged:
            said = list(_say_all(harness, selector, places))
        for text in (*said, *logged):
            assert MARKER not in text

    def test_close_is_idempotent(self, harness: Harness) -> None:
        """A store is closed once or twice, used or unused, and what it was on can be opened again."""
        harness.seed(crowd(harness))
        for _ in range(2):
            store = harness.open()
            assert isinstance(store, Store)
            list(store.locate(choose(harness)))
            store.close()
            store.close()


def _describe(store: Store) -> object:
    return store.describe()


def _looks(selector: Selector) -> list[Deed]:
    """Every way to look."""
    return [lambda store: list(store.locate(selector)), lambda store: store.verify(selector)]


def _deeds(selector: Selector, work: Step) -> list[Deed]:
    """Every method that takes a collection."""
    return [*_looks(selector), lambda store: list(store.erase(work)), lambda store: store.reclaim(selector)]


def _say_all(harness: Harness, selector: Selector, places: tuple[str, ...]) -> Iterator[str]:
    """What a store says about itself and its faults, well and ill treated."""
    name = harness.collection
    ill = [
        Step(name, Method.REDACT, selector, places, fields=(harness.fields["id"],)),
        Step(name, Method.REDACT, selector, places, fields=(MISSPELT,)),
        Step(name, Method.DECORRELATE, selector, places, repoint={harness.fields["id"]: MARKER}),
        Step(name, Method.DECORRELATE, selector, places[:1], repoint={harness.fields["id"]: 2}),
        Step(name, Method.DELETE, selector, (MARKER, f"{MARKER}#1", f'["{MARKER}"]')),
        Step(MARKER[:4], Method.DELETE, selector, places),
    ]
    misspelt = Selector(name, any_of={MISSPELT: frozenset({MARKER})})
    typed = Selector(name, any_of={harness.fields["id"]: frozenset({MARKER})})
    for chosen, work in [(selector, one) for one in ill] + [(misspelt, ill[0]), (typed, ill[0])]:
        yield from (_outcome(harness, deed) for deed in _deeds(chosen, work))
    well = _deeds(selector, step(harness, Method.DELETE, places, selector=selector))
    with harness.outage():
        yield from (_outcome(harness, deed) for deed in well)
    yield from (_outcome(harness, deed) for deed in (repr, _describe, *well))


def _outcome(harness: Harness, deed: Deed) -> str:
    """The answer's text, or the error's with its traceback and all that it was raised from.

    Only our own errors are waited for: another is a fault of the store, and ends the law.
    """
    try:
        with closing(harness.open()) as store:
            return repr(deed(store))
    except StoreError as error:
        return _told(error)


def _told(error: StoreError) -> str:
    """All that a log could print of it."""
    assert error.__cause__ is None, "a driver's error is not carried along"
    return f"{error!s} {error!r} {error.where} {''.join(traceback.format_exception(error))}"
