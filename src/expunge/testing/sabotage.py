"""How to prove that the laws bite: a correct store told to lie, and the question which laws notice.

A saboteur wraps an honest store and tells one lie. It is no mock: what it doesn't lie about, the store beneath does. Whoever adds a law
or a store runs all saboteurs against it; one that passes every law is a hole in the laws.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

import pytest

from expunge.errors import StoreError
from expunge.stores.base import Store
from expunge.terms import Located, Reclaimed, Residue, Selector, Shape, Span, Step
from expunge.testing.conformance import StoreLaws
from expunge.testing.harness import Harness, Row


class Saboteur:
    """Passes everything on; a subclass tells one lie. ``caught_by`` names the laws that are expected to notice."""

    caught_by: ClassVar[tuple[str, ...]] = ()

    def __init__(self, honest: Store, harness: Sabotaged) -> None:
        """Stand before the honest store."""
        self.honest = honest
        self.harness = harness

    def describe(self) -> tuple[Shape, ...]:
        """As the honest store."""
        return self.honest.describe()

    def locate(self, selector: Selector, carry: Sequence[str] = ()) -> Iterator[Located]:
        """As the honest store."""
        return self.honest.locate(selector, carry)

    def erase(self, step: Step) -> Iterator[int]:
        """As the honest store."""
        return self.honest.erase(step)

    def reclaim(self, selector: Selector) -> Reclaimed:
        """As the honest store."""
        return self.honest.reclaim(selector)

    def verify(self, selector: Selector) -> Residue:
        """As the honest store."""
        return self.honest.verify(selector)

    def close(self) -> None:
        """As the honest store."""
        self.honest.close()

    def anybody(self) -> Selector:
        """Selects every record of the population."""
        return Selector(self.harness.collection, within={self.harness.fields["at"]: Span()})

    def everything(self, carry: Sequence[str] = ()) -> list[Located]:
        """Every record of the population."""
        return list(self.honest.locate(self.anybody(), carry))


class Sabotaged(Harness):
    """The honest harness, its store replaced by a saboteur. ``ledger`` is what the lie remembers from one instance to the next."""

    def __init__(self, honest: Harness, saboteur: type[Saboteur]) -> None:
        """Take over the harness."""
        self.honest = honest
        self.saboteur = saboteur
        self.ledger: list[str] = []
        self.collection, self.fields, self.gaps, self.tells = honest.collection, honest.fields, honest.gaps, honest.tells
        self.bulk, self.examples = honest.bulk, honest.examples

    def open(self) -> Store:
        """The saboteur."""
        return self.saboteur(self.honest.open(), self)

    def seed(self, rows: Iterable[Row]) -> None:
        """As the honest harness."""
        self.honest.seed(rows)

    def dump(self) -> list[Row]:
        """As the honest harness."""
        return self.honest.dump()

    def raw(self) -> Iterator[tuple[str, bytes]]:
        """As the honest harness, and what the saboteur wrote aside."""
        yield from self.honest.raw()
        yield "aside", "\n".join(self.ledger).encode()

    def outage(self) -> AbstractContextManager[None]:
        """As the honest harness."""
        return self.honest.outage()

    def drift(self) -> AbstractContextManager[None] | None:
        """As the honest harness."""
        return self.honest.drift()

    def bury(self, rows: Iterable[Row]) -> bool:
        """As the honest harness."""
        return self.honest.bury(rows)

    def holds(self, owner: str) -> bool:
        """As the honest harness."""
        return self.honest.holds(owner)


def breaks(law: str, harness: Harness) -> bool:
    """Whether the store breaks this law. A law that doesn't apply to the store is kept; a crash of the law itself is raised."""
    try:
        getattr(StoreLaws(), f"test_{law}")(harness)
    except pytest.xfail.Exception:
        return False
    except (AssertionError, pytest.fail.Exception, StoreError):
        return True
    return False
