"""Looks for texts, short identifiers, and weak ones behind a field's name: the kernels that see bytes as words."""

# ruff: noqa: PLR2004, FBT001 - numbers are bytes, bits and offsets; a kernel takes no keywords
from __future__ import annotations

from typing import Any

import numpy as np

from expunge.hunt.strings_compile import compiled, inlined, signed
from expunge.hunt.strings_hash import K2, hash_words, join, read_words
from expunge.hunt.strings_layout import (
    CHUNK,
    CONTEXT,
    FORM,
    PAD,
    REACH,
    RECENT,
    TEXT,
    WEAK,
    add_hit,
    is_set,
    may_hold,
    place_of,
    start_of,
    told_of,
)

AHEAD, AHEAD_BYTES, NEAR_WORDS = 40, 600, 6
"""How far after a word of a field's name: numbers of a list go on, another word ends it from the sixth on (``profile: {a: 1, id: 17}``)."""
LEAST_SHARE = 0.55
"""Of a passage's bits, below which nobody wants to see it: as ``strings_bits``."""
SLACK = 48
"""Bytes behind a passage that must be there before it is told: a word or two may have been put in."""

_U = np.uint64
_ONE, _TWO, _B32 = _U(1), _U(2), _U(32)


@compiled
def _choose(tables: Any, hashes: Any, texts: Any, names: Any, first: int, last: int, text: int, name: int) -> tuple[int, int]:
    """Words worth a look, written behind one another: the last ones of grams that are in a text, and those that are in names.

    Each step asks for all words before the next begins, and drops without a branch, so that many questions are under way at once.
    """
    words, room = tables.words.words, tables.words.room
    kept, before = text, 0
    for i in range(first, last):
        word = hashes[i]
        told = told_of(tables.known, word)
        texts[kept], names[name] = i, i
        kept += told & before
        name += told >> 1
        before = told & 1
    out = text
    for at in range(text, kept):
        i = texts[at]
        straight, skipping = join(hashes[i], hashes[i - 1], hashes[i - 2]), join(hashes[i], hashes[i - 1], hashes[i - 3])
        texts[out] = i
        out += signed(is_set(words, room, straight) | is_set(words, room, skipping))
    kept = text
    for at in range(text, out):
        i = texts[at]
        straight, skipping = join(hashes[i], hashes[i - 1], hashes[i - 2]), join(hashes[i], hashes[i - 1], hashes[i - 3])
        texts[kept] = i
        kept += signed(may_hold(tables.grams, straight) | may_hold(tables.grams, skipping))
    return kept, name


@inlined
def _ask_form(pad: Any, tables: Any, work: Any, words: int, first: int, form: int, kind: int, hits: Any, count: int) -> int:
    begin, behind = tables.form_first[form], tables.form_first[form + 1]
    last = first + behind - begin - 1
    if first < 3 or last >= words:
        return count
    for at in range(behind - begin):
        if work.hashes[first + at] != tables.form_words[begin + at]:
            return count
    end = work.ends[last]
    if hash_words(pad, work.ends, first, last + 1) != tables.form_wholes[form]:
        return count
    return add_hit(hits, count, kind, start_of(pad, work.ends[first]), end, form, 1.0, 0.0, end + 2)


@inlined
def _ask_weak(pad: Any, tables: Any, work: Any, words: int, i: int, hits: Any, count: int) -> int:
    key = work.hashes[i]
    if is_set(tables.words.words, tables.words.room, key ^ K2):
        place = place_of(tables.weak, key)
        while tables.weak.slots[place] != 0:
            if tables.weak.slots[place] == key:
                count = _ask_form(pad, tables, work, words, i, signed(tables.weak.slots[place + _ONE]), WEAK, hits, count)
            place += _TWO
    return count


@inlined
def _ask_ahead(pad: Any, tables: Any, work: Any, words: int, i: int, hits: Any, count: int) -> int:
    """Weak identifiers behind a word of a field's name."""
    for j in range(i + 1, min(i + AHEAD, words)):
        end = work.ends[j]
        if end - work.ends[i] > AHEAD_BYTES:
            break
        count = _ask_weak(pad, tables, work, words, j, hits, count)
        if j >= i + NEAR_WORDS and not 48 <= pad[end - 1] <= 57:
            break
    return count


@inlined
def _ask_anchor(pad: Any, tables: Any, work: Any, words: int, i: int, hits: Any, count: int) -> int:
    key = work.hashes[i]
    place = place_of(tables.anchors, key)
    while tables.anchors.slots[place] != 0:
        if tables.anchors.slots[place] == key:
            value = signed(tables.anchors.slots[place + _ONE])
            if value >> 8 == CONTEXT:
                count = _ask_ahead(pad, tables, work, words, i, hits, count)
            else:
                count = _ask_form(pad, tables, work, words, i - (value & 255), value >> 8, FORM, hits, count)
        place += _TWO
    return count


