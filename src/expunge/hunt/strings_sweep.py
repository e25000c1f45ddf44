"""The one call that sweeps a pad for one group of needles."""

# ruff: noqa: FBT001 - numbers are bytes, bits and offsets; a kernel takes no keywords
from __future__ import annotations

from typing import Any

from expunge.hunt.strings_classes import classify
from expunge.hunt.strings_compile import LANES, compiled, copy_lanes
from expunge.hunt.strings_layout import CHUNK, PAD
from expunge.hunt.strings_spans import sweep_spans
from expunge.hunt.strings_words import begin_words, sweep_words


@compiled
def sweep_all(pad: Any, size: int, tables: Any, work: Any, hits: Any, all_weak: bool, classified: bool) -> int:
    """Everything, in one call: handing sixty arrays over from Python takes 20 µs. How many hits there are, or would be with more room."""
    if not classified:
        classify(pad, size, work.flags)
    begin_words(work)
    count = 0
    end = PAD + ((size >> 6) + 1) * 64
    for first in range(PAD, end, CHUNK):  # a chunk stays in the caches until all is asked that there is to ask
        last = min(first + CHUNK, end)
        count = sweep_words(pad, size, tables, work, hits, count, all_weak, first, last)
        count = sweep_spans(pad, size, tables, work, hits, count, first, last)
    return count


@compiled
def join_cells(buffer: Any, offsets: Any, content: Any) -> None:
    """Write the cells that lie between ``offsets`` behind one another, a line feed after each; ``LANES`` bytes behind are written too.

    Many bytes at once, and so up to ``LANES`` too many, over which the next cell is written: byte by byte took a sixth of a sweep's time.
    """
    out = 0
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        behind = out + end - at
        while at < end and at + LANES <= len(buffer):
            copy_lanes(buffer, at, content, out)
            at += LANES
            out += LANES
        for rest in range(at, end):
            content[out + rest - at] = buffer[rest]
        content[behind] = 10
        out = behind + 1
