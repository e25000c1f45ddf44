"""Looks for spans and raw bytes, wherever they lie: the kernels of identifiers of twelve bytes and more, digests and binary UUIDs."""

# ruff: noqa: FBT001, FBT003 - numbers are bytes, bits and offsets; a kernel takes no keywords
from __future__ import annotations

from typing import Any

import numpy as np

from expunge.hunt.strings_compile import compiled, fetch, inlined
from expunge.hunt.strings_hash import check_of, hash_span, raw_gram, span_gram
from expunge.hunt.strings_layout import (
    BINARY,
    GRAM,
    MORE,
    PAD,
    RAW,
    RAW_STRIDE,
    SPAN,
    STRIDE,
    add_hit,
    find,
    is_of,
    place_of,
    tag_of,
    value_of,
)

_U = np.uint64
_ONE, _LOW6 = _U(1), _U(63)
_B32, _B34, _B40 = _U(32), _U(34), _U(40)


@inlined
def _ask_whole(pad: Any, start: int, length: int, fold: bool, tables: Any, hits: Any, count: int) -> int:
    key = hash_span(pad, start, length, fold)
    ref = find(tables.whole, key)
    if ref < 0 or tables.whole_keys[ref] != key:
        return count
    return add_hit(hits, count, SPAN if fold else RAW, start, start + length, ref, 1.0, 0.0, start + length + 2)


@inlined
def _ask_span(pad: Any, size: int, at: int, place: int, tables: Any, hits: Any, count: int) -> int:
    more = True
    while more:
        shape = tables.span_shapes[place]
        start, length = at - ((shape >> 16) & 0xFFFF), shape & (MORE - 1)
        within = start >= PAD and start + length <= PAD + size
        if within and (shape >> (32 + check_of(pad, start, length))) & 1:
            count = _ask_whole(pad, start, length, True, tables, hits, count)
        more = shape & MORE != 0
        place += 1
    return count


@inlined
def _ask_raw(pad: Any, size: int, at: int, tables: Any, hits: Any, count: int) -> int:
    grams, key = tables.raw_grams, raw_gram(pad, at)
    place, tag = place_of(grams, key), tag_of(key)
    while grams.slots[place] != 0:
        if is_of(grams.slots[place], tag):
            value = value_of(grams.slots[place])
            start, length = at - (value >> 16), value & 0xFFFF
            if start >= PAD and start + length <= PAD + size:
                count = _ask_whole(pad, start, length, False, tables, hits, count)
        place += _ONE
    return count


@compiled
def _collect_spans(pad: Any, first: int, last: int, words: Any, room: Any, chosen: Any) -> int:
    """Positions whose gram is in the filter. Apart from what is done with them: in one loop the two take five times as long."""
    count = 0
    for at in range(first, last, STRIDE):
        key = span_gram(pad, at)
        word = words[((key >> _B32) * room) >> _B32]
        if (word >> (key >> _B34 & _LOW6)) & (word >> (key >> _B40 & _LOW6)) & _ONE:
            chosen[count] = at
            count += 1
    return count


@compiled
def _collect_raws(pad: Any, first: int, last: int, words: Any, room: Any, chosen: Any, count: int) -> int:
    for at in range(first, last, RAW_STRIDE):
        key = raw_gram(pad, at)
        word = words[((key >> _B32) * room) >> _B32]
        if (word >> (key >> _B34 & _LOW6)) & (word >> (key >> _B40 & _LOW6)) & _ONE:
            chosen[count] = at
            count += 1
    return count


@compiled
def _keep_spans(pad: Any, tables: Any, chosen: Any, shapes: Any, count: int) -> int:
    """Of the chosen positions those whose gram is in the table, with its first shape. Memory is asked first and read later, twice."""
    for i in range(count):
        fetch(tables.span_grams.slots, place_of(tables.span_grams, span_gram(pad, chosen[i])))
    kept = 0
    for i in range(count):
        at = chosen[i]
        place = find(tables.span_grams, span_gram(pad, at))
        if place >= 0:
            chosen[kept], shapes[kept] = at, place
            fetch(tables.span_shapes, place)
            kept += 1
    return kept


@compiled
def sweep_spans(pad: Any, size: int, tables: Any, work: Any, hits: Any, count: int, first: int, last: int) -> int:
    """Spans at every fifth position, and raw ones in blocks that are not text; ``first`` and ``last`` are of blocks."""
    chosen, end = work.asked, PAD + size - GRAM + 1
    if tables.span_grams.room > 1:
        begin = first + (PAD - first) % STRIDE
        held = _collect_spans(pad, begin, min(last, end), tables.spans.words, tables.spans.room, chosen)
        for i in range(_keep_spans(pad, tables, chosen, work.shapes, held)):
            count = _ask_span(pad, size, chosen[i], work.shapes[i], tables, hits, count)
    if tables.raw_grams.room <= 1:
        return count
    held = 0
    for base in range(first, last, 64):
        if work.flags[(base - PAD) >> 6] & BINARY:
            held = _collect_raws(pad, base, min(base + 64, end), tables.raws.words, tables.raws.room, chosen, held)
    for i in range(held):
        fetch(tables.raw_grams.slots, place_of(tables.raw_grams, raw_gram(pad, chosen[i])))
    for i in range(held):
        count = _ask_raw(pad, size, chosen[i], tables, hits, count)
    return count
