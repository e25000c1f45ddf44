"""Laws 1, 2, 3 and 12: what there is, whose it is, and the same by another path."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import cast

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from expunge.stores.base import Reader
from expunge.terms import FieldType, Method, Selector, Span, Value, text_of
from expunge.testing.harness import FIELDS, Harness, Row
from expunge.testing.population import (
    ANN,
    BOB,
    HOUR,
    choose,
    crowd,
    do,
    found,
    having,
    located,
    near,
    owned,
    row,
    seen,
    shape_of,
    step,
)

UNCOMPARED = {FieldType.JSON, FieldType.OTHER}


class FindLaws:
    """How a store describes, locates and verifies."""

    def test_describe_is_true(self, harness: Harness) -> None:
        """1: the collection is listed with every field that it has, alike each time; what it has not is not listed."""
        harness.seed(crowd(harness))
        with closing(harness.open()) as store, closing(harness.open()) as other:
            shape = shape_of(store, harness)
            assert store.describe() == store.describe() == other.describe()
        names = [field.name for field in shape.fields]
        assert len(names) == len(set(names))
        assert set(harness.fields.values()) <= set(names)
        assert not {field for field in FIELDS if field not in harness.fields} & set(names)
        assert set(shape.primary_key) <= set(names)
        assert all((field := shape.field(harness.fields[name])) and field.type not in UNCOMPARED for name in ("id", "owner"))

    def test_the_harness_is_true(self, harness: Harness) -> None:
        """The laws' own ground: what was seeded is what is seen, and seeding again replaces it."""
        harness.seed(crowd(harness))
        first = seen(harness)
        assert {one.id: one.owner for one in first.values()} == {one.id: one.owner for one in crowd(harness)}
        harness.seed([row(5, BOB)])
        assert list(seen(harness)) == [5]

    def test_locate_finds_the_subject_and_nobody_else(self, harness: Harness) -> None:
        """2: every record of the subject, and none of the near misses."""
        rows = crowd(harness)
        harness.seed(rows)
        assert set(located(harness, choose(harness)).values()) == owned(rows, ANN)

    def test_locate_is_alike_twice(self, harness: Harness) -> None:
        """2: the same addresses in the same order, from the same instance and from another."""
        harness.seed(crowd(harness))
        selector = choose(harness, (ANN, BOB))
        with closing(harness.open()) as store:
            first, second = list(found(store, harness, selector)), list(found(store, harness, selector))
        assert first == second == list(located(harness, selector))

    def test_locate_finds_many_people_at_once(self, harness: Harness) -> None:
        """2: a set of values, known and unknown, finds the records of each."""
        rows = crowd(harness)
        harness.seed(rows)
        nobodies = [f"nobody-{number}" for number in range(1500)]
        assert set(located(harness, choose(harness, (ANN, BOB, *nobodies))).values()) == owned(rows, ANN, BOB)
        assert located(harness, choose(harness, nobodies)) == {}

    def test_carried_values_are_the_records(self, harness: Harness) -> None:
        """2: carried columns hold the record's own values, null for null."""
        harness.seed(crowd(harness))
        truth = seen(harness)
        with closing(harness.open()) as store:
            shape = shape_of(store, harness)
            names = {
                field: name for field, name in harness.fields.items() if (declared := shape.field(name)) and declared.type not in UNCOMPARED
            }
            batches = list(store.locate(choose(harness), tuple(names.values())))
        for batch in batches:
            for place in range(len(batch.addresses)):
                carried = {field: batch.carried[name][place] for field, name in names.items()}
                number = carried["id"]
                assert number is not None
                one = truth[int(text_of(number))]
                assert {field: _text(value) for field, value in carried.items()} == {field: _text(getattr(one, field)) for field in names}

    def test_conditions_hold_together(self, harness: Harness) -> None:
        """2: sets of two fields are both asked for."""
        rows = crowd(harness)
        harness.seed(rows)
        hers, his = sorted(owned(rows, ANN)), sorted(owned(rows, BOB))
        _agree(harness, [(choose(harness, ids=(*hers[:2], *his[:2], 10**6)), set(hers[:2]))])

    def test_time_ranges_are_half_open(self, harness: Harness) -> None:
        """2: a record at the start of a range is in it, one at its end is not; with and without other conditions."""
        having(harness, "at")
        harness.seed(crowd(harness))
        truth = seen(harness)
        times = sorted({one.at for one in truth.values()})
        low, high = times[len(times) // 4], times[len(times) // 2]
        spans = [Span(None, high), Span(high, None), Span(None, None), Span(high, high + HOUR / 2)]
        spans += [Span(low, high)] if low < high else []
        hers = owned(truth.values(), ANN, BOB)
        for span in spans:
            inside = {one.id for one in truth.values() if span.holds(one.at)}
            _agree(harness, [(choose(harness, None, within=span), inside), (choose(harness, (ANN, BOB), within=span), inside & hers)])

    def test_present_asks_for_a_value(self, harness: Harness) -> None:
        """2: only records in which one of the fields still holds something."""
        having(harness, "number")
        having(harness, "body")
        rows = crowd(harness)
        harness.seed(rows)
        for fields in (("number",), ("number", "body")):
            truth = {one.id for one in rows if one.owner in (ANN, BOB) and any(getattr(one, field) is not None for field in fields)}
            _agree(harness, [(choose(harness, (ANN, BOB), present=fields), truth)])

    def test_held_addresses_are_left_out(self, harness: Harness) -> None:
        """2: neither located nor verified."""
        harness.seed(crowd(harness))
        everything = located(harness, choose(harness))
        kept = set(list(everything)[::2])
        _agree(harness, [(choose(harness, minus=kept), {number for address, number in everything.items() if address not in kept})])

    def test_an_empty_set_matches_nothing(self, harness: Harness) -> None:
        """2: no value is never every value, alone or beside another condition."""
        harness.seed(crowd(harness))
        _agree(harness, [(choose(harness, None, ids=()), set()), (choose(harness, ids=()), set()), (choose(harness, ()), set())])

    def test_values_meet_fields_of_another_type(self, harness: Harness) -> None:
        """2: the text of an integer is the integer, and nothing else is; an integer is its own text."""
        harness.seed([Row(1, "7"), Row(2, "07"), Row(3, "7.0"), Row(4, "true"), Row(7, "1")])
        texts: list[tuple[Value, set[int]]] = [(7, {1}), ("7", {1}), ("07", {2}), (7.0, {3}), ("7 ", set()), (True, {4}), (1, {7})]
        if harness.holds("7\x17"):  # what asks by listing can't ask for a control character; what doesn't must bear even NUL
            texts.append(("7\x00", set()))
        numbers: list[tuple[Value, set[int]]] = [("7", {7}), (7, {7}), *((value, set()) for value in _NO_IDS)]
        _agree(harness, [(choose(harness, (value,)), truth) for value, truth in texts])
        _agree(harness, [(choose(harness, None, ids=(value,)), truth) for value, truth in numbers])

    def test_nobody_is_a_true_zero(self, harness: Harness) -> None:
        """3: an unknown person has no records although all were looked at; an empty collection is no error."""
        harness.seed(crowd(harness))
        _agree(harness, [(choose(harness, ("nobody at all",)), set())])
        harness.seed([])
        _agree(harness, [(choose(harness), set())])

    def test_verify_before_equals_locate(self, harness: Harness) -> None:
        """3: before anything is erased both paths count the same, and verify has looked at every record."""
        rows = crowd(harness)
        harness.seed(rows)
        crowds = [(ANN,), (BOB,), (ANN, BOB), *((one.owner,) for one in rows if one.owner is not None and one.owner not in (ANN, BOB))]
        _agree(harness, [(choose(harness, owners), owned(rows, *owners)) for owners in crowds])

    def test_read_gives_the_records(self, harness: Harness) -> None:
        """A store that can be read gives each record's content in the order asked for, and leaves out what is gone."""
        harness.seed(crowd(harness))
        truth = seen(harness)
        places = located(harness, choose(harness))
        first, *rest = places
        do(harness, step(harness, Method.DELETE, [first]))
        with closing(harness.open()) as store:
            if not isinstance(store, Reader):
                return
            records = list(store.read(harness.collection, places))
        assert [record.address for record in records] == rest
        for record in records:
            one = truth[places[record.address]]
            said = f"{dict(record.fields)} {(record.body or b'').decode()}"
            assert one.body is None or one.body in said

    def test_any_population_any_subject(self, harness: Harness) -> None:
        """12: whatever the texts, what is located and verified is what plain Python picks; what is erased is exactly that."""

        @settings(
            max_examples=harness.examples, phases=_PHASES, deadline=None, derandomize=True, database=None, suppress_health_check=_SLOW
        )
        @given(_populations(harness), st.data())
        def law(rows: list[Row], data: st.DataObject) -> None:
            harness.seed(rows)
            owners = [one.owner for one in rows if one.owner is not None]
            values = data.draw(_subjects(harness, owners))
            wanted = {text_of(value) for value in values}
            truth = {one.id for one in rows if one.owner in wanted}
            selector = choose(harness, values)
            places = _agree(harness, [(selector, truth)])
            assert do(harness, step(harness, Method.DELETE, places, selector=selector)) == len(places)
            assert set(seen(harness)) == {one.id for one in rows} - truth

        law()


_NO_IDS = ("07", " 7", "seven", "1e0", "", "7\x00", "\N{ARABIC-INDIC DIGIT SEVEN}", True, 10**30, -7)
"""Values that no id equals, though a careless reader takes some for 7 or 1."""

_PHASES = (Phase.generate,)  # no shrinking: a medium takes minutes for it, and the ids that differ already name the pair of texts
_SLOW = tuple(HealthCheck)  # filling a medium is slow, and the number of examples bounds it

_AWKWARD: tuple[str, ...] = (
    "ann",
    "Ann",
    "ANN",
    "ann ",
    " ann",
    "a%",
    "a_n",
    "%",
    "é",
    "e\u0301",
    "ß",
    "ss",
    "İ",
    "ﬁ",
    "7",
    "07",
    "7.0",
    "1e3",
    "",
    "null",
    "'",
    '"',
    "\\",
    "a/b",
    "..",
    "?",
)
_AWKWARD += (
    "a" * 200,
    "日本",
    "👩‍👧",
    "a\tb",
    "a\nb",
    "true",
    "-1",
    "{ann}",
    "[ann]",
    "a=b&c",
    "#1",
    "a,b",
    "--",
    ";",
    "$1",
    ":a",
    "\ufeff",
)


def _owners() -> st.SearchStrategy[str]:
    """Awkward texts, and any other short one that is Unicode text (a lone surrogate is not)."""
    return st.one_of(st.sampled_from(_AWKWARD), st.text(st.characters(exclude_categories=["Cs"]), max_size=6))


def _populations(harness: Harness) -> st.SearchStrategy[list[Row]]:
    """One owner, many of the near misses of it, and some others: two to seventeen records, as far as the medium can hold them."""

    def around(owner: str) -> st.SearchStrategy[list[str]]:
        close = [text for text in near(owner) if harness.holds(text)]
        misses = st.lists(st.sampled_from(close), min_size=min(len(close), 6), max_size=12, unique=True)
        return st.tuples(misses, st.lists(_owners().filter(harness.holds), max_size=3)).map(
            lambda lists: [owner, owner, *lists[0], *lists[1]]
        )

    crowds = st.one_of(st.just(ANN), _owners().filter(harness.holds)).flatmap(around)
    return crowds.map(lambda owners: [row(number, owner) for number, owner in enumerate(owners, 1)])


def _subjects(harness: Harness, owners: list[str]) -> st.SearchStrategy[list[Value]]:
    """An owner of the population, mostly the first; and one to four more, near misses, numbers, any text that an owner could be."""
    values: st.SearchStrategy[Value] = st.one_of(
        st.sampled_from([*owners, *near(owners[0])]), st.integers(-10, 10), _owners().filter(harness.holds)
    )
    first = st.one_of(st.just(owners[0]), st.sampled_from(owners))
    return st.tuples(first, st.lists(values, min_size=1, max_size=4)).map(lambda drawn: [drawn[0], *drawn[1]])


def _text(value: object) -> str | None:
    """A value's text, a time in UTC; so are a carried and a seeded value compared whatever the field's type is."""
    if value is None:
        return None
    return text_of(value.astimezone(UTC) if isinstance(value, datetime) else cast("Value", value))


def _agree(harness: Harness, cases: list[tuple[Selector, set[int]]]) -> dict[str, int]:
    """For each case ``locate`` finds these ids, ``verify`` counts as many and has looked at all there are; what the last one found."""
    places: dict[str, int] = {}
    total = len(harness.dump())
    with closing(harness.open()) as store:
        for selector, truth in cases:
            places = found(store, harness, selector)
            assert set(places.values()) == truth
            residue = store.verify(selector)
            assert residue.live == len(truth)
            assert residue.scanned >= total
    return places
