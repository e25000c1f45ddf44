"""The kit that challenges a store: laws, saboteurs, a working in-memory store, a fake clock, and real servers for tests.

It is shipped, because whoever writes a store needs it: inherit ``StoreLaws`` from ``expunge.testing.conformance``, supply a ``Harness``.
It needs ``pytest`` and ``hypothesis``; nothing else in Expunge imports it.
"""

from __future__ import annotations

import pytest

# Before these are imported, so that a failing law shows the values that differ.
pytest.register_assert_rewrite(
    *(
        f"expunge.testing.{name}"
        for name in ("conformance", "harness", "laws_erase", "laws_faults", "laws_find", "laws_history", "population")
    )
)
