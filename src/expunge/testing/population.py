"""The people whose records the laws look for, and the few words in which the laws speak of a store."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest

from expunge.stores.base import Store
from expunge.terms import Method, Selector, Shape, Span, Step, Value, text_of
from expunge.testing.harness import EARLY, FIELDS, Harness, Row

ANN = "ann-7é"
"""The subject."""

BOB = "bob-8"
"""Her neighbour, who must not notice."""

HOUR = timedelta(hours=1)


def near(owner: str) -> list[str]:
    """Texts that a careless comparison takes for ``owner``: case, blanks, Unicode forms, wildcards, quotes, numbers as text."""
    texts = [
        owner.upper(),
        owner.lower(),
        owner.swapcase(),
        f"{owner} ",
        f" {owner}",
        f"{owner}\t",
        f"{owner}0",
        f"0{owner}",
        owner[:-1],
        owner[1:],
        unicodedata.normalize("NFD", owner),
        unicodedata.normalize("NFC", owner),
        unicodedata.normalize("NFKC", owner),
        owner.casefold(),
        owner.replace("-", "_"),
        owner[:1] + "%",
        "%",
        "_" * len(owner),
        "*",
        f"{owner}'",
        f'"{owner}"',
        f"{owner}\\",
        f"{owner}' OR '1'='1",
        f"{owner}\n",
        "",
        "NULL",
        "None",
    ]
    return [text for text in dict.fromkeys(texts) if text != owner]


def crowd(harness: Harness) -> list[Row]:
    """Six records of ``ANN``, six of ``BOB``, and one of each near miss that the medium can hold."""
    owners = [ANN, BOB] * 6 + [text for text in near(ANN) if harness.holds(text)]
    return [row(number, owner) for number, owner in enumerate(owners, 1)]


def many(owner: str, count: int, first: int = 1) -> list[Row]:
    """``count`` records of one person."""
    return [row(first + number, owner) for number in range(count)]


def row(number: int, owner: str) -> Row:
    """The record of that id: every third has no number, every fourth no body; an hour passes between two."""
    return Row(
        id=number,
        owner=owner,
        number=None if number % 3 == 0 else number % 5,
        body=None if number % 4 == 0 else f"note {number}",
        at=EARLY + HOUR * number,
    )


def having(harness: Harness, field: str) -> str:
    """The store's name of a population field; the law ends here if the store is declared not to have it, and truly hasn't."""
    if field in harness.fields:
        return harness.fields[field]
    with closing(harness.open()) as store:
        assert shape_of(store, harness).field(field) is None, f"the harness leaves out {field}, the store lists it"
    pytest.xfail(f"the store has no {field}")


def shape_of(store: Store, harness: Harness) -> Shape:
    """The population's collection as the store describes it."""
    return next(shape for shape in store.describe() if shape.name == harness.collection)


def choose(
    harness: Harness,
    owners: Iterable[Value] | None = (ANN,),
    *,
    ids: Iterable[Value] | None = None,
    within: Span | None = None,
    present: Iterable[str] = (),
    minus: Iterable[str] = (),
) -> Selector:
    """A selector in the population's field names; ``None`` leaves the condition out."""
    names = harness.fields
    asked = {"owner": owners, "id": ids}
    return Selector(
        harness.collection,
        any_of={names[field]: frozenset(values) for field, values in asked.items() if values is not None},
        within={names["at"]: within} if within else {},
        present=frozenset(names[field] for field in present),
        minus=frozenset(minus),
    )


def located(harness: Harness, selector: Selector) -> dict[str, int]:
    """What a new instance of the store finds: address -> the record's id, in the store's order."""
    with closing(harness.open()) as store:
        return found(store, harness, selector)


def found(store: Store, harness: Harness, selector: Selector) -> dict[str, int]:
    """What this instance finds: address -> the record's id, in the store's order."""
    name = harness.fields["id"]
    answer: dict[str, int] = {}
    for batch in store.locate(selector, (name,)):
        numbers = batch.carried[name]
        assert len(numbers) == len(batch.addresses), "a carried column is as long as the addresses"
        for address, number in zip(batch.addresses, numbers, strict=True):
            assert address not in answer, "an address comes once"
            assert number is not None, "the primary key is carried"
            answer[address] = int(text_of(number))
    return answer


def step(
    harness: Harness,
    method: Method,
    addresses: Iterable[str],
    *,
    selector: Selector | None = None,
    fields: Sequence[str] = (),
    repoint: Mapping[str, Value] | None = None,
) -> Step:
    """A step in the population's field names."""
    names = harness.fields
    return Step(
        harness.collection,
        method,
        selector or choose(harness),
        tuple(addresses),
        fields=tuple(names[field] for field in fields),
        repoint={names[field]: value for field, value in (repoint or {}).items()},
    )


def do(harness: Harness, work: Step) -> int:
    """Let a new instance do the whole step; how many addresses it announced."""
    with closing(harness.open()) as store:
        return sum(store.erase(work))


def seen(harness: Harness) -> dict[int, Row]:
    """The live rows by id, as the harness sees them; only the fields that the store has."""
    rows = harness.dump()
    answer = {one.id: held(harness, one) for one in rows}
    assert len(answer) == len(rows), "every record is there once"
    return answer


def held(harness: Harness, one: Row) -> Row:
    """The row as the medium can hold it: the fields that the harness leaves out are at their default."""
    values = {field: getattr(one, field) for field in FIELDS if field in harness.fields}
    return Row(**values)


def owned(rows: Iterable[Row], *owners: str) -> set[int]:
    """The ids of these people's rows."""
    return {one.id for one in rows if one.owner in owners}


class Ear(logging.Handler):
    """Hears all that is logged: our own loggers from DEBUG on, everybody's from INFO on."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep everything that any formatter could print."""
        self.texts.append(f"{record.getMessage()} {record.__dict__!r} {self.format(record)}")


@contextmanager
def listening() -> Iterator[list[str]]:
    """The texts logged while the block runs."""
    ear, root, ours = Ear(), logging.getLogger(), logging.getLogger("expunge")
    levels = root.level, ours.level
    root.addHandler(ear)
    root.setLevel(logging.INFO)
    ours.setLevel(logging.DEBUG)
    try:
        yield ear.texts
    finally:
        root.removeHandler(ear)
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