@inlined
def _ask_passage(pad: Any, size: int, tables: Any, work: Any, words: int, i: int, value: int, hits: Any, count: int) -> int:
    """Compare the words around with a passage's: each may stand up to two places off, for words put in or left out."""
    begin, length = (value >> 16) & 0xFFFFFFFF, (value >> 8) & 255
    first = i - (value & 255)
    last = first + length - 1
    recent = 2 * (begin & (RECENT - 1))
    if work.seen[recent] == begin and first < work.seen[recent + 1]:
        return count
    total = value >> 48
    low, high = words, -1
    missing = signed(total * (1 - LEAST_SHARE))
    bits = straight = 0
    for at in range(length):
        word = tables.passage_words[begin + at]
        found = -1
        for step in range(5):
            j = first + at + ((step + 1) >> 1) * (1 if step & 1 else -1)
            if 3 <= j < words and (np.uint32(work.hashes[j] >> _B32) ^ word) >> np.uint32(5) == 0:
                straight += step == 0
                found = j
                break
        told = signed(word) & 31
        if found >= 0:
            bits += told
            low, high = min(low, found), max(high, found)
        else:
            missing -= told
            if missing < 0:
                return count
    if bits < 2 * tables.least:
        return count
    needed = PAD + size + SLACK if last >= words else work.ends[last] + SLACK
    work.seen[recent], work.seen[recent + 1] = begin, high
    share = 1.0 if straight == length else min(bits / total, 0.999)
    return add_hit(hits, count, TEXT, start_of(pad, work.ends[low]), work.ends[high], begin, share, bits / 2, needed)


@inlined
def _list_passages(tables: Any, work: Any, first: int, last: int, count: int) -> int:
    """Passages of the grams that end at chosen words: listed first and compared later, so that their cache misses overlap."""
    for at in range(first, last):
        i = work.chosen[at]
        for skip in range(2):
            key = join(work.hashes[i], work.hashes[i - 1], work.hashes[i - 2 - skip])
            place = place_of(tables.grams, key)
            while tables.grams.slots[place] != 0:
                if tables.grams.slots[place] == key and count < len(work.places):
                    value = signed(tables.grams.slots[place + _ONE])
                    work.places[count], work.passages[count] = i, value
                    work.touched[0] ^= tables.passage_words[(value >> 16) & 0xFFFFFFFF]
                    count += 1
                place += _TWO
    return count


@inlined
def _ask_until(pad: Any, size: int, tables: Any, work: Any, words: int, until: int, texts: int, names: int, hits: Any, count: int) -> Any:
    """Ask for the chosen words before ``until``; what is still to be asked comes to the front. The count, and how many wait."""
    asked = 0
    while asked < texts and work.chosen[asked] < until:
        asked += 1
    for at in range(_list_passages(tables, work, 0, asked, 0)):
        count = _ask_passage(pad, size, tables, work, words, work.places[at], work.passages[at], hits, count)
    for at in range(asked, texts):
        work.chosen[at - asked] = work.chosen[at]
    texts -= asked
    asked = 0
    while asked < names and work.names[asked] < until:
        count = _ask_anchor(pad, tables, work, words, work.names[asked], hits, count)
        asked += 1
    for at in range(asked, names):
        work.names[at - asked] = work.names[at]
    return count, texts, names - asked


@inlined
def _forget(work: Any, shift: int, words: int, texts: int, names: int) -> None:
    """Drop the first words, so that the arrays of words stay in the second-level cache, with the filters."""
    for at in range(shift, words):
        work.hashes[at - shift], work.ends[at - shift] = work.hashes[at], work.ends[at]
    for at in range(texts):
        work.chosen[at] -= shift
    for at in range(names):
        work.names[at] -= shift
    for at in range(RECENT):
        work.seen[2 * at + 1] -= shift


@compiled
def sweep_words(pad: Any, size: int, tables: Any, work: Any, hits: Any, count: int, all_weak: bool) -> int:
    """Texts, short identifiers, and weak ones behind a field's name (everywhere if ``all_weak``)."""
    work.hashes[:3] = 0
    work.ends[:3] = PAD
    work.seen[:] = -1
    before, words, done, texts, names, weak = _U(0), 3, 3, 0, 0, 3
    last = PAD + ((size >> 6) + 1) * 64
    for first in range(PAD, last, CHUNK):
        before, words = read_words(pad, first, min(first + CHUNK, last), before, work.ends, work.hashes, words)
        texts, names = _choose(tables, work.hashes, work.chosen, work.names, done, words, texts, names)
        until = words if first + CHUNK >= last else words - REACH
        count, texts, names = _ask_until(pad, size, tables, work, words, until, texts, names, hits, count)
        if all_weak:
            for i in range(weak, until):
                count = _ask_weak(pad, tables, work, words, i, hits, count)
        shift = max(until - REACH, 0)
        _forget(work, shift, words, texts, names)
        words -= shift
        done, weak = words, max(until - shift, 3)
    return count
