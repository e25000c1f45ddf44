"""The one call that sweeps a pad for one group of needles."""

# ruff: noqa: FBT001 - numbers are bytes, bits and offsets; a kernel takes no keywords
from __future__ import annotations

from typing import Any

from expunge.hunt.strings_classes import classify
from expunge.hunt.strings_compile import compiled
from expunge.hunt.strings_spans import sweep_spans
from expunge.hunt.strings_words import sweep_words


@compiled
def sweep_all(pad: Any, size: int, tables: Any, work: Any, hits: Any, all_weak: bool, classified: bool) -> int:
    """Everything, in one call: handing sixty arrays over from Python takes 20 µs. How many hits there are, or would be with more room."""
    if not classified:
        classify(pad, size, work.flags)
    return sweep_words(pad, size, tables, work, hits, sweep_spans(pad, size, tables, work, hits, 0), all_weak)
