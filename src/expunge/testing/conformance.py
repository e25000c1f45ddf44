"""The laws that every store keeps, as a pytest class to inherit.

::

    class TestMyStore(StoreLaws):
        @pytest.fixture
        def harness(self, tmp_path):
            harness = MyHarness(tmp_path)      # a subclass of Harness, about 50 lines
            yield harness
            harness.close()

The laws take their expectations from plain Python on the rows that the harness wrote and sees, never from the store.
"""

from __future__ import annotations

from expunge.testing.harness import EARLY, Gap, Harness, Row

__all__ = ["EARLY", "Gap", "Harness", "Row", "StoreLaws"]


class StoreLaws:
    """Inherit, and supply the fixture ``harness``."""
