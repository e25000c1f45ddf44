"""The laws that every store keeps, as a pytest class to inherit.

::

    class TestMyStore(StoreLaws):
        @pytest.fixture
        def harness(self, tmp_path):
            harness = MyHarness(tmp_path)      # a subclass of Harness, about 50 lines
            yield harness
            harness.close()

The laws take their expectations from plain Python on the rows that the harness wrote and sees, never from the store. They are numbered
as in the contract: 1 describe is true; 2 locate finds the subject and nobody else, twice alike; 3 verify before equals locate; 4 delete
removes all and only these; 5 redact nulls and decorrelate re-points, and the record stays; 6 twice is once; 7 stop at any batch, resume,
same end, nothing announced before it is durable; 8 history is told until reclaimed, then no byte is left; 9 drift and 10 an outage are
errors, never zero; 11 no identifier in any text; 12 any population, any subject. A store that is a ``Lister`` lists exactly what is there.

A law that a store can't keep is declared in ``Harness.gaps`` and must then fail with the declared error.
"""

from __future__ import annotations

import inspect

import pytest

from expunge.testing.harness import EARLY, FIELDS, Gap, Harness, Row
from expunge.testing.laws_erase import EraseLaws
from expunge.testing.laws_faults import FaultLaws
from expunge.testing.laws_find import FindLaws
from expunge.testing.laws_history import HistoryLaws
from expunge.testing.laws_list import ListLaws

__all__ = ["EARLY", "FIELDS", "Gap", "Harness", "Row", "StoreLaws", "laws"]


class StoreLaws(FindLaws, EraseLaws, HistoryLaws, FaultLaws, ListLaws):
    """Inherit, and supply the fixture ``harness``: a fresh, empty medium for each law."""

    @pytest.fixture(autouse=True)
    def _declared_gap(self, request: pytest.FixtureRequest, harness: Harness) -> None:
        gap = harness.gaps.get(request.function.__name__.removeprefix("test_"))
        if gap is not None:
            request.applymarker(pytest.mark.xfail(reason=gap.reason, raises=gap.raises, strict=True))

    def test_the_declarations_are_of_laws_and_fields(self, harness: Harness) -> None:
        """A misspelt gap or field would declare nothing."""
        assert set(harness.gaps) <= set(laws())
        assert {"id", "owner"} <= set(harness.fields) <= set(FIELDS)


def laws() -> tuple[str, ...]:
    """The names of all laws, as ``Harness.gaps`` uses them."""
    return tuple(name.removeprefix("test_") for name, _ in inspect.getmembers(StoreLaws, inspect.isfunction) if name.startswith("test_"))
