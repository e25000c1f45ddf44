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
    may_hold,
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
def _ask_span(pad: Any, size: int, at: int, tables: Any, hits: Any, count: int) -> int:
    place = find(tables.span_grams, span_gram(pad, at))
    more = place >= 0
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
def _collect_spans(pad: Any, size: int, words: Any, room: Any, chosen: Any) -> int:
    """Positions whose gram is in the filter. Apart from what is done with them: in one loop the two take five times as long."""
    count = 0
    for at in range(PAD, PAD + size - GRAM + 1, STRIDE):
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
def _keep(pad: Any, grams: Any, fold: bool, chosen: Any, count: int) -> int:
    """Of the chosen positions those whose gram is in the table, or may be."""
    for i in range(count):
        at = chosen[i]
        fetch(grams.slots, place_of(grams, span_gram(pad, at) if fold else raw_gram(pad, at)))
    kept = 0
    for i in range(count):
        at = chosen[i]
        chosen[kept] = at
        kept += may_hold(grams, span_gram(pad, at) if fold else raw_gram(pad, at))
    return kept


@compiled
def sweep_spans(pad: Any, size: int, tables: Any, work: Any, hits: Any, count: int) -> int:
    """Spans, and raw ones in blocks that are not text."""
    chosen = work.chosen
    if tables.span_grams.room > 1:
        held = _collect_spans(pad, size, tables.spans.words, tables.spans.room, chosen)
        for i in range(_keep(pad, tables.span_grams, True, chosen, held)):
            count = _ask_span(pad, size, chosen[i], tables, hits, count)
    if tables.raw_grams.room <= 1:
        return count
    held = 0
    for block in range((size + 63) >> 6):
        if work.flags[block] & BINARY:
            base = PAD + (block << 6)
            held = _collect_raws(pad, base, min(base + 64, PAD + size - 7), tables.raws.words, tables.raws.room, chosen, held)
    for i in range(_keep(pad, tables.raw_grams, False, chosen, held)):
        count = _ask_raw(pad, size, chosen[i], tables, hits, count)
    return count
